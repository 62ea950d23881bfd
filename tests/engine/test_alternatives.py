"""What else could be done: every cocktail and modality of the concern is chosen, offered beside it, or refused with its reason."""

from typing import Any

import pytest

from protocols.engine import Knowledge, parse, propose
from tests.engine.recorded import KNOWN, proposed

SINGLE = [
    pytest.param(data, id=title)
    for title, data in proposed()["single"]
    if title.endswith((" plain any", " dark any", " lidocaine any", " plain jet-afraid", " plain short"))
]


def possible(concern: dict[str, Any], knowledge: Knowledge) -> set[tuple[str, str]]:
    """(cocktail, modality) of the catalogue that are meant for a concern."""
    return {
        (code, modality)
        for code, row in knowledge.cocktails.items()
        for modality in row["modalities"]
        if concern["indication"] in row["indications"] and concern["area"] in row["areas"]
    }


@pytest.mark.parametrize("data", SINGLE)
def test_at_least_two_alternatives_stand_beside_the_plan_where_there_are_two(data: dict[str, Any]) -> None:
    case = parse(data, KNOWN.schema)
    answer = propose(case, KNOWN, case.today).to_dict()
    if not answer["courses"]:
        return
    (concern,) = data["concerns"]
    part = answer["courses"][0]["sessions"][0]["parts"][0]
    chosen = {(part["cocktail"], part["modality"])}
    offered = {(row["cocktail"], row["modality"]) for row in answer["alternatives"]}
    named = " ".join(f"{row['candidate']} {row['reason']}" for row in answer["not_chosen"])
    refused = {
        (cocktail, modality)
        for cocktail, modality in possible(concern, KNOWN)
        if cocktail in named or modality in named
    }
    assert not chosen & offered
    left = possible(concern, KNOWN) - chosen - refused
    assert left <= offered | refused, left - offered
    assert len(offered) >= min(2, len(left))
    for row in answer["alternatives"]:
        assert row["gains"] or row["costs"], row
        assert row["grade"] in "ABCSK"


def test_there_are_plans_with_two_and_more() -> None:
    many = 0
    for param in SINGLE:
        case = parse(param.values[0], KNOWN.schema)
        many += len(propose(case, KNOWN, case.today).to_dict()["alternatives"]) >= 2
    assert many >= len(SINGLE) // 2
