"""The course search beside two constraint models: the same problems, the same cost, in one run.

Six sessions of 45 min with a pen, 14 days apart give or take three, for 10 practitioners, 8 rooms, 4 devices, 26 weeks on a
quarter-hour grid. The models may use both cores; that of free starts is not charged for finding them.
"""

import gc
import os
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from zoneinfo import ZoneInfo

from sessions.scheduling import Diary, Stretches, find_course
from tests.scheduling.constraint_models import by_intervals, by_tables, free_starts
from tests.scheduling.instances import NOW, START, Problem, clinic, problem, six_visits, small, two_locations

#: How many seeds at each load, and how many small clinics: MESOCLINIC_BENCH_SEEDS cuts a trial run short.
SEEDS = int(os.environ.get("MESOCLINIC_BENCH_SEEDS", "12"))
SMALL = int(os.environ.get("MESOCLINIC_BENCH_SMALL", "200"))


def _loaded(diary: Diary) -> Diary:
    """The diary as the database gives it: what is taken in columns, nothing computed yet."""
    columns = {key: Stretches.from_spans(spans) for key, spans in diary.busy.items()}  # type: ignore[arg-type]  # spans, as the tests write them
    return replace(diary, busy=columns)


def _timed(act: Callable[[], object]) -> tuple[float, object]:
    gc.collect()
    began = time.perf_counter()
    result = act()
    return (time.perf_counter() - began) * 1000, result


def _search(one: Problem) -> Callable[[], object]:
    # A new diary each time: what a search computes of it once is part of the search.
    book = replace(one.diary)
    return lambda: find_course(one.visits, book, one.wish, start=one.start, now=one.now)


def _cost(options: object) -> int | None:
    return options[0].cost if options else None  # type: ignore[index]  # a list of options


def _against_models(load: float) -> list[tuple[str, str, str]]:
    ours, tables, intervals, different = [], [], [], 0
    for seed in range(1, SEEDS + 1):
        one = problem(seed, load)
        loaded = replace(one, diary=_loaded(one.diary))
        rows = free_starts(one)
        _timed(_search(loaded))
        best = min(_timed(_search(loaded))[0] for _round in range(3))
        spent, table_cost = _timed(lambda one=one, rows=rows: by_tables(one, rows))
        spent_too, interval_cost = _timed(lambda one=one: by_intervals(one))
        options = find_course(one.visits, one.diary, one.wish, start=one.start, now=one.now)
        different += not (_cost(options) == table_cost == interval_cost)
        assert len(options) == 3, "three clearly different options"
        ours.append(best)
        tables.append(spent)
        intervals.append(spent_too)
    better = [min(a, b) for a, b in zip(tables, intervals, strict=True)]
    ratios = [model / own for model, own in zip(better, ours, strict=True)]
    booked = f"{load:.0%} booked"
    return [
        (f"course search, {booked}", f"{median(ours):.1f} ms", f"three options, {SEEDS} seeds, worst {max(ours):.1f} ms"),
        (f"CP-SAT by tables, {booked}", f"{median(tables):.0f} ms", "one option"),
        (f"CP-SAT by intervals, {booked}", f"{median(intervals):.0f} ms", "one option"),
        (
            f"the better model, {booked}", f"{median(ratios):.0f} times ours",
            f"worst seed {min(ratios):.0f} times; {different} costs differ",
        ),
    ]  # fmt: skip


def _same_cost() -> tuple[str, str, str]:
    fits = 0
    for seed in range(SMALL):
        one = small(seed)
        own = _cost(find_course(one.visits, one.diary, one.wish, start=one.start, now=one.now))
        assert own == by_tables(one, free_starts(one)) == by_intervals(one), f"small clinic {seed}"
        fits += own is not None
    both = SMALL // 4
    for seed in range(both):
        one = two_locations(seed)
        own = _cost(find_course(one.visits, one.diaries, one.wish, start=one.start, now=one.now))
        assert own == by_tables(one, free_starts(one)) == by_intervals(one), f"two locations {seed}"
    return (
        f"{SMALL} random clinics, {both} more at two locations",
        "same cost in all three",
        f"{fits} of the first with a course, {SMALL - fits} without",
    )


def _locations() -> tuple[str, str, str]:
    """One location, and two of the same size on different clocks at which everybody works."""
    one = problem(1, 0.7)
    here = replace(_loaded(one.diary), location=1)
    there = replace(_loaded(clinic(2, 0.7)), location=2, zone=ZoneInfo("Atlantic/Canary"))
    spent = []
    for books in ([here], [here, there]):
        acts = [
            lambda books=books: find_course(
                one.visits, [replace(book) for book in books], one.wish, start=one.start, now=one.now
            )
            for _round in range(5)
        ]
        spent.append(min(_timed(act)[0] for act in acts))
    return (
        "a second location as large, all at both",
        f"{spent[1]:.1f} ms",
        f"{spent[1] / spent[0]:.1f} times one location",
    )


def _growth() -> list[tuple[str, str, str]]:
    def cost(scale: int, weeks: int) -> float:
        book = _loaded(clinic(5, 0.6, people=10 * scale, rooms=8 * scale, devices=4 * scale, weeks=weeks))
        # The days on which the first visit may lie grow with the weeks.
        visits = six_visits(first=weeks * 7 // 2)
        one = Problem(visits, book, problem(1, 0.5, people=1, rooms=1, devices=1, weeks=1).wish, START, NOW)
        return min(_timed(_search(one))[0] for _round in range(5))

    base = cost(1, 26)
    rows = []
    for scale in (2, 4, 8):
        spent = cost(scale, 26)
        rows.append((f"{scale} times people, rooms, devices", f"{spent:.1f} ms", f"{spent / base:.1f} times"))
    for scale in (2, 4, 8):
        spent = cost(1, 26 * scale)
        rows.append((f"{scale} times the weeks", f"{spent:.1f} ms", f"{spent / base:.1f} times"))
    return [
        ("course search over 26 weeks", f"{base:.1f} ms", "the first visit on any day of the first half"),
        *rows,
    ]


def _memory() -> tuple[str, str, str]:
    one = problem(3, 0.7)
    book = _loaded(one.diary)
    tracemalloc.start()
    find_course(one.visits, replace(book), one.wish, start=one.start, now=one.now)
    _now, peak = tracemalloc.get_traced_memory()
    for _round in range(20):
        find_course(one.visits, replace(book), one.wish, start=one.start, now=one.now)
    kept, again = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (
        "memory of a search",
        f"{peak / 2**20:.1f} MiB",
        f"after 20 more: peak {again / 2**20:.1f}, kept {kept / 2**20:.2f} MiB",
    )


def bench() -> list[tuple[str, str, str]]:
    """ms a search, and how many times that the models take."""
    return [*_against_models(0.5), *_against_models(0.7), _same_cost(), *_growth(), _locations(), _memory()]
