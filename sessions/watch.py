"""What the standing watch of protocols asks of this app, for many at once: what was given and done, which visits come."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.urls import reverse

from protocols.models import TreatmentPlan
from protocols.registry import ComingVisit
from sessions.models import Appointment, TreatmentRecord
from sessions.queries.booking import LIVE
from sessions.queries.given import given_in


def given_of(patient_ids: Sequence[int]) -> Mapping[int, Mapping[str, list[dict[str, Any]]]]:
    """`sessions.chart.given` for many patients: three queries."""
    rows: dict[int, list[TreatmentRecord]] = {}
    records = (
        TreatmentRecord.objects.filter(patient__in=patient_ids, signed_at__isnull=False)
        .exclude(successors__signed_at__isnull=False)
        .select_related("appointment__location")
        .prefetch_related("components", "areas")
    )
    for record in records:
        rows.setdefault(record.patient_id, []).append(record)
    return {patient: given_in(own) for patient, own in rows.items()}


def done_and_missed_of(plans: Sequence[TreatmentPlan]) -> Mapping[int, Mapping[str, list[dict[str, Any]]]]:
    """`sessions.course.done_and_missed` for many plans: two queries."""
    roots = {plan.root_pk: plan.pk for plan in plans}
    visits = (
        Appointment.objects.filter(
            Q(planned_session__plan__in=roots.keys()) | Q(planned_session__plan__root__in=roots.keys())
        )
        .select_related("planned_session__plan", "location")
        .defer("planned_session__content", *(f"planned_session__plan__{name}" for name in ("case", "proposal", "content", "findings")))
        .order_by("starts_at")
    )  # fmt: skip
    found: dict[int, dict[str, list[dict[str, Any]]]] = {}

    def add(visit: Appointment, name: str, **more: Any) -> None:
        planned = visit.planned_session
        assert planned is not None
        own = found.setdefault(roots[planned.plan.root_pk], {"done": [], "missed": []})[name]
        place = {"course": planned.course, "number": planned.number}
        if name == "done" and any(place.items() <= row.items() for row in own):
            return
        day = visit.starts_at.astimezone(visit.location.zone).date().isoformat()
        own.append(place | {"date": day} | more)

    for visit in visits.filter(records__signed_at__isnull=False).distinct():
        add(visit, "done")
    for visit in visits.filter(status=Appointment.Status.NO_SHOW):
        add(visit, "missed", reason="no-show")
    return found


def coming_visits(plan_ids: Sequence[int], now: datetime) -> Sequence[ComingVisit]:
    """Visits of plans that nobody has begun and whose time is not over: one query."""
    rows = (
        Appointment.objects.filter(
            LIVE & ~Q(status__in=[Appointment.Status.DONE, Appointment.Status.IN_TREATMENT]),
            planned_session__plan__in=plan_ids, ends_at__gte=now,
        )
        .select_related("patient", "location", "room", "practitioner__user", "planned_session")
        .order_by("starts_at", "pk")
    )  # fmt: skip
    return [
        ComingVisit(
            row.planned_session.plan_id, row.patient, row.starts_at, f"{row.location.short_name}, {row.room.name}",
            str(row.practitioner), reverse("sessions:appointment", args=[row.pk]),
        )
        for row in rows
        if row.planned_session is not None
    ]  # fmt: skip
