"""Clinical codes in words: `{% load clinical %}`."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django import template
from django.forms import BoundField
from django.forms.widgets import CheckboxInput, Select
from django.utils.safestring import SafeString

from protocols import labels, queries
from protocols.catalogue import knowledge
from protocols.models import TreatmentPlan

register = template.Library()


@register.filter
def as_crispy_bare(field: BoundField) -> SafeString:
    """A field's control alone, in the clinic's look: its label stands elsewhere, in a table's head."""
    name = "form-select" if isinstance(field.field.widget, Select) else "form-control"
    if isinstance(field.field.widget, CheckboxInput):
        name = "form-check-input"
    attrs: dict[str, str | bool] = {"class": f"{name} is-invalid" if field.errors else name}
    return field.as_widget(attrs=attrs)


@register.filter
def agent_label(code: str) -> str:
    """An agent's or anaesthetic product's name."""
    name = labels.label("agents", code)
    return name if name != code else labels.label("anaesthetics", code)


@register.filter
def anaesthetic_label(code: str) -> str:
    """An anaesthetic product's name."""
    return labels.label("anaesthetics", code)


@register.filter
def modality_label(code: str) -> str:
    """A modality's name."""
    return labels.label("modalities", code)


@register.filter
def technique_label(code: str) -> str:
    """A technique's name."""
    return labels.label("techniques", code)


@register.filter
def concern_label(code: str) -> str:
    """`pigment/face` as `Pigment, face`."""
    return labels.concern_label(code)


@register.filter
def concerns_label(codes: Sequence[str]) -> str:
    """Concern codes as one line."""
    return labels.concerns_label(codes)


@register.filter
def in_words(text: object) -> str:
    """A sentence of the engine without codes of concerns."""
    return labels.in_words(str(text))


@register.filter
def source_words(source: object) -> str:
    """A source as a physician knows it."""
    return labels.source_words(str(source or ""))


@register.filter
def concern_of(alternative: Mapping[str, Any], course: Mapping[str, Any]) -> str:
    """The concern an alternative is for, or nothing when the course leaves it open."""
    if alternative.get("concern"):
        return str(alternative["concern"])
    meant = knowledge().cocktails.get(alternative["cocktail"], {}).get("indications", ())
    fitting = [code for code in course["concerns"] if code.split("/")[0] in meant]
    return fitting[0] if len(fitting) == 1 else ""


@register.filter
def cocktail_words(code: str) -> str:
    """What is in a cocktail; one of saline alone says so."""
    row = knowledge().cocktails.get(code)
    if row is None:
        return code
    return queries.cocktail_words(code) or ", ".join(knowledge().label(p["agent"]) for p in row["components"])


@register.filter
def composition(course: Mapping[str, Any], code: str) -> str:
    """What this patient gets of a cocktail: the catalogue's recipe may name an agent that was replaced."""
    part: Mapping[str, Any] = next(
        (p for s in course["sessions"] for p in s["parts"] if p["cocktail"] == code), {"components": []}
    )
    named = []
    for component in part["components"]:
        strength = component.get("concentration_mg_per_ml")
        if component["agent"] != "saline" or len(part["components"]) == 1:
            named.append(knowledge().label(component["agent"]) + (f" {strength} mg/mL" if strength else ""))
    return ", ".join(named)


@register.filter
def modalities(course: Mapping[str, Any]) -> str:
    """How a course is done, each way once, with its concerns where they differ."""
    ways: dict[str, list[str]] = {}
    for session in course["sessions"]:
        for part in session["parts"]:
            held = ways.setdefault(part["modality"], [])
            if part["concern"] not in held:
                held.append(part["concern"])
    if len(ways) < 2:
        return ", ".join(modality_label(way) for way in ways)
    return "; ".join(f"{labels.concerns_label(codes)}: {modality_label(way)}" for way, codes in ways.items())


@register.filter
def worst_limits(limits: Sequence[Mapping[str, Any]], course: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each limit of a course at its worst session, with its concern where the course has several."""
    return labels.lines_of_limits(limits or (), course)


@register.filter
def steps_by_concern(course: Mapping[str, Any]) -> dict[str, Any]:
    """The reasons, so that each concern opens with its own: `groups` of open steps, and what is `folded`."""
    steps = list(course["why"])
    if len(course["concerns"]) < 2:
        return {"groups": [{"concern": "", "steps": steps[:4]}], "folded": steps[4:], "all": len(steps)}
    own: dict[str, list[dict[str, Any]]] = {code: [] for code in course["concerns"]}
    shared: list[dict[str, Any]] = []
    current = ""
    for step in steps:
        if step["step"] == "combine":
            current = ""
        else:
            current = next((code for code in step["because"] if code in own), current)
        (own[current] if current else shared).append(step)
    groups = [
        {"concern": labels.concern_label(code), "steps": rows[:3]} for code, rows in own.items() if rows
    ]
    if shared:
        groups.append({"concern": "Together", "steps": shared})
    folded = [
        dict(step, concern=labels.concern_label(code)) for code, rows in own.items() for step in rows[3:]
    ]
    return {"groups": groups, "folded": folded, "all": len(steps)}


@register.filter
def unit_of(path: str) -> str:
    """The unit of an editable value by its name: `0.1.0.volume_ml` is in mL."""
    units = {"volume_ml": "mL", "depth_mm": "mm", "grams": "g", "sessions": "sessions", "window": "days"}
    return units.get(str(path).rpartition(".")[2], "")


@register.simple_tag
def sessions_range() -> str:
    """How many sessions a course has: `4 to 6`."""
    row = knowledge().tables["sessions_range"]
    return f"{row['min']} to {row['max']}"


@register.filter
def plan_title(plan: TreatmentPlan) -> str:
    """What a plan treats, or what it could not."""
    if plan.title:
        return f"Plan for {_lower(_concerns(plan))}"
    declined = list(dict.fromkeys(row["concern"] for row in plan.content.get("declined", [])))
    if not declined:
        return "No course proposed"
    return f"No course for {_lower(declined)}"


def _lower(codes: Sequence[str]) -> str:
    found = [labels.concern_label(code) for code in codes]
    return " + ".join(words[:1].lower() + words[1:] for words in found)


def _concerns(plan: TreatmentPlan) -> list[str]:
    return [code for course in plan.content.get("courses", []) for code in course["concerns"]]


@register.filter
def catalogue_facts(item: Mapping[str, Any]) -> str:
    """The facts of a catalogue line as one says them: "mild 1", and "not used" where the limit is nothing."""
    text = _SAME.sub(r"\1", str(item["facts"]))
    text = _NOTHING.sub("not used", text)
    return ", ".join(dict.fromkeys(text.split(", "))) if "not used" in text else text


_SAME = re.compile(r"\b(\d+(?:\.\d+)?) to \1\b(?!\.)")
_NOTHING = re.compile(r"(?<![\d.])0(?:\.0+)? (?:mg a session|mg/kg|mL a session)")
