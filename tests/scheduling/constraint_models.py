"""The same problem for a constraint solver (OR-Tools CP-SAT), in two models: the search must find the same cost.

`by_tables` gets the starts that are free; `by_intervals` gets the stretches that are taken and finds out by itself.
Both are built on wall-clock cells, (day, quarter hour), of the location of each visit.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from ortools.sat.python import cp_model

from sessions.scheduling import Diary, Span, Staff, Visit, free_spans
from sessions.scheduling.diary import CLEANUP, GRID, SETUP
from tests.scheduling.instances import Problem

#: The documented prices once more.
DAY, UNWISHED, LOCATION, PRACTITIONER, WEEKDAY, TIME, FRAGMENT, STRANGER, ELSEWHERE = (
    10,
    40,
    80,
    60,
    6,
    4,
    2,
    1,
    1,
)
QUARTERS = 96
#: The interval model counts in steps of five minutes, three to a quarter hour.
FINE = timedelta(minutes=5)
HOLE = timedelta(minutes=30)
#: (practitioner, number of the location, day, quarter, price)
Row = tuple[int, int, int, int, int]


def _ranges(problem: Problem) -> list[tuple[int, int]]:
    """First and last day of each visit, by the windows before it."""
    low = high = 0
    found = []
    for visit in problem.visits:
        low, high = low + visit.earliest, high + visit.latest
        found.append((low, high))
    return found


def _cell(problem: Problem, book: Diary, moment: datetime) -> tuple[int, int]:
    local = moment.astimezone(book.zone)
    return (local.date() - problem.start).days, (local.hour * 60 + local.minute) // 15


def _price(problem: Problem, book: Diary, staff: Staff, visit: Visit, start: datetime, free: Span) -> int:
    local = start.astimezone(book.zone)
    end = start + timedelta(minutes=visit.minutes)
    price = UNWISHED * problem.wish.misses(local, local + timedelta(minutes=visit.minutes))
    price += FRAGMENT * sum(timedelta(0) < hole < HOLE for hole in (start - free.start, free.end - end))
    price += ELSEWHERE * (problem.wish.usual not in {None, book.location})
    return price + STRANGER * (problem.wish.favourite not in {None, staff.key})


def _starts(
    problem: Problem, book: Diary, visit: Visit, days: tuple[int, int]
) -> list[tuple[int, int, int, int, datetime]]:
    """(practitioner, day, quarter, price, instant) where the practitioner is free at a location."""
    found = []
    length = timedelta(minutes=visit.minutes)
    for staff in book.staff:
        if not visit.needs <= staff.qualifications or problem.wish.practitioner not in {None, staff.key}:
            continue
        taken = book.busy.get(("practitioner", staff.key), ())
        for free in free_spans(staff.hours, taken):  # type: ignore[arg-type]  # spans, as the tests write them
            if not days[0] <= _cell(problem, book, free.start)[0] <= days[1]:
                continue
            start = free.start + (datetime.min.replace(tzinfo=free.start.tzinfo) - free.start) % GRID
            while start + length <= free.end:
                day, quarter = _cell(problem, book, start)
                if start >= problem.now and problem.wish.allows(start.astimezone(book.zone).date()):
                    price = _price(problem, book, staff, visit, start, free)
                    found.append((staff.key, day, quarter, price, start))
                start += GRID
    return found


def _free_at(
    problem: Problem, book: Diary, visit: Visit, days: tuple[int, int]
) -> list[tuple[int, int, int, int]]:
    """(practitioner, day, quarter, price) at which all that the visit needs is free at a location."""
    rooms = [("room", key) for key in book.rooms_for(visit.room_needs)]
    devices = [("device", key) for key in book.devices_of(visit.device_kind)]
    length, fits = timedelta(minutes=visit.minutes), {}
    rows = []
    for person, day, quarter, price, start in _starts(problem, book, visit, days):
        if start not in fits:
            around = (start - SETUP, start + length + CLEANUP)
            fits[start] = (
                book.free(("patient", 0), start, start + length)
                and any(book.free(key, *around) for key in rooms)
                and (not visit.device_kind or any(book.free(key, *around) for key in devices))
            )
        if fits[start]:
            rows.append((person, day, quarter, price))
    return rows


def free_starts(problem: Problem) -> list[list[Row]]:
    """For each visit every row at which all that it needs is free."""
    return [
        [
            (person, place, day, quarter, price)
            for place, book in enumerate(problem.diaries)
            for person, day, quarter, price in _free_at(problem, book, visit, days)
        ]
        for visit, days in zip(problem.visits, _ranges(problem), strict=True)
    ]


class _Model:
    """What both models share: a cell, a practitioner and a location for each visit, and the prices between visits."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.model = problem, cp_model.CpModel()
        self.costs: list[cp_model.IntVar] = []
        self.days, self.people, self.places, self.quarters = [], [], [], []
        keys = [staff.key for book in problem.diaries for staff in book.staff]
        for index, (low, high) in enumerate(_ranges(problem)):
            self.days.append(self.model.new_int_var(low, high, f"day{index}"))
            self.people.append(self.model.new_int_var(min(keys), max(keys), f"who{index}"))
            self.places.append(self.model.new_int_var(0, len(problem.diaries) - 1, f"where{index}"))
            self.quarters.append(self.model.new_int_var(0, QUARTERS - 1, f"quarter{index}"))
        for index, visit in enumerate(problem.visits):
            before = self.days[index - 1] if index else 0
            gaps = range(visit.earliest, visit.latest + 1)
            gap = self.model.new_int_var(visit.earliest, visit.latest, f"gap{index}")
            self.model.add(gap == self.days[index] - before)
            prices = [
                DAY * abs(days - visit.target) + (WEEKDAY if index and days % 7 else 0) for days in gaps
            ]
            cost = self.model.new_int_var(0, max(prices), f"cost{index}")
            self.model.add_element(gap - visit.earliest, prices, cost)
            self.costs.append(cost)
            if index:
                self._change(self.people[index - 1], self.people[index], PRACTITIONER, f"whom{index}")
                self._change(self.quarters[index - 1], self.quarters[index], TIME, f"when{index}")
                if len(problem.diaries) > 1:
                    self._change(self.places[index - 1], self.places[index], LOCATION, f"there{index}")

    def _change(self, one: cp_model.IntVar, other: cp_model.IntVar, price: int, name: str) -> None:
        same = self.model.new_bool_var(name)
        self.model.add(one == other).only_enforce_if(same)
        self.model.add(one != other).only_enforce_if(~same)
        cost = self.model.new_int_var(0, price, f"{name}cost")
        self.model.add(cost == price * (1 - same))
        self.costs.append(cost)

    def table(self, index: int, rows: Sequence[Row]) -> None:
        """The cell, the practitioner, the location and the price of a visit are one of these rows."""
        cost = self.model.new_int_var(0, max((row[-1] for row in rows), default=0), f"own{index}")
        self.costs.append(cost)
        if not rows:
            self.model.add_bool_or([])
            return
        columns = [self.people[index], self.places[index], self.days[index], self.quarters[index], cost]
        self.model.add_allowed_assignments(columns, rows)

    def solve(self, seconds: float) -> int | None:
        """The least cost; None where nothing fits. Raises TimeoutError when neither is proved in time."""
        self.model.minimize(sum(self.costs))
        solver = cp_model.CpSolver()
        solver.parameters.max_time_in_seconds = seconds
        solver.parameters.num_workers = 2
        status = solver.solve(self.model)
        if status == cp_model.INFEASIBLE:
            return None
        if status != cp_model.OPTIMAL:
            raise TimeoutError("the solver proved nothing in time")
        return round(solver.objective_value)


def by_tables(problem: Problem, rows: Sequence[Sequence[Row]], seconds: float = 60) -> int | None:
    """The least cost when the free starts are known."""
    model = _Model(problem)
    for index, own in enumerate(rows):
        model.table(index, own)
    return model.solve(seconds)


def by_intervals(problem: Problem, seconds: float = 60) -> int | None:
    """The least cost when only what is taken is known: optional intervals on rooms, devices and the patient.

    Every location has lines of its own, on its own clock.
    """
    model = _Model(problem)
    for index, (visit, days) in enumerate(zip(problem.visits, _ranges(problem), strict=True)):
        # Whether the practitioner is free stands in the table, since the price of a hole stands there too.
        rows = [
            (person, place, day, quarter, price)
            for place, book in enumerate(problem.diaries)
            for person, day, quarter, price, _start in _starts(problem, book, visit, days)
        ]
        model.table(index, rows)
    for place, book in enumerate(problem.diaries):
        _lines(model, problem, place, book)
    return model.solve(seconds)


def _lines(model: _Model, problem: Problem, place: int, book: Diary) -> None:
    """The rooms and devices of a location and the patient there: nothing on a line overlaps."""
    kinds: list[tuple[str, Callable[[Visit], list[int]], timedelta, timedelta]] = [
        ("room", lambda visit: book.rooms_for(visit.room_needs), SETUP, CLEANUP),
        ("device", lambda visit: book.devices_of(visit.device_kind), SETUP, CLEANUP),
        ("patient", lambda _visit: [0], timedelta(0), timedelta(0)),
    ]
    lines: dict[tuple[str, int], list[cp_model.IntervalVar]] = {}
    last = _ranges(problem)[-1][1]
    for index, visit in enumerate(problem.visits):
        name = f"at{index}of{place}"
        here = model.model.new_bool_var(f"here{name}")
        model.model.add(model.places[index] == place).only_enforce_if(here)
        model.model.add(model.places[index] != place).only_enforce_if(~here)
        start = model.model.new_int_var(0, (last + 1) * QUARTERS * 3, f"start{name}")
        model.model.add(start == (model.days[index] * QUARTERS + model.quarters[index]) * 3)
        for kind, keys, before, after in kinds:
            chosen = []
            size = visit.minutes // 5 + (before + after) // FINE
            for key in keys(visit):
                present = model.model.new_bool_var(f"{kind}{key}{name}")
                chosen.append(present)
                lines.setdefault((kind, key), []).append(
                    model.model.new_optional_fixed_size_interval_var(
                        start - before // FINE, size, present, f"{kind}{key}use{name}"
                    )
                )
            if kind != "device" or visit.device_kind:
                model.model.add(sum(chosen) == here)
    for line, own in lines.items():
        fixed = []
        for span in book.busy.get(line, ()):  # type: ignore[union-attr]  # spans, as the tests write them
            day = _cell(problem, book, span.start)[0]
            if 0 <= day <= last:
                local = span.start.astimezone(book.zone)
                at = day * QUARTERS * 3 + (local.hour * 60 + local.minute) // 5
                fixed.append(model.model.new_fixed_size_interval_var(at, (span.end - span.start) // FINE, ""))
        model.model.add_no_overlap([*own, *fixed])
