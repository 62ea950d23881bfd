"""Find the best dates for a whole course: exact, by dynamic programming over days, people and times of day.

Going backward from the last visit gives, for every practitioner, day and time of the first, the cost of the best
course that starts there: so the next best clearly different courses are found exactly too. What a course costs:

=====================================================  ==========
a day off the target, for each visit                   `DAY`
a visit on another weekday than wished                 `UNWISHED`
a visit outside the wished times                       `UNWISHED`
another practitioner than at the visit before          `PRACTITIONER`
a visit that is not with the physician of the plan     `STRANGER`
another weekday than the visit before                  `WEEKDAY`
another time of day than the visit before              `TIME`
a hole of less than 30 minutes left before or after    `FRAGMENT`
a visit that stands and would have to move             `MOVE`
=====================================================  ==========
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from sessions.scheduling.diary import (
    CLEANUP,
    PREPARATION,
    SETUP,
    Diary,
    Preferences,
    Slot,
    Staff,
    Visit,
    minutes_of,
    moment_of,
)
from sessions.scheduling.grid import Grid, Places
from sessions.scheduling.hours import Span

DAY, UNWISHED, PRACTITIONER, WEEKDAY, TIME, FRAGMENT, STRANGER = 10, 40, 60, 6, 4, 2, 1
#: More than any other price: as few visits move as can be.
MOVE = 20_000
#: A later option starts at least this many days after the others.
APART = 7
#: No course: more than any course costs, and small enough to be added up.
NEVER = 1 << 28

Costs = NDArray[np.int32]
Numbers = NDArray[np.signedinteger[Any]]


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


def people_for(visits: Sequence[Visit], diary: Diary, wish: Preferences) -> list[Staff]:
    """Who can do at least one of the visits, and is wished."""
    return [
        staff
        for staff in diary.staff
        if wish.practitioner in {None, staff.key}
        and any(visit.needs <= staff.qualifications for visit in visits)
    ]


@dataclass(frozen=True, slots=True)
class _Range:
    """Days (rows of the grid) on which a visit can lie at all, by the windows before it; half-open."""

    first: int
    last: int


class Course:
    """One search: where each visit can lie, and the cost of the best way on from there."""

    def __init__(
        self, visits: Sequence[Visit], diary: Diary, wish: Preferences, people: Sequence[Staff],
        *, start: date, now: datetime, base: date, standing: Mapping[int, Slot] | None = None,
    ) -> None:  # fmt: skip
        self.visits, self.diary, self.wish, self.people = visits, diary, wish, people
        self.base, self.base_day, self.now = (base - start).days, base, now
        days = self.base + sum(visit.latest for visit in visits) + 1
        #: Where visits (by number in the course) stand and may stay.
        self.standing = {
            index: standing[visit.key]
            for index, visit in enumerate(visits)
            if standing is not None and visit.key in standing
        }
        pins = [minutes_of(slot.start) for slot in self.standing.values()]
        self.grid = Grid(diary, start, max(days, 0), pins)
        self.ranges: list[_Range] = []
        low = high = self.base
        for visit in visits:
            low, high = low + visit.earliest, high + visit.latest
            self.ranges.append(_Range(max(low, 0), max(high + 1, 0)))
        self.places: dict[object, Places] = {}
        moment = -int(-now.timestamp() // 60)
        for visit in visits:
            if visit.shape not in self.places:
                self.places[visit.shape] = Places(diary, self.grid, visit, people, wish, moment)

    @cached_property
    def own(self) -> dict[object, Costs]:
        """What a visit costs by itself, by shape: [people, days, quarters]."""
        stranger = np.array(
            [STRANGER * (self.wish.favourite not in {None, staff.key}) for staff in self.people], np.int32
        )
        found = {}
        for shape, places in self.places.items():
            cost = (places.holes * FRAGMENT).astype(np.int32)
            cost += places.missed * UNWISHED
            cost += stranger[:, None, None]
            cost[~places.open] = NEVER
            found[shape] = cost
        return found

    def _cell(self, index: int) -> tuple[int, int, int] | None:
        """(person, day, quarter) where a visit stands; None outside the days of the search."""
        slot = self.standing[index]
        day, quarter = self.grid.pinned.get(minutes_of(slot.start), (-1, 0))
        if day < 0:
            return None
        for person, staff in enumerate(self.people):
            if staff.key == slot.practitioner:
                return person, day, quarter
        return None

    def _steps(self, visit: Visit) -> Iterator[tuple[int, int]]:
        """(days after the visit before, what that costs)."""
        for gap in range(visit.earliest, visit.latest + 1):
            yield gap, abs(gap - visit.target) * DAY + (WEEKDAY if gap % 7 else 0)

    @cached_property
    def onward(self) -> list[Costs]:
        """For each visit and cell of its range the cost from there to the end of the course."""
        found: list[Costs] = []
        for index in range(len(self.visits) - 1, -1, -1):
            span, visit = self.ranges[index], self.visits[index]
            cost = self.own[visit.shape][:, span.first : span.last]
            if index in self.standing:
                cost = cost + np.int32(MOVE)
                stays = self._cell(index)
                if stays is not None and span.first <= stays[1] < span.last:
                    # A visit that stands may stay: it is booked, whatever the hours say by now.
                    cost[stays[0], stays[1] - span.first, stays[2]] = 0
            if found:
                after = found[-1]
                # The best with the same or another time of day, then with the same or another practitioner.
                joined = np.minimum(after, after.min(axis=2, keepdims=True) + np.int32(TIME))
                joined = np.minimum(joined, joined.min(axis=0, keepdims=True) + np.int32(PRACTITIONER))
                best = np.full(cost.shape, NEVER, np.int32)
                ahead = self.ranges[index + 1]
                for gap, price in self._steps(self.visits[index + 1]):
                    low = max(span.first, ahead.first - gap)
                    high = min(span.last, ahead.last - gap)
                    if low < high:
                        part = best[:, low - span.first : high - span.first]
                        then = joined[:, low + gap - ahead.first : high + gap - ahead.first]
                        np.minimum(part, then + np.int32(price), out=part)
                cost = np.minimum(cost + best, NEVER)
            found.append(cost)
        return found[::-1]

    @cached_property
    def entries(self) -> tuple[Numbers, Numbers, Numbers]:
        """Every (cost, person, day) at which a course can begin, the best first; of equal ones the earliest."""
        costs = self.onward[0].min(axis=2)
        span, first = self.ranges[0], self.visits[0]
        gaps = np.arange(span.first, span.last) - self.base
        costs = costs + np.abs(gaps - first.target).astype(np.int32) * np.int32(DAY)
        person, day = np.nonzero(costs < NEVER)
        cost = costs[person, day]
        keys = np.array([staff.key for staff in self.people])
        other = keys[person] != (self.wish.favourite if self.wish.favourite is not None else -1)
        order = np.lexsort((keys[person], day, other, cost))
        return cost[order], person[order], day[order] + span.first

    def unroll(self, person: int, day: int, cost: int) -> CourseOption:
        """The best course that begins there."""
        span = self.ranges[0]
        cells = [(person, day, int(self.onward[0][person, day - span.first].argmin()))]
        for index in range(1, len(self.visits)):
            who, on, quarter = cells[-1]
            visit, ahead = self.visits[index], self.ranges[index]
            low = max(on + visit.earliest, ahead.first)
            high = min(on + visit.latest + 1, ahead.last)
            prices = dict(self._steps(visit))
            block = self.onward[index][:, low - ahead.first : high - ahead.first].copy()
            block += np.array([prices[at - on] for at in range(low, high)], np.int32)[None, :, None]
            block += np.where(np.arange(block.shape[0]) == who, 0, PRACTITIONER).astype(np.int32)[
                :, None, None
            ]
            block += np.where(np.arange(block.shape[2]) == quarter, 0, TIME).astype(np.int32)
            at = np.unravel_index(int(block.argmin()), block.shape)
            cells.append((int(at[0]), low + int(at[1]), int(at[2])))
        offsets, before = [], self.base
        for (_who, on, _quarter), visit in zip(cells, self.visits, strict=True):
            offsets.append(on - before - visit.target)
            before = on
        return CourseOption(tuple(self._slots(cells)), tuple(offsets), int(cost))

    def _slots(self, cells: Sequence[tuple[int, int, int]]) -> Iterator[Slot]:
        """Times with rooms and devices: those that most visits of the course can have, so that few change."""
        fitting = {}
        for name in ("room", "device", "prep"):
            found: list[list[int]] = []
            for (_who, day, quarter), visit in zip(cells, self.visits, strict=True):
                places = self.places[visit.shape]
                keys, free = {
                    "room": (places.rooms, places.room_free),
                    "device": (places.devices, places.device_free),
                    "prep": (places.prep_rooms, places.prep_free),
                }[name]
                found.append(
                    [key for key, is_free in zip(keys, free[:, day, quarter], strict=True) if is_free]
                )
            every = [key for keys in found for key in keys]
            fitting[name] = [
                # Of equal ones the first of the list, as the clinic orders them.
                max(keys, key=lambda key: every.count(key)) if keys else None
                for keys in found
            ]
        for index, ((who, day, quarter), visit) in enumerate(zip(cells, self.visits, strict=True)):
            if index in self.standing and self._cell(index) == (who, day, quarter):
                yield self.standing[index]
                continue
            start = moment_of(self.grid.at[day, quarter])
            room = fitting["room"][index]
            assert room is not None
            yield Slot(
                visit.key, visit.number, start, start + timedelta(minutes=visit.minutes), self.people[who].key,
                room, fitting["device"][index], int(self.places[visit.shape].missed[day, quarter]),
                visit.prep, fitting["prep"][index],
            )  # fmt: skip


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
    """The best option for a course by the cost above, then the next best clearly different ones, cheapest first.

    Days named as impossible are left out; all lies inside hours; nothing overlaps, with set-up and clean-up of room
    and device and the time of the cream. `start` is the earliest day of visit 1; when `before` is the day of the
    visit already made or booked, the windows count from there. Times that the clock skips or repeats are no times.
    """
    people = people_for(visits, diary, preferences)
    if not visits or not people:
        return []
    course = Course(visits, diary, preferences, people, start=start, now=now, base=before or start)
    if not course.grid.size:
        return []
    return _different(course, count)


def _days(option: CourseOption, zone: ZoneInfo) -> list[date]:
    return [slot.start.astimezone(zone).date() for slot in option.slots]


def _other_days(days: Sequence[date], other: Sequence[date]) -> bool:
    """The first visit on another day, and most of the others too."""
    same = sum(1 for a, b in zip(days, other, strict=True) if a == b)
    return days[0] != other[0] and same * 2 < len(days)


def _different(course: Course, count: int) -> list[CourseOption]:
    """The best course; then the best on other weekdays; then the best that start a week or more away.

    Where these do not exist, what differs in the first day only, and at last in the practitioner only. Cheapest first.
    """
    costs, people, days = course.entries
    if not len(costs):
        return []
    zone, favourite = course.diary.zone, course.wish.favourite
    key = np.array([staff.key for staff in course.people])[people]
    options: list[CourseOption] = []
    dates: list[list[date]] = []
    taken: list[int] = []
    unrolled: dict[int, tuple[CourseOption, list[date]]] = {}

    def at(number: int) -> tuple[CourseOption, list[date]]:
        if number not in unrolled:
            option = course.unroll(int(people[number]), int(days[number]), int(costs[number]))
            unrolled[number] = option, _days(option, zone)
        return unrolled[number]

    def add(number: int) -> None:
        option, its_days = at(number)
        taken.append(number)
        options.append(option)
        dates.append(its_days)

    def take(fits: Callable[[], NDArray[np.bool_]], most: int, *, unwished: bool) -> None:
        while len(options) < min(most, count):
            first_days = [int(days[one]) for one in taken]
            for number in np.flatnonzero(fits() & ~np.isin(days, first_days)):
                option, its_days = at(int(number))
                wished = unwished or option.misses <= options[0].misses
                if wished and all(_other_days(its_days, other) for other in dates):
                    add(int(number))
                    break
            else:
                return

    def anything() -> NDArray[np.bool_]:
        return np.ones(len(costs), bool)

    def far() -> NDArray[np.bool_]:
        return np.min([np.abs(days - days[one]) for one in taken], axis=0) >= APART

    add(0)
    # A day that nobody asked for comes only after every course inside the wishes.
    for unwished in (False, True):
        if favourite is not None and key[0] != favourite:
            take(lambda: key == favourite, 2, unwished=unwished)
        take(anything, 2, unwished=unwished)
        take(far, count, unwished=unwished)
        take(anything, count, unwished=unwished)
    for columns in ((days,), (days, people)):
        for number in range(1, len(costs)):
            if len(options) >= count:
                break
            if not any(all(column[number] == column[one] for column in columns) for one in taken):
                add(number)
    return sorted(options, key=lambda option: option.cost)


# ---- single visits -----------------------------------------------------------------------------------------


def _starts(span: Span, minutes: int, zone: ZoneInfo) -> Iterable[datetime]:
    """Every start on the grid that leaves room for the visit and is a time of its own on the wall clock."""
    first = -(-minutes_of(span.start) // 15) * 15
    for minute in range(first, minutes_of(span.end) - minutes + 1, 15):
        start = moment_of(minute)
        local = start.astimezone(zone)
        if local.utcoffset() == local.replace(fold=1 - local.fold).utcoffset():
            yield start


def _first_free(diary: Diary, keys: Sequence[int], kind: str, start: datetime, end: datetime) -> int | None:
    return next((key for key in keys if diary.free((kind, key), start, end)), None)


def place(diary: Diary, staff: Staff, visit: Visit, start: datetime, misses: int = 0) -> Slot | None:
    """The visit at that time with that practitioner, in the first room and with the first device that are free."""
    end, comes = start + timedelta(minutes=visit.minutes), start - timedelta(minutes=visit.prep)
    if not diary.free(("practitioner", staff.key), start, end) or not diary.free(("patient", 0), comes, end):
        return None
    if visit.prep and diary.opened.free(minutes_of(comes), minutes_of(comes) + 1):
        # Nobody is there yet to put the cream on.
        return None
    room = _first_free(diary, diary.rooms_for(visit.room_needs), "room", start - SETUP, end + CLEANUP)
    devices = diary.devices_of(visit.device_kind) if visit.device_kind else []
    device = _first_free(diary, devices, "device", start - SETUP, end + CLEANUP)
    prep_rooms = diary.rooms_for(frozenset({PREPARATION})) if visit.prep else []
    prep_room = _first_free(diary, prep_rooms, "room", comes, start)
    if room is None or (visit.device_kind and device is None) or (prep_rooms and prep_room is None):
        return None
    return Slot(
        visit.key, visit.number, start, end, staff.key, room, device, misses, visit.prep, prep_room
    )  # fmt: skip


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
        if not visit.needs <= staff.qualifications or practitioner not in {None, staff.key}:
            continue
        for span in staff.hours:
            day = span.start.astimezone(diary.zone).date()
            if day not in found:
                continue
            for start in _starts(span, visit.minutes, diary.zone):
                if start - timedelta(minutes=visit.prep) >= now and start not in found[day]:
                    slot = place(diary, staff, visit, start)
                    if slot is not None:
                        found[day][start] = slot
    return {day: [slots[start] for start in sorted(slots)] for day, slots in found.items()}
