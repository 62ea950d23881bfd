"""Weekly hours on the wall clock to instants, less absences and closures.

Where the clock changes, the safe side is taken. A time that does not exist on that day is the moment of the change:
hours that begin in the gap begin at its end. The stretch that the wall shows twice belongs to no hours at all:
"02:30" would not say which of the two is meant, so nothing is offered in either.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_NONE = timedelta()


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open stretch of time; both ends are aware."""

    start: datetime
    end: datetime

    def overlaps(self, other: "Span") -> bool:
        """Touching ends do not overlap."""
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class ClockChange:
    """The instant (UTC) from which the wall clock of a zone shows another offset."""

    at: datetime
    before: timedelta
    after: timedelta

    def skips(self, wall: datetime) -> bool:
        """Whether the wall never shows this time (naive): the clock went over it."""
        at = self.at.replace(tzinfo=None)
        return at + self.before <= wall < at + self.after

    @property
    def repeated(self) -> Span | None:
        """Both runs of the stretch that the wall shows twice; None when the clock went forward."""
        back = self.before - self.after
        return Span(self.at - back, self.at + back) if back > _NONE else None


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or _NONE


@lru_cache(maxsize=256)
def clock_changes(zone: ZoneInfo, first: date, last: date) -> tuple[ClockChange, ...]:
    """The changes that touch the local days `first` to `last`, in order."""
    found = []
    low = datetime.combine(first, time(), tzinfo=UTC) - 2 * _DAY
    # Offsets go from -12 to +14 hours: two days more on either side hold every local day whole.
    end = datetime.combine(last, time(), tzinfo=UTC) + 3 * _DAY
    before = _offset(low, zone)
    while low < end:
        high = low + _DAY
        after = _offset(high, zone)
        if after != before:
            earlier, later = low, high
            while later - earlier > timedelta(seconds=1):
                middle = (earlier + (later - earlier) / 2).replace(microsecond=0)
                if _offset(middle, zone) == before:
                    earlier = middle
                else:
                    later = middle
            found.append(ClockChange(later, before, after))
        low, before = high, after
    return tuple(found)


def _instant(day: date, wall: time, zone: ZoneInfo, changes: Sequence[ClockChange]) -> datetime:
    """The instant of a time on the wall; of one that does not exist, the change that went over it."""
    naive = datetime.combine(day, wall)
    skipped = next((change.at for change in changes if change.skips(naive)), None)
    return skipped or naive.replace(tzinfo=zone).astimezone(UTC)


def expand_hours(
    hours: Iterable[tuple[int, time, time]], zone: ZoneInfo, first: date, last: date
) -> list[Span]:
    """Working hours (ISO weekday, from, to) of `first` to `last` as instants in UTC, in order.

    On every day the wall clock counts: 9:00 to 17:00 moves in UTC when the clock changes, never on the wall. Hours
    in a gap or a repeated stretch: see the top of this file.
    """
    rows = list(hours)
    changes = clock_changes(zone, first, last)
    spans = []
    day = first
    while day <= last:
        for weekday, begins, ends in rows:
            if weekday == day.isoweekday():
                start, end = _instant(day, begins, zone, changes), _instant(day, ends, zone, changes)
                if start < end:
                    spans.append(Span(start, end))
        day += _DAY
    return free_spans(spans, [change.repeated for change in changes if change.repeated is not None])


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
