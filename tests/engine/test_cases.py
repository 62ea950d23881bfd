"""Every worked case of the clinical reference gets the answer that it expects."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from protocols.engine import Knowledge, parse, parse_follow_up, propose, replan
from tests.engine.compare import faults_of

CASES = Path(__file__).parent.parent / "cases"


def _cases() -> list[Any]:
    found = []
    for path in sorted(CASES.glob("*.json")):
        data = json.loads(path.read_text())
        kind = "case" if "case" in data else "replan"
        variants = [{"kind": kind, "input": data[kind], "expect": data["expect"]}]
        for variant in data.get("variants", []):
            changed = copy.deepcopy(data[kind])
            for pointer, value in variant["set"].items():
                node = changed
                *way, last = pointer.strip("/").split("/")
                for step in way:
                    node = node[int(step)] if isinstance(node, list) else node[step]
                if isinstance(node, list):
                    node[int(last)] = value
                else:
                    node[last] = value
            variants.append({"kind": kind, "input": changed, "expect": variant["expect"]})
        for number, one in enumerate(variants):
            found.append(pytest.param(one, id=f"{path.stem}{f'-{number}' if number else ''}"))
    return found


@pytest.mark.parametrize("one", _cases())
def test_a_worked_case_gets_its_answer(one: dict[str, Any], knowledge: Knowledge) -> None:
    if one["kind"] == "replan":
        state = parse_follow_up(one["input"], knowledge)
        answer = replan(state, knowledge, state.case.today).to_dict()
    else:
        case = parse(one["input"], knowledge.schema)
        answer = propose(case, knowledge, case.today).to_dict()
    assert faults_of(one["expect"], answer) == []


def test_all_thirty_two_cases_are_here() -> None:
    assert len(list(CASES.glob("*.json"))) == 32
