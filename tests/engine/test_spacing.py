"""Days between sessions: recovery between our own modalities (REFERENCE.md §8.3), an agent's own days (§3), months."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from protocols.engine import Knowledge, parse, propose
from protocols.engine.candidates import days_between
from protocols.engine.case import Fact
from protocols.engine.effects import waiting_date
from protocols.engine.examples import example_case
from protocols.engine.proposing import survey
from protocols.engine.remaining import deepened
from protocols.engine.rules import Scene, add_months

#: What was done -> (modality, depth mm, cocktail) and the days to a syringe, a jet, needling to 0.5 mm, deeper needling.
DONE: dict[str, tuple[str, str | None, str, tuple[int, int, int, int]]] = {
    "syringe, 1.5 mm": ("syringe", "1.5", "CK-REJ-1", (7, 7, 7, 14)),
    "syringe, 4 mm": ("syringe", "4.0", "CK-CEL-1", (7, 7, 7, 14)),
    "syringe, no depth": ("syringe", None, "CK-REJ-1", (7, 7, 7, 14)),
    "syringe, deeper than 4 mm": ("syringe", "4.5", "CK-CEL-1", (7, 7, 14, 14)),
    "jet": ("needle-free", None, "CK-REJ-1", (7, 7, 7, 7)),
    "needling, 0.5 mm": ("microneedling", "0.5", "CK-REJ-N", (7, 7, 7, 14)),
    "needling, 0.51 mm": ("microneedling", "0.51", "CK-REJ-N", (14, 14, 14, 14)),
    "needling, 1 mm": ("microneedling", "1.0", "CK-REJ-N", (14, 14, 14, 14)),
    "needling, 1.25 mm": ("microneedling", "1.25", "CK-REJ-N", (14, 14, 14, 21)),
    "deoxycholic acid": ("syringe", "6.0", "CK-FAT-1", (30, 30, 30, 30)),
}
NEXT = (("syringe", "1.5"), ("needle-free", None), ("microneedling", "0.5"), ("microneedling", "0.75"))


def part(modality: str, depth: str | None, cocktail: str, area: str = "face", *agents: str) -> dict[str, Any]:
    return {
        "concern": f"rejuvenation/{area}", "modality": modality, "depth_mm": depth, "cocktail": cocktail,
        "components": [{"agent": agent} for agent in (*agents, "saline")],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("done", "following", "days"),
    [
        pytest.param(row[:3], following, days, id=f"{name} -> {following[0]} {following[1]}")
        for name, row in DONE.items()
        for following, days in zip(NEXT, row[3], strict=True)
    ],
)
def test_one_area_recovers_for_the_days_of_the_reference(
    done: tuple[str, str | None, str], following: tuple[str, str | None], days: int, knowledge: Knowledge
) -> None:
    assert days_between([part(*done)], [part(*following, "CK-REJ-1")], knowledge) == days


def test_another_area_needs_no_recovery_but_its_agent_may(knowledge: Knowledge) -> None:
    face = part("syringe", "1.5", "CK-REJ-1", "face", "ha-ncl")
    thighs = part("syringe", "4.0", "CK-CEL-1", "thighs", "caffeine")
    assert days_between([face], [thighs], knowledge) == 0
    scalp = part("syringe", "3.0", "CK-HAI-3", "scalp", "dutasteride")
    elsewhere = part("syringe", "1.5", "CK-HAI-3", "hands", "dutasteride")
    assert days_between([scalp], [elsewhere], knowledge) == 28


def test_the_longest_of_all_parts_counts_whatever_their_order(knowledge: Knowledge) -> None:
    needled = part("microneedling", "1.5", "CK-WRI-N")
    neck = part("syringe", "1.5", "CK-REJ-2", "neck", "pdrn")
    again = [part("syringe", "1.5", "CK-REJ-1"), part("syringe", "1.5", "CK-REJ-2", "hands", "pdrn")]
    for earlier in ([needled, neck], [neck, needled]):
        for later in (again, again[::-1]):
            assert days_between(earlier, later, knowledge) == 14


def test_the_same_skin_under_two_names_is_one_area(knowledge: Knowledge) -> None:
    area = next(code for code, row in knowledge.areas.items() if row["same_skin"])
    twin = knowledge.areas[area]["same_skin"][0]
    assert days_between(
        [part("syringe", "1.5", "CK-REJ-1", area)], [part("microneedling", "1.0", "CK-REJ-N", twin)], knowledge
    ) == 14  # fmt: skip


@pytest.mark.parametrize(
    ("day", "months", "then"),
    [
        ("2026-01-31", 1, "2026-02-28"),
        ("2028-01-31", 1, "2028-02-29"),
        ("2026-12-31", 6, "2027-06-30"),
        ("2026-11-15", 2, "2027-01-15"),
        ("2026-10-31", 12, "2027-10-31"),
        ("2026-12-01", 12, "2027-12-01"),
        ("2026-03-30", 11, "2027-02-28"),
    ],
)
def test_months_later_is_the_same_day_or_the_last_of_a_shorter_month(
    day: str, months: int, then: str
) -> None:
    assert add_months(date.fromisoformat(day), months) == date.fromisoformat(then)


@pytest.mark.parametrize(
    ("burns", "until"),
    [
        # Healed: 14 days from then. Else from the burn itself, on dark skin longer.
        ([{"healed_on": "2026-11-20", "date": "2026-11-01"}], "2026-12-04"),
        ([{"date": "2026-11-20"}], "2026-12-30"),
        # The last of several counts; what is no fact of the patient has no day.
        ([None, {"healed_on": "2026-11-20"}], "2026-12-04"),
        ([{"healed_on": "2026-11-20"}, None, {"date": "2026-11-20"}], "2026-12-30"),
        # Without any day nobody knows how long.
        ([{}], None),
        ([{"healed_on": "2026-11-20"}, {}], None),
        ([None], None),
    ],
)
def test_a_waiting_time_counts_from_healing_or_else_from_the_burn(
    burns: list[dict[str, str] | None], until: str | None, knowledge: Knowledge
) -> None:
    case = parse(example_case({"patient": {"phototype": 5}}), knowledge.schema)
    spec = {"days": 14, "after": "healed_on", "otherwise": {"days": 28, "dark_days": 40, "after": "date"}}
    evidence = tuple(("burnt", Fact("sunburn", burn) if burn is not None else None) for burn in burns)
    found = waiting_date(spec, evidence, Scene(case, case.today, knowledge))
    assert found == (True, date.fromisoformat(until) if until else None)
    if until:
        day = date.fromisoformat(until)
        for today, waits in ((day - timedelta(days=1), True), (day, False)):
            assert waiting_date(spec, evidence, Scene(case, today, knowledge)) == (waits, day)


def _needled(knowledge: Knowledge, grade: int, **patient: Any) -> Any:
    case = parse(
        example_case({
            "concerns": [{"indication": "wrinkles", "area": "face", "grade": grade}],
            "patient": {"bmi": 24} | patient, "preferences": {"modality": "microneedling"},
        }),
        knowledge.schema,
    )  # fmt: skip
    planned = survey(case, knowledge, case.today).chosen[0].planned
    assert planned is not None
    assert planned.candidate.modality == "microneedling"
    return planned


def test_needling_goes_one_step_of_its_row_deeper_and_its_interval_follows(knowledge: Knowledge) -> None:
    mild = _needled(knowledge, 1)
    assert mild.candidate.depth_mm == Decimal("0.75")
    deeper = deepened(mild, knowledge)
    assert deeper is not None
    assert deeper.candidate.depth_mm == Decimal("1.0")
    deepest = deepened(deeper, knowledge)
    assert deepest is not None
    assert deepest.candidate.depth_mm == Decimal("1.5")
    assert deepest.candidate.downtime_hours > mild.candidate.downtime_hours
    assert deepened(deepest, knowledge) is None


def test_needling_goes_no_deeper_than_the_cap_of_the_patient(knowledge: Knowledge) -> None:
    dark = _needled(knowledge, 2, phototype=5)
    caps = [cap for cap, _rule in dark.outcome.caps]
    assert caps
    while dark is not None:
        assert dark.candidate.depth_mm <= min(caps)
        dark = deepened(dark, knowledge)


def test_a_syringe_is_not_deepened(knowledge: Knowledge) -> None:
    case = parse(example_case({}), knowledge.schema)
    planned = survey(case, knowledge, case.today).chosen[0].planned
    assert planned is not None
    assert planned.candidate.modality == "syringe"
    assert deepened(planned, knowledge) is None


@pytest.mark.parametrize(
    ("patient", "waits"),
    [
        ({"conditions": [{"code": "anaphylaxis"}]}, True),
        ({"conditions": [{"code": "anaphylaxis"}], "allergies": [{"substance": "latex", "reaction": "anaphylaxis"}]}, False),
        ({"conditions": [{"code": "anaphylaxis"}], "allergies": [{"substance": "latex", "reaction": "urticaria"}]}, True),
        ({"conditions": [{"code": "anaphylaxis"}], "allergies": [{"substance": "other", "reaction": "anaphylaxis"}]}, True),
        ({"conditions": [{"code": "anaphylaxis"}], "allergies": [{"substance": "unknown-injectable", "reaction": "anaphylaxis"}]}, True),
        ({"conditions": [{"code": "anaphylaxis"}], "reactions": [{"event": "anaphylaxis", "agent": "ha-ncl", "grade": 4, "date": "2025-01-01"}]}, False),
        ({"conditions": [{"code": "anaphylaxis"}], "reactions": [{"event": "anaphylaxis", "grade": 4, "date": "2025-01-01"}]}, True),
        ({"conditions": [{"code": "anaphylaxis"}], "reactions": [{"event": "urticaria", "agent": "ha-ncl", "grade": 4, "date": "2025-01-01"}]}, True),
    ],
)  # fmt: skip
def test_anaphylaxis_waits_for_allergology_until_its_trigger_is_coded(
    patient: dict[str, Any], waits: bool, knowledge: Knowledge
) -> None:
    case = parse(example_case({"patient": patient}), knowledge.schema)
    answer = propose(case, knowledge, case.today).to_dict()
    unknown = [f for f in answer["findings"] if f["rule"] == "R28" and f["level"] == "block"]
    assert bool(unknown) is waits
    if waits:
        assert answer["status"] == "deferred"
        # A substance that nobody knows explains no anaphylaxis: the physician reads of both.
        assert any(because.startswith("Anaphylaxis") for because in unknown[0]["because"])
