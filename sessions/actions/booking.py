"""Writes of booking: a whole course, a single visit, moves, states. Resources are locked first, in one order.

Exclusion constraints are the guarantee; the locks keep losers from waiting for each other (measured: without them
contending courses deadlock). Patient, practitioner, room, device: by table, then by key, always.
"""

import uuid
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from django.db import IntegrityError, transaction

from mesoclinic.accounts.models import User
from mesoclinic.audit.actions import event
from mesoclinic.audit.actions import record as audit
from mesoclinic.statements import Beside, insert
from patients.models import Patient
from protocols.models import PlannedSession, TreatmentPlan
from protocols.queries_watch import ON_HOLD, open_blocks
from sessions.actions.checks import (
    TAKEN,
    Actor,
    BookingError,
    TimeTaken,
    as_taken,
    asked_for,
    check_apart,
    check_fit,
    check_fit_at,
    check_free,
    check_windows,
    day_of_slot,
    lock_resources,
    near_sessions,
    near_to,
    new_visit,
    places_of,
    put,
)
from sessions.freed import freed, freed_visit
from sessions.models import Appointment, AppointmentType, CourseBooking, Location, Needs, Offer, Stay
from sessions.models.types import CONSULTATION
from sessions.queries.booking import slot_of, visit_of
from sessions.queries.standing import StandingSession, to_book
from sessions.queries.types import visit_for
from sessions.reminders import schedule
from sessions.scheduling import Slot


def _booked_with(known: CourseBooking, plan: TreatmentPlan, slots: Sequence[Slot]) -> CourseBooking:
    """What a key has booked already, when it is what is asked for now: a second click, a retry, a page gone back to."""
    if known.plan_id != plan.pk:
        raise BookingError("This booking belongs to another plan. Search again.")
    made = list(known.appointments.all())
    if all(row.status in Appointment.FREED for row in made):
        raise BookingError("What was booked from this page was cancelled since. Choose again.")
    wanted = {slot.visit: slot.start for slot in slots}
    # A visit that was moved since says nothing about what the first click asked for.
    asked = {row.planned_session_id: row.starts_at for row in made if row.version == 1}
    if {row.planned_session_id for row in made} != set(wanted) or any(
        wanted[key or 0] != start for key, start in asked.items()
    ):
        raise BookingError("This course is booked already, at other times than these.")
    return known


def book_course(
    *, plan: TreatmentPlan, location: Location, slots: Sequence[Slot], key: uuid.UUID, by: User, now: datetime,
    elsewhere: Sequence[Location] = (),
) -> CourseBooking:  # fmt: skip
    """Book a whole course, all or nothing. The same key books once, however often it is sent.

    Every session lies at the location of its slot: `location`, or one that is `elsewhere`.
    Raises TimeTaken when somebody was faster, BookingError when hours, windows or the plan forbid it.
    """
    if not slots:
        raise BookingError("There is nothing to book.")
    places = places_of(slots, location, elsewhere)
    try:
        with transaction.atomic():
            return _book_course(plan, places, slots, key, by, now)
    except IntegrityError as error:
        taken = as_taken(error)
        # Who or what is in the way has a name, unless it was freed again meanwhile.
        check_free(slots, plan.patient_id)
        raise taken from error


def _book_course(
    plan: TreatmentPlan, places: Sequence[Location], slots: Sequence[Slot], key: uuid.UUID, by: User, now: datetime
) -> CourseBooking:  # fmt: skip
    held = lock_resources(
        patients=[plan.patient_id],
        practitioners=[slot.practitioner for slot in slots],
        rooms=[room for slot in slots for room in (slot.room, slot.prep_room)],
        devices=[slot.device for slot in slots],
    )
    # After the lock: a double click waits here, then finds what the first one made.
    days = [day_of_slot(slot, place) for slot, place in zip(slots, places, strict=True)]
    read = to_book(plan, [slot.visit for slot in slots], key, *near_to(days), asked_for(slots, places))
    current, planned = read.plan, read.sessions
    if read.known is not None:
        return _booked_with(CourseBooking.objects.get(pk=read.known), current, slots)
    if current.status not in TreatmentPlan.LIVE:
        raise BookingError("This plan is not signed, or no longer followed.")
    if read.on_hold:
        raise BookingError(f"{ON_HOLD}.")
    if len(planned) != len(slots):
        raise BookingError("These sessions are not in the plan. Search again.")
    ordered = [planned[slot.visit] for slot in slots]
    _check_times(ordered, slots, now)
    if any(row.session in planned for row in read.near):
        raise TimeTaken(TAKEN["planned_session_booked_once"])
    check_windows(ordered, days, _before(ordered[0], read.near))
    check_apart(list(zip(ordered, days, strict=True)), read.near)
    wanted = [(slot, visit_of(row)) for row, slot in zip(ordered, slots, strict=True)]
    check_fit_at(wanted, places, held, read.people)
    booking = CourseBooking(pk=read.booking, plan=current, key=key, booked_by=by)
    # That the time is free, the constraints say. The clock of the database writes the booking time: the calendar file
    # carries it.
    made = insert(
        [
            new_visit(slot, current.patient, place, by, planned=row, booking_id=booking.pk)
            for row, slot, place in zip(ordered, slots, places, strict=True)
        ]
    )
    act = event(
        type="course.booked", target=booking, by=by, patient_id=current.patient_id,
        new={"appointments": [row.pk for row in made], "first": made[0].starts_at.isoformat()},
    )  # fmt: skip
    told = schedule.of_booking(made, now, booking)
    insert([booking], beside=[Beside(told, ignore_conflicts=True), Beside([act])])
    return booking


def _check_times(planned: Sequence[PlannedSession], slots: Sequence[Slot], now: datetime) -> None:
    for row, slot in zip(planned, slots, strict=True):
        if slot.start < now:
            raise BookingError("A time lies in the past. Search again.")
        if slot.end - slot.start != timedelta(minutes=row.duration_min):
            raise BookingError("The length of a session changed. Search again.")


def _before(first: PlannedSession, near: Sequence[StandingSession]) -> date | None:
    """The day of the last standing session before this one in its course."""
    earlier = [
        row.day for row in near
        if (row.series, row.course) == (first.plan.root_pk, first.course) and row.number < first.number
    ]  # fmt: skip
    return max(earlier, default=None)


@transaction.atomic
def book_single(
    *, patient: Patient, location: Location, slot: Slot, kind: str, by: Actor, now: datetime, note: str = "",
    needs: Needs = CONSULTATION, planned: PlannedSession | None = None, type: AppointmentType | None = None,
) -> Appointment:  # fmt: skip
    """Book one visit, such as a consultation; what a `type` asks for counts. Raises TimeTaken, BookingError."""
    if type is not None and not type.active:
        raise BookingError(f"{type} is no longer offered. Choose another type of visit.")
    held = lock_resources(
        patients=[patient.pk], practitioners=[slot.practitioner], rooms=[slot.room, slot.prep_room],
        devices=[slot.device],
    )  # fmt: skip
    if slot.start < now:
        raise BookingError("This time is past.")
    asked = type.needs if type is not None else needs
    visit = visit_of(planned) if planned is not None else visit_for(asked, slot.minutes)
    check_fit([(slot, visit)], location, held)
    check_free([slot], patient.pk)
    if planned is not None:
        if open_blocks([planned.plan_id]):
            raise BookingError(f"{ON_HOLD}.")
        day = day_of_slot(slot, location)
        check_apart([(planned, day)], near_sessions(patient.pk, [day]))
    made = new_visit(
        slot, patient, location, by, kind=type.kind if type is not None else kind, note=note,
        planned=planned, type_id=type.pk if type is not None else None,
    )  # fmt: skip
    try:
        with transaction.atomic():
            made.save(force_insert=True)
    except IntegrityError as error:
        raise as_taken(error) from error
    schedule.booked([made], now)
    audit(
        type="appointment.booked", target=made, by=by, patient_id=patient.pk,
        new={"starts_at": made.starts_at.isoformat()},
    )  # fmt: skip
    return made


def current_visit(appointment: Appointment, version: int | None) -> Appointment:
    """The visit as it is now, locked. Raises BookingError when somebody changed it since `version`, or it is an offer."""
    current = (
        Appointment.objects.select_for_update(of=("self",))
        .select_related("patient", "location", "planned_session", "type")
        .get(pk=appointment.pk)
    )
    if version is not None and current.version != version:
        raise BookingError("Somebody else changed this visit meanwhile. Look at it as it is now.")
    held = current.status == Appointment.Status.REQUESTED
    if held and Offer.objects.filter(hold=current, state=Offer.State.OPEN).exists():
        raise BookingError("This time is offered from the waiting list. Answer or end the offer there.")
    return current


@transaction.atomic
def move(
    *,
    appointment: Appointment,
    slot: Slot,
    by: Actor,
    now: datetime,
    version: int | None = None,
    reason: str = "",
) -> Appointment:
    """Put a visit on another time, room or practitioner; its messages follow in the same transaction.

    A visit outside its window is moved all the same when a person says so: the page tells before. Too soon after the
    one before is refused: the interval is a safety limit (R57).
    """
    held = lock_resources(
        patients=[appointment.patient_id],
        practitioners=[appointment.practitioner_id, slot.practitioner],
        rooms=[appointment.room_id, slot.room, appointment.prep_room_id, slot.prep_room],
        devices=[appointment.device_id, slot.device],
    )
    current = current_visit(appointment, version)
    if current.status not in {
        Appointment.Status.REQUESTED, Appointment.Status.BOOKED, Appointment.Status.CONFIRMED,
    }:  # fmt: skip
        raise BookingError("Only a coming visit can be moved.")
    if slot.start < now:
        raise BookingError("This time is past. Choose a later one.")
    planned = current.planned_session
    visit = visit_of(planned) if planned is not None else visit_for(current.needs, slot.minutes)
    check_fit([(slot, visit)], current.location, held)
    check_free([slot], current.patient_id, leave_out=current.pk)
    if planned is not None:
        day = day_of_slot(slot, current.location)
        check_apart([(planned, day)], near_sessions(current.patient_id, [day], [current.pk]))
    old, old_end, old_practitioner = current.starts_at, current.ends_at, current.practitioner_id
    before = {"starts_at": old.isoformat(), "room": current.room_id, "practitioner": current.practitioner_id}
    put(current, slot)
    current.version += 1
    if slot.start != old:
        # A confirmation was for the old time.
        current.status = Appointment.Status.BOOKED
    try:
        with transaction.atomic():
            current.save()
    except IntegrityError as error:
        raise as_taken(error) from error
    if slot.start != old:
        schedule.moved(current, old, now)
    if (slot.start, slot.practitioner) != (old, old_practitioner):
        freed(
            location_id=current.location_id, practitioner_id=old_practitioner, starts_at=old, ends_at=old_end,
            cause="moved", now=now, appointment=current,
        )  # fmt: skip
    audit(
        type="appointment.moved", target=current, by=by, patient_id=current.patient_id, old=before,
        new={"starts_at": current.starts_at.isoformat(), "room": slot.room, "practitioner": slot.practitioner},
        reason=reason,
    )  # fmt: skip
    return current


@transaction.atomic
def change_status(
    *,
    appointment: Appointment,
    to: str,
    by: Actor,
    now: datetime,
    version: int | None = None,
    reason: str = "",
) -> Appointment:
    """Take a visit to its next state, or back. A cancellation needs a reason; its messages follow at once."""
    if appointment.status in Appointment.FREED and to not in Appointment.FREED:
        # It takes its time again: whoever books that time just now waits in the same queue.
        lock_resources(
            patients=[appointment.patient_id], practitioners=[appointment.practitioner_id], rooms=[appointment.room_id],
            devices=[appointment.device_id],
        )  # fmt: skip
    current = current_visit(appointment, version)
    old = current.status
    if to == old:
        return current
    if to not in Appointment.ALLOWED.get(old, frozenset()):
        raise BookingError(f"A visit that is {current.get_status_display().lower()} can't become that.")
    if to == Appointment.Status.CANCELLED and len(reason.strip()) < 3:
        raise BookingError("Say why it is cancelled.")
    if to == Appointment.Status.NO_SHOW and current.starts_at > now:
        raise BookingError("The visit is still to come.")
    if to == Appointment.Status.ARRIVED:
        if (
            current.starts_at.astimezone(current.location.zone).date()
            != now.astimezone(current.location.zone).date()
        ):
            raise BookingError("Patients are checked in on the day of the visit.")
        current.arrived_at = now
    if old == Appointment.Status.ARRIVED and to != Appointment.Status.IN_TREATMENT:
        current.arrived_at = None if to != Appointment.Status.DONE else current.arrived_at
    if old == Appointment.Status.ARRIVED and to not in {
        Appointment.Status.IN_TREATMENT,
        Appointment.Status.DONE,
    }:
        # Not here after all: nor is the cream on.
        Stay.objects.filter(appointment=current).delete()
    back = to in {Appointment.Status.CONFIRMED, Appointment.Status.CANCELLED}
    if back and old == Appointment.Status.ARRIVED and current.records.exists():
        raise BookingError("A treatment is recorded for this visit: it can't be taken back.")
    if old in Appointment.FREED:
        check_free([slot_of(current)], current.patient_id, leave_out=current.pk)
    current.status, current.reason = to, reason.strip()[:300]
    current.version += 1
    try:
        with transaction.atomic():
            current.save()
    except IntegrityError as error:
        raise as_taken(error) from error
    if to == Appointment.Status.CANCELLED:
        schedule.cancelled(current, now)
    elif to == Appointment.Status.NO_SHOW:
        schedule.missed(current)
    elif to == Appointment.Status.CONFIRMED:
        schedule.confirmed(current, now)
    elif to == Appointment.Status.BOOKED:
        schedule.unconfirmed(current, now)
    if to in Appointment.FREED:
        freed_visit(current, to, now)
    audit(
        type=f"appointment.{to}", target=current, by=by, patient_id=current.patient_id, old={"status": old},
        new={"status": to}, reason=current.reason,
    )  # fmt: skip
    return current
