"""Reads of a course under way: the plan so far as the engine's input, and what a new version changes."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from django.db.models import F, Q, QuerySet

from patients.models import Patient
from protocols.catalogue import knowledge
from protocols.engine.difference import Difference, difference, where_words
from protocols.models import AdverseEvent, Review, TreatmentPlan
from protocols.queries import case_of
from protocols.registry import course_sources


def series_of(plan: TreatmentPlan) -> QuerySet[TreatmentPlan]:
    """All versions of a course, the first one first."""
    return TreatmentPlan.objects.filter(Q(pk=plan.root_pk) | Q(root=plan.root_pk)).order_by("version", "pk")


def _part(part: dict[str, Any]) -> dict[str, Any]:
    found = {name: part[name] for name in ("concern", "modality", "technique", "cocktail", "volume_ml")}
    if part.get("depth_mm"):
        found["depth_mm"] = part["depth_mm"]
    found["agents"] = list(dict.fromkeys(row["agent"] for row in part.get("components", ())))
    return found if found["agents"] else {k: v for k, v in found.items() if k != "agents"}


def signed_courses(plan: TreatmentPlan) -> dict[int, dict[str, Any]]:
    """The courses of a signed plan as replan.schema.json has them, by their place: done before, then its own."""
    before = plan.case.get("plan", {}).get("courses", []) if plan.follows else []
    done = {(row.get("course", 0), row["number"]) for row in plan.case.get("done", ())}
    found = {}
    for index, course in enumerate(plan.content["courses"]):
        sessions = []
        if index < len(before):
            sessions = [s for s in before[index]["sessions"] if (index, s["number"]) in done]
        sessions += [
            {"number": session["number"], "parts": [_part(part) for part in session["parts"]]}
            for session in course["sessions"]
        ]
        if sessions:
            found[index] = {
                "concerns": course["concerns"], "interval_days": course["interval_days"], "sessions": sessions,
            }  # fmt: skip
    return found


def follow_up_of(plan: TreatmentPlan, today: date) -> dict[str, Any]:
    """The engine's input for going on with a signed plan, with the facts of now."""
    return follow_up_from(
        plan,
        case_of(plan.assessment, today),
        Review.objects.filter(plan__in=series_of(plan)),
        AdverseEvent.objects.filter(plan__in=series_of(plan)),
        [source(plan) for source in course_sources],
    )


def follow_up_from(
    plan: TreatmentPlan,
    case: dict[str, Any],
    reviews: Iterable[Review],
    events: Iterable[AdverseEvent],
    told: Iterable[Mapping[str, list[dict[str, Any]]]],
) -> dict[str, Any]:
    """The same from what was read before: reviews and events of all versions, and what the course sources told."""
    # The day the course was signed first decides nothing; the version in force does.
    assert plan.signed_at is not None
    signed_on = plan.signed_at.date().isoformat()
    courses = signed_courses(plan)
    places = {index: place for place, index in enumerate(courses)}
    found: dict[str, Any] = case | {
        "plan": {"signed_on": signed_on, "courses": list(courses.values())},
        "done": [],
        "missed": [],
        "scores": [_score(review) for review in reviews],
        "adverse_events": [_event(row) for row in events],
    }
    for source in told:
        for name, rows in source.items():
            kept = [row | {"course": places[row["course"]]} for row in rows if row["course"] in places]
            found[name] = [*found[name], *kept]
    return found


def _score(review: Review) -> dict[str, Any]:
    found: dict[str, Any] = {
        "concern": review.concern, "date": review.reviewed_on.isoformat(), "after_session": review.after_session,
        "goal_met": review.goal_met, "wants_more": review.wants_more,
    }  # fmt: skip
    if review.scale and review.items:
        found |= {"scale": review.scale, "items": review.items}
    if review.gais is not None:
        found["gais"] = review.gais
    return found


def _event(row: AdverseEvent) -> dict[str, Any]:
    found: dict[str, Any] = {"event": row.event, "grade": row.grade, "onset": row.onset.isoformat()}
    if row.area:
        found["area"] = row.area
    if row.agent:
        found["agent"] = row.agent
    if row.after_session:
        found["session"] = row.after_session
    if row.resolved_on:
        found |= {"status": "resolved", "resolved_on": row.resolved_on.isoformat()}
    return found


def version_difference(plan: TreatmentPlan) -> list[Difference]:
    """What a version that continues a course changes against the one before it, for what is still to come."""
    if plan.supersedes is None:
        return []
    known = knowledge()
    old = plan.supersedes.content
    done = {(row.get("course", 0), row["number"]) for row in plan.case.get("done", ())}
    courses = [
        course
        | {
            "sessions_total": course.get("sessions_total", len(course["sessions"])),
            "sessions": [s for s in course["sessions"] if (index, s["number"]) not in done],
        }
        for index, course in enumerate(old["courses"])
    ]
    rows = difference({**old, "courses": courses}, plan.content, known)
    # When it may start is told beside each session; it always differs.
    return [row for row in rows if row.what != "earliest start"]


def course_progress(plan: TreatmentPlan) -> list[dict[str, Any]]:
    """For each concern of a signed plan: its baseline, the reviews so far, and the scale to review with."""
    known = knowledge()
    reviews = list(Review.objects.filter(plan__in=series_of(plan)).select_related("by"))
    found = []
    for concern in plan.assessment.concerns.all():
        if not any(concern.code in course["concerns"] for course in plan.content["courses"]):
            continue
        own = [review for review in reviews if review.concern == concern.code]
        found.append(
            {
                "concern": concern,
                "title": where_words(concern.code, known),
                "scale": known.scales.get(concern.scale),
                "baseline": concern.score,
                "reviews": [row_of(review, concern.score) for review in own],
            }
        )
    return found


def row_of(review: Review, baseline: Any) -> dict[str, Any]:
    """A review with its response in percent of the baseline."""
    percent = None
    if review.score is not None and baseline:
        percent = round((baseline - review.score) / baseline * 100)
    return {"review": review, "percent": percent}


def events_of(plan: TreatmentPlan) -> Iterable[AdverseEvent]:
    """Adverse events of all versions of the course, the newest first."""
    return AdverseEvent.objects.filter(plan__in=series_of(plan)).select_related("by")


def _reaction(event: AdverseEvent) -> dict[str, Any]:
    row: dict[str, Any] = {"event": event.event, "grade": event.grade, "date": event.onset.isoformat()}
    return row | {name: value for name in ("agent", "area") if (value := getattr(event, name))}


def reactions_in_courses(patient: Patient) -> dict[str, list[dict[str, Any]]]:
    """Adverse events of all courses of a patient, as the rules read them. One query."""
    return {"reactions": [_reaction(event) for event in AdverseEvent.objects.filter(plan__patient=patient)]}


def reactions_of(patient_ids: Sequence[int]) -> dict[int, dict[str, list[dict[str, Any]]]]:
    """The same for many patients, still one query."""
    found: dict[int, dict[str, list[dict[str, Any]]]] = {}
    events = AdverseEvent.objects.filter(plan__patient__in=patient_ids)
    for event in events.annotate(of_patient=F("plan__patient")):
        found.setdefault(event.of_patient, {"reactions": []})["reactions"].append(_reaction(event))
    return found
