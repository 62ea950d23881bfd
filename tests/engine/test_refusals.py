"""Why a candidate can't be: the sentence that the physician reads beside what was not chosen, and its rules."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from protocols.engine import Knowledge, parse
from protocols.engine.candidates import Candidate, Refusal, build, free_from, needling_depths, shallower
from protocols.engine.case import Case
from protocols.engine.choosing import assess
from protocols.engine.effects import Outcome
from protocols.engine.examples import TODAY, example_case

FACE = {"indication": "rejuvenation", "area": "face", "grade": 2}
HANDS = {"indication": "rejuvenation", "area": "hands", "grade": 2}
EYES = {"indication": "rejuvenation", "area": "periorbital", "grade": 2}
SCALP = {"indication": "alopecia", "area": "scalp", "grade": 2, "hair_pattern": "patterned"}
PIGMENT = {"indication": "pigment", "area": "face", "grade": 2, "lesion_cm2": 80}
CHIN = {
    "indication": "fat", "area": "submental", "scale": "cr-smfrs", "items": {"grade": 2}, "smslg_grade": 2, "field_cm2": 24,
}  # fmt: skip
THIGHS = {"indication": "cellulite", "area": "thighs", "grade": 2}


def made(
    knowledge: Knowledge, concern: dict[str, Any], modality: str, code: str, outcome: Outcome | None = None,
    **patient: Any,
) -> Candidate | Refusal:  # fmt: skip
    case = parse(example_case({"concerns": [concern], "patient": {"bmi": 24} | patient}), knowledge.schema)
    assessed, _missing = assess(case.concerns[0], knowledge)
    return build(assessed, modality, code, outcome or Outcome(), case, knowledge)


def candidate(*args: Any, **more: Any) -> Candidate:
    found = made(*args, **more)
    assert isinstance(found, Candidate), found
    return found


@pytest.mark.parametrize(
    ("concern", "modality", "code", "outcome", "patient", "rules", "reason", "missing"),
    [
        (FACE, "microneedling", "CK-REJ-N", {"modalities": {"microneedling": [("R13", "Not on psoriasis."), ("R14", "Not now."), ("R13", "Again.")]}}, {},
         ("R13", "R14"), "Not on psoriasis.", ""),
        (EYES, "needle-free", "CK-PER", {}, {}, (), "No jet on this area: Around the eyes.", ""),
        (FACE, "syringe", "CK-REJ-1", {"agents": {"nctf-complex": [("R48", "Allergy."), ("R76", "Reaction."), ("R48", "x")]}}, {},
         ("R48", "R76"), "Allergy.", ""),
        # Essential though not the first: named by the cocktail.
        (THIGHS, "syringe", "CK-CEL-1", {"agents": {"l-carnitine": [("R48", "Allergy.")]}}, {}, ("R48",), "Allergy.", ""),
        (FACE, "syringe", "CK-REJ-1", {}, {"conditions": [{"code": "leber-optic"}]},
         ("R48",), "{nctf-complex} is not given with {leber-optic} (REFERENCE.md §3).", ""),
        (FACE, "syringe", "CK-BRI-1", {}, {"conditions": [{"code": "oxalate-stones"}, {"code": "iron-overload"}]},
         ("R48",), "{vitamin-c} is not given with {iron-overload}, {oxalate-stones} (REFERENCE.md §3).", ""),
        ({k: v for k, v in CHIN.items() if k != "field_cm2"}, "syringe", "CK-FAT-1", {}, {},
         ("R60",), "The field in cm² is not measured: the volume can't be computed.", "fat/submental field_cm2"),
        (FACE, "syringe", "CK-REJ-2", {"syringe_limit": [(Decimal("1.4"), "R21")]}, {},
         ("R21",), "No injection deeper than 1.4 mm.", ""),
        ({"indication": "fat", "area": "abdomen", "grade": 2}, "microneedling", "CK-FAT-2", {}, {},
         (), "Needling is not used for this indication.", ""),
    ],
)  # fmt: skip
def test_why_a_candidate_is_refused(
    concern: dict[str, Any], modality: str, code: str, outcome: dict[str, Any], patient: dict[str, Any],
    rules: tuple[str, ...], reason: str, missing: str, knowledge: Knowledge,
) -> None:  # fmt: skip
    found = made(knowledge, concern, modality, code, Outcome(**outcome), **patient)
    for name in re.findall(r"{(.*?)}", reason):
        reason = reason.replace(f"{{{name}}}", knowledge.label(name))
    assert found == Refusal(f"{knowledge.label(modality)}, {code}", rules, reason, missing)


def test_a_depth_at_the_limit_of_a_rule_is_allowed(knowledge: Knowledge) -> None:
    at_limit = Outcome(syringe_limit=[(Decimal("1.5"), "R21")])
    assert candidate(knowledge, FACE, "syringe", "CK-REJ-2", at_limit).depth_mm == Decimal("1.5")


def test_what_the_day_has_used_up_is_refused_and_what_is_left_is_used(knowledge: Knowledge) -> None:
    """15 mL of saline are the most of a day, and saline has no days to wait: what today had counts."""
    given = [{"agent": "saline", "volume_ml": 15, "date": TODAY}]
    assert made(knowledge, HANDS, "syringe", "CK-REJ-2", given=given) == Refusal(
        "Injection by syringe, CK-REJ-2", ("R60",), "The day's limit of an agent is already used up."
    )
    given[0]["volume_ml"] = 14.5
    found = candidate(knowledge, HANDS, "syringe", "CK-REJ-2", given=given)
    # Half of 3 mL is saline: of 2 mL 1 mL, and 0.5 mL are left.
    assert found.volume_ml == 1
    assert ("R60", "Scaled down to 1 mL so that no agent is above its limit.") in found.notes
    given[0]["volume_ml"] = 14.99
    assert made(knowledge, HANDS, "syringe", "CK-REJ-2", given=given) == Refusal(
        "Injection by syringe, CK-REJ-2", ("R60",), "No volume is left inside the limits."
    )


def test_what_may_not_be_given_beside_the_first_agent_is_saline_and_told(knowledge: Knowledge) -> None:
    reacted = Outcome(agents={"dexpanthenol": [("R76", "Reaction."), ("R48", "x")]})
    found = candidate(knowledge, HANDS, "syringe", "CK-REJ-2", reacted)
    assert found.notes == (("R76", "Dexpanthenol is replaced by saline 1:1."),)
    assert found.agents == {"ha-ncl", "saline"}
    avoided = candidate(knowledge, THIGHS, "syringe", "CK-CEL-2", conditions=[{"code": "cholestasis"}])
    assert avoided.notes == (("R48", f"{knowledge.label('artichoke')} is replaced by saline 1:1."),)
    assert "artichoke" not in avoided.agents
    # Both at once are merged into one part of saline.
    assert [part.agent for part in avoided.components] == ["organic-silicon", "saline", "lidocaine"]


def test_the_days_of_an_agent_count_only_where_it_is_given(knowledge: Knowledge) -> None:
    """Dexpanthenol was given elsewhere today, 7 days to wait; with saline in its place nothing waits."""
    given = [{"agent": "dexpanthenol", "volume_ml": 0.5, "date": TODAY, "area": "face"}]
    found = candidate(knowledge, HANDS, "syringe", "CK-REJ-2", given=given)
    assert (found.free_from, found.waits) == (date(2026, 12, 8), ("R57",))
    allergic = Outcome(agents={"dexpanthenol": [("R48", "Allergy.")]})
    found = candidate(knowledge, HANDS, "syringe", "CK-REJ-2", allergic, given=given)
    assert (found.free_from, found.waits) == (date(2026, 12, 1), ())


def test_the_day_of_the_first_session_decides_what_counts_against_its_limits(knowledge: Knowledge) -> None:
    hyaluronic = {"agent": "ha-ncl", "dose_mg": 55, "date": TODAY, "area": "face"}
    found = candidate(knowledge, HANDS, "syringe", "CK-REJ-2", given=[hyaluronic])
    # In 7 days nothing of today's 55 of 60 mg counts.
    assert (found.free_from, found.volume_ml) == (date(2026, 12, 8), 2)
    elsewhere = [
        {"agent": "dexpanthenol", "volume_ml": 0.5, "date": TODAY, "area": "face"},
        {"agent": "saline", "volume_ml": 14.5, "date": TODAY, "area": "face"},
    ]
    allergic = Outcome(agents={"dexpanthenol": [("R48", "Allergy.")]})
    found = candidate(knowledge, HANDS, "syringe", "CK-REJ-2", allergic, given=elsewhere)
    # Without dexpanthenol it is today: 0.5 mL of saline are left for what needs 1.33 mL, so 0.75 mL, rounded down.
    assert (found.free_from, found.volume_ml) == (date(2026, 12, 1), Decimal("0.7"))


# ---- what the clinic has changed in its tables ---------------------------------------------------------------


def changed(knowledge: Knowledge, table: str, code: str, **values: Any) -> Knowledge:
    rows: Mapping[str, Any] = getattr(knowledge, table)
    tables: dict[str, Any] = {table: {**rows, code: {**rows[code], **values}}}
    return replace(knowledge, **tables)


def test_a_cocktail_with_an_agent_that_is_switched_off_is_refused(knowledge: Knowledge) -> None:
    off = changed(knowledge, "agents", "dexpanthenol", offered=False)
    assert made(off, HANDS, "syringe", "CK-REJ-2") == Refusal(
        "Injection by syringe, CK-REJ-2", ("R59",), "Dexpanthenol is switched off."
    )


def test_the_severities_that_a_cocktail_is_for_are_named(knowledge: Knowledge) -> None:
    only = {"submental": ["mild", "moderate"]}
    found = made(
        changed(knowledge, "cocktails", "CK-FAT-2", only_bands=only),
        CHIN | {"items": {"grade": 3}, "smslg_grade": 3}, "syringe", "CK-FAT-2",
    )  # fmt: skip
    assert isinstance(found, Refusal)
    assert found.reason == "Only for mild, moderate severity on this area."


def test_a_cocktail_keeps_its_own_volume_where_it_is_fixed_and_where_it_is_made_for(
    knowledge: Knowledge,
) -> None:
    """In other areas the area's usual volume is taken."""
    neck = {"indication": "rejuvenation", "area": "neck", "grade": 2}
    little = changed(knowledge, "areas", "face", syringe_default_ml="1.5")
    little = changed(little, "areas", "neck", syringe_default_ml="1.5")
    assert candidate(little, neck, "syringe", "CK-PN").volume_ml == 2
    assert candidate(little, FACE, "syringe", "CK-REJ-2").volume_ml == 3
    assert candidate(little, neck, "syringe", "CK-REJ-2").volume_ml == Decimal("1.5")


def test_needling_is_held_at_the_most_that_needling_may_put_on_an_area(knowledge: Knowledge) -> None:
    little = changed(knowledge, "areas", "face", needling_ml="2")
    found = candidate(little, FACE, "microneedling", "CK-REJ-N")
    assert found.volume_ml == 2
    assert ("R60", "Volume is held at 2 mL, the most for this area.") in found.notes


def test_the_grid_has_no_more_points_than_the_label_allows(knowledge: Knowledge) -> None:
    """With 40 points as the most, a field of 50 cm² has 40 and 0.2 mL each."""
    fewer = changed(knowledge, "tables", "dc", max_points=40)
    found = candidate(fewer, CHIN | {"field_cm2": 50}, "syringe", "CK-FAT-1")
    assert (found.points, found.volume_ml) == (40, 8)
    assert sum(part.volume_ml for part in found.components) == 8


def test_the_acid_goes_to_the_depth_of_the_label_whatever_the_area_s_cap(knowledge: Knowledge) -> None:
    flat = changed(knowledge, "areas", "submental", syringe_cap_mm="5")
    assert candidate(flat, CHIN, "syringe", "CK-FAT-1").depth_mm == 6


@pytest.mark.parametrize(("given", "kept"), [(250, True), (251, False)])
def test_lidocaine_inside_a_cocktail_is_left_out_where_the_day_has_no_room(
    given: int, kept: bool, knowledge: Knowledge
) -> None:
    """20 mg in the cocktail, 270 mg a day at 60 kg."""
    had = [{"agent": "lidocaine", "dose_mg": given, "date": TODAY}]
    found = candidate(knowledge, THIGHS, "syringe", "CK-CEL-1", given=had)
    told = ("R51", "Lidocaine is replaced by saline 1:1: the day's limit of anaesthetic is used up.")
    assert ("lidocaine" in found.agents) is kept
    assert (told in found.notes) is not kept


def test_a_measured_field_is_held_at_the_most_of_the_label(knowledge: Knowledge) -> None:
    """0.2 mL a cm², 10 mL and 50 points at most."""
    found = candidate(knowledge, CHIN | {"field_cm2": 60}, "syringe", "CK-FAT-1")
    assert (found.volume_ml, found.points, found.ml_per_point) == (10, 50, Decimal("0.2"))
    assert ("R60", "Volume is held at 10 mL, the most for this area.") in found.notes
    found = candidate(knowledge, CHIN | {"field_cm2": 50}, "syringe", "CK-FAT-1")
    assert (found.volume_ml, found.points, found.notes) == (10, 50, ())


@pytest.mark.parametrize(
    ("lesion", "volume"), [(80, "4"), (20, "1"), (100, "5"), (101, "5"), (None, "5")]
)  # fmt: skip
def test_pigment_has_its_volume_by_the_lesion(lesion: int | None, volume: str, knowledge: Knowledge) -> None:
    concern = {key: value for key, value in PIGMENT.items() if key != "lesion_cm2"}
    if lesion is not None:
        concern["lesion_cm2"] = lesion
    assert candidate(knowledge, concern, "syringe", "CK-PIG-1").volume_ml == Decimal(volume)
    # Of the face the whole is taken where nobody measured, elsewhere the area's usual volume.
    hands = concern | {"area": "hands"}
    if lesion is None:
        usual = Decimal(knowledge.areas["hands"]["syringe_default_ml"])
        assert candidate(knowledge, hands, "syringe", "CK-PIG-1").volume_ml == usual
    # Needling treats the whole area.
    assert candidate(knowledge, concern, "microneedling", "CK-PIG-N").volume_ml == 3


def test_the_lowest_of_table_area_and_rules_is_the_needling_depth(knowledge: Knowledge) -> None:
    def depth(concern: dict[str, Any], *caps: tuple[str, str]) -> tuple[Decimal, str] | None:
        case = parse(example_case({"concerns": [concern]}), knowledge.schema)
        assessed, _missing = assess(case.concerns[0], knowledge)
        return needling_depths(assessed, Outcome(caps=[(Decimal(mm), rule) for mm, rule in caps]), knowledge)

    severe = {"indication": "wrinkles", "area": "face", "grade": 3}
    assert depth(severe) == (Decimal("1.5"), "")
    assert depth(severe, ("1.5", "R29")) == (Decimal("1.5"), "")
    assert depth(severe, ("1.0", "R29"), ("0.5", "R16"), ("0.75", "R20")) == (Decimal("0.5"), "R16")
    assert depth(severe | {"area": "neck"}) == (Decimal("0.8"), "§5.3")
    assert depth({"indication": "fat", "area": "abdomen", "grade": 2}) is None
    capped = candidate(
        knowledge, severe, "microneedling", "CK-WRI-N", Outcome(caps=[(Decimal("0.5"), "R29")])
    )
    assert ("R29", "Needling depth is held at 0.5 mm.") in capped.notes
    assert (capped.downtime_hours, capped.interval) == (24, (14, 14, 21))


def test_shallower_needling_is_offered_from_the_deepest_down(knowledge: Knowledge) -> None:
    severe = {"indication": "wrinkles", "area": "face", "grade": 3}
    found = candidate(knowledge, severe, "microneedling", "CK-WRI-N")
    assert [one.depth_mm for one in shallower(found, knowledge)] == [Decimal("1.0"), Decimal("0.75")]
    assert [one.downtime_hours for one in shallower(found, knowledge)] == [48, 48]
    assert shallower(candidate(knowledge, FACE, "syringe", "CK-REJ-2"), knowledge) == []


@pytest.mark.parametrize(
    ("fact", "modality", "days", "rules"),
    [
        ({"procedures": [{"code": "filler-ha", "date": TODAY}]}, "syringe", 14, ("R54",)),
        ({"procedures": [{"code": "filler-ha", "date": TODAY}]}, "microneedling", 28, ("R54",)),
        ({"procedures": [{"code": "filler-ha", "date": TODAY, "area": "periorbital"}]}, "syringe", 14, ("R54",)),
        ({"procedures": [{"code": "filler-ha", "date": TODAY, "area": "hands"}]}, "syringe", 0, ()),
        # On the day the waiting ends, nothing waits.
        ({"procedures": [{"code": "filler-ha", "date": "2026-11-18"}]}, "syringe", 1, ("R54",)),
        ({"procedures": [{"code": "filler-ha", "date": "2026-11-17"}]}, "syringe", 0, ()),
        # Dental surgery counts for the face wherever it is told.
        ({"procedures": [{"code": "dental-surgery", "date": TODAY, "area": "hands"}]}, "syringe", 14, ("R54",)),
        # The acid waits whatever is planned, dutasteride only for itself.
        ({"procedures": [{"code": "dc-injection", "date": TODAY, "area": "face"}]}, "syringe", 30, ("R57",)),
        ({"procedures": [{"code": "dutasteride-injection", "date": TODAY, "area": "face"}]}, "syringe", 0, ()),
        ({"given": [{"agent": "ha-ncl", "volume_ml": 1, "date": TODAY}]}, "syringe", 7, ("R57",)),
        ({"given": [{"agent": "ha-ncl", "volume_ml": 1, "date": TODAY, "area": "hands"}]}, "syringe", 7, ("R57",)),
        # Another agent: the skin's recovery, only in the same skin.
        ({"given": [{"agent": "biotin", "volume_ml": 1, "date": TODAY, "area": "face"}]}, "syringe", 7, ("R57",)),
        ({"given": [{"agent": "biotin", "volume_ml": 1, "date": TODAY, "area": "hands"}]}, "syringe", 0, ()),
        ({"given": [{"agent": "lidocaine", "volume_ml": 1, "date": TODAY, "area": "face"}]}, "syringe", 0, ()),
        ({"procedures": [{"code": "filler-ha", "date": TODAY}, {"code": "filler-ha", "date": TODAY}],
          "given": [{"agent": "ha-ncl", "volume_ml": 1, "date": TODAY}]}, "syringe", 14, ("R54",)),
        ({"procedures": [{"code": "waxing", "date": TODAY}],
          "given": [{"agent": "ha-ncl", "volume_ml": 1, "date": TODAY}]}, "syringe", 7, None),
    ],
)  # fmt: skip
def test_the_first_free_day(
    fact: dict[str, Any], modality: str, days: int, rules: tuple[str, ...] | None, knowledge: Knowledge
) -> None:
    case: Case = parse(example_case({"concerns": [FACE], "patient": fact}), knowledge.schema)
    assessed, _missing = assess(case.concerns[0], knowledge)
    day, told = free_from(case, assessed, modality, frozenset({"ha-ncl"}), knowledge)
    assert (day - case.today) == timedelta(days=days)
    assert rules is None or told == rules
