"""Doses, depths and days of one candidate by themselves: the tables of REFERENCE.md §3, §5 and §8 row by row."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from protocols.engine import Knowledge, parse
from protocols.engine.candidates import (
    Candidate,
    agent_limits,
    days_between,
    interval_for,
    limit_factor,
    recovery_days,
    sized,
    with_depth,
    with_volume,
)
from protocols.engine.case import Case
from protocols.engine.examples import TODAY, example_case
from protocols.engine.proposing import survey


def case_of(knowledge: Knowledge, concern: dict[str, Any] | None = None, **patient: Any) -> Case:
    changes: dict[str, Any] = {"patient": patient}
    if concern is not None:
        changes["concerns"] = [concern]
    return parse(example_case(changes), knowledge.schema)


def chosen(knowledge: Knowledge, concern: dict[str, Any], modality: str = "any") -> Candidate:
    data = example_case(
        {"concerns": [concern], "patient": {"bmi": 24}, "preferences": {"modality": modality}}
    )
    case = parse(data, knowledge.schema)
    planned = survey(case, knowledge, case.today).chosen[0].planned
    assert planned is not None
    return planned.candidate


@pytest.mark.parametrize(
    ("agent", "patient", "mg", "ml"),
    [
        ("vitamin-c", {}, "500", None),
        ("nctf-complex", {}, None, "6"),
        ("deoxycholic-acid", {}, "100", "10"),
        # By weight, but never above the session's limit; an unknown weight counts as a light patient.
        ("caffeine", {"weight_kg": 60}, "180", None),
        ("caffeine", {"weight_kg": 80}, "200", None),
        ("caffeine", {"weight_kg": None, "bmi": None}, "135", None),
        # What the day already had is taken off: mg as told, mL at the highest strength.
        ("vitamin-c", {"given": [{"agent": "vitamin-c", "dose_mg": 120, "date": TODAY}]}, "380", None),
        ("vitamin-c", {"given": [{"agent": "vitamin-c", "volume_ml": 2, "date": TODAY}]}, "300", None),
        ("vitamin-c", {"given": [{"agent": "vitamin-c", "dose_mg": 700, "date": TODAY}]}, "0", None),
        ("vitamin-c", {"given": [{"agent": "vitamin-c", "dose_mg": 120, "date": "2026-11-30"}]}, "500", None),
        ("vitamin-c", {"given": [{"agent": "biotin", "dose_mg": 120, "date": TODAY}]}, "500", None),
        ("nctf-complex", {"given": [{"agent": "nctf-complex", "volume_ml": 2.5, "date": TODAY}]}, None, "3.5"),
        ("nctf-complex", {"given": [{"agent": "nctf-complex", "volume_ml": 7, "date": TODAY}]}, None, "0"),
        ("deoxycholic-acid", {"given": [{"agent": "deoxycholic-acid", "volume_ml": 4, "date": TODAY}]}, "60", "6"),
        ("deoxycholic-acid", {"given": [{"agent": "deoxycholic-acid", "dose_mg": 30, "date": TODAY}]}, "70", "10"),
    ],
)  # fmt: skip
def test_what_one_session_may_have_of_an_agent(
    agent: str, patient: dict[str, Any], mg: str | None, ml: str | None, knowledge: Knowledge
) -> None:
    found = agent_limits(agent, case_of(knowledge, **patient), knowledge)
    assert found == (Decimal(mg) if mg else None, Decimal(ml) if ml else None)


def test_the_limit_of_a_later_day_counts_what_that_day_has(knowledge: Knowledge) -> None:
    given = [{"agent": "vitamin-c", "dose_mg": 120, "date": TODAY}]
    case = case_of(knowledge, given=given)
    assert agent_limits("vitamin-c", case, knowledge, case.today)[0] == 380
    assert agent_limits("vitamin-c", case, knowledge, case.today + timedelta(days=1))[0] == 500


#: (modality, depth in mm, cocktail) -> days to syringe, needle-free, needling to 0.5 mm and needling deeper.
RECOVERY = [
    (("syringe", "4", "CK-REJ-1"), (7, 7, 7, 14)),
    (("syringe", None, "CK-REJ-1"), (7, 7, 7, 14)),
    (("needle-free", None, "CK-REJ-1"), (7, 7, 7, 7)),
    (("microneedling", "0.5", "CK-REJ-N"), (7, 7, 7, 14)),
    (("microneedling", None, "CK-REJ-N"), (7, 7, 7, 14)),
    (("microneedling", "0.51", "CK-REJ-N"), (14, 14, 14, 14)),
    (("microneedling", "1.0", "CK-REJ-N"), (14, 14, 14, 14)),
    (("microneedling", "1.01", "CK-REJ-N"), (14, 14, 14, 21)),
    (("syringe", "4.1", "CK-REJ-1"), (7, 7, 14, 14)),
    (("syringe", "6.0", "CK-FAT-1"), (30, 30, 30, 30)),
]


@pytest.mark.parametrize(("before", "days"), RECOVERY)
def test_recovery_between_two_sessions_in_one_area(
    before: tuple[str, str | None, str], days: tuple[int, int, int, int], knowledge: Knowledge
) -> None:
    modality, depth, cocktail = before
    for to, to_depth, expected in (
        ("syringe", "1.5", days[0]), ("needle-free", None, days[1]), ("microneedling", "0.5", days[2]),
        ("microneedling", None, days[2]), ("microneedling", "0.51", days[3]),
    ):  # fmt: skip
        found = recovery_days(
            modality, Decimal(depth) if depth else None, cocktail, to, Decimal(to_depth) if to_depth else None, knowledge
        )  # fmt: skip
        assert found == expected, to


def part(concern: str, modality: str = "syringe", depth: str | None = "1.5", *agents: str) -> dict[str, Any]:
    return {
        "concern": concern, "modality": modality, "depth_mm": depth, "cocktail": "CK-REJ-1",
        "components": [{"agent": agent} for agent in agents],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("earlier", "later", "days"),
    [
        # The same skin: recovery. The eyelids are the face's.
        ([part("rejuvenation/face")], [part("wrinkles/face")], 7),
        ([part("rejuvenation/face")], [part("wrinkles/face", "microneedling", "1.0")], 14),
        ([part("wrinkles/face", "microneedling", "1.0")], [part("rejuvenation/face")], 14),
        ([part("rejuvenation/face")], [part("wrinkles/periorbital", "microneedling", "1.0")], 14),
        ([part("rejuvenation/face")], [part("rejuvenation/hands", "microneedling", "1.0")], 0),
        # The same agent anywhere: its days. Saline has none.
        ([part("rejuvenation/face", "syringe", "1.5", "pdrn")], [part("rejuvenation/hands", "syringe", "1.5", "pdrn")], 14),
        ([part("rejuvenation/face", "syringe", "1.5", "pdrn")], [part("rejuvenation/hands", "syringe", "1.5", "prp")], 0),
        ([part("rejuvenation/face", "syringe", "1.5", "saline")], [part("rejuvenation/hands", "syringe", "1.5", "saline")], 0),
        # The longest of all pairs counts, wherever it stands.
        ([part("rejuvenation/hands"), part("rejuvenation/face")],
         [part("wrinkles/face", "microneedling", "1.0"), part("rejuvenation/hands")], 14),
        ([part("rejuvenation/face", "syringe", "1.5", "pdrn", "vitamin-c")],
         [part("rejuvenation/face", "syringe", "1.5", "vitamin-c", "pdrn")], 14),
        ([], [part("rejuvenation/face")], 0),
    ],
)  # fmt: skip
def test_days_between_two_visits(
    earlier: list[dict[str, Any]], later: list[dict[str, Any]], days: int, knowledge: Knowledge
) -> None:
    assert days_between(earlier, later, knowledge) == days


def test_days_between_visits_of_plans_without_depth_or_components(knowledge: Knowledge) -> None:
    bare = {"concern": "rejuvenation/face", "modality": "microneedling", "cocktail": "CK-REJ-N"}
    assert days_between([bare], [bare], knowledge) == 7


@pytest.mark.parametrize(
    ("indication", "modality", "depth", "agents", "interval", "own"),
    [
        ("rejuvenation", "syringe", "1.5", {"ha-ncl"}, (7, 14, 21), False),
        ("rejuvenation", "microneedling", "0.5", {"ha-ncl"}, (14, 14, 21), False),
        ("rejuvenation", "microneedling", "1.0", {"ha-ncl"}, (14, 14, 21), False),
        ("rejuvenation", "microneedling", "1.5", {"ha-ncl"}, (14, 21, 21), False),
        ("rejuvenation", "microneedling", "1.6", {"ha-ncl"}, (28, 28, 42), True),
        ("rejuvenation", "syringe", "1.5", {"pdrn"}, (14, 21, 21), False),
        ("rejuvenation", "syringe", "1.5", {"growth-factors", "ha-ncl"}, (14, 14, 21), False),
        ("rejuvenation", "syringe", "1.5", {"dmae"}, (14, 14, 21), False),
        ("alopecia", "syringe", "1.5", {"prp"}, (21, 28, 42), True),
        ("alopecia", "syringe", "1.5", {"minoxidil", "dutasteride"}, (28, 84, 120), True),
        ("rejuvenation", "syringe", "1.5", {"hyaluronidase"}, (21, 21, 21), False),
    ],
)
def test_the_interval_follows_modality_depth_and_agents(
    indication: str, modality: str, depth: str, agents: set[str], interval: tuple[int, int, int], own: bool,
    knowledge: Knowledge,
) -> None:  # fmt: skip
    found = interval_for(indication, modality, Decimal(depth), frozenset(agents), knowledge)
    assert found == (interval, own)


FACE = {"indication": "rejuvenation", "area": "face", "grade": 2}
HANDS = {"indication": "rejuvenation", "area": "hands", "grade": 2}
WRINKLES = {"indication": "wrinkles", "area": "face", "grade": 3}
CHIN = {
    "indication": "fat", "area": "submental", "scale": "cr-smfrs", "items": {"grade": 2}, "smslg_grade": 2, "field_cm2": 24,
}  # fmt: skip


def test_another_volume_takes_doses_and_points_along(knowledge: Knowledge) -> None:
    chin = chosen(knowledge, CHIN)
    assert (chin.volume_ml, chin.points, chin.components[0].dose_mg) == (Decimal("4.8"), 24, Decimal(48))
    less = with_volume(chin, Decimal("3.1"), case_of(knowledge, CHIN), knowledge)
    assert (less.volume_ml, less.points, less.components[0].dose_mg) == (Decimal("3.1"), 15, Decimal(31))
    assert replace(less, volume_ml=chin.volume_ml, points=24, components=chin.components) == chin
    needled = chosen(knowledge, FACE, "microneedling")
    assert with_volume(needled, Decimal(1), case_of(knowledge, FACE), knowledge).points is None


def test_the_parts_of_a_cocktail_are_its_volume_to_the_last_drop(knowledge: Knowledge) -> None:
    """Three equal parts of 1 mL: what rounding leaves is in the last one."""
    case = case_of(knowledge)

    def parts(*agents: tuple[str, str | None]) -> list[tuple[str, Decimal, Decimal | None]]:
        row = {"components": [{"agent": agent, "ml": "1", "mg_per_ml": mg} for agent, mg in agents]}
        found = sized(row, Decimal(1), {"zinc": "saline"}, case, knowledge)
        return [(one.agent, one.volume_ml, one.dose_mg) for one in found]

    third, last = Decimal("0.3333"), Decimal("0.3334")
    # Without mass, but not the same.
    assert parts(("biotin", "5"), ("peptide-blend", None), ("saline", None)) == [
        ("biotin", third, Decimal("1.66")), ("peptide-blend", third, None), ("saline", last, None),
    ]  # fmt: skip
    # Saline in place of another and beside it is drawn up once.
    assert parts(("biotin", "5"), ("zinc", "1"), ("saline", None)) == [
        ("biotin", third, Decimal("1.66")), ("saline", third + last, None),
    ]  # fmt: skip


def test_what_saline_replaced_stays_replaced_at_another_volume(knowledge: Knowledge) -> None:
    case = case_of(knowledge, HANDS, allergies=[{"substance": "dexpanthenol"}])
    planned = survey(case, knowledge, case.today).chosen[0].planned
    assert planned is not None
    candidate = planned.candidate
    assert [(one.agent, one.volume_ml) for one in candidate.components] == [
        ("ha-ncl", Decimal("0.6667")), ("saline", Decimal("1.3333")),
    ]  # fmt: skip
    half = with_volume(candidate, candidate.volume_ml / 2, case, knowledge)
    assert [one.agent for one in half.components] == [one.agent for one in candidate.components]
    assert sum(one.volume_ml for one in half.components) == candidate.volume_ml / 2
    assert [one.dose_mg for one in candidate.components] == [Decimal("13.33"), None]
    assert [one.dose_mg for one in half.components] == [Decimal("6.66"), None]


def test_another_volume_is_measured_against_the_day_it_is_given(knowledge: Knowledge) -> None:
    """What today had counts for today only."""
    given = [{"agent": "nctf-complex", "volume_ml": 2, "date": TODAY}]
    case = case_of(knowledge, FACE, given=given)
    candidate = chosen(knowledge, FACE)
    assert candidate.lead == "nctf-complex"
    for day, left in ((case.today, 4), (case.today + timedelta(days=1), 6)):
        later = with_volume(replace(candidate, free_from=day), Decimal(1), case, knowledge)
        assert later.components[0].limit_ml == left


def test_another_depth_takes_zones_downtime_and_interval_along(knowledge: Knowledge) -> None:
    needled = chosen(knowledge, WRINKLES, "microneedling")
    assert needled.modality == "microneedling"
    flat = with_depth(needled, Decimal("0.5"), knowledge)
    assert (flat.depth_mm, flat.downtime_hours, flat.interval, flat.own_row) == (
        Decimal("0.5"), 24, (14, 14, 21), False,
    )  # fmt: skip
    assert all(depth <= Decimal("0.5") for _zone, depth in flat.zones)
    deep = with_depth(needled, Decimal("2.0"), knowledge)
    # Deeper than the area's cap: the redness is that of the cap, the rhythm that of the depth.
    cap = Decimal(knowledge.areas["face"]["needling_cap_mm"])
    assert cap == Decimal("1.5")
    assert (deep.downtime_hours, deep.interval, deep.own_row) == (72, (28, 28, 42), True)
    assert dict(deep.zones) == {
        zone: Decimal(most) for zone, most in knowledge.areas["face"]["needling_zone_caps_mm"].items()
    }


def test_a_jet_has_no_depth_and_a_syringe_only_its_depth_changes(knowledge: Knowledge) -> None:
    jet = chosen(knowledge, FACE, "needle-free")
    assert jet.modality == "needle-free"
    assert with_depth(jet, Decimal(1), knowledge) is jet
    syringe = chosen(knowledge, FACE, "syringe")
    assert with_depth(syringe, Decimal(1), knowledge) == replace(syringe, depth_mm=Decimal(1))


def test_a_cocktail_inside_its_limits_shrinks_by_nothing(knowledge: Knowledge) -> None:
    part = chosen(knowledge, HANDS).components[0]
    assert part.dose_mg is not None
    limits: dict[str, Any] = {"limit_mg": None, "limit_ml": None}
    assert limit_factor(()) == limit_factor((replace(part, **limits),)) == 1
    assert limit_factor((replace(part, limit_mg=part.dose_mg, limit_ml=part.volume_ml),)) == 1
    assert limit_factor((replace(part, limit_mg=part.dose_mg / 4, limit_ml=part.volume_ml / 2),)) == Decimal(
        "0.25"
    )
    assert limit_factor((replace(part, limit_mg=part.dose_mg / 2, limit_ml=part.volume_ml / 4),)) == Decimal(
        "0.25"
    )
    assert limit_factor((replace(part, **limits), replace(part, limit_mg=Decimal(0), limit_ml=None))) == 0
