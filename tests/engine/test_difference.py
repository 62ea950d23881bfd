"""One fact changed shows what it changed."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from protocols.engine import Knowledge, parse, propose
from protocols.engine.difference import difference

CASES = Path(__file__).parent.parent / "cases"


def case(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(next(CASES.glob(f"{name}-*.json")).read_text())["case"]
    return found


def rows(knowledge: Knowledge, before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[str, str]]:
    answers = []
    for data in (before, after):
        one = parse(data, knowledge.schema)
        answers.append(propose(one, knowledge, one.today).to_dict())
    return {row.what: (row.before, row.after) for row in difference(answers[0], answers[1], knowledge)}


def test_the_same_facts_make_no_difference(knowledge: Knowledge) -> None:
    assert rows(knowledge, case("01"), case("01")) == {}


def test_smoking_with_the_pill_changes_the_cocktail_and_its_doses(knowledge: Knowledge) -> None:
    smoker = copy.deepcopy(case("03"))
    smoker["patient"]["smoking_per_day"] = 10
    found = rows(knowledge, case("03"), smoker)
    assert found["cocktail"] == ("CK-PIG-1", "CK-PIG-2")
    assert found["volume"] == ("4 mL", "3 mL")
    assert found["Tranexamic acid"] == ("16 mg", "none")


def test_a_wish_for_less_downtime_changes_depth_and_downtime(knowledge: Knowledge) -> None:
    before = copy.deepcopy(case("27"))
    before["preferences"].pop("max_downtime_days")
    found = rows(knowledge, before, case("27"))
    assert found["depth"] == ("1 mm", "0.5 mm")
    assert found["downtime"] == ("48 h", "24 h")


def test_a_pregnancy_changes_the_status_and_takes_the_course_away(knowledge: Knowledge) -> None:
    pregnant = copy.deepcopy(case("01"))
    pregnant["patient"]["pregnancy"] = "pregnant"
    found = rows(knowledge, case("01"), pregnant)
    assert found["status"] == ("proposed", "declined")
    assert found["course"] == ("planned", "none")


@pytest.mark.parametrize("name", ["01", "19", "20"])
def test_findings_alone_change_nothing_that_is_done(name: str, knowledge: Knowledge) -> None:
    smoker = copy.deepcopy(case(name))
    smoker["patient"]["smoking_per_day"] = 10
    one, two = (parse(data, knowledge.schema) for data in (case(name), smoker))
    answers = [propose(c, knowledge, c.today).to_dict() for c in (one, two)]
    found = difference(answers[0], answers[1], knowledge)
    assert found
    assert {row.what for row in found} == {"finding"}
