"""Every worked case of the clinical reference gets the answer that it expects."""

import json
from pathlib import Path

import pytest

from protocols.engine import Knowledge
from protocols.engine.expectations import faults_of
from protocols.library import WorkedCase, read_cases

CASES = Path(__file__).parent.parent / "cases"
SHIPPED = Path(__file__).parents[2] / "protocols" / "knowledge" / "cases"


@pytest.mark.parametrize("one", [pytest.param(one, id=one.title) for one in read_cases(CASES)])
def test_a_worked_case_gets_its_answer(one: WorkedCase, knowledge: Knowledge) -> None:
    assert faults_of(dict(one.expect), one.answer(knowledge)) == []


def test_all_thirty_two_cases_are_here_and_in_the_library_that_drafts_are_tried_on() -> None:
    kept = {path.name: json.loads(path.read_text()) for path in CASES.glob("*.json")}
    assert len(kept) == 32
    assert {path.name: json.loads(path.read_text()) for path in SHIPPED.glob("*.json")} == kept
