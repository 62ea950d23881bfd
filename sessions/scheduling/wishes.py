"""Read what people type about when they can come: "tue thu after 17", "mornings", "lunes 10-13"."""

import re
from dataclasses import dataclass
from datetime import time

_DAYS = {
    "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6, "sun": 7,
    "lun": 1, "mar": 2, "mié": 3, "mie": 3, "jue": 4, "vie": 5, "sáb": 6, "sab": 6, "dom": 7,
}  # fmt: skip
_PARTS = {
    "morning": (None, time(13)), "mornings": (None, time(13)), "mañana": (None, time(13)), "mañanas": (None, time(13)),
    "afternoon": (time(13), time(18)), "afternoons": (time(13), time(18)), "tarde": (time(15), None),
    "tardes": (time(15), None), "evening": (time(17), None), "evenings": (time(17), None),
}  # fmt: skip
_AFTER = {"after", "from", "desde", "since"}
_BEFORE = {"before", "until", "till", "hasta", "antes"}
_NOISE = {
    "on",
    "and",
    "or",
    "the",
    "any",
    "y",
    "o",
    "a",
    "las",
    "de",
    "los",
    "el",
    "only",
    "at",
    "después",
    "despues",
}
_TIME = re.compile(r"(\d{1,2})(?:[:.h](\d{2}))?h?")
_RANGE = re.compile(r"(\d{1,2}(?:[:.]\d{2})?)\s*(?:-|–|to)\s*(\d{1,2}(?:[:.]\d{2})?)")


@dataclass(frozen=True, slots=True)
class Wish:
    """What was understood, and the words that were not."""

    weekdays: frozenset[int] = frozenset()
    time_from: time | None = None
    time_until: time | None = None
    unknown: tuple[str, ...] = ()


def _time(text: str) -> time | None:
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    hour, minute = int(match.group(1)), int(match.group(2) or 0)
    return time(hour, minute) if hour < 24 and minute < 60 else None


def read_wish(text: str) -> Wish:
    """Understand weekdays and times in any order; what is not understood comes back by name, never ignored."""
    lowered = text.casefold()[:200]
    start: time | None = None
    end: time | None = None
    found = _RANGE.search(lowered)
    if found is not None:
        first, second = (_time(part.replace(".", ":")) for part in found.groups())
        if first is not None and second is not None and first < second:
            start, end = first, second
            lowered = lowered.replace(found.group(0), " ")
    weekdays: set[int] = set()
    unknown: list[str] = []
    pending = ""
    for word in re.findall(r"[^\s,;/&+]+", lowered):
        moment = _time(word)
        if word in _AFTER or word in _BEFORE:
            pending = "after" if word in _AFTER else "before"
        elif moment is not None:
            if pending == "before":
                end = moment
            else:
                start = moment
            pending = ""
        elif word in _PARTS:
            part_start, part_end = _PARTS[word]
            start, end = part_start or start, part_end or end
        elif word[:3] in _DAYS and (
            len(word) == 3
            or word.rstrip("s").endswith(
                ("day", "es", "ado", "ingo", "une", "arte", "ércole", "ercole", "ueve", "ierne")
            )
        ):
            weekdays.add(_DAYS[word[:3]])
        elif word in {"weekday", "weekdays"}:
            weekdays |= {1, 2, 3, 4, 5}
        elif word not in _NOISE:
            unknown.append(word)
    if start is not None and end is not None and start >= end:
        unknown.append(f"{start:%H:%M} to {end:%H:%M}")
        start = end = None
    return Wish(frozenset(weekdays), start, end, tuple(unknown))
