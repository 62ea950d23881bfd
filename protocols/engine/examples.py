"""The examples that every rule carries in its file: one that fires it and one near miss, over a normal patient.

REFERENCE.md §12.0: unnamed facts are normal. A fact set to null is one that nobody has asked for.
"""

from collections.abc import Iterator, Mapping
from typing import Any

TODAY = "2026-12-01"
_NORMAL: dict[str, Any] = {
    "birth_date": "1992-05-14", "sex": "female", "weight_kg": 60, "bmi": 22, "phototype": 2, "pregnancy": "none",
    "smoking_per_day": 0, "sunscreen_daily": True, "bdd_screen": "negative", "consent": True,
    "baseline_photos": True, "blood_pressure": {"systolic": 120, "diastolic": 75, "date": TODAY}, "labs": [],
    "allergies": [], "conditions": [], "medications": [], "procedures": [], "sun": [], "sunburns": [], "events": [],
    "reactions": [],
}  # fmt: skip
_CONCERN = {"indication": "rejuvenation", "area": "face", "scale": "glogau", "items": {"grade": 2}}


def example_case(example: Mapping[str, Any]) -> dict[str, Any]:
    """The case file of an example: the normal patient with what the example states on top."""
    patient = {**_NORMAL, **example.get("patient", {})}
    return {
        "today": TODAY,
        "patient": {name: value for name, value in patient.items() if value is not None},
        "concerns": example.get("concerns", [_CONCERN]),
        "preferences": {"modality": "any", "pain": 5, "needle_fear": False} | example.get("preferences", {}),
        "additions": example.get("additions", []),
    }


def rules_in(node: Any) -> set[str]:
    """Every rule that an answer names: findings, reasons, declined and not chosen."""
    found: set[str] = set()
    if isinstance(node, Mapping):
        for name, value in node.items():
            if name == "rule" and isinstance(value, str):
                found.add(value)
            elif name == "rules" and isinstance(value, list | tuple):
                found |= {str(rule) for rule in value}
            found |= rules_in(value)
    elif isinstance(node, list | tuple):
        for value in node:
            found |= rules_in(value)
    return found


def examples(rules: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, bool, Mapping[str, Any]]]:
    """(rule, whether it must fire, example) of every rule."""
    for rule, row in rules.items():
        for kind, fires in (("fires", True), ("near_miss", False)):
            for example in row["examples"][kind]:
                yield rule, fires, example
