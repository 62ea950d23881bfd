"""The same cast as in the tests of the frame."""

from tests.ui.conftest import _own_frame, amari, cast, signed_in, two_places

__all__ = ["_own_frame", "amari", "cast", "signed_in", "two_places"]
