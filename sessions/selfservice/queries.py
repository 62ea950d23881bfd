"""Reads of self-service: how a visit stands for its patient, and which other times fit."""

import enum
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import QuerySet

from patients.queries import with_name
from protocols.models import PlannedSession, TreatmentPlan
from protocols.queries_watch import open_blocks
from sessions.models import Appointment, TimeRequest
from sessions.queries.booking import in_series, near_other_courses, visit_of
from sessions.queries.diary import LIVE, diary
from sessions.queries.types import visit_for
from sessions.scheduling import Slot, find_all_slots
from sessions.selfservice.window import allowed_days

#: A visit outside of a course may be put off by so much; a search is never longer.
SINGLE_SPAN = timedelta(days=28)
LONGEST_SPAN = timedelta(days=62)
#: Every half hour is offered, not every quarter: a phone shows few times at once.
OFFER_GRID_MIN = 30


class State(enum.Enum):
    """How a visit stands, as its patient's page tells it. The value names the sentence in texts.json."""

    OPEN = "open"
    REQUESTED = "requested"
    LATE = "late"
    HELD = "held"
    HERE = "here"
    PAST = "past"
    MISSED = "missed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Standing:
    """What the patient may do with a visit now."""

    state: State
    confirm: bool = False
    move: bool = False
    cancel: bool = False
    #: A cancelled session whose place in the course is still empty.
    rebook: bool = False


def _late(appointment: Appointment, now: datetime) -> bool:
    return appointment.starts_at - now < timedelta(hours=appointment.location.late_hours)


def standing(appointment: Appointment, now: datetime) -> Standing:
    """How the visit stands and what its link allows. At most four queries."""
    status = appointment.status
    if status == Appointment.Status.CANCELLED:
        return Standing(State.CANCELLED, rebook=_empty_place(appointment) is not None)
    if status == Appointment.Status.NO_SHOW:
        return Standing(State.MISSED)
    if status in {Appointment.Status.ARRIVED, Appointment.Status.IN_TREATMENT}:
        return Standing(State.HERE)
    if status == Appointment.Status.DONE or appointment.starts_at <= now:
        return Standing(State.PAST)
    late = _late(appointment, now)
    planned = appointment.planned_session
    if planned is not None and open_blocks([planned.plan_id]):
        return Standing(State.HELD, cancel=not late)
    asked = status == Appointment.Status.BOOKED
    if late:
        return Standing(State.LATE, confirm=asked)
    state = State.REQUESTED if status == Appointment.Status.REQUESTED else State.OPEN
    return Standing(state, confirm=asked, move=True, cancel=True)


def _empty_place(cancelled: Appointment) -> PlannedSession | None:
    """The session of the course as it is followed now that a cancelled visit left without a date."""
    planned = cancelled.planned_session
    if planned is None:
        return None
    found = (
        PlannedSession.objects.filter(
            plan__root=planned.plan.root_pk, course=planned.course, number=planned.number,
            plan__status__in=TreatmentPlan.LIVE,
        )
        .select_related("plan")
        .first()
        or (planned if planned.plan.status in TreatmentPlan.LIVE else None)
    )  # fmt: skip
    if found is None or open_blocks([found.plan_id]):
        return None
    taken = Appointment.objects.filter(
        LIVE,
        in_series(found.plan),
        planned_session__course=found.course,
        planned_session__number=found.number,
    )
    return None if taken.exists() else found


def booked_anew(cancelled: Appointment, start: datetime) -> Appointment | None:
    """The visit that took the place of a cancelled session at that time."""
    planned = cancelled.planned_session
    if planned is None or cancelled.status != Appointment.Status.CANCELLED:
        return None
    return Appointment.objects.filter(
        LIVE, in_series(planned.plan), planned_session__course=planned.course,
        planned_session__number=planned.number, starts_at=start,
    ).first()  # fmt: skip


@dataclass(frozen=True, slots=True)
class Offers:
    """Free times by local day, soonest first, and whether they are with somebody else than before."""

    days: dict[date, list[Slot]]
    planned: PlannedSession | None
    somebody_else: bool = False

    def at(self, start: datetime) -> Slot | None:
        """The offered time that begins then."""
        return next((slot for slots in self.days.values() for slot in slots if slot.start == start), None)


def _span(appointment: Appointment, planned: PlannedSession | None, today: date) -> tuple[date, date] | None:
    """The days that may be offered: inside the session's window, later sessions staying inside theirs."""
    zone = appointment.location.zone
    if planned is None:
        day = appointment.starts_at.astimezone(zone).date()
        return today, max(day, today) + SINGLE_SPAN
    plan = planned.plan
    rows = {row.number: row for row in plan.planned_sessions.filter(course=planned.course)}
    days = {
        row.planned_session.number: row.starts_at.astimezone(row.location.zone).date()
        for row in Appointment.objects.filter(LIVE, in_series(plan), planned_session__course=planned.course)
        .exclude(pk=appointment.pk)
        .select_related("planned_session", "location")
        if row.planned_session
    }
    opening = rows[min(rows)].not_before
    signed = plan.signed_at.astimezone(zone).date() if plan.signed_at else today
    allowed = allowed_days(
        {number: visit_of(row) for number, row in rows.items()}, days, planned.number, start=opening or signed
    )
    if allowed is None or allowed[1] < today:
        return None
    first = max(allowed[0], today)
    return first, min(allowed[1], first + LONGEST_SPAN)


def offers(appointment: Appointment, now: datetime) -> Offers:
    """Times to which the patient may move the visit, or book a cancelled one anew.

    With the same practitioner while there are any, else with whoever is qualified. The number of queries does not
    depend on how much is booked.
    """
    location = appointment.location
    cancelled = appointment.status == Appointment.Status.CANCELLED
    planned = _empty_place(appointment) if cancelled else appointment.planned_session
    span = _span(appointment, planned, now.astimezone(location.zone).date())
    if span is None or (cancelled and planned is None):
        return Offers({}, planned)
    first, last = span
    minutes = int((appointment.ends_at - appointment.starts_at).total_seconds() // 60)
    visit = visit_of(planned) if planned else visit_for(appointment.needs, minutes)
    book = diary(
        location, first, last, appointment.patient, leave_out=[appointment.pk],
        more=near_other_courses([planned], [location])[location.pk] if planned else (),
    )  # fmt: skip
    soonest = now + timedelta(hours=location.late_hours)
    for practitioner in (appointment.practitioner_id, None):
        found = find_all_slots(visit, book, first, last, soonest, practitioner)
        days = {
            day: kept
            for day, slots in found.items()
            if (kept := _few(slots, appointment.starts_at if not cancelled else None))
        }
        if days:
            return Offers(days, planned, somebody_else=practitioner is None)
    return Offers({}, planned)


def _few(slots: list[Slot], present: datetime | None) -> list[Slot]:
    """The times of one day on the half hour, or the first that there is; not the one the visit has."""
    others = [slot for slot in slots if slot.start != present]
    return [slot for slot in others if slot.start.minute % OFFER_GRID_MIN == 0] or others[:1]


def open_requests(text: str = "") -> QuerySet[TimeRequest]:
    """Patients who wait for the front desk to find them a time, the longest waiting first."""
    rows = (
        TimeRequest.objects.filter(settled_at__isnull=True)
        .select_related(
            "appointment__patient",
            "appointment__location",
            "appointment__type",
            "appointment__planned_session",
        )
        .order_by("asked_at", "pk")
    )
    return rows.filter(appointment__patient__in=with_name(text)) if text else rows


def waiting_requests(_request: object) -> int:
    """How many there are, for the side bar."""
    return TimeRequest.objects.filter(settled_at__isnull=True).count()
