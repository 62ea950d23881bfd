"""The waiting room, the cream's clock, walk-ins, cancellation with a reason and the list of who did not come."""

import re
from datetime import date, timedelta
from typing import Any
from unittest.mock import patch

import pytest
import time_machine
from django.test import Client

from mesoclinic.audit.models import AuditEvent
from sessions.actions import booking, treatment
from sessions.models import Appointment, Message, Stay, TreatmentRecord, WorkingHours
from sessions.waiting import act
from sessions.waiting.queries import cream_on
from tests import clinic as cast
from tests.clinic import Clinic
from tests.together import together

pytestmark = pytest.mark.django_db
MONDAY = date(2026, 11, 30)
CREAM = {"product": "lidocaine-4-cream", "grams": "30", "minutes": 45, "e_mg": "120", "limit_mg": "261"}


@pytest.fixture
def clinic() -> Clinic:
    return Clinic(today=MONDAY)


@pytest.fixture
def clock(clinic: Clinic) -> Any:
    with time_machine.travel(clinic.at(9), tick=False) as traveller:
        yield traveller


@pytest.fixture
def desk(clinic: Clinic, clock: Any) -> Client:
    client = Client()
    client.force_login(clinic.marta)
    return client


def with_cream(clinic: Clinic, **values: Any) -> Appointment:
    """Lea's session at ten with a cream of 45 minutes; she arrived at nine."""
    with patch.object(cast, "SESSION", cast.SESSION | {"anaesthetic": CREAM}):
        plan = clinic.signed_plan(values.get("patient"), sessions=1)
    known: dict[str, Any] = {
        "planned_session": plan.planned_sessions.get(), "kind": "session", "status": "arrived",
        "arrived_at": clinic.at(9),
    }  # fmt: skip
    return clinic.appointment(**(known | values))


def words(response: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def tap(client: Client, visit: Appointment, what: str) -> Any:
    return client.post(f"/appointments/{visit.pk}/stay/", {"act": what}, follow=True)


def test_one_tap_starts_the_clock_which_turns_ready_and_then_warns(
    clinic: Clinic, desk: Client, clock: Any
) -> None:
    visit = with_cream(clinic)
    assert "Cream on" in words(desk.get("/waiting-room/"))
    clock.move_to(clinic.at(9, 5))
    page = tap(desk, visit, "cream")
    assert "on 09:05, ready 09:50, off by 10:05" in words(page)
    for minute, state in ((49, "acting"), (50, "ready"), (64, "ready"), (65, "late")):
        clock.move_to(clinic.at(9, 0) + timedelta(minutes=minute))
        # Another screen: an idle one would be locked by now.
        desk = Client()
        desk.force_login(clinic.marta)
        text = desk.get("/waiting-room/").content.decode()
        assert f'data-cream="{state}"' in text
        shown = re.findall(r'data-when="(\w+)">', text)
        assert shown == [state], "the word and the shape of this state only"
    assert "too long: take it off" in text
    assert AuditEvent.objects.filter(type="stay.cream-on", patient_id=visit.patient_id).count() == 1


def test_a_second_tap_keeps_the_first_time_and_a_slip_is_taken_back(
    clinic: Clinic, desk: Client, clock: Any
) -> None:
    visit = with_cream(clinic)
    tap(desk, visit, "cream")
    clock.move_to(clinic.at(9, 10))
    tap(desk, visit, "cream")
    assert Stay.objects.get().cream_on_at == clinic.at(9)
    tap(desk, visit, "no-cream")
    assert Stay.objects.get().cream_on_at is None
    assert "Cream on" in words(desk.get("/waiting-room/"))


def test_the_treatments_record_takes_the_time_over_and_is_the_one_place_for_it(clinic: Clinic) -> None:
    visit = with_cream(clinic)
    act.put_cream_on(visit=visit, by=clinic.marta, now=clinic.at(9, 5))
    record = treatment.open_record(appointment=visit, by=clinic.roca, now=clinic.at(9, 40))
    assert record.anaesthetic_on == clinic.at(9, 5)
    assert Stay.objects.get().cream_on_at is None
    # Put right in the record: every page shows the record's time.
    TreatmentRecord.objects.update(anaesthetic_on=clinic.at(9, 2))
    found = Appointment.objects.prefetch_related("records").select_related("stay").get(pk=visit.pk)
    assert cream_on(found) == (clinic.at(9, 2), None)
    with pytest.raises(act.WaitingError, match="change the time in its record"):
        act.put_cream_on(visit=visit, by=clinic.marta, now=clinic.at(9, 45))
    with pytest.raises(act.WaitingError, match="change the time in its record"):
        act.take_cream_back(visit=visit, by=clinic.marta, now=clinic.at(9, 45))


@pytest.mark.django_db(transaction=True)
def test_a_tap_and_the_opening_of_the_treatment_at_once_leave_one_time() -> None:
    clinic = Clinic(today=MONDAY)
    for number in range(6):
        visit = with_cream(
            clinic, patient=clinic.patient(f"Eva{number}", "Creme"), starts_at=clinic.at(10 + number)
        )
        results = together(
            lambda visit=visit: act.put_cream_on(visit=visit, by=clinic.marta, now=clinic.at(9)),
            lambda visit=visit: treatment.open_record(appointment=visit, by=clinic.roca, now=clinic.at(9)),
        )
        assert all(not isinstance(r, Exception) or isinstance(r, act.WaitingError) for r in results), results
        stay = Stay.objects.filter(appointment=visit).first()
        assert stay is None or stay.cream_on_at is None
        refused = isinstance(results[0], act.WaitingError)
        assert (TreatmentRecord.objects.get(appointment=visit).anaesthetic_on is None) is refused


def test_no_cream_without_a_plan_for_it_nor_before_the_patient_is_here(clinic: Clinic) -> None:
    plain = clinic.appointment(status="arrived", kind="consultation")
    with pytest.raises(act.WaitingError, match="without cream"):
        act.put_cream_on(visit=plain, by=clinic.marta, now=clinic.at(9))
    coming = with_cream(clinic, starts_at=clinic.at(12), status="booked", patient=clinic.patient("Eva", "K"))
    with pytest.raises(act.WaitingError, match="Check the patient in first"):
        act.put_cream_on(visit=coming, by=clinic.marta, now=clinic.at(9))


def test_who_is_not_here_after_all_has_no_cream_on(clinic: Clinic) -> None:
    visit = with_cream(clinic)
    act.put_cream_on(visit=visit, by=clinic.marta, now=clinic.at(9))
    booking.change_status(appointment=visit, to="confirmed", by=clinic.marta, now=clinic.at(9))
    assert not Stay.objects.exists()


def test_the_room_shows_who_waits_how_long_and_who_is_called(
    clinic: Clinic, desk: Client, clock: Any
) -> None:
    late = clinic.appointment(
        patient=clinic.patient("Paula", "Geduld"), starts_at=clinic.at(9), status="arrived", kind="consultation",
        arrived_at=clinic.at(8, 50),
    )  # fmt: skip
    clinic.appointment(patient=clinic.patient("Erna", "Kommt"), starts_at=clinic.at(10, 30), status="booked")
    clinic.appointment(patient=clinic.patient("Willi", "Morgen"), starts_at=clinic.at(18), status="booked")
    clock.move_to(clinic.at(9, 15))
    page = words(desk.get("/waiting-room/"))
    assert "Paula Geduld" in page
    assert "waits past the time" in page
    assert "Erna Kommt" in page
    assert "Willi Morgen" not in page
    assert "1 waiting" in page
    assert "called 09:15" in words(tap(desk, late, "call"))
    assert "called 09:15" not in words(tap(desk, late, "call"))
    part = desk.get("/waiting-room/", headers={"HX-Request": "true"})
    assert part.content.decode().lstrip().startswith('<div class="stack" id="room"')
    assert desk.post(f"/appointments/{late.pk}/stay/", {"act": "dance"}).status_code == 404


def test_hidden_names_are_hidden_in_the_waiting_room(clinic: Clinic, desk: Client, clock: Any) -> None:
    with_cream(clinic)
    tap(desk, Appointment.objects.get(), "cream")
    desk.post("/hide-names/", {"next": "/"})
    text = desk.get("/waiting-room/").content.decode()
    assert "Brandt" not in text
    assert "LB" in text


# ---- walk-in -----------------------------------------------------------------------------------------------


def test_a_walk_in_is_booked_into_the_next_free_time_and_is_here_at_once(
    clinic: Clinic, desk: Client, clock: Any
) -> None:
    clinic.appointment(starts_at=clinic.at(9), patient=clinic.patient("Olga", "Dran"))
    clock.move_to(clinic.at(9, 7))
    page = desk.get(f"/walk-in/?patient={clinic.lea.pk}")
    text = words(page)
    # Dr. Amari is busy until half past; the nurse could, but the room is being cleaned until 9:40.
    assert "Next free time with each practitioner" in text
    packed = re.findall(r'name="slot" value="([^"]+)"', page.content.decode())
    times = re.findall(r"<b>(\d\d:\d\d)</b>", page.content.decode())
    assert times == ["09:45", "09:45"]
    answer = desk.post(
        "/walk-in/", {"patient": clinic.lea.pk, "kind": "consultation", "slot": packed[0], "note": "Rash"},
        follow=True,
    )  # fmt: skip
    visit = Appointment.objects.get(patient=clinic.lea)
    assert (visit.status, visit.arrived_at, visit.note) == ("arrived", clinic.at(9, 7), "Rash")
    assert visit.starts_at == clinic.at(9, 45)
    assert "Lea Brandt is checked in for 09:45" in words(answer)
    assert not Message.objects.filter(state="due").exists(), "she stands at the desk"


def test_a_time_that_began_while_the_page_was_open_is_still_taken_a_past_one_is_not(
    clinic: Clinic, desk: Client, clock: Any
) -> None:
    page = desk.get(f"/walk-in/?patient={clinic.lea.pk}").content.decode()
    slot = re.findall(r'name="slot" value="([^"]+)"', page)[0]
    sent = {"patient": clinic.lea.pk, "kind": "consultation", "slot": slot}
    clock.move_to(clinic.at(9, 15))
    refused = desk.post("/walk-in/", sent)
    assert refused.status_code == 409
    assert "This time is past." in words(refused)
    assert "09:15" in words(refused), "fresh times are there"
    clock.move_to(clinic.at(9, 14))
    assert desk.post("/walk-in/", sent).status_code == 302
    assert Appointment.objects.get().status == "arrived"


def test_nothing_of_a_walk_in_stays_when_it_can_not_be_checked_in(clinic: Clinic, desk: Client) -> None:
    page = desk.get(f"/walk-in/?patient={clinic.lea.pk}").content.decode()
    slot = re.findall(r'name="slot" value="([^"]+)"', page)[0]
    clinic.appointment(starts_at=clinic.at(9), patient=clinic.patient("Otto", "Schneller"))
    sent = {"patient": clinic.lea.pk, "kind": "consultation", "slot": slot}
    assert desk.post("/walk-in/", sent).status_code == 409
    assert not Appointment.objects.filter(patient=clinic.lea).exists()
    # Times of somebody else, of another kind, or written by hand.
    assert desk.post("/walk-in/", sent | {"patient": clinic.patient("A", "B").pk}).status_code == 404
    assert desk.post("/walk-in/", sent | {"kind": "emergency"}).status_code == 409
    assert desk.post("/walk-in/", sent | {"slot": "x"}).status_code == 404
    assert "Choose a time." in words(desk.post("/walk-in/", sent | {"slot": ""}))


def test_a_walk_in_takes_the_session_that_is_due(clinic: Clinic, desk: Client) -> None:
    plan = clinic.signed_plan(sessions=2)
    page = desk.get(f"/walk-in/?patient={clinic.lea.pk}")
    assert "Session 1" in words(page)
    slot = re.findall(r'name="slot" value="([^"]+)"', page.content.decode())[0]
    desk.post("/walk-in/", {"patient": clinic.lea.pk, "kind": "session", "slot": slot})
    visit = Appointment.objects.get()
    assert (visit.planned_session, visit.status) == (plan.planned_sessions.get(number=1), "arrived")
    # Session 2 is due in a week at the earliest.
    assert "Session 2" not in words(desk.get(f"/walk-in/?patient={clinic.lea.pk}"))


def test_who_is_booked_today_is_checked_in_for_that_visit(clinic: Clinic, desk: Client) -> None:
    clinic.appointment(starts_at=clinic.at(11), kind="review")
    assert "Review is booked for today at 11:00" in words(desk.get(f"/walk-in/?patient={clinic.lea.pk}"))


def test_a_full_or_closed_day_says_what_to_do(clinic: Clinic, desk: Client) -> None:
    WorkingHours.objects.all().delete()
    page = words(desk.get(f"/walk-in/?patient={clinic.lea.pk}"))
    assert "Nothing is free today any more." in page
    assert "put on the waiting list" in page


def test_a_new_patient_is_registered_on_the_way(clinic: Clinic, desk: Client) -> None:
    assert "Nobody found" in words(desk.get("/walk-in/?q=Unbekannt"))
    sent = {
        "given_name": "Nina", "family_name": "Neu", "birth_date": "14 May 1990", "sex": "female",
        "phone": "+34 600 555 222", "email": "", "language": "en", "channel": "sms", "note": "",
    }  # fmt: skip
    answer = desk.post("/walk-in/new/", sent)
    assert answer.status_code == 302
    assert "Walk-in: Nina Neu" in words(desk.get(answer["Location"]))
    again = desk.post("/walk-in/new/", sent)
    assert "Is it one of these?" in words(again)
    assert desk.post("/walk-in/new/", sent | {"birth_date": "yesterday?"}).status_code == 422


# ---- cancelled and missed ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("why", "text", "kept"),
    [
        ("ill", "", "The patient is ill"),
        ("ill", "flu", "The patient is ill: flu"),
        ("other", "Strike of the trains", "Strike of the trains"),
        ("nonsense", "Strike", "Strike"),
    ],
)
def test_a_cancellation_keeps_the_reason_of_the_list_and_the_words(
    clinic: Clinic, desk: Client, why: str, text: str, kept: str
) -> None:
    visit = clinic.appointment(starts_at=clinic.at(15))
    desk.post(
        f"/appointments/{visit.pk}/status/", {"to": "cancelled", "version": 1, "why": why, "reason": text}
    )
    visit.refresh_from_db()
    assert (visit.status, visit.reason) == ("cancelled", kept)


@pytest.mark.parametrize(("why", "text"), [("", ""), ("other", ""), ("other", "  ")])
def test_no_cancellation_without_a_reason(clinic: Clinic, desk: Client, why: str, text: str) -> None:
    visit = clinic.appointment(starts_at=clinic.at(15))
    sent = {"to": "cancelled", "version": 1, "why": why, "reason": text}
    answer = desk.post(f"/appointments/{visit.pk}/status/", sent)
    assert answer.status_code == 409
    assert "Say why it is cancelled." in words(answer)


def test_the_note_after_a_cancellation_takes_it_back(clinic: Clinic, desk: Client) -> None:
    visit = clinic.appointment(starts_at=clinic.at(15))
    page = desk.post(
        f"/appointments/{visit.pk}/status/", {"to": "cancelled", "version": 1, "why": "ill"}, follow=True
    ).content.decode()
    (undo,) = set(re.findall(r'["\'](/appointments/\d+/restore/\?version=\d+)["\']', page))
    desk.post(undo)
    visit.refresh_from_db()
    assert visit.status == "booked"
    # Twice: told, not done.
    assert "Somebody else changed this visit" in words(desk.post(undo, follow=True))


def test_the_list_of_missed_and_cancelled_visits(clinic: Clinic, desk: Client, clock: Any) -> None:
    assert "Nobody missed or cancelled a visit." in words(desk.get("/missed/"))
    gone = clinic.appointment(
        starts_at=clinic.at(8), status="booked", patient=clinic.patient("Nadia", "Fehlt"), kind="review"
    )
    visit = clinic.appointment(starts_at=clinic.at(15), patient=clinic.patient("Carla", "Krank"))
    desk.post(f"/appointments/{gone.pk}/status/", {"to": "no-show", "version": 1})
    desk.post(f"/appointments/{visit.pk}/status/", {"to": "cancelled", "version": 1, "why": "ill"})
    page = words(desk.get("/missed/"))
    assert page.index("Carla Krank") < page.index("Nadia Fehlt")
    assert "The patient is ill" in page
    assert "Fehlt" not in words(desk.get("/missed/?status=cancelled"))
    assert "Krank" not in words(desk.get("/missed/?q=fehlt"))
    assert "No missed or cancelled visit for this name." in words(desk.get("/missed/?q=zzz"))
    # The way back of a no-show.
    desk.post(f"/appointments/{gone.pk}/status/", {"to": "booked", "version": 2, "next": "/missed/"})
    gone.refresh_from_db()
    assert gone.status == "booked"
