"""Scores of the scales: what the form shows while the physician fills it in, and what the engine reckons with."""

from collections.abc import Mapping
from decimal import Decimal

import pytest

from protocols.engine import Knowledge
from protocols.engine.scales import score

MMASI = {
    "forehead_area": 3, "forehead_darkness": 3, "left_malar_area": 3, "left_malar_darkness": 2,
    "right_malar_area": 2, "right_malar_darkness": 2, "chin_area": 1, "chin_darkness": 2,
}  # fmt: skip


@pytest.mark.parametrize(
    ("scale", "items", "total", "band", "outside"),
    [
        ("glogau", {"grade": 1}, "1", "mild", ""),
        ("glogau", {"grade": 4}, "4", "severe", ""),
        ("fitzpatrick-wrinkle", {"score": 3}, "3", "mild", ""),
        ("fitzpatrick-wrinkle", {"score": 4}, "4", "moderate", ""),
        ("fitzpatrick-wrinkle", {"score": 9}, "9", "severe", ""),
        ("pore", {"score": 0}, "0", None, "below the mild band"),
        ("mmasi", MMASI, "5.9", "moderate", ""),
        ("mmasi", dict.fromkeys(MMASI, 4), "16", "severe", ""),
        ("norwood", {"stage": 3}, "3", "mild", ""),
        ("norwood", {"stage": 3, "vertex": 1}, "3.5", "moderate", ""),
        ("norwood", {"stage": 6}, "6", None, "above the treatable range"),
        ("pinch", {"mm": 30}, "30", "moderate", ""),
    ],
)
def test_a_scale_gives_score_band_and_words(
    scale: str, items: Mapping[str, int], total: str, band: str | None, outside: str, knowledge: Knowledge
) -> None:
    found = score(scale, items, knowledge)
    label = knowledge.scales[scale]["label"]
    assert (found.score, str(found.score), found.band) == (Decimal(total), total, band)
    assert (found.below, found.above) == (outside.startswith("below"), outside.startswith("above"))
    assert found.missing == ()
    assert found.text == f"{label} {total}, {outside or band}"


def test_an_item_not_given_leaves_the_score_open_and_is_named(knowledge: Knowledge) -> None:
    some = {name: value for name, value in MMASI.items() if not name.startswith("chin")}
    found = score("mmasi", some, knowledge)
    assert (found.score, found.band, found.below, found.above) == (None, None, False, False)
    assert found.missing == ("chin_area", "chin_darkness")
    assert found.text == f"{knowledge.scales['mmasi']['label']}: 2 items missing"


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ({"grade": 0}, "grade must be 1 to 4, not 0"),
        ({"grade": 5}, "grade must be 1 to 4, not 5"),
        ({"grade": 1, "shade": 1}, "glogau has no item shade"),
    ],
)
def test_what_the_scale_does_not_know_is_refused(
    items: Mapping[str, int], words: str, knowledge: Knowledge
) -> None:
    with pytest.raises(ValueError) as refused:
        score("glogau", items, knowledge)
    assert str(refused.value) == words
