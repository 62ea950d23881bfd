"""The anaesthetic sum E and the cream: the rows of REFERENCE.md §7.2 and what a review found missing."""

from typing import Any

import pytest

from protocols.engine import Knowledge, parse, propose
from protocols.engine.examples import example_case

WRINKLES = {"indication": "wrinkles", "area": "face", "scale": "fitzpatrick-wrinkle", "items": {"score": 5}}
CHIN = {
    "indication": "fat",
    "area": "submental",
    "scale": "cr-smfrs",
    "items": {"grade": 2},
    "smslg_grade": 2,
    "field_cm2": 24,
}


def comfort(knowledge: Knowledge, *concerns: dict[str, Any], pain: int = 8, **patient: Any) -> dict[str, Any]:
    data = example_case({"concerns": list(concerns), "patient": patient, "preferences": {"pain": pain}})
    case = parse(data, knowledge.schema)
    found: dict[str, Any] = propose(case, knowledge, case.today).to_dict()["courses"][0]["sessions"][0]
    return found


@pytest.mark.parametrize(
    ("weight", "grams", "e", "limit"),
    [(60, "30", "150", "270"), (45, "22", "110", "202.5"), (50, "25", "125", "225")],
)
def test_cream_by_weight(weight: int, grams: str, e: str, limit: str, knowledge: Knowledge) -> None:
    row = comfort(knowledge, WRINKLES, weight_kg=weight)["anaesthetic"]
    assert (row["product"], row["grams"], row["e_mg"], row["limit_mg"]) == ("emla-5", grams, e, limit)


def test_skin_wheals_count_whole(knowledge: Knowledge) -> None:
    row = comfort(knowledge, CHIN, bmi=24)["anaesthetic"]
    assert (row["product"], row["volume_ml"], row["e_mg"]) == ("dc-wheals", "5.0", "50")


def test_two_areas_share_the_cream_of_the_visit(knowledge: Knowledge) -> None:
    session = comfort(knowledge, WRINKLES, WRINKLES | {"area": "decolletage"}, pain=9)
    grams = [float(part["anaesthetic"]["grams"] or 0) for part in session["parts"] if part["anaesthetic"]]
    assert sum(grams) <= 30


def test_atopic_skin_of_the_face_takes_the_cream_for_half_the_time(knowledge: Knowledge) -> None:
    row = comfort(knowledge, WRINKLES, conditions=[{"code": "atopic"}])["anaesthetic"]
    assert (row["product"], row["minutes"]) == ("emla-5", 30)


def test_after_a_toxic_reaction_no_cream_is_offered(knowledge: Knowledge) -> None:
    reaction = {"event": "anaesthetic-toxicity", "grade": 3, "agent": "lidocaine"}
    assert comfort(knowledge, WRINKLES, reactions=[reaction])["anaesthetic"]["product"] == "ice-vibration"
    assert (
        comfort(knowledge, WRINKLES, reactions=[{"event": "anaesthetic-toxicity", "grade": 3}])[
            "anaesthetic"
        ]["product"]
        == "ice-vibration"
    )


def test_lidocaine_given_in_millilitres_counts(knowledge: Knowledge) -> None:
    row = comfort(knowledge, WRINKLES, given=[{"agent": "lidocaine", "volume_ml": 10, "date": "2026-12-01"}])[
        "anaesthetic"
    ]
    assert float(row["limit_mg"]) == 70
    assert float(row["e_mg"]) <= 70
