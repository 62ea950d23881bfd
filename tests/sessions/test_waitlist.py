"""The waiting list: a freed time is offered by rank, held while it is offered, and never lost."""

import re
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mesoclinic.audit.models import AuditEvent
from protocols.models import PlannedSession, TreatmentPlan
from sessions import course
from sessions.actions import booking
from sessions.actions.restore import restore
from sessions.models import (
    Absence,
    Appointment,
    Closure,
    FreedTime,
    Location,
    Message,
    Offer,
    WaitlistEntry,
    WorkingHours,
)
from sessions.queries.booking import not_confirmed
from sessions.reminders.schedule import GRACE
from sessions.selfservice.limits import PER_LINK
from sessions.setup.actions import away
from sessions.tokens import token_for
from sessions.waitlist import act, link, work
from sessions.waitlist.checks import settings_of_the_waitlist
from sessions.waitlist.queries import waiting_count
from tests.clinic import MADRID, Clinic

pytestmark = pytest.mark.django_db
MONDAY = date(2026, 11, 30)
TUESDAY = MONDAY + timedelta(days=1)
HOLD = timedelta(minutes=15)


@pytest.fixture
def clinic() -> Clinic:
    return Clinic(today=MONDAY)


def now(clinic: Clinic) -> datetime:
    return clinic.at(9)


def waits(clinic: Clinic, patient: Any = None, **values: Any) -> WaitlistEntry:
    """Somebody waits for a consultation, from yesterday on."""
    known: dict[str, Any] = {
        "patient": patient or clinic.patient(f"Wanda{WaitlistEntry.objects.count()}", "Wartet"),
        "kind": "consultation", "planned": None, "minutes": 30, "locations": [clinic.location], "by": clinic.marta,
        "now": now(clinic) - timedelta(days=1), "notice_hours": 1,
    }  # fmt: skip
    return act.put_on(**(known | values))


def cancel(clinic: Clinic, visit: Appointment, at: datetime | None = None) -> Appointment:
    return booking.change_status(
        appointment=visit, to="cancelled", by=clinic.marta, now=at or now(clinic), reason="The patient is ill"
    )


def freed_tuesday(clinic: Clinic, **values: Any) -> Appointment:
    """A visit of somebody else on Tuesday at ten, cancelled now."""
    known = {
        "patient": clinic.patient("Olga", "Absagt"), "kind": "consultation",
        "starts_at": clinic.at(10, day=TUESDAY),
    }  # fmt: skip
    return cancel(clinic, clinic.appointment(**(known | values)))


def soon(clinic: Clinic) -> datetime:
    """When a time freed now is due."""
    return now(clinic) + GRACE


def the_offer() -> Offer:
    return Offer.objects.select_related("hold", "entry", "freed").get(state="open")


def test_a_cancelled_time_is_held_for_the_one_who_waits_and_asked_by_link(clinic: Clinic) -> None:
    entry = waits(clinic)
    freed_tuesday(clinic)
    assert work.run(soon(clinic) - timedelta(seconds=1)) == 0, "an undo comes first"
    assert work.run(soon(clinic)) == 1
    offer = the_offer()
    assert (offer.entry, offer.patient) == (entry, entry.patient)
    assert offer.starts_at == clinic.at(10, day=TUESDAY)
    assert offer.expires_at == soon(clinic) + HOLD
    assert offer.hold is not None
    assert offer.hold.status == "requested"
    entry.refresh_from_db()
    assert entry.state == "offered"
    message = Message.objects.get(kind="offer")
    assert link.address(offer) in message.body
    assert message.recipient == entry.patient.email
    assert message.send_at == soon(clinic)
    assert AuditEvent.objects.filter(type="waitlist.offered", patient_id=entry.patient_id).count() == 1
    # Once is enough.
    assert work.run(soon(clinic) + timedelta(minutes=1)) == 0


def test_the_hold_keeps_practitioner_room_and_patient_in_the_database(clinic: Clinic) -> None:
    entry = waits(clinic)
    freed_tuesday(clinic)
    work.run(soon(clinic))
    for values in (
        {"practitioner": clinic.nurse},
        {"room": clinic.other_room},
        {"practitioner": clinic.nurse, "room": clinic.other_room, "patient": entry.patient},
    ):
        with pytest.raises(IntegrityError, match="not_double_booked"), transaction.atomic():
            clinic.appointment(starts_at=clinic.at(10, day=TUESDAY), **values)


def test_a_held_time_is_neither_accepted_nor_moved_behind_the_lists_back(clinic: Clinic) -> None:
    waits(clinic)
    freed_tuesday(clinic)
    work.run(soon(clinic))
    hold = the_offer().hold
    assert hold is not None
    with pytest.raises(booking.BookingError, match="offered from the waiting list"):
        booking.change_status(appointment=hold, to="booked", by=clinic.marta, now=soon(clinic))
    assert hold not in not_confirmed(now(clinic))


def test_accepting_books_with_the_confirmation_of_any_booking(clinic: Clinic) -> None:
    entry = waits(clinic, note="First visit")
    freed_tuesday(clinic)
    work.run(soon(clinic))
    offer = the_offer()
    made = act.accept(offer=offer, by=None, now=soon(clinic) + timedelta(minutes=5))
    entry.refresh_from_db()
    offer.refresh_from_db()
    assert (made.status, made.starts_at, made.note) == ("booked", clinic.at(10, day=TUESDAY), "First visit")
    assert (entry.state, offer.state, offer.appointment) == ("booked", "accepted", made)
    assert Appointment.objects.filter(status="requested").count() == 0
    confirmation = Message.objects.get(appointment=made, kind="confirmation")
    assert "BEGIN:VEVENT" in confirmation.calendar
    # The question has not left yet: it need not any more.
    assert Message.objects.get(kind="offer").state == "withdrawn"
    accepted = AuditEvent.objects.get(type="waitlist.accepted")
    assert (accepted.actor_name, accepted.reason) == ("mesoclinic", "By the patient's link")
    # A double click books once.
    assert act.accept(offer=offer, by=None, now=soon(clinic) + timedelta(minutes=6)) == made


def test_declining_keeps_the_place_in_the_list_and_asks_the_next_never_the_same_again(clinic: Clinic) -> None:
    first = waits(clinic, priority=1)
    second = waits(clinic)
    freed_tuesday(clinic)
    work.run(soon(clinic))
    act.decline(offer=the_offer(), by=None, now=soon(clinic) + timedelta(minutes=1))
    first.refresh_from_db()
    assert first.state == "waiting"
    work.run(soon(clinic) + timedelta(minutes=2))
    assert the_offer().entry == second
    act.decline(offer=the_offer(), by=None, now=soon(clinic) + timedelta(minutes=3))
    assert work.run(soon(clinic) + timedelta(minutes=4)) == 0
    assert FreedTime.objects.get().state == "idle"
    # The same time becomes free once more, of another visit: both were asked about it.
    freed_tuesday(clinic, patient=clinic.patient("Nora", "Auch"))
    assert work.run(soon(clinic) + timedelta(minutes=8)) == 0


def test_an_offer_runs_out_and_the_next_in_rank_is_asked(clinic: Clinic) -> None:
    first, second = waits(clinic, priority=1), waits(clinic)
    freed_tuesday(clinic)
    work.run(soon(clinic))
    offer = the_offer()
    assert offer.entry == first
    work.run(offer.expires_at - timedelta(seconds=1))
    assert the_offer() == offer
    # Ended and offered on in one run.
    assert work.run(offer.expires_at) == 2
    offer.refresh_from_db()
    assert (offer.state, offer.hold) == ("expired", None)
    assert the_offer().entry == second
    with pytest.raises(act.Gone):
        act.accept(offer=offer, by=None, now=offer.expires_at)


def test_the_very_moment_of_expiry_is_too_late_even_before_the_worker_comes(clinic: Clinic) -> None:
    waits(clinic)
    freed_tuesday(clinic)
    work.run(soon(clinic))
    offer = the_offer()
    with pytest.raises(act.Gone):
        act.accept(offer=offer, by=None, now=offer.expires_at)
    act.accept(offer=offer, by=None, now=offer.expires_at - timedelta(microseconds=1))


def test_one_patient_is_asked_about_one_time_and_waits_for_the_other(clinic: Clinic) -> None:
    entry = waits(clinic)
    other = waits(clinic, entry.patient)
    freed_tuesday(clinic)
    freed_tuesday(clinic, patient=clinic.patient("Nora", "Auch"), starts_at=clinic.at(15, day=TUESDAY))
    assert work.run(soon(clinic)) == 1
    offer = the_offer()
    act.decline(offer=offer, by=None, now=soon(clinic) + timedelta(minutes=1))
    assert work.run(soon(clinic) + timedelta(minutes=2)) == 1
    assert {offer.entry.pk, the_offer().entry.pk} <= {entry.pk, other.pk}
    assert the_offer().starts_at != offer.starts_at or the_offer().entry != offer.entry


def test_two_open_offers_of_one_time_or_one_patient_are_refused_by_the_database(clinic: Clinic) -> None:
    waits(clinic)
    freed_tuesday(clinic)
    work.run(soon(clinic))
    offer = the_offer()
    hold = clinic.appointment(starts_at=clinic.at(16), status="requested")
    values = {
        f.attname: getattr(offer, f.attname) for f in Offer._meta.fields if f.name not in {"id", "hold"}
    }
    with (
        pytest.raises(IntegrityError, match=r"freed_time_offered_once|patient_asked_once"),
        transaction.atomic(),
    ):
        Offer.objects.create(**values, hold=hold)
    with pytest.raises(IntegrityError, match="open_offer_is_held"), transaction.atomic():
        Offer.objects.filter(pk=offer.pk).update(hold=None)


def course_of_four(clinic: Clinic) -> list[Appointment]:
    """Lea's course: 7, 21 December and so on at ten; session 1 today."""
    plan = clinic.signed_plan()
    made = []
    for row in plan.planned_sessions.order_by("number"):
        day = MONDAY + timedelta(days=14 * (row.number - 1))
        made.append(
            clinic.appointment(
                planned_session=row, starts_at=clinic.at(12, day=day), status="booked", kind="session",
                room=clinic.other_room,
            )
        )  # fmt: skip
    Appointment.objects.update(booked_at=now(clinic) - timedelta(days=5))
    return made


def session_waits(clinic: Clinic, visit: Appointment, **values: Any) -> WaitlistEntry:
    known = {"kind": "session", "planned": visit.planned_session, "earlier": True, "minutes": 30}
    return waits(clinic, visit.patient, **(known | values))


def test_a_session_takes_an_earlier_time_inside_its_window_and_frees_its_own(clinic: Clinic) -> None:
    _first, second, *_rest = course_of_four(clinic)
    entry = session_waits(clinic, second)
    # 4 December is only four days after session 1: the interval forbids it.
    freed_tuesday(clinic, starts_at=clinic.at(10, day=MONDAY + timedelta(days=4)))
    assert work.run(soon(clinic)) == 0
    freed_tuesday(
        clinic,
        patient=clinic.patient("Nora", "Auch"),
        starts_at=clinic.at(10, day=MONDAY + timedelta(days=9)),
    )
    assert work.run(soon(clinic)) == 1
    old = second.starts_at
    made = act.accept(offer=the_offer(), by=None, now=soon(clinic) + timedelta(minutes=1))
    assert made.pk == second.pk, "the visit moves and keeps its number in the patient's calendar"
    assert made.starts_at == clinic.at(10, day=MONDAY + timedelta(days=9))
    entry.refresh_from_db()
    assert entry.state == "booked"
    freed = FreedTime.objects.get(cause="moved")
    assert (freed.starts_at, freed.practitioner_id, freed.state) == (old, clinic.practitioner.pk, "waiting")
    assert Message.objects.filter(kind="moved", appointment=made).count() == 1


def test_the_window_also_minds_the_session_after(clinic: Clinic) -> None:
    _first, second, _third, _fourth = course_of_four(clinic)
    session_waits(clinic, second)
    # 7 December is a week after session 1, but session 3 on the 28th would be 21 days later: just inside.
    freed_tuesday(clinic, starts_at=clinic.at(10, day=MONDAY + timedelta(days=7)))
    assert work.run(soon(clinic)) == 1
    # A day more between them and it leaves its window.
    act.decline(offer=the_offer(), by=None, now=soon(clinic))
    Appointment.objects.filter(planned_session__number=3).update(
        starts_at=clinic.at(12, day=MONDAY + timedelta(days=29)),
        ends_at=clinic.at(12, 30, day=MONDAY + timedelta(days=29)),
        occupied_from=clinic.at(11, 55, day=MONDAY + timedelta(days=29)),
        occupied_until=clinic.at(12, 40, day=MONDAY + timedelta(days=29)),
    )
    freed_tuesday(
        clinic,
        patient=clinic.patient("Nora", "Auch"),
        starts_at=clinic.at(15, day=MONDAY + timedelta(days=7)),
    )
    assert work.run(soon(clinic)) == 0


def test_what_could_not_be_booked_is_never_offered_and_the_next_one_is_asked(clinic: Clinic) -> None:
    """Lea's other course treats the same face the day after: only the act itself knows that it would be refused."""
    other = clinic.signed_plan(sessions=1)
    clinic.appointment(
        planned_session=other.planned_sessions.get(), kind="session",
        starts_at=clinic.at(12, day=TUESDAY + timedelta(days=1)),
    )  # fmt: skip
    plan = clinic.signed_plan(sessions=1)
    lea = waits(
        clinic,
        clinic.lea,
        kind="session",
        planned=plan.planned_sessions.get(),
        minutes=30,
        earlier=False,
        priority=1,
    )
    after = waits(clinic)
    freed_tuesday(clinic)
    assert work.run(soon(clinic)) == 1
    assert the_offer().entry == after
    lea.refresh_from_db()
    assert lea.state == "waiting"
    assert not Message.objects.filter(patient=clinic.lea, kind__in=["confirmation", "moved"]).exists()


def test_a_chain_of_moves_ends_because_each_takes_one_off_the_list(clinic: Clinic) -> None:
    """Three patients with later and later visits: each moves up, the last old time finds nobody."""
    for number in range(3):
        plan = clinic.signed_plan(clinic.patient(f"Eva{number}", "Kette"), sessions=1)
        visit = clinic.appointment(
            patient=plan.patient, planned_session=plan.planned_sessions.get(), kind="session",
            starts_at=clinic.at(10, day=TUESDAY + timedelta(days=1 + number)),
        )  # fmt: skip
        Appointment.objects.update(booked_at=now(clinic) - timedelta(days=5))
        session_waits(clinic, visit, now=now(clinic) - timedelta(days=3 - number))
    freed_tuesday(clinic)
    moment, rounds = soon(clinic), 0
    while work.run(moment) or FreedTime.objects.filter(state="waiting").exists():
        offer = Offer.objects.filter(state="open").first()
        if offer is not None:
            act.accept(offer=offer, by=None, now=moment)
        moment += GRACE
        rounds += 1
        assert rounds < 20
    starts = list(
        Appointment.objects.filter(status="booked").order_by("starts_at").values_list("starts_at", flat=True)
    )
    assert starts == [clinic.at(10, day=TUESDAY + timedelta(days=n)) for n in range(3)]
    assert not WaitlistEntry.objects.filter(state__in=WaitlistEntry.OPEN).exists()


def test_a_time_that_the_desk_booked_meanwhile_is_offered_to_nobody(clinic: Clinic) -> None:
    waits(clinic)
    freed_tuesday(clinic)
    clinic.appointment(starts_at=clinic.at(10, day=TUESDAY), status="booked")
    # Half an hour later is free, but lies outside the freed time; it was free all along.
    assert work.run(soon(clinic)) == 0


def test_a_longer_visit_takes_the_freed_time_with_what_is_free_beside_it(clinic: Clinic) -> None:
    waits(clinic, minutes=60)
    freed_tuesday(clinic)
    clinic.appointment(starts_at=clinic.at(10, 30, day=TUESDAY), room=clinic.other_room, status="booked")
    assert work.run(soon(clinic)) == 1
    assert the_offer().starts_at == clinic.at(9, 30, day=TUESDAY)


@pytest.mark.parametrize(
    "absence", ["An absence of the practitioner", "A closure of the place"]
)  # fmt: skip
def test_nothing_is_offered_while_nobody_works(clinic: Clinic, absence: str) -> None:
    waits(clinic)
    freed_tuesday(clinic)
    span = {"starts_at": clinic.at(0, day=TUESDAY), "ends_at": clinic.at(23, day=TUESDAY)}
    if "absence" in absence:
        Absence.objects.create(practitioner=clinic.practitioner, **span)
    else:
        Closure.objects.create(location=clinic.location, reason="Works", **span)
    assert work.run(soon(clinic)) == 0


def test_an_absence_taken_back_frees_its_days(clinic: Clinic) -> None:
    Absence.objects.filter().delete()
    absence = away.add_absence(
        practitioner=clinic.practitioner, starts_at=clinic.at(0, day=TUESDAY),
        ends_at=clinic.at(0, day=TUESDAY + timedelta(days=2)), reason="Ill", by=clinic.ortiz, now=now(clinic),
    )  # fmt: skip
    waits(clinic)
    away.change_time(
        row=absence, starts_at=clinic.at(0, day=TUESDAY), ends_at=clinic.at(0, day=TUESDAY + timedelta(days=1)),
        reason="Ill", by=clinic.ortiz, now=now(clinic),
    )  # fmt: skip
    row = FreedTime.objects.get()
    day = TUESDAY + timedelta(days=1)
    assert (row.starts_at, row.ends_at, row.cause) == (
        clinic.at(9, day=day),
        clinic.at(20, day=day),
        "present",
    )
    away.remove(row=absence, by=clinic.ortiz, now=now(clinic))
    assert FreedTime.objects.count() == 2
    assert work.run(soon(clinic)) == 1
    closure = Closure.objects.create(
        location=clinic.location,
        starts_at=clinic.at(0, day=day),
        ends_at=clinic.at(23, day=day),
        reason="Works",
    )
    away.remove(row=closure, by=clinic.ortiz, now=now(clinic))
    assert FreedTime.objects.filter(cause="opened").count() == 2, "of both who work there"


def test_a_no_show_frees_what_is_left_of_its_time(clinic: Clinic) -> None:
    long = clinic.appointment(
        starts_at=clinic.at(8, 45),
        ends_at=clinic.at(10, 45),
        kind="consultation",
        patient=clinic.patient("O", "A"),
    )
    waits(clinic, notice_hours=0)
    booking.change_status(appointment=long, to="no-show", by=clinic.marta, now=now(clinic))
    assert work.run(soon(clinic)) == 1
    # Not before the answer may come: 9:03 and 15 minutes, then the next start.
    assert the_offer().starts_at == clinic.at(9, 30)
    short = clinic.appointment(starts_at=clinic.at(8, 30), patient=clinic.patient("P", "B"), room=clinic.other_room,
                               practitioner=clinic.nurse)  # fmt: skip
    booking.change_status(appointment=short, to="no-show", by=clinic.marta, now=now(clinic))
    assert FreedTime.objects.count() == 1, "what is over is not offered"


def test_a_course_that_ends_leaves_the_list_and_frees_its_visits(clinic: Clinic) -> None:
    _first, second, *_rest = course_of_four(clinic)
    entry = session_waits(clinic, second)
    plan = TreatmentPlan.objects.get()
    act.call_off(plan, "moved away", clinic.amari, now(clinic))
    course.call_off(plan, "moved away", clinic.amari, now(clinic))
    entry.refresh_from_db()
    assert (entry.state, entry.closed_reason) == ("withdrawn", "The course ended: moved away")
    assert FreedTime.objects.count() == 4


def test_a_new_version_of_the_plan_takes_the_place_in_the_list_over(clinic: Clinic) -> None:
    _first, second, third, _fourth = course_of_four(clinic)
    kept, dropped = session_waits(clinic, second), session_waits(clinic, third)
    old = TreatmentPlan.objects.get()
    new = clinic.signed_plan(sessions=2)
    act.follow_version(old, new, clinic.amari, now(clinic))
    kept.refresh_from_db()
    dropped.refresh_from_db()
    assert kept.planned_session == new.planned_sessions.get(number=2)
    assert (kept.state, dropped.state) == ("waiting", "withdrawn")


def test_entries_leave_the_list_when_their_days_are_over_or_the_desk_booked(clinic: Clinic) -> None:
    past = waits(clinic, day_until=MONDAY)
    plan = clinic.signed_plan(sessions=1)
    session = waits(
        clinic, clinic.lea, kind="session", planned=plan.planned_sessions.get(), earlier=False, minutes=30
    )
    work.close_entries(clinic.at(23, 59))
    past.refresh_from_db()
    assert past.state == "waiting", "its last day is not over yet"
    work.close_entries(clinic.at(0, 1, day=TUESDAY))
    past.refresh_from_db()
    assert (past.state, past.closed_reason) == ("expired", "Its last day has passed.")
    clinic.appointment(planned_session=plan.planned_sessions.get(), starts_at=clinic.at(10, day=TUESDAY))
    Appointment.objects.update(booked_at=clinic.at(9))
    work.close_entries(clinic.at(0, 2, day=TUESDAY))
    session.refresh_from_db()
    assert (session.state, session.closed_reason) == ("booked", "Booked otherwise.")


def test_somebody_who_comes_on_the_list_later_gets_the_time_that_nobody_wanted(clinic: Clinic) -> None:
    freed_tuesday(clinic)
    assert work.run(soon(clinic)) == 0
    entry = waits(clinic, now=soon(clinic) + timedelta(hours=1))
    assert work.run(soon(clinic) + timedelta(hours=1)) == 1
    assert the_offer().entry == entry


def test_other_wishes_wake_the_free_times_too(clinic: Clinic) -> None:
    entry = waits(clinic, weekdays=[5], wish="friday")
    freed_tuesday(clinic)
    assert work.run(soon(clinic)) == 0
    act.change(
        entry=entry,
        locations=[clinic.location],
        by=clinic.marta,
        now=soon(clinic),
        version=1,
        weekdays=[],
        wish="",
    )
    assert work.run(soon(clinic)) == 1
    changed = AuditEvent.objects.get(type="waitlist.changed")
    assert changed.new == {"weekdays": [], "wish": ""}
    with pytest.raises(act.WaitlistError, match="Somebody else changed"):
        act.change(entry=entry, locations=[], by=clinic.marta, now=soon(clinic), version=1, priority=1)


def test_a_patient_without_messages_is_called_by_the_desk(clinic: Clinic) -> None:
    waits(clinic, clinic.patient("Cati", "Anruf", channel="phone"))
    freed_tuesday(clinic)
    work.run(soon(clinic))
    assert the_offer().by_phone
    assert not Message.objects.filter(kind="offer").exists()


def test_nobody_is_asked_at_night_and_the_hold_stands_still(clinic: Clinic) -> None:
    waits(clinic)
    freed_tuesday(clinic, starts_at=clinic.at(15, day=TUESDAY))
    late = clinic.at(21, 30)
    assert work.run(late) == 0
    assert FreedTime.objects.get().due_at == clinic.at(8, day=TUESDAY)
    assert work.run(clinic.at(7, 59, day=TUESDAY)) == 0
    assert work.run(clinic.at(8, day=TUESDAY)) == 1
    assert the_offer().expires_at == clinic.at(8, 15, day=TUESDAY)


def test_an_offer_of_the_evening_runs_out_in_the_morning_also_when_the_clock_changes(clinic: Clinic) -> None:
    saturday = date(2027, 3, 27)
    for person in (clinic.practitioner, clinic.nurse):
        WorkingHours.objects.create(
            practitioner=person, location=clinic.location, weekday=7, starts=time(9), ends=time(20)
        )
    waits(clinic)
    visit = clinic.appointment(
        patient=clinic.patient("Olga", "Absagt"), starts_at=clinic.at(12, day=saturday + timedelta(days=1))
    )
    cancel(clinic, visit, clinic.at(20, 47, day=saturday))
    assert work.run(clinic.at(20, 50, day=saturday)) == 1
    offer = the_offer()
    assert offer.expires_at.astimezone(MADRID) == datetime(2027, 3, 28, 8, 5, tzinfo=MADRID)
    assert work.run(datetime(2027, 3, 28, 8, 4, tzinfo=MADRID)) == 0
    act.accept(offer=offer, by=None, now=datetime(2027, 3, 28, 8, 4, tzinfo=MADRID))
    made = Appointment.objects.get(status="booked")
    assert made.starts_at.astimezone(MADRID).hour == 12


def test_a_session_is_taken_at_another_place_and_leaves_its_own(clinic: Clinic) -> None:
    palma = Location.objects.create(
        name="mesoclinic Palma", short_name="Palma", time_zone="Europe/Madrid", address="x", phone="1"
    )
    room = clinic.room.__class__.objects.create(location=palma, name="Room 9", capabilities=["injection"])
    doctor = clinic.practise(clinic.user("palma", "Dr. Pau Palma", "physician"))
    doctor.hours.update(location=palma)
    plan = clinic.signed_plan(sessions=1)
    visit = clinic.appointment(
        planned_session=plan.planned_sessions.get(), starts_at=clinic.at(12, day=TUESDAY + timedelta(days=6)),
        kind="session",
    )  # fmt: skip
    Appointment.objects.update(booked_at=now(clinic) - timedelta(days=5))
    session_waits(clinic, visit, locations=[clinic.location, palma])
    cancel(
        clinic,
        clinic.appointment(
            patient=clinic.patient("Olga", "Absagt"), location=palma, room=room, practitioner=doctor,
            starts_at=clinic.at(10, day=TUESDAY),
        ),
    )  # fmt: skip
    assert work.run(soon(clinic)) == 1
    made = act.accept(offer=the_offer(), by=None, now=soon(clinic))
    visit.refresh_from_db()
    assert (made.location, visit.status) == (palma, "cancelled")


def test_a_freed_time_costs_the_same_queries_however_many_wait(clinic: Clinic) -> None:
    def cost() -> int:
        freed_tuesday(clinic)
        with CaptureQueriesContext(connection) as queries:
            work.offer_freed(soon(clinic))
        return len(queries)

    for number in range(2):
        waits(clinic, weekdays=[5], day_until=MONDAY + timedelta(days=20 + number))
    before = cost()
    for number in range(8):
        waits(clinic, weekdays=[5], day_until=MONDAY + timedelta(days=20 + number))
    FreedTime.objects.update(state="closed")
    assert cost() == before


# ---- undo --------------------------------------------------------------------------------------------------


def test_a_cancellation_is_taken_back_while_nobody_was_told(clinic: Clinic) -> None:
    plan = clinic.signed_plan(sessions=1)
    visit = clinic.appointment(
        planned_session=plan.planned_sessions.get(), starts_at=clinic.at(10, day=TUESDAY + timedelta(days=1))
    )
    waits(clinic)
    cancelled = cancel(clinic, visit)
    back = restore(appointment=cancelled, by=clinic.marta, now=now(clinic) + timedelta(minutes=2), version=2)
    assert (back.status, back.reason, back.starts_at) == ("booked", "", visit.starts_at)
    assert Message.objects.get(kind="cancelled").state == "withdrawn"
    assert Message.objects.filter(kind="reminder", state="due").count() == 1
    assert not Message.objects.filter(kind="moved").exists()
    assert work.run(soon(clinic)) == 0, "its time is not free any more"


def test_a_cancellation_that_the_patient_knows_of_stays(clinic: Clinic) -> None:
    visit = clinic.appointment(starts_at=clinic.at(10, day=TUESDAY))
    cancelled = cancel(clinic, visit)
    Message.objects.filter(kind="cancelled").update(state="sent")
    with pytest.raises(booking.BookingError, match="told already"):
        restore(appointment=cancelled, by=clinic.marta, now=now(clinic))


def test_a_cancellation_is_not_taken_back_into_somebody_elses_time(clinic: Clinic) -> None:
    cancelled = cancel(clinic, clinic.appointment(starts_at=clinic.at(10, day=TUESDAY)))
    clinic.appointment(starts_at=clinic.at(10, day=TUESDAY), patient=clinic.patient("Otto", "Schneller"))
    with pytest.raises(booking.TimeTaken, match="taken meanwhile"):
        restore(appointment=cancelled, by=clinic.marta, now=now(clinic))
    Absence.objects.create(
        practitioner=clinic.practitioner,
        starts_at=clinic.at(8, day=TUESDAY),
        ends_at=clinic.at(21, day=TUESDAY),
    )
    other = cancel(
        clinic, clinic.appointment(starts_at=clinic.at(16, day=TUESDAY), patient=clinic.patient("O", "B"))
    )
    with pytest.raises(booking.BookingError, match="does not work"):
        restore(appointment=other, by=clinic.marta, now=now(clinic))


# ---- pages -------------------------------------------------------------------------------------------------


@pytest.fixture
def nine(clinic: Clinic) -> Any:
    with time_machine.travel(now(clinic), tick=False) as clock:
        yield clock


@pytest.fixture
def desk(clinic: Clinic, nine: Any) -> Client:
    client = Client()
    client.force_login(clinic.marta)
    return client


def in_words(response: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def test_the_desk_puts_a_patient_on_the_list_with_a_wish_in_words(
    clinic: Clinic, desk: Client, nine: Any
) -> None:
    plan = clinic.signed_plan()
    assert (
        f"/waiting-list/new/?patient={clinic.lea.pk}"
        in desk.get(f"/patients/{clinic.lea.pk}/").content.decode()
    )
    course_page = desk.get(f"/plans/{plan.pk}/book/").content.decode()
    assert f"planned={plan.planned_sessions.get(number=1).pk}" in course_page
    page = desk.get(f"/waiting-list/new/?patient={clinic.lea.pk}")
    assert "Session 1, pigment" in in_words(page)
    session = plan.planned_sessions.get(number=1)
    sent = {
        "patient": clinic.lea.pk, "what": session.pk, "minutes": 30, "earlier": "0", "locations": [clinic.location.pk],
        "practitioner": clinic.practitioner.pk, "wish": "tue thu after 17", "day_from": "", "day_until": "20 Dec 2026",
        "notice_hours": 4, "priority": 2, "note": "by phone",
    }  # fmt: skip
    assert desk.post("/waiting-list/new/", sent).status_code == 302
    entry = WaitlistEntry.objects.get()
    assert (entry.weekdays, entry.time_from, entry.day_until) == ([2, 4], time(17), date(2026, 12, 20))
    assert (entry.planned_session, entry.priority, entry.notice_hours) == (session, 2, 4)
    assert entry.practitioner == clinic.practitioner
    listed = in_words(desk.get("/waiting-list/"))
    assert "Lea Brandt" in listed
    assert "tue thu after 17" in listed
    # The same session a second time is no longer offered; sent all the same it is refused beside the form.
    assert desk.post("/waiting-list/new/", sent).status_code == 422


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("wish", "tue maybe", "Not understood: maybe"),
        ("day_until", "1 Nov 2026", "This day is past"),
        ("locations", [], "Choose at least one place"),
        ("earlier", "1", "Nothing is booked that a time could be earlier than"),
        ("what", "9999", "Choose one of the list"),
        ("notice_hours", "x", "Choose one of the list"),
        ("day_from", "31 Feb 2026", "Enter a day"),
    ],
)
def test_bad_wishes_are_told_beside_the_field_and_nothing_is_saved(
    clinic: Clinic, desk: Client, nine: Any, field: str, value: Any, said: str
) -> None:
    sent = {
        "patient": clinic.lea.pk, "what": "consultation", "minutes": 30, "earlier": "0",
        "locations": [clinic.location.pk], "practitioner": "", "wish": "", "day_from": "", "day_until": "",
        "notice_hours": 4, "priority": 3, "note": "kept as typed",
    } | {field: value}  # fmt: skip
    response = desk.post("/waiting-list/new/", sent)
    assert response.status_code == 422
    assert said in response.content.decode()
    assert "kept as typed" in response.content.decode()
    assert not WaitlistEntry.objects.exists()


def test_the_list_is_searched_filtered_paged_and_says_when_it_is_empty(
    clinic: Clinic, desk: Client, nine: Any
) -> None:
    assert "Nobody waits for a time." in in_words(desk.get("/waiting-list/"))
    urgent = waits(clinic, clinic.patient("Ursula", "Dringend"), priority=1)
    for number in range(26):
        waits(clinic, clinic.patient(f"Nr{number}", "Normal"))
    first = in_words(desk.get("/waiting-list/"))
    assert first.index("Ursula Dringend") < first.index("Nr0 Normal")
    assert "1 to 25 of 27" in first
    assert "Nr25 Normal" in in_words(desk.get("/waiting-list/?page=2"))
    assert "Nr1 Normal" not in in_words(desk.get("/waiting-list/?priority=1"))
    assert "Nobody on the list fits this search." in in_words(desk.get("/waiting-list/?q=nobody"))
    assert "No entry has been closed yet." in in_words(desk.get("/waiting-list/?state=closed"))
    desk.post(f"/waiting-list/{urgent.pk}/withdraw/", {"version": 1, "reason": "moved away"})
    assert "moved away" in in_words(desk.get("/waiting-list/?state=closed"))
    for page in ("x", "999", "-1"):
        assert desk.get(f"/waiting-list/?page={page}&priority={page}&where={page}").status_code == 200


def test_the_desk_sees_who_is_asked_and_answers_passes_on_or_takes_back(
    clinic: Clinic, desk: Client, nine: Any
) -> None:
    first, second, third = (waits(clinic) for _n in range(3))
    freed_tuesday(clinic)
    work.run(soon(clinic))
    nine.move_to(soon(clinic) + timedelta(minutes=1))
    assert "Being asked" in in_words(desk.get("/waiting-list/"))
    offer = the_offer()
    desk.post(f"/offers/{offer.pk}/answer/", {"act": "pass"})
    work.run(timezone.now())
    assert the_offer().entry == second
    desk.post(f"/offers/{the_offer().pk}/answer/", {"act": "decline"})
    work.run(timezone.now())
    last = the_offer()
    assert last.entry == third
    desk.post(f"/offers/{last.pk}/answer/", {"act": "end"})
    assert work.run(timezone.now()) == 0
    assert FreedTime.objects.get().closed_reason == "Kept by the front desk"
    # Too late is told, not done.
    assert "This time is gone." in in_words(
        desk.post(f"/offers/{last.pk}/answer/", {"act": "accept"}, follow=True)
    )
    assert desk.post(f"/offers/{last.pk}/answer/", {"act": "dance"}).status_code == 404
    assert WaitlistEntry.objects.filter(state="waiting").count() == 3
    assert set(Offer.objects.values_list("state", flat=True)) == {"passed-on", "declined", "ended"}
    assert first.offers.get().answered_by == clinic.marta


def test_withdrawing_somebody_who_is_asked_lets_go_of_the_time(clinic: Clinic) -> None:
    entry, other = waits(clinic, priority=1), waits(clinic)
    freed_tuesday(clinic)
    work.run(soon(clinic))
    act.withdraw(entry=entry, by=clinic.marta, now=soon(clinic))
    entry.refresh_from_db()
    assert entry.state == "withdrawn"
    assert work.run(soon(clinic)) == 1
    assert the_offer().entry == other


def test_hidden_names_are_hidden_on_the_list(clinic: Clinic, desk: Client, nine: Any) -> None:
    waits(clinic, clinic.patient("Ursula", "Dringend"))
    freed_tuesday(clinic)
    work.run(soon(clinic))
    desk.post("/hide-names/", {"next": "/"})
    for path in ("/waiting-list/", f"/waiting-list/{WaitlistEntry.objects.get().pk}/", "/missed/"):
        text = desk.get(path).content.decode()
        assert "Dringend" not in text, path
        assert "Absagt" not in text, path


def test_the_count_in_the_calendars_bar_has_an_age(clinic: Clinic) -> None:
    assert waiting_count(clinic.location, now(clinic)).count == 0
    waits(clinic, now=now(clinic) - timedelta(days=8))
    waits(clinic)
    found = waiting_count(clinic.location, now(clinic))
    assert (found.count, found.days, found.level) == (2, 8, "warn")
    waits(clinic, now=now(clinic) - timedelta(days=21))
    assert waiting_count(clinic.location, now(clinic)).level == "block"


@pytest.mark.parametrize("path", ["/waiting-list/", "/missed/", "/waiting-room/"])
def test_the_lists_cost_the_same_however_long(clinic: Clinic, desk: Client, nine: Any, path: str) -> None:
    def more(number: int) -> None:
        for n in range(number):
            patient = clinic.patient(f"Eva{n}{number}", "Zahl")
            plan = clinic.signed_plan(patient, sessions=2)
            waits(clinic, patient, kind="session", planned=plan.planned_sessions.get(number=1), minutes=30)
            cancel(clinic, clinic.appointment(patient=patient, starts_at=clinic.at(10, day=TUESDAY)))
            clinic.appointment(
                patient=patient, starts_at=clinic.at(9, 30) + timedelta(minutes=45 * (n + 2 * number)),
                planned_session=plan.planned_sessions.get(number=1), status="arrived", arrived_at=now(clinic),
                kind="session",
            )  # fmt: skip

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert desk.get(path).status_code == 200
        return len(queries)

    more(1)
    cost()
    before = cost()
    more(3)
    assert cost() == before


# ---- the patient's page ------------------------------------------------------------------------------------


@pytest.fixture
def offered(clinic: Clinic, nine: Any) -> Offer:
    """Ursula is asked, a minute ago."""
    waits(clinic, clinic.patient("Ursula", "Dringend", language="de"))
    freed_tuesday(clinic)
    work.run(soon(clinic))
    nine.move_to(soon(clinic) + timedelta(minutes=1))
    return the_offer()


def path_of(offer: Offer) -> str:
    return f"/t/{link.token(offer)}/"


def test_the_patient_accepts_by_link_without_signing_in(offered: Offer) -> None:
    patient = Client(enforce_csrf_checks=True)
    page = patient.get(path_of(offered))
    assert page.status_code == 200
    assert "Dienstag, 1. Dezember 2026, 10:00" in in_words(page)
    assert page["Cache-Control"].startswith("max-age=0")
    assert page["Referrer-Policy"] == "no-referrer"
    assert "script" not in page.content.decode()
    assert patient.post(path_of(offered), {"answer": "accept"}).status_code == 302
    assert "Der Termin gehört Ihnen" in in_words(patient.get(path_of(offered)))
    assert Appointment.objects.get(status="booked").patient == offered.patient


def test_looking_at_the_page_changes_nothing_and_shows_nothing_personal(offered: Offer) -> None:
    before = list(Offer.objects.values()), list(Appointment.objects.values())
    for method in ("get", "head"):
        text = getattr(Client(), method)(path_of(offered)).content.decode()
        for personal in (
            "Ursula",
            "Dringend",
            offered.patient.email,
            offered.patient.record_number,
            "Consult",
        ):
            assert personal not in text
    assert (list(Offer.objects.values()), list(Appointment.objects.values())) == before


@pytest.mark.parametrize("language", ["en", "es", "de", "fr", "ar", "xx"])
def test_message_and_page_speak_the_patients_language(clinic: Clinic, nine: Any, language: str) -> None:
    waits(clinic, clinic.patient("Ursula", "Dringend", language=language))
    freed_tuesday(clinic)
    work.run(soon(clinic))
    text = Client().get(path_of(the_offer())).content.decode()
    wanted = {"es": "Acepto", "de": "annehmen", "fr": "Je prends", "ar": "أقبل"}.get(
        language, "Take this time"
    )
    assert wanted in text
    assert f'lang="{language if language != "xx" else "en"}"' in text
    assert ('dir="rtl"' in text) is (language == "ar")
    assert "{" not in Message.objects.get(kind="offer").body


def test_a_late_click_says_that_the_time_is_gone_and_that_the_place_is_kept(
    offered: Offer, nine: Any
) -> None:
    nine.move_to(offered.expires_at)
    patient = Client()
    assert "Dieser Termin ist vergeben" in in_words(patient.get(path_of(offered)))
    late = patient.post(path_of(offered), {"answer": "accept"})
    assert late.status_code == 409
    assert "Sie bleiben auf der Warteliste" in in_words(late)
    work.expire_offers(timezone.now())
    assert WaitlistEntry.objects.get().state == "waiting"
    assert patient.post(path_of(offered), {"answer": "decline"}).status_code == 409


def test_declining_by_link_keeps_the_place(offered: Offer) -> None:
    patient = Client()
    patient.post(path_of(offered), {"answer": "decline"})
    assert "Sie bleiben auf der Warteliste" in in_words(patient.get(path_of(offered)))
    assert patient.post(path_of(offered), {"answer": "accept"}).status_code == 409
    assert not Appointment.objects.filter(status="booked").exists()


def test_tampered_revoked_and_old_links_show_nothing(clinic: Clinic, offered: Offer, nine: Any) -> None:
    token = link.token(offered)
    signature, number = token[:16], token[16:]
    other_purpose = token_for("visit", offered.pk, offered.link_key)
    bad = [
        f"{signature[:-1]}{'A' if signature[-1] != 'A' else 'B'}{number}", f"{signature}1{number}", number, ".",
        signature, "zzzzzzzzzzzzzzzzzzzzx", "äö", f"{signature}{number}x", f"{signature}-1", f"{signature}0{number}",
        f"{signature}{'z' * 10}", other_purpose,
    ]  # fmt: skip
    for text in bad:
        for method in ("get", "post"):
            response = getattr(Client(), method)(f"/t/{text}/", {"answer": "accept"})
            assert response.status_code == 404, text
            assert clinic.location.phone not in response.content.decode()
    assert Client().post(f"/t/{token}/", {"answer": "perhaps"}).status_code == 400
    Offer.objects.update(link_key="another")
    assert Client().get(f"/t/{token}/").status_code == 404
    Offer.objects.update(link_key=offered.link_key)
    nine.move_to(offered.starts_at + timedelta(days=2, seconds=1))
    assert Client().get(f"/t/{token}/").status_code == 404
    assert not Appointment.objects.filter(status="booked").exists()


def test_a_link_that_is_asked_for_all_the_time_is_refused_for_a_while(offered: Offer) -> None:
    answers = {Client().get(path_of(offered)).status_code for _request in range(PER_LINK)}
    assert answers == {200}
    assert Client().get(path_of(offered)).status_code == 429


def test_what_became_impossible_meanwhile_is_told_and_the_time_let_go(clinic: Clinic, offered: Offer) -> None:
    Absence.objects.create(
        practitioner=clinic.practitioner,
        starts_at=clinic.at(8, day=TUESDAY),
        ends_at=clinic.at(21, day=TUESDAY),
    )
    assert Client().post(path_of(offered), {"answer": "accept"}).status_code == 409
    offered.refresh_from_db()
    assert (offered.state, offered.hold) == ("gone", None)
    assert WaitlistEntry.objects.get().state == "waiting"
    assert PlannedSession.objects.count() == 0


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("QUIET_HOURS", "21-8", "sessions.E001"),
        ("QUIET_HOURS", "", ""),
        ("WAITLIST_HOLD_MINUTES", 0, "sessions.E002"),
    ],
)
def test_settings_that_can_not_be_meant_are_told_at_the_start(
    settings: Any, name: str, value: Any, found: str
) -> None:
    setattr(settings, name, value)
    assert [message.id for message in settings_of_the_waitlist()] == ([found] if found else [])
