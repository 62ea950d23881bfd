"""What a page of a lower app shows of the booked visits."""

from typing import Any

from django import template
from django.conf import settings

from protocols.models import TreatmentPlan
from sessions.models import Message
from sessions.queries.booking import dates_of
from sessions.selfservice.links import COURSE_LINK, VISIT_LINK, with_links

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


@register.filter
def as_sent(message: Message) -> str:
    """The text of a message. Where messages really leave, staff see that there is a link, not the link itself.

    Who has it acts as the patient. In the mailbox mode the page is all that the patient has.
    """
    if settings.MESSAGE_DELIVERY == "mailbox":
        return with_links(message)
    hidden = "[the patient's own link]"
    return message.body.replace(VISIT_LINK, hidden).replace(COURSE_LINK, hidden)
