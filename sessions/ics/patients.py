"""Calendar files for patients: one event per visit, the same UID for ever, a rising SEQUENCE. No clinical word.

A file that is downloaded or carries several visits is *published*; the mail about one visit is an *invitation*
(REQUEST), since only those replace the earlier entry by themselves in common programs. A cancellation is CANCEL in both.
"""

from collections.abc import Sequence
from datetime import UTC
from email.message import MIMEPart
from email.utils import parseaddr

from django.conf import settings
from icalendar import Calendar, Event, vCalAddress, vText

from sessions.ics.zones import on_the_clock, vtimezone
from sessions.models import Appointment, Location

PRODID = "-//mesoclinic//appointments//EN"


def uid(appointment: Appointment) -> str:
    """Never changes, and differs from that of another clinic's visit with the same number."""
    return f"appointment-{appointment.pk}-{appointment.booked_at:%Y%m%d%H%M%S%f}@mesoclinic"


def _organizer(location: Location) -> vCalAddress:
    organizer = vCalAddress(f"mailto:{parseaddr(settings.DEFAULT_FROM_EMAIL)[1]}")
    organizer.params["CN"] = vText(location.name)
    return organizer


def _event(row: Appointment) -> Event:
    event, zone = Event(), row.location.zone
    event.add("uid", uid(row))
    event.add("sequence", row.version)
    event.add("dtstamp", row.changed_at.astimezone(UTC))
    event.add("dtstart", on_the_clock(row.starts_at, zone))
    event.add("dtend", on_the_clock(row.ends_at, zone))
    event.add("summary", row.location.name)
    event.add("location", f"{row.location.name}, {row.location.address}")
    event.add("status", "CANCELLED" if row.status in Appointment.FREED else "CONFIRMED")
    event.add("class", "PRIVATE")
    event.add("organizer", _organizer(row.location))
    return event


def calendar_of(appointments: Sequence[Appointment]) -> str:
    """An .ics of visits at one location; a later one replaces the earlier entries. Cancelled ones are taken out."""
    zone = appointments[0].location.zone
    calendar = Calendar()
    calendar.add("prodid", PRODID)
    calendar.add("version", "2.0")
    cancelled = all(row.status in Appointment.FREED for row in appointments)
    calendar.add("method", "CANCEL" if cancelled else "PUBLISH")
    times = [row.starts_at for row in appointments]
    calendar.add_component(vtimezone(zone, min(times), max(times)))
    for row in appointments:
        calendar.add_component(_event(row))
    return str(calendar.to_ical().decode("utf-8"))


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
