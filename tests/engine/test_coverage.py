"""Nothing of the clinical reference is without a row that says where it lives and what proves it."""

import re
from pathlib import Path

from protocols.coverage import SECTIONS, coverage
from protocols.engine import Knowledge

ROOT = Path(__file__).parents[2]


def test_the_table_is_in_step_with_the_knowledge(knowledge: Knowledge) -> None:
    written = (ROOT / "docs" / "clinical" / "coverage.md").read_text(encoding="utf-8")
    assert written == coverage(knowledge, ROOT / "tests" / "cases"), "bin/manage clinical_coverage --write"


def test_every_code_of_the_reference_has_a_row(knowledge: Knowledge) -> None:
    text = coverage(knowledge, ROOT / "tests" / "cases")
    for kind in ("agents", "cocktails", "adverse_events", "areas", "scales"):
        for row in knowledge.vocabulary[kind]:
            assert f"| {row['code']} |" in text
    for row in knowledge.vocabulary["rules"]:
        assert f"| {row['id']} |" in text
    for number in range(1, 33):
        assert f"| {number:02d} |" in text


def test_every_test_named_there_exists() -> None:
    for _section, _what, _where, proof in SECTIONS:
        for name in re.findall(r"(?:tests/[a-z]+/)?test_[a-z_]+\.py", proof):
            path = ROOT / name if "/" in name else ROOT / "tests" / "engine" / name
            assert path.exists(), name
