"""Favourites: a course's edits, kept relative to its concern and laid over another patient's plan. Reads only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from protocols import queries
from protocols.engine import CaseFaults
from protocols.engine.recheck import EditFault
from protocols.models import TreatmentPlan
from protocols.models_catalogue import Favourite


def _indexed(rows: Mapping[str, Any], course: int) -> dict[str, Any]:
    """Rows of one course with the course's number taken off their path."""
    start = f"{course}."
    return {path.removeprefix(start): row for path, row in rows.items() if path.startswith(start)}


def relative(content: Mapping[str, Any], course: int) -> dict[str, Any]:
    """The edits of a course of one concern, without the plan around it."""
    edits = content.get("edits", {})
    sessions = content["courses"][course]["sessions"]
    part = sessions[0]["parts"][0]
    values = {}
    for path, row in _indexed(edits.get("values", {}), course).items():
        session, _dot, place = path.partition(".")
        if place == "0" and int(session) < len(sessions):
            values[session] = dict(row)
    windows = {
        session: list(days)
        for session, days in _indexed(edits.get("windows", {}), course).items()
        if int(session) < len(sessions)
    }
    return {
        "choice": [part["modality"], part["cocktail"]],
        "sessions": len(sessions),
        "windows": windows,
        "values": values,
    }


def edits_for(favourite: Favourite, course: int) -> dict[str, Any]:
    """The same edits for a course of another plan, in the form of `Edits.to_dict()`."""
    kept = favourite.edits
    return {
        "choice": {favourite.concern: list(kept["choice"])},
        "sessions": {str(course): kept["sessions"]},
        "windows": {f"{course}.{session}": days for session, days in kept["windows"].items()},
        "values": {f"{course}.{session}.0": dict(row) for session, row in kept["values"].items()},
    }


@dataclass(frozen=True, slots=True)
class Tried:
    """A favourite laid over a plan: what would be changed, or why it can't be."""

    favourite: Favourite
    possible: bool
    why: str
    changes: dict[str, Any]


def course_of(content: Mapping[str, Any], concern: str) -> int | None:
    """The course that treats this concern and nothing else."""
    return next(
        (n for n, course in enumerate(content.get("courses", [])) if course["concerns"] == [concern]), None
    )


def tried(plan: TreatmentPlan, favourite: Favourite, today: date) -> Tried:
    """Lay a favourite over a plan and check every limit for this patient. Nothing is stored."""

    def refused(why: str) -> Tried:
        return Tried(favourite, False, why, {})

    course = course_of(plan.content, favourite.concern)
    if course is None:
        return refused("no course of this plan treats this concern alone.")
    changes = edits_for(favourite, course)
    try:
        found = queries.rechecked(plan.case, changes, date.fromisoformat(plan.case["today"]))
    except (EditFault, CaseFaults) as error:
        return refused(str(error))
    answer = found.proposal.to_dict()
    if answer["status"] != "proposed" or course_of(answer, favourite.concern) != course:
        return refused("the rules do not let this concern be treated today.")
    part = answer["courses"][course]["sessions"][0]["parts"][0]
    if [part["modality"], part["cocktail"]] != favourite.edits["choice"]:
        return refused(
            f"{favourite.edits['choice'][1]} is not possible here; see what was not chosen, and why."
        )
    over = [fault for fault in found.faults if fault.finding.level == "block"]
    if over:
        return refused(over[0].finding.message)
    blocks = [f for f in found.findings() if f["level"] == "block"]
    if blocks:
        return refused(str(blocks[0]["message"]))
    return Tried(favourite, True, "", changes)


def offered(plan: TreatmentPlan, today: date, most: int = 8) -> list[Tried]:
    """The favourites for the concerns of a plan, each tried on it."""
    concerns = [
        course["concerns"][0] for course in plan.content.get("courses", []) if len(course["concerns"]) == 1
    ]
    if not concerns:
        return []
    rows = Favourite.objects.filter(
        removed_at__isnull=True,
        indication__in={code.split("/")[0] for code in concerns},
        area__in={code.split("/")[1] for code in concerns},
    ).select_related("by")
    return [tried(plan, row, today) for row in rows if row.concern in concerns][:most]
