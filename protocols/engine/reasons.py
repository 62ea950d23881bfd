"""Why a course is as it is: each decision as a sentence, with the facts of this patient, the rule and the source."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from protocols.engine.candidates import NEEDLING, Candidate, Refusal
from protocols.engine.case import Case
from protocols.engine.courses import Step
from protocols.engine.effects import Outcome
from protocols.engine.knowledge import Knowledge
from protocols.engine.rules import Assessed
from protocols.engine.words import number_words


def _source(row: Any) -> str:
    return str(row["source"])


def _composition(candidate: Candidate, knowledge: Knowledge) -> str:
    return ", ".join(
        f"{knowledge.label(part.agent)} {number_words(part.volume_ml)} mL"
        + (f" ({number_words(part.dose_mg)} mg)" if part.dose_mg is not None else "")
        for part in candidate.components
    )


def _modality(
    candidate: Candidate,
    outcome: Outcome,
    case: Case,
    order: list[str],
    refusals: Sequence[Refusal],
    knowledge: Knowledge,
) -> Step:
    """Which way, and why not the ones that the protocol or the patient would have first."""
    label = knowledge.label(candidate.modality)
    indication = knowledge.indications[candidate.indication]
    usual = indication["modality_order_by_area"].get(candidate.area, indication["modality_order"])
    before = order[: order.index(candidate.modality)] if candidate.modality in order else []
    because: list[str] = []
    rule = None
    for modality in before:
        named = knowledge.label(modality)
        told = [r for r in refusals if r.candidate.startswith(named)]
        if told:
            rule = rule or next((code for row in told for code in row.rules), None)
            because.append(f"{named}: {told[0].reason}")
        else:
            because.append(f"{named}: free only later")
    wish = case.preferences.get("modality", "any")
    if outcome.prefer and candidate.modality in outcome.prefer:
        text, rule = f"{label}, because of needle fear or fainting.", "R62"
        because.append("needle fear or fainting stated")
    elif wish == candidate.modality:
        text = f"{label}, as the patient wishes."
        because.append(f"preference: {label}")
    elif not before:
        text = f"{label}: first in the protocol's order for this indication and area."
    else:
        text = f"{label}: the first of the protocol's order that is allowed and free."
    if candidate.modality not in usual:
        text += " It is not in the protocol's order."
    return Step("modality", text, tuple(because), rule, _source(indication), indication["grade"])


def _depth(candidate: Candidate, assessed: Assessed, knowledge: Knowledge) -> Step:
    """How deep, and what held it."""
    area = knowledge.label(candidate.area)
    if candidate.depth_mm is None:
        return Step("depth", "The device sets the depth.", (area,), None, "REFERENCE.md §5.5", "C")
    text = f"{number_words(candidate.depth_mm)} mm, {candidate.technique.replace('-', ' ')}."
    because = [area, assessed.text or candidate.band]
    rule = None
    if candidate.modality == NEEDLING:
        source = "REFERENCE.md §5.4, §5.3"
        if candidate.zones:
            text += " " + ", ".join(f"{zone} {number_words(mm)} mm" for zone, mm in candidate.zones) + "."
    else:
        source = "REFERENCE.md §5.2, §5.3"
        cap = Decimal(knowledge.areas[candidate.area]["syringe_cap_mm"])
        if candidate.depth_mm == cap:
            because.append(f"{area} is injected to {number_words(cap)} mm at most")
    for code, note in candidate.notes:
        if "depth is held" in note:
            because.append(note)
            rule = code if code.startswith("R") else None
    return Step("depth", text, tuple(because), rule, source, "K")


def _doses(candidate: Candidate, case: Case, knowledge: Knowledge) -> Iterator[Step]:
    """Each agent that has a limit: how much, of how much, for which weight; and what was scaled or replaced."""
    for part in candidate.components:
        name = knowledge.label(part.agent)
        row = knowledge.agents[part.agent]
        if part.dose_mg is not None and part.limit_mg is not None:
            per_kg = row["max_mg_per_kg"] and case.weight_kg
            because = [f"limit {number_words(part.limit_mg)} mg a session"]
            if per_kg:
                because.append(f"weight {number_words(case.weight_kg)} kg at {row['max_mg_per_kg']} mg/kg")
            text = f"{name}: {number_words(part.dose_mg)} mg of {number_words(part.limit_mg)} mg allowed."
            yield Step("dose", text, tuple(because), None, row["source"], row["grade"])
        elif part.limit_ml is not None and part.agent != "saline":
            text = f"{name}: {number_words(part.volume_ml)} mL of {number_words(part.limit_ml)} mL allowed."
            yield Step("dose", text, (), None, row["source"], row["grade"])
    for rule, text in candidate.notes:
        if "depth is held" in text:
            continue
        is_rule = rule.startswith("R")
        source = knowledge.rule_source(rule)[0] if is_rule else f"REFERENCE.md {rule}"
        yield Step("dose", text, (), rule if is_rule else None, source, "K")


def _interval(candidate: Candidate, knowledge: Knowledge) -> Step:
    least, target, most = candidate.interval
    text = f"Every {target} days, from {least} to {most}."
    limits = knowledge.tables["interval_range_days"]
    if most > limits["max"] or least < limits["min"]:
        label = "the label" if knowledge.is_dc(candidate.cocktail) else "its own row"
        text += f" Outside {limits['min']} to {limits['max']} days because {label} of the agent or depth asks for it."
    because = [knowledge.label(candidate.modality)]
    if candidate.modality == NEEDLING and candidate.depth_mm is not None:
        because.append(f"{number_words(candidate.depth_mm)} mm deep")
    because += [
        f"{knowledge.label(agent)}: {knowledge.agents[agent]['min_days']} days at least"
        for agent in sorted(candidate.agents)
        if knowledge.agents[agent]["min_days"] >= least and agent != "saline"
    ]
    return Step("interval", text, tuple(because), None, "REFERENCE.md §8.1", "K")


def steps_for(
    candidate: Candidate,
    outcome: Outcome,
    case: Case,
    order: list[str],
    count_text: str,
    assessed: Assessed,
    refusals: Sequence[Refusal],
    knowledge: Knowledge,
) -> tuple[Step, ...]:
    """The reasons of one concern's share, in the order of derivation (REFERENCE.md §12.0)."""
    indication, cocktail = (
        knowledge.indications[candidate.indication],
        knowledge.cocktails[candidate.cocktail],
    )
    severity = assessed.text or candidate.band
    passed = [r for r in refusals if r.candidate.startswith(f"{knowledge.label(candidate.modality)}, ")]
    wish = case.preferences.get("max_downtime_days")
    return (
        Step("severity", severity, (assessed.code,), None, _source(indication), indication["grade"]),
        _modality(candidate, outcome, case, order, refusals, knowledge),
        Step(
            "cocktail", f"{candidate.cocktail}: {_composition(candidate, knowledge)}.",
            tuple(f"{r.candidate.split(', ', 1)[1]}: {r.reason}" for r in passed),
            next((code for r in passed for code in r.rules), None), cocktail["source"], cocktail["grade"],
        ),
        _depth(candidate, assessed, knowledge),
        *_doses(candidate, case, knowledge),
        Step("sessions", count_text, (severity,), None, knowledge.tables["sessions_by_band"]["source"], "K"),
        _interval(candidate, knowledge),
        Step(
            "downtime", f"About {candidate.downtime_hours} hours of redness.",
            () if wish is None else (f"accepts {wish * 24} hours",), None, "REFERENCE.md §5.4", "K",
        ),
        Step("status", indication["status_note"], (), None, _source(indication), indication["grade"]),
    )  # fmt: skip
