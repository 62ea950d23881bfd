"""Reads of calendar feeds: whose it is, whether anything changed, the visits as iCalendar."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, Max, QuerySet, Sum
from icalendar import Calendar, vText
from icalendar.parser import Contentline

from mesoclinic.ui.formatting import initials
from sessions.feeds.actions import hashed
from sessions.ics.zones import on_the_clock, vtimezone
from sessions.models import Appointment, CalendarFeed, Practitioner

#: What a calendar program gets: a month back, a little more than a year ahead.
BACK, AHEAD = timedelta(days=30), timedelta(days=400)
#: `read_at` is kept to this, so that a program which asks every minute does not write every minute.
NOTED_EVERY = timedelta(hours=1)
_WORDS = dict(Appointment.Kind.choices)


def find_feed(token: str) -> CalendarFeed | None:
    """The feed of a secret address, while its practitioner's account is open. One query."""
    return (
        CalendarFeed.objects.select_related("practitioner__user")
        .filter(token_hash=hashed(token), practitioner__user__is_active=True)
        .first()
    )


def note_read(feed: CalendarFeed, now: datetime) -> None:
    """Remember that a program asked: its owner sees whether the address is in use."""
    if feed.read_at is None or now - feed.read_at >= NOTED_EVERY:
        CalendarFeed.objects.filter(pk=feed.pk).update(read_at=now)


def _rows(practitioner: int, now: datetime) -> QuerySet[Appointment]:
    day = datetime.combine(now.astimezone(UTC).date(), time.min, UTC)
    return Appointment.objects.filter(
        practitioner=practitioner, starts_at__gte=day - BACK, starts_at__lt=day + AHEAD
    )


@dataclass(frozen=True, slots=True)
class State:
    """Whether a feed is still what a program has."""

    etag: str
    changed_at: datetime


def state(feed: CalendarFeed, now: datetime) -> State:
    """The feed's tag, without reading its visits. One query.

    The sum of versions sees a change that was committed after a later one; the number of visits sees one that went to
    somebody else; the day moves the range, and brings in new names of patients and rooms at the latest.
    """
    found = _rows(feed.practitioner_id, now).aggregate(
        count=Count("pk"), changed=Max("changed_at"), versions=Sum("version")
    )
    what = [feed.pk, feed.token_hash, now.astimezone(UTC).date(), *found.values()]
    tag = hashlib.sha256("\n".join(map(str, what)).encode()).hexdigest()[:32]
    return State(f'"{tag}"', max(filter(None, [found["changed"], feed.made_at])))


def _status(status: str) -> str:
    if status in Appointment.FREED:
        # Programs take the entry out.
        return "CANCELLED"
    return "TENTATIVE" if status == Appointment.Status.REQUESTED else "CONFIRMED"


def _text(name: str, value: str) -> str:
    return str(Contentline(f"{name}:{vText(value).to_ical().decode()}").to_ical().decode())


def _moment(name: str, moment: datetime, zone: ZoneInfo) -> str:
    local = on_the_clock(moment, zone)
    if local.tzinfo is UTC:
        return f"{name}:{local:%Y%m%dT%H%M%SZ}"
    return f"{name};TZID={zone.key}:{local:%Y%m%dT%H%M%S}"


def _event(row: Mapping[str, Any], text: Callable[[str, str], str]) -> str:
    """One VEVENT as it stands in the file.

    Written out, not built from the library's objects: a full diary has thousands, and a program asks for them again
    after every change. `text` escapes and folds.
    """
    zone = ZoneInfo(row["location__time_zone"])
    who = initials(f"{row['patient__given_name']} {row['patient__family_name']}")
    changed = f"{row['changed_at'].astimezone(UTC):%Y%m%dT%H%M%SZ}"
    return "\r\n".join(
        (
            "BEGIN:VEVENT",
            # Another UID than the patient's own entry: somebody may be both.
            f"UID:visit-{row['pk']}-{row['booked_at']:%Y%m%d%H%M%S%f}@mesoclinic",
            f"SEQUENCE:{row['version']}",
            f"DTSTAMP:{changed}",
            f"LAST-MODIFIED:{changed}",
            _moment("DTSTART", row["starts_at"], zone),
            _moment("DTEND", row["ends_at"], zone),
            text("SUMMARY", f"{who}, {_WORDS[row['kind']]}, {row['room__name']}"),
            text("LOCATION", row["location__name"]),
            f"STATUS:{_status(row['status'])}",
            "CLASS:PRIVATE",
            "END:VEVENT\r\n",
        )
    )


def feed_file(feed: CalendarFeed, now: datetime) -> bytes:
    """The visits of the range as iCalendar, in one query.

    A calendar account at some provider is not the clinic's: it gets time, room, kind of visit and the patient's
    initials, no name and nothing clinical.
    """
    rows = list(
        _rows(feed.practitioner_id, now)
        .order_by("starts_at", "pk")
        .values(
            "pk", "booked_at", "changed_at", "version", "starts_at", "ends_at", "kind", "status", "room__name",
            "location__name", "location__time_zone", "patient__given_name", "patient__family_name",
        )
    )  # fmt: skip
    calendar = Calendar()
    calendar.add("prodid", "-//mesoclinic//practitioner feed//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    name = f"mesoclinic, {feed.practitioner}"
    calendar.add("name", name)
    calendar.add("x-wr-calname", name)
    calendar.add("refresh-interval", timedelta(minutes=15), parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", "PT15M")
    for zone in sorted({row["location__time_zone"] for row in rows}):
        times = [row["starts_at"] for row in rows if row["location__time_zone"] == zone]
        calendar.add_component(vtimezone(ZoneInfo(zone), min(times), max(times)))
    head, end = calendar.to_ical().decode().split("END:VCALENDAR")
    text = cache(_text)
    return "".join([head, *(_event(row, text) for row in rows), "END:VCALENDAR", end]).encode()


def practitioners(text: str = "") -> QuerySet[Practitioner]:
    """Who treats, with the state of their calendar link, by name."""
    rows = (
        Practitioner.objects.filter(user__is_active=True)
        .select_related("user", "calendar_feed__made_by")
        .order_by("user__full_name", "pk")
    )
    return rows.filter(user__full_name__unaccent__icontains=text) if text else rows
