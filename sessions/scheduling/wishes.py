"""Read what people type about when they can come: "tue thu after 17", "mornings", "lunes 10-13", "not fridays".

Never a guess: what can be read in two ways ("17 mar" is a day in March or Tuesday after five) comes back by name.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, time, timedelta

_DAYS = {
    "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6, "sun": 7,
    "lun": 1, "mar": 2, "mié": 3, "mie": 3, "jue": 4, "vie": 5, "sáb": 6, "sab": 6, "dom": 7,
}  # fmt: skip
_DAY_ENDS = ("day", "es", "ado", "ingo", "une", "arte", "ércole", "ercole", "ueve", "ierne")
_GROUPS = {
    "weekday": {1, 2, 3, 4, 5}, "weekdays": {1, 2, 3, 4, 5}, "weekend": {6, 7}, "weekends": {6, 7},
}  # fmt: skip
_PARTS = {
    "morning": (None, time(13)), "mornings": (None, time(13)), "mañana": (None, time(13)), "mañanas": (None, time(13)),
    "afternoon": (time(13), time(18)), "afternoons": (time(13), time(18)), "tarde": (time(15), None),
    "tardes": (time(15), None), "evening": (time(17), None), "evenings": (time(17), None),
}  # fmt: skip
_AFTER = {"after", "from", "desde", "since", "después", "despues"}
_BEFORE = {"before", "until", "till", "hasta", "antes"}
_NOT = {
    "not", "no", "never", "except", "excepting", "without", "but", "can't", "can’t", "cannot", "cant", "nor",
    "sin", "excepto", "salvo", "menos", "nunca", "ni",
}  # fmt: skip
_UP_TO = {"to", "a", "hasta", "through", "thru", "until", "till"}
_LINKS = {"and", "or", "y", "o", "the", "los", "las", "el", "la", "on"}
_NOISE = _LINKS | {
    "any",
    "every",
    "day",
    "days",
    "a",
    "de",
    "only",
    "at",
    "por",
    "en",
    "in",
    "do",
    "come",
    "i",
    "she",
    "he",
    "can",
    "times",
}
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan enero ene", "february feb febrero", "march marzo", "april apr abril abr", "may mayo",
            "june jun junio", "july jul julio", "august aug agosto ago", "september sept sep septiembre",
            "october oct octubre", "november nov noviembre", "december dec diciembre dic",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_SIDE = r"(?:\b(?P<side>after|from|since|starting|desde|después de|despues de|before|until|till|hasta|antes de)\s+)?"
_THE = r"(?:(?:el|the|on|día|dia)\s+)*"
_DATE = re.compile(
    rf"{_SIDE}{_THE}(?:\b(?P<iso>\d{{4}}-\d{{1,2}}-\d{{1,2}})\b"
    rf"|\b(?P<d1>\d{{1,2}})(?:st|nd|rd|th)?\s*(?:(?:-|–|to|until|till|al|a|hasta)\s*(?P<d2>\d{{1,2}})(?:st|nd|rd|th)?\s*)?"
    rf"(?:of\s+|de\s+)?(?P<m1>{_MONTH})\b\.?(?:\s+(?:de\s+)?(?P<y1>20\d\d)\b)?"
    rf"|\b(?P<m2>{_MONTH})\s+(?P<d3>\d{{1,2}})(?:st|nd|rd|th)?\b(?![:.h]\d)(?:,?\s+(?P<y2>20\d\d)\b)?"
    r"|\b(?P<d4>\d{1,2})/(?P<m4>\d{1,2})(?:/(?P<y4>\d{4}))?\b"
    r"|\b(?P<d5>\d{1,2})\.(?P<m5>\d{1,2})\.(?P<y5>\d{4})?)"
)
_MONTH_START = re.compile(rf"\b(?:from|since|starting|desde)\s+(?P<month>{_MONTH})\b")
_NUMBER_MAR = re.compile(r"\b\d{1,2}\s+mar\b")
_HALF_DAY = re.compile(r"\b(\d{1,2})(?:[:.](\d{2}))?\s*(a\.?m\b\.?|p\.?m\b\.?)")
_TIME = re.compile(r"(\d{1,2})(?:([:.h])(\d{2}))?h?")
_RANGE = re.compile(r"\b(\d{1,2}(?:[:.]\d{2})?)\s*(?:-|–|to|a)\s*(\d{1,2}(?:[:.]\d{2})?)\b")
#: An hour below this without minutes may be morning or evening: "after 5".
_EARLIEST_BARE_HOUR = 8


@dataclass(frozen=True, slots=True)
class Wish:
    """What was understood, and the words that were not. `without` are the days named as impossible."""

    weekdays: frozenset[int] = frozenset()
    time_from: time | None = None
    time_until: time | None = None
    unknown: tuple[str, ...] = ()
    without: frozenset[int] = frozenset()
    day_from: date | None = None
    day_until: date | None = None


@dataclass(slots=True)
class _Reading:
    """What is gathered while the words are read."""

    today: date | None
    wanted: set[int] = field(default_factory=set)
    without: set[int] = field(default_factory=set)
    start: time | None = None
    end: time | None = None
    day_from: date | None = None
    day_until: date | None = None
    unknown: list[str] = field(default_factory=list)


def _time(text: str) -> time | None:
    """A time of day; None for what is none, or may be two."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    hour, minute = int(match.group(1)), int(match.group(3) or 0)
    if match.group(2) is None and hour < _EARLIEST_BARE_HOUR:
        return None
    if match.group(2) == "." and minute % 15:
        # 7.12 is as well a day in December.
        return None
    return time(hour, minute) if hour < 24 and minute < 60 else None


def _day(word: str) -> int | None:
    if word[:3] in _DAYS and (len(word) == 3 or word.rstrip("s").endswith(_DAY_ENDS)):
        return _DAYS[word[:3]]
    return None


def _negated(text: str) -> bool:
    """Whether the words before a date or a range turn it round."""
    words = text.split()
    while words and words[-1] in _NOISE:
        words.pop()
    return bool(words) and words[-1] in _NOT


def _on(today: date | None, year: str | None, month: int, day: int) -> date | None:
    """The date, next to come where no year is given."""
    if year is None and today is None:
        return None
    try:
        if year is not None:
            return date(int(year), month, day)
        assert today is not None
        found = date(today.year, month, day)
        return found if found >= today else date(today.year + 1, month, day)
    except ValueError:
        return None


def _dates_of(match: re.Match[str], today: date | None) -> tuple[date | None, date | None]:
    """First and, for "7 to 12 december", last day of what was written."""
    part = match.groupdict()
    if part["iso"]:
        year, month, day = part["iso"].split("-")
        return _on(today, year, int(month), int(day)), None
    if part["m1"]:
        month = _MONTHS[part["m1"]]
        first = _on(today, part["y1"], month, int(part["d1"]))
        last = _on(today, part["y1"], month, int(part["d2"])) if part["d2"] else None
        return first, last
    if part["m2"]:
        return _on(today, part["y2"], _MONTHS[part["m2"]], int(part["d3"])), None
    if part["d4"]:
        return _on(today, part["y4"], int(part["m4"]), int(part["d4"])), None
    return _on(today, part["y5"], int(part["m5"]), int(part["d5"])), None


def _take_dates(text: str, reading: _Reading) -> str:
    """Read the dates and leave the rest: a 7 before "december" is never an hour."""
    out, at = [], 0
    for match in _DATE.finditer(text):
        words = match.group(0).strip()
        first, last = _dates_of(match, reading.today)
        side = match["side"] or ""
        ranged = match["d2"] is not None
        told = first is None or (ranged and (last is None or last < first)) or _negated(text[: match.start()])
        if told or (not side and not ranged) or (ranged and side not in {"", "from", "desde"}):
            # A single day is no wish for a course, and "not 7 december" can't be kept in a range.
            reading.unknown.append(words)
        elif ranged:
            reading.day_from, reading.day_until = first, last
        elif side in {"before", "antes de"}:
            assert first is not None
            reading.day_until = first - timedelta(days=1)
        elif side in {"until", "till", "hasta"}:
            reading.day_until = first
        elif side in {"after", "después de", "despues de"}:
            assert first is not None
            reading.day_from = first + timedelta(days=1)
        else:
            reading.day_from = first
        out.append(text[at : match.start()])
        at = match.end()
    text = " ".join([*out, text[at:]])
    month = _MONTH_START.search(text)
    if month is not None and reading.today is not None and not _negated(text[: month.start()]):
        number, today = _MONTHS[month["month"]], reading.today
        reading.day_from = max(date(today.year + (number < today.month), number, 1), today)
        text = text.replace(month.group(0), " ")
    double = _NUMBER_MAR.search(text)
    if double is not None:
        reading.unknown.append(double.group(0))
        text = text.replace(double.group(0), " ")
    return text


def _take_times(text: str, reading: _Reading) -> str:
    """Read "5 pm" and "10-13"."""

    def whole_day(match: re.Match[str]) -> str:
        hour = int(match.group(1))
        if not 1 <= hour <= 12:
            return match.group(0)
        hour = hour % 12 + (12 if match.group(3).startswith("p") else 0)
        return f"{hour:02d}:{match.group(2) or '00'}"

    text = _HALF_DAY.sub(whole_day, text)
    found = _RANGE.search(text)
    if found is not None:
        first, second = (_time(part.replace(".", ":")) for part in found.groups())
        if (
            first is not None
            and second is not None
            and first < second
            and not _negated(text[: found.start()])
        ):
            reading.start, reading.end = first, second
            before = re.sub(r"\b(?:from|between|de|desde|entre)\s*$", "", text[: found.start()])
            return f"{before} {text[found.end() :]}"
        reading.unknown.append(found.group(0))
        return f"{text[: found.start()]} {text[found.end() :]}"
    return text


def _words(text: str) -> list[str]:
    # "mon-thu" is a stretch of days.
    return re.findall(r"[^\s,;/&+]+", re.sub(r"(?<=[^\W\d_])[-–](?=[^\W\d_])", " to ", text))


def _stretches(words: list[str]) -> Iterator[tuple[str, set[int]]]:
    """Words with the weekdays they mean; "monday to thursday" is one word for four."""
    at = 0
    while at < len(words):
        day = _day(words[at])
        last = _day(words[at + 2]) if at + 2 < len(words) and words[at + 1] in _UP_TO else None
        if day is not None and last is not None and day < last:
            yield " ".join(words[at : at + 3]), set(range(day, last + 1))
            at += 3
            continue
        yield words[at], {day} if day is not None else _GROUPS.get(words[at], set())
        at += 1


def _take_words(words: list[str], reading: _Reading) -> None:
    """Weekdays, parts of the day and single times. `denied` holds the word that turns the next ones round."""
    denied, denied_days, pending = "", False, ""
    lost = False
    for word, days in _stretches(words):
        if lost:
            # After a "not" of something unknown every further word may belong to it.
            if word not in _NOISE:
                reading.unknown.append(word)
            continue
        if word in _NOT:
            if pending:
                reading.unknown.append(pending)
                pending = ""
            if denied and not denied_days and word not in {"no", "not"}:
                reading.unknown.append(denied)
            # "not monday but tuesday": the second turns it back.
            back = word == "but" and denied_days
            denied, denied_days = ("" if back else word), False
            continue
        if days:
            if pending:
                # "after tuesday" is no weekday that was asked for.
                reading.unknown.append(f"{pending} {word}")
                pending = ""
            elif denied:
                reading.without |= days
                denied_days = True
            else:
                reading.wanted |= days
            continue
        if word in _LINKS or (word in _NOISE and not (denied and word == "only")):
            continue
        turned = bool(denied) and not denied_days
        moment = _time(word)
        if word in _AFTER or word in _BEFORE:
            if pending:
                reading.unknown.append(pending)
            pending = word
            continue
        if moment is not None and not (turned and not pending):
            # "not before 10" is from ten.
            if (pending in _BEFORE) != turned:
                reading.end = moment
            else:
                reading.start = moment
            pending = ""
        elif word in _PARTS and not pending:
            part_start, part_end = _PARTS[word]
            if not turned:
                reading.start, reading.end = part_start or reading.start, part_end or reading.end
            elif part_start is None or part_end is None:
                reading.start, reading.end = part_end or reading.start, part_start or reading.end
            else:
                reading.unknown.append(f"{denied} {word}")
        else:
            reading.unknown.append(" ".join(x for x in (denied if turned else "", pending, word) if x))
            pending, lost = "", turned
        denied, denied_days = "", False
    if pending:
        reading.unknown.append(pending)
    if denied and not denied_days:
        reading.unknown.append(denied)


def read_wish(text: str, today: date | None = None) -> Wish:
    """Understand weekdays, times and dates in any order; what is not understood comes back by name, never ignored.

    Without `today` a date needs its year.
    """
    reading = _Reading(today)
    lowered = text.casefold()[:200]
    _take_words(_words(_take_times(_take_dates(lowered, reading), reading)), reading)
    if reading.start is not None and reading.end is not None and reading.start >= reading.end:
        reading.unknown.append(f"{reading.start:%H:%M} to {reading.end:%H:%M}")
        reading.start = reading.end = None
    if (
        reading.day_from is not None
        and reading.day_until is not None
        and reading.day_from > reading.day_until
    ):
        reading.unknown.append(f"{reading.day_from.isoformat()} to {reading.day_until.isoformat()}")
        reading.day_from = reading.day_until = None
    days = (reading.wanted or set(range(1, 8))) - reading.without if reading.without else reading.wanted
    if reading.without and not days:
        # Wanted and excluded at once: neither is taken.
        reading.unknown.append("no weekday left")
        days, reading.without = set(), set()
    return Wish(
        frozenset(days), reading.start, reading.end, tuple(reading.unknown), frozenset(reading.without),
        reading.day_from, reading.day_until,
    )  # fmt: skip
