"""A location gets another clock, a zone other rules: what patients were told on the wall goes on being true."""

import importlib
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from importlib import resources
from pathlib import Path
from typing import Any
from zoneinfo import TZPATH, ZoneInfo, reset_tzpath

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.test import Client

from mesoclinic.audit.models import AuditEvent
from sessions.actions import booking
from sessions.clocks import actions, queries
from sessions.ics import patients as calendar
from sessions.models import Absence, Appointment, Closure, Location, Message, Room, WorkingHours
from sessions.queries.booking import options_for, slot_of
from sessions.scheduling import Preferences
from sessions.setup.actions import places
from tests.clinic import Clinic

pytestmark = pytest.mark.django_db
TODAY = date(2026, 12, 1)
NOW = datetime(2026, 12, 1, 5, tzinfo=UTC)
CANARY, MADRID = ZoneInfo("Atlantic/Canary"), ZoneInfo("Europe/Madrid")
DAY = timedelta(days=1)


@pytest.fixture
def clinic() -> Iterator[Clinic]:
    with time_machine.travel(NOW, tick=False):
        yield Clinic(today=TODAY)


@pytest.fixture
def manager(clinic: Clinic) -> Client:
    client = Client()
    client.force_login(clinic.ortiz)
    return client


def text(response: Any) -> str:
    return str(response.content.decode())


def typed(clinic: Clinic, zone: str, **values: Any) -> dict[str, Any]:
    """The form of the location as it stands, with another time zone."""
    return {
        "name": clinic.location.name, "short_name": "Madrid", "address": "Calle de Ejemplo 14", "time_zone": zone,
        "phone": "+34 910 555 014", "after_hours_phone": "", "emergency_number": "112", "country": "", "subdivision": "",
        "seen": places.state(Location.objects.get(pk=clinic.location.pk)),
    } | values  # fmt: skip


def booked(clinic: Clinic, sessions: int = 4) -> list[Appointment]:
    """A course of Lea, told to her already."""
    plan = clinic.signed_plan(sessions=sessions)
    _planned, options = options_for(plan, clinic.location, Preferences(), now=NOW, count=1)
    made = booking.book_course(
        plan=plan,
        location=clinic.location,
        slots=options[0].slots,
        key=uuid.uuid4(),
        by=clinic.marta,
        now=NOW,
    )
    Message.objects.filter(kind="confirmation").update(state="sent")
    return list(made.appointments.order_by("starts_at"))


def fresh(visits: list[Appointment]) -> list[Appointment]:
    return [Appointment.objects.select_related("location").get(pk=row.pk) for row in visits]


def walls(visits: list[Appointment]) -> list[datetime]:
    """What the clock on the wall of their location shows at each."""
    return [row.location.on_the_wall(row.starts_at) for row in fresh(visits)]


# ---- another clock of a location ---------------------------------------------------------------------------


def test_a_new_clock_keeps_every_visit_at_its_time_on_the_wall(clinic: Clinic, manager: Client) -> None:
    visits = booked(clinic)
    # One after the other without a gap, in one room: each needs the place that the next one leaves.
    row_of_them = [
        clinic.appointment(
            patient=clinic.patient(f"P{n}", "Uno"), starts_at=clinic.at(15, 45 * n, day=TODAY + DAY) if n < 1 else
            clinic.at(15, day=TODAY + DAY) + n * timedelta(minutes=45), practitioner=clinic.nurse, room=clinic.other_room,
        )
        for n in range(4)
    ]  # fmt: skip
    booking.change_status(appointment=visits[1], to="confirmed", by=clinic.marta, now=NOW)
    closed = Closure.objects.create(
        location=clinic.location, starts_at=clinic.at(0, day=date(2026, 12, 25)),
        ends_at=clinic.at(0, day=date(2026, 12, 26)), reason="Christmas",
    )  # fmt: skip
    away = Absence.objects.create(
        practitioner=clinic.nurse, starts_at=clinic.at(9, day=date(2027, 8, 2)), ends_at=clinic.at(12, day=date(2027, 8, 2))
    )  # fmt: skip
    before, every = walls(visits + row_of_them), visits + row_of_them
    versions = [row.version for row in fresh(every)]
    told = set(Message.objects.values_list("pk", flat=True))
    calendar_before = calendar.calendar_of(fresh(visits))
    url = f"/setup/places/{clinic.location.pk}/edit/"
    asked = manager.post(url, typed(clinic, "Atlantic/Canary"))
    assert asked.status_code == 409
    assert asked.context["hit_count"] == len(every)
    first = next(row for row in asked.context["hits"] if row["visit"] == row_of_them[0])
    assert (first["starts"].hour, first["becomes"].hour) == (15, 14)
    assert "Save and keep the times on the wall" in text(asked)
    assert Location.objects.get().time_zone == "Europe/Madrid"
    # What is accepted is this clock and no other one.
    seen = asked.context["hits_seen"]
    assert manager.post(url, typed(clinic, "Europe/Athens", accepted=seen)).status_code == 409
    done = manager.post(url, typed(clinic, "Atlantic/Canary", accepted=seen), follow=True)
    assert "Every visit keeps its time on the wall" in text(done)
    after = fresh(every)
    assert walls(every) == before
    assert {row.location.time_zone for row in after} == {"Atlantic/Canary"}
    assert [new.starts_at - old.starts_at for new, old in zip(after, every, strict=True)] == [
        timedelta(hours=1)
    ] * 8
    assert [new.ends_at - new.starts_at for new in after] == [old.ends_at - old.starts_at for old in every]
    assert [row.local_start for row in after[:4]] == before[:4]
    # Calendars replace their entries; who had confirmed has; nobody hears of it, and reminders leave at 18:00 there.
    assert [row.version for row in after] == [version + 1 for version in versions]
    assert after[1].status == "confirmed"
    assert "TZID=Atlantic/Canary:" in calendar.calendar_of(after[:4])
    assert "TZID=Atlantic/Canary:" not in calendar_before
    assert set(Message.objects.values_list("pk", flat=True)) == told
    reminders = Message.objects.filter(kind="reminder", state="due")
    assert reminders
    assert {row.send_at.astimezone(CANARY).time() for row in reminders} == {time(18)}
    closed.refresh_from_db()
    away.refresh_from_db()
    assert closed.starts_at.astimezone(CANARY).replace(tzinfo=None) == datetime(2026, 12, 25)
    assert away.starts_at.astimezone(CANARY).hour == 9
    assert AuditEvent.objects.get(type="location.changed").new["time_zone"] == "Atlantic/Canary"
    assert (
        AuditEvent.objects.filter(type="appointment.followed-its-clock", actor_name="Elena Ortiz").count()
        == 8
    )


def test_a_visit_that_can_not_keep_its_time_is_named_and_nothing_is_saved(
    clinic: Clinic, manager: Client
) -> None:
    palmas = Location.objects.create(
        name="Las Palmas", short_name="Palmas", time_zone="Atlantic/Canary", phone="1", address="x"
    )
    room = Room.objects.create(location=palmas, name="Room 1", capabilities=["consultation"])
    mine = clinic.appointment(starts_at=clinic.at(10, day=TODAY + DAY))
    free = clinic.appointment(starts_at=clinic.at(12, day=TODAY + DAY), patient=clinic.patient("Ana", "Gil"))
    # 10:00 in Las Palmas is 11:00 in Madrid: the same doctor, later the same morning.
    clinic.appointment(
        starts_at=clinic.at(11, day=TODAY + DAY),
        location=palmas,
        room=room,
        patient=clinic.patient("Eva", "Gil"),
    )
    url = f"/setup/places/{clinic.location.pk}/edit/"
    asked = manager.post(url, typed(clinic, "Atlantic/Canary"))
    assert {row["visit"] for row in asked.context["hits"]} == {mine, free}
    refused = manager.post(url, typed(clinic, "Atlantic/Canary", accepted=asked.context["hits_seen"]))
    assert refused.status_code == 409
    assert [(row["visit"], row["why"]) for row in refused.context["hits"]] == [
        (mine, "the practitioner has another visit then")
    ]
    assert 'name="accepted"' not in text(refused)
    assert Location.objects.get(pk=clinic.location.pk).time_zone == "Europe/Madrid"
    assert [(row.starts_at, row.status, row.version) for row in fresh([mine, free])] == [
        (row.starts_at, row.status, row.version) for row in (mine, free)
    ]
    assert not AuditEvent.objects.filter(type="appointment.followed-its-clock").exists()


@pytest.mark.parametrize(
    ("zone", "starts", "status", "why"),
    [
        # Berlin's clock goes over 02:30 in March and shows it twice in October; Dubai's shows it once.
        ("Europe/Berlin", datetime(2027, 3, 28, 2, 30), "booked", "02:30 does not exist on that day"),
        ("Europe/Berlin", datetime(2027, 10, 31, 2, 30), "booked", "02:30 comes twice on that day"),
        ("Europe/Berlin", datetime(2026, 12, 1, 12), "arrived", "the patient is here"),
        # 11:30 in Dubai is half past seven in UTC; on Tokyo's clock 11:30 was long ago.
        ("Asia/Tokyo", datetime(2026, 12, 1, 11, 30), "booked", "would be past"),
    ],
)
def test_a_time_that_the_new_clock_does_not_show_once_is_refused(
    clinic: Clinic, manager: Client, zone: str, starts: datetime, status: str, why: str
) -> None:
    clinic.location.time_zone = "Asia/Dubai"
    clinic.location.save()
    visit = clinic.appointment(starts_at=starts.replace(tzinfo=ZoneInfo("Asia/Dubai")), status=status)
    url = f"/setup/places/{clinic.location.pk}/edit/"
    asked = manager.post(url, typed(clinic, zone))
    refused = manager.post(url, typed(clinic, zone, accepted=asked.context["hits_seen"]))
    assert [row["why"] for row in refused.context["hits"]] == [why]
    assert why in text(refused)
    visit.refresh_from_db()
    assert visit.version == 1


def test_a_location_that_somebody_else_changed_meanwhile_is_not_written_over(
    clinic: Clinic, manager: Client
) -> None:
    url = f"/setup/places/{clinic.location.pk}/edit/"
    page = text(manager.get(url))
    data = typed(clinic, "Europe/Madrid", phone="+34 910 555 099")
    assert f'name="seen" value="{data["seen"]}"' in page
    Location.objects.update(time_zone="Africa/Ceuta")
    answer = manager.post(url, data)
    assert answer.status_code == 422
    assert "Somebody else changed this location meanwhile" in text(answer)
    assert Location.objects.get().time_zone == "Africa/Ceuta"


def test_a_zone_of_the_same_clock_moves_nobody(clinic: Clinic, manager: Client) -> None:
    visit = clinic.appointment(starts_at=clinic.at(10, day=TODAY + DAY))
    url = f"/setup/places/{clinic.location.pk}/edit/"
    assert manager.post(url, typed(clinic, "Africa/Ceuta")).status_code == 302
    visit.refresh_from_db()
    assert visit.version == 1


# ---- other rules of a zone ---------------------------------------------------------------------------------

type Rules = Callable[[str, str], None]


@pytest.fixture
def rules(tmp_path: Path) -> Iterator[Rules]:
    """New zone data on this machine: a zone has the rules of another one from now on."""

    def change(zone: str, like: str) -> None:
        target = tmp_path / zone
        target.parent.mkdir(parents=True, exist_ok=True)
        with resources.as_file(resources.files("tzdata") / "zoneinfo" / like) as source:
            shutil.copy(source, target)
        ZoneInfo.clear_cache()
        calendar._head.cache_clear()

    before = TZPATH
    reset_tzpath([tmp_path, *before])
    yield change
    reset_tzpath(before)
    ZoneInfo.clear_cache()
    calendar._head.cache_clear()


@pytest.fixture
def casablanca(clinic: Clinic, rules: Rules) -> Clinic:
    """The clinic in Morocco, an hour ahead of UTC as it was from 2018 on, until a government decides anew."""
    rules("Africa/Casablanca", "Etc/GMT-1")
    clinic.location.time_zone = "Africa/Casablanca"
    clinic.location.save()
    return clinic


@pytest.mark.parametrize(
    ("like", "by"),
    [("Etc/GMT", timedelta(hours=1)), ("Etc/GMT-2", timedelta(hours=-1))],
    ids=["back", "forward"],
)
def test_visits_follow_the_wall_clock_when_their_zone_gets_other_rules(
    casablanca: Clinic, rules: Rules, like: str, by: timedelta
) -> None:
    visits = booked(casablanca)
    # Back to back: nobody is in the way of those who move along.
    row_of_them = [
        casablanca.appointment(
            patient=casablanca.patient(f"P{n}", "Uno"), starts_at=visits[0].starts_at + timedelta(days=1, minutes=45 * n)
        )
        for n in range(4)
    ]  # fmt: skip
    actions.follow(NOW)
    every = visits + row_of_them
    told = set(Message.objects.values_list("pk", flat=True))
    before, old = walls(every), fresh(every)
    rules("Africa/Casablanca", like)
    assert [wall - was for wall, was in zip(walls(every), before, strict=True)] == [-by] * 8
    call_command("follow_clocks")
    after = fresh(every)
    assert walls(every) == before
    assert [new.starts_at - was.starts_at for new, was in zip(after, old, strict=True)] == [by] * 8
    assert [new.occupied_until - was.occupied_until for new, was in zip(after, old, strict=True)] == [by] * 8
    assert [new.version - was.version for new, was in zip(after, old, strict=True)] == [1] * 8
    assert set(Message.objects.values_list("pk", flat=True)) == told
    zone = ZoneInfo("Africa/Casablanca")
    reminders = Message.objects.filter(kind="reminder", state="due")
    assert {row.send_at.astimezone(zone).time() for row in reminders} == {time(18)}
    # Once and no more, and the trail says who: nobody but the clock.
    assert actions.follow(NOW) == actions.Followed(0, 0)
    events = AuditEvent.objects.filter(type="appointment.followed-its-clock")
    assert {row.actor_name for row in events} == {"mesoclinic"}
    assert events.count() == 8


def test_what_can_not_follow_stands_on_the_front_desks_list_until_it_is_moved(
    casablanca: Clinic, rules: Rules
) -> None:
    # Room for one more at the other location of the same doctor, whose clock stays.
    WorkingHours.objects.all().update(starts=time(0), ends=time(23, 59))
    visit = casablanca.appointment(
        starts_at=datetime(2026, 12, 2, 10, tzinfo=ZoneInfo("Africa/Casablanca")), kind="consultation"
    )
    other = Location.objects.create(
        name="Dakar", short_name="Dakar", time_zone="Africa/Dakar", phone="1", address="x"
    )
    room = Room.objects.create(location=other, name="Room 1", capabilities=["consultation"])
    WorkingHours.objects.create(
        practitioner=casablanca.practitioner, location=other, weekday=6, starts=time(9), ends=time(10)
    )
    actions.follow(NOW)
    clash = casablanca.appointment(
        patient=casablanca.patient("Ana", "Gil"), starts_at=datetime(2026, 12, 2, 10, tzinfo=UTC), location=other, room=room,
    )  # fmt: skip
    rules("Africa/Casablanca", "Etc/GMT")
    assert actions.follow(NOW) == actions.Followed(0, 1)
    visit.refresh_from_db()
    assert (visit.version, visit.local_start) == (1, datetime(2026, 12, 2, 10))
    desk = Client()
    desk.force_login(casablanca.marta)
    rows = {row["visit"]: row["why"] for row in desk.get("/not-possible/").context["rows"]}
    assert rows[visit] == ["told 10:00, stands at 09:00: the clock's rules changed"]
    # The other visit goes: this one follows by itself.
    booking.change_status(
        appointment=clash, to="cancelled", by=casablanca.marta, now=NOW, reason="Asked for it"
    )
    assert actions.follow(NOW) == actions.Followed(1, 0)
    assert walls([visit]) == [datetime(2026, 12, 2, 10)]


def test_a_move_is_a_new_promise_and_a_hand_at_the_database_makes_none(casablanca: Clinic) -> None:
    casablanca.other_room.capabilities.append("consultation")
    casablanca.other_room.save()
    visit = casablanca.appointment(starts_at=datetime(2026, 12, 2, 10, tzinfo=ZoneInfo("Africa/Casablanca")))
    slot = replace(slot_of(visit), start=visit.starts_at + DAY, end=visit.ends_at + DAY)
    booking.move(appointment=visit, slot=slot, by=casablanca.marta, now=NOW)
    visit.refresh_from_db()
    assert visit.local_start == datetime(2026, 12, 3, 10)
    # Another room at the same time: the promise of the old rules stays, whatever the clock shows now.
    Appointment.objects.filter(pk=visit.pk).update(local_start=datetime(2026, 12, 3, 9))
    visit.refresh_from_db()
    booking.move(
        appointment=visit,
        slot=replace(slot_of(visit), room=casablanca.other_room.pk),
        by=casablanca.marta,
        now=NOW,
    )
    visit.refresh_from_db()
    assert visit.local_start == datetime(2026, 12, 3, 9)
    span = timedelta(hours=2)
    Appointment.objects.filter(pk=visit.pk).update(
        starts_at=visit.starts_at + span,
        ends_at=visit.ends_at + span,
        occupied_until=visit.occupied_until + span,
    )
    visit.refresh_from_db()
    assert visit.local_start is None
    actions.follow(NOW)
    visit.refresh_from_db()
    assert (visit.local_start, visit.version) == (datetime(2026, 12, 3, 12), 3)


def test_visits_of_before_get_their_promise_with_the_update(clinic: Clinic) -> None:
    visit = clinic.appointment(starts_at=clinic.at(10, day=TODAY + DAY))
    assert visit.local_start is None
    changed = Appointment.objects.get(pk=visit.pk).changed_at
    step = importlib.import_module("sessions.migrations.0012_visits_keep_their_time_on_the_wall")
    with connection.cursor() as cursor:
        # As in a migration, which begins with nothing unchecked.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with connection.schema_editor() as editor:
        step.fill(None, editor)
    visit.refresh_from_db()
    assert visit.local_start == datetime(2026, 12, 2, 10)
    # Nothing of the visit changed: calendars need not be told.
    assert visit.changed_at == changed


def test_who_goes_later_goes_from_the_last_on_and_who_goes_earlier_from_the_first_on() -> None:
    hour = timedelta(hours=1)

    def row(key: int, by: timedelta) -> queries.Adrift:
        return queries.Adrift(key, NOW + key * hour, datetime(2026, 12, 1), NOW + key * hour + by)

    rows = [row(1, hour), row(2, -hour), row(3, hour), row(4, -hour)]
    assert [one.visit for one in queries.in_order(rows)] == [3, 1, 2, 4]
