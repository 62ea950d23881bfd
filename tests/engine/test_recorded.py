"""No answer changes unnoticed: 5,500 cases and courses under way get, word for word, what is recorded for them."""

import pytest

from tests.engine.recorded import FILE, GROUPS, lines_of

_RECORDED = FILE.read_text().splitlines()


@pytest.mark.parametrize("group", GROUPS)
def test_every_recorded_case_gets_its_answer(group: str) -> None:
    want = [line for line in _RECORDED if line.startswith(f"{group}: ")]
    assert want, "nothing is recorded for this group"
    for recorded, now in zip(want, lines_of(group), strict=True):
        assert now == recorded, "If it is meant: .venv/bin/python -m tests.engine.recorded"
