"""Issue a sheet: composed for one signed treatment, rendered, frozen."""

from functools import cache

from django.conf import settings

from aftercare.composer import Advice, load_advice


class SheetError(Exception):
    """The sheet can't be issued now; the text says what to do."""


@cache
def advice() -> Advice:
    """The advice catalogue, read once per process."""
    return load_advice(settings.BASE_DIR / "aftercare" / "knowledge")


def languages() -> list[tuple[str, str]]:
    """Languages a sheet can be issued in, as (code, own name)."""
    names = {code.split("-")[0]: str(name) for code, name in settings.LANGUAGES}
    return [(code, names.get(code, code)) for code in advice().languages]
