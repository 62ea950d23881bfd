"""Why a change of the set-up is not saved."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from django.db import IntegrityError

from sessions.models import Appointment


class SetupError(Exception):
    """It can't be saved as typed; the text says what to enter, `field` where."""

    def __init__(self, text: str, field: str | None = None) -> None:
        super().__init__(text)
        self.field = field


class VisitsHit(Exception):
    """Booked visits would no longer fit. They are shown first; nothing is ever moved by itself.

    With a `refusal` they must be moved first: it says why the change can't be saved while they stand, and `why` what is
    the matter with each (by key). `about` is what was asked besides, such as the new clock.
    """

    def __init__(
        self, visits: Sequence[Appointment], refusal: str = "", why: Mapping[int, str] | None = None, about: str = ""
    ) -> None:  # fmt: skip
        super().__init__(refusal or f"{len(visits)} booked visits are hit")
        self.visits = list(visits)
        self.refusal = refusal
        self.why = dict(why or {})
        self.about = about


def fingerprint(visits: Iterable[Appointment], about: str = "") -> str:
    """What a person has seen: another visit, or a visit moved meanwhile, gives another one."""
    text = ",".join(f"{visit.pk}.{visit.version}" for visit in sorted(visits, key=lambda visit: visit.pk))
    return hashlib.sha256((about + text).encode()).hexdigest()[:32]


def ask_about(visits: Sequence[Appointment], accepted: str, about: str = "") -> None:
    """Raise VisitsHit unless exactly these visits were shown and accepted, and about the same change."""
    if visits and fingerprint(visits, about) != accepted:
        raise VisitsHit(visits, about=about)


def broken(error: IntegrityError, sentences: dict[str, tuple[str, str]]) -> SetupError:
    """The sentence for a broken constraint, by its name: {"name": (text, field)}. Unknown ones go on as they are."""
    name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", "") or ""
    for known, (text, field) in sentences.items():
        if name == known or name.startswith(known):
            return SetupError(text, field)
    raise error
