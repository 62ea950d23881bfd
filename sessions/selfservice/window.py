"""On which days a session of a course may lie so that it and the standing ones around it keep their windows. Pure."""

from collections.abc import Mapping
from datetime import date, timedelta

from sessions.scheduling import Visit


def allowed_days(
    visits: Mapping[int, Visit], standing: Mapping[int, date], number: int, *, start: date
) -> tuple[date, date] | None:
    """First and last day for visit `number`; None where no day suits both neighbours.

    `visits` by number are the planned ones, `standing` the days of the other visits. Windows count in days after the
    visit before; over a visit that has no day at present, the windows of both add up. Number 1 (or whatever is first)
    counts from `start`.
    """
    before = max((n for n in standing if n < number), default=None)
    after = min((n for n in standing if n > number), default=None)
    base, since = (standing[before], before + 1) if before is not None else (start, number)
    between = [visits[n] for n in range(since, number + 1) if n in visits]
    first = base + timedelta(days=sum(visit.earliest for visit in between))
    last = base + timedelta(days=sum(visit.latest for visit in between))
    if after is not None:
        until = [visits[n] for n in range(number + 1, after + 1) if n in visits]
        first = max(first, standing[after] - timedelta(days=sum(visit.latest for visit in until)))
        last = min(last, standing[after] - timedelta(days=sum(visit.earliest for visit in until)))
    return (first, last) if first <= last else None
