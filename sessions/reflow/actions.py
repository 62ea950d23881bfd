"""Writes of a re-flow: all visits of one patient in one transaction, one message, and the way back."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise

from django.db import IntegrityError, transaction

from mesoclinic.audit.actions import record as audit
from protocols.models import PlannedSession
from protocols.queries_watch import ON_HOLD, open_blocks
from sessions.actions import booking
from sessions.actions.checks import (
    Actor,
    BookingError,
    as_taken,
    check_apart,
    check_fit_at,
    check_free,
    day_of_slot,
    lock_resources,
    near_sessions,
    new_visit,
    put,
)
from sessions.freed import freed
from sessions.models import Appointment, Location, Room
from sessions.queries.booking import slot_of, visit_of
from sessions.queries.diary import LIVE
from sessions.queries.standing import Locked
from sessions.queries.types import visit_for
from sessions.reflow.queries import COMING
from sessions.reminders import schedule
from sessions.scheduling import Slot


@dataclass(frozen=True, slots=True)
class Change:
    """A visit (key and the version that was seen) that goes to another time, or a session that gets one."""

    slot: Slot
    visit: int | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What was changed: visits as they are now, the slots they had, and which patients had confirmed (keys of visits).

    `message` names the news about it.
    """

    visits: tuple[Appointment, ...]
    before: tuple[Slot, ...]
    confirmed: tuple[int, ...]
    message: str


def _visits(changes: Sequence[Change]) -> dict[int, Appointment]:
    rows = Appointment.objects.filter(pk__in=[one.visit for one in changes if one.visit])
    return {row.pk: row for row in rows.select_related("patient", "location")}


def _sessions(changes: Sequence[Change]) -> dict[int, PlannedSession]:
    rows = PlannedSession.objects.filter(pk__in=[one.slot.visit for one in changes if one.visit is None])
    return {row.pk: row for row in rows.select_related("plan__patient")}


@transaction.atomic
def apply(
    *, changes: Sequence[Change], by: Actor, now: datetime, reason: str, as_it_was: bool = False
) -> Done:
    """Move visits of one patient, and book sessions of the same course that have none: all or nothing.

    What is put back `as_it_was` stood there before: hours, rooms and devices that no longer fit are no reason against it.
    Raises TimeTaken when somebody was faster, BookingError when something changed since it was proposed.
    """
    if not changes:
        raise BookingError("There is nothing to change.")
    visits, sessions = _visits(changes), _sessions(changes)
    if len(visits) + len(sessions) != len(changes):
        raise BookingError("A visit is not there any more. Propose again.")
    patients = {row.patient_id for row in visits.values()} | {
        row.plan.patient_id for row in sessions.values()
    }
    if len(patients) != 1:
        raise BookingError("These visits do not belong together. Propose again.")
    patient = patients.pop()
    # A visit stays at its location; a session that gets a time is where its room is.
    rooms = {
        room.pk: room.location
        for room in Room.objects.filter(
            pk__in=[one.slot.room for one in changes if one.visit is None]
        ).select_related("location")
    }
    if not {one.slot.room for one in changes if one.visit is None} <= rooms.keys():
        raise BookingError("A room is not there any more. Propose again.")
    places = [
        visits[one.visit].location if one.visit is not None else rooms[one.slot.room] for one in changes
    ]
    old = [slot_of(row) for row in visits.values()]
    new = [one.slot for one in changes]
    held = lock_resources(
        patients=[patient],
        practitioners=[slot.practitioner for slot in (*old, *new)],
        rooms=[room for slot in (*old, *new) for room in (slot.room, slot.prep_room)],
        devices=[slot.device for slot in (*old, *new)],
    )
    visits = {
        one.visit: booking.current_visit(visits[one.visit], one.version)
        for one in changes
        if one.visit is not None
    }
    _possible(changes, visits, sessions, now)
    before = {row.pk: slot_of(row) for row in visits.values()}
    # Two visits may change places: while they are on their way neither takes a time.
    states = {row.pk: row.status for row in visits.values()}
    Appointment.objects.filter(pk__in=list(visits)).update(status=Appointment.Status.CANCELLED)
    _allowed(changes, visits, sessions, patient, places, None if as_it_was else held)
    made = []
    try:
        with transaction.atomic():
            for one, place in sorted(zip(changes, places, strict=True), key=lambda row: row[0].slot.start):
                if one.visit is not None:
                    made.append(_moved(visits[one.visit], one.slot, states[one.visit]))
                else:
                    session = sessions[one.slot.visit]
                    made.append(new_visit(one.slot, session.plan.patient, place, by, planned=session))
                made[-1].save()
    except IntegrityError as error:
        raise as_taken(error) from error
    key = uuid.uuid4().hex
    olds = [before[row.pk].start if row.pk in before else None for row in made]
    schedule.rescheduled(made, olds, now, key)
    for row in made:
        _told(row, before.get(row.pk), by, now, reason)
    confirmed = tuple(pk for pk, state in states.items() if state == Appointment.Status.CONFIRMED)
    return Done(tuple(made), tuple(before[row.pk] for row in made if row.pk in before), confirmed, key)


def _possible(
    changes: Sequence[Change],
    visits: dict[int, Appointment],
    sessions: dict[int, PlannedSession],
    now: datetime,
) -> None:
    if any(one.slot.comes < now for one in changes):
        raise BookingError("A time lies in the past. Propose again.")
    if any(visit.status not in COMING for visit in visits.values()):
        raise BookingError("Only coming visits can be moved.")
    if sessions and open_blocks({row.plan_id for row in sessions.values()}):
        raise BookingError(f"{ON_HOLD}.")


def _allowed(
    changes: Sequence[Change], visits: dict[int, Appointment], sessions: dict[int, PlannedSession], patient: int,
    places: Sequence[Location], held: Locked | None,
) -> None:  # fmt: skip
    """Hours, rooms and devices as they are now where they are `held`, nobody in the way, no session too near to another."""
    wanted, placed = [], []
    for one, place in zip(changes, places, strict=True):
        planned = visits[one.visit].planned_session if one.visit is not None else sessions[one.slot.visit]
        if planned is not None:
            wanted.append((one.slot, visit_of(planned)))
            placed.append((planned, day_of_slot(one.slot, place)))
        else:
            assert one.visit is not None
            wanted.append((one.slot, visit_for(visits[one.visit].needs, one.slot.minutes)))
    if held is not None:
        check_fit_at(wanted, places, held)
    check_free([one.slot for one in changes], patient)
    if placed:
        near = near_sessions(patient, [day for _planned, day in placed])
        check_apart(placed, near)
        _in_order(placed)


def _in_order(placed: Sequence[tuple[PlannedSession, date]]) -> None:
    """The sessions that move keep their distance from each other too."""
    ordered = sorted(placed, key=lambda row: row[0].number)
    for (before, day), (after, next_day) in pairwise(ordered):
        if before.course == after.course and after.number == before.number + 1:
            gap = (next_day - day).days
            if gap < after.earliest_days:
                raise BookingError(f"Session {after.number} would come too soon after the one before.")


def _moved(visit: Appointment, slot: Slot, status: str) -> Appointment:
    # A confirmation was for the old time.
    visit.status = status if slot.start == visit.starts_at else Appointment.Status.BOOKED
    put(visit, slot)
    visit.version += 1
    return visit


def _told(visit: Appointment, before: Slot | None, by: Actor, now: datetime, reason: str) -> None:
    """The audit row, and the old time to the waiting list."""
    if before is None:
        audit(
            type="appointment.booked", target=visit, by=by, patient_id=visit.patient_id,
            new={"starts_at": visit.starts_at.isoformat()}, reason=reason,
        )  # fmt: skip
        return
    if (before.start, before.practitioner) != (visit.starts_at, visit.practitioner_id):
        freed(
            location_id=visit.location_id, practitioner_id=before.practitioner, starts_at=before.start,
            ends_at=before.end, cause="moved", now=now, appointment=visit,
        )  # fmt: skip
    audit(
        type="appointment.moved", target=visit, by=by, patient_id=visit.patient_id,
        old={"starts_at": before.start.isoformat(), "room": before.room, "practitioner": before.practitioner},
        new={"starts_at": visit.starts_at.isoformat(), "room": visit.room_id, "practitioner": visit.practitioner_id},
        reason=reason,
    )  # fmt: skip


@transaction.atomic
def undo(
    *, changes: Sequence[Change], added: Sequence[int], confirmed: Sequence[int], message: str, by: Actor, now: datetime
) -> None:  # fmt: skip
    """Back as it was: sessions that had got a time lose it again, visits that were confirmed are so again.

    Where the news had not left, none leaves at all. Raises TimeTaken, BookingError: then nothing is changed.
    """
    for visit in Appointment.objects.filter(LIVE, pk__in=list(added)).select_related("patient", "location"):
        booking.change_status(
            appointment=visit, to=Appointment.Status.CANCELLED, by=by, now=now, reason="Re-flow undone"
        )
    undone = ""
    if changes:
        undone = apply(changes=changes, by=by, now=now, reason="Undone", as_it_was=True).message
    schedule.never_mind(message, undone, added)
    booked = Appointment.objects.filter(pk__in=list(confirmed), status=Appointment.Status.BOOKED)
    for visit in booked.select_related("patient", "location"):
        booking.change_status(appointment=visit, to=Appointment.Status.CONFIRMED, by=by, now=now)
