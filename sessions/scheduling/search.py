"""Find the best dates for a whole course: exact, by dynamic programming over days.

Windows count in days, so the chain only knows days; of each day the cheapest free slot stands for it. Going backward
from the last visit gives, for every practitioner and every first day, the best course that starts there: the next
best clearly different option is then found exactly too.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import cache, cached_property
from zoneinfo import ZoneInfo

from sessions.scheduling.hours import Span

SETUP = timedelta(minutes=5)
CLEANUP = timedelta(minutes=10)
GRID = timedelta(minutes=15)
#: Cost of a day off the target, and of a visit on another weekday or time than wished.
DAY, UNWISHED = 10, 40
#: A later option starts at least this many days after the others.
APART = 7


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit to place: its window in days after the visit before (the first: after the earliest start)."""

    key: int
    number: int
    earliest: int
    target: int
    latest: int
    minutes: int
    capability: str
    device_kind: str = ""

    @property
    def shape(self) -> tuple[int, str, str]:
        """What decides which slots fit."""
        return self.minutes, self.capability, self.device_kind


@dataclass(frozen=True, slots=True)
class Staff:
    """A practitioner with free working time."""

    key: int
    name: str
    qualifications: frozenset[str]
    hours: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Preferences:
    """Wishes of the patient; empty means any."""

    weekdays: frozenset[int] = frozenset()
    time_from: time | None = None
    time_until: time | None = None
    practitioner: int | None = None
    #: The patient is away before and after these days: no visit lies outside.
    day_from: date | None = None
    day_until: date | None = None
    #: Weekdays on which the patient can't come at all.
    without: frozenset[int] = frozenset()
    #: Who made the plan: of two equal courses theirs comes first.
    favourite: int | None = None

    def allows(self, day: date) -> bool:
        """Whether the patient can come on that day at all."""
        early = self.day_from is not None and day < self.day_from
        late = self.day_until is not None and day > self.day_until
        return not early and not late and day.isoweekday() not in self.without

    def misses(self, start: datetime, end: datetime) -> int:
        """How many wishes a slot on the wall clock misses, 0 to 2."""
        day = bool(self.weekdays) and start.isoweekday() not in self.weekdays
        early = self.time_from is not None and start.time() < self.time_from
        late = self.time_until is not None and end.time() > self.time_until
        return int(day) + int(early or late)


@dataclass(frozen=True, slots=True)
class Slot:
    """A time with practitioner, room and perhaps device."""

    visit: int
    number: int
    start: datetime
    end: datetime
    practitioner: int
    room: int
    device: int | None
    misses: int


@dataclass(frozen=True, slots=True)
class CourseOption:
    """A whole course. `deviation_days` adds up all visits; `offsets` are the signed days off target by visit."""

    slots: tuple[Slot, ...]
    offsets: tuple[int, ...]
    cost: int

    @property
    def deviation_days(self) -> int:
        return sum(abs(offset) for offset in self.offsets)

    @property
    def misses(self) -> int:
        """Visits outside the wished days and times."""
        return sum(1 for slot in self.slots if slot.misses)


@dataclass(frozen=True)
class Diary:
    """What is there and what is taken. `busy` by ("practitioner", id), ("room", id), ("device", id), ("patient", 0)."""

    zone: ZoneInfo
    staff: tuple[Staff, ...]
    rooms: tuple[tuple[int, frozenset[str]], ...]
    devices: tuple[tuple[int, str], ...]
    busy: Mapping[tuple[str, int], Sequence[Span]] = field(default_factory=dict)

    @cached_property
    def _index(self) -> dict[tuple[str, int], tuple[list[datetime], list[Span]]]:
        found = {}
        for key, spans in self.busy.items():
            merged: list[Span] = []
            for span in sorted(spans):
                if merged and span.start < merged[-1].end:
                    merged[-1] = Span(merged[-1].start, max(merged[-1].end, span.end))
                else:
                    merged.append(span)
            found[key] = ([span.end for span in merged], merged)
        return found

    def free(self, key: tuple[str, int], start: datetime, end: datetime) -> bool:
        """Whether nothing of `key` lies in the half-open stretch."""
        if key not in self._index:
            return True
        ends, spans = self._index[key]
        # The first stretch that ends after our start is the only one that can be in the way.
        at = bisect_left(ends, start)
        while at < len(spans) and spans[at].end <= start:
            at += 1
        return at >= len(spans) or spans[at].start >= end


def _place(diary: Diary, staff: Staff, visit: Visit, start: datetime, misses: int) -> Slot | None:
    end = start + timedelta(minutes=visit.minutes)
    if not diary.free(("practitioner", staff.key), start, end) or not diary.free(("patient", 0), start, end):
        return None
    around = (start - SETUP, end + CLEANUP)
    room = next(
        (
            key
            for key, capabilities in diary.rooms
            if visit.capability in capabilities and diary.free(("room", key), *around)
        ),
        None,
    )
    if room is None:
        return None
    device = None
    if visit.device_kind:
        device = next(
            (
                key
                for key, kind in diary.devices
                if kind == visit.device_kind and diary.free(("device", key), *around)
            ),
            None,
        )
        if device is None:
            return None
    return Slot(visit.key, visit.number, start, end, staff.key, room, device, misses)


def _starts(span: Span, minutes: int, zone: ZoneInfo) -> Iterable[tuple[datetime, datetime]]:
    """(instant, wall clock) of every start on the grid that leaves room for the visit."""
    start, local = span.start, span.start.astimezone(zone)
    length = timedelta(minutes=minutes)
    # Adding on the wall clock is exact and fast unless the clock changes inside the span.
    steady = local.utcoffset() == span.end.astimezone(zone).utcoffset()
    while start + length <= span.end:
        yield start, local
        start += GRID
        local = local + GRID if steady else start.astimezone(zone)


def find_slots(
    visit: Visit, diary: Diary, staff: Staff, preferences: Preferences, first: date, last: date, now: datetime
) -> dict[date, Slot]:
    """The cheapest slot of each local day for one practitioner; of equal ones the earliest."""
    best: dict[date, Slot] = {}
    if visit.capability not in staff.qualifications:
        return best
    for span in staff.hours:
        day = span.start.astimezone(diary.zone).date()
        if not first <= day <= last:
            continue
        if not preferences.allows(day):
            continue
        length = timedelta(minutes=visit.minutes)
        for start, local in _starts(span, visit.minutes, diary.zone):
            if start < now:
                continue
            known = best.get(day)
            if known is not None and known.misses == 0:
                break
            misses = preferences.misses(local, local + length)
            if known is not None and misses >= known.misses:
                continue
            slot = _place(diary, staff, visit, start, misses)
            if slot is not None:
                best[day] = slot
    return best


@dataclass(frozen=True, slots=True)
class _Chain:
    """The best way on from a day: cost to the end and the day of the next visit."""

    cost: int
    next_day: date | None


def _backward(
    visits: Sequence[Visit], slots: Mapping[tuple[int, str, str], Mapping[date, Slot]]
) -> list[dict[date, _Chain]]:
    chains: list[dict[date, _Chain]] = [{} for _ in visits]
    for index in range(len(visits) - 1, -1, -1):
        for day, slot in slots[visits[index].shape].items():
            own = slot.misses * UNWISHED
            if index == len(visits) - 1:
                chains[index][day] = _Chain(own, None)
                continue
            after = visits[index + 1]
            best: tuple[int, date] | None = None
            for gap in range(after.earliest, after.latest + 1):
                following = chains[index + 1].get(day + timedelta(days=gap))
                if following is None:
                    continue
                cost = following.cost + abs(gap - after.target) * DAY
                found = (cost, day + timedelta(days=gap))
                if best is None or found < best:
                    best = found
            if best is not None:
                chains[index][day] = _Chain(own + best[0], best[1])
    return chains


def find_course(
    visits: Sequence[Visit],
    diary: Diary,
    preferences: Preferences,
    *,
    start: date,
    now: datetime,
    before: date | None = None,
    count: int = 3,
) -> list[CourseOption]:
    """The best option for a course, then the next best clearly different ones, cheapest first.

    Least total of days off target and of wishes missed; days named as impossible are left out; one practitioner for the whole course; inside hours; nothing
    overlapping, with set-up and clean-up of room and device. `start` is the earliest day of visit 1, or, when
    `before` is the day of the visit already made or booked, the windows count from there.
    """
    if not visits:
        return []
    first, base = visits[0], before or start
    horizon = base + timedelta(days=sum(visit.latest for visit in visits))
    ends: list[tuple[int, int, date, Staff]] = []
    tables: dict[int, tuple[list[dict[date, _Chain]], dict[tuple[int, str, str], dict[date, Slot]]]] = {}
    for staff in diary.staff:
        if preferences.practitioner is not None and staff.key != preferences.practitioner:
            continue
        slots = {
            visit.shape: find_slots(visit, diary, staff, preferences, start, horizon, now) for visit in visits
        }
        chains = _backward(visits, slots)
        tables[staff.key] = (chains, slots)
        for day, chain in chains[0].items():
            gap = (day - base).days
            if first.earliest <= gap <= first.latest:
                ends.append((chain.cost + abs(gap - first.target) * DAY, staff.key, day, staff))
    ends.sort(key=lambda end: (end[0], end[1] != preferences.favourite, end[2], end[1]))

    @cache
    def course(at: int) -> CourseOption:
        cost, key, day, _staff = ends[at]
        return _unrolled(visits, *tables[key], day, base, cost)

    return _different(ends, course, diary.zone, count, preferences.favourite)


def _days(option: CourseOption, zone: ZoneInfo) -> list[date]:
    return [slot.start.astimezone(zone).date() for slot in option.slots]


def _other_days(option: CourseOption, other: CourseOption, zone: ZoneInfo) -> bool:
    """The first visit on another day, and most of the others too."""
    one, two = _days(option, zone), _days(other, zone)
    same = sum(1 for a, b in zip(one, two, strict=True) if a == b)
    return one[0] != two[0] and same * 2 < len(one)


def _different(
    ends: Sequence[tuple[int, int, date, Staff]],
    course: Callable[[int], CourseOption],
    zone: ZoneInfo,
    count: int,
    favourite: int | None,
) -> list[CourseOption]:
    """The best course; then the best on other weekdays; then the best that start a week or more away.

    Where these do not exist, what differs in the first day only, and at last in the practitioner only. Cheapest first.
    """
    if not ends:
        return []
    taken = [0]
    options = [course(0)]

    def far(at: int) -> bool:
        return all(abs((ends[at][2] - ends[other][2]).days) >= APART for other in taken)

    def take(fits: Callable[[int], bool], most: int, *, unwished: bool) -> None:
        for at in range(1, len(ends)):
            if len(options) >= min(most, count):
                return
            if at not in taken and fits(at):
                option = course(at)
                wished = unwished or option.misses <= options[0].misses
                if wished and all(_other_days(option, other, zone) for other in options):
                    taken.append(at)
                    options.append(option)

    # A day that nobody asked for comes only after every course inside the wishes.
    for unwished in (False, True):
        if favourite is not None and ends[0][1] != favourite:
            take(lambda at: ends[at][1] == favourite, 2, unwished=unwished)
        take(lambda _at: True, 2, unwished=unwished)
        take(far, count, unwished=unwished)
        take(lambda _at: True, count, unwished=unwished)
    for alike in (
        lambda at, other: ends[at][2] == ends[other][2],
        lambda at, other: ends[at][1:3] == ends[other][1:3],
    ):
        for at in range(1, len(ends)):
            if len(options) >= count:
                break
            if at not in taken and not any(alike(at, other) for other in taken):
                taken.append(at)
                options.append(course(at))
    return sorted(options, key=lambda option: option.cost)


def _unrolled(
    visits: Sequence[Visit],
    chains: list[dict[date, _Chain]],
    slots: Mapping[tuple[int, str, str], Mapping[date, Slot]],
    day: date,
    base: date,
    cost: int,
) -> CourseOption:
    made: list[Slot] = []
    offsets: list[int] = []
    before, at = base, day
    for index, visit in enumerate(visits):
        slot = slots[visit.shape][at]
        made.append(
            Slot(
                visit.key,
                visit.number,
                slot.start,
                slot.end,
                slot.practitioner,
                slot.room,
                slot.device,
                slot.misses,
            )
        )
        offsets.append((at - before).days - visit.target)
        following = chains[index][at].next_day
        before = at
        if following is not None:
            at = following
    return CourseOption(tuple(made), tuple(offsets), cost)


def find_all_slots(
    visit: Visit, diary: Diary, first: date, last: date, now: datetime, practitioner: int | None = None
) -> dict[date, list[Slot]]:
    """Every free start of each day, once per time, with the first practitioner who can; days without stay empty."""
    found: dict[date, dict[datetime, Slot]] = {}
    day = first
    while day <= last:
        found[day] = {}
        day += timedelta(days=1)
    for staff in diary.staff:
        if visit.capability not in staff.qualifications or practitioner not in {None, staff.key}:
            continue
        for span in staff.hours:
            day = span.start.astimezone(diary.zone).date()
            if day not in found:
                continue
            for start, _local in _starts(span, visit.minutes, diary.zone):
                if start >= now and start not in found[day]:
                    slot = _place(diary, staff, visit, start, 0)
                    if slot is not None:
                        found[day][start] = slot
    return {day: [slots[start] for start in sorted(slots)] for day, slots in found.items()}
