"""What the search reads: visits to place, people with their hours, rooms, devices, and all that is taken.

Instants are aware datetimes outside and whole minutes since 1970 (UTC) inside; stretches are half-open.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from sessions.scheduling.hours import Span

SETUP = timedelta(minutes=5)
CLEANUP = timedelta(minutes=10)
GRID = timedelta(minutes=15)
#: What a room must be able to do for a patient to sit there while the cream acts.
PREPARATION = "preparation"

Minutes = NDArray[np.int64]


def minutes_of(moment: datetime) -> int:
    """Whole minutes since 1970 in UTC, rounded down."""
    return int(moment.timestamp() // 60)


def moment_of(minutes: int) -> datetime:
    """The instant, in UTC."""
    return datetime.fromtimestamp(int(minutes) * 60, UTC)


@dataclass(frozen=True, slots=True, eq=False)
class Stretches:
    """Many half-open stretches as two columns of minutes: in order, none touching the next."""

    starts: Minutes
    ends: Minutes

    @classmethod
    def of(cls, starts: Minutes, ends: Minutes) -> "Stretches":
        """In order and merged where they touch or overlap."""
        if len(starts) < 2:
            return cls(starts, ends)
        order = np.argsort(starts, kind="stable")
        starts, reach = starts[order], np.maximum.accumulate(ends[order])
        first = np.concatenate(([True], starts[1:] > reach[:-1]))
        last = np.concatenate((first[1:], [True]))
        return cls(starts[first], reach[last])

    @classmethod
    def from_spans(cls, spans: Sequence[Span]) -> "Stretches":
        """Of instants; seconds are rounded outwards."""
        starts = np.array([minutes_of(span.start) for span in spans], np.int64)
        ends = np.array([-int(-span.end.timestamp() // 60) for span in spans], np.int64)
        return cls.of(starts, ends)

    def free(self, start: int, end: int) -> bool:
        """Whether nothing lies in the stretch."""
        at = bisect_right(self.ends, start)  # type: ignore[type-var]  # a column of numbers is a sequence
        return at == len(self.starts) or bool(self.starts[at] >= end)


NOTHING = Stretches(np.zeros(0, np.int64), np.zeros(0, np.int64))


def fittings_for(qualifications: frozenset[str]) -> frozenset[str]:
    """The room for what these qualifications do: a jet injector needs no more than a syringe."""
    return frozenset("injection" if need == "needle-free" else need for need in qualifications)


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit to place: its window in days after the visit before (the first: after the earliest start).

    `needs` are the qualifications it asks for; `prep` are the minutes that an anaesthetic cream acts
    before the visit, in a preparation room where the location has one.
    """

    key: int
    number: int
    earliest: int
    target: int
    latest: int
    minutes: int
    needs: frozenset[str]
    device_kind: str = ""
    prep: int = 0
    #: What the room must be fitted for, where that is not simply the same.
    fittings: frozenset[str] | None = None
    #: The location where it has to be; None is any of those searched.
    location: int | None = None

    @property
    def room_needs(self) -> frozenset[str]:
        """What the room must be fitted for."""
        return fittings_for(self.needs) if self.fittings is None else self.fittings

    @property
    def shape(self) -> tuple[object, ...]:
        """What decides which slots fit."""
        return self.minutes, self.needs, self.device_kind, self.prep, self.room_needs, self.location


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
    #: The only location that counts.
    location: int | None = None
    #: Where the patient usually comes: of two equal courses that one comes first.
    usual: int | None = None

    def allows(self, day: date) -> bool:
        """Whether the patient can come on that day at all."""
        early = self.day_from is not None and day < self.day_from
        late = self.day_until is not None and day > self.day_until
        return not early and not late and day.isoweekday() not in self.without

    def misses(self, start: datetime, end: datetime) -> int:
        """How many wishes a visit on the wall clock misses, 0 to 2."""
        day = bool(self.weekdays) and start.isoweekday() not in self.weekdays
        early = self.time_from is not None and start.time() < self.time_from
        late = self.time_until is not None and (end.date() > start.date() or end.time() > self.time_until)
        return int(day) + int(early or late)


@dataclass(frozen=True, slots=True)
class Slot:
    """A time with practitioner, room and perhaps device; before it, perhaps, time for the cream."""

    visit: int
    number: int
    start: datetime
    end: datetime
    practitioner: int
    room: int
    device: int | None
    misses: int
    prep: int = 0
    prep_room: int | None = None
    #: 0 in a clinic that is told of none.
    location: int = 0

    @property
    def minutes(self) -> int:
        """How long the visit lasts."""
        return (self.end - self.start) // timedelta(minutes=1)

    @property
    def comes(self) -> datetime:
        """When the patient comes: `prep` minutes before the visit."""
        return self.start - timedelta(minutes=self.prep)


@dataclass(frozen=True)
class Diary:
    """What is there and what is taken at one location, on its wall clock.

    `busy` by ("practitioner", id), ("room", id), ("device", id), ("patient", 0): time of people is taken by their visits
    at other locations too.
    """

    zone: ZoneInfo
    staff: tuple[Staff, ...]
    rooms: tuple[tuple[int, frozenset[str]], ...]
    devices: tuple[tuple[int, str], ...]
    busy: Mapping[tuple[str, int], Sequence[Span] | Stretches] = field(default_factory=dict)
    location: int = 0

    @cached_property
    def taken(self) -> dict[tuple[str, int], Stretches]:
        """What is taken, in minutes."""
        return {
            key: value if isinstance(value, Stretches) else Stretches.from_spans(value)
            for key, value in self.busy.items()
        }

    @cached_property
    def hours(self) -> dict[int, Stretches]:
        """Working time by practitioner, in minutes."""
        same = {id(staff.hours): staff.hours for staff in self.staff}
        counted = {key: Stretches.from_spans(spans) for key, spans in same.items()}
        return {staff.key: counted[id(staff.hours)] for staff in self.staff}

    @cached_property
    def opened(self) -> Stretches:
        """When anybody works at the location: somebody must be there to put the cream on."""
        every = list(self.hours.values()) or [NOTHING]
        return Stretches.of(
            np.concatenate([one.starts for one in every]), np.concatenate([one.ends for one in every])
        )

    def rooms_for(self, needs: frozenset[str]) -> list[int]:
        """Rooms that are fit for all of that."""
        return [key for key, capabilities in self.rooms if needs <= capabilities]

    def devices_of(self, kind: str) -> list[int]:
        """Devices of a kind."""
        return [key for key, own in self.devices if own == kind]

    def free(self, key: tuple[str, int], start: datetime, end: datetime) -> bool:
        """Whether nothing of `key` lies in the half-open stretch."""
        known = self.taken.get(key)
        return known is None or known.free(minutes_of(start), -int(-end.timestamp() // 60))
