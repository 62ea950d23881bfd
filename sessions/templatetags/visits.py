"""What a page of a lower app shows of the booked visits."""

from typing import Any

from django import template

from protocols.models import TreatmentPlan
from sessions.queries.booking import dates_of

register = template.Library()


@register.simple_tag
def booked_visits(plan: TreatmentPlan, course: dict[str, Any], index: int = 0) -> dict[str, Any]:
    """`{% booked_visits plan course course.index as state %}`: each session with its visit, and how many have one."""
    visits = dates_of(plan, index)
    rows = [
        session | {"visit": visits.get(session["number"]), "book": session["number"] not in visits}
        for session in course["sessions"]
    ]
    booked = sum(1 for row in rows if row["visit"])
    return {"rows": rows, "booked": booked, "open": len(rows) - booked}
