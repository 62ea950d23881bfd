"""`manage.py propose`: an answer, or one line per fault and exit 2; never a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from protocols import cli
from protocols.engine import CaseFaults, Knowledge

ROOT = Path(__file__).parents[2]
PLAIN = json.loads((ROOT / "tests/cases/01-rejuvenation-plain.json").read_text())["case"]


def run(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "DATABASE_URL": "postgresql://nobody@localhost:1/none"}
    return subprocess.run(
        [sys.executable, "manage.py", "propose", *arguments], cwd=ROOT, input=given, capture_output=True, env=environment
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
