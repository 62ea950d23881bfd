"""Reads of the standing watch: cases in batches, alerts for physicians, visits on hold for the front desk."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from django.db.models import Q, QuerySet, prefetch_related_objects

from patients.models import Patient
from patients.queries import FACT_LISTS, with_name
from protocols.engine.watching import Seen
from protocols.models import AdverseEvent, Alert, Review, TreatmentPlan
from protocols.queries import case_of
from protocols.queries_replan import follow_up_from
from protocols.registry import (
    ComingVisit,
    course_batches,
    course_sources,
    history_batches,
    history_sources,
    visit_sources,
)

_LARGE = ("plan__case", "plan__proposal", "plan__content", "plan__findings")
#: The one sentence the front desk reads: no clinical content.
ON_HOLD = "Physician must look at this course before the visit"


# --- for the check ----------------------------------------------------------------------------------------------------


def live_plans(patient_ids: Sequence[int]) -> list[TreatmentPlan]:
    """Signed and active plans of some patients, with assessment and concerns: two queries."""
    return list(
        TreatmentPlan.objects.filter(patient__in=patient_ids, status__in=TreatmentPlan.LIVE)
        .select_related("patient", "assessment")
        .prefetch_related("assessment__concerns")
        .defer("proposal")
        .order_by("pk")
    )


def cases_of(plans: Sequence[TreatmentPlan], today: date) -> dict[int, dict[str, Any]]:
    """The case file of each plan's assessment with today's facts, by plan key: `case_of` for a batch.

    One query for each list of facts and for each history source, however many plans there are.
    """
    patients = {plan.patient_id: plan.patient for plan in plans}
    prefetch_related_objects(list(patients.values()), *FACT_LISTS)
    histories = _histories(patients)
    cases = {}
    for plan in plans:
        plan.assessment.patient = patients[plan.patient_id]
        cases[plan.pk] = case_of(plan.assessment, today, histories[plan.patient_id])
    return cases


def _histories(patients: Mapping[int, Patient]) -> dict[int, list[Mapping[str, list[dict[str, Any]]]]]:
    found: dict[int, list[Mapping[str, list[dict[str, Any]]]]] = {key: [] for key in patients}
    for source in history_sources:
        together = history_batches.get(source)
        rows = together(list(patients)) if together is not None else None
        for key, patient in patients.items():
            found[key].append(rows.get(key, {}) if rows is not None else source(patient))
    return found


def follow_ups_of(plans: Sequence[TreatmentPlan], today: date) -> dict[int, dict[str, Any]]:
    """The engine's input of each plan with the facts of now, by plan key: `follow_up_of` for a batch."""
    cases = cases_of(plans, today)
    roots = {plan.root_pk for plan in plans}
    of_series = Q(plan__in=roots) | Q(plan__root__in=roots)
    reviews: dict[int, list[Review]] = {}
    events: dict[int, list[AdverseEvent]] = {}
    for review in Review.objects.filter(of_series).select_related("plan").defer(*_LARGE):
        reviews.setdefault(review.plan.root_pk, []).append(review)
    for event in AdverseEvent.objects.filter(of_series).select_related("plan").defer(*_LARGE):
        events.setdefault(event.plan.root_pk, []).append(event)
    told: dict[int, list[Mapping[str, list[dict[str, Any]]]]] = {plan.pk: [] for plan in plans}
    for source in course_sources:
        together = course_batches.get(source)
        rows = together(plans) if together is not None else None
        for plan in plans:
            told[plan.pk].append(rows.get(plan.pk, {}) if rows is not None else source(plan))
    return {
        plan.pk: follow_up_from(
            plan, cases[plan.pk], reviews.get(plan.root_pk, ()), events.get(plan.root_pk, ()), told[plan.pk]
        )
        for plan in plans
    }


def seen_of(alert: Alert) -> Seen:
    """An alert in the form in which the core compares findings."""
    return Seen(
        alert.level, alert.rule, alert.scope, alert.message, alert.remedy,
        alert.earliest.isoformat() if alert.earliest else None, alert.source, alert.grade, tuple(alert.because),
        alert.path,
    )  # fmt: skip


# --- for people -------------------------------------------------------------------------------------------------------


def open_blocks(plan_ids: Iterable[int]) -> set[int]:
    """Which of these plans have an open block: no session of theirs may be booked or started. One query."""
    return set(
        Alert.objects.open()
        .filter(plan__in=list(plan_ids), level=Alert.Level.BLOCK)
        .values_list("plan", flat=True)
    )


def held_plans(plan_ids: Iterable[int] | None = None) -> set[int]:
    """Live plans a physician must look at before the next visit: an open block, or a warning nobody answered."""
    alerts = Alert.objects.holding().filter(plan__status__in=TreatmentPlan.LIVE)
    if plan_ids is not None:
        alerts = alerts.filter(plan__in=list(plan_ids))
    return set(alerts.values_list("plan", flat=True))


def alerts_for(user_id: int | None, *, show: str = "open", text: str = "") -> QuerySet[Alert]:
    """Alerts of the plans one physician signed, or of all; `open` ones, `seen` ones or those `closed`. Blocks first."""
    alerts = Alert.objects.select_related("plan__patient", "plan__signed_by", "acknowledged_by").defer(
        "plan__case", "plan__proposal", "plan__findings"
    )
    if show == "closed":
        alerts = alerts.filter(closed_at__isnull=False).order_by("-closed_at", "-pk")
    elif show == "seen":
        alerts = alerts.filter(closed_at__isnull=True, acknowledged_at__isnull=False)
    else:
        alerts = alerts.filter(closed_at__isnull=True, acknowledged_at__isnull=True)
    if user_id is not None:
        alerts = alerts.filter(plan__signed_by=user_id)
    if text:
        alerts = alerts.filter(
            Q(plan__patient__in=with_name(text))
            | Q(rule__iexact=text) | Q(message__icontains=text)
        )  # fmt: skip
    return alerts


def waiting_count(user_id: int) -> int:
    """Alerts of a physician's own plans that nobody has acknowledged: the badge."""
    return Alert.objects.waiting().filter(plan__signed_by=user_id).count()


def alerts_of_plan(plan_id: int) -> list[Alert]:
    """Open alerts of a plan, blocks first."""
    return list(Alert.objects.open().filter(plan=plan_id).select_related("acknowledged_by"))


def alerts_of_patient(patient_id: int) -> QuerySet[Alert]:
    """Open alerts of a patient's live plans that hold visits."""
    return Alert.objects.holding().filter(plan__patient=patient_id, plan__status__in=TreatmentPlan.LIVE)


def visits_on_hold(now: datetime, text: str = "") -> list[tuple[ComingVisit, TreatmentPlan]]:
    """Coming visits of plans that a physician must look at first, the nearest first. Nothing clinical in it."""
    plans = {
        plan.pk: plan
        for plan in TreatmentPlan.objects.filter(pk__in=held_plans())
        .select_related("signed_by", "patient")
        .only("pk", "signed_by", "patient", "status")
    }
    if not plans:
        return []
    visits = [visit for source in visit_sources for visit in source(list(plans), now)]
    rows = [(visit, plans[visit.plan_id]) for visit in visits if visit.plan_id in plans]
    if text:
        rows = [row for row in rows if text.casefold() in row[0].patient.full_name.casefold()]
    return sorted(rows, key=lambda row: row[0].starts_at)
