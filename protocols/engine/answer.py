"""The answer in the form of DESIGN.md §5: plain JSON data, decimals as strings."""

from decimal import Decimal
from typing import Any

from protocols.engine.anaesthesia import Comfort
from protocols.engine.candidates import Candidate
from protocols.engine.case import Case
from protocols.engine.courses import Course, Planned, comforts
from protocols.engine.knowledge import Knowledge


def number(value: Decimal | None, places: int = 1) -> str | None:
    """A decimal as text: no exponent, at least `places` decimals, no zeros beyond them."""
    if value is None:
        return None
    text = format(value.normalize(), "f")
    whole, _dot, rest = text.partition(".")
    rest = rest.ljust(places, "0")
    return f"{whole}.{rest}" if rest else whole


def comfort_dict(comfort: Comfort, e_mg: Decimal, limit: Decimal) -> dict[str, Any]:
    """An anaesthetic: product, grams, minutes, E and its limit in mg."""
    return {
        "product": comfort.product,
        "grams": number(comfort.grams, 0),
        "volume_ml": number(comfort.volume_ml),
        "minutes": comfort.minutes,
        "e_mg": number(e_mg, 0),
        "limit_mg": number(limit, 0),
    }


def component_dicts(candidate: Candidate, case: Case) -> list[dict[str, Any]]:
    """The cocktail's components with dose, mg/kg and limits."""
    return [
        {
            "agent": part.agent,
            "concentration_mg_per_ml": number(part.concentration_mg_per_ml, 0),
            "volume_ml": number(part.volume_ml),
            "dose_mg": number(part.dose_mg, 0),
            "dose_mg_per_kg": number((part.dose_mg / case.weight_kg).quantize(Decimal("0.01")), 2)
            if part.dose_mg is not None and case.weight_kg
            else None,
            "limit_mg": number(part.limit_mg, 0),
            "limit_ml": number(part.limit_ml, 0),
        }
        for part in candidate.components
    ]


def part_dict(planned: Planned, case: Case, anaesthetic: dict[str, Any] | None) -> dict[str, Any]:
    """One concern's share of a session."""
    candidate = planned.candidate
    found: dict[str, Any] = {
        "concern": candidate.concern,
        "modality": candidate.modality,
        "technique": candidate.technique,
        "depth_mm": number(candidate.depth_mm),
        "cocktail": candidate.cocktail,
        "volume_ml": number(candidate.volume_ml),
        "points": candidate.points,
        "ml_per_point": number(candidate.ml_per_point),
        "spacing_mm": candidate.spacing_mm,
        "needle": candidate.needle,
        "zones": {zone: number(depth) for zone, depth in candidate.zones} or None,
        "anaesthetic": anaesthetic,
        "components": component_dicts(candidate, case),
    }
    if len(planned.concerns) > 1:
        found["concerns"] = list(planned.concerns)
    return found


def session_dict(
    index: int, parts: tuple[Planned, ...], course: Course, case: Case, knowledge: Knowledge
) -> dict[str, Any]:
    """One session of a course."""
    chosen, e_mg, limit = comforts(parts, case, knowledge)
    several = len(parts) > 1
    least, target, most = course.interval
    window = (
        {"earliest": 0, "target": 0, "latest": knowledge.tables["first_session_latest_days"]["days"]}
        if index == 0 and course.first_number == 1
        else {"earliest": least, "target": target, "latest": most}
    )
    if course.windows:
        window = dict(zip(("earliest", "target", "latest"), course.windows[index], strict=True))
    strongest = max(chosen, key=lambda comfort: comfort.need)
    return {
        "number": index + course.first_number,
        "window_days": window,
        "volume_ml": number(sum((p.candidate.volume_ml for p in parts), Decimal(0))),
        "downtime_hours": max(p.candidate.downtime_hours for p in parts),
        "anaesthetic": comfort_dict(strongest, e_mg, limit),
        "parts": [
            part_dict(p, case, comfort_dict(comfort, e_mg, limit) if several else None)
            for p, comfort in zip(parts, chosen, strict=True)
        ],
    }


def course_dict(course: Course, case: Case, knowledge: Knowledge) -> dict[str, Any]:
    """A whole course."""
    followed = course.followed
    if not course.members:
        return _ended_dict(course)
    first = course.members[0].candidate
    review = knowledge.tables["review"]
    days = knowledge.indications[first.indication]["review_after_days"]
    total = course.first_number - 1 + len(course.sessions)
    reviews: list[dict[str, Any]] = []
    if days:
        reviews = [{"after_session": None, "after_days": day, "rule": review["text"]} for day in days]
    elif course.first_number <= review["after_session"] < total:
        reviews.append({"after_session": review["after_session"], "after_days": None, "rule": review["text"]})
    reviews.append({"after_session": total, "after_days": None, "rule": review["last"]})
    maintenance = knowledge.indications[first.indication]["maintenance"]
    concerns = dict.fromkeys(code for member in course.members for code in member.concerns)
    return {
        "concerns": list(followed.concerns if followed else concerns),
        "protocol": " + ".join(
            dict.fromkeys(f"{m.candidate.indication}, {m.candidate.modality}" for m in course.members)
        ),
        "start_earliest": course.start_earliest.isoformat(),
        "interval_days": dict(zip(("min", "target", "max"), course.interval, strict=True)),
        "sessions": [
            session_dict(i, parts, course, case, knowledge) for i, parts in enumerate(course.sessions)
        ],
        "review": reviews,
        "maintenance": None if knowledge.is_dc(first.cocktail) else dict(maintenance),
        "why": [step.to_dict() for step in course.steps],
    } | (_followed_dict(course) if followed else {})


def _followed_dict(course: Course) -> dict[str, Any]:
    """What a replan adds to a course: the decision, all sessions, the difference to the plan before."""
    followed = course.followed
    assert followed is not None
    return {
        "decision": followed.decision,
        "sessions_done": followed.done,
        "sessions_total": followed.done + len(course.sessions),
        "changes": list(followed.changes),
    }


def _ended_dict(course: Course) -> dict[str, Any]:
    """A course with no session to come."""
    assert course.followed is not None
    return {
        "concerns": list(course.followed.concerns),
        "protocol": None,
        "start_earliest": course.start_earliest.isoformat(),
        "interval_days": dict(zip(("min", "target", "max"), course.interval, strict=True)),
        "sessions": [],
        "review": [],
        "maintenance": None,
        "why": [step.to_dict() for step in course.steps],
    } | _followed_dict(course)
