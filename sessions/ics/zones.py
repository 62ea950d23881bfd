"""VTIMEZONE of an IANA zone: every change of the clock around the events, written out.

icalendar can generate the component too, but it writes the begin of summer time on the new clock (03:00 in Berlin), where
RFC 5545 §3.6.5 asks for the old one (02:00): the file would say that the clock changes an hour late, half an hour on Lord
Howe. Each change stands as an observance of its own, without recurrence rules: Casablanca's follow the moon, and not
every program understands RDATE there.
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


def _observance(
    zone: ZoneInfo, begins: datetime, before: timedelta, least: timedelta
) -> TimezoneDaylight | TimezoneStandard:
    """The rule that holds from `begins` on; its onset is told on the clock that held until then.

    The clock furthest behind is the standard one. The tz database has it the other way round for Casablanca and Dublin,
    and programs that add daylight time to standard time then err by an hour.
    """
    local = begins.astimezone(zone)
    offset = local.utcoffset() or _NONE
    rule: TimezoneDaylight | TimezoneStandard = TimezoneDaylight() if offset > least else TimezoneStandard()
    rule.add("dtstart", begins.astimezone(UTC).replace(tzinfo=None) + before)
    rule.add("tzoffsetfrom", before)
    rule.add("tzoffsetto", offset)
    rule.add("tzname", local.tzname() or zone.key)
    return rule


def vtimezone(zone: ZoneInfo, first: datetime, last: datetime) -> Timezone:
    """The component for events between `first` and `last`."""
    begin = (first - MARGIN).replace(microsecond=0)
    onsets = [begin, *changes(zone, begin, last + MARGIN)]
    offsets = [_offset(onset, zone) for onset in onsets]
    component = Timezone()
    component.add("tzid", zone.key)
    for onset, before in zip(onsets, [offsets[0], *offsets], strict=False):
        component.add_component(_observance(zone, onset, before, min(offsets)))
    return component


def on_the_clock(moment: datetime, zone: ZoneInfo) -> datetime:
    """The moment as a file tells it: on the zone's clock, but in UTC in the hour that the clock shows a second time.

    A local time with a zone always means the first one (RFC 5545 §3.3.5).
    """
    local = moment.astimezone(zone)
    return moment.astimezone(UTC) if local.fold else local
