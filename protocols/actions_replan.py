"""Writes of a course under way: review, adverse event, new version, end. One transaction each, with its audit row."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django.db import transaction

from mesoclinic.accounts.models import User
from mesoclinic.audit.actions import record
from patients.models import Patient
from protocols.actions import PlanError, content_of, findings_of
from protocols.catalogue import knowledge
from protocols.models import AdverseEvent, Concern, Review, TreatmentPlan
from protocols.queries import rechecked, scored
from protocols.queries_replan import follow_up_of, series_of
from protocols.registry import end_listeners

#: What ends a course, and the state that the plan then has.
ENDS = {
    "stop": TreatmentPlan.Status.STOPPED,
    "close": TreatmentPlan.Status.STOPPED,
    "complete": TreatmentPlan.Status.COMPLETED,
}


def _live(plan: TreatmentPlan) -> TreatmentPlan:
    current = TreatmentPlan.objects.select_for_update().get(pk=plan.pk)
    if current.status not in TreatmentPlan.LIVE:
        raise PlanError("This plan is not being followed. Open the version in force.")
    return current


def done_count(case: Mapping[str, Any], concern: str) -> int:
    """Sessions done of the course that treats a concern."""
    for index, course in enumerate(case["plan"]["courses"]):
        if concern in course["concerns"]:
            return sum(1 for row in case["done"] if row.get("course", 0) == index)
    return 0


@transaction.atomic
def record_review(
    *,
    plan: TreatmentPlan,
    concern: Concern,
    by: User,
    today: date,
    items: Mapping[str, int],
    gais: int | None,
    goal_met: bool,
    wants_more: bool,
) -> Review:
    """Record the response of one concern; the score is computed here by the engine's code.

    Raises PlanError when nothing was judged or items of the scale are missing.
    """
    current = _live(plan)
    if not items and gais is None and not goal_met:
        raise PlanError("Enter the scale's items or the global improvement.")
    score = None
    if items:
        result = scored(concern.scale, items)
        if result.missing:
            raise PlanError(f"Enter every item of the scale: {len(result.missing)} are missing.")
        score = result.score
    review = Review.objects.create(
        plan=current, concern=concern.code, reviewed_on=today,
        after_session=done_count(follow_up_of(current, today), concern.code),
        scale=concern.scale if items else "", items=dict(items), score=score, gais=gais, goal_met=goal_met,
        wants_more=wants_more, by=by,
    )  # fmt: skip
    record(
        type="course.reviewed", target=review, by=by, patient_id=current.patient_id,
        new={"concern": concern.code, "score": str(score) if score is not None else None, "gais": gais},
    )  # fmt: skip
    return review


@transaction.atomic
def record_adverse_event(*, plan: TreatmentPlan, by: User, **values: Any) -> AdverseEvent:
    """Record an adverse event of a course; it stays in the record, later it is resolved."""
    current = TreatmentPlan.objects.select_for_update().get(pk=plan.pk)
    if current.status == TreatmentPlan.Status.DRAFT:
        raise PlanError("Nothing was given under this draft.")
    event = AdverseEvent.objects.create(plan=current, by=by, **values)
    record(
        type="adverse-event.recorded", target=event, by=by, patient_id=current.patient_id,
        new={"event": event.event, "grade": event.grade, "onset": event.onset.isoformat()},
    )  # fmt: skip
    return event


@transaction.atomic
def resolve_adverse_event(*, event: AdverseEvent, by: User, on: date) -> AdverseEvent:
    """Say since when an adverse event is over. Raises PlanError for a day before its onset."""
    current = AdverseEvent.objects.select_for_update().select_related("plan").get(pk=event.pk)
    if on < current.onset:
        raise PlanError("It can't be over before it began.")
    old = current.resolved_on
    current.resolved_on = on
    current.save(update_fields=["resolved_on"])
    record(
        type="adverse-event.resolved", target=current, by=by, patient_id=current.plan.patient_id,
        old={"resolved_on": old.isoformat() if old else None}, new={"resolved_on": on.isoformat()},
    )  # fmt: skip
    return current


@transaction.atomic
def propose_version(*, plan: TreatmentPlan, by: User, today: date) -> TreatmentPlan:
    """Ask the engine how to go on, and keep the answer as a draft of the next version. Raises PlanError, CaseFaults."""
    current = _live(plan)
    open_draft = series_of(current).filter(status=TreatmentPlan.Status.DRAFT).first()
    if open_draft is not None:
        raise PlanError("A draft of the next version is open already. Sign it or discard it first.")
    case = follow_up_of(current, today)
    found = rechecked(case, {}, today)
    draft = TreatmentPlan.objects.create(
        patient=current.patient,
        assessment=current.assessment,
        version=(series_of(current).order_by("-version").values_list("version", flat=True).first() or 1) + 1,
        supersedes=current,
        root_id=current.root_pk,
        case=case,
        proposal=found.proposal.to_dict(),
        content=content_of(found, {}),
        findings=findings_of(found),
        knowledge_version=knowledge().version,
        knowledge_sha256=knowledge().sha256,
        created_by=by,
    )
    record(
        type="plan.replanned", target=draft, by=by, patient_id=draft.patient_id,
        new={"decisions": [course.get("decision") for course in draft.content["courses"]]},
    )  # fmt: skip
    return draft


def ending(plan: TreatmentPlan) -> str | None:
    """`stop`, `close` or `complete` when a draft leaves no session to come; None while something goes on."""
    courses = plan.content.get("courses", [])
    if not plan.follows or not courses or any(course["sessions"] for course in courses):
        return None
    decisions = [course.get("decision") for course in courses]
    return next((kind for kind in ("stop", "close", "complete") if kind in decisions), None)


@transaction.atomic
def end_course(*, draft: TreatmentPlan, by: User, now: datetime, today: date, reason: str) -> TreatmentPlan:
    """End a course as the draft says: the plan in force is stopped or completed, visits to come are called off.

    The draft stays in the record as the answer that it was signed on. Raises PlanError when the facts changed.
    """
    current = TreatmentPlan.objects.select_for_update().get(pk=draft.pk)
    kind = ending(current)
    if current.status != TreatmentPlan.Status.DRAFT or kind is None or current.supersedes is None:
        raise PlanError("There is nothing to end here.")
    if len(reason.strip()) < 3:
        raise PlanError("Write why the course ends.")
    Patient.objects.select_for_update().get(pk=current.patient_id)
    plan = _live(current.supersedes)
    if {**follow_up_of(plan, today), "today": ""} != {**current.case, "today": ""}:
        raise PlanError("The patient's facts changed since this proposal. Propose again.")
    old = plan.status
    plan.status = ENDS[kind]
    plan.save(update_fields=["status", "saved_at"])
    current.status, current.signed_by, current.signed_at = ENDS[kind], by, now
    current.save()
    for told in end_listeners:
        told(plan, reason.strip(), by, now)
    record(
        type=f"course.{'completed' if kind == 'complete' else 'stopped'}", target=plan, by=by,
        patient_id=plan.patient_id, old={"status": old}, new={"status": plan.status}, reason=reason.strip(),
    )  # fmt: skip
    return plan
