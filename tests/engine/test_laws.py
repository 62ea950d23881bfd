"""Laws that hold for every valid case: an answer, the same answer, and never above a limit."""

import json
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocols.engine import load, parse, propose

KNOWLEDGE = load(Path(__file__).parents[2] / "protocols" / "knowledge")
VOCABULARY = KNOWLEDGE.vocabulary
TODAY = date(2026, 12, 1)
_SCHEMA = KNOWLEDGE.schema["$defs"]


def _codes(kind: str) -> list[str]:
    return [row["code"] for row in VOCABULARY[kind]]


def _past(most: int = 1500) -> st.SearchStrategy[str]:
    return st.integers(0, most).map(lambda days: (TODAY - timedelta(days=days)).isoformat())


AREAS = _codes("areas")
_condition = st.fixed_dictionaries(
    {"code": st.sampled_from(_codes("conditions"))},
    optional={"status": st.sampled_from(["active", "remission", "past"]), "date": _past(), "cleared_on": _past(60),
              "area": st.sampled_from(AREAS), "controlled": st.booleans()},
)  # fmt: skip
_medication = st.fixed_dictionaries(
    {"code": st.sampled_from(_codes("medications"))},
    optional={"current": st.booleans(), "prescribed": st.booleans(), "last_dose": _past(400)},
)
_procedure = st.fixed_dictionaries(
    {"code": st.sampled_from(_codes("procedures")), "date": _past(200)},
    optional={"area": st.sampled_from(AREAS), "count": st.integers(1, 6)},
)
_allergy = st.fixed_dictionaries({"substance": st.sampled_from(_codes("allergens"))})
_patient = st.fixed_dictionaries(
    {"birth_date": st.integers(10 * 365, 90 * 365).map(lambda d: (TODAY - timedelta(days=d)).isoformat()),
     "sex": st.sampled_from(["female", "male"])},
    optional={
        "weight_kg": st.integers(30, 200), "bmi": st.integers(16, 50), "phototype": st.integers(1, 6),
        "pregnancy": st.sampled_from(["none", "none", "none", "planning", "breastfeeding", "unknown"]),
        "smoking_per_day": st.integers(0, 40), "sunscreen_daily": st.booleans(),
        "bdd_screen": st.sampled_from(["negative", "negative", "positive"]),
        "conditions": st.lists(_condition, max_size=3), "medications": st.lists(_medication, max_size=3),
        "procedures": st.lists(_procedure, max_size=2), "allergies": st.lists(_allergy, max_size=2),
        "blood_pressure": st.fixed_dictionaries({"systolic": st.integers(90, 200), "diastolic": st.integers(50, 120)}),
    },
)  # fmt: skip
_concern = st.fixed_dictionaries(
    {
        "indication": st.sampled_from(_codes("indications")),
        "area": st.sampled_from(AREAS),
        "grade": st.integers(1, 3),
    },
    optional={"lesion_cm2": st.integers(1, 400), "field_cm2": st.integers(5, 200), "rank": st.integers(1, 3)},
)
cases = st.fixed_dictionaries(
    {"today": st.just(TODAY.isoformat()), "patient": _patient,
     "concerns": st.lists(_concern, min_size=1, max_size=3, unique_by=lambda c: (c["indication"], c["area"]))},
    optional={"preferences": st.fixed_dictionaries({}, optional={
        "modality": st.sampled_from(["any", "syringe", "needle-free", "microneedling"]),
        "max_downtime_days": st.integers(0, 10), "pain": st.integers(0, 10), "needle_fear": st.booleans()})},
)  # fmt: skip


def keeps_limits(answer: dict[str, Any], weight: int | None) -> None:
    """No dose, volume, depth, anaesthetic or interval of an answer is above its limit."""
    tables = KNOWLEDGE.tables
    for course in answer["courses"]:
        days = course["interval_days"]
        least, most = tables["interval_range_days"]["min"], tables["interval_range_days"]["max"]
        if days["min"] < least or days["max"] > most:
            assert any("utside" in step["text"] for step in course["why"] if step["step"] == "interval")
        assert 0 < days["min"] <= days["target"] <= days["max"]
        if "decision" not in course:
            assert 1 <= len(course["sessions"]) <= tables["sessions_range"]["max"]
        for session in course["sessions"]:
            given_mg: dict[str, Decimal] = {}
            injected = Decimal(0)
            for part in session["parts"]:
                assert Decimal(part["volume_ml"]) > 0
                total = sum(Decimal(c["volume_ml"]) for c in part["components"])
                assert abs(total - Decimal(part["volume_ml"])) < Decimal("0.001")
                if part["modality"] != "microneedling":
                    injected += Decimal(part["volume_ml"])
                else:
                    area = KNOWLEDGE.areas[part["concern"].split("/")[1]]
                    assert Decimal(part["depth_mm"]) <= Decimal(area["needling_cap_mm"])
                for dose in part["components"]:
                    if dose["dose_mg"]:
                        given_mg[dose["agent"]] = given_mg.get(dose["agent"], Decimal(0)) + Decimal(
                            dose["dose_mg"]
                        )
            assert injected <= Decimal(tables["visit_max_ml"]["value"])
            for agent, mg in given_mg.items():
                row = KNOWLEDGE.agents[agent]
                if row["max_mg_per_session"] is not None:
                    assert mg <= Decimal(row["max_mg_per_session"])
                if row["max_mg_per_kg"] and weight:
                    assert mg <= Decimal(row["max_mg_per_kg"]) * weight
            comfort = session["anaesthetic"]
            assert Decimal(comfort["e_mg"]) <= Decimal(comfort["limit_mg"])


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(cases)
def test_every_valid_case_gets_one_safe_answer(data: dict[str, Any]) -> None:
    case = parse(data, KNOWLEDGE.schema)
    answer = propose(case, KNOWLEDGE, TODAY).to_dict()
    again = propose(parse(data, KNOWLEDGE.schema), KNOWLEDGE, TODAY).to_dict()
    assert json.dumps(answer) == json.dumps(again)
    assert answer["status"] in {"proposed", "deferred", "declined"}
    assert bool(answer["defer_until"]) <= (answer["status"] == "deferred")
    if answer["status"] == "declined":
        assert answer["courses"] == []
        assert answer["declined"]
    if answer["status"] == "proposed":
        assert answer["courses"]
        assert not any(f["level"] == "block" and f["scope"] == "plan" for f in answer["findings"])
    keeps_limits(answer, data["patient"].get("weight_kg"))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(cases, st.sampled_from(_codes("allergens")))
def test_what_a_patient_is_allergic_to_is_never_given(data: dict[str, Any], substance: str) -> None:
    data = {**data, "patient": {**data["patient"], "allergies": [{"substance": substance}]}}
    answer = propose(parse(data, KNOWLEDGE.schema), KNOWLEDGE, TODAY).to_dict()
    agents, products = KNOWLEDGE.allergen_agents[substance]
    for course in answer["courses"]:
        for session in course["sessions"]:
            assert session["anaesthetic"]["product"] not in products
            for part in session["parts"]:
                assert not agents & {dose["agent"] for dose in part["components"]}


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(cases, st.randoms(use_true_random=False))
def test_the_order_of_facts_is_irrelevant(data: dict[str, Any], random: Any) -> None:
    shuffled = json.loads(json.dumps(data))
    for name, rows in shuffled["patient"].items():
        if isinstance(rows, list):
            random.shuffle(rows)
            shuffled["patient"][name] = rows
    one = propose(parse(data, KNOWLEDGE.schema), KNOWLEDGE, TODAY).to_dict()
    two = propose(parse(shuffled, KNOWLEDGE.schema), KNOWLEDGE, TODAY).to_dict()
    assert one["courses"] == two["courses"]
    assert one["status"] == two["status"]
    assert {(f["rule"], f["level"]) for f in one["findings"]} == {
        (f["rule"], f["level"]) for f in two["findings"]
    }


#: Facts that forbid: each alone is a plan-scope block or defer of REFERENCE.md §6.
_FORBIDDING = [
    {"conditions": {"code": "haemophilia"}}, {"conditions": {"code": "bdd"}}, {"conditions": {"code": "fever"}},
    {"conditions": {"code": "sle", "status": "active"}}, {"conditions": {"code": "cancer", "status": "active"}},
    {"conditions": {"code": "granuloma"}}, {"conditions": {"code": "keloid-tendency"}},
    {"conditions": {"code": "epilepsy"}}, {"medications": {"code": "warfarin"}}, {"medications": {"code": "apixaban"}},
    {"allergies": {"substance": "unknown-injectable", "reaction": "anaphylaxis"}},
    {"reactions": {"event": "ntm", "grade": 3}}, {"reactions": {"event": "visual-change", "grade": 4}},
]  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(cases, st.sampled_from(_FORBIDDING))
def test_one_more_contraindication_never_takes_a_block_away(
    data: dict[str, Any], more: dict[str, dict[str, Any]]
) -> None:
    name, row = next(iter(more.items()))
    worse = json.loads(json.dumps(data))
    worse["patient"][name] = [*worse["patient"].get(name, []), row]
    before = propose(parse(data, KNOWLEDGE.schema), KNOWLEDGE, TODAY).to_dict()
    after = propose(parse(worse, KNOWLEDGE.schema), KNOWLEDGE, TODAY).to_dict()
    order = {"proposed": 0, "deferred": 1, "declined": 2}
    assert order[after["status"]] >= order[before["status"]]

    def plan_blocks(answer: dict[str, Any]) -> set[str]:
        return {
            f["rule"]
            for f in answer["findings"]
            if f["level"] == "block" and f["scope"] == "plan" and f["rule"] != "R00"
        }

    assert plan_blocks(before) <= plan_blocks(after)
    declined = {row["concern"] for row in before["declined"]}
    assert declined <= {row["concern"] for row in after["declined"]}


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(cases, st.sampled_from(sorted(KNOWLEDGE.agents)), st.integers(1, 99))
def test_a_stricter_limit_never_raises_that_dose(data: dict[str, Any], agent: str, percent: int) -> None:
    row = KNOWLEDGE.agents[agent]
    if row["max_mg_per_session"] is None:
        return
    tighter = Decimal(row["max_mg_per_session"]) * percent / 100
    strict = replace(
        KNOWLEDGE,
        agents={**KNOWLEDGE.agents, agent: {**row, "max_mg_per_session": str(tighter)}},
        sha256=f"{agent}-{percent}",
    )

    def most(knowledge: Any) -> Decimal:
        answer = propose(parse(data, knowledge.schema), knowledge, TODAY).to_dict()
        doses = [Decimal(0)]
        for course in answer["courses"]:
            for session in course["sessions"]:
                doses.append(
                    sum(
                        (Decimal(c["dose_mg"]) for p in session["parts"] for c in p["components"]
                         if c["agent"] == agent and c["dose_mg"]), Decimal(0))
                )  # fmt: skip
        return max(doses)

    assert most(strict) <= min(tighter, most(KNOWLEDGE))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(cases)
def test_a_course_outside_the_usual_numbers_says_why(data: dict[str, Any]) -> None:
    answer = propose(parse(data, KNOWLEDGE.schema), KNOWLEDGE, TODAY).to_dict()
    for course in answer["courses"]:
        count = len(course["sessions"])
        if not 4 <= count <= 6:
            text = " ".join(step["text"] for step in course["why"])
            assert (
                "lifetime" in text
                or "added by the physician" in text
                or "ends first" in text
                or "visits" in text
            )
