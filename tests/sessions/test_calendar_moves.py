"""Dragging a visit and drawing it longer: the act and the database decide, and the way back is there."""

import re
import uuid
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
import time_machine
from django.test import Client

from mesoclinic.audit.models import AuditEvent
from sessions.actions import booking as actions
from sessions.actions.lengthen import lengthen
from sessions.models import Appointment, Message, Room
from sessions.queries.booking import options_for
from sessions.scheduling import Preferences
from tests.clinic import Clinic

pytestmark = pytest.mark.django_db
DAY = date(2026, 12, 1)


@pytest.fixture
def clinic() -> Iterator[Clinic]:
    with time_machine.travel("2026-12-01T07:00:00Z", tick=False):
        yield Clinic(today=DAY)


@pytest.fixture
def desk(clinic: Clinic) -> Client:
    client = Client()
    client.force_login(clinic.marta)
    return client


def place(desk: Client, visit: Appointment, start: str, **more: Any) -> Any:
    """Drop a visit at a time on the wall."""
    return desk.post("/calendar/place/", {"visit": visit.pk, "version": visit.version, "start": start} | more)


def course(clinic: Clinic) -> list[Appointment]:
    plan = clinic.signed_plan()
    now = clinic.at(8)
    _planned, options = options_for(plan, clinic.location, Preferences(), now=now)
    made = actions.book_course(
        plan=plan,
        location=clinic.location,
        slots=options[0].slots,
        key=uuid.uuid4(),
        by=clinic.marta,
        now=now,
    )
    return list(made.appointments.order_by("starts_at"))


# ---- moving ------------------------------------------------------------------------------------------------


def test_a_dropped_visit_is_moved_told_and_recorded_and_can_be_taken_back(
    clinic: Clinic, desk: Client
) -> None:
    visit = clinic.appointment(kind="consultation")
    answer = place(desk, visit, "2026-12-02 14:15")
    assert answer.status_code == 200
    assert answer.json()["text"] == "Lea Brandt moved to Wed 2 Dec, 14:15. The patient is told in 3 minutes."
    visit.refresh_from_db()
    assert visit.starts_at == clinic.at(14, 15, day=date(2026, 12, 2))
    assert visit.ends_at - visit.starts_at == timedelta(minutes=30)
    assert AuditEvent.objects.filter(type="appointment.moved", patient_id=clinic.lea.pk).count() == 1
    assert Message.objects.filter(kind="moved", state="due").count() == 1
    assert desk.post(answer.json()["undo"]).status_code == 302
    visit.refresh_from_db()
    assert visit.starts_at == clinic.at(10)
    assert not Message.objects.filter(kind="moved", state="due").exists()


def test_in_another_practitioner_s_column_the_visit_changes_hands(clinic: Clinic, desk: Client) -> None:
    visit = clinic.appointment(kind="consultation")
    answer = place(desk, visit, "2026-12-01 10:00", practitioner=clinic.nurse.pk)
    assert answer.json()["text"] == "Lea Brandt moved to Tue 1 Dec, 10:00, Inés Roca."
    visit.refresh_from_db()
    assert (visit.practitioner, visit.room) == (clinic.nurse, clinic.room)


def test_where_the_own_room_is_taken_the_next_one_that_is_fitted_serves(clinic: Clinic, desk: Client) -> None:
    visit = clinic.appointment(kind="consultation")
    clinic.appointment(
        patient=clinic.patient("Ana", "Segura"), practitioner=clinic.nurse, starts_at=clinic.at(12)
    )
    # Room 3 is not fitted for a consultation.
    assert place(desk, visit, "2026-12-01 12:00").json() == {"why": "Room 2 was taken a moment ago."}
    Room.objects.create(location=clinic.location, name="Room 9", capabilities=["consultation"])
    assert "Room 9" in place(desk, visit, "2026-12-01 12:00").json()["text"]
    visit.refresh_from_db()
    assert visit.room.name == "Room 9"


def test_a_room_that_was_chosen_by_its_column_is_not_exchanged(clinic: Clinic, desk: Client) -> None:
    visit = clinic.appointment(kind="consultation")
    assert place(desk, visit, "2026-12-01 12:00", room=clinic.other_room.pk).json() == {
        "why": "This room is not fitted for the treatment."
    }


@pytest.mark.parametrize(
    ("start", "why"),
    [
        ("2026-12-01 07:00", "This time is past. Choose a later one."),
        ("2026-12-01 21:00", "The practitioner does not work at that time. Choose another one."),
        ("2026-12-06 10:00", "The practitioner does not work at that time. Choose another one."),
        ("2027-03-28 02:30", "This time does not exist on that day. Choose another one."),
        ("yesterday", "This is no time of the calendar. Load the page again."),
        ("9999-12-31 23:59", "This time does not exist on that day. Choose another one."),
    ],
)
def test_where_a_visit_can_not_lie_it_is_not_put(clinic: Clinic, desk: Client, start: str, why: str) -> None:
    visit = clinic.appointment(kind="consultation")
    answer = place(desk, visit, start)
    assert (answer.status_code, answer.json()) == (422, {"why": why})
    visit.refresh_from_db()
    assert (visit.starts_at, visit.version) == (clinic.at(10), 1)


def test_a_visit_that_somebody_else_changed_is_not_moved_from_an_old_page(
    clinic: Clinic, desk: Client
) -> None:
    visit = clinic.appointment(kind="consultation")
    actions.change_status(appointment=visit, to="confirmed", by=clinic.roca, now=clinic.at(8))
    answer = place(desk, visit, "2026-12-01 12:00")
    assert (answer.status_code, answer.json()["why"][:25]) == (422, "Somebody else changed thi")


def test_what_leaves_its_window_is_asked_before_anything_is_saved(clinic: Clinic, desk: Client) -> None:
    visits = course(clinic)
    last = visits[3]
    to = (last.starts_at + timedelta(days=9)).strftime("%Y-%m-%d 12:00")
    answer = place(desk, last, to)
    assert answer.status_code == 409
    asked = answer.json()["ask"]
    assert asked[0] == "Session 4 would come 2 days too late: 23 days after session 3, 7 to 21 are planned."
    last.refresh_from_db()
    assert last.version == 1
    assert not AuditEvent.objects.filter(type="appointment.moved").exists()
    checked = place(desk, last, to, check="on").json()
    assert (checked["ok"], checked["leaving"]) == (True, asked)
    assert place(desk, last, to, anyway="on").status_code == 200
    last.refresh_from_db()
    assert last.version == 2


def test_a_drop_by_which_later_sessions_leave_their_windows_leads_to_the_whole_course(
    clinic: Clinic, desk: Client
) -> None:
    visits = course(clinic)
    # Nine days later session 2 is too near to session 3: it may go there when session 3 moves, too.
    to = visits[1].starts_at + timedelta(days=9)
    wall = to.astimezone(clinic.location.zone).strftime("%Y-%m-%d %H:%M")
    checked = place(desk, visits[1], wall, check="on").json()
    assert checked["leaving"][-2:] == [
        "Session 3 would come 2 days too soon: 5 days after session 2, 7 to 21 are planned.",
        "Only with the whole course.",
    ]
    answer = place(desk, visits[1], wall, anyway="on")
    assert (answer.status_code, answer.json()["only"]) == (409, True)
    way = answer.json()["course"]
    page = desk.post(way["url"], {"slot": way["slot"]}).content.decode()
    assert "Change 2 visits" in page
    packed = re.search(r'name="proposal" value="([^"]+)"', page)
    assert packed is not None
    assert all(row.version == 1 for row in Appointment.objects.all())
    assert desk.post(way["url"], {"proposal": packed[1]}).status_code == 302
    after = [Appointment.objects.get(pk=row.pk).starts_at for row in visits]
    assert after[1] == to
    assert all(7 <= (late - early).days <= 21 for early, late in pairwise(after[1:]))


def test_the_last_session_of_a_course_has_no_course_to_move_with(clinic: Clinic, desk: Client) -> None:
    last = course(clinic)[-1]
    answer = place(desk, last, (last.starts_at + timedelta(days=9)).strftime("%Y-%m-%d 12:00"))
    assert answer.status_code == 409
    assert answer.json().keys() == {"ask", "only"}


def test_too_soon_is_refused_also_when_somebody_wants_it_all_the_same(clinic: Clinic, desk: Client) -> None:
    second = course(clinic)[1]
    answer = place(
        desk, second, (second.starts_at - timedelta(days=11)).strftime("%Y-%m-%d 12:00"), anyway="on"
    )
    assert answer.status_code == 422
    assert "too soon" in answer.json()["why"]


def test_a_check_saves_nothing_and_says_what_saving_would(clinic: Clinic, desk: Client) -> None:
    visit = clinic.appointment(kind="consultation")
    assert place(desk, visit, "2026-12-01 12:00", check="on").json() == {
        "ok": True, "room": "Room 2", "leaving": [],
    }  # fmt: skip
    assert place(desk, visit, "2026-12-01 21:00", check="on").json()["ok"] is False
    visit.refresh_from_db()
    assert (visit.version, visit.starts_at) == (1, clinic.at(10))
    assert not AuditEvent.objects.filter(type="appointment.moved").exists()
    assert not Message.objects.exists()


def test_hidden_names_are_hidden_in_the_note_of_a_move(clinic: Clinic, desk: Client) -> None:
    desk.post("/hide-names/", {"next": "/"})
    visit = clinic.appointment(kind="consultation")
    assert place(desk, visit, "2026-12-01 12:00").json()["text"].startswith("LB moved to")


# ---- longer and shorter ------------------------------------------------------------------------------------


def test_a_visit_drawn_longer_takes_its_room_longer_and_is_told(clinic: Clinic, desk: Client) -> None:
    visit = clinic.appointment(kind="consultation")
    answer = place(desk, visit, "2026-12-01 10:00", end="2026-12-01 11:15")
    assert answer.json()["text"] == "Lea Brandt now until 11:15. The patient is told in 3 minutes."
    visit.refresh_from_db()
    assert (visit.starts_at, visit.ends_at, visit.occupied_until) == (
        clinic.at(10), clinic.at(11, 15), clinic.at(11, 25),
    )  # fmt: skip
    event = AuditEvent.objects.get(type="appointment.lengthened")
    assert event.new == {"ends_at": clinic.at(11, 15).isoformat()}
    message = Message.objects.get(kind="moved", state="due")
    assert "now takes until 11:15" in message.body
    assert "DTEND;TZID=Europe/Madrid:20261201T111500" in message.calendar
    assert desk.post(answer.json()["undo"]).status_code == 302
    visit.refresh_from_db()
    assert visit.ends_at == clinic.at(10, 30)
    message.refresh_from_db()
    assert message.state == "withdrawn"
    assert not Message.objects.filter(state="due", kind="moved").exists()
    # The same undo twice changes nothing more.
    assert "Not undone" in desk.post(answer.json()["undo"], follow=True).content.decode()


def test_of_a_shorter_visit_nobody_needs_to_hear(clinic: Clinic, desk: Client) -> None:
    visit = clinic.appointment(kind="consultation")
    assert (
        place(desk, visit, "2026-12-01 10:00", end="2026-12-01 10:15").json()["text"]
        == "Lea Brandt now until 10:15."
    )
    assert AuditEvent.objects.filter(type="appointment.shortened").count() == 1
    assert not Message.objects.exists()


def test_a_visit_grows_into_nobody_else_s_time(clinic: Clinic, desk: Client) -> None:
    visit = clinic.appointment(kind="consultation")
    clinic.appointment(
        starts_at=clinic.at(11), patient=clinic.patient("Ana", "Segura"), room=clinic.other_room
    )
    assert place(desk, visit, "2026-12-01 10:00", end="2026-12-01 11:15").json() == {
        "why": "Dr. Nadia Amari was taken a moment ago."
    }
    # Until the other begins it may: the rooms are different ones.
    assert place(desk, visit, "2026-12-01 10:00", end="2026-12-01 11:00").status_code == 200


@pytest.mark.parametrize(
    "end", ["2026-12-01 10:00", "2026-12-01 09:00", "2026-12-01 18:30", "2026-12-01 10:04"]
)
def test_a_visit_takes_5_minutes_to_8_hours(clinic: Clinic, desk: Client, end: str) -> None:
    visit = clinic.appointment(kind="consultation")
    answer = place(desk, visit, "2026-12-01 10:00", end=end)
    assert answer.json() == {"why": "A visit takes 5 minutes to 8 hours."}


def test_who_is_here_may_stay_beyond_the_working_hours_others_may_not(clinic: Clinic, desk: Client) -> None:
    visit = clinic.appointment(kind="consultation", starts_at=clinic.at(19, 15), status="arrived")
    assert place(desk, visit, "2026-12-01 19:15", end="2026-12-01 20:30").status_code == 200
    later = clinic.appointment(
        kind="consultation", starts_at=clinic.at(19, 15, day=date(2026, 12, 2)),
        patient=clinic.patient("Ana", "Segura"),
    )  # fmt: skip
    answer = place(desk, later, "2026-12-02 19:15", end="2026-12-02 20:30")
    assert answer.json()["why"].startswith("The practitioner does not work")


@pytest.mark.parametrize("status", ["done", "no-show", "cancelled"])
def test_what_is_over_keeps_its_length(clinic: Clinic, status: str) -> None:
    visit = clinic.appointment(kind="consultation", status=status)
    with pytest.raises(actions.BookingError, match="Only a coming or present visit"):
        lengthen(appointment=visit, ends_at=clinic.at(11), by=clinic.marta, now=clinic.at(8))


def test_the_end_of_another_visit_s_undo_is_not_found(clinic: Clinic, desk: Client) -> None:
    visit = clinic.appointment(kind="consultation")
    undo = place(desk, visit, "2026-12-01 10:00", end="2026-12-01 10:45").json()["undo"]
    other = clinic.appointment(kind="consultation", starts_at=clinic.at(15))
    assert desk.post(undo.replace(f"/{visit.pk}/", f"/{other.pk}/")).status_code == 404
    assert desk.post(f"/appointments/{visit.pk}/length/undo/?undo=forged").status_code == 404
