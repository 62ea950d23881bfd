"""Weekly hours on the wall clock to instants, less absences and closures."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open stretch of time; both ends are aware."""

    start: datetime
    end: datetime

    def overlaps(self, other: "Span") -> bool:
        """Touching ends do not overlap."""
        return self.start < other.end and other.start < self.end


def expand_hours(
    hours: Iterable[tuple[int, time, time]], zone: ZoneInfo, first: date, last: date
) -> list[Span]:
    """Working hours (ISO weekday, from, to) of `first` to `last` as instants in UTC, in order.

    On the day of a clock change the wall clock counts: 9:00 to 17:00 is then 7 or 9 real hours earlier or later in
    UTC, never another time on the wall.
    """
    rows = list(hours)
    spans = []
    day = first
    while day <= last:
        for weekday, begins, ends in rows:
            if weekday == day.isoweekday():
                start = datetime.combine(day, begins, tzinfo=zone).astimezone(UTC)
                end = datetime.combine(day, ends, tzinfo=zone).astimezone(UTC)
                if start < end:
                    spans.append(Span(start, end))
        day += timedelta(days=1)
    return sorted(spans)


def free_spans(spans: Iterable[Span], away: Sequence[Span]) -> list[Span]:
    """What is left of the spans when absences and closures are cut out."""
    left = list(spans)
    for hole in away:
        cut = []
        for span in left:
            if not span.overlaps(hole):
                cut.append(span)
                continue
            if span.start < hole.start:
                cut.append(Span(span.start, hole.start))
            if hole.end < span.end:
                cut.append(Span(hole.end, span.end))
        left = cut
    return sorted(left)
