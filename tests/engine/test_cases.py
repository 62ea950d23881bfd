"""Every worked case of the clinical reference gets the answer that it expects."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from protocols.engine import Knowledge, parse, propose
from tests.engine.compare import faults_of

CASES = Path(__file__).parent.parent / "cases"


def _cases() -> list[Any]:
    found = []
    for path in sorted(CASES.glob("*.json")):
        data = json.loads(path.read_text())
        variants = [{"case": data.get("case"), "expect": data["expect"], "replan": "case" not in data}]
        for variant in data.get("variants", []):
            case = copy.deepcopy(data.get("case"))
            for pointer, value in variant["set"].items():
                node = case
                *way, last = pointer.strip("/").split("/")
                for step in way:
                    node = node[int(step)] if isinstance(node, list) else node[step]
                if isinstance(node, list):
                    node[int(last)] = value
                else:
                    node[last] = value
            variants.append({"case": case, "expect": variant["expect"], "replan": "case" not in data})
        for number, one in enumerate(variants):
            marks = (
                [
                    pytest.mark.xfail(
                        strict=True, reason="the replan is not built yet", raises=NotImplementedError
                    )
                ]
                if one["replan"]
                else []
            )
            found.append(pytest.param(one, id=f"{path.stem}{f'-{number}' if number else ''}", marks=marks))
    return found


@pytest.mark.parametrize("one", _cases())
def test_a_worked_case_gets_its_answer(one: dict[str, Any], knowledge: Knowledge) -> None:
    if one["replan"]:
        raise NotImplementedError
    case = parse(one["case"], knowledge.schema)
    answer = propose(case, knowledge, case.today).to_dict()
    assert faults_of(one["expect"], answer) == []


def test_all_thirty_two_cases_are_here() -> None:
    assert len(list(CASES.glob("*.json"))) == 32
