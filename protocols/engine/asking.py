"""What is still to ask: one finding R00 for all facts that nobody has asked for (DECISIONS.md E4)."""

from collections.abc import Iterable, Mapping
from typing import Any

from protocols.engine.effects import Finding
from protocols.engine.knowledge import Knowledge
from protocols.engine.rules import PREDICATES, Scene, test_of

#: Predicate -> the fact it reads. A rule that reads an unknown fact waits for it.
_READS = {
    "condition": "conditions",
    "medication": "medications",
    "procedure": "procedures",
    "recent_procedure": "procedures",
    "lifetime": "procedures",
    "allergy": "allergies",
    "drug_allergies": "allergies",
    "allergen_agents": "allergies",
    "sun": "sun",
    "sunburn": "sunburns",
    "blood_pressure": "blood_pressure",
    "bmi": "bmi",
    "lab": "labs",
    "reaction": "reactions",
    "event": "events",
}
_WORDS = {
    "conditions": "conditions",
    "medications": "medicines and supplements",
    "procedures": "earlier procedures",
    "allergies": "allergies",
    "sun": "tan and strong sun",
    "sunburns": "sunburns",
    "reactions": "reactions to earlier treatments",
    "blood_pressure": "blood pressure",
    "bmi": "height and weight",
    "phototype": "phototype",
    "sunscreen_daily": "daily sunscreen",
    "smoking_per_day": "smoking",
    "bdd_screen": "body dysmorphic disorder screen",
    "weight_kg": "weight",
}


def unknown_facts(scene: Scene) -> frozenset[str]:
    """The facts some rule asks for that are not stated in the case."""
    asked = {fact for rule in scene.knowledge.rules.values() for fact in rule["asks"]}
    case = scene.case
    unknown = set()
    for fact in asked:
        if fact in case.facts:
            if case.facts[fact] is None:
                unknown.add(fact)
        elif fact == "bmi":
            if case.bmi is None:
                unknown.add(fact)
        elif case.patient.get(fact) is None:
            unknown.add(fact)
    if case.weight_kg is None:
        unknown.add("weight_kg")
    return frozenset(unknown)


def _fact_of(spec: Mapping[str, Any]) -> str | None:
    if "patient" in spec:
        return str(spec["patient"])
    return next((fact for name, fact in _READS.items() if name in spec), None)


def possible(spec: Mapping[str, Any], scene: Scene, unknown: frozenset[str]) -> bool:
    """Whether a condition could be true if the unknown facts took any value."""
    if "all" in spec:
        return all(possible(part, scene, unknown) for part in spec["all"])
    if "any" in spec:
        return any(possible(part, scene, unknown) for part in spec["any"])
    if "not" in spec:
        return _reads_unknown(spec["not"], unknown) or not possible(spec["not"], scene, unknown)
    if _fact_of(spec) in unknown:
        return True
    return test_of(spec)(scene) is not None


def _reads_unknown(spec: Mapping[str, Any], unknown: frozenset[str]) -> bool:
    parts = spec.get("all") or spec.get("any") or ([spec["not"]] if "not" in spec else None)
    if parts is not None:
        return any(_reads_unknown(part, unknown) for part in parts)
    return _fact_of(spec) in unknown


def _touches(effect: Mapping[str, Any], scene: Scene, products: frozenset[str]) -> bool:
    """Whether an effect would change this plan: the whole, or an agent, modality or product that is in it."""
    match effect["do"]:
        case (
            "block" | "defer" | "decline" | "warn" | "remove-allergens" | "remove-reacted" | "wait-procedure"
        ):
            return True
        case "remove-agents":
            return bool(set(effect["agents"]) & scene.agents)
        case "remove-products":
            return bool(set(effect["products"]) & products)
        case "remove-modalities":
            return scene.modality in effect["modalities"]
        case "cap-needling":
            return scene.modality == "microneedling"
        case "remove-syringe-deeper":
            return scene.modality == "syringe"
        case "anaesthetic-factor":
            return scene.anaesthetic
    return False


def to_ask(
    scenes: Iterable[Scene],
    products: frozenset[str],
    missing: Iterable[str],
    base: Scene,
    knowledge: Knowledge,
) -> Finding | None:
    """The finding R00, or None when everything has been asked.

    `scenes` are the planned parts, `missing` the measurements without which a concern can't be sized (then it blocks).
    """
    lacking = tuple(missing)
    unknown = unknown_facts(base)
    if not unknown and not lacking:
        return None
    planned = tuple(scenes)
    waiting: list[str] = []
    touching = False
    for rule, row in knowledge.rules.items():
        for clause in row["clauses"]:
            if not _reads_unknown(clause["when"], unknown):
                continue
            for scene in planned or (base,):
                if possible(clause["when"], scene, unknown):
                    waiting.append(rule)
                    touching = touching or (
                        bool(planned)
                        and any(_touches(effect, scene, products) for effect in clause["effects"])
                    )
    names = [_WORDS.get(fact, fact.replace("_", " ")) for fact in sorted(unknown)] + list(lacking)
    level = "block" if lacking else "warn" if touching else "info"
    rules = tuple(dict.fromkeys(waiting))
    return Finding(
        level=level,
        rule="R00",
        scope="plan",
        message=f"Still to ask: {', '.join(names)}.",
        remedy="Ask and record the answer, also when it is none."
        + (f" Waiting rules: {', '.join(rules)}." if rules else ""),
        source="DECISIONS.md E4, B10",
        grade="K",
        because=tuple(f"{name}: not stated" for name in names),
    )


assert set(_READS) <= set(PREDICATES), "a fact is read by no predicate"
