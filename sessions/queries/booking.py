"""Reads of booking: what is there and taken, options for a course, which courses still want dates."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Case, Count, Exists, F, IntegerField, OuterRef, Q, QuerySet, Value, When
from django.utils import timezone

from patients.models import Patient
from patients.queries import with_name
from protocols.catalogue import knowledge
from protocols.engine.candidates import days_between
from protocols.models import PlannedSession, TreatmentPlan
from sessions.models import (
    Absence,
    Appointment,
    Closure,
    Device,
    Location,
    Message,
    Practitioner,
    Room,
    WorkingHours,
)
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


def physician_of(plan: TreatmentPlan) -> int | None:
    """The practitioner who signed the plan, if that person treats."""
    return (
        Practitioner.objects.filter(user=plan.signed_by_id or 0, user__is_active=True)
        .values_list("pk", flat=True)
        .first()
    )


def practitioners_at(location: Location, capability: str) -> dict[int, str]:
    """Who works at the location and does that, by name."""
    people = (
        Practitioner.objects.filter(
            hours__location=location, user__is_active=True, qualifications__contains=[capability]
        )
        .select_related("user")
        .order_by("user__full_name", "pk")
        .distinct()
    )
    return {person.pk: str(person) for person in people}


def last_practitioner(patient: Patient, among: Iterable[int]) -> int | None:
    """Whom the patient saw or will see last, if one of these."""
    return (
        Appointment.objects.filter(LIVE, patient=patient, practitioner__in=list(among))
        .order_by("-starts_at")
        .values_list("practitioner_id", flat=True)
        .first()
    )


def acts_on(appointment: Appointment, *, may_treat: bool) -> frozenset[str]:
    """States to which a visit may be taken by hand.

    A treatment session begins and ends with its record: nobody puts it to *in treatment* or *done* without one.
    """
    acts = Appointment.ALLOWED.get(appointment.status, frozenset())
    if appointment.kind == Appointment.Kind.SESSION:
        acts -= {Appointment.Status.IN_TREATMENT, Appointment.Status.DONE}
    else:
        acts -= {Appointment.Status.IN_TREATMENT}
    if appointment.status == Appointment.Status.IN_TREATMENT and not may_treat:
        return frozenset()
    return acts


def window_of(appointment: Appointment) -> tuple[date, date, date] | None:
    """Earliest, target and latest day of a session after the visit before; None where there is none before."""
    planned = appointment.planned_session
    if planned is None or planned.number == 1:
        return None
    before = (
        Appointment.objects.filter(
            LIVE, planned_session__plan=planned.plan_id, planned_session__course=planned.course,
            planned_session__number=planned.number - 1,
        )
        .select_related("location")
        .first()
    )  # fmt: skip
    if before is None:
        return None
    day = before.starts_at.astimezone(before.location.zone).date()
    return tuple(
        day + timedelta(days=n) for n in (planned.earliest_days, planned.target_days, planned.latest_days)
    )  # type: ignore[return-value]  # three numbers give three days


def dates_of(plan: TreatmentPlan, course: int) -> dict[int, Appointment]:
    """Standing visits of a course by session number."""
    rows = Appointment.objects.filter(
        LIVE, planned_session__plan=plan, planned_session__course=course
    ).select_related("location", "planned_session", "practitioner__user", "room")
    return {row.planned_session.number: row for row in rows if row.planned_session}


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
        plans = plans.filter(patient__in=with_name(text))
    return plans


def not_confirmed(now: datetime, text: str = "") -> QuerySet[Appointment]:
    """Coming visits that the patient has not confirmed, the nearest first."""
    rows = (
        Appointment.objects.filter(
            status__in=[Appointment.Status.REQUESTED, Appointment.Status.BOOKED], starts_at__gte=now
        )
        # A time held for the waiting list is answered there.
        .exclude(status=Appointment.Status.REQUESTED, offer__state="open")
        .select_related("patient", "location", "practitioner__user", "room", "planned_session")
        .order_by("starts_at", "pk")
    )
    if text:
        rows = rows.filter(patient__in=with_name(text))
    return rows


def course_lines(plans: Sequence[TreatmentPlan], today: date) -> list[dict[str, Any]]:
    """Open courses as the list shows them: what, where, and until when the next visit must be. Two queries."""
    keys = [plan.pk for plan in plans]
    rows = PlannedSession.objects.filter(plan__in=keys).order_by("course", "number")
    standing: dict[int, Appointment] = {
        row.planned_session_id or 0: row
        for row in Appointment.objects.filter(LIVE, planned_session__plan__in=keys).select_related("location")
    }
    sessions: dict[int, list[PlannedSession]] = defaultdict(list)
    for row in rows:
        sessions[row.plan_id].append(row)
    found = []
    for plan in plans:
        waiting = [row for row in sessions[plan.pk] if row.pk not in standing]
        booked = [row for row in sessions[plan.pk] if row.pk in standing]
        places = {standing[row.pk].location.short_name for row in booked}
        latest = _latest(waiting, booked, standing, plan)
        found.append(
            {
                "plan": plan, "waiting": len(waiting), "planned": len(sessions[plan.pk]), "booked": len(booked),
                "place": ", ".join(sorted(places)), "course": waiting[0].course if waiting else 0,
                "minutes": waiting[0].duration_min if waiting else 0, "latest": latest,
                "late": latest is not None and latest < today,
                "soon": latest is not None and 0 <= (latest - today).days <= 7,
            }
        )  # fmt: skip
    return found


def _latest(
    waiting: Sequence[PlannedSession],
    booked: Sequence[PlannedSession],
    standing: dict[int, Appointment],
    plan: TreatmentPlan,
) -> date | None:
    """The last day on which the next open visit keeps its window."""
    if not waiting:
        return None
    first = waiting[0]
    before = [standing[row.pk] for row in booked if row.course == first.course and row.number < first.number]
    if before:
        visit = max(before, key=lambda row: row.starts_at)
        return visit.starts_at.astimezone(visit.location.zone).date() + timedelta(days=first.latest_days)
    start = first.not_before or (timezone.localtime(plan.signed_at).date() if plan.signed_at else None)
    return start + timedelta(days=first.latest_days) if start else None


def messages_by_need() -> QuerySet[Message]:
    """Messages for the list: those that failed, then those that leave, the nearest first, then what has left."""
    state = Message.State
    waiting = [state.DUE, state.SENDING]
    return (
        Message.objects.select_related("patient", "location")
        .annotate(
            need=Case(
                When(state__in=[state.DEAD, state.FAILED], then=Value(0)), When(state__in=waiting, then=Value(1)),
                default=Value(2), output_field=IntegerField(),
            ),
            waits=Case(When(state__in=waiting, then=F("send_at")), default=None),
        )
        .order_by("need", F("waits").asc(nulls_last=True), "-send_at", "-pk")
    )  # fmt: skip
