"""The anaesthetic sum E and the cream: the rows of REFERENCE.md §7.2 and what a review found missing."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest

from protocols.engine import Knowledge, parse, propose
from protocols.engine.anaesthesia import Comfort, choose, infiltrated_mg, limit_mg, most_grams, need
from protocols.engine.case import Case
from protocols.engine.courses import Planned
from protocols.engine.examples import example_case
from protocols.engine.proposing import survey

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


# ---- the offer one step at a time, for a planned part (REFERENCE.md §7.1, §7.3) ------------------------------

SCALP = {"indication": "alopecia", "area": "scalp", "grade": 2, "hair_pattern": "patterned"}
AMPLE = Decimal(300)


def planned(
    knowledge: Knowledge, concern: dict[str, Any], *, preferences: Mapping[str, Any] = MappingProxyType({}), **patient: Any
) -> tuple[Case, Planned]:  # fmt: skip
    data = example_case({"concerns": [concern], "patient": {"bmi": 24} | patient, "preferences": dict(preferences)})  # fmt: skip
    case = parse(data, knowledge.schema)
    found = survey(case, knowledge, case.today).chosen[0].planned
    assert found is not None
    return case, found


def offer(
    knowledge: Knowledge, concern: dict[str, Any], *, room_mg: Decimal = AMPLE, cream_room: Decimal = Decimal(30),
    refused: Mapping[str, list[str]] = MappingProxyType({}), **more: Any,
) -> Comfort:  # fmt: skip
    case, found = planned(knowledge, concern, **more)
    outcome = found.outcome.copy()
    outcome.products = dict(refused)
    return choose(found.candidate, case, outcome, knowledge, room_mg=room_mg, cream_room=cream_room)


def test_who_declines_gets_nothing_and_the_need_is_still_told(knowledge: Knowledge) -> None:
    found = offer(knowledge, WRINKLES, preferences={"pain": 10, "anaesthetic": "decline"})
    assert found == Comfort("none", None, None, 7)


@pytest.mark.parametrize(
    ("pain", "need", "product"),
    [(0, 4, "ice-vibration"), (3, 4, "ice-vibration"), (4, 5, "lidocaine-4-cream"), (6, 5, "lidocaine-4-cream"),
     (7, 7, "emla-5"), (10, 7, "emla-5")],
)  # fmt: skip
def test_the_product_follows_the_need(pain: int, need: int, product: str, knowledge: Knowledge) -> None:
    found = offer(knowledge, WRINKLES, preferences={"pain": pain})
    assert (found.need, found.product, found.rules) == (need, product, ())


@pytest.mark.parametrize(
    ("modality", "technique", "depth", "area", "pain", "points"),
    [
        # REFERENCE.md §7.3: by technique, for needling by depth.
        ("syringe", "nappage", "1.5", "face", 5, 3), ("syringe", "papule", "1.5", "face", 5, 4),
        ("syringe", "point-by-point", "6.0", "thighs", 5, 5), ("syringe", "dc-grid", "6.0", "submental", 5, 6),
        ("needle-free", "jet", None, "face", 5, 2), ("microneedling", "pen", "0.5", "face", 5, 3),
        ("microneedling", "pen", "0.51", "face", 5, 5), ("microneedling", "pen", "1.0", "face", 5, 5),
        ("microneedling", "pen", "1.01", "face", 5, 6),
        # One more where it hurts more.
        ("syringe", "papule", "1.5", "scalp", 5, 5), ("syringe", "papule", "1.5", "periorbital", 5, 5),
        ("syringe", "papule", "1.5", "hands", 5, 5), ("syringe", "papule", "1.5", "neck", 5, 4),
        # By the patient: not told is the middle.
        ("syringe", "papule", "1.5", "face", 0, 3), ("syringe", "papule", "1.5", "face", 3, 3),
        ("syringe", "papule", "1.5", "face", 4, 4), ("syringe", "papule", "1.5", "face", 6, 4),
        ("syringe", "papule", "1.5", "face", 7, 6), ("syringe", "papule", "1.5", "face", 10, 6),
        ("syringe", "papule", "1.5", "face", None, 4),
    ],
)  # fmt: skip
def test_the_points_of_pain(
    modality: str, technique: str, depth: str | None, area: str, pain: int | None, points: int, knowledge: Knowledge
) -> None:  # fmt: skip
    case, found = planned(knowledge, WRINKLES)
    case = replace(case, preferences={} if pain is None else {"pain": pain})
    candidate = replace(
        found.candidate, modality=modality, technique=technique, depth_mm=Decimal(depth) if depth else None, area=area
    )  # fmt: skip
    assert need(candidate, case, knowledge) == points


def test_a_refused_product_gives_way_to_the_next_weaker_with_its_rules(knowledge: Knowledge) -> None:
    pain = {"pain": 10}
    found = offer(knowledge, WRINKLES, preferences=pain, refused={"emla-5": ["R52"]})
    assert (found.product, found.grams, found.minutes, found.rules) == ("lidocaine-4-cream", 30, 45, ("R52",))
    both = {"emla-5": ["R52", "R50"], "lidocaine-4-cream": ["R50"]}
    found = offer(knowledge, WRINKLES, preferences=pain, refused=both)
    assert found == Comfort("ice-vibration", None, None, 7, ("R52", "R50"))
    found = offer(knowledge, WRINKLES, preferences=pain, refused=both | {"ice-vibration": ["R80"]})
    assert found == Comfort("none", None, None, 7, ("R52", "R50", "R80"))


def test_no_cream_on_the_scalp(knowledge: Knowledge) -> None:
    found = offer(knowledge, SCALP, preferences={"pain": 10})
    assert (found.product, found.grams, found.rules) == ("ice-vibration", None, ())


@pytest.mark.parametrize(
    ("room_mg", "cream_room", "product", "grams", "rules"),
    [
        # 5 % cream is 50 mg/g, a tenth of it counts: 5 mg of room a gram, in whole grams.
        ("150", "30", "emla-5", 30, ()),
        ("149", "30", "emla-5", 29, ()),
        ("5", "30", "emla-5", 1, ()),
        ("150", "12.5", "emla-5", 12, ()),
        ("150", "1", "emla-5", 1, ()),
        # 4 % cream is 4 mg a gram.
        ("4.9", "30", "lidocaine-4-cream", 1, ("R51",)),
        ("3.9", "30", "ice-vibration", None, ("R51",)),
        ("-20", "30", "ice-vibration", None, ("R51",)),
        ("150", "0.9", "ice-vibration", None, ("R51",)),
    ],
)
def test_cream_is_cut_to_the_whole_gram_that_fits(
    room_mg: str, cream_room: str, product: str, grams: int | None, rules: tuple[str, ...], knowledge: Knowledge
) -> None:  # fmt: skip
    found = offer(
        knowledge, WRINKLES, preferences={"pain": 10}, room_mg=Decimal(room_mg), cream_room=Decimal(cream_room)
    )  # fmt: skip
    assert (found.product, found.grams, found.rules) == (product, grams, rules)
    assert found.minutes == {"emla-5": 60, "lidocaine-4-cream": 45}.get(product)


@pytest.mark.parametrize(
    ("room_mg", "product", "volume", "rules"),
    [
        ("300", "dc-wheals", 5, ()),
        ("49", "dc-wheals", 4, ()),
        ("10", "dc-wheals", 1, ()),
        ("9", "lidocaine-4-cream", None, ("R51",)),
        ("3", "ice-vibration", None, ("R51",)),
    ],
)
def test_under_the_chin_wheals_are_cut_to_the_whole_millilitre(
    room_mg: str, product: str, volume: int | None, rules: tuple[str, ...], knowledge: Knowledge
) -> None:
    found = offer(knowledge, CHIN, preferences={"pain": 10}, room_mg=Decimal(room_mg))
    assert (found.product, found.volume_ml, found.rules, found.need) == (product, volume, rules, 8)
    # Only where the need is at its highest; a milder one has the creams.
    assert offer(knowledge, CHIN, preferences={"pain": 5}).product == "lidocaine-4-cream"


@pytest.mark.parametrize(
    ("comfort", "mg"),
    [
        (Comfort("emla-5", Decimal(30), 60, 7), "150"),
        (Comfort("lidocaine-4-cream", Decimal(10), 45, 5), "40"),
        (Comfort("dc-wheals", None, None, 8, (), Decimal(5)), "50"),
        (Comfort("ice-vibration", None, None, 4), "0"),
        (Comfort("none", None, None, 1), "0"),
        # Neither grams of what is no cream nor mL of what is no wheal, nor either without its amount.
        (Comfort("ice-vibration", Decimal(3), None, 4), "0"),
        (Comfort("ice-vibration", None, None, 4, (), Decimal(3)), "0"),
        (Comfort("emla-5", None, None, 7), "0"),
        (Comfort("dc-wheals", None, None, 8), "0"),
    ],
)
def test_what_counts_to_the_sum(comfort: Comfort, mg: str, knowledge: Knowledge) -> None:
    assert comfort.e_mg(knowledge) == Decimal(mg)


@pytest.mark.parametrize(
    ("patient", "factor", "mg"),
    [
        ({"weight_kg": 60}, "1", "270"),
        ({"weight_kg": 70}, "1", "300"),
        ({"weight_kg": 60}, "0.5", "135"),
        ({"weight_kg": None}, "1", "202.5"),
        ({"given": [{"agent": "lidocaine", "dose_mg": 70, "date": "2026-12-01"}]}, "1", "200"),
        ({"given": [{"agent": "procaine", "volume_ml": 2, "date": "2026-11-30"}]}, "1", "230"),
        ({"given": [{"agent": "lidocaine", "dose_mg": 70, "date": "2026-11-29"}]}, "1", "270"),
        ({"given": [{"agent": "vitamin-c", "dose_mg": 70, "date": "2026-12-01"}]}, "1", "270"),
        ({"given": [{"agent": "lidocaine", "dose_mg": 400, "date": "2026-12-01"}]}, "1", "0"),
        ({"given": [{"agent": "lidocaine", "dose_mg": 70, "date": "2026-12-01"},
                    {"agent": "lidocaine", "dose_mg": 30, "date": "2026-11-30"}]}, "1", "170"),
    ],
)  # fmt: skip
def test_the_limit_of_the_sum(patient: dict[str, Any], factor: str, mg: str, knowledge: Knowledge) -> None:
    case, found = planned(knowledge, WRINKLES, **patient)
    outcome = found.outcome.copy()
    outcome.factor = Decimal(factor)
    assert limit_mg(case, outcome, knowledge, case.today) == Decimal(mg)


def test_the_lidocaine_inside_all_cocktails_of_a_visit_is_summed(knowledge: Knowledge) -> None:
    _case, found = planned(knowledge, WRINKLES)

    def with_mg(*doses: tuple[str, str | None]) -> Any:
        part = found.candidate.components[0]
        parts = (replace(part, agent=agent, dose_mg=Decimal(mg) if mg else None) for agent, mg in doses)
        return replace(found.candidate, components=tuple(parts))

    one, other = (
        with_mg(("vitamin-c", "500"), ("lidocaine", "10")),
        with_mg(("lidocaine", "20.5"), ("saline", None)),
    )
    assert infiltrated_mg((one, other)) == Decimal("30.5")
    assert infiltrated_mg((one, with_mg(("lidocaine", None)))) == 10
    assert infiltrated_mg(()) == 0


@pytest.mark.parametrize(
    ("weight", "area", "product", "grams"),
    [
        (60, "face", "emla-5", "30"), (60, "periorbital", "emla-5", "0"), (60, "periorbital", "lidocaine-4-cream", "4"),
        (50, "face", "emla-5", "25"), (51, "face", "emla-5", "30"), (44, "neck", "emla-5", "15"), (20, "neck", "emla-5", "10"),
        (None, "face", "emla-5", "22.5"),
    ],
)  # fmt: skip
def test_the_most_cream_of_one_part(
    weight: int | None, area: str, product: str, grams: str, knowledge: Knowledge
) -> None:
    case, found = planned(knowledge, WRINKLES, weight_kg=weight)
    candidate = replace(found.candidate, area=area)
    assert most_grams(candidate, case, knowledge, product) == Decimal(grams)


def test_a_small_area_takes_no_more_cream_than_a_gram_to_ten_square_centimetres(knowledge: Knowledge) -> None:
    neck = {"indication": "wrinkles", "area": "neck", "grade": 2}
    found = offer(knowledge, neck, preferences={"pain": 10})
    assert (found.product, found.grams) == ("emla-5", 15)


def test_an_allergy_takes_away_each_product_that_holds_it(knowledge: Knowledge) -> None:
    found = comfort(knowledge, CHIN, bmi=24, allergies=[{"substance": "sulfite"}])["anaesthetic"]
    assert (found["product"], found["volume_ml"]) == ("lidocaine-4-cream", None)
    found = comfort(knowledge, CHIN, bmi=24, allergies=[{"substance": "paba"}])["anaesthetic"]
    assert found["product"] == "dc-wheals"
