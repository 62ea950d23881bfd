"""Clinics of a size that exists, half or three quarters booked, for comparing searches on the same problem."""

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sessions.scheduling import Diary, Preferences, Span, Staff, Visit, expand_hours, free_spans

ZONE = ZoneInfo("Europe/Madrid")
START = date(2026, 11, 30)
NOW = datetime(2026, 11, 29, 8, tzinfo=UTC)
INJECTION = frozenset({"injection"})
OPEN, CLOSE = 9, 19


@dataclass(frozen=True)
class Problem:
    """A course to book in a clinic."""

    visits: tuple[Visit, ...]
    diary: Diary
    wish: Preferences
    start: date = START
    now: datetime = NOW
    #: Further locations.
    elsewhere: tuple[Diary, ...] = ()

    @property
    def diaries(self) -> list[Diary]:
        """All locations."""
        return [self.diary, *self.elsewhere]


def six_visits(first: int = 14, around: tuple[int, int, int] = (11, 14, 17)) -> tuple[Visit, ...]:
    """Six sessions of 45 min with a pen, 14 days apart give or take three; the first within `first` days."""
    return (
        Visit(1, 1, 0, 0, first, 45, INJECTION, "pen"),
        *(Visit(n, n, *around, 45, INJECTION, "pen") for n in range(2, 7)),
    )


def taken(rnd: random.Random, days: list[date], load: float, zone: ZoneInfo = ZONE) -> list[Span]:
    """Visits one after the other on each day, `load` of them kept."""
    spans = []
    for day in days:
        at = datetime.combine(day, time(OPEN), tzinfo=zone).astimezone(UTC)
        end = at + timedelta(hours=CLOSE - OPEN)
        while at < end:
            after = min(at + timedelta(minutes=rnd.choice((30, 45, 60))), end)
            if rnd.random() < load:
                spans.append(Span(at, after))
            at = after
    return spans


def clinic(
    seed: int, load: float, *, people: int = 10, rooms: int = 8, devices: int = 4, weeks: int = 26
) -> Diary:
    """A clinic with `load` of everybody's time booked, and somebody away for a week."""
    rnd = random.Random(seed)
    last = START + timedelta(weeks=weeks, days=-1)
    hours = [(day, time(OPEN), time(CLOSE)) for day in range(1, 6)]
    open_days = [
        START + timedelta(days=n) for n in range(weeks * 7) if (START + timedelta(days=n)).isoweekday() < 6
    ]
    spans = expand_hours(hours, ZONE, START, last)
    staff = []
    for key in range(1, people + 1):
        gone = datetime.combine(START + timedelta(weeks=rnd.randrange(weeks)), time(), tzinfo=ZONE)
        away = Span(gone, gone + timedelta(days=7))
        staff.append(Staff(key, f"P{key}", INJECTION, tuple(free_spans(spans, [away]))))
    busy: dict[tuple[str, int], list[Span]] = {}
    for kind, count in (("practitioner", people), ("room", rooms), ("device", devices)):
        for key in range(1, count + 1):
            busy[kind, key] = taken(rnd, open_days, load)
    busy["patient", 0] = taken(rnd, rnd.sample(open_days, weeks), 0.3)
    return Diary(
        ZONE, tuple(staff), tuple((n, INJECTION) for n in range(1, rooms + 1)),
        tuple((n, "pen") for n in range(1, devices + 1)), busy,
    )  # fmt: skip


def problem(seed: int, load: float, **size: int) -> Problem:
    """A course of six for a patient who may have wishes."""
    rnd = random.Random(seed * 7919 + 1)
    wish = rnd.choice(
        [
            Preferences(),
            Preferences(weekdays=frozenset({2, 4}), time_from=time(16)),
            Preferences(without=frozenset({1}), favourite=3),
        ]
    )
    return Problem(six_visits(), clinic(seed, load, **size), wish)


def small(seed: int) -> Problem:
    """Fewer of everything and very full: courses that hardly fit, or not at all."""
    rnd = random.Random(seed * 104729 + 3)
    visits = (
        Visit(1, 1, 0, 2, 6, 45, INJECTION, "pen"),
        *(
            Visit(n, n, 6, 7, 8, rnd.choice((30, 45, 60)), INJECTION, "pen")
            for n in range(2, rnd.randrange(4, 7))
        ),
    )
    diary = clinic(
        seed,
        rnd.choice((0.4, 0.55, 0.7)),
        people=rnd.randrange(1, 4),
        rooms=2,
        devices=rnd.randrange(1, 3),
        weeks=8,
    )
    wish = rnd.choice(
        [Preferences(), Preferences(time_until=time(14)), Preferences(weekdays=frozenset({1, 3}))]
    )
    return Problem(visits, diary, wish)


def two_locations(seed: int) -> Problem:
    """A small clinic at two places on different clocks; some practitioners divide their week between them."""
    rnd = random.Random(seed * 15485863 + 5)
    visits = (
        Visit(1, 1, 0, 2, 6, 45, INJECTION, "pen"),
        *(Visit(n, n, *rnd.choice(((6, 7, 8), (10, 14, 18))), 45, INJECTION, "pen") for n in range(2, 6)),
    )
    weeks, zones = 10, (ZONE, ZoneInfo(rnd.choice(("Atlantic/Canary", "America/New_York", "Asia/Dubai"))))
    last = START + timedelta(weeks=weeks)
    days = [
        START + timedelta(days=n) for n in range(weeks * 7) if (START + timedelta(days=n)).isoweekday() < 6
    ]
    load = rnd.choice((0.4, 0.5, 0.6))
    # Who works on which days at either: 1 here, 2 there, 3 and 4 at both.
    week: dict[int, tuple[set[int], set[int]]] = {
        1: ({1, 2}, set()),
        2: (set(), {4, 5}),
        3: ({1}, {3}),
        4: ({3, 5}, {2}),
    }
    patient = taken(rnd, rnd.sample(days, weeks), 0.3)
    people = {key: taken(rnd, days, load, zones[key == 2]) for key in week}
    found = []
    for number, zone in enumerate(zones):
        staff = tuple(
            Staff(key, f"P{key}", INJECTION, tuple(expand_hours(hours, zone, START, last)))
            for key, own in week.items()
            if (hours := [(day, time(OPEN), time(CLOSE)) for day in own[number]])
        )
        busy: dict[tuple[str, int], list[Span]] = {("practitioner", key): people[key] for key in people}
        # Each location counts its rooms and devices from 1.
        busy |= {("room", key): taken(rnd, days, load, zone) for key in (1, 2)}
        busy |= {("device", 1): taken(rnd, days, load, zone), ("patient", 0): patient}
        rooms = ((1, INJECTION), (2, INJECTION))
        found.append(Diary(zone, staff, rooms, ((1, "pen"),), busy, location=number + 1))
    wish = rnd.choice(
        [Preferences(), Preferences(usual=2, favourite=3), Preferences(time_from=time(15), usual=1)]
    )
    return Problem(visits, found[0], wish, elsewhere=tuple(found[1:]))
