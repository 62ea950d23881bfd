"""Calendar files for patients: one event per visit, the same UID for ever, a rising SEQUENCE. No clinical word.

A file that is downloaded or carries several visits is *published*; the mail about one visit is an *invitation*
(REQUEST), since only those replace the earlier entry by themselves in common programs. A cancellation is CANCEL in both.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from email.message import MIMEPart
from email.utils import parseaddr
from functools import lru_cache
from zoneinfo import ZoneInfo

from django.conf import settings
from icalendar import Calendar, Event, vCalAddress, vText

from sessions.ics.zones import on_the_clock, vtimezone
from sessions.models import Appointment

PRODID = "-//mesoclinic//appointments//EN"


def uid(appointment: Appointment) -> str:
    """Never changes, and differs from that of another clinic's visit with the same number."""
    return f"appointment-{appointment.pk}-{appointment.booked_at:%Y%m%d%H%M%S%f}@mesoclinic"


def _organizer(name: str, sender: str) -> vCalAddress:
    organizer = vCalAddress(f"mailto:{parseaddr(sender)[1]}")
    organizer.params["CN"] = vText(name)
    return organizer


@lru_cache(maxsize=64)
def _same_in_all(name: str, address: str, sender: str, status: str) -> str:
    """Lines that every event of a file has, by the library, which knows how to quote and fold them."""
    event = Event()
    event.add("summary", name)
    event.add("location", f"{name}, {address}")
    event.add("status", status)
    event.add("class", "PRIVATE")
    event.add("organizer", _organizer(name, sender))
    lines = event.to_ical().decode("utf-8").split("\r\n")
    return "\r\n".join(lines[1:-2])


def _time(moment: datetime, zone: ZoneInfo) -> str:
    at = on_the_clock(moment, zone)
    return f":{at:%Y%m%dT%H%M%SZ}" if at.tzinfo is UTC else f";TZID={zone.key}:{at:%Y%m%dT%H%M%S}"


def _event(row: Appointment) -> str:
    """Written out, with short lines of digits only: a course is booked under locks, and the library takes ten times as long."""
    place = row.location
    status = "CANCELLED" if row.status in Appointment.FREED else "CONFIRMED"
    return "\r\n".join(
        (
            "BEGIN:VEVENT",
            _same_in_all(place.name, place.address, settings.DEFAULT_FROM_EMAIL, status),
            f"UID:{uid(row)}",
            f"SEQUENCE:{row.version}",
            f"DTSTAMP:{row.changed_at.astimezone(UTC):%Y%m%dT%H%M%SZ}",
            f"DTSTART{_time(row.starts_at, place.zone)}",
            f"DTEND{_time(row.ends_at, place.zone)}",
            "END:VEVENT",
            "",
        )
    )


@lru_cache(maxsize=256)
def _head(method: str, zones: tuple[tuple[str, date, date], ...]) -> str:
    """The file up to its events: in each zone they lie between two days (UTC)."""
    calendar = Calendar()
    calendar.add("prodid", PRODID)
    calendar.add("version", "2.0")
    calendar.add("method", method)
    for key, first, last in zones:
        begin, end = datetime.combine(first, time.min, UTC), datetime.combine(last, time.max, UTC)
        calendar.add_component(vtimezone(ZoneInfo(key), begin, end))
    return str(calendar.to_ical().decode("utf-8")).removesuffix("END:VCALENDAR\r\n")


def calendar_of(appointments: Sequence[Appointment]) -> str:
    """An .ics of visits; a later one replaces the earlier entries. Cancelled ones are taken out."""
    cancelled = all(row.status in Appointment.FREED for row in appointments)
    days: dict[ZoneInfo, list[date]] = {}
    for row in appointments:
        days.setdefault(row.location.zone, []).append(row.starts_at.astimezone(UTC).date())
    zones = sorted((zone.key, min(found), max(found)) for zone, found in days.items())
    head = _head("CANCEL" if cancelled else "PUBLISH", tuple(zones))
    return f"{head}{''.join(_event(row) for row in appointments)}END:VCALENDAR\r\n"


def attachment(text: str, recipient: str) -> MIMEPart:
    """The file as mail programs want it: for one visit an invitation that its reader has already accepted."""
    calendar = Calendar.from_ical(text)
    assert isinstance(calendar, Calendar)
    events = calendar.walk("VEVENT")
    if len(events) == 1:
        if str(calendar["method"]) == "PUBLISH":
            calendar["method"] = vText("REQUEST")
        attendee = vCalAddress(f"mailto:{recipient}")
        attendee.params["PARTSTAT"], attendee.params["RSVP"] = vText("ACCEPTED"), vText("FALSE")
        events[0].add("attendee", attendee)
    part = MIMEPart()
    part.set_content(
        calendar.to_ical().decode("utf-8"), subtype="calendar", charset="utf-8", cte="base64",
        params={"method": str(calendar["method"])}, disposition="attachment", filename="appointment.ics",
    )  # fmt: skip
    return part
