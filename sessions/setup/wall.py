"""Times on a wall clock to moments: what the clock skips is refused, what it shows twice is told."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo


class Skipped(ValueError):
    """The clock goes forward over this time: it does not exist. The text is the sentence for people."""


def moment(day: date, at: time, zone: ZoneInfo) -> tuple[datetime, str]:
    """The moment of a wall-clock time, and what to tell about it; empty where there is nothing to tell.

    Of a time that comes twice the first is meant. Raises Skipped.
    """
    meant = datetime.combine(day, at, tzinfo=zone)
    if meant.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != meant.replace(tzinfo=None):
        raise Skipped(
            f"{at:%H:%M} does not exist on {day.day} {day:%B %Y} in {zone.key}: the clocks go forward over it. "
            "Enter a time before or after."
        )
    if meant.utcoffset() != meant.replace(fold=1).utcoffset():
        return meant, (
            f"{at:%H:%M} comes twice on {day.day} {day:%B %Y} in {zone.key}, as the clocks go back: the first is meant."
        )
    return meant, ""


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of a day, also where the clock skips midnight itself."""
    return datetime.combine(day, time(), tzinfo=zone)
