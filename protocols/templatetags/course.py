"""Words of a course under way: `{% load course %}`."""

from django import template

from protocols import labels
from protocols.labels import concern_label

register = template.Library()

DECISIONS = {
    "continue": "Goes on", "adjust": "Adjusted", "hold": "On hold", "extend": "Extended", "stop": "Stopped",
    "complete": "Completed", "close": "Closed",
}  # fmt: skip
GAIS = {3: "Very much improved", 2: "Much improved", 1: "Improved", 0: "No change", -1: "Worse"}


@register.filter
def event_label(code: str) -> str:
    """An adverse event's name."""
    return labels.label("adverse_events", code)


@register.filter
def gais_label(value: int | None) -> str:
    """The global improvement in words; nothing when it was not judged."""
    return GAIS.get(value, "") if value is not None else ""


@register.filter
def decision_label(code: str) -> str:
    """What a replan decided, in words."""
    return DECISIONS.get(code, code)


@register.filter
def where_label(where: str) -> str:
    """The scope of a finding in words: a concern, the whole plan, an agent or a modality."""
    if "/" in where:
        return " + ".join(concern_label(code) for code in where.split(" + "))
    return {"plan": "Whole plan", "agent": "Agents", "modality": "Modality"}.get(where, where)
