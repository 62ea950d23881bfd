"""Reads: the case of an assessment, a plan ready for the page, the physician's open work."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, QuerySet

from patients.models import Patient
from patients.queries import case_facts
from protocols.catalogue import knowledge
from protocols.engine import parse, parse_follow_up
from protocols.engine.recheck import Edits, Rechecked, recheck, recheck_survey, target_dates
from protocols.engine.replan import resurvey
from protocols.engine.scales import ScaleResult, score
from protocols.models import Assessment, Concern, TreatmentPlan
from protocols.registry import history_sources


def concern_dict(concern: Concern) -> dict[str, Any]:
    """A concern as the case file has it."""
    row: dict[str, Any] = {"indication": concern.indication, "area": concern.area}
    if concern.scale:
        row |= {"scale": concern.scale, "items": concern.items}
    else:
        row["grade"] = concern.grade or 1
    return row | concern.details


def case_of(
    assessment: Assessment,
    today: date,
    histories: Sequence[Mapping[str, list[dict[str, Any]]]] | None = None,
) -> dict[str, Any]:
    """The case file of an assessment with the patient's facts as they stand now (case.schema.json).

    `histories`: what the history sources say, where it was asked for many patients at once.
    """
    patient = case_facts(assessment.patient)
    if histories is None:
        histories = [source(assessment.patient) for source in history_sources]
    for history in histories:
        for name, rows in history.items():
            if rows:
                patient[name] = [*patient.get(name, []), *rows]
    if assessment.events:
        patient["events"] = assessment.events
    preferences: dict[str, Any] = {
        "modality": assessment.modality,
        "anaesthetic": "decline" if assessment.decline_anaesthetic else "as-needed",
    }
    for name in ("max_downtime_days", "pain", "needle_fear", "max_sessions"):
        if getattr(assessment, name) is not None:
            preferences[name] = getattr(assessment, name)
    return {
        "today": today.isoformat(),
        "patient": patient,
        "concerns": [concern_dict(concern) for concern in assessment.concerns.all()],
        "preferences": preferences,
    }


def scales_for(indication: str, area: str, sex: str = "") -> list[str]:
    """The validated scales of an indication in an area, the usual one for the patient's sex first."""
    rows = [
        row["code"]
        for row in knowledge().scales.values()
        if indication in row["indications"] and (row["areas"] is None or area in row["areas"])
    ]
    if sex == Patient.Sex.MALE and "norwood" in rows:
        rows.sort(key=lambda code: code != "norwood")
    return rows


def scored(scale: str, items: Mapping[str, int]) -> ScaleResult:
    """The score by the engine's own code."""
    return score(scale, items, knowledge())


def finding_key(finding: Mapping[str, Any]) -> str:
    """Names a finding of a plan: an answer belongs to these very words, not to what they become."""
    text = "|".join(str(finding.get(name, "")) for name in ("rule", "scope", "path", "message"))
    return f"{finding['rule']}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def rechecked(case: Mapping[str, Any], edits: Mapping[str, Any], today: date) -> Rechecked:
    """Run the engine over a stored case with the physician's edits. Raises CaseFaults, EditFault.

    A case that holds a `plan` is a course under way: what is still to come is laid out.
    """
    known = knowledge()
    read = Edits.from_dict(edits)
    if "plan" in case:
        state = parse_follow_up(dict(case), known)
        return recheck_survey(resurvey(state, known, today, read.choice), known, read)
    return recheck(parse(dict(case), known.schema), known, today, read)


def answered(plan: TreatmentPlan) -> dict[str, Any]:
    """Answers of a plan by finding key."""
    return {answer.finding_key: answer for answer in plan.answers.select_related("by")}


def open_problems(plan: TreatmentPlan) -> list[dict[str, Any]]:
    """What stands between this plan and its signature: blocks, and warnings without a reason."""
    answers = answered(plan)
    return [
        finding
        for finding in plan.findings
        if finding["level"] == "block" or (finding["level"] == "warn" and finding["key"] not in answers)
    ]


def signable(plan: TreatmentPlan) -> bool:
    """Whether there is anything to sign and nothing in its way."""
    return (
        plan.status == TreatmentPlan.Status.DRAFT
        and any(course["sessions"] for course in plan.content.get("courses", []))
        and plan.content.get("status") == "proposed"
        and not open_problems(plan)
    )


def _dated(course: dict[str, Any]) -> list[dict[str, Any]]:
    start = date.fromisoformat(course["start_earliest"])
    rows = zip(course["sessions"], target_dates(course, start), strict=True)
    return [session | {"earliest": e, "target": t, "latest": last} for session, (e, t, last) in rows]


def _part_rows(
    plan: TreatmentPlan, course: int, session: dict[str, Any], faults: Mapping[str, Any], limits: list[Any]
) -> list[dict[str, Any]]:
    number = session["number"] - 1
    found = []
    for place, part in enumerate(session["parts"]):
        path = f"{course}.{number}.{place}"
        lead = next(
            (c for c in part["components"] if c.get("limit_mg") or c.get("limit_ml")), part["components"][0]
        )
        limit = lead.get("limit_mg") or lead.get("limit_ml")
        value = lead.get("dose_mg") if lead.get("limit_mg") else lead["volume_ml"]
        own = [row for row in limits if row["path"].startswith(path)]
        comfort = part.get("anaesthetic") or session["anaesthetic"]
        found.append(
            part
            | {
                "path": path,
                "lead": lead,
                "lead_value": value,
                "lead_limit": limit,
                "lead_unit": "mg" if lead.get("limit_mg") else "mL",
                "over": any(row["over"] for row in own),
                "faults": {name: faults.get(f"{path}.{name}") for name in ("volume_ml", "depth_mm", "grams")},
                "comfort": comfort,
            }
        )
    return found


def plan_page(plan: TreatmentPlan) -> dict[str, Any]:
    """All that the plan page shows, from the stored content: no engine run, two queries."""
    known = knowledge()
    answers = answered(plan)
    content = plan.content
    limits = content.get("limits", [])
    findings = [f | {"answer": answers.get(f["key"])} for f in plan.findings]
    faults = {row["path"]: row for row in plan.findings if row.get("path")}
    courses = []
    ended = [course for course in content.get("courses", []) if not course["sessions"]]
    for index, course in enumerate(content.get("courses", [])):
        if not course["sessions"]:
            continue
        own = [limit for limit in limits if limit["path"].startswith(f"{index}.")]
        worst = max(own, key=lambda row: (row["share"], -row["session"]))["session"] if own else 0
        sessions = [
            session
            | {
                "rows": _part_rows(plan, index, session, faults, own),
                "window_path": f"{index}.{session['number'] - 1}",
                "window_fault": faults.get(f"{index}.{session['number'] - 1}.window"),
                "review": [r for r in course["review"] if r["after_session"] == session["number"]],
            }
            for session in _dated(course)
        ]
        first = course["sessions"][0]["parts"]
        cocktails = list(dict.fromkeys(p["cocktail"] for s in course["sessions"] for p in s["parts"]))
        totals: dict[str, Any] = {}
        for session in course["sessions"]:
            for part in session["parts"]:
                for component in part["components"]:
                    if component.get("dose_mg"):
                        totals.setdefault(component["agent"], []).append(component["dose_mg"])
        courses.append(
            course
            | {
                "index": index,
                "sessions": sessions,
                "cocktails": [{"code": code, "label": cocktail_words(code)} for code in cocktails],
                "first": first,
                "worst": worst,
                "limits": [row for row in own if row["session"] == worst],
                "count_fault": faults.get(f"{index}.sessions"),
                "totals": [(known.label(agent), _sum(rows)) for agent, rows in totals.items()],
                "volume": _sum([s["volume_ml"] for s in course["sessions"]]),
                "alternatives": [a for a in content.get("alternatives", []) if a["course"] == index],
            }
        )
    return {
        "courses": courses,
        "ended": ended,
        "findings": findings,
        "blocks": [f for f in findings if f["level"] == "block"],
        "warnings": [f for f in findings if f["level"] == "warn"],
        "unanswered": [f for f in findings if f["level"] == "warn" and not f["answer"]],
        "infos": [f for f in findings if f["level"] == "info"],
        "declined": content.get("declined", []),
        "not_chosen": content.get("not_chosen", []),
        "outcome": content.get("status"),
        "defer_until": _day(content.get("defer_until")),
        "signable": plan.status == TreatmentPlan.Status.DRAFT
        and bool(courses)
        and content.get("status") == "proposed"
        and all(f["level"] != "block" and (f["level"] != "warn" or f["answer"]) for f in findings),
    }


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _sum(rows: list[str]) -> str:
    total = sum((Decimal(row) for row in rows), Decimal(0))
    return format(total.quantize(Decimal("0.1")), "f")


def cocktail_words(code: str) -> str:
    """The composition of a cocktail in one line."""
    known = knowledge()
    row = known.cocktails[code]
    return ", ".join(
        known.label(p["agent"]) + (f" {p['mg_per_ml']} mg/mL" if p["mg_per_ml"] else "")
        for p in row["components"]
        if p["agent"] != "saline"
    )


def drafts(user_id: int | None = None) -> QuerySet[TreatmentPlan]:
    """Plans not signed yet, newest first; of one physician when `user_id` is given."""
    plans = TreatmentPlan.objects.filter(status=TreatmentPlan.Status.DRAFT).select_related(
        "patient", "created_by"
    )
    return plans.filter(created_by_id=user_id) if user_id else plans


def plans_of(patient: Patient) -> QuerySet[TreatmentPlan]:
    """A patient's plans with the number of their sessions."""
    return (
        TreatmentPlan.objects.filter(patient=patient)
        .select_related("created_by", "signed_by")
        .annotate(
            sessions_count=Count("planned_sessions"),
            reasons=Count("answers", filter=Q(answers__isnull=False), distinct=True),
        )
    )
