"""What every act of booking checks under its locks, and the errors it raises.

The exclusion constraints are the guarantee; these say in words what is in the way, before and after.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import IntegrityError

from mesoclinic.accounts.models import User
from mesoclinic.audit.actions import Outsider
from mesoclinic.statements import fresh
from patients.models import Patient
from protocols.catalogue import knowledge
from protocols.engine.candidates import days_between
from protocols.models import PlannedSession
from sessions.models import Appointment, Location
from sessions.queries.standing import (
    Asked,
    Locked,
    People,
    StandingSession,
    Working,
    in_the_way,
    lock,
    standing_sessions,
    working,
)
from sessions.scheduling import Slot, Visit
from sessions.scheduling.diary import CLEANUP, PREPARATION, SETUP

#: How far away another session may lie and still matter: the longest interval and recovery of the tables.
APART = timedelta(days=130)
#: Who acts: somebody of the clinic, the patient by a link, or nobody but the clock.
type Actor = User | Outsider | None


class BookingError(Exception):
    """Why it can't be booked; the text says what to do."""


class TimeTaken(BookingError):
    """Somebody else was faster."""


class TooClose(BookingError):
    """Too near to another session of its own course: it may go there when that one moves, too."""


#: What each constraint that refuses means.
TAKEN = {
    "practitioner_not_double_booked": "The practitioner was taken a moment ago.",
    "room_not_double_booked": "The room was taken a moment ago.",
    "device_not_double_booked": "The device was taken a moment ago.",
    "preparation_room_not_double_booked": "The place for the cream was taken a moment ago.",
    "patient_not_double_booked": "The patient already has a visit at that time.",
    "planned_session_booked_once": "This session was booked a moment ago.",
    # The same key at the same moment for two plans: their patients' locks do not meet.
    "treatment_sessions_coursebooking_key_key": "This booking belongs to another plan. Search again.",
}


def as_taken(error: IntegrityError) -> TimeTaken:
    """What a refused constraint means; the error itself where it is none of booking's."""
    name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", "") or ""
    if name not in TAKEN:
        raise error
    return TimeTaken(TAKEN[name])


#: Patients, practitioners, rooms, devices: locked first, in one order.
lock_resources = lock


def check_free(slots: Sequence[Slot], patient: int, leave_out: int | None = None) -> None:
    """The friendly check before the constraint: says which of them is taken."""
    found = in_the_way(slots, patient, leave_out)
    if found is None:
        return
    text = TAKEN[found.constraint]
    if found.constraint == "room_not_double_booked":
        text = f"{found.room} was taken a moment ago."
    elif found.constraint == "practitioner_not_double_booked":
        text = f"{found.practitioner} was taken a moment ago."
    raise TimeTaken(text)


def day_of_slot(slot: Slot, location: Location) -> date:
    """The local day of a slot."""
    return slot.start.astimezone(location.zone).date()


def places_of(
    slots: Sequence[Slot], location: Location, elsewhere: Sequence[Location] = ()
) -> list[Location]:
    """The location of each slot: `location` where it names none. Raises BookingError for one that is not given."""
    known = {0: location, **{place.pk: place for place in (location, *elsewhere)}}
    if any(slot.location not in known for slot in slots):
        raise BookingError("A location is not there any more. Search again.")
    return [known[slot.location] for slot in slots]


def check_fit(wanted: Sequence[tuple[Slot, Visit]], location: Location, held: Locked) -> None:
    """Hours, absences, closures, qualification, rooms and device: as they are now, not as they were searched."""
    check_fit_at(wanted, [location] * len(wanted), held)


def check_fit_at(
    wanted: Sequence[tuple[Slot, Visit]], places: Sequence[Location], held: Locked, people: People | None = None
) -> None:  # fmt: skip
    """The same for slots at several locations, each by what holds at its own. One query, none where `people` are read."""
    if people is None:
        people = working(asked_for([slot for slot, _visit in wanted], places))
    for (slot, visit), place in zip(wanted, places, strict=True):
        _fits(slot, visit, place, held, people.get((place.pk, slot.practitioner)))


def asked_for(slots: Sequence[Slot], places: Sequence[Location]) -> list[Asked]:
    """Whose hours count, where and on which day."""
    return [
        (place, slot.practitioner, day_of_slot(slot, place))
        for slot, place in zip(slots, places, strict=True)
    ]


def _fits(slot: Slot, visit: Visit, location: Location, held: Locked, person: Working | None) -> None:
    if person is None or not any(s.start <= slot.start and slot.end <= s.end for s in person.hours):
        raise BookingError("The practitioner does not work at that time. Choose another one.")
    if not visit.needs <= person.qualifications:
        raise BookingError(f"{person.name} does not do this treatment.")
    place, uses = held.rooms.get(slot.room, (None, frozenset()))
    if place != location.pk or not visit.room_needs <= uses:
        raise BookingError("This room is not fitted for the treatment.")
    if visit.device_kind and held.devices.get(slot.device or 0) != (location.pk, visit.device_kind):
        raise BookingError("The device for this treatment is missing.")
    if slot.prep != visit.prep:
        raise BookingError("The time for the cream changed. Search again.")
    if slot.prep_room is not None:
        place, uses = held.rooms.get(slot.prep_room, (None, frozenset()))
        if place != location.pk or PREPARATION not in uses:
            raise BookingError("The place for the cream is no longer one. Search again.")


def new_visit(
    slot: Slot, patient: Patient, location: Location, by: Actor, *, planned: PlannedSession | None = None, **values: Any
) -> Appointment:  # fmt: skip
    """A visit at that time, with further values by column. Not saved."""
    made = fresh(
        Appointment,
        practitioner_id=slot.practitioner,
        room_id=slot.room,
        device_id=slot.device,
        starts_at=slot.start,
        local_start=location.on_the_wall(slot.start),
        ends_at=slot.end,
        occupied_from=slot.start - SETUP,
        occupied_until=slot.end + CLEANUP,
        prep_from=slot.comes if slot.prep else None,
        prep_room_id=slot.prep_room,
        booked_by_id=by.pk if isinstance(by, User) else None,
        **values,
    )
    # What the messages about it are written from is at hand.
    made.patient, made.location, made.planned_session = patient, location, planned
    return made


def put(visit: Appointment, slot: Slot) -> None:
    """The visit at that time, with these people and things. Not saved."""
    if slot.start != visit.starts_at:
        # Another room at the same time changes nothing of what the patient was told.
        visit.local_start = visit.location.on_the_wall(slot.start)
    visit.practitioner_id, visit.room_id, visit.device_id = slot.practitioner, slot.room, slot.device
    visit.starts_at, visit.ends_at = slot.start, slot.end
    visit.occupied_from, visit.occupied_until = slot.start - SETUP, slot.end + CLEANUP
    visit.prep_from, visit.prep_room_id = (slot.comes if slot.prep else None), slot.prep_room


def check_windows(planned: Sequence[PlannedSession], days: Sequence[date], before: date | None) -> None:
    """Sessions to be booked keep their least distance, and the course its first day. Raises BookingError."""
    last = before
    for row, day in zip(planned, days, strict=True):
        if last is None:
            if row.not_before and day < row.not_before:
                raise BookingError(f"The course starts on {row.not_before:%d %b} at the earliest.")
        elif (day - last).days < row.earliest_days:
            raise BookingError(f"Session {row.number} would come too soon after the one before.")
        last = day


def near_sessions(
    patient_id: int, days: Sequence[date], leave_out: Iterable[int] = ()
) -> list[StandingSession]:
    """Standing sessions of a patient that lie near enough to these days to matter."""
    return standing_sessions(patient_id, *near_to(days), leave_out)


def near_to(days: Sequence[date]) -> tuple[datetime, datetime]:
    """Between these instants lies every session that is near enough to these days to matter."""
    return (
        datetime.combine(min(days) - APART, time.min, UTC),
        datetime.combine(max(days) + APART, time.max, UTC),
    )


def check_apart(placed: Sequence[tuple[PlannedSession, date]], near: Sequence[StandingSession]) -> None:
    """Sessions of one patient keep their distance, whatever course and plan they are of (R57, REFERENCE.md §8.3).

    In one course: every later number comes after the earlier ones, at least its own interval later. Between courses:
    never on one day, and in one area with the recovery time of the engine.
    """
    for planned, day in placed:
        for other in near:
            if other.session == planned.pk:
                continue
            gap = abs((day - other.day).days)
            if (other.series, other.course) == (planned.plan.root_pk, planned.course):
                number, needed = (
                    (planned.number, other.earliest_days)
                    if planned.number < other.number
                    else (other.number, planned.earliest_days)
                )
                far = other.number if number == planned.number else number
                in_order = (day < other.day) == (planned.number < other.number) and day != other.day
                if not in_order or gap < needed:
                    raise TooClose(
                        f"Session {planned.number} would lie {gap} days from session {far} "
                        f"of the course; it needs {needed}: too soon."
                    )
                continue
            if gap == 0:
                raise BookingError("The patient has another session on that day. Choose another day.")
            mine: Sequence[Any] = planned.content["parts"]
            earlier, later = (mine, other.parts) if day < other.day else (other.parts, mine)
            needed = days_between(earlier, later, knowledge())
            if gap < needed:
                raise BookingError(
                    f"Another session in the same area is {gap} days away; {needed} days must lie between."
                )
