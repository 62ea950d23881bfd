"""VTIMEZONE of an IANA zone: every change of the clock around the events, written out.

icalendar can generate the component too, but puts the begin of summer time an hour (Lord Howe: half an hour) late: it
writes the onset on the new clock, where RFC 5545 §3.6.5 asks for the old one. A visit soon after the change would be
shown wrong by programs that read the file's rules instead of their own. Each change stands as an observance of its own,
without recurrence rules: Casablanca's follow the moon, and not every program understands RDATE there.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from icalendar import Timezone, TimezoneDaylight, TimezoneStandard

#: How far around the events the clock is described: a client that repeats or moves one stays right.
MARGIN = timedelta(days=366)
_STEP = timedelta(days=7)
_NONE = timedelta(0)


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or _NONE


def changes(zone: ZoneInfo, first: datetime, last: datetime) -> Iterator[datetime]:
    """Instants between the two at which the offset changes, to the minute. No zone has changed twice in a week."""
    at = first.astimezone(UTC).replace(second=0, microsecond=0)
    while at < last:
        until = at + _STEP
        if _offset(at, zone) != _offset(until, zone):
            low, high = at, until
            while high - low > timedelta(minutes=1):
                middle = low + timedelta(minutes=int((high - low).total_seconds() // 120))
                low, high = (low, middle) if _offset(middle, zone) != _offset(low, zone) else (middle, high)
            yield high
        at = until


def _observance(zone: ZoneInfo, begins: datetime, before: timedelta) -> TimezoneDaylight | TimezoneStandard:
    """The rule that holds from `begins` on; its onset is told on the clock that held until then."""
    local = begins.astimezone(zone)
    rule: TimezoneDaylight | TimezoneStandard = TimezoneDaylight() if local.dst() else TimezoneStandard()
    rule.add("dtstart", begins.astimezone(UTC).replace(tzinfo=None) + before)
    rule.add("tzoffsetfrom", before)
    rule.add("tzoffsetto", local.utcoffset() or _NONE)
    rule.add("tzname", local.tzname() or zone.key)
    return rule


def vtimezone(zone: ZoneInfo, first: datetime, last: datetime) -> Timezone:
    """The component for events between `first` and `last`."""
    begin, end = first - MARGIN, last + MARGIN
    component = Timezone()
    component.add("tzid", zone.key)
    component.add_component(_observance(zone, begin, _offset(begin, zone)))
    for change in changes(zone, begin, end):
        component.add_component(_observance(zone, change, _offset(change - timedelta(minutes=1), zone)))
    return component
