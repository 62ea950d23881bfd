"""Every rule fires on its own example and keeps still on the near miss; every fault of the files is one line."""

import copy
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.engine import Knowledge, KnowledgeError, load, parse, propose
from protocols.engine.checking import Codes, cocktail_faults, faults
from protocols.engine.choosing import assess
from protocols.engine.examples import example_case, examples, rules_in
from protocols.engine.proposing import survey
from protocols.engine.rules import Rules, Scene, compile_rules, fired
from protocols.engine.rules import test_of as condition_of

FOLDER = Path(__file__).parents[2] / "protocols" / "knowledge"
KNOWN = load(FOLDER)
EXAMPLES = [
    pytest.param(rule, fires, example, id=f"{rule}-{'fires' if fires else 'near-miss'}-{number}")
    for number, (rule, fires, example) in enumerate(examples(KNOWN.rules))
    if "mix" not in example and example.get("at") != "session"
]


@pytest.mark.parametrize(("rule", "fires", "example"), EXAMPLES)
def test_a_rule_fires_on_its_example_and_not_on_the_near_miss(
    rule: str, fires: bool, example: Mapping[str, Any], knowledge: Knowledge
) -> None:
    case = parse(example_case(example), knowledge.schema)
    answer = propose(case, knowledge, case.today).to_dict()
    told = rules_in(answer)
    assert (rule in told) is fires, f"{rule}: {sorted(told)}"


def test_every_rule_of_the_vocabulary_is_a_record_with_source_grade_and_examples(
    knowledge: Knowledge,
) -> None:
    assert set(knowledge.rules) == {row["id"] for row in knowledge.vocabulary["rules"]}
    for row in knowledge.rules.values():
        assert row["source"]
        assert row["grade"] in "ABCSK"
        assert row["examples"]["fires"]
        assert row["examples"]["near_miss"]


@pytest.fixture
def documents() -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text()) for path in FOLDER.glob("*.json")}


def test_the_mixing_rule_refuses_what_its_example_mixes(documents: dict[str, Any]) -> None:
    rule = KNOWN.rules["R58"]["examples"]
    for kind, refused in (("fires", True), ("near_miss", False)):
        changed = copy.deepcopy(documents)
        agents = rule[kind][0]["mix"]
        row = changed["cocktails"][0]
        row["components"] = [{"agent": agent, "ml": "1.0", "mg_per_ml": None} for agent in agents]
        found = [f for f in cocktail_faults(changed, Codes(changed)) if "R58" in f]
        assert bool(found) is refused


def _agent(documents: dict[str, Any], code: str) -> dict[str, Any]:
    return next(row for row in documents["agents"] if row["code"] == code)


def _rule(documents: dict[str, Any], rule: str) -> dict[str, Any]:
    return next(row for row in documents["rules"] if row["id"] == rule)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: _rule(d, "R09")["clauses"][0]["when"].update(condition=["feaver"]), "unknown condition 'feaver'"),
        (lambda d: _rule(d, "R09").update(source=""), "R09: has no source"),
        (lambda d: _rule(d, "R09").update(grade="X"), "is not one of A B C S K"),
        (lambda d: _rule(d, "R05")["clauses"][0].update(when={"age": {"at_least": 18, "below": 18}}), "empty range"),
        (lambda d: _rule(d, "R09")["clauses"][0].update(when={"condition": []}), "can never fire"),
        (lambda d: _rule(d, "R09")["clauses"][0].update(when={"all": [{"age": {"below": 18}}, {"not": {"age": {"below": 18}}}]}), "contrary"),
        (lambda d: _rule(d, "R09")["clauses"][0].update(when={"all": [{"modality": ["syringe"]}, {"modality": ["needle-free"]}]}), "no modality fits"),
        (lambda d: _rule(d, "R09")["clauses"][0].update(when={"moon": True}), "no known predicate"),
        (lambda d: _rule(d, "R09")["clauses"][0]["when"].update(moon=True), "unknown word 'moon'"),
        (lambda d: _rule(d, "R09").update(clauses=[]), "it can never fire"),
        (lambda d: _rule(d, "R09")["clauses"][0].update(effects=[{"do": "explode"}]), "unknown effect"),
        (lambda d: _rule(d, "R06")["clauses"][0]["effects"][1].update(mm="minus"), "mm must be a number"),
        (lambda d: _rule(d, "R09").update(examples={}), "no example of near miss"),
        (lambda d: d["agents"][0].update(max_mg_per_session="many"), "is not a number"),
        (lambda d: d["agents"][0].update(own_interval=[1, 2, 3]), "contradicts min_days"),
        (lambda d: d["cocktails"][0]["components"][0].update(agent="water"), "unknown agent water"),
        (lambda d: d["cocktails"][1]["components"][0].update(ml="40"), "above its limit"),
        (lambda d: _agent(d, "lidocaine").update(highest_mg_per_ml=None), "a dose in mL could not be counted"),
        (lambda d: _agent(d, "vitamin-c").update(highest_mg_per_ml="0"), "a dose in mL could not be counted"),
        (lambda d: _agent(d, "caffeine").update(highest_mg_per_ml="x"), "is not a number"),
        (lambda d: d["tables"]["lidocaine"]["counted_agents"].append("licodaine"), "unknown agent 'licodaine'"),
        (lambda d: d["areas"][0].update(syringe_default_ml="9"), "above syringe_max_ml"),
        (lambda d: d["indications"][0]["interval_days"].update(syringe=[21, 14, 7]), "out of order"),
        (lambda d: d["agents"].append(dict(d["agents"][0])), "stands twice"),
    ],
)  # fmt: skip
def test_a_fault_of_the_files_is_one_line_that_names_file_and_key(
    documents: dict[str, Any], change: Any, told: str, tmp_path: Path
) -> None:
    change(documents)
    for name, data in documents.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(data))
    with pytest.raises(KnowledgeError) as error:
        load(tmp_path)
    lines = [line for line in error.value.faults if told in line]
    assert lines, error.value.faults
    assert all(".json: " in line and "\n" not in line for line in lines)


def test_the_shipped_files_have_no_fault(documents: dict[str, Any]) -> None:
    assert faults(documents) == []


_MIXED = [row.values[2] for row in EXAMPLES]
_SHAPES = (
    "conditions",
    "medications",
    "procedures",
    "allergies",
    "labs",
    "sun",
    "sunburns",
    "events",
    "reactions",
)


def _merged(chosen: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """One patient with the facts of several examples."""
    patient: dict[str, Any] = {}
    for example in chosen:
        for name, value in example.get("patient", {}).items():
            joined = name in _SHAPES and value is not None
            patient[name] = [*(patient.get(name) or []), *value] if joined else value
    concerns = next((example["concerns"] for example in chosen if "concerns" in example), None)
    return {"patient": patient} | ({"concerns": concerns} if concerns else {})


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.lists(st.sampled_from(_MIXED), min_size=1, max_size=4).map(_merged),
    st.sampled_from([None, "syringe", "needle-free", "microneedling"]),
    st.frozensets(st.sampled_from(sorted(KNOWN.agents)), max_size=4),
    st.frozensets(st.sampled_from(sorted(KNOWN.agents)), max_size=2),
    st.sampled_from([None, *KNOWN.tables["creams"]]),
)  # fmt: skip
def test_a_clause_that_is_skipped_for_lack_of_its_facts_is_never_true(
    example: Mapping[str, Any],
    modality: str | None,
    agents: frozenset[str],
    added: frozenset[str],
    product: str | None,
) -> None:
    case = parse(example_case(example), KNOWN.schema)
    seen = survey(case, KNOWN, case.today)
    for chosen in seen.chosen:
        scene = replace(
            seen.base, assessed=chosen.assessed, modality=modality, agents=agents, added_agents=added,
            product=product, session_days=(case.today,),
        )  # fmt: skip
        true = [clause for clause in compile_rules(KNOWN) if clause.test(scene) is not None]
        assert [clause for clause, _evidence in fired(compile_rules(KNOWN), scene)] == true


@pytest.mark.parametrize(
    ("stated", "fires"), [({}, True), ({"controlled": False}, True), ({"controlled": True}, False)]
)
def test_xanthines_are_left_out_unless_the_overactive_thyroid_is_controlled(
    stated: dict[str, bool], fires: bool, knowledge: Knowledge
) -> None:
    """R36: not stated is not controlled. Anxiety counts either way."""
    for code, true in (("hyperthyroid", fires), ("anxiety", True)):
        case = parse(example_case({"patient": {"conditions": [{"code": code, **stated}]}}), knowledge.schema)
        rules = Rules(clause for clause in compile_rules(knowledge) if clause.rule == "R36")
        found = [evidence for _clause, evidence in fired(rules, Scene(case, case.today, knowledge))]
        assert [bool(evidence) for evidence in found] == [True] * true


@pytest.mark.parametrize(
    ("procedure", "found"),
    [
        ({"code": "filler-ha", "date": "2026-11-18", "area": "face"}, True),  # 13 days ago; needling waits 28
        ({"code": "filler-ha", "date": "2026-11-04", "area": "face"}, True),
        ({"code": "filler-ha", "date": "2026-11-03", "area": "face"}, False),
        ({"code": "filler-ha", "date": "2026-11-18", "area": "hands"}, False),
        ({"code": "vaccination", "date": "2026-12-01"}, False),
    ],
)
def test_a_procedure_is_recent_while_any_modality_waits_for_it(
    procedure: dict[str, Any], found: bool, knowledge: Knowledge
) -> None:
    case = parse(example_case({"patient": {"procedures": [procedure]}}), knowledge.schema)
    assessed, _missing = assess(case.concerns[0], knowledge)
    evidence = condition_of({"recent_procedure": True})(Scene(case, case.today, knowledge, assessed=assessed))
    assert (evidence is not None) is found
    if evidence is not None:
        assert evidence[0][0].startswith(knowledge.label("filler-ha"))
        assert evidence[0][1] == case.facts["procedures"][0]
