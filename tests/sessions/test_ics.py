"""Calendar files read back by two programs that share no code: icalendar, and dateutil by the rules in the file alone."""

import io
import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil.tz import datetime_exists, resolve_imaginary, tzical
from icalendar import Calendar

from sessions.ics.patients import attachment, calendar_of
from sessions.ics.zones import changes
from sessions.models import Appointment, Location

#: Zone, and the instants (UTC) of its changes from 2026 to 2027, looked up in the tz database's own tables (zdump).
CHANGES = {
    "Europe/Berlin": ["2026-03-29T01:00", "2026-10-25T01:00", "2027-03-28T01:00", "2027-10-31T01:00"],
    "America/New_York": ["2026-03-08T07:00", "2026-11-01T06:00", "2027-03-14T07:00", "2027-11-07T06:00"],
    "Australia/Lord_Howe": ["2026-04-04T15:00", "2026-10-03T15:30", "2027-04-03T15:00", "2027-10-02T15:30"],
    "Asia/Dubai": [],
    "Africa/Casablanca": ["2026-02-15T02:00", "2026-03-22T02:00", "2026-09-20T01:00"],
}


def visit(zone: str, starts_at: datetime, **values: Any) -> Appointment:
    """A visit of 45 minutes, in no database."""
    place = Location(name="Klinik, Mitte; Süd", address="Straße 1, 10115 Berlin", time_zone=zone)
    known: dict[str, Any] = {
        "pk": 7, "location": place, "starts_at": starts_at, "ends_at": starts_at + timedelta(minutes=45),
        "booked_at": datetime(2026, 1, 1, tzinfo=UTC), "changed_at": datetime(2026, 1, 2, tzinfo=UTC),
        "status": "booked", "version": 3,
    }  # fmt: skip
    return Appointment(**(known | values))


def unfolded(text: str) -> str:
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    return text.replace("\r\n ", "")


def by_the_file_alone(text: str) -> tuple[datetime, datetime]:
    """Start and end in UTC as a program understands them that knows nothing of zones but the file."""
    plain = unfolded(text)
    block = re.search(r"BEGIN:VTIMEZONE.*END:VTIMEZONE\r\n", plain, re.DOTALL)
    assert block
    rules = tzical(io.StringIO(block.group(0)))
    found = []
    for name in ("DTSTART", "DTEND"):
        event = plain[plain.index("BEGIN:VEVENT") :]
        local = re.search(rf"{name};TZID=([^:]+):(\d{{8}}T\d{{6}})\r\n", event)
        if local is None:
            utc = re.search(rf"{name}:(\d{{8}}T\d{{6}})Z\r\n", event)
            assert utc
            found.append(datetime.strptime(utc.group(1), "%Y%m%dT%H%M%S").replace(tzinfo=UTC))
            continue
        zone = rules.get(local.group(1))
        moment = datetime.strptime(local.group(2), "%Y%m%dT%H%M%S").replace(tzinfo=zone)
        assert datetime_exists(moment)
        found.append(resolve_imaginary(moment).astimezone(UTC))
    return found[0], found[1]


@pytest.mark.parametrize("zone", CHANGES)
def test_the_clock_s_changes_are_found_to_the_minute(zone: str) -> None:
    found = changes(ZoneInfo(zone), datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC))
    assert [f"{one:%Y-%m-%dT%H:%M}" for one in found] == CHANGES[zone]


@pytest.mark.parametrize("zone", CHANGES)
def test_the_file_tells_each_change_at_its_very_instant(zone: str) -> None:
    """An onset is on the clock that held until then: minus the offset before, it is the instant."""
    text = calendar_of([visit(zone, datetime(2026, 12, 31, tzinfo=UTC))])
    (component,) = Calendar.from_ical(text).walk("VTIMEZONE")
    rules = component.subcomponents[1:]
    onsets = [rule["DTSTART"].dt - rule["TZOFFSETFROM"].td for rule in rules]
    assert [f"{one:%Y-%m-%dT%H:%M}" for one in onsets] == CHANGES[zone]
    for before, rule in pairwise(component.subcomponents):
        assert before["TZOFFSETTO"].td == rule["TZOFFSETFROM"].td
        assert (rule.name == "DAYLIGHT") is (rule["TZOFFSETTO"].td > rule["TZOFFSETFROM"].td)


@pytest.mark.parametrize("zone", CHANGES)
def test_both_readers_see_every_visit_at_its_time_around_every_change_of_the_clock(zone: str) -> None:
    """Every half hour for four hours around each change, and one and two days and a week away from it."""
    around = [datetime.fromisoformat(one).replace(tzinfo=UTC) for one in CHANGES[zone]]
    seen = 0
    for middle in around or [datetime(2026, 6, 1, tzinfo=UTC)]:
        for half_hours in [*range(-8, 9), -96, -48, 48, 96, 24 * 14]:
            start = middle + timedelta(minutes=30 * half_hours)
            text = calendar_of([visit(zone, start)])
            calendar = Calendar.from_ical(text)
            (event,) = calendar.walk("VEVENT")
            # Compared in UTC: of two zones, Python calls a time in a repeated hour equal to nothing.
            assert event["DTSTART"].dt.astimezone(UTC) == start
            assert event["DTEND"].dt.astimezone(UTC) == start + timedelta(minutes=45)
            assert by_the_file_alone(text) == (start, start + timedelta(minutes=45)), (zone, start)
            seen += 1
    assert seen == 22 * max(len(around), 1)


@pytest.mark.parametrize("zone", CHANGES)
def test_a_course_at_17_is_at_17_on_the_wall_in_every_week_of_the_year(zone: str) -> None:
    tz = ZoneInfo(zone)
    starts = [datetime(2026, 11, 2, 17, tzinfo=tz) + timedelta(weeks=week) for week in range(52)]
    text = calendar_of([visit(zone, start.astimezone(UTC), pk=n + 1) for n, start in enumerate(starts)])
    assert len(re.findall(rf"DTSTART;TZID={zone}:\d{{8}}T170000", unfolded(text))) == 52
    assert text.count("BEGIN:VTIMEZONE") == 1


def test_a_course_at_two_locations_carries_both_clocks() -> None:
    start = datetime(2026, 12, 14, 9, tzinfo=UTC)
    text = calendar_of([visit("Europe/Madrid", start), visit("Atlantic/Canary", start, pk=8)])
    assert re.findall(r"^TZID:(.*)\r$", text, re.MULTILINE) == ["Atlantic/Canary", "Europe/Madrid"]
    assert "DTSTART;TZID=Europe/Madrid:20261214T100000" in text
    assert "DTSTART;TZID=Atlantic/Canary:20261214T090000" in text


def test_a_file_says_what_every_program_needs() -> None:
    start = datetime(2026, 12, 14, 9, tzinfo=UTC)
    text = calendar_of([visit("Europe/Berlin", start)])
    (event,) = Calendar.from_ical(text).walk("VEVENT")
    assert str(event["UID"]) == "appointment-7-20260101000000000000@mesoclinic"
    assert event["SEQUENCE"] == 3
    assert event["DTSTAMP"].dt == datetime(2026, 1, 2, tzinfo=UTC)
    assert str(event["SUMMARY"]) == "Klinik, Mitte; Süd"
    assert "SUMMARY:Klinik\\, Mitte\\; Süd" in unfolded(text)
    for needed in (
        "VERSION:2.0",
        "PRODID:",
        "METHOD:PUBLISH",
        "STATUS:CONFIRMED",
        "CLASS:PRIVATE",
        "ORGANIZER",
    ):
        assert needed in text


def test_a_cancelled_visit_takes_its_entry_out_under_the_same_uid() -> None:
    start = datetime(2026, 12, 14, 9, tzinfo=UTC)
    text = calendar_of([visit("Europe/Berlin", start, status="cancelled", version=4)])
    assert "METHOD:CANCEL" in text
    assert "STATUS:CANCELLED" in text
    assert "UID:appointment-7-20260101000000000000@mesoclinic" in unfolded(text)
    part = attachment(text, "lea@example.org")
    assert part["Content-Type"] == 'text/calendar; charset="utf-8"; method="CANCEL"'
    # Of a course only the cancelled visit goes.
    both = calendar_of(
        [visit("Europe/Berlin", start, status="cancelled"), visit("Europe/Berlin", start, pk=8)]
    )
    assert "METHOD:PUBLISH" in both
    assert both.count("STATUS:CANCELLED") == 1
