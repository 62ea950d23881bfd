"""Quiet hours on the wall clock of a location: nobody is asked, and no time to answer runs out. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `begins` to `ends` on the wall clock, over midnight when `begins` is later. Equal ends: never quiet."""

    begins: time
    ends: time

    def _next(self, moment: datetime, clock: time, zone: ZoneInfo) -> datetime:
        """The first instant after `moment` at which the wall clock shows `clock`."""
        day = moment.astimezone(zone).date() - DAY
        while True:
            found = datetime.combine(day, clock, tzinfo=zone).astimezone(UTC)
            if found > moment:
                return found
            day += DAY

    def quiet(self, moment: datetime, zone: ZoneInfo) -> bool:
        """Whether it is quiet; the first minute is, the last is not.

        Asked of instants, not of the wall clock: in a repeated hour the night ends once.
        """
        if self.begins == self.ends:
            return False
        return self._next(moment, self.ends, zone) < self._next(moment, self.begins, zone)

    def awake(self, moment: datetime, zone: ZoneInfo) -> datetime:
        """The moment itself, or the end of the quiet hours it falls into."""
        return self._next(moment, self.ends, zone) if self.quiet(moment, zone) else moment

    def after(self, moment: datetime, length: timedelta, zone: ZoneInfo) -> datetime:
        """`length` later, counting only the time that is not quiet. Real minutes, whatever the clock does."""
        moment = self.awake(moment, zone).astimezone(UTC)
        if self.begins == self.ends:
            return moment + length
        while True:
            night = self._next(moment, self.begins, zone)
            if moment + length <= night:
                return moment + length
            length -= night - moment
            moment = self.awake(night, zone).astimezone(UTC)


def read_quiet(text: str) -> QuietHours:
    """Read `21:00-08:00`; an empty text is never quiet. ValueError for anything else."""
    if not text.strip():
        return QuietHours(time(), time())
    begins, dash, ends = text.partition("-")
    if not dash:
        raise ValueError(f"quiet hours are written as 21:00-08:00, not {text!r}")
    return QuietHours(time.fromisoformat(begins.strip()), time.fromisoformat(ends.strip()))
