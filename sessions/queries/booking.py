"""Reads of booking: what is there and taken, options for a course, which courses still want dates."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from patients.models import Patient
from protocols.catalogue import knowledge
from protocols.engine.candidates import days_between
from protocols.models import PlannedSession, TreatmentPlan
from sessions.models import Absence, Appointment, Closure, Device, Location, Practitioner, Room, WorkingHours
from sessions.scheduling import (
    CourseOption,
    Diary,
    Preferences,
    Span,
    Staff,
    Visit,
    expand_hours,
    find_course,
    free_spans,
)

LIVE = ~Q(status__in=Appointment.FREED)


def in_series(plan: TreatmentPlan) -> Q:
    """Appointments of any version of a course: a new version goes on where the one before stood."""
    return Q(planned_session__plan=plan.root_pk) | Q(planned_session__plan__root=plan.root_pk)


def unbooked(plan: TreatmentPlan, course: int = 0) -> list[PlannedSession]:
    """Sessions of a course without a standing appointment, in order."""
    taken = Appointment.objects.filter(LIVE, planned_session=OuterRef("pk"))
    return list(plan.planned_sessions.filter(~Exists(taken), course=course).order_by("number"))


def last_booked_day(plan: TreatmentPlan, course: int, location: Location) -> date | None:
    """The local day of the last standing visit of a course: later windows count from it."""
    row = (
        Appointment.objects.filter(LIVE, in_series(plan), planned_session__course=course)
        .order_by("-starts_at")
        .first()
    )
    return row.starts_at.astimezone(location.zone).date() if row else None


def visit_of(planned: PlannedSession) -> Visit:
    """A planned session as the search sees it."""
    return Visit(
        planned.pk, planned.number, planned.earliest_days, planned.target_days, planned.latest_days,
        planned.duration_min, planned.room_capability, planned.device_kind,
    )  # fmt: skip


def _busy(
    location: Location, patient: Patient | None, first: datetime, last: datetime, leave_out: Iterable[int]
) -> dict[tuple[str, int], list[Span]]:
    """Everything taken that this location's people, rooms and devices and this patient have. One query."""
    here = Q(location=location) | Q(practitioner__hours__location=location)
    if patient is not None:
        here |= Q(patient=patient)
    rows = (
        Appointment.objects.filter(LIVE, here, starts_at__lt=last, ends_at__gt=first)
        .exclude(pk__in=list(leave_out))
        .distinct()
        .values_list(
            "patient_id", "practitioner_id", "room_id", "device_id", "starts_at", "ends_at", "occupied_from",
            "occupied_until", "planned_session_id",
        )
    )  # fmt: skip
    busy: dict[tuple[str, int], list[Span]] = defaultdict(list)
    for who, practitioner, room, device, start, end, occupied_from, occupied_until, planned in rows:
        busy["practitioner", practitioner].append(Span(start, end))
        busy["room", room].append(Span(occupied_from, occupied_until))
        if device is not None:
            busy["device", device].append(Span(occupied_from, occupied_until))
        if patient is not None and who == patient.pk:
            # Two treatments never share a day: of a session the whole day is taken, of a visit its hours.
            busy["patient", 0].append(_day_of(start, location) if planned else Span(start, end))
    return busy


def _day_of(start: datetime, location: Location) -> Span:
    day = start.astimezone(location.zone).date()
    first = datetime.combine(day, datetime.min.time(), tzinfo=location.zone)
    return Span(first, datetime.combine(day + timedelta(days=1), datetime.min.time(), tzinfo=location.zone))


def diary(
    location: Location,
    first: date,
    last: date,
    patient: Patient | None = None,
    *,
    leave_out: Iterable[int] = (),
) -> Diary:
    """Hours, rooms, devices of a location and all that is taken. Seven queries, whatever the number of rows."""
    zone = location.zone
    begin = datetime.combine(first, datetime.min.time(), tzinfo=zone)
    end = datetime.combine(last + timedelta(days=1), datetime.min.time(), tzinfo=zone)
    hours: dict[int, list[tuple[int, object, object]]] = defaultdict(list)
    for row in WorkingHours.objects.filter(location=location):
        hours[row.practitioner_id].append((row.weekday, row.starts, row.ends))
    away: dict[int, list[Span]] = defaultdict(list)
    for gone in Absence.objects.filter(starts_at__lt=end, ends_at__gt=begin):
        away[gone.practitioner_id].append(Span(gone.starts_at, gone.ends_at))
    closed = [
        Span(row.starts_at, row.ends_at)
        for row in Closure.objects.filter(location=location, starts_at__lt=end, ends_at__gt=begin)
    ]
    people = Practitioner.objects.filter(pk__in=hours, user__is_active=True).select_related("user")
    staff = tuple(
        Staff(
            person.pk,
            person.user.full_name,
            frozenset(person.qualifications),
            tuple(
                free_spans(
                    expand_hours(hours[person.pk], zone, first, last),  # type: ignore[arg-type]
                    [*away[person.pk], *closed],
                )
            ),
        )
        for person in people
    )
    return Diary(
        zone=zone,
        staff=staff,
        rooms=tuple(
            (room.pk, frozenset(room.capabilities)) for room in Room.objects.filter(location=location)
        ),
        devices=tuple(
            (device.pk, device.kind) for device in Device.objects.filter(location=location, in_service=True)
        ),
        busy=_busy(location, patient, begin, end, leave_out),
    )


def _apart_from_other_courses(book: Diary, planned: Sequence[PlannedSession], location: Location) -> Diary:
    """Days too near to the patient's sessions of other courses are taken too (REFERENCE.md §8.3). One query."""
    known = knowledge()
    course = planned[0].course
    others = (
        Appointment.objects.filter(LIVE, patient=planned[0].plan.patient_id, planned_session__isnull=False)
        .exclude(in_series(planned[0].plan), planned_session__course=course)
        .select_related("planned_session")
    )
    taken = []
    shapes = {json.dumps(row.content["parts"], sort_keys=True): row.content["parts"] for row in planned}
    for row in others:
        theirs = row.planned_session.content["parts"] if row.planned_session else []
        before = max(days_between(mine, theirs, known) for mine in shapes.values())
        after = max(days_between(theirs, mine, known) for mine in shapes.values())
        day = _day_of(row.starts_at, location)
        taken.append(
            Span(day.start - timedelta(days=max(0, before - 1)), day.end + timedelta(days=max(0, after - 1)))
        )
    if not taken:
        return book
    busy = dict(book.busy)
    busy["patient", 0] = [*busy.get(("patient", 0), ()), *taken]
    return replace(book, busy=busy)


def options_for(
    plan: TreatmentPlan,
    location: Location,
    wish: Preferences,
    *,
    now: datetime,
    course: int = 0,
    count: int = 3,
) -> tuple[list[PlannedSession], list[CourseOption]]:
    """The sessions still to book and the best courses for them."""
    planned = unbooked(plan, course)
    if not planned:
        return [], []
    today = now.astimezone(location.zone).date()
    before = last_booked_day(plan, course, location)
    start = max(today, planned[0].not_before or today)
    last = (before or start) + timedelta(days=sum(row.latest_days for row in planned))
    book = diary(location, min(start, before or start), max(last, start), plan.patient)
    book = _apart_from_other_courses(book, planned, location)
    visits: Sequence[Visit] = [visit_of(row) for row in planned]
    return planned, find_course(visits, book, wish, start=start, now=now, before=before, count=count)


def to_book(text: str = "") -> QuerySet[TreatmentPlan]:
    """Signed plans with sessions that nobody has booked, the longest waiting first."""
    taken = Appointment.objects.filter(LIVE, planned_session=OuterRef("pk"))
    open_sessions = PlannedSession.objects.filter(~Exists(taken), plan=OuterRef("pk"))
    plans = (
        TreatmentPlan.objects.filter(Exists(open_sessions), status__in=TreatmentPlan.LIVE)
        .select_related("patient", "signed_by")
        .annotate(
            planned=Count("planned_sessions", distinct=True),
            standing=Count(
                "planned_sessions__appointments",
                filter=~Q(planned_sessions__appointments__status__in=Appointment.FREED)
                & Q(planned_sessions__appointments__isnull=False),
                distinct=True,
            ),
        )
        .order_by("signed_at", "pk")
    )
    if text:
        plans = plans.filter(Q(patient__family_name__icontains=text) | Q(patient__given_name__icontains=text))
    return plans


def not_confirmed(now: datetime, text: str = "") -> QuerySet[Appointment]:
    """Coming visits that the patient has not confirmed, the nearest first."""
    rows = (
        Appointment.objects.filter(
            status__in=[Appointment.Status.REQUESTED, Appointment.Status.BOOKED], starts_at__gte=now
        )
        .select_related("patient", "location", "practitioner__user", "room", "planned_session")
        .order_by("starts_at", "pk")
    )
    if text:
        rows = rows.filter(Q(patient__family_name__icontains=text) | Q(patient__given_name__icontains=text))
    return rows
