"""Find the best dates for a whole course: exact, by dynamic programming over days, people and times of day.

"People" are practitioners at a location: who works at two has two rows. Days and times of day are those on the wall clock
of each location, whatever its zone.

Going backward from the last visit gives, for every practitioner, day and time of the first, the cost of the best
course that starts there: so the next best clearly different courses are found exactly too. What a course costs:

=====================================================  ==========
a day off the target, for each visit                   `DAY`
a visit on another weekday than wished                 `UNWISHED`
a visit outside the wished times                       `UNWISHED`
another location than at the visit before              `LOCATION`
another practitioner than at the visit before          `PRACTITIONER`
a visit that is not with the physician of the plan     `STRANGER`
a visit that is not at the patient's usual location    `ELSEWHERE`
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

DAY, UNWISHED, LOCATION, PRACTITIONER, WEEKDAY, TIME, FRAGMENT, STRANGER, ELSEWHERE = (
    10, 40, 80, 60, 6, 4, 2, 1, 1,
)  # fmt: skip
#: More than any other price: as few visits move as can be.
MOVE = 20_000
#: A later option starts at least this many days after the others.
APART = 7
#: No course: more than any course costs, and small enough to be added up.
NEVER = 1 << 28

Costs = NDArray[np.int32]
Numbers = NDArray[np.signedinteger[Any]]
#: One location, or all that are searched together.
type Diaries = Diary | Sequence[Diary]


@dataclass(frozen=True, slots=True)
class CourseOption:
    """A whole course. `offsets` are the signed days off target by visit, `days` the local days of the visits.

    `deviation_days` adds up all visits.
    """

    slots: tuple[Slot, ...]
    offsets: tuple[int, ...]
    cost: int
    days: tuple[date, ...]

    @property
    def deviation_days(self) -> int:
        return sum(abs(offset) for offset in self.offsets)

    @property
    def misses(self) -> int:
        """Visits outside the wished days and times."""
        return sum(1 for slot in self.slots if slot.misses)


def searched(diaries: Diaries, wish: Preferences) -> list[Diary]:
    """The locations that count, in the order given."""
    every = [diaries] if isinstance(diaries, Diary) else diaries
    return [diary for diary in every if wish.location in {None, diary.location}]


def people_for(visits: Sequence[Visit], diary: Diary, wish: Preferences) -> list[Staff]:
    """Who can do at least one of the visits there, and is wished."""
    here = [visit.needs for visit in visits if visit.location in {None, diary.location}]
    return [
        staff
        for staff in diary.staff
        if wish.practitioner in {None, staff.key} and any(needs <= staff.qualifications for needs in here)
    ]


@dataclass(frozen=True, slots=True)
class _Range:
    """Days (rows of the grid) on which a visit can lie at all, by the windows before it; half-open."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Site:
    """A location in a search: who can do a visit there, and where each shape of visit can start; `rows` are its people's."""

    diary: Diary
    grid: Grid
    people: Sequence[Staff]
    places: Mapping[object, Places]
    rows: slice


class Course:
    """One search: where each visit can lie, and the cost of the best way on from there. `people` are those at each diary."""

    def __init__(
        self, visits: Sequence[Visit], diaries: Sequence[Diary], wish: Preferences, people: Sequence[Sequence[Staff]],
        *, start: date, now: datetime, base: date, standing: Mapping[int, Slot] | None = None,
    ) -> None:  # fmt: skip
        self.visits, self.wish = visits, wish
        self.base, self.base_day, self.now, self.first = (base - start).days, base, now, start
        #: How many days are looked at, from `first` on.
        self.days = max(self.base + sum(visit.latest for visit in visits) + 1, 0)
        #: Where visits (by number in the course) stand and may stay.
        self.standing = {
            index: standing[visit.key]
            for index, visit in enumerate(visits)
            if standing is not None and visit.key in standing
        }
        self.ranges: list[_Range] = []
        low = high = self.base
        for visit in visits:
            low, high = low + visit.earliest, high + visit.latest
            self.ranges.append(_Range(max(low, 0), max(high + 1, 0)))
        self.sites = self._sites([(diary, own) for diary, own in zip(diaries, people, strict=True) if own])
        #: By row: the practitioner, and the number of the location.
        self.people = [staff for site in self.sites for staff in site.people]
        self.keys = np.array([staff.key for staff in self.people])
        self.at = np.repeat(np.arange(len(self.sites)), [len(site.people) for site in self.sites])

    def _sites(self, known: Sequence[tuple[Diary, Sequence[Staff]]]) -> list[Site]:
        pins = [
            [minutes_of(slot.start) for slot in self.standing.values() if slot.location == diary.location]
            for diary, _people in known
        ]
        grids = Grid.of_all([diary for diary, _people in known], self.first, self.days, pins)
        moment, row, found = -int(-self.now.timestamp() // 60), 0, []
        for (diary, people), grid in zip(known, grids, strict=True):
            places: dict[object, Places] = {}
            for visit in self.visits:
                if visit.location in {None, diary.location} and visit.shape not in places:
                    places[visit.shape] = Places(diary, grid, visit, people, self.wish, moment)
            found.append(Site(diary, grid, people, places, slice(row, row + len(people))))
            row += len(people)
        return found

    def day(self, number: int) -> date:
        """The local day of a row of the grids."""
        return self.first + timedelta(days=int(number))

    @property
    def empty(self) -> bool:
        """Whether nobody works on any of the days."""
        return not self.sites[0].grid.size

    @cached_property
    def own(self) -> dict[object, Costs]:
        """What a visit costs by itself, by shape: [people, days, quarters]."""
        return {visit.shape: self._own(visit.shape) for visit in self.visits}

    def _own(self, shape: object) -> Costs:
        found = []
        for site in self.sites:
            places = site.places.get(shape)
            if places is None:
                found.append(np.full((len(site.people), *site.grid.shape), NEVER, np.int32))
                continue
            cost = places.holes * np.int32(FRAGMENT)
            cost += places.missed * UNWISHED
            extra = [STRANGER * (self.wish.favourite not in {None, staff.key}) for staff in site.people]
            away = ELSEWHERE * (self.wish.usual not in {None, site.diary.location})
            cost += np.array(extra, np.int32)[:, None, None] + np.int32(away)
            cost[~places.open] = NEVER
            found.append(cost)
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _cell(self, index: int) -> tuple[int, int, int] | None:
        """(row, day, quarter) where a visit stands; None outside the days of the search."""
        slot = self.standing[index]
        for site in self.sites:
            # A grid knows the visits that stand at its location only.
            day, quarter = site.grid.pinned.get(minutes_of(slot.start), (-1, 0))
            for person, staff in enumerate(site.people, site.rows.start):
                if staff.key == slot.practitioner and day >= 0:
                    return person, day, quarter
        return None

    def _steps(self, visit: Visit) -> Iterator[tuple[int, int]]:
        """(days after the visit before, what that costs)."""
        for gap in range(visit.earliest, visit.latest + 1):
            yield gap, abs(gap - visit.target) * DAY + (WEEKDAY if gap % 7 else 0)

    @cached_property
    def _both(self) -> tuple[Numbers, Numbers, Numbers]:
        """Rows of those who work at several locations, person by person; where each begins; the person of each row."""
        order = np.argsort(self.keys, kind="stable")
        _keys, person, many = np.unique(self.keys[order], return_inverse=True, return_counts=True)
        times = many[many > 1]
        return order[many[person] > 1], times.cumsum() - times, np.repeat(np.arange(len(times)), times)

    def _changed(self, costs: Costs) -> Costs:
        """The best way on with the same or another practitioner, at the same or another location."""
        if len(self.sites) == 1:
            return np.minimum(costs, costs.min(axis=0, keepdims=True) + np.int32(PRACTITIONER))
        found = np.minimum(costs, costs.min(axis=0, keepdims=True) + np.int32(PRACTITIONER + LOCATION))
        for site in self.sites:
            here = costs[site.rows].min(axis=0, keepdims=True) + np.int32(PRACTITIONER)
            np.minimum(found[site.rows], here, out=found[site.rows])
        rows, begins, person = self._both
        if len(rows):
            same = np.minimum.reduceat(costs[rows], begins, axis=0) + np.int32(LOCATION)
            found[rows] = np.minimum(found[rows], same[person])
        return found

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
                # The best with the same or another time of day, then with other people and at other locations.
                joined = self._changed(np.minimum(after, after.min(axis=2, keepdims=True) + np.int32(TIME)))
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
        """Every (cost, row, day) at which a course can begin, the best first; of equal ones the earliest."""
        costs = self.onward[0].min(axis=2)
        span, first = self.ranges[0], self.visits[0]
        gaps = np.arange(span.first, span.last) - self.base
        costs = costs + np.abs(gaps - first.target).astype(np.int32) * np.int32(DAY)
        person, day = np.nonzero(costs < NEVER)
        cost = costs[person, day]
        other = self.keys[person] != (self.wish.favourite if self.wish.favourite is not None else -1)
        order = np.lexsort((self.keys[person], day, other, cost))
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
            change = PRACTITIONER * (self.keys != self.keys[who]) + LOCATION * (self.at != self.at[who])
            block += change.astype(np.int32)[:, None, None]
            block += np.where(np.arange(block.shape[2]) == quarter, 0, TIME).astype(np.int32)
            at = np.unravel_index(int(block.argmin()), block.shape)
            cells.append((int(at[0]), low + int(at[1]), int(at[2])))
        offsets, before = [], self.base
        for (_who, on, _quarter), visit in zip(cells, self.visits, strict=True):
            offsets.append(on - before - visit.target)
            before = on
        days = tuple(self.day(on) for _who, on, _quarter in cells)
        return CourseOption(tuple(self._slots(cells)), tuple(offsets), int(cost), days)

    def _slots(self, cells: Sequence[tuple[int, int, int]]) -> Iterator[Slot]:
        """Times with rooms and devices: those that most visits of the course can have, so that few change."""
        sites = [self.sites[self.at[who]] for who, _day, _quarter in cells]
        fitting = {}
        for name in ("room", "device", "prep"):
            found: list[list[tuple[int, int]]] = []
            for (_who, day, quarter), visit, site in zip(cells, self.visits, sites, strict=True):
                if visit.shape not in site.places:
                    # It stands where it is not looked for, and stays.
                    found.append([])
                    continue
                places = site.places[visit.shape]
                keys, free = {
                    "room": (places.rooms, places.room_free),
                    "device": (places.devices, places.device_free),
                    "prep": (places.prep_rooms, places.prep_free),
                }[name]
                found.append(
                    [
                        (site.diary.location, key)
                        for key, is_free in zip(keys, free[:, day, quarter], strict=True)
                        if is_free
                    ]
                )
            every = [key for keys in found for key in keys]
            fitting[name] = [
                # Of equal ones the first of the list, as the clinic orders them.
                max(keys, key=lambda key: every.count(key))[1] if keys else None
                for keys in found
            ]
        for index, ((who, day, quarter), visit, site) in enumerate(
            zip(cells, self.visits, sites, strict=True)
        ):
            if index in self.standing and self._cell(index) == (who, day, quarter):
                yield self.standing[index]
                continue
            start = moment_of(site.grid.at[day, quarter])
            room = fitting["room"][index]
            assert room is not None
            yield Slot(
                visit.key, visit.number, start, start + timedelta(minutes=visit.minutes), self.people[who].key,
                room, fitting["device"][index], int(site.places[visit.shape].missed[day, quarter]),
                visit.prep, fitting["prep"][index], site.diary.location,
            )  # fmt: skip


def find_course(
    visits: Sequence[Visit],
    diaries: Diaries,
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
    Of several locations each visit lies at one; that one's wall clock gives its day and its time.
    """
    books = searched(diaries, preferences)
    people = [people_for(visits, diary, preferences) for diary in books]
    if not any(people):
        return []
    course = Course(visits, books, preferences, people, start=start, now=now, base=before or start)
    return [] if course.empty else _different(course, count)


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
    favourite, key = course.wish.favourite, course.keys[people]
    options: list[CourseOption] = []
    taken: list[int] = []
    unrolled: dict[int, CourseOption] = {}

    def at(number: int) -> CourseOption:
        if number not in unrolled:
            unrolled[number] = course.unroll(int(people[number]), int(days[number]), int(costs[number]))
        return unrolled[number]

    def add(number: int) -> None:
        taken.append(number)
        options.append(at(number))

    def take(fits: Callable[[], NDArray[np.bool_]], most: int, *, unwished: bool) -> None:
        while len(options) < min(most, count):
            first_days = [int(days[one]) for one in taken]
            for number in np.flatnonzero(fits() & ~np.isin(days, first_days)):
                option = at(int(number))
                wished = unwished or option.misses <= options[0].misses
                if wished and all(_other_days(option.days, other.days) for other in options):
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
        visit.key, visit.number, start, end, staff.key, room, device, misses, visit.prep, prep_room, diary.location
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
