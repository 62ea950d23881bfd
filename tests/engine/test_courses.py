"""Several concerns: shared where the reference allows, else one after the other and never on one day (§8.5)."""

from datetime import date, timedelta
from typing import Any

import pytest

from protocols.engine import Knowledge, parse, propose
from protocols.engine.examples import example_case

PIGMENT = {"indication": "pigment", "area": "face", "grade": 2, "lesion_cm2": 80}
THIGHS = {"indication": "cellulite", "area": "thighs", "grade": 2}
ABDOMEN = {"indication": "fat", "area": "abdomen", "scale": "pinch", "items": {"mm": 35}}
CHIN = {
    "indication": "fat",
    "area": "submental",
    "scale": "cr-smfrs",
    "items": {"grade": 2},
    "smslg_grade": 2,
    "field_cm2": 24,
}
NECK = {"indication": "rejuvenation", "area": "neck", "grade": 2}


def plan(knowledge: Knowledge, *concerns: dict[str, Any], **patient: Any) -> list[dict[str, Any]]:
    case = parse(
        example_case({"concerns": list(concerns), "patient": {"bmi": 24} | patient}), knowledge.schema
    )
    return list(propose(case, knowledge, case.today).to_dict()["courses"])


def last_target(course: dict[str, Any]) -> date:
    days = course["interval_days"]["target"] * (len(course["sessions"]) - 1)
    return date.fromisoformat(course["start_earliest"]) + timedelta(days=days)


@pytest.mark.parametrize(
    ("one", "two", "rule"),
    [
        (THIGHS, ABDOMEN, "M4"), (CHIN, NECK, "M6"),
        (PIGMENT | {"grade": 3}, {"indication": "rejuvenation", "area": "face", "grade": 3}, "M2"),
        ({"indication": "wrinkles", "area": "face", "grade": 2}, {"indication": "wrinkles", "area": "decolletage", "grade": 2}, None),
    ],
)  # fmt: skip
def test_courses_that_can_not_be_shared_come_one_after_the_other(
    one: dict[str, Any], two: dict[str, Any], rule: str | None, knowledge: Knowledge
) -> None:
    courses = plan(knowledge, one, two)
    if len(courses) == 1:
        assert rule is None
        return
    assert date.fromisoformat(courses[1]["start_earliest"]) >= last_target(courses[0]) + timedelta(days=7)
    if rule is not None:
        assert any(step["rule"] == rule for step in courses[0]["why"])


def test_a_shared_cocktail_treats_both_concerns_in_one_part(knowledge: Knowledge) -> None:
    eyes = [{"indication": name, "area": "periorbital", "grade": 2} for name in ("rejuvenation", "wrinkles")]
    (course,) = plan(knowledge, *eyes)
    part = course["sessions"][0]["parts"]
    assert len(part) == 1
    assert set(part[0]["concerns"]) == {"rejuvenation/periorbital", "wrinkles/periorbital"}


def test_on_darker_skin_pigment_goes_before_deep_needling(knowledge: Knowledge) -> None:
    wrinkles = {"indication": "wrinkles", "area": "face", "grade": 2}
    courses = plan(knowledge, PIGMENT, wrinkles, phototype=5)
    assert [course["concerns"] for course in courses] == [["pigment/face"], ["wrinkles/face"]]
    assert date.fromisoformat(courses[1]["start_earliest"]) >= last_target(courses[0]) + timedelta(days=28)
    assert len(plan(knowledge, PIGMENT, wrinkles, phototype=2)) == 1
