"""Single conditions of the rules at their limits: true on the last day or value that counts, not on the next."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from protocols.engine import Knowledge, KnowledgeError, parse
from protocols.engine.choosing import assess
from protocols.engine.examples import example_case
from protocols.engine.rules import Clause, Evidence, Scene, compile_rules
from protocols.engine.rules import test_of as condition_of

TODAY = date(2026, 12, 1)


def told(
    knowledge: Knowledge, rule: str, predicate: str, patient: dict[str, Any] | None = None, **scene: Any
) -> list[Evidence | None]:
    """What each condition of a kind that a rule asks says of a normal patient with these facts, in rule order."""
    case = parse(example_case({"patient": patient or {}}), knowledge.schema)
    here = Scene(case, case.today, knowledge, **scene)
    return [
        condition_of(spec)(here)
        for clause in knowledge.rules[rule]["clauses"]
        for spec in _conditions(clause["when"])
        if predicate in spec
    ]


def _conditions(spec: Any) -> list[dict[str, Any]]:
    for word in ("all", "any"):
        if word in spec:
            return [one for part in spec[word] for one in _conditions(part)]
    return _conditions(spec["not"]) if "not" in spec else [spec]


def words(evidence: Evidence | None) -> list[str] | None:
    return None if evidence is None else [text for text, _fact in evidence]


@pytest.mark.parametrize(
    ("patient", "fires"),
    [
        ({}, True),
        ({"sex": "male"}, False),
        ({"childbearing_potential": True}, True),
        ({"childbearing_potential": False}, False),
        ({"sterilised": False}, True),
        ({"sterilised": True}, False),
        ({"postmenopausal_since": "2025-12-02"}, True),  # a year tomorrow
        ({"postmenopausal_since": "2025-12-01"}, False),
        ({"childbearing_potential": True, "postmenopausal_since": "2025-11-30"}, False),
    ],
)
def test_childbearing_is_over_after_a_year_of_menopause_when_sterilised_or_when_stated(
    patient: dict[str, Any], fires: bool, knowledge: Knowledge
) -> None:
    """R41: each of the three is enough, what is not known is none of them."""
    (evidence,) = told(knowledge, "R41", "childbearing", patient)
    assert words(evidence) == (["childbearing potential not excluded"] if fires else None)


@pytest.mark.parametrize(
    ("systolic", "diastolic", "deferred", "override", "caution"),
    [
        (139, 89, False, False, False),
        (140, 89, False, False, True),
        (139, 90, False, False, True),
        (159, 99, False, False, True),
        (160, 99, False, True, True),
        (139, 100, False, True, True),
        (179, 109, False, True, True),
        (180, 70, True, True, True),
        (139, 110, True, True, True),
    ],
)
def test_either_blood_pressure_reaches_a_step_at_its_limit(
    systolic: int, diastolic: int, deferred: bool, override: bool, caution: bool, knowledge: Knowledge
) -> None:
    """R32. A step asks for its own limit and then that the next is not reached."""
    pressure = {"systolic": systolic, "diastolic": diastolic, "date": "2026-12-01"}
    answers = told(knowledge, "R32", "blood_pressure", {"blood_pressure": pressure})
    assert [words(one) for one in answers] == [
        [f"{systolic}/{diastolic} mmHg"] if true else None
        for true in (deferred, override, deferred, caution, override)
    ]


@pytest.mark.parametrize(("systolic", "fires"), [(99, True), (100, False), (140, False)])
def test_a_systolic_pressure_below_100_is_low(systolic: int, fires: bool, knowledge: Knowledge) -> None:
    """R37: minoxidil widens the vessels."""
    pressure = {"systolic": systolic, "diastolic": 60, "date": "2026-12-01"}
    (evidence,) = told(knowledge, "R37", "blood_pressure", {"blood_pressure": pressure})
    assert words(evidence) == ([f"{systolic}/60 mmHg"] if fires else None)


def test_a_pressure_that_nobody_measured_is_neither_high_nor_low(knowledge: Knowledge) -> None:
    for rule in ("R32", "R37"):
        assert set(told(knowledge, rule, "blood_pressure", {"blood_pressure": None})) == {None}


@pytest.mark.parametrize(("product", "fires"), [("dc-wheals", True), ("emla-5", False), (None, False)])
def test_infiltrated_amide_beside_an_antiarrhythmic_is_told_by_its_name(
    product: str | None, fires: bool, knowledge: Knowledge
) -> None:
    """R53."""
    (evidence,) = told(knowledge, "R53", "anaesthetic_product", product=product)
    assert words(evidence) == ([knowledge.label("dc-wheals")] if fires else None)


@pytest.mark.parametrize(
    ("here", "fires"),
    [
        ({"agents": frozenset({"dutasteride", "saline"})}, True),
        ({"added_agents": frozenset({"dutasteride"})}, True),
        ({"agents": frozenset({"dutasteride"}), "added_agents": frozenset({"dutasteride"})}, True),
        ({"agents": frozenset({"minoxidil"}), "added_agents": frozenset({"biotin"})}, False),
    ],
)
def test_dutasteride_counts_in_a_candidate_and_when_a_physician_adds_it(
    here: dict[str, Any], fires: bool, knowledge: Knowledge
) -> None:
    """R42 names the agent once."""
    for evidence in told(knowledge, "R42", "added_agent", **here):
        assert words(evidence) == ([knowledge.label("dutasteride")] if fires else None)


def test_sarcoidosis_spares_saline_and_names_every_other_agent(knowledge: Knowledge) -> None:
    """R77."""
    (evidence,) = told(knowledge, "R77", "any_agent_but", agents=frozenset({"saline", "vitamin-c", "biotin"}))
    assert words(evidence) == [knowledge.label("biotin"), knowledge.label("vitamin-c")]
    assert told(knowledge, "R77", "any_agent_but", agents=frozenset({"saline"})) == [None]


@pytest.mark.parametrize(
    ("event", "agent", "fires"),
    [
        ("anaphylaxis", "vitamin-c", [False, True]),
        ("anaphylaxis", None, [True, False]),
        ("urticaria", "vitamin-c", [False, False]),
        ("urticaria", None, [False, False]),
    ],
)
def test_only_the_named_reactions_count_where_a_rule_names_them(
    event: str, agent: str | None, fires: list[bool], knowledge: Knowledge
) -> None:
    """R28: anaphylaxis to what nobody knows, and to a known agent."""
    reaction = {"event": event, "grade": 4} | ({"agent": agent} if agent else {})
    answers = told(knowledge, "R28", "agent_known", {"reactions": [reaction]})
    assert [one is not None for one in answers] == fires


@pytest.mark.parametrize(("grade", "fires"), [(1, False), (2, True)])
def test_any_reaction_to_a_known_agent_counts_from_grade_2(
    grade: int, fires: bool, knowledge: Knowledge
) -> None:
    """R76: whatever the reaction."""
    for event in ("urticaria", "redness"):
        reaction = {"event": event, "grade": grade, "agent": "vitamin-c"}
        answers = told(knowledge, "R76", "grade_at_least", {"reactions": [reaction]})
        assert [one is not None for one in answers] == [fires, False]


@pytest.mark.parametrize(
    ("substance", "reaction", "fires"),
    [
        ("fish", "anaphylaxis", True),  # polynucleotides are made of it
        ("vitamin-c", "anaphylaxis", True),
        ("vitamin-c", "urticaria", False),
        ("penicillin", "anaphylaxis", False),
    ],
)
def test_an_allergy_to_any_agent_is_one_to_what_an_agent_is_or_holds(
    substance: str, reaction: str, fires: bool, knowledge: Knowledge
) -> None:
    """R28. Penicillin is in no syringe here."""
    allergy = {"substance": substance, "reaction": reaction}
    *_, evidence = told(knowledge, "R28", "allergy", {"allergies": [allergy]})
    label = knowledge.label(substance)
    assert words(evidence) == ([f"{label}, {reaction}"] if fires else None)


def test_three_drug_allergies_are_told_with_their_reactions(knowledge: Knowledge) -> None:
    """R28: materials and venoms are no drugs; two are not three."""
    drugs = [
        {"substance": "penicillin", "reaction": "urticaria"},
        {"substance": "sulfonamide", "reaction": "anaphylaxis"},
    ]
    latex = {"substance": "latex", "reaction": "contact-dermatitis"}
    assert told(knowledge, "R28", "drug_allergies", {"allergies": [*drugs, latex]}) == [None]
    third = {"substance": "lidocaine", "reaction": "urticaria"}
    (evidence,) = told(knowledge, "R28", "drug_allergies", {"allergies": [*drugs, latex, third]})
    assert words(evidence) == [
        f"{knowledge.label(one['substance'])}, {one['reaction']}" for one in (*drugs, third)
    ]


def test_red_flags_are_told_in_words_each_one(knowledge: Knowledge) -> None:
    """R73: swelling that asks for a look at veins and lymph."""
    concern = {
        "indication": "cellulite", "area": "thighs", "grade": 2, "red_flags": ["leg-pain", "one-sided-oedema"],
    }  # fmt: skip
    case = parse(example_case({"concerns": [concern]}), knowledge.schema)
    assessed, _missing = assess(case.concerns[0], knowledge)
    scene = Scene(case, case.today, knowledge, assessed=assessed)
    for wanted in ({"red_flags": ["leg-pain"]}, {"has_red_flag": True}):
        assert words(condition_of({"concern": wanted})(scene)) == ["leg pain, one sided oedema"]
    assert words(condition_of({"concern": {"area": ["thighs"]}})(scene)) == [assessed.text]


@pytest.mark.parametrize(
    ("days", "here", "fires"),
    [
        (0, {}, True),
        (7, {}, True),
        (8, {}, False),
        (8, {"modality": "microneedling", "depth_mm": Decimal("0.5")}, False),
        (8, {"modality": "microneedling", "depth_mm": Decimal("0.6")}, True),
        (14, {"modality": "microneedling", "depth_mm": Decimal("0.6")}, True),
        (15, {"modality": "microneedling", "depth_mm": Decimal("0.6")}, False),
        (14, {"modality": "syringe", "depth_mm": Decimal("4")}, False),
        (14, {"modality": "syringe", "agents": frozenset({"deoxycholic-acid"})}, True),
        (15, {"modality": "syringe", "agents": frozenset({"deoxycholic-acid"})}, False),
    ],
)
def test_an_important_event_is_near_for_a_week_and_for_two_after_deep_needling_or_the_acid(
    days: int, here: dict[str, Any], fires: bool, knowledge: Knowledge
) -> None:
    """R64: deep is more than 0.5 mm."""
    day = TODAY.replace(day=TODAY.day + days).isoformat()
    events = {"events": [{"kind": "important-event", "date": day}]}
    (evidence,) = told(knowledge, "R64", "event", events, session_days=(TODAY,), **here)
    assert (evidence is not None) is fires


@pytest.mark.parametrize(
    ("grams", "fires"), [(None, False), (Decimal(0), False), (Decimal(20), False), (Decimal("20.1"), True)]
)
def test_cream_counts_from_more_than_20_g(grams: Decimal | None, fires: bool, knowledge: Knowledge) -> None:
    """R53."""
    (evidence,) = told(knowledge, "R53", "cream_over_g", cream_grams=grams)
    assert words(evidence) == (["20.1 g of cream"] if fires else None)


@pytest.mark.parametrize("planned", [True, False])
def test_methaemoglobinaemia_matters_where_an_anaesthetic_is_planned(
    planned: bool, knowledge: Knowledge
) -> None:
    """R52."""
    (evidence,) = told(knowledge, "R52", "anaesthetic", anaesthetic=planned)
    assert words(evidence) == (["anaesthetic planned"] if planned else None)


def compiled(knowledge: Knowledge, *conditions: dict[str, Any]) -> list[Clause]:
    """Rules with only these conditions, compiled anew."""
    clauses = [{"when": one, "effects": [], "message": "Ask."} for one in conditions]
    digest = "".join(sorted(str(one) for one in conditions))
    return list(compile_rules(replace(knowledge, sha256=digest, rules={"R74": {"clauses": clauses}})))


def test_what_asks_for_an_area_is_asked_of_each_concern_and_not_of_the_patient(knowledge: Knowledge) -> None:
    """R74: a caesarean bears on the abdomen alone; what names no area bears on the whole plan."""
    surgery = {"procedure": ["caesarean"], "within_days": 180}
    places: tuple[dict[str, Any], ...] = (
        {},
        {"areas": ["abdomen"]},
        {"in_area": True},
        {"in_area": True, "course": True},
    )
    found = [clause.level for clause in compiled(knowledge, *(surgery | place for place in places))]
    assert found == ["plan", "concern", "concern", "course"]


def test_each_condition_that_nobody_knows_is_named_with_its_rule_and_clause(knowledge: Knowledge) -> None:
    with pytest.raises(KnowledgeError) as raised:
        compiled(
            knowledge, {"bmi": {"at_least": 30}}, {"phase_of_moon": "full", "course": True}, {"mood": "low"}
        )
    assert raised.value.faults == [
        "rules.json: R74.clauses[1]: no known predicate in ['course', 'phase_of_moon']",
        "rules.json: R74.clauses[2]: no known predicate in ['mood']",
    ]
