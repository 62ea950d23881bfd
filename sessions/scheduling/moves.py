"""What moving one visit does to the windows of its neighbours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from sessions.scheduling.diary import Visit


@dataclass(frozen=True, slots=True)
class Deviation:
    """A visit that leaves its window: too soon (negative days) or too late (positive) after the one before."""

    number: int
    days: int
    gap: int
    earliest: int
    latest: int


def outside(gap: int, earliest: int, latest: int) -> int:
    """Days by which `gap` days lie outside a window: negative is too soon, positive too late, 0 inside."""
    return min(gap - earliest, 0) or max(gap - latest, 0)


def check_move(
    visits: Sequence[Visit], days: Mapping[int, date], moved: int, to: date
) -> tuple[Deviation, ...]:
    """Visits outside their window once visit number `moved` is on day `to`. `days` are the days by number.

    Only the moved visit and the one after it change their distance; a visit that was outside before and is not
    touched is not told again. Visits without a day are passed over.
    """
    placed = {**days, moved: to}
    numbers = sorted(placed)
    by_number = {visit.number: visit for visit in visits}
    found = []
    for before, number in pairwise(numbers):
        visit = by_number.get(number)
        if visit is None or number != before + 1 or moved not in {before, number}:
            continue
        gap = (placed[number] - placed[before]).days
        days_off = outside(gap, visit.earliest, visit.latest)
        if days_off:
            found.append(Deviation(number, days_off, gap, visit.earliest, visit.latest))
    return tuple(found)
