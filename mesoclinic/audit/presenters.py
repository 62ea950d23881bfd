"""The codes of the trail as sentences for people. A code nobody has named yet is spelled out, never hidden."""

from typing import Any

from django.utils.translation import gettext_lazy as _

_LISTS = {
    "allergies": _("Allergies"), "conditions": _("Conditions"), "medications": _("Medicines"),
    "procedures": _("Earlier procedures"), "labs": _("Laboratory values"), "sun": _("Sun"), "reactions": _("Reactions to earlier treatments"),
}  # fmt: skip

ACTS: dict[str, Any] = {
    "appointment.booked": _("Visit booked"),
    "appointment.moved": _("Visit moved"),
    "appointment.lengthened": _("Visit made longer"),
    "appointment.shortened": _("Visit made shorter"),
    "appointment.followed-its-clock": _("Visit kept its time on the wall"),
    "appointment.requested": _("Visit set back to requested"),
    "appointment.confirmed": _("Visit confirmed"),
    "appointment.arrived": _("Patient checked in"),
    "appointment.in-treatment": _("Treatment begun"),
    "appointment.done": _("Visit done"),
    "appointment.no-show": _("Patient did not come"),
    "appointment.cancelled": _("Visit cancelled"),
    "assessment.recorded": _("Assessment recorded"),
    "calendar-feed.renewed": _("Calendar link made"),
    "calendar-feed.ended": _("Calendar link ended"),
    "course.booked": _("Course booked"),
    "fact.retracted": _("Clinical fact taken back"),
    "links.withdrawn": _("Links in messages withdrawn"),
    "message.sent-again": _("Message sent again"),
    "patient.registered": _("Patient registered"),
    "patient.contact": _("Contact details changed"),
    "patient.profile": _("Clinical profile changed"),
    "plan.proposed": _("Plan proposed"),
    "plan.proposed-again": _("Plan proposed again"),
    "plan.edited": _("Plan edited"),
    "plan.warning-answered": _("Reason given for a warning"),
    "plan.discarded": _("Draft plan discarded"),
    "plan.signed": _("Plan signed"),
    "sheet.issued": _("Aftercare sheet issued"),
    "time-request.asked": _("Another time asked for"),
    "time-request.settled": _("Request for another time settled"),
    "treatment.opened": _("Treatment record opened"),
    "treatment.started": _("Treatment started"),
    "treatment.signed": _("Treatment record signed"),
    "treatment.corrected": _("Treatment record corrected"),
    "user.signed-in": _("Signed in"),
    "user.signed-out": _("Signed out"),
    "user.password-changed": _("Password changed"),
    **{f"{kind}.added": _("%(list)s: one added") for kind in _LISTS},
    **{f"{kind}.asked": _("%(list)s: asked, none") for kind in _LISTS},
}


def act_words(code: str) -> str:
    """`appointment.cancelled` as `Visit cancelled`."""
    kind, _dot, act = code.partition(".")
    if code in ACTS:
        return str(ACTS[code]) % {"list": _LISTS.get(kind, kind)} if kind in _LISTS else str(ACTS[code])
    return f"{kind} {act}".replace("-", " ").strip().capitalize()


def codes_named(text: str) -> list[str]:
    """The codes whose words contain `text`: one searches for what one reads."""
    return [code for code in ACTS if text.casefold() in act_words(code).casefold()]
