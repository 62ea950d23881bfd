"""What must stand in a case for a condition to be looked at: it never hides a true one, and it spares the others."""

from typing import Any

import pytest

from protocols.engine import Knowledge
from protocols.engine.triggers import marks, triggers

CLASSES = {"rivaroxaban": frozenset({"doac", "anticoagulant"}), "warfarin": frozenset({"warfarin", "anticoagulant"})}  # fmt: skip
SYRINGE = {"modality": ["syringe"]}
FACE = {"concern": {"area": ["face"]}}


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ({"condition": ["vte", "stroke"]}, [{("conditions", "vte"), ("conditions", "stroke")}]),
        ({"procedure": ["caesarean"]}, [{("procedures", "caesarean")}]),
        ({"allergy": ["nickel"]}, [{("allergies", "nickel")}]),
        ({"allergy": "any-agent"}, [{("any", "allergies")}]),
        ({"reaction": ["pih"]}, [{("reactions", "pih")}]),
        ({"reaction": None}, [{("any", "reactions")}]),
        ({"event": ["vaccination"]}, [{("events", "vaccination")}]),
        ({"sun": ["tan"]}, [{("sun", "tan")}]),
        # A class of medicines is met by each that belongs to it.
        ({"medication": ["anticoagulant"]},
         [{("medications", "anticoagulant"), ("medications", "rivaroxaban"), ("medications", "warfarin")}]),
        ({"medication": ["doac"]}, [{("medications", "doac"), ("medications", "rivaroxaban")}]),
        ({"patient": "pregnancy", "is_in": ["pregnant"]}, [{("pregnancy", "pregnant")}]),
        # What is true of the unknown too, or of a number, can't be told from a mark.
        ({"patient": "phototype", "is_in": [5], "or_unknown": True}, []),
        ({"patient": "smoking_per_day", "at_least": 1}, []),
        ({"age": {"below": 18}}, []),
        ({"lab_missing": "tsh", "within_days": 180}, []),
        ({"lab": "hb", "below": "10"}, [{("labs", "hb")}]),
        ({"drug_allergies": 3, "not_counted": []}, [{("any", "allergies")}]),
        ({"allergen_agents": True, "materials": []}, [{("any", "allergies")}]),
        ({"sunburn": True}, [{("any", "sunburns")}]),
        ({"recent_procedure": True}, [{("any", "procedures")}]),
        ({"blood_pressure": {"systolic_below": 100}}, [{("any", "blood_pressure")}]),
        ({"childbearing": True}, [{("sex", "female")}]),
        (SYRINGE, [{("modality", "syringe")}]),
        ({"agent": ["biotin"]}, [{("agent", "biotin")}]),
        ({"added_agent": ["prp"]}, [{("agent", "prp"), ("added", "prp")}]),
        ({"anaesthetic_product": ["dc-wheals"]}, [{("product", "dc-wheals")}]),
        ({"concern": {"indication": ["fat"], "area": ["submental"], "hair_pattern": ["patchy"]}},
         [{("indication", "fat")}, {("area", "submental")}]),
        ({"concern": {"scale": ["css"], "band": ["severe"], "goal": ["cure"], "red_flags": ["hernia", "nodes"]}},
         [{("scale", "css")}, {("band", "severe")}, {("goal", "cure")}, {("red_flags", "hernia"), ("red_flags", "nodes")}]),
        # All: each must be met, one that stands twice only once. Any: one of them.
        ({"all": [SYRINGE, FACE, SYRINGE]}, [{("modality", "syringe")}, {("area", "face")}]),
        ({"any": [SYRINGE, FACE]}, [{("modality", "syringe"), ("area", "face")}]),
        ({"any": [SYRINGE, {"age": {"below": 18}}]}, []),
        ({"all": [SYRINGE, {"not": FACE}]}, [{("modality", "syringe")}]),
        ({"not": FACE}, []),
    ],
)  # fmt: skip
def test_the_marks_that_a_condition_needs(condition: dict[str, Any], found: list[set[Any]]) -> None:
    assert list(map(set, triggers(condition, CLASSES))) == found


def test_one_mark_a_code() -> None:
    assert marks("sun", ["tan", "strong-uv"]) == {("sun", "tan"), ("sun", "strong-uv")}


def test_most_clauses_are_spared_for_a_healthy_patient(knowledge: Knowledge) -> None:
    """Of the clauses about the patient nearly all name a fact: without one they are not looked at."""
    named = [bool(triggers(clause["when"], knowledge.medication_classes)) for row in knowledge.rules.values() for clause in row["clauses"]]  # fmt: skip
    assert sum(named) > len(named) * 0.85
