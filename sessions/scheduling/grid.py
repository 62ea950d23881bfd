"""Where visits can start: one cell for each local day and quarter hour, computed for all resources at once.

A stretch that is taken blocks the starts from `its start - length` to `its end`: two marks on a row of cells, and a
running sum tells for every cell how many stretches are in the way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from sessions.scheduling.diary import (
    CLEANUP,
    GRID,
    NOTHING,
    PREPARATION,
    SETUP,
    Diary,
    Minutes,
    Preferences,
    Staff,
    Visit,
)

STEP = GRID // timedelta(minutes=1)
QUARTERS = 24 * 60 // STEP
#: A hole in a practitioner's day that is shorter serves nobody: minutes.
HOLE = 30
_SETUP, _CLEANUP = SETUP // timedelta(minutes=1), CLEANUP // timedelta(minutes=1)

Cells = NDArray[np.int64]
Flags = NDArray[np.bool_]


def _quarters(day: date, zone: ZoneInfo) -> tuple[list[int], list[bool]]:
    """Minutes since 1970 of each quarter hour of a day on which the clock changes, and whether it is sayable.

    A time that the clock skips has no instant (it gets that of the next), one that it repeats has two: neither is a
    time that a patient can be told.
    """
    found, good = [], []
    for quarter in range(QUARTERS):
        local = datetime.combine(day, time(quarter * STEP // 60, quarter * STEP % 60), tzinfo=zone)
        found.append(int(local.timestamp() // 60))
        good.append(local.utcoffset() == local.replace(fold=1).utcoffset())
    skipped = [
        datetime.fromtimestamp(at * 60, UTC).astimezone(zone).hour * 60
        + datetime.fromtimestamp(at * 60, UTC).astimezone(zone).minute
        != number * STEP
        for number, at in enumerate(found)
    ]
    for number in range(QUARTERS - 2, -1, -1):
        if skipped[number]:
            found[number] = found[number + 1]
    return found, good


class Grid:
    """Cells of the local days `first` to `first + days - 1`, in the part of the day in which anybody works.

    `pins` are starts (minutes) of visits that stand: the cell of their quarter hour is exactly there.
    """

    def __init__(self, diary: Diary, first: date, days: int, pins: Sequence[int] = ()) -> None:
        self.first, self.days = first, days
        midnights = [
            int(datetime.combine(first + timedelta(days=n), time(), tzinfo=diary.zone).timestamp() // 60)
            for n in range(days + 1)
        ]
        starts = np.array(midnights[:-1], np.int64)
        table = starts[:, None] + np.arange(0, 24 * 60, STEP)
        sayable = np.ones(table.shape, bool)
        changes = [n for n in range(days) if midnights[n + 1] - midnights[n] != 24 * 60]
        for number in changes:
            table[number], sayable[number] = _quarters(first + timedelta(days=number), diary.zone)
        own = {
            pin: divmod(int(np.searchsorted(table.ravel(), pin, "right")) - 1, QUARTERS)
            for pin in pins
            if midnights[0] <= pin < midnights[-1]
        }
        low, high = self._working(diary, starts, spare=60 if changes else 0)
        pinned = [quarter for _day, quarter in own.values()]
        for pin, cell in own.items():
            table[cell] = pin
        self._pins, self._midnights = own, midnights
        self._cut(table, sayable, min([low, *pinned]), max([high, *(quarter + 1 for quarter in pinned)]))

    @classmethod
    def of_all(
        cls, diaries: Sequence[Diary], first: date, days: int, pins: Sequence[Sequence[int]]
    ) -> list["Grid"]:
        """One for each location, all of the same local days and times of day: their arrays fit on each other."""
        grids = [cls(diary, first, days, own) for diary, own in zip(diaries, pins, strict=True)]
        low, high = min(grid.low for grid in grids), max(grid.high for grid in grids)
        for grid in grids:
            if (grid.low, grid.high) != (low, high):
                grid._cut(*grid._whole, low, high)
        return grids

    def _cut(self, table: Minutes, sayable: Flags, low: int, high: int) -> None:
        """Keep the quarters `low` to `high` of every day."""
        self.low, self.high = low, high
        self._whole = table, sayable
        #: The (day, quarter) of each pin, quarters counted from the first of the grid.
        self.pinned = {pin: (day, quarter - low) for pin, (day, quarter) in self._pins.items()}
        self.quarters = np.arange(low, high)
        #: The instant of each cell, and whether it is a time of its own on the wall clock.
        self.at: Minutes = np.ascontiguousarray(table[:, low:high])
        self.sayable: Flags = sayable[:, low:high]
        self.shape = self.at.shape
        self.size = self.at.size
        # From the first midnight on, the cell at or after each minute step.
        self._origin = self._midnights[0]
        steps = np.arange(self._origin, self._midnights[-1] + STEP, STEP)
        self._cell_at = np.searchsorted(self.at.ravel(), steps)

    @staticmethod
    def _working(diary: Diary, midnights: Minutes, spare: int) -> tuple[int, int]:
        """The quarters of the day in which anybody works; of no hours none."""
        opened = diary.opened
        if not len(opened.starts):
            return QUARTERS, 0
        day = np.clip(np.searchsorted(midnights, opened.starts, "right") - 1, 0, None)
        low = int((opened.starts - midnights[day]).min()) - spare
        high = int((opened.ends - midnights[day]).max()) + spare
        return max(0, low // STEP), min(QUARTERS, -(-high // STEP))

    def day(self, number: int) -> date:
        """The local day of a row."""
        return self.first + timedelta(days=int(number))

    def cells(self, minutes: Minutes) -> Cells:
        """The first cell at or after each minute."""
        step = -(-(minutes - self._origin) // STEP)
        return self._cell_at[np.clip(step, 0, len(self._cell_at) - 1)]

    def counts(self, rows: int, row: Cells, low: Minutes, high: Minutes) -> NDArray[np.int32]:
        """How many of the ranges low..high (minutes, half-open) hold each cell, by row: [rows, days, quarters]."""
        width = self.size + 1
        first, last = self.cells(low), self.cells(high)
        keep = first < last
        base = row[keep] * width
        marks = np.bincount(base + first[keep], minlength=rows * width)
        marks -= np.bincount(base + last[keep], minlength=rows * width)
        return marks.cumsum(dtype=np.int32).reshape(rows, width)[:, : self.size].reshape(rows, *self.shape)

    def clear(self, diary: Diary, keys: Sequence[tuple[str, int]], *, before: int, after: int) -> Flags:
        """Whether the stretch from `before` minutes before a start to `after` minutes after it is free, by key."""
        known = [diary.taken.get(key) for key in keys]
        if not any(stretches is not None and len(stretches.starts) for stretches in known):
            return np.ones((len(keys), *self.shape), bool)
        sizes = [0 if one is None else len(one.starts) for one in known]
        row = np.repeat(np.arange(len(keys)), sizes)
        starts = np.concatenate([one.starts for one in known if one is not None])
        ends = np.concatenate([one.ends for one in known if one is not None])
        return self.counts(len(keys), row, starts - after + 1, ends + before) == 0


def _free_time(diary: Diary, people: Sequence[Staff], grid: Grid) -> tuple[Cells, Minutes, Minutes]:
    """Hours less what is taken, of all people at once: (row, start, end)."""
    # Everybody on one line, one after the other: a sort and a running maximum find all holes together.
    far = int(grid.days + 4) * 24 * 60
    origin = grid._origin - 2 * 24 * 60
    shift = [number * far - origin for number in range(len(people))]
    hours = [diary.hours[staff.key] for staff in people]
    busy = [diary.taken.get(("practitioner", staff.key), NOTHING) for staff in people]

    def on_line(column: Sequence[Minutes]) -> Minutes:
        return np.concatenate(
            [np.clip(one, origin, origin + far) + by for one, by in zip(column, shift, strict=True)]
        )

    starts = np.concatenate(
        [np.array([-1]), on_line([one.ends for one in hours]), on_line([one.starts for one in busy])]
    )
    ends = np.concatenate(
        [
            on_line([one.starts for one in hours]),
            np.array([len(people) * far + 1]),
            on_line([one.ends for one in busy]),
        ]
    )
    order = np.argsort(starts, kind="stable")
    starts, reach = starts[order], np.maximum.accumulate(ends[order])
    hole = starts[1:] > reach[:-1]
    free_from, free_to = reach[:-1][hole], starts[1:][hole]
    row = free_from // far
    moved = row * far - origin
    return row, free_from - moved, free_to - moved


@dataclass(frozen=True)
class Requirement:
    """One thing that a start needs: its kind (`practitioner`, `room` ...) and the cells where it is met."""

    kind: str
    met: Flags


class Places:
    """Where one shape of visit can start, and with whom. Arrays are [people, days, quarters]."""

    def __init__(
        self, diary: Diary, grid: Grid, visit: Visit, people: Sequence[Staff], wish: Preferences, now: int
    ) -> None:
        self.grid, self.visit = grid, visit
        length = visit.minutes
        self.rooms = diary.rooms_for(visit.room_needs)
        self.devices = diary.devices_of(visit.device_kind) if visit.device_kind else []
        self.prep_rooms = diary.rooms_for(frozenset({PREPARATION})) if visit.prep else []
        around = {"before": _SETUP, "after": length + _CLEANUP}
        self.room_free = grid.clear(diary, [("room", key) for key in self.rooms], **around)
        self.device_free = grid.clear(diary, [("device", key) for key in self.devices], **around)
        self.prep_free = grid.clear(
            diary, [("room", key) for key in self.prep_rooms], before=visit.prep, after=0
        )
        row, start, end = _free_time(diary, people, grid)
        self.able: Flags = np.array([visit.needs <= staff.qualifications for staff in people])
        self.diary, self.people = diary, people
        fits = end - start >= length
        row, start, end = row[fits], start[fits], end[fits]
        last = end - length
        self.works: Flags = grid.counts(len(people), row, start, last + 1) > 0
        self.works &= self.able[:, None, None]
        self.holes = grid.counts(len(people), row, start + 1, np.minimum(start + HOLE, last + 1))
        self.holes += grid.counts(len(people), row, np.maximum(last - HOLE + 1, start), last)
        self.patient_free = grid.clear(diary, [("patient", 0)], before=visit.prep, after=length)[0]
        self.in_time: Flags = (grid.at - visit.prep >= now) & grid.sayable
        self.attended: Flags = np.ones(grid.shape, bool)
        if visit.prep:
            # Somebody must be there to put the cream on.
            opened = diary.opened
            row = np.zeros(len(opened.starts), np.int64)
            self.attended = grid.counts(1, row, opened.starts + visit.prep, opened.ends + visit.prep)[0] > 0
        self.allowed = np.array([wish.allows(grid.day(number)) for number in range(grid.days)])[:, None]
        self.missed = self._missed(wish)

    def _missed(self, wish: Preferences) -> NDArray[np.int32]:
        """How many wishes a start misses, 0 to 2: [days, quarters]."""
        first = self.grid.first.isoweekday() - 1
        days = np.zeros(self.grid.days, bool)
        if wish.weekdays:
            wanted = np.array([day in wish.weekdays for day in range(1, 8)])
            days = ~wanted[(np.arange(self.grid.days) + first) % 7]
        starts = self.grid.quarters * STEP
        times = np.zeros(len(starts), bool)
        if wish.time_from is not None:
            times |= starts < wish.time_from.hour * 60 + wish.time_from.minute
        if wish.time_until is not None:
            times |= starts + self.visit.minutes > wish.time_until.hour * 60 + wish.time_until.minute
        return days[:, None].astype(np.int32) + times.astype(np.int32)

    @cached_property
    def on_duty(self) -> Flags:
        """Where the practitioners who can do it work, taken or not."""
        hours = [self.diary.hours[staff.key] for staff in self.people]
        row = np.repeat(np.arange(len(hours)), [len(one.starts) for one in hours])
        starts = np.concatenate([one.starts for one in hours])
        last = np.concatenate([one.ends for one in hours]) - self.visit.minutes
        return (self.grid.counts(len(hours), row, starts, last + 1) > 0) & self.able[:, None, None]

    @cached_property
    def requirements(self) -> list[Requirement]:
        """All that a start needs, each [people, days, quarters] or broadcast to it."""
        found = [
            Requirement("practitioner", self.works),
            Requirement("room", self.room_free.any(axis=0)),
            Requirement("patient", self.patient_free),
            Requirement("wish", np.broadcast_to(self.allowed, self.grid.shape)),
            Requirement("past", self.in_time),
            Requirement("opening", self.attended),
        ]
        if self.visit.device_kind:
            found.append(Requirement("device", self.device_free.any(axis=0)))
        if self.prep_rooms:
            found.append(Requirement("preparation", self.prep_free.any(axis=0)))
        return found

    @cached_property
    def common(self) -> Flags:
        """Cells where everything but the practitioner is there."""
        met = np.ones(self.grid.shape, bool)
        for one in self.requirements[1:]:
            met &= one.met
        return met

    @cached_property
    def open(self) -> Flags:
        """Cells where the visit can start, by practitioner."""
        return self.works & self.common
