"""Booking whole courses: all or nothing, once, never twice the same time, whoever clicks first."""

import dataclasses
import uuid
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import date, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import IntegrityError, transaction

from patients.models import Patient
from sessions.actions import booking as actions
from sessions.models import Appointment, CourseBooking, Message, Practitioner, Room
from sessions.queries.booking import options_for, search_course, to_book
from sessions.reminders import outbox
from sessions.reminders.schedule import GRACE, reminder_time
from sessions.scheduling import Preferences, Slot
from tests.clinic import Clinic
from tests.together import together

MONDAY = date(2026, 11, 30)


@pytest.fixture
def clinic(db: None) -> Clinic:
    return Clinic(today=MONDAY)


def now(clinic: Clinic) -> datetime:
    return clinic.at(8)


def best(clinic: Clinic, plan: Any, count: int = 1) -> Any:
    _planned, options = options_for(plan, clinic.location, Preferences(), now=now(clinic), count=count)
    return options[0].slots if count == 1 else options


def book(clinic: Clinic, plan: Any = None, key: uuid.UUID | None = None) -> CourseBooking:
    plan = plan or clinic.signed_plan()
    return actions.book_course(
        plan=plan, location=clinic.location, slots=best(clinic, plan), key=key or uuid.uuid4(), by=clinic.marta,
        now=now(clinic),
    )  # fmt: skip


def test_a_course_is_booked_in_its_windows_with_one_confirmation_and_a_reminder_each(clinic: Clinic) -> None:
    made = book(clinic)
    visits = list(made.appointments.order_by("starts_at"))
    assert len(visits) == 4
    days = [visit.starts_at.date() for visit in visits]
    assert [(b - a).days for a, b in pairwise(days)] == [14, 14, 14]
    kinds = list(Message.objects.values_list("kind", flat=True))
    assert kinds.count("confirmation") == 1
    # Session 1 is today: its reminder would have been yesterday.
    assert kinds.count("reminder") == 3
    confirmation = Message.objects.get(kind="confirmation")
    assert confirmation.calendar.count("BEGIN:VEVENT") == 4
    assert not to_book()


def test_a_double_click_books_once(clinic: Clinic) -> None:
    plan, key = clinic.signed_plan(), uuid.uuid4()
    slots = best(clinic, plan)
    for _click in range(2):
        actions.book_course(
            plan=plan, location=clinic.location, slots=slots, key=key, by=clinic.marta, now=now(clinic)
        )
    assert Appointment.objects.count() == 4
    assert Message.objects.filter(kind="confirmation").count() == 1


def test_a_key_that_has_booked_books_nothing_else(clinic: Clinic) -> None:
    """A page gone back to: another option chosen on it, another plan, or what was booked is cancelled since."""
    plan, key = clinic.signed_plan(), uuid.uuid4()
    first, other = best(clinic, plan, count=2)
    again = partial(actions.book_course, location=clinic.location, key=key, by=clinic.marta, now=now(clinic))
    made = again(plan=plan, slots=first.slots)
    with pytest.raises(actions.BookingError, match="booked already, at other times"):
        again(plan=plan, slots=other.slots)
    stranger = clinic.signed_plan(clinic.patient("Ana", "Otra"))
    with pytest.raises(actions.BookingError, match="another plan"):
        again(plan=stranger, slots=best(clinic, stranger))
    # A visit moved since is still what the first click booked.
    visit = made.appointments.order_by("starts_at")[3]
    actions.move(appointment=visit, slot=moved_slot(visit, 1), by=clinic.marta, now=now(clinic))
    assert again(plan=plan, slots=first.slots) == made
    for visit in made.appointments.all():
        actions.change_status(
            appointment=visit, to="cancelled", by=clinic.marta, now=now(clinic), reason="On a journey"
        )
    with pytest.raises(actions.BookingError, match="cancelled since"):
        again(plan=plan, slots=first.slots)
    assert CourseBooking.objects.get() == made


def test_a_page_opened_twice_books_the_course_once(clinic: Clinic) -> None:
    plan = clinic.signed_plan()
    first, other = best(clinic, plan, count=2)
    for slots, refused in ((first.slots, False), (other.slots, True), (first.slots, True)):
        with pytest.raises(actions.TimeTaken, match="booked a moment ago") if refused else nullcontext():
            actions.book_course(
                plan=plan, location=clinic.location, slots=slots, key=uuid.uuid4(), by=clinic.marta, now=now(clinic)
            )  # fmt: skip
    assert Appointment.objects.count() == 4


def test_a_course_is_booked_in_a_fixed_number_of_queries(
    clinic: Clinic, django_assert_num_queries: Any
) -> None:
    """Whatever else stands in the diary: nothing of it is read but what could be in the way."""
    for n in range(3):
        plan = clinic.signed_plan(clinic.patient(f"Ana{n}", "Otra"), sessions=3 + n)
        slots = best(clinic, plan)
        with django_assert_num_queries(6):
            actions.book_course(
                plan=plan, location=clinic.location, slots=slots, key=uuid.uuid4(), by=clinic.marta, now=now(clinic)
            )  # fmt: skip


def test_a_missed_visit_taken_back_does_not_stand_over_another(clinic: Clinic) -> None:
    visit = clinic.appointment(status="no-show", kind="consultation")
    taken = clinic.appointment(kind="consultation", patient=clinic.patient("Ana", "Otra"))
    with pytest.raises(actions.TimeTaken, match=r"Dr\. Nadia Amari was taken a moment ago"):
        actions.change_status(appointment=visit, to="booked", by=clinic.marta, now=now(clinic))
    actions.change_status(
        appointment=taken, to="cancelled", by=clinic.marta, now=now(clinic), reason="On a journey"
    )
    assert (
        actions.change_status(appointment=visit, to="booked", by=clinic.marta, now=now(clinic)).status
        == "booked"
    )


def test_a_taken_room_hour_books_nothing_at_all(clinic: Clinic) -> None:
    plan = clinic.signed_plan()
    slots = best(clinic, plan)
    third = slots[2]
    other = clinic.patient("Ana", "Otra")
    clinic.appointment(
        patient=other, practitioner=clinic.nurse, room_id=third.room, starts_at=third.start, ends_at=third.end
    )
    with pytest.raises(actions.TimeTaken, match="Room 2 was taken a moment ago"):
        actions.book_course(
            plan=plan,
            location=clinic.location,
            slots=slots,
            key=uuid.uuid4(),
            by=clinic.marta,
            now=now(clinic),
        )
    assert Appointment.objects.count() == 1
    assert not CourseBooking.objects.exists()
    assert not Message.objects.exists()


def test_the_database_refuses_what_the_code_would_let_pass(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = clinic.signed_plan()
    slots = best(clinic, plan)
    clinic.appointment(
        patient=clinic.patient("Ana", "Otra"), practitioner=clinic.nurse, room_id=slots[1].room,
        starts_at=slots[1].start, ends_at=slots[1].end,
    )  # fmt: skip
    monkeypatch.setattr(actions, "check_free", lambda *_a, **_k: None)
    with pytest.raises(actions.TimeTaken, match="The room was taken"):
        actions.book_course(
            plan=plan,
            location=clinic.location,
            slots=slots,
            key=uuid.uuid4(),
            by=clinic.marta,
            now=now(clinic),
        )
    assert Appointment.objects.count() == 1


def test_an_unsigned_plan_a_wrong_length_and_a_short_interval_are_refused(clinic: Clinic) -> None:
    plan = clinic.signed_plan()
    slots = best(clinic, plan)
    first, second = slots[0], slots[1]
    longer = dataclasses.replace(first, end=first.end + timedelta(minutes=15))
    soon = dataclasses.replace(
        second, start=first.start + timedelta(days=1), end=first.end + timedelta(days=1)
    )
    for wrong in ([longer], [first, soon]):
        with pytest.raises(actions.BookingError):
            actions.book_course(
                plan=plan,
                location=clinic.location,
                slots=wrong,
                key=uuid.uuid4(),
                by=clinic.marta,
                now=now(clinic),
            )
    plan.status = "stopped"
    plan.save()
    with pytest.raises(actions.BookingError, match="not signed"):
        actions.book_course(
            plan=plan,
            location=clinic.location,
            slots=slots,
            key=uuid.uuid4(),
            by=clinic.marta,
            now=now(clinic),
        )
    assert not Appointment.objects.exists()


def moved_slot(visit: Appointment, days: int, hours: int = 0) -> Slot:
    shift = timedelta(days=days, hours=hours)
    return Slot(
        visit.planned_session_id or 0, 1, visit.starts_at + shift, visit.ends_at + shift, visit.practitioner_id,
        visit.room_id, visit.device_id, 0,
    )  # fmt: skip


def test_a_move_withdraws_the_old_reminder_and_tells_the_patient_once(clinic: Clinic) -> None:
    visit = book(clinic).appointments.order_by("starts_at")[3]
    actions.move(appointment=visit, slot=moved_slot(visit, 1), by=clinic.marta, now=now(clinic))
    visit.refresh_from_db()
    actions.move(appointment=visit, slot=moved_slot(visit, 1), by=clinic.marta, now=now(clinic))
    rows = Message.objects.filter(appointment=visit).exclude(kind="confirmation")
    waiting = {(row.kind, row.send_at) for row in rows if row.state == "due"}
    visit.refresh_from_db()
    assert waiting == {
        ("moved", now(clinic) + GRACE),
        ("reminder", reminder_time(visit.starts_at, clinic.location.zone)),
    }
    assert rows.filter(state="withdrawn").count() == 3


def test_a_move_that_would_come_too_soon_is_refused(clinic: Clinic) -> None:
    visit = book(clinic).appointments.order_by("starts_at")[1]
    with pytest.raises(actions.BookingError, match="too soon"):
        actions.move(appointment=visit, slot=moved_slot(visit, -10), by=clinic.marta, now=now(clinic))
    visit.refresh_from_db()
    assert visit.version == 1


def test_a_gap_left_by_a_cancelled_session_does_not_let_the_next_one_come_too_soon(clinic: Clinic) -> None:
    visits = list(book(clinic).appointments.order_by("starts_at"))
    actions.change_status(
        appointment=visits[1], to="cancelled", by=clinic.marta, now=now(clinic), reason="On a journey"
    )
    to_first = (visits[0].starts_at - visits[2].starts_at).days + 1
    with pytest.raises(actions.BookingError, match="too soon"):
        actions.move(
            appointment=visits[2], slot=moved_slot(visits[2], to_first), by=clinic.marta, now=now(clinic)
        )


def test_two_courses_of_one_patient_keep_their_distance_in_the_same_area(clinic: Clinic) -> None:
    first = list(book(clinic).appointments.order_by("starts_at"))
    other = clinic.signed_plan()
    slots = best(clinic, other)
    days = [visit.starts_at.date() for visit in first]
    assert all(abs((slot.start.date() - day).days) >= 7 for slot in slots for day in days)
    # Whoever asks for such a day all the same is told why not.
    near = dataclasses.replace(
        slots[0], start=first[0].starts_at + timedelta(days=1), end=first[0].ends_at + timedelta(days=1)
    )
    with pytest.raises(actions.BookingError, match="same area"):
        actions.book_course(
            plan=other, location=clinic.location, slots=[near], key=uuid.uuid4(), by=clinic.marta, now=now(clinic)
        )  # fmt: skip


def test_somebody_else_s_change_is_not_overwritten(clinic: Clinic) -> None:
    visit = book(clinic).appointments.order_by("starts_at")[3]
    actions.move(appointment=visit, slot=moved_slot(visit, 1), by=clinic.marta, now=now(clinic), version=1)
    with pytest.raises(actions.BookingError, match="Somebody else"):
        actions.move(
            appointment=visit, slot=moved_slot(visit, 2), by=clinic.marta, now=now(clinic), version=1
        )


def test_a_cancelled_visit_frees_its_time_and_its_session(clinic: Clinic) -> None:
    visit = book(clinic).appointments.order_by("starts_at")[2]
    with pytest.raises(actions.BookingError, match="why"):
        actions.change_status(appointment=visit, to="cancelled", by=clinic.marta, now=now(clinic))
    actions.change_status(
        appointment=visit, to="cancelled", by=clinic.marta, now=now(clinic), reason="On a journey"
    )
    assert not Message.objects.filter(appointment=visit, kind="reminder", state="due").exists()
    assert Message.objects.filter(appointment=visit, kind="cancelled", state="due").count() == 1
    assert to_book().count() == 1


def test_check_in_is_on_the_day_and_the_way_back_is_open(clinic: Clinic) -> None:
    first, second = book(clinic).appointments.order_by("starts_at")[:2]
    with pytest.raises(actions.BookingError, match="on the day"):
        actions.change_status(appointment=second, to="arrived", by=clinic.marta, now=now(clinic))
    actions.change_status(appointment=first, to="arrived", by=clinic.marta, now=now(clinic))
    first.refresh_from_db()
    assert first.arrived_at == now(clinic)
    actions.change_status(appointment=first, to="confirmed", by=clinic.marta, now=now(clinic))
    first.refresh_from_db()
    assert first.arrived_at is None


# ---- reminders ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ["Europe/Madrid", "Atlantic/Canary"])
def test_a_reminder_leaves_at_18_on_the_wall_clock_the_day_before(zone: str) -> None:
    tz = ZoneInfo(zone)
    # 28 March 2027: the clock goes forward in the night to this Sunday.
    for day in (date(2027, 3, 29), date(2027, 3, 28), date(2026, 10, 26)):
        at = reminder_time(datetime(day.year, day.month, day.day, 10, tzinfo=tz), tz)
        local = at.astimezone(tz)
        assert (local.hour, local.date()) == (18, day - timedelta(days=1))


def test_due_messages_are_delivered_once_and_every_try_is_kept(clinic: Clinic) -> None:
    book(clinic)
    assert outbox.deliver_due(now(clinic)) == 1
    assert outbox.deliver_due(now(clinic)) == 0
    sent = Message.objects.get(state="sent")
    assert sent.kind == "confirmation"
    assert sent.tries.get().delivered


def test_a_failing_server_is_tried_again_later_and_given_up_at_last(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    book(clinic)

    def refuse(_message: Message) -> None:
        raise outbox.DeliveryError("550 mailbox full")

    monkeypatch.setattr(outbox, "_send", refuse)
    moment, states = now(clinic), []
    for _try in range(6):
        outbox.deliver_due(moment)
        message = Message.objects.get(kind="confirmation")
        states.append(message.state)
        moment += timedelta(minutes=130)
        Message.objects.exclude(kind="confirmation").update(state="withdrawn")
    assert states == ["failed"] * 4 + ["dead"] * 2
    assert message.tries.count() == 5
    assert message.error == "550 mailbox full"


def test_a_worker_that_died_leaves_its_rows_to_the_next(clinic: Clinic) -> None:
    book(clinic)
    assert len(outbox.claim(now(clinic))) == 1
    assert outbox.claim(now(clinic)) == []
    assert len(outbox.claim(now(clinic) + outbox.LEASE + timedelta(seconds=1))) == 1


def test_a_patient_without_consent_gets_no_message(clinic: Clinic) -> None:
    Patient.objects.filter(pk=clinic.lea.pk).update(consent_messages=False)
    book(clinic, clinic.signed_plan(Patient.objects.get(pk=clinic.lea.pk)))
    assert not Message.objects.exists()


def test_one_cause_never_makes_two_messages(clinic: Clinic) -> None:
    book(clinic)
    row = Message.objects.first()
    assert row is not None
    row.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save()


def test_messages_speak_the_patient_s_language(clinic: Clinic) -> None:
    for language, word in (("es", "reservado"), ("de", "gebucht"), ("fr", "réservé"), ("ar", "حجزنا")):
        patient = clinic.patient(f"Ana {language}", "Otra")
        Patient.objects.filter(pk=patient.pk).update(language=language)
        book(clinic, clinic.signed_plan(Patient.objects.get(pk=patient.pk)))
        assert word in Message.objects.get(kind="confirmation", patient=patient).body


# ---- the race ----------------------------------------------------------------------------------------------


@pytest.fixture
def racing(transactional_db: None) -> Iterator[Clinic]:
    yield Clinic(today=MONDAY)


def test_fifty_times_two_people_book_the_same_course_and_exactly_one_wins(racing: Clinic) -> None:
    clinic = racing
    people = [clinic.patient(f"Ana{n}", "Prueba") for n in range(2)]
    for _round in range(50):
        plans = [clinic.signed_plan(person) for person in people]
        options = [best(clinic, plan) for plan in plans]
        assert [s.start for s in options[0]] == [s.start for s in options[1]]
        assert [s.room for s in options[0]] == [s.room for s in options[1]]

        def act(n: int, plans: Any = plans, options: Any = options) -> CourseBooking:
            return actions.book_course(
                plan=plans[n], location=clinic.location, slots=options[n], key=uuid.uuid4(), by=clinic.marta,
                now=now(clinic),
            )  # fmt: skip

        results = together(lambda: act(0), lambda: act(1))
        won = [row for row in results if isinstance(row, CourseBooking)]
        lost = [row for row in results if isinstance(row, actions.TimeTaken)]
        # A deadlock's victim would stand here as an OperationalError.
        assert (len(won), len(lost)) == (1, 1), results
        assert Appointment.objects.count() == 4
        # The loser has fresh options at once.
        loser = plans[results.index(lost[0])]
        fresh = best(clinic, loser, count=3)
        assert fresh
        booked = {(a.practitioner_id, a.starts_at) for a in Appointment.objects.all()}
        assert not {(s.practitioner, s.start) for option in fresh for s in option.slots} & booked
        Message.objects.all().delete()
        Appointment.objects.all().delete()
        CourseBooking.objects.all().delete()


def test_one_key_for_two_plans_at_the_same_moment_books_one_of_them(racing: Clinic) -> None:
    """Their locks do not meet: the key's own constraint decides, and the other is told so."""
    clinic = racing
    for _round in range(10):
        key = uuid.uuid4()
        plans = [clinic.signed_plan(clinic.patient(f"Ana{n}", "Prueba")) for n in range(2)]
        slots = [best(clinic, plan) for plan in plans]
        rooms = (clinic.room.pk, clinic.other_room.pk)
        people = (clinic.practitioner.pk, clinic.nurse.pk)
        slots = [
            [
                dataclasses.replace(slot, practitioner=people[n], room=rooms[n], visit=slot.visit)
                for slot in slots[n]
            ]
            for n in range(2)
        ]

        def act(n: int, plans: Any = plans, slots: Any = slots, key: Any = key) -> CourseBooking:
            return actions.book_course(
                plan=plans[n],
                location=clinic.location,
                slots=slots[n],
                key=key,
                by=clinic.marta,
                now=now(clinic),
            )

        results = together(lambda: act(0), lambda: act(1))
        assert sorted(type(row).__name__ in {"BookingError", "TimeTaken"} for row in results) == [
            False,
            True,
        ], results
        refused = next(row for row in results if isinstance(row, Exception))
        assert "another plan" in str(refused)
        Message.objects.all().delete()
        Appointment.objects.all().delete()
        CourseBooking.objects.all().delete()


def test_a_whole_search_takes_three_queries_however_many_people_and_days(
    clinic: Clinic, django_assert_num_queries: Any
) -> None:
    plan = clinic.signed_plan()
    search_course(plan, clinic.location, Preferences(), now=now(clinic))
    for round_ in range(2):
        with django_assert_num_queries(3):
            found = search_course(plan, clinic.location, Preferences(), now=now(clinic))
        assert len(found.options) == 3
        for number in range(4):
            person = clinic.practise(clinic.user(f"more{round_}{number}", f"More {round_}{number}", "nurse"))
            clinic.appointment(
                patient=clinic.patient("Ana", f"Otra{round_}{number}"), practitioner=person, room=clinic.other_room,
                starts_at=clinic.at(9 + 2 * number, day=MONDAY + timedelta(days=round_)),
                ends_at=clinic.at(10 + 2 * number, day=MONDAY + timedelta(days=round_)),
            )  # fmt: skip


def test_however_many_locations_are_searched_it_takes_three_queries(
    clinic: Clinic, django_assert_num_queries: Any
) -> None:
    """A visit of a practitioner or of the patient elsewhere takes their time here."""
    there, plan = clinic.elsewhere(), clinic.signed_plan()
    search_course(plan, clinic.location, Preferences(), now=now(clinic), elsewhere=[there])
    with django_assert_num_queries(3):
        found = search_course(plan, clinic.location, Preferences(), now=now(clinic), elsewhere=[there])
    assert len(found.options) == 3
    yaiza = Practitioner.objects.get(user__username="yaiza")
    clinic.appointment(
        patient=clinic.patient("Ana", "Otra"), location=there, room=there.rooms.get(), practitioner=yaiza,
        starts_at=clinic.at(10), ends_at=clinic.at(19),
    )  # fmt: skip
    clinic.appointment(
        kind="consultation", practitioner=clinic.nurse, starts_at=clinic.at(9), ends_at=clinic.at(12)
    )
    wish = Preferences(location=there.pk)
    found = search_course(plan, clinic.location, wish, now=now(clinic), elsewhere=[there])
    # Yaiza's first day is full: the course begins on the second.
    assert found.options[0].days[0] == MONDAY + timedelta(days=1)
    here = search_course(
        plan, clinic.location, Preferences(practitioner=clinic.practitioner.pk), now=now(clinic)
    )
    # Lea is with the nurse until twelve.
    assert here.options[0].slots[0].start >= clinic.at(12)


def test_a_course_at_two_locations_is_booked_by_what_holds_at_each_or_not_at_all(clinic: Clinic) -> None:
    there = clinic.elsewhere()
    clinic.open_in_turn(there)
    plan = clinic.signed_plan(sessions=2)
    found = search_course(plan, clinic.location, Preferences(), now=now(clinic), elsewhere=[there])
    first, second = found.options[0].slots
    assert (first.location, second.location) == (clinic.location.pk, there.pk)
    act = partial(
        actions.book_course, plan=plan, location=clinic.location, elsewhere=[there], by=clinic.marta, now=now(clinic)
    )  # fmt: skip
    refused = {
        "not there any more": [first, dataclasses.replace(second, location=999)],
        "not fitted": [first, dataclasses.replace(second, room=clinic.other_room.pk)],
        # Yaiza works until five there, six in Madrid.
        "does not work": [
            first,
            dataclasses.replace(second, start=clinic.at(18, day=MONDAY + timedelta(days=14)),
                                end=clinic.at(18, 30, day=MONDAY + timedelta(days=14))),
        ],
        "The room was taken|Room 1 was taken": [first, second],
    }  # fmt: skip
    clinic.appointment(
        patient=clinic.patient("Ana", "Otra"), location=there, room=there.rooms.get(), practitioner=clinic.nurse,
        starts_at=second.start, ends_at=second.end,
    )  # fmt: skip
    for why, slots in refused.items():
        with pytest.raises(actions.BookingError, match=why):
            act(slots=slots, key=uuid.uuid4())
        assert Appointment.objects.filter(patient=clinic.lea).count() == 0, why
    Appointment.objects.all().delete()
    made = act(slots=[first, second], key=uuid.uuid4())
    assert [row.location for row in made.appointments.order_by("starts_at")] == [clinic.location, there]


def test_the_cream_keeps_its_chair_and_its_patient(clinic: Clinic) -> None:
    """From the minute it is put on, in a room of its own; the database refuses a second one there."""
    chair = Room.objects.create(location=clinic.location, name="Chair", capabilities=["preparation"])
    plan = clinic.signed_plan(cream_min=45)
    visit = book(clinic, plan).appointments.order_by("starts_at")[0]
    assert (visit.prep_room, visit.starts_at - visit.prep_from) == (chair, timedelta(minutes=45))
    # Nobody is asked to come before anybody works.
    assert visit.prep_from >= clinic.at(9)
    inside = {
        "starts_at": visit.prep_from, "ends_at": visit.prep_from + timedelta(minutes=15),
        "practitioner": clinic.nurse, "room": clinic.other_room,
    }  # fmt: skip
    with pytest.raises(IntegrityError, match="patient_not_double_booked"), transaction.atomic():
        clinic.appointment(patient=visit.patient, **inside)
    other = clinic.patient("Ana", "Otra")
    later = visit.starts_at + timedelta(minutes=60)
    with pytest.raises(IntegrityError, match="preparation_room_not_double_booked"), transaction.atomic():
        clinic.appointment(
            patient=other, practitioner=clinic.nurse, room=clinic.other_room, starts_at=later,
            ends_at=later + timedelta(minutes=30), prep_from=visit.prep_from, prep_room=chair,
        )  # fmt: skip
    with pytest.raises(IntegrityError, match="serves_nothing_else"), transaction.atomic():
        Room.objects.filter(pk=chair.pk).update(capabilities=["preparation", "injection"])


def test_a_session_that_shares_needling_and_injections_needs_somebody_who_does_both(clinic: Clinic) -> None:
    plan = clinic.signed_plan(needs=["injection", "needling"])
    Practitioner.objects.exclude(pk=clinic.practitioner.pk).update(qualifications=["injection"])
    assert {slot.practitioner for slot in best(clinic, plan)} == {clinic.practitioner.pk}
    Practitioner.objects.update(qualifications=["injection"])
    found = search_course(plan, clinic.location, Preferences(), now=now(clinic))
    assert found.obstacle is not None
    assert found.obstacle.lacking[0] == "qualification"
