"""Writes: assess, propose, edit, answer a finding, sign. One transaction each, with its audit row."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from mesoclinic.accounts.models import User
from mesoclinic.audit.actions import record
from patients.actions import update
from patients.models import Patient
from protocols.catalogue import in_house, knowledge
from protocols.engine.recheck import EditFault, Edits, Rechecked
from protocols.models import (
    Assessment,
    Concern,
    FindingAnswer,
    PlannedDose,
    PlannedSession,
    TreatmentPlan,
)
from protocols.queries import case_of, finding_key, open_problems, rechecked, scored
from protocols.registry import version_listeners

#: Minutes of a session by modality; a body area or a second part adds time [K].
#: The qualification that each modality asks for.
NEEDS = {"syringe": "injection", "needle-free": "needle-free", "microneedling": "needling"}
MINUTES = {"syringe": 30, "needle-free": 30, "microneedling": 45}
MORE_MINUTES = 15
BODY = frozenset({"thighs", "abdomen", "buttocks", "arms"})


class PlanError(Exception):
    """Why it can't be done; the text says what to do."""


@transaction.atomic
def assess(
    *,
    patient: Patient,
    by: User,
    today: date,
    preferences: Mapping[str, Any],
    concerns: Sequence[Mapping[str, Any]],
) -> Assessment:
    """Record an assessment with its concerns; scores are computed here by the engine's code."""
    assessment = Assessment.objects.create(patient=patient, author=by, assessed_on=today, **preferences)
    for position, values in enumerate(concerns, 1):
        concern = Concern(assessment=assessment, position=position, **values)
        if concern.scale:
            result = scored(concern.scale, concern.items)
            concern.score, concern.band = result.score, result.band or ""
        concern.save()
    record(
        type="assessment.recorded", target=assessment, by=by, patient_id=patient.pk,
        new={"concerns": [concern.code for concern in assessment.concerns.all()]},
    )  # fmt: skip
    return assessment


@transaction.atomic
def assess_and_propose(
    *,
    patient: Patient,
    by: User,
    today: date,
    version: int,
    facts: Mapping[str, Any],
    preferences: Mapping[str, Any],
    concerns: Sequence[Mapping[str, Any]],
) -> TreatmentPlan:
    """The assessment page as one act: facts, assessment, proposal. Nothing is kept when one of them fails."""
    patient = update(patient=patient, by=by, version=version, what="profile", **facts)
    assessment = assess(patient=patient, by=by, today=today, preferences=preferences, concerns=concerns)
    return propose_plan(assessment=assessment, by=by, today=today)


def content_of(found: Rechecked, edits: Mapping[str, Any]) -> dict[str, Any]:
    """A plan's content: the answer with the edits on it, and every limit beside its value."""
    return found.proposal.to_dict() | {
        "edits": dict(edits),
        "limits": [limit.to_dict() for limit in found.limits],
        "formulary": _formulary(),
    }


def _formulary() -> dict[str, list[str]] | None:
    """What the engine was held to, kept with the plan so that it can be laid out again the same way."""
    held = in_house()
    return {"agents": sorted(held.agents), "modalities": sorted(held.modalities)} if held else None


def findings_of(found: Rechecked) -> list[dict[str, Any]]:
    """A plan's findings, each with the key that an answer belongs to."""
    return [row | {"key": finding_key(row)} for row in found.findings()]


@transaction.atomic
def propose_plan(*, assessment: Assessment, by: User, today: date) -> TreatmentPlan:
    """Ask the engine and keep its answer as a draft. Raises CaseFaults when the facts contradict themselves."""
    case = case_of(assessment, today)
    found = rechecked(case, {}, today)
    proposal = found.proposal.to_dict()
    plan = TreatmentPlan.objects.create(
        patient=assessment.patient,
        assessment=assessment,
        version=assessment.plans.count() + 1,
        case=case,
        proposal=proposal,
        content=content_of(found, {}),
        findings=findings_of(found),
        knowledge_version=found.proposal.version,
        knowledge_sha256=found.proposal.sha256,
        created_by=by,
    )
    record(
        type="plan.proposed", target=plan, by=by, patient_id=plan.patient_id,
        new={"status": proposal["status"], "knowledge": found.proposal.version},
    )  # fmt: skip
    return plan


def _draft(plan: TreatmentPlan, revision: int | None = None) -> TreatmentPlan:
    current = TreatmentPlan.objects.select_for_update().get(pk=plan.pk)
    if current.status != TreatmentPlan.Status.DRAFT:
        raise PlanError("This plan is signed. Make a new version to change it.")
    if revision is not None and current.revision != revision:
        raise PlanError("This plan was changed in another window. Look at it as it is now, then go on.")
    return current


def _store(plan: TreatmentPlan, case: Mapping[str, Any], edits: Mapping[str, Any], today: date) -> None:
    found = rechecked(case, edits, today)
    plan.case = dict(case)
    plan.content = content_of(found, edits)
    plan.findings = findings_of(found)
    plan.knowledge_version, plan.knowledge_sha256 = found.proposal.version, found.proposal.sha256
    plan.revision += 1
    plan.save()


@transaction.atomic
def propose_again(*, plan: TreatmentPlan, by: User, today: date) -> TreatmentPlan:
    """The engine's fresh answer with today's facts; edits of values are dropped, chosen alternatives stay."""
    current = _draft(plan)
    case = facts_of(current, today)
    edits = {"choice": current.content.get("edits", {}).get("choice", {})}
    _store(current, case, edits, today)
    current.proposal = rechecked(case, {}, today).proposal.to_dict()
    current.save(update_fields=["proposal"])
    record(type="plan.proposed-again", target=current, by=by, patient_id=current.patient_id)
    return current


def _merged(edits: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {
        name: dict(edits.get(name, {})) for name in ("choice", "sessions", "windows", "values")
    }
    for name, rows in changes.items():
        for key, value in rows.items():
            if name == "values":
                merged["values"][key] = {**merged["values"].get(key, {}), **value}
            else:
                merged[name][key] = value
    return merged


@transaction.atomic
def edit_plan(
    *, plan: TreatmentPlan, by: User, revision: int, changes: Mapping[str, Any], today: date
) -> TreatmentPlan:
    """Change values of a draft; the whole plan is checked again at once.

    `changes` has the form of `Edits.to_dict()`. A change of the cocktail drops the values typed for it.
    Raises EditFault for a value that is none, PlanError for a signed or changed plan.
    """
    current = _draft(plan, revision)
    before = current.content.get("edits", {})
    edits = _merged(before, changes)
    if changes.get("choice"):
        edits["values"], edits["windows"], edits["sessions"] = {}, {}, {}
    Edits.from_dict(edits)
    _store(current, current.case, edits, date.fromisoformat(current.case["today"]))
    record(
        type="plan.edited", target=current, by=by, patient_id=current.patient_id,
        old={"edits": before}, new={"edits": edits},
    )  # fmt: skip
    return current


@transaction.atomic
def answer_finding(*, plan: TreatmentPlan, key: str, reason: str, by: User) -> FindingAnswer:
    """Write why the physician goes on despite a warning. Blocks take no answer."""
    current = _draft(plan)
    finding = next((f for f in current.findings if f["key"] == key and f["level"] == "warn"), None)
    if finding is None:
        raise PlanError("This warning is no longer there.")
    reason = reason.strip()
    if len(reason) < 3 or len(reason) > 500:
        raise PlanError("Write the reason in 3 to 500 characters.")
    answer, _new = FindingAnswer.objects.update_or_create(
        plan=current, finding_key=key, defaults={"rule": finding["rule"], "reason": reason, "by": by}
    )
    record(
        type="plan.warning-answered", target=current, by=by, patient_id=current.patient_id,
        new={"rule": finding["rule"]}, reason=reason,
    )  # fmt: skip
    return answer


@transaction.atomic
def discard_plan(*, plan: TreatmentPlan, by: User) -> None:
    """Throw a draft away: it never was a record. The assessment stays."""
    current = _draft(plan)
    record(type="plan.discarded", target=current, by=by, patient_id=current.patient_id)
    current.delete()


def _minutes(session: Mapping[str, Any]) -> int:
    parts = session["parts"]
    minutes = max(MINUTES[part["modality"]] for part in parts)
    if len(parts) > 1 or any(part["concern"].split("/")[1] in BODY for part in parts):
        minutes += MORE_MINUTES
    return minutes


def _summary(session: Mapping[str, Any]) -> str:
    known = knowledge()
    words = []
    for part in session["parts"]:
        area = known.label(part["concern"].split("/")[1])
        depth = f" {part['depth_mm']} mm" if part.get("depth_mm") else ""
        words.append(f"{area}, {part['cocktail']}, {part['technique']}{depth}")
    return "; ".join(words)[:200]


def _early(session: Mapping[str, Any]) -> int:
    rows = [session["anaesthetic"], *(part.get("anaesthetic") for part in session["parts"])]
    return max((row["minutes"] or 0 for row in rows if row), default=0)


def _dose(text: str | None) -> Decimal | None:
    return Decimal(text) if text is not None else None


def _materialise(plan: TreatmentPlan) -> None:
    """One row per session and dose, as booking and the treatment day read them."""
    for index, course in enumerate(plan.content["courses"]):
        first = course["sessions"][0] if course["sessions"] else None
        for session in course["sessions"]:
            window = session["window_days"]
            modalities = [part["modality"] for part in session["parts"]]
            needling = "microneedling" in modalities
            planned = PlannedSession.objects.create(
                plan=plan,
                course=index,
                number=session["number"],
                earliest_days=window["earliest"],
                target_days=window["target"],
                latest_days=window["latest"],
                not_before=date.fromisoformat(course["start_earliest"]) if session is first else None,
                duration_min=_minutes(session),
                arrive_early_min=_early(session),
                needs=sorted({NEEDS[modality] for modality in modalities}),
                device_kind="needling-pen"
                if needling
                else "jet-injector"
                if "needle-free" in modalities
                else "",
                summary=_summary(session),
                volume_ml=Decimal(session["volume_ml"]),
                content=session,
            )
            PlannedDose.objects.bulk_create(
                PlannedDose(
                    session=planned,
                    concern=part["concern"],
                    cocktail=part["cocktail"],
                    agent=component["agent"],
                    concentration_mg_per_ml=_dose(component.get("concentration_mg_per_ml")),
                    volume_ml=Decimal(component["volume_ml"]),
                    dose_mg=_dose(component.get("dose_mg")),
                )
                for part in session["parts"]
                for component in part["components"]
            )


def facts_of(plan: TreatmentPlan, today: date) -> dict[str, Any]:
    """The case of a draft with the facts of now: of a new plan, or of the course under way that it continues."""
    if plan.supersedes is not None:
        from protocols.queries_replan import follow_up_of

        return follow_up_of(plan.supersedes, today)
    return case_of(plan.assessment, today)


def _supersede(plan: TreatmentPlan, by: User, now: datetime) -> None:
    """The version before is no longer in force; what is booked follows the new one."""
    assert plan.supersedes is not None
    old = TreatmentPlan.objects.select_for_update().get(pk=plan.supersedes.pk)
    if old.status not in TreatmentPlan.LIVE:
        raise PlanError("The version before this one is no longer in force. Propose again.")
    old.status = TreatmentPlan.Status.SUPERSEDED
    old.save(update_fields=["status", "saved_at"])
    for told in version_listeners:
        told(old, plan, by, now)


@transaction.atomic
def sign_plan(*, plan: TreatmentPlan, by: User, revision: int, now: datetime, today: date) -> TreatmentPlan:
    """Freeze a plan. It is checked once more with the facts of this moment: what changed since must be seen first.

    Raises PlanError when a block stands, a warning has no reason, or the patient's facts changed.
    """
    current = _draft(plan, revision)
    # The patient's row is locked so that no new fact slips in between the check and the signature.
    Patient.objects.select_for_update().get(pk=current.patient_id)
    facts = facts_of(current, today)
    if {**facts, "today": ""} != {**current.case, "today": ""}:
        raise PlanError("The patient's facts changed since this proposal. Propose again, then sign.")
    edits = current.content.get("edits", {})
    seen = [course["sessions"] for course in current.content.get("courses", [])]
    try:
        _store(current, facts, edits, today)
    except EditFault as fault:
        raise PlanError(str(fault)) from fault
    if current.content["status"] != "proposed" or not any(c["sessions"] for c in current.content["courses"]):
        raise PlanError("There is nothing to sign: the findings say why.")
    if seen != [course["sessions"] for course in current.content["courses"]]:
        # Another catalogue or formulary since: nobody signs doses that were not on the screen.
        raise PlanError("The catalogue changed what this plan gives. Propose again, look at it, then sign.")
    problems = open_problems(current)
    if any(problem["level"] == "block" for problem in problems):
        raise PlanError("A block stands in the way. Solve it first.")
    if problems:
        raise PlanError("Every warning needs a written reason first.")
    _materialise(current)
    current.status = TreatmentPlan.Status.SIGNED
    current.signed_by, current.signed_at = by, now
    current.save()
    if current.supersedes is not None:
        _supersede(current, by, now)
    record(
        type="plan.signed", target=current, by=by, patient_id=current.patient_id,
        new={"sessions": sum(len(c["sessions"]) for c in current.content["courses"]),
             "sha256": current.knowledge_sha256},
    )  # fmt: skip
    return current
