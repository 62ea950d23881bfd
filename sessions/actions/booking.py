"""Writes of booking: a whole course, a single visit, moves, states. Resources are locked first, in one order.

Exclusion constraints are the guarantee; the locks keep losers from waiting for each other (measured: without them
contending courses deadlock). Patient, practitioner, room, device: by table, then by key, always.
"""

import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q

from mesoclinic.accounts.models import User
from mesoclinic.audit.actions import record as audit
from patients.models import Patient
from protocols.catalogue import knowledge
from protocols.engine.candidates import days_between
from protocols.models import PlannedSession, TreatmentPlan
from protocols.queries_watch import ON_HOLD, open_blocks
from sessions.freed import freed, freed_visit
from sessions.models import Appointment, CourseBooking, Device, Location, Offer, Practitioner, Room, Stay
from sessions.queries.booking import LIVE, diary, in_series
from sessions.reminders import schedule
from sessions.scheduling.search import CLEANUP, SETUP, Diary, Slot

#: How far away another session may lie and still matter: the longest interval and recovery of the tables.
APART = timedelta(days=130)


class BookingError(Exception):
    """Why it can't be booked; the text says what to do."""


class TimeTaken(BookingError):
    """Somebody else was faster."""


_TAKEN = {
    "practitioner_not_double_booked": "The practitioner was taken a moment ago.",
    "room_not_double_booked": "The room was taken a moment ago.",
    "device_not_double_booked": "The device was taken a moment ago.",
    "patient_not_double_booked": "The patient already has a visit at that time.",
    "planned_session_booked_once": "This session was booked a moment ago.",
}


def _taken(error: IntegrityError) -> TimeTaken:
    name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", "") or ""
    if name not in _TAKEN:
        raise error
    return TimeTaken(_TAKEN[name])


def lock_resources(
    *,
    patients: Iterable[int],
    practitioners: Iterable[int],
    rooms: Iterable[int],
    devices: Iterable[int | None],
) -> None:
    """Lock the rows that appointments are made of, sorted: everybody waits in the same queue."""
    for model, keys in (
        (Patient, patients),
        (Practitioner, practitioners),
        (Room, rooms),
        (Device, (key for key in devices if key is not None)),
    ):
        wanted = sorted(set(keys))
        if wanted:
            list(
                model._default_manager.select_for_update(no_key=True)
                .filter(pk__in=wanted)
                .order_by("pk")
                .values_list("pk", flat=True)
            )


def _free(slot: Slot, patient: int, leave_out: int | None = None) -> None:
    """The friendly check before the constraint: says which of them is taken."""
    around = (slot.start - SETUP, slot.end + CLEANUP)
    overlap = Q(starts_at__lt=slot.end, ends_at__gt=slot.start)
    occupied = Q(occupied_from__lt=around[1], occupied_until__gt=around[0])
    rows = Appointment.objects.filter(LIVE).exclude(pk=leave_out or 0)
    checks: list[tuple[Q, str]] = [
        (Q(practitioner=slot.practitioner) & overlap, "practitioner_not_double_booked"),
        (Q(patient=patient) & overlap, "patient_not_double_booked"),
        (Q(room=slot.room) & occupied, "room_not_double_booked"),
    ]
    if slot.device is not None:
        checks.append((Q(device=slot.device) & occupied, "device_not_double_booked"))
    for condition, name in checks:
        found = rows.filter(condition).select_related("room", "practitioner__user").first()
        if found is not None:
            text = _TAKEN[name]
            if name == "room_not_double_booked":
                text = f"{found.room.name} was taken a moment ago."
            elif name == "practitioner_not_double_booked":
                text = f"{found.practitioner} was taken a moment ago."
            raise TimeTaken(text)


def _book(location: Location, slots: Sequence[Slot]) -> Diary:
    """The diary of the days of the slots."""
    days = [slot.start.astimezone(location.zone).date() for slot in slots]
    return diary(location, min(days), max(days))


def _works(slot: Slot, book: Diary, capability: str, device_kind: str) -> None:
    """Hours, absences, closures, qualification, room and device: as they are now, not as they were searched."""
    staff = next((person for person in book.staff if person.key == slot.practitioner), None)
    if staff is None or not any(s.start <= slot.start and slot.end <= s.end for s in staff.hours):
        raise BookingError("The practitioner does not work at that time. Choose another one.")
    if capability not in staff.qualifications:
        raise BookingError(f"{staff.name} does not do this treatment.")
    if capability not in dict(book.rooms).get(slot.room, frozenset()):
        raise BookingError("This room is not fitted for the treatment.")
    if device_kind and dict(book.devices).get(slot.device or 0) != device_kind:
        raise BookingError("The device for this treatment is missing.")


def _create(slot: Slot, patient: Patient, location: Location, by: User | None, **values: Any) -> Appointment:
    return Appointment.objects.create(
        patient=patient,
        location=location,
        practitioner_id=slot.practitioner,
        room_id=slot.room,
        device_id=slot.device,
        starts_at=slot.start,
        ends_at=slot.end,
        occupied_from=slot.start - SETUP,
        occupied_until=slot.end + CLEANUP,
        booked_by=by,
        **values,
    )


def _check_windows(
    planned: Sequence[PlannedSession], slots: Sequence[Slot], location: Location, before: date | None
) -> None:
    last = before
    for row, slot in zip(planned, slots, strict=True):
        day = slot.start.astimezone(location.zone).date()
        if last is None:
            if row.not_before and day < row.not_before:
                raise BookingError(f"The course starts on {row.not_before:%d %b} at the earliest.")
        elif (day - last).days < row.earliest_days:
            raise BookingError(f"Session {row.number} would come too soon after the one before.")
        last = day


def _check_apart(
    placed: Sequence[tuple[PlannedSession, date]], patient_id: int, leave_out: Iterable[int] = ()
) -> None:
    """Sessions of one patient keep their distance, whatever course and plan they are of (R57, REFERENCE.md §8.3).

    In one course: every later number comes after the earlier ones, at least its own interval later. Between courses:
    never on one day, and in one area with the recovery time of the engine.
    """
    known = knowledge()
    standing = [
        (row.planned_session, row.starts_at.astimezone(row.location.zone).date())
        for row in Appointment.objects.filter(
            LIVE, patient=patient_id, planned_session__isnull=False,
            starts_at__gte=datetime.combine(min(day for _p, day in placed) - APART, time.min, UTC),
            starts_at__lt=datetime.combine(max(day for _p, day in placed) + APART, time.max, UTC),
        )
        .exclude(pk__in=list(leave_out))
        .select_related("planned_session__plan", "location")
    ]  # fmt: skip
    for planned, day in placed:
        for other, when in standing:
            if other is None or other.pk == planned.pk:
                continue
            gap = abs((day - when).days)
            if (other.plan.root_pk, other.course) == (planned.plan.root_pk, planned.course):
                first, then = (planned, other) if planned.number < other.number else (other, planned)
                in_order = (day < when) == (planned.number < other.number) and day != when
                if not in_order or gap < then.earliest_days:
                    raise BookingError(
                        f"Session {planned.number} would lie {gap} days from session {first.number if then is planned else then.number} "
                        f"of the course; it needs {then.earliest_days}: too soon."
                    )
                continue
            if gap == 0:
                raise BookingError("The patient has another session on that day. Choose another day.")
            earlier, later = (planned, other) if day < when else (other, planned)
            needed = days_between(earlier.content["parts"], later.content["parts"], known)
            if gap < needed:
                raise BookingError(
                    f"Another session in the same area is {gap} days away; {needed} days must lie between."
                )


@transaction.atomic
def book_course(
    *, plan: TreatmentPlan, location: Location, slots: Sequence[Slot], key: uuid.UUID, by: User, now: datetime
) -> CourseBooking:
    """Book a whole course, all or nothing. The same key books once, however often it is sent.

    Raises TimeTaken when somebody was faster, BookingError when hours, windows or the plan forbid it.
    """
    if not slots:
        raise BookingError("There is nothing to book.")
    lock_resources(
        patients=[plan.patient_id],
        practitioners=[slot.practitioner for slot in slots],
        rooms=[slot.room for slot in slots],
        devices=[slot.device for slot in slots],
    )
    # After the lock: a double click waits here, then finds what the first one made.
    known = CourseBooking.objects.filter(key=key).first()
    if known is not None:
        if known.plan_id != plan.pk:
            raise BookingError("This booking belongs to another plan. Search again.")
        return known
    current = TreatmentPlan.objects.select_related("patient").get(pk=plan.pk)
    if current.status not in TreatmentPlan.LIVE:
        raise BookingError("This plan is not signed, or no longer followed.")
    if open_blocks([current.pk]):
        raise BookingError(f"{ON_HOLD}.")
    planned = {row.pk: row for row in current.planned_sessions.filter(pk__in=[slot.visit for slot in slots])}
    if len(planned) != len(slots):
        raise BookingError("These sessions are not in the plan. Search again.")
    ordered = [planned[slot.visit] for slot in slots]
    earlier = (
        Appointment.objects.filter(
            LIVE, in_series(current), planned_session__course=ordered[0].course,
            planned_session__number__lt=ordered[0].number,
        )
        .order_by("-starts_at")
        .first()
    )  # fmt: skip
    before = earlier.starts_at.astimezone(location.zone).date() if earlier else None
    _check_windows(ordered, slots, location, before)
    days = [slot.start.astimezone(location.zone).date() for slot in slots]
    _check_apart(list(zip(ordered, days, strict=True)), current.patient_id)
    booking = CourseBooking.objects.create(plan=current, key=key, booked_by=by)
    made = []
    book = _book(location, slots)
    try:
        with transaction.atomic():
            for row, slot in zip(ordered, slots, strict=True):
                if slot.start < now:
                    raise BookingError("A time lies in the past. Search again.")
                if slot.end - slot.start != timedelta(minutes=row.duration_min):
                    raise BookingError("The length of a session changed. Search again.")
                _works(slot, book, row.room_capability, row.device_kind)
                _free(slot, current.patient_id)
                made.append(
                    _create(slot, current.patient, location, by, planned_session=row, booking=booking)
                )
    except IntegrityError as error:
        raise _taken(error) from error
    for appointment in made:
        # The clock of the database writes the booking time: the calendar file carries it.
        appointment.refresh_from_db(fields=["booked_at"])
    schedule.booked(made, now, booking)
    audit(
        type="course.booked", target=booking, by=by, patient_id=current.patient_id,
        new={"appointments": [row.pk for row in made], "first": made[0].starts_at.isoformat()},
    )  # fmt: skip
    return booking


@transaction.atomic
def book_single(
    *, patient: Patient, location: Location, slot: Slot, kind: str, by: User | None, now: datetime, note: str = "",
    capability: str = "consultation", planned: PlannedSession | None = None,
) -> Appointment:  # fmt: skip
    """Book one visit, such as a consultation. Raises TimeTaken, BookingError."""
    lock_resources(
        patients=[patient.pk], practitioners=[slot.practitioner], rooms=[slot.room], devices=[slot.device]
    )
    if slot.start < now:
        raise BookingError("This time is past.")
    _works(slot, _book(location, [slot]), capability, planned.device_kind if planned else "")
    _free(slot, patient.pk)
    if planned is not None:
        if open_blocks([planned.plan_id]):
            raise BookingError(f"{ON_HOLD}.")
        _check_apart([(planned, slot.start.astimezone(location.zone).date())], patient.pk)
    try:
        with transaction.atomic():
            made = _create(slot, patient, location, by, kind=kind, note=note, planned_session=planned)
    except IntegrityError as error:
        raise _taken(error) from error
    made.refresh_from_db(fields=["booked_at"])
    schedule.booked([made], now)
    audit(
        type="appointment.booked", target=made, by=by, patient_id=patient.pk,
        new={"starts_at": made.starts_at.isoformat()},
    )  # fmt: skip
    return made


def _current(appointment: Appointment, version: int | None) -> Appointment:
    current = (
        Appointment.objects.select_for_update(of=("self",))
        .select_related("patient", "location", "planned_session")
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
    by: User | None,
    now: datetime,
    version: int | None = None,
    reason: str = "",
) -> Appointment:
    """Put a visit on another time, room or practitioner; its messages follow in the same transaction.

    A visit outside its window is moved all the same when a person says so: the page tells before. Too soon after the
    one before is refused: the interval is a safety limit (R57).
    """
    lock_resources(
        patients=[appointment.patient_id],
        practitioners=[appointment.practitioner_id, slot.practitioner],
        rooms=[appointment.room_id, slot.room],
        devices=[appointment.device_id, slot.device],
    )
    current = _current(appointment, version)
    if current.status not in {
        Appointment.Status.REQUESTED, Appointment.Status.BOOKED, Appointment.Status.CONFIRMED,
    }:  # fmt: skip
        raise BookingError("Only a coming visit can be moved.")
    if slot.start < now:
        raise BookingError("This time is past. Choose a later one.")
    planned = current.planned_session
    capability = planned.room_capability if planned else "consultation"
    _works(slot, _book(current.location, [slot]), capability, planned.device_kind if planned else "")
    _free(slot, current.patient_id, leave_out=current.pk)
    if planned is not None:
        day = slot.start.astimezone(current.location.zone).date()
        _check_apart([(planned, day)], current.patient_id, leave_out=[current.pk])
    old, old_end, old_practitioner = current.starts_at, current.ends_at, current.practitioner_id
    before = {"starts_at": old.isoformat(), "room": current.room_id, "practitioner": current.practitioner_id}
    current.practitioner_id, current.room_id, current.device_id = slot.practitioner, slot.room, slot.device
    current.starts_at, current.ends_at = slot.start, slot.end
    current.occupied_from, current.occupied_until = slot.start - SETUP, slot.end + CLEANUP
    current.version += 1
    if slot.start != old:
        # A confirmation was for the old time.
        current.status = Appointment.Status.BOOKED
    try:
        with transaction.atomic():
            current.save()
    except IntegrityError as error:
        raise _taken(error) from error
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


def neighbours(current: Appointment) -> dict[int, Appointment]:
    """Standing visits of the same course by session number."""
    planned = current.planned_session
    if planned is None:
        return {}
    rows = Appointment.objects.filter(
        LIVE, in_series(planned.plan), planned_session__course=planned.course
    ).select_related("planned_session", "location")
    return {row.planned_session.number: row for row in rows if row.planned_session}


@transaction.atomic
def change_status(
    *,
    appointment: Appointment,
    to: str,
    by: User | None,
    now: datetime,
    version: int | None = None,
    reason: str = "",
) -> Appointment:
    """Take a visit to its next state, or back. A cancellation needs a reason; its messages follow at once."""
    current = _current(appointment, version)
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
    current.status, current.reason = to, reason.strip()[:300]
    current.version += 1
    try:
        with transaction.atomic():
            current.save()
    except IntegrityError as error:
        raise _taken(error) from error
    if to == Appointment.Status.CANCELLED:
        schedule.cancelled(current, now)
    elif to == Appointment.Status.NO_SHOW:
        schedule.missed(current)
    if to in Appointment.FREED:
        freed_visit(current, to, now)
    audit(
        type=f"appointment.{to}", target=current, by=by, patient_id=current.patient_id, old={"status": old},
        new={"status": to}, reason=current.reason,
    )  # fmt: skip
    return current
