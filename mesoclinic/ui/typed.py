"""Days and times as people type them: `1 Aug 2026`, `1.8.2026`, `2026-08-01`, `17:30`. Pure; None when it is none."""

import re
from datetime import date, time

from django.utils import dates, translation

_ISO = re.compile(r"(?P<y>\d{4})[-./](?P<m>\d{1,2})[-./](?P<d>\d{1,2})")
_DAY_FIRST = re.compile(r"(?P<d>\d{1,2})\s*[-./ ]\s*(?P<m>\d{1,2})\s*[-./ ]\s*(?P<y>\d{4})")
_WORDS = re.compile(r"(?:(?P<d>\d{1,2})\.?\s*(?:de\s+|of\s+)?(?P<m>[^\W\d_]+)\.?|(?P<m2>[^\W\d_]+)\.?\s+(?P<d2>\d{1,2}))"
                    r",?\s*(?:de\s+|del\s+)?(?P<y>\d{4})")  # fmt: skip
_WEEKDAY = re.compile(r"^[^\W\d_]{2,10}\.?,? (?=\d)")
_TIME = re.compile(r"(?P<h>\d{1,2})(?:\s*[:.h]\s*(?P<m>\d{2}))?(?::\d{2})?\s*h?")


def _months() -> dict[str, int]:
    """Names and short names of months, in English and in the reader's language."""
    found: dict[str, int] = {}
    for language in ("en", translation.get_language() or "en"):
        with translation.override(language):
            for names in (dates.MONTHS, dates.MONTHS_3, dates.MONTHS_AP):
                found |= {str(name).rstrip(".").casefold(): number for number, name in names.items()}
    return found


def day(text: str) -> date | None:
    """The day meant; the day comes before the month where both are numbers. `Tue 1 Dec 2026` is one too."""
    text = " ".join(text.split())
    if len(text) > 40:
        return None
    return _day(text) or _day(_WEEKDAY.sub("", text))


def _day(text: str) -> date | None:
    match = _ISO.fullmatch(text) or _DAY_FIRST.fullmatch(text)
    try:
        if match:
            return date(int(match["y"]), int(match["m"]), int(match["d"]))
        match = _WORDS.fullmatch(text)
        if match is None:
            return None
        month = _months().get((match["m"] or match["m2"]).casefold())
        return date(int(match["y"]), month, int(match["d"] or match["d2"])) if month else None
    except ValueError:
        return None


def clock(text: str) -> time | None:
    """The time meant, 24 hours: `17:30`, `17.30`, `17h30`, `9`."""
    match = _TIME.fullmatch(text.strip().casefold())
    if match is None:
        return None
    try:
        return time(int(match["h"]), int(match["m"] or 0))
    except ValueError:
        return None
