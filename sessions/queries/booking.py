"""Reads of booking: what is there and taken, options for a course, which courses still want dates."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import (
    Case,
    Count,
    Exists,
    F,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Value,
    When,
)
from django.utils import timezone

from mesoclinic.statements import prepared
from patients.models import Patient
from patients.queries import with_name
from protocols.catalogue import knowledge
from protocols.engine.candidates import days_between
from protocols.models import PlannedSession, TreatmentPlan
from sessions.models import Appointment, Location, Message, Practitioner
from sessions.queries.diary import LIVE, diaries, whole_day
from sessions.scheduling import CourseOption, Obstacle, Preferences, Slot, Span, Visit, find_course, why_not
from sessions.scheduling.obstacles import FURTHER


def in_series(plan: TreatmentPlan) -> Q:
    """Appointments of any version of a course: a new version goes on where the one before stood."""
    return Q(planned_session__plan=plan.root_pk) | Q(planned_session__plan__root=plan.root_pk)


def visit_of(planned: PlannedSession) -> Visit:
    """A planned session as the search sees it."""
    return Visit(
        planned.pk, planned.number, planned.earliest_days, planned.target_days, planned.latest_days,
        planned.duration_min, frozenset(planned.needs), planned.device_kind, planned.arrive_early_min,
    )  # fmt: skip


def slot_of(visit: Appointment) -> Slot:
    """A visit as it stands, as a slot: to put it back there."""
    prep = (visit.starts_at - visit.prep_from) // timedelta(minutes=1) if visit.prep_from else 0
    return Slot(
        visit.planned_session_id or 0, 0, visit.starts_at, visit.ends_at, visit.practitioner_id, visit.room_id,
        visit.device_id, 0, prep, visit.prep_room_id, visit.location_id,
    )  # fmt: skip


def visits_of_course(plan: TreatmentPlan, course: int) -> dict[int, Appointment]:
    """Standing visits of a course by session number, of every version of its plan. One query."""
    rows = (
        Appointment.objects.filter(LIVE, in_series(plan), planned_session__course=course)
        .select_related("planned_session", "location", "practitioner__user", "room", "device", "patient")
        .order_by("starts_at")
    )
    return {row.planned_session.number: row for row in rows if row.planned_session is not None}


def neighbours(current: Appointment) -> dict[int, Appointment]:
    """Standing visits of the same course by session number; none around a visit outside of any course."""
    planned = current.planned_session
    return visits_of_course(planned.plan, planned.course) if planned is not None else {}


@dataclass(frozen=True)
class CourseSearch:
    """The sessions still to book and the best courses for them; without any, what stands in the way."""

    planned: list[PlannedSession]
    options: list[CourseOption]
    obstacle: Obstacle | None = None


#: In the order of the model, as `from_db` wants them; `content` is the last one.
_SESSION = [field.attname for field in PlannedSession._meta.concrete_fields]
_COURSE_ROWS = f"""
SELECT visit.id, visit.starts_at, place.time_zone, COALESCE(plan.root_id, plan.id), {", ".join(f"session.{n}" for n in _SESSION)}
FROM {PlannedSession._meta.db_table} session
JOIN {TreatmentPlan._meta.db_table} plan ON plan.id = session.plan_id
LEFT JOIN {Appointment._meta.db_table} visit ON visit.planned_session_id = session.id
  AND NOT (visit.status IN ('no-show', 'cancelled'))
LEFT JOIN {Location._meta.db_table} place ON place.id = visit.location_id
WHERE plan.patient_id = %s::bigint AND ((plan.id = %s::bigint AND session.course = %s::int) OR visit.id IS NOT NULL)
ORDER BY session.number
"""  # noqa: S608  # table names of models


def _course_rows(plan: TreatmentPlan, course: int) -> tuple[list[PlannedSession], list[dict[str, Any]]]:
    """Sessions of a course still without a visit, and all standing sessions of the patient. One query."""
    # Written out: each search asks it, and Django takes ten times as long to write it as PostgreSQL to answer.
    with prepared() as cursor:
        cursor.execute(_COURSE_ROWS, [plan.patient_id, plan.pk, course])
        rows = cursor.fetchall()
    todo, standing = [], []
    for visit, at, zone, root, *columns, content in rows:
        session = PlannedSession.from_db(connection.alias, _SESSION, [*columns, json.loads(content)])
        if visit is not None:
            standing.append(
                {
                    "pk": visit,
                    "day": at.astimezone(ZoneInfo(zone)).date(),
                    "own": root == plan.root_pk and session.course == course,
                    "parts": session.content["parts"],
                }
            )
        elif session.plan_id == plan.pk and session.course == course:
            todo.append(session)
    return todo, standing


def _too_near(
    planned: Sequence[PlannedSession], standing: Sequence[dict[str, Any]], location: Location
) -> list[Span]:
    """Days too near to the patient's sessions of other courses (REFERENCE.md §8.3)."""
    others = [row for row in standing if not row["own"]]
    if not others:
        return []
    known = knowledge()
    shapes = {json.dumps(row.content["parts"], sort_keys=True): row.content["parts"] for row in planned}
    found = []
    for row in others:
        before = max(days_between(mine, row["parts"], known) for mine in shapes.values())
        after = max(days_between(row["parts"], mine, known) for mine in shapes.values())
        day = whole_day(row["day"], location)
        found.append(
            Span(day.start - timedelta(days=max(0, before - 1)), day.end + timedelta(days=max(0, after - 1)))
        )
    return found


def left_of(plan: TreatmentPlan, course: int) -> tuple[list[PlannedSession], date | None]:
    """Sessions of a course still without a visit, and the local day of its last standing one. One query."""
    todo, standing = _course_rows(plan, course)
    return todo, max((row["day"] for row in standing if row["own"]), default=None)


def near_other_courses(
    planned: Sequence[PlannedSession], locations: Sequence[Location]
) -> dict[int, list[Span]]:
    """Time by location in which none of these sessions of one course may lie, for the patient's other courses. One query."""
    _todo, standing = _course_rows(planned[0].plan, planned[0].course)
    return {place.pk: _too_near(planned, standing, place) for place in locations}


def search_course(
    plan: TreatmentPlan,
    location: Location,
    wish: Preferences,
    *,
    now: datetime,
    course: int = 0,
    count: int = 3,
    elsewhere: Sequence[Location] = (),
) -> CourseSearch:
    """The sessions of a course still to book and the best dates for them. Three queries, whatever is searched.

    With a wish for a location only that is searched, else `location` and all that are `elsewhere` together. Without any
    dates, the reason and the smallest things that would help, at all of them: two queries more.
    """
    planned, standing = _course_rows(plan, course)
    if not planned:
        return CourseSearch([], [])
    every = [location, *elsewhere]
    places = [place for place in every if wish.location in {None, place.pk}]
    # A day that has begun somewhere has times left there.
    today = min(now.astimezone(place.zone).date() for place in places)
    before = max((row["day"] for row in standing if row["own"]), default=None)
    start = max(today, planned[0].not_before or today)
    visits = [visit_of(row) for row in planned]
    last = (before or start) + timedelta(days=sum(row.latest_days for row in planned))
    first, last = min(start, before or start), max(last, start)
    near = {place.pk: _too_near(planned, standing, place) for place in every}
    books = diaries(places, first, last, plan.patient, more=near)
    options = find_course(visits, books, wish, start=start, now=now, before=before, count=count)
    if options:
        return CourseSearch(planned, options)
    further = diaries(every, first, last + timedelta(days=FURTHER), plan.patient, more=near)
    return CourseSearch(planned, [], why_not(visits, further, wish, start=start, now=now, before=before))


def options_for(
    plan: TreatmentPlan,
    location: Location,
    wish: Preferences,
    *,
    now: datetime,
    course: int = 0,
    count: int = 3,
    elsewhere: Sequence[Location] = (),
) -> tuple[list[PlannedSession], list[CourseOption]]:
    """The sessions still to book and the best courses for them."""
    found = search_course(plan, location, wish, now=now, course=course, count=count, elsewhere=elsewhere)
    return found.planned, found.options


def physician_of(plan: TreatmentPlan) -> int | None:
    """The practitioner who signed the plan, if that person treats."""
    return (
        Practitioner.objects.filter(user=plan.signed_by_id or 0, user__is_active=True)
        .values_list("pk", flat=True)
        .first()
    )


def practitioners_at(location: Location, needs: Iterable[str]) -> dict[int, str]:
    """Who works at the location and does all of that, by name."""
    people = (
        Practitioner.objects.filter(
            hours__location=location, user__is_active=True, qualifications__contains=sorted(needs)
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
        .select_related("patient", "location", "practitioner__user", "room", "type", "planned_session")
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
