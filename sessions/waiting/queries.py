"""Reads of the waiting room: who is here, since when, how the cream stands, who comes next, who did not."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from django.db.models import Q, QuerySet

from patients.models import Patient
from patients.queries import with_name
from protocols.catalogue import knowledge
from protocols.models import PlannedSession
from sessions.models import Appointment, Location, Message, Practitioner, Stay
from sessions.queries.booking import left_of, to_book
from sessions.queries.calendar import appointments
from sessions.queries.diary import diary
from sessions.scheduling import Slot, Visit, find_all_slots
from sessions.waiting.cream import Cream, cream_of

#: Who is expected within this time is shown below those who are here.
SOON = timedelta(hours=2)
#: A patient who has waited this long past the time of the visit is told apart.
LATE = timedelta(minutes=15)
#: Missed and cancelled visits are listed this far back.
BACK = timedelta(days=180)
#: Length in minutes of a walk-in by kind.
WALK_IN_MINUTES = {
    Appointment.Kind.CONSULTATION: 30, Appointment.Kind.REVIEW: 30, Appointment.Kind.EMERGENCY: 15,
}  # fmt: skip


@cache
def _limits() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(__file__).parent / "creams.json").read_text("utf-8"))
    return found


def planned_cream(planned: PlannedSession | None) -> Cream | None:
    """The cream that a planned session needs."""
    return cream_of(planned.content, knowledge().tables["creams"], _limits()) if planned else None


def cream_on(visit: Appointment) -> tuple[datetime | None, datetime | None]:
    """(on, off) of the cream: from the treatment's record once there is one, else from the waiting room.

    The one place to ask: opening the record moves the time there. `visit.records` is prefetched, newest first.
    """
    record = next(iter(visit.records.all()), None)
    if record is not None:
        return record.anaesthetic_on, record.anaesthetic_off
    stay: Stay | None = getattr(visit, "stay", None)
    return (stay.cream_on_at if stay else None), None


@dataclass(frozen=True, slots=True)
class Guest:
    """A patient who is here. `cream_state`: "" without cream, else `none`, `acting`, `ready`, `late` or `off`."""

    visit: Appointment
    title: str
    late: bool
    called_at: datetime | None
    cream: Cream | None
    cream_state: str
    cream_on: datetime | None
    ready_at: datetime | None
    most_at: datetime | None
    has_record: bool


def _guest(visit: Appointment, now: datetime) -> Guest:
    planned = visit.planned_session
    on, off = cream_on(visit)
    cream = planned_cream(planned)
    has_record = bool(list(visit.records.all()))
    state = ""
    if cream is not None:
        state = "off" if off is not None else cream.state(on, now)
        if state == "none" and has_record:
            # The treatment is open: its page asks for the time.
            state = ""
    stay: Stay | None = getattr(visit, "stay", None)
    waiting = visit.status == Appointment.Status.ARRIVED
    return Guest(
        visit, f"Session {planned.number}" if planned else visit.what,
        waiting and now >= max(visit.starts_at, visit.arrived_at or visit.starts_at) + LATE,
        stay.called_at if stay and waiting else None, cream, state, on,
        cream.ready_at(on) if cream and on else None, cream.most_at(on) if cream and on else None, has_record,
    )  # fmt: skip


def room(location: Location, today: date, now: datetime) -> dict[str, Any]:
    """Who is here, the longest waiting first, then who is in treatment; and who comes next."""
    rows = list(appointments(location, today).select_related("stay"))
    present = {Appointment.Status.ARRIVED, Appointment.Status.IN_TREATMENT}
    guests = sorted(
        (_guest(row, now) for row in rows if row.status in present),
        key=lambda one: (one.visit.status != Appointment.Status.ARRIVED, one.visit.arrived_at or one.visit.starts_at),
    )  # fmt: skip
    coming = {Appointment.Status.BOOKED, Appointment.Status.CONFIRMED}
    return {
        "guests": guests,
        "waiting": sum(1 for one in guests if one.visit.status == Appointment.Status.ARRIVED),
        "expected": [row for row in rows if row.status in coming and now - SOON <= row.starts_at < now + SOON],
    }  # fmt: skip


def missed(location: Location, now: datetime, *, text: str = "", status: str = "") -> QuerySet[Appointment]:
    """Missed and cancelled visits, the newest first."""
    states = [status] if status in Appointment.FREED else list(Appointment.FREED)
    rows = Appointment.objects.filter(location=location, status__in=states, starts_at__gte=now - BACK)
    if text:
        rows = rows.filter(patient__in=with_name(text))
    return rows.select_related("patient", "practitioner__user", "room", "location", "type", "planned_session").order_by(
        "-starts_at", "-pk"
    )  # fmt: skip


def told(visits: Iterable[Appointment]) -> set[int]:
    """Of these cancelled visits, those whose patient has been told. One query."""
    return set(
        Message.objects.filter(
            appointment__in=[row.pk for row in visits], kind=Message.Kind.CANCELLED,
            state__in=[Message.State.SENT, Message.State.SENDING],
        ).values_list("appointment_id", flat=True)
    )  # fmt: skip


def session_for_today(patient: Patient, location: Location, today: date) -> PlannedSession | None:
    """The next session of a course that nobody has booked, if its interval has passed."""
    for plan in to_book().filter(patient=patient)[:3]:
        for course in sorted(set(plan.planned_sessions.values_list("course", flat=True))):
            waiting, last = left_of(plan, course)
            if not waiting:
                continue
            planned = waiting[0]
            first = last + timedelta(days=planned.earliest_days) if last else planned.not_before
            if first is None or first <= today:
                return planned
    return None


def next_free(
    location: Location, patient: Patient, visit: Visit, today: date, now: datetime
) -> Sequence[Slot]:
    """The next free time today of everybody who can, the soonest first."""
    book = diary(location, today, today, patient)
    found = []
    for staff in book.staff:
        free = find_all_slots(visit, book, today, today, now, staff.key)[today]
        found += free[:1]
    return sorted(found, key=lambda slot: (slot.start, slot.practitioner))


def people_of(slots: Iterable[Slot]) -> dict[int, str]:
    """Names of the practitioners of some times."""
    rows = Practitioner.objects.filter(pk__in={slot.practitioner for slot in slots}).select_related("user")
    return {row.pk: str(row) for row in rows}


def coming_today(patient: Patient, location: Location, today: date, now: datetime) -> Appointment | None:
    """A visit that the patient has today already: to check in instead of a second one."""
    rows = appointments(location, today).filter(
        Q(status=Appointment.Status.BOOKED) | Q(status=Appointment.Status.CONFIRMED), patient=patient
    )
    return rows.first()
