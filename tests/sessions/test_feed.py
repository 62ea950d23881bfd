"""A practitioner's calendar feed: secret, read only, little said, cheap to ask for again."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from icalendar import Calendar

from mesoclinic.audit.models import AuditEvent
from sessions.actions import booking
from sessions.feeds import actions
from sessions.models import Appointment, CalendarFeed, Location
from sessions.selfservice import limits
from tests.clinic import Clinic
from tests.sessions.test_booking import moved_slot

pytestmark = pytest.mark.django_db
MONDAY = date(2026, 11, 30)


@pytest.fixture
def clinic() -> Iterator[Clinic]:
    made = Clinic(today=MONDAY)
    with time_machine.travel(made.at(8), tick=False):
        yield made


def address(clinic: Clinic) -> str:
    token = actions.renew(practitioner=clinic.practitioner, by=clinic.amari, now=clinic.at(8))
    return reverse("selfservice:feed", args=[token])


def events(answer: Any) -> list[Any]:
    assert answer.status_code == 200
    return list(Calendar.from_ical(answer.content).walk("VEVENT"))


def signed_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_the_feed_tells_time_room_kind_and_initials_and_nothing_else_of_the_patient(clinic: Clinic) -> None:
    plan = clinic.signed_plan()
    session = plan.planned_sessions.first()
    visit = clinic.appointment(
        planned_session=session, note="Private note", starts_at=clinic.at(10, day=date(2026, 12, 3))
    )
    answer = Client().get(address(clinic))
    text = answer.content.decode()
    (event,) = events(answer)
    assert str(event["SUMMARY"]) == "LB, Session, Room 2"
    assert event["DTSTART"].dt == visit.starts_at
    assert "DTSTART;TZID=Europe/Madrid:20261203T100000" in text
    assert answer["Content-Type"] == "text/calendar; charset=utf-8"
    for word in ("Lea", "Brandt", "CK-PIG", "papule", "1988", "Private", clinic.lea.record_number, "+34600", "example.org"):  # fmt: skip
        assert word not in text


def test_only_this_practitioner_s_visits_of_a_month_back_and_a_year_ahead(clinic: Clinic) -> None:
    for days in (-40, -29, 3, 390, 410):
        clinic.appointment(starts_at=clinic.at(10, day=MONDAY + timedelta(days=days)))
    clinic.appointment(
        starts_at=clinic.at(12), practitioner=clinic.nurse, patient=clinic.patient("Ana", "Otra")
    )
    days = {(event["DTSTART"].dt.date() - MONDAY).days for event in events(Client().get(address(clinic)))}
    assert days == {-29, 3, 390}


@pytest.mark.parametrize(
    ("status", "told"),
    [("requested", "TENTATIVE"), ("booked", "CONFIRMED"), ("done", "CONFIRMED"), ("no-show", "CANCELLED"), ("cancelled", "CANCELLED")],
)  # fmt: skip
def test_a_cancelled_visit_is_told_as_such_so_that_programs_take_it_out(
    clinic: Clinic, status: str, told: str
) -> None:
    clinic.appointment(status=status, starts_at=clinic.at(10, day=MONDAY + timedelta(days=1)))
    (event,) = events(Client().get(address(clinic)))
    assert str(event["STATUS"]) == told


def test_a_visit_keeps_its_uid_and_its_sequence_rises(clinic: Clinic) -> None:
    visit = clinic.appointment(kind="consultation", starts_at=clinic.at(10, day=MONDAY + timedelta(days=1)))
    url, client = address(clinic), Client()
    (first,) = events(client.get(url))
    booking.move(appointment=visit, slot=moved_slot(visit, 1), by=clinic.marta, now=clinic.at(8))
    (second,) = events(client.get(url))
    assert first["UID"] == second["UID"]
    assert first["SEQUENCE"] < second["SEQUENCE"]
    assert second["DTSTART"].dt - first["DTSTART"].dt == timedelta(days=1)


def test_visits_in_two_zones_carry_both_clocks(clinic: Clinic) -> None:
    canary = Location.objects.create(name="Las Palmas", short_name="LP", time_zone="Atlantic/Canary", address="x", phone="1")  # fmt: skip
    room = canary.rooms.create(name="Room 9", capabilities=["consultation"])
    clinic.appointment(starts_at=clinic.at(10, day=MONDAY + timedelta(days=1)))
    clinic.appointment(starts_at=clinic.at(10, day=MONDAY + timedelta(days=2)), location=canary, room=room)
    answer = Client().get(address(clinic))
    assert len(events(answer)) == 2
    text = answer.content.decode()
    assert "DTSTART;TZID=Atlantic/Canary:20261202T090000" in text
    assert re.findall(r"^TZID:(.*)\r$", text, re.MULTILINE) == ["Atlantic/Canary", "Europe/Madrid"]


def test_names_of_rooms_with_commas_and_without_end_stay_readable(clinic: Clinic) -> None:
    clinic.room.name = "Raum 2; Süd, am Ende des langen Gangs"
    clinic.room.save()
    clinic.location.name = "Klinik für ästhetische Behandlungen, Mitte; Haus 4, dritter Stock links"
    clinic.location.save()
    clinic.appointment(kind="emergency", starts_at=clinic.at(10, day=MONDAY + timedelta(days=1)))
    answer = Client().get(address(clinic))
    (event,) = events(answer)
    assert str(event["SUMMARY"]) == "LB, Emergency, Raum 2; Süd, am Ende des langen Gangs"
    assert str(event["LOCATION"]) == clinic.location.name
    assert all(len(line) <= 75 for line in answer.content.split(b"\r\n"))
    assert b"\n" not in answer.content.replace(b"\r\n", b"")


def test_a_visit_in_the_hour_that_comes_twice_is_told_without_doubt(clinic: Clinic) -> None:
    """The clock of Madrid shows 02:30 twice on 31 October 2027; the second one is 01:30 UTC."""
    second = datetime(2027, 10, 31, 1, 30, tzinfo=UTC)
    with time_machine.travel(second - timedelta(days=30), tick=False):
        clinic.appointment(starts_at=second)
        (event,) = events(Client().get(address(clinic)))
    assert event["DTSTART"].dt.astimezone(UTC) == second


# ---- unchanged, changed ------------------------------------------------------------------------------------


def test_a_program_that_has_it_already_is_told_so(clinic: Clinic) -> None:
    clinic.appointment(starts_at=clinic.at(10, day=MONDAY + timedelta(days=1)))
    url, client = address(clinic), Client()
    first = client.get(url)
    assert first["Last-Modified"]
    again = client.get(url, headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 304
    assert again.content == b""
    assert again["ETag"] == first["ETag"]


def test_every_change_gives_another_tag(clinic: Clinic) -> None:
    rows = [clinic.appointment(kind="consultation", starts_at=clinic.at(10 + n, day=MONDAY + timedelta(days=1))) for n in range(3)]  # fmt: skip
    url, client = address(clinic), Client()
    seen = {client.get(url)["ETag"]}
    booking.change_status(appointment=rows[0], to="confirmed", by=clinic.marta, now=clinic.at(8))
    seen.add(client.get(url)["ETag"])
    # It goes to a colleague: nothing newer stays behind.
    Appointment.objects.filter(pk=rows[1].pk).update(practitioner=clinic.nurse)
    seen.add(client.get(url)["ETag"])
    # By a hand in the database, without a new version: the trigger notes it.
    Appointment.objects.filter(pk=rows[2].pk).update(room=clinic.other_room)
    seen.add(client.get(url)["ETag"])
    with time_machine.travel(clinic.at(8) + timedelta(days=1), tick=False):
        seen.add(client.get(url)["ETag"])
    assert len(seen) == 5


@pytest.mark.parametrize("unchanged", [False, True])
def test_the_feed_costs_the_same_however_full_it_is(clinic: Clinic, unchanged: bool) -> None:
    url, client = address(clinic), Client()
    clinic.appointment(starts_at=clinic.at(9, day=MONDAY + timedelta(days=1)))
    client.get(url)

    def cost() -> int:
        headers = {"If-None-Match": client.get(url)["ETag"]} if unchanged else {}
        with CaptureQueriesContext(connection) as queries:
            assert client.get(url, headers=headers).status_code == (304 if unchanged else 200)
        return len(queries)

    before = cost()
    for hour in range(10, 18):
        clinic.appointment(
            starts_at=clinic.at(hour, day=MONDAY + timedelta(days=1)),
            patient=clinic.patient(f"Ana{hour}", "Otra"),
        )
    assert cost() == before <= (2 if unchanged else 3)


# ---- the secret --------------------------------------------------------------------------------------------


def test_the_address_is_shown_once_and_only_its_hash_is_kept(clinic: Clinic) -> None:
    amari = signed_in(clinic.amari)
    page = amari.post(reverse("sessions:calendar-link-renew", args=[clinic.practitioner.pk])).content.decode()
    (token,) = set(re.findall(r"http://localhost:8000/f/([\w-]+)\.ics", page))
    assert f"webcal://localhost:8000/f/{token}.ics" in page
    assert token not in amari.get(reverse("sessions:calendar-links")).content.decode()
    feed = CalendarFeed.objects.get()
    assert token not in {feed.token_hash, *(str(value) for value in AuditEvent.objects.values_list())}
    assert Client().get(f"/f/{token}.ics").status_code == 200


def test_a_new_address_ends_the_old_one_and_ending_ends_it(clinic: Clinic) -> None:
    client, old = Client(), address(clinic)
    new = address(clinic)
    assert (client.get(old).status_code, client.get(new).status_code) == (404, 200)
    amari = signed_in(clinic.amari)
    for _click in range(2):
        answer = amari.post(reverse("sessions:calendar-link-end", args=[clinic.practitioner.pk]))
        assert answer.status_code == 302
    assert client.get(new).status_code == 404
    kinds = list(AuditEvent.objects.filter(type__startswith="calendar-feed").values_list("type", flat=True))
    assert sorted(kinds) == ["calendar-feed.ended", "calendar-feed.renewed", "calendar-feed.renewed"]


def test_the_feed_of_a_closed_account_is_closed(clinic: Clinic) -> None:
    url = address(clinic)
    clinic.amari.is_active = False
    clinic.amari.save()
    assert Client().get(url).status_code == 404


@pytest.mark.parametrize("token", ["x", "0" * 43, "%00", "é", "..", "a" * 500])
def test_a_made_up_address_opens_nothing(clinic: Clinic, token: str) -> None:
    clinic.appointment(starts_at=clinic.at(10, day=MONDAY + timedelta(days=1)))
    answer = Client().get(f"/f/{token}.ics")
    assert answer.status_code in {400, 404}
    assert b"VEVENT" not in answer.content


def test_a_feed_can_only_be_read(clinic: Clinic) -> None:
    url = address(clinic)
    for method in ("post", "put", "delete", "patch"):
        assert getattr(Client(enforce_csrf_checks=True), method)(url).status_code == 405


def test_a_program_that_asks_without_end_is_told_to_wait(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PER_LINK", 2)
    url = address(clinic)
    assert [Client().get(url).status_code for _n in range(3)] == [200, 200, 429]


def test_its_owner_sees_whether_it_is_in_use(clinic: Clinic) -> None:
    url, amari = address(clinic), signed_in(clinic.amari)
    page = reverse("sessions:calendar-links")
    assert "No program has asked for it yet" in amari.get(page).content.decode()
    Client().get(url)
    assert "Last asked for on Mon 30 Nov, 08:00" in amari.get(page).content.decode()


def test_everybody_has_only_their_own_but_who_keeps_the_hours_has_all(clinic: Clinic) -> None:
    for user, status in ((clinic.amari, 200), (clinic.ortiz, 200), (clinic.roca, 404), (clinic.marta, 404)):
        answer = signed_in(user).post(reverse("sessions:calendar-link-renew", args=[clinic.practitioner.pk]))
        assert answer.status_code == status, user
    assert (
        "Everybody who treats"
        in signed_in(clinic.ortiz).get(reverse("sessions:calendar-links")).content.decode()
    )
    assert (
        "Everybody who treats"
        not in signed_in(clinic.amari).get(reverse("sessions:calendar-links")).content.decode()
    )


def test_the_list_of_links_costs_the_same_however_long_it_is(clinic: Clinic) -> None:
    ortiz, url = signed_in(clinic.ortiz), reverse("sessions:calendar-links")

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert ortiz.get(url).status_code == 200
        return len(queries)

    cost()
    before = cost()
    for number in range(4):
        one = clinic.practise(clinic.user(f"p{number}", f"Dr. P{number}", "physician"))
        actions.renew(practitioner=one, by=clinic.ortiz, now=clinic.at(8))
    assert cost() == before
