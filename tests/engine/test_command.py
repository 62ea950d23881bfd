"""`manage.py propose`: an answer, or one line per fault and exit 2; never a traceback."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from protocols import cli
from protocols.engine import CaseFaults, Knowledge

ROOT = Path(__file__).parents[2]
PLAIN = json.loads((ROOT / "tests/cases/01-rejuvenation-plain.json").read_text())["case"]


def run(*arguments: str, given: bytes = b"", command: str = "propose") -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "DATABASE_URL": "postgresql://nobody@localhost:1/none"}
    return subprocess.run(
        [sys.executable, "manage.py", command, *arguments], cwd=ROOT, input=given, capture_output=True, env=environment
    )  # fmt: skip


def test_a_case_is_answered_without_a_database() -> None:
    done = run("-", given=json.dumps(PLAIN).encode())
    assert (done.returncode, json.loads(done.stdout)["status"]) == (0, "proposed")
    text = run("tests/cases/01-rejuvenation-plain.json", "--format", "text").stdout.decode()
    assert "PROPOSED" in text
    assert "CK-REJ-1" in text


def test_the_vocabulary_lists_every_rule_and_agent() -> None:
    listed = run("--vocabulary").stdout.decode()
    assert "rules\tR85" in listed
    assert "agents\ttranexamic-acid\t" in listed


def test_many_cases_are_answered_line_by_line() -> None:
    lines = b"\n".join([json.dumps(PLAIN).encode(), b"{", json.dumps(PLAIN).encode()])
    done = run("-", "--lines", given=lines)
    answers = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert done.returncode == 1
    assert [answer.get("status") for answer in answers] == ["proposed", None, "proposed"]
    assert answers[1]["line"] == 2


def _with(**changes: Any) -> bytes:
    return json.dumps({**PLAIN, "patient": {**PLAIN["patient"], **changes}}).encode()


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"", "$"), (b"{", "$"), (b"[]", "$"), (b"null", "$"), (b"\xff\xfe", "$"), (b"[" * 100_000, "$"),
        (b'{"a":1,"a":2}', "$"), (b"{" + b" " * 3_000_000 + b"}", "$"), (b'{"today": NaN}', "$"),
        (_with(weight_kg=-3), "$.patient.weight_kg"), (_with(weight_kg="heavy"), "$.patient.weight_kg"),
        (_with(birth_date="2026-02-31"), "$.patient.birth_date"), (_with(birth_date="2027-01-01"), "$.patient.birth_date"),
        (_with(phototype=7), "$.patient.phototype"), (_with(allergies=[{"substance": "moonlight"}]), "$.patient.allergies[0].substance"),
        (json.dumps({**PLAIN, "concerns": []}).encode(), "$.concerns"),
        (json.dumps({**PLAIN, "concerns": [*PLAIN["concerns"], *PLAIN["concerns"]]}).encode(), "$.concerns[1]"),
    ],
)  # fmt: skip
def test_a_malformed_case_is_told_with_its_path(raw: bytes, path: str, knowledge: Knowledge) -> None:
    with pytest.raises(CaseFaults) as caught:
        cli.answer(raw, knowledge)
    assert path in [fault[0] for fault in caught.value.faults]


def test_faults_are_lines_and_the_exit_is_two() -> None:
    done = run("-", given=_with(weight_kg=-3, phototype=9))
    assert done.returncode == 2
    assert len(done.stderr.decode().strip().splitlines()) == 2
    assert b"Traceback" not in done.stderr
    assert run("no-such-file.json").returncode == 2


def test_a_plan_under_way_is_answered_without_a_database() -> None:
    done = run("tests/cases/29-replan-late.json", command="replan")
    course = json.loads(done.stdout)["courses"][0]
    assert (done.returncode, course["decision"], course["sessions_total"]) == (0, "continue", 5)
    text = run("tests/cases/31-replan-no-response.json", "--format", "text", command="replan").stdout.decode()
    assert "ADJUST" in text
    assert "CK-PIG-2, not CK-PIG-1" in text


def _plan(**changes: Any) -> bytes:
    data = json.loads((ROOT / "tests/cases/29-replan-late.json").read_text())["replan"]
    return json.dumps({**data, **changes}).encode()


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (_plan(done=[{"number": 9, "date": "2026-11-01"}]), "$.done[0].number"),
        (_plan(done=[{"number": 1, "date": "2026-11-01"}, {"number": 1, "date": "2026-11-09"}]), "$.done[1].number"),
        (_plan(done=[{"number": 1, "date": "2026-11-09"}, {"number": 2, "date": "2026-11-01"}]), "$.done"),
        (_plan(done=[{"number": 1, "date": "2027-01-01"}]), "$.done[0].date"),
        (_plan(done=[{"number": 1, "course": 3, "date": "2026-11-01"}]), "$.done[0].course"),
        (_plan(scores=[{"concern": "pores/face", "date": "2026-11-01", "gais": 1}]), "$.scores[0].concern"),
        (_plan(adverse_events=[{"event": "moon", "grade": 1, "onset": "2026-11-01"}]), "$.adverse_events[0].event"),
        (_plan(adverse_events=[{"event": "pih", "grade": 1, "onset": "2026-11-02", "resolved_on": "2026-11-01"}]),
         "$.adverse_events[0].resolved_on"),
        (_plan(plan={"courses": []}), "$.plan.courses"),
        (_plan(concerns=[{"indication": "pores", "area": "face", "grade": 1}]), "$.plan.courses[0].concerns"),
    ],
)  # fmt: skip
def test_a_malformed_plan_is_told_with_its_path(raw: bytes, path: str, knowledge: Knowledge) -> None:
    with pytest.raises(CaseFaults) as caught:
        cli.answer_follow_up(raw, knowledge)
    assert path in [fault[0] for fault in caught.value.faults]


@pytest.mark.parametrize("noun", ["case", "plan"])
def test_the_schemas_are_whole_and_every_worked_case_keeps_to_them(noun: str, knowledge: Knowledge) -> None:
    found = json.loads(run("--schema", command="propose" if noun == "case" else "replan").stdout)
    given = jsonschema.Draft202012Validator(found["input"])
    answer = jsonschema.Draft202012Validator(found["output"])
    one = cli.answer if noun == "case" else cli.answer_follow_up
    seen = 0
    for path in sorted((ROOT / "tests" / "cases").glob("*.json")):
        data = json.loads(path.read_text()).get("case" if noun == "case" else "replan")
        if data is not None:
            seen += 1
            given.validate(data)
            answer.validate(one(json.dumps(data).encode(), knowledge))
    assert seen == (29 if noun == "case" else 3)


def test_a_line_too_long_for_a_case_is_a_fault_and_the_next_ones_are_answered(knowledge: Knowledge) -> None:
    lines: list[str] = []
    stream = io.BytesIO(b"x" * 5_000_000 + b"\n" + json.dumps(PLAIN).encode() + b"\n")
    assert cli.answer_lines(stream, knowledge, lines.append) == 1
    assert json.loads(lines[0])["line"] == 1
    assert json.loads(lines[1])["status"] == "proposed"
