"""What a physician changes in a plan is checked by the same rules; a passed limit is a block, never a silent change."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.catalogue import shipped as knowledge
from protocols.engine import Case, parse, propose
from protocols.engine.recheck import EditFault, Edits, Rechecked, recheck, worst_session

CASES = Path(__file__).parent.parent / "cases"


def case(name: str) -> Case:
    data = json.loads(next(CASES.glob(f"{name}*.json")).read_text())
    return parse(data["case"], knowledge().schema)


def checked(name: str, **edits: Any) -> Rechecked:
    one = case(name)
    return recheck(one, knowledge(), one.today, Edits.from_dict(edits))


def blocks(found: Rechecked) -> list[dict[str, Any]]:
    return [row for row in found.findings() if row["level"] == "block"]


PROPOSED = [path for path in sorted(CASES.glob("*.json")) if "replan" not in path.stem]


@pytest.mark.parametrize("path", PROPOSED, ids=lambda p: p.stem)
def test_a_plan_without_edits_is_the_proposal(path: Path) -> None:
    data = json.loads(path.read_text())
    one = parse(data["case"], knowledge().schema)
    found = recheck(one, knowledge(), one.today, Edits())
    assert found.faults == ()
    assert found.proposal.to_dict() == propose(one, knowledge(), one.today).to_dict()


def test_a_smaller_volume_lowers_the_dose_and_the_points() -> None:
    before = checked("01").proposal.courses[0]["sessions"][1]["parts"][0]
    after = checked("01", values={"0.1.0": {"volume_ml": "1.5"}}).proposal.courses[0]["sessions"]
    part = after[1]["parts"][0]
    assert part["volume_ml"] == "1.5"
    for old, new in zip(before["components"], part["components"], strict=True):
        if old["dose_mg"]:
            assert Decimal(new["dose_mg"]) < Decimal(old["dose_mg"])
    assert part["points"] < before["points"]
    assert after[0]["parts"][0]["volume_ml"] == before["volume_ml"]


def test_a_volume_above_the_area_s_limit_is_a_block_that_names_the_limit() -> None:
    found = checked("01", values={"0.3.0": {"volume_ml": "9"}})
    row = next(r for r in blocks(found) if r.get("path") == "0.3.0.volume_ml")
    assert "Session 4" in row["message"]
    assert "5 mL" in row["message"]
    assert row["fits"] == "5.0"
    assert worst_session(found.limits, 0)[0].session == 3


def test_a_needle_deeper_than_the_area_s_cap_is_a_block() -> None:
    found = checked("02", values={"0.0.0": {"depth_mm": "2.5"}})
    assert any(r["path"] == "0.0.0.depth_mm" for r in blocks(found))


def test_a_dark_phototype_s_needling_cap_holds_for_the_physician_s_own_depth_too() -> None:
    found = checked("03", choice={"pigment/face": ["microneedling", "CK-PIG-N"]})
    part = found.proposal.courses[0]["sessions"][0]["parts"][0]
    assert part["modality"] == "microneedling"
    deeper = checked(
        "03",
        choice={"pigment/face": ["microneedling", "CK-PIG-N"]},
        values={"0.0.0": {"depth_mm": "1.6"}},
    )
    assert blocks(deeper)


def test_more_cream_than_the_sum_allows_is_a_block() -> None:
    found = checked("02", values={"0.0.0": {"grams": "200"}})
    assert any(row["rule"] == "R51" for row in blocks(found))


def test_sessions_too_close_are_a_block_and_too_far_apart_ask_for_a_reason() -> None:
    close = checked("01", windows={"0.1": [2, 3, 14]})
    assert any(row["rule"] == "R57" for row in blocks(close))
    far = checked("01", windows={"0.1": [14, 21, 60]})
    assert [row["level"] for row in far.findings() if row.get("path") == "0.1.window"] == ["warn"]


def test_a_longer_course_asks_for_a_reason_and_goes_on_in_its_pattern() -> None:
    found = checked("01", sessions={"0": 8})
    assert len(found.proposal.courses[0]["sessions"]) == 8
    assert any(row["level"] == "warn" and row.get("path") == "0.sessions" for row in found.findings())
    assert len(checked("01", sessions={"0": 2}).proposal.courses[0]["sessions"]) == 2


def test_more_deoxycholic_acid_sessions_than_the_label_s_six_are_a_block() -> None:
    found = checked("08", sessions={"0": 7})
    assert any(row["rule"] == "R81" for row in blocks(found))


@pytest.mark.parametrize("text", ["-1", "abc", "", "NaN", "1e9", "Infinity", "0", "2.00001"])
def test_a_value_that_is_no_volume_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(EditFault) as fault:
        Edits.from_dict({"values": {"0.0.0": {"volume_ml": text}}})
    assert fault.value.path == "values.0.0.0.volume_ml"


def test_edits_survive_storing() -> None:
    data = {
        "choice": {"pigment/face": ["syringe", "CK-PIG-1"]},
        "sessions": {"0": 5},
        "windows": {"0.1": [7, 14, 21]},
        "values": {"0.1.0": {"volume_ml": "2.50"}},
    }
    assert Edits.from_dict(data).to_dict() == data


NAMES = ["01", "02", "03", "05", "07", "08", "19", "20"]


@given(
    name=st.sampled_from(NAMES),
    session=st.integers(0, 5),
    part=st.integers(0, 1),
    volume=st.decimals("0.01", "60", places=2),
    depth=st.decimals("0", "20", places=2),
    count=st.integers(1, 12),
)
@settings(max_examples=400, deadline=None)
def test_no_edited_plan_without_a_block_is_above_a_limit(
    name: str, session: int, part: int, volume: Decimal, depth: Decimal, count: int
) -> None:
    found = checked(
        name,
        sessions={"0": count},
        values={f"0.{session}.{part}": {"volume_ml": str(volume), "depth_mm": str(depth)}},
    )
    over = [limit for limit in found.limits if limit.over]
    assert bool(over) <= bool(blocks(found))
    for course in found.proposal.courses:
        for row in course["sessions"]:
            total = sum(Decimal(p["volume_ml"]) for p in row["parts"])
            assert total == Decimal(row["volume_ml"])
            for p in row["parts"]:
                for c in p["components"]:
                    too_much = (
                        c["dose_mg"] and c["limit_mg"] and Decimal(c["dose_mg"]) > Decimal(c["limit_mg"])
                    )
                    assert not too_much or over


def test_the_day_of_the_check_is_an_argument() -> None:
    one = case("01")
    later = recheck(one, knowledge(), date(2027, 3, 1), Edits())
    assert later.proposal.courses[0]["start_earliest"] >= "2027-03-01"
