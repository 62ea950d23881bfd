"""What a rule that is true does: the line that the physician reads, and what is left out of the plan."""

from typing import Any

import pytest

from protocols.engine import Knowledge, parse
from protocols.engine.case import Fact
from protocols.engine.effects import Outcome, apply
from protocols.engine.examples import example_case
from protocols.engine.rules import Clause, Evidence, Rules, Scene, compile_rules

TOLD: Evidence = (("epilepsy", None),)


def done(
    knowledge: Knowledge, *effects: dict[str, Any], evidence: Evidence = TOLD, message: str = "Why: {fact}.",
    quiet: bool = False,
) -> Outcome:  # fmt: skip
    """The outcome of a clause of rule R33 that is true."""
    clause = Clause("R33", "plan", lambda _scene: evidence, (), effects, message, "Ask.")
    case, outcome = parse(example_case({}), knowledge.schema), Outcome()
    apply(Rules([clause]), Scene(case, case.today, knowledge), outcome, quiet=quiet)
    return outcome


@pytest.mark.parametrize(
    ("effects", "told"),
    [
        ([{"do": "block"}], [("block", "plan")]),
        ([{"do": "warn"}], [("warn", "plan")]),
        ([{"do": "decline"}], [("info", "plan")]),
        ([{"do": "remove-agents", "agents": ["lidocaine"]}], [("info", "agent")]),
        ([{"do": "remove-products", "products": ["emla-5"]}], [("info", "plan")]),
        ([{"do": "remove-modalities", "modalities": ["syringe"]}], [("info", "modality")]),
        ([{"do": "anaesthetic-factor", "factor": "0.5"}], [("info", "plan")]),
        # A warning stays one whatever else the rule does.
        ([{"do": "warn"}, {"do": "anaesthetic-factor", "factor": "0.5"}], [("warn", "plan")]),
        ([{"do": "warn"}, {"do": "remove-agents", "agents": ["lidocaine"]}], [("warn", "plan")]),
        # What the plan tells by itself needs no line.
        ([{"do": "cap-needling", "mm": "0.5"}], []),
    ],
)
def test_each_effect_is_told_at_its_level(
    effects: list[dict[str, Any]], told: list[tuple[str, str]], knowledge: Knowledge
) -> None:
    assert [(one.level, one.scope) for one in done(knowledge, *effects).findings] == told


def test_the_message_names_the_facts_or_says_that_they_are_stated(knowledge: Knowledge) -> None:
    both: Evidence = (("epilepsy", None), ("asthma", None), ("epilepsy", None))
    for evidence, words in ((both, "Why: epilepsy; asthma."), ((), "Why: stated.")):
        assert [one.message for one in done(knowledge, {"do": "warn"}, evidence=evidence).findings] == [words]


def test_what_is_done_quietly_is_not_told(knowledge: Knowledge) -> None:
    """An added cocktail meets the rules of its concern again: they were told there."""
    outcome = done(knowledge, {"do": "warn"}, {"do": "anaesthetic-factor", "factor": "0.5"}, quiet=True)
    assert (outcome.findings, str(outcome.factor)) == ([], "0.5")


def test_an_allergy_or_reaction_is_found_among_all_that_made_the_rule_true(knowledge: Knowledge) -> None:
    """The patient's age is no fact of a list, what stands behind it still counts."""
    evidence: Evidence = (("age 70", None), ("Lidocaine", Fact("lidocaine", {"agent": "lidocaine"})))
    for effect in ("remove-allergens", "remove-reacted"):
        assert set(done(knowledge, {"do": effect}, evidence=evidence).agents) == {"lidocaine"}


def test_after_a_reaction_to_an_agent_each_product_that_holds_it_is_left_out(knowledge: Knowledge) -> None:
    reaction = {"event": "urticaria", "grade": 2, "agent": "lidocaine", "date": "2026-02-04"}
    case = parse(example_case({"patient": {"reactions": [reaction]}}), knowledge.schema)
    outcome = Outcome()
    apply(
        Rules(one for one in compile_rules(knowledge) if one.rule == "R76"),
        Scene(case, case.today, knowledge),
        outcome,
    )
    assert outcome.products == {
        product: ["R76"]
        for product in (
            "lidocaine-4-cream", "emla-5", "dc-wheals", "lidocaine-infiltration", "lidocaine-adrenaline-infiltration",
        )
    }  # fmt: skip
    assert list(outcome.agents) == ["lidocaine"]
