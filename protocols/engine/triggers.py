"""What must be there for a condition to be true at all, so that the clauses that nothing in a case speaks to are skipped.

A mark is a pair of where a thing stands and what stands there: ("conditions", "psoriasis"), ("modality", "syringe").
A trigger is a set of marks of which at least one must be present. Triggers only ever say "this can't be true": a
condition whose truth can't be told from marks has none, and is evaluated every time.
"""

from collections.abc import Iterable, Mapping
from typing import Any

type Mark = tuple[str, Any]
type Trigger = frozenset[Mark]

#: Predicate of a fact's code -> the list in the case.
_LISTS = {
    "condition": "conditions",
    "procedure": "procedures",
    "allergy": "allergies",
    "reaction": "reactions",
    "event": "events",
    "sun": "sun",
}

_CONCERN = ("indication", "area", "scale", "band", "goal", "red_flags")


def marks(where: str, codes: Iterable[Any]) -> Trigger:
    """One mark a code."""
    return frozenset((where, code) for code in codes)


def triggers(
    spec: Mapping[str, Any], medication_classes: Mapping[str, frozenset[str]]
) -> tuple[Trigger, ...]:
    """Each of these must be met for the condition to be true; none: it may be true of any case."""
    if "all" in spec:
        return tuple(dict.fromkeys(one for part in spec["all"] for one in triggers(part, medication_classes)))
    if "any" in spec:
        parts = [triggers(part, medication_classes) for part in spec["any"]]
        # One of the parts is true, so one trigger of that part is met: their union is.
        return (frozenset().union(*(part[0] for part in parts)),) if all(parts) else ()
    return tuple(one for one in (_own(spec, medication_classes),) if one is not None) + _concern(spec)


def _own(spec: Mapping[str, Any], medication_classes: Mapping[str, frozenset[str]]) -> Trigger | None:
    for name, where in _LISTS.items():
        if name in spec:
            # "Any agent" and "any reaction" name no codes.
            named = isinstance(spec[name], list) and bool(spec[name])
            return marks(where, spec[name]) if named else frozenset({("any", where)})
    if "medication" in spec:
        wanted = frozenset(spec["medication"])
        known = (code for code, classes in medication_classes.items() if classes & wanted)
        return marks("medications", {*wanted, *known})
    if "patient" in spec and "is_in" in spec and not spec.get("or_unknown"):
        return marks(spec["patient"], spec["is_in"])
    if "lab" in spec:
        return marks("labs", [spec["lab"]])
    for name, where in (("drug_allergies", "allergies"), ("allergen_agents", "allergies"), ("sunburn", "sunburns"),
                        ("recent_procedure", "procedures")):  # fmt: skip
        if name in spec:
            return frozenset({("any", where)})
    if "blood_pressure" in spec:
        return frozenset({("any", "blood_pressure")})
    if "childbearing" in spec:
        return marks("sex", ["female"])
    if "modality" in spec:
        return marks("modality", spec["modality"])
    if "agent" in spec:
        return marks("agent", spec["agent"])
    if "added_agent" in spec:
        return marks("agent", spec["added_agent"]) | marks("added", spec["added_agent"])
    if "anaesthetic_product" in spec:
        return marks("product", spec["anaesthetic_product"])
    return None


def _concern(spec: Mapping[str, Any]) -> tuple[Trigger, ...]:
    wanted = spec.get("concern", {})
    return tuple(marks(name, wanted[name]) for name in _CONCERN if name in wanted)
