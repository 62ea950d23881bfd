"""What the sessions still to come look like: the signed plan as far as today's facts allow, each difference told."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from protocols.engine import parse, parse_follow_up, propose
from protocols.engine.courses import Planned
from protocols.engine.examples import example_case
from protocols.engine.following import SignedPart
from protocols.engine.proposing import Survey, survey
from protocols.engine.remaining import _fitted, _kept, _window, deepened, next_in_order
from protocols.engine.verdicts import Way
from tests.engine.test_replan_decisions import KNOWN, TODAY, day, decide, under_way
from tests.engine.test_replan_laws import signed as as_signed

PIGMENT = {"indication": "pigment", "area": "face", "grade": 2, "lesion_cm2": 80}
WRINKLES = {"indication": "wrinkles", "area": "face", "grade": 2}
THIGHS = {"indication": "cellulite", "area": "thighs", "grade": 2}
HANDS = {"indication": "rejuvenation", "area": "hands", "grade": 2}


def surveyed(*concerns: dict[str, Any], modality: str = "any", **patient: Any) -> Survey:
    data = example_case(
        {"concerns": list(concerns), "patient": {"bmi": 24} | patient, "preferences": {"modality": modality}}
    )
    case = parse(data, KNOWN.schema)
    return survey(case, KNOWN, case.today)


def planned(concern: dict[str, Any], **more: Any) -> tuple[Survey, Planned]:
    found = surveyed(concern, **more)
    one = found.chosen[0].planned
    assert one is not None
    return found, one


def signed(one: Planned, **changes: Any) -> SignedPart:
    candidate = one.candidate
    part = SignedPart(
        candidate.concern, candidate.modality, candidate.cocktail, candidate.depth_mm, candidate.volume_ml
    )
    return replace(part, **changes)


# ---- a part: its own volume and depth as far as the limits go -------------------------------------------------


def test_a_part_as_proposed_stays_as_it_is() -> None:
    found, one = planned(PIGMENT)
    assert _kept(signed(one), one, found.case, KNOWN) == one
    bare = signed(one, volume_ml=None, depth_mm=None)
    assert _kept(bare, one, found.case, KNOWN) == one


@pytest.mark.parametrize(("volume", "kept"), [("2.0", "2.0"), ("4.9", "4.9"), ("5.0", "5.0"), ("5.1", "5")])
def test_the_signed_volume_is_kept_up_to_the_most_of_the_area(volume: str, kept: str) -> None:
    found, one = planned(PIGMENT)
    part = signed(one, volume_ml=Decimal(volume))
    now = _kept(part, one, found.case, KNOWN).candidate
    assert now.volume_ml == Decimal(kept)
    assert sum(component.volume_ml for component in now.components) == Decimal(kept)
    assert now.depth_mm == one.candidate.depth_mm


def test_the_signed_volume_is_cut_to_what_the_weight_of_today_allows() -> None:
    """3 mg/kg of caffeine at 30 kg are 90 mg; the plan was signed for a heavier patient."""
    found, one = planned(THIGHS, weight_kg=30)
    part = signed(one, volume_ml=Decimal(15))
    now = _kept(part, one, found.case, KNOWN).candidate
    assert now.volume_ml == now.volume_ml.quantize(Decimal("0.1")) < 15
    caffeine = next(part for part in now.components if part.agent == "caffeine")
    assert caffeine.limit_mg == 90
    assert caffeine.dose_mg is not None
    assert Decimal(89) < caffeine.dose_mg <= 90


@pytest.mark.parametrize(
    ("depth", "kept"), [("0.25", "0.25"), ("1.0", "1.0"), ("1.5", "1.5"), ("2.0", "1.5")]
)
def test_the_signed_needling_depth_is_kept_up_to_the_cap(depth: str, kept: str) -> None:
    found, one = planned(WRINKLES, modality="microneedling")
    now = _kept(signed(one, depth_mm=Decimal(depth)), one, found.case, KNOWN).candidate
    assert now.depth_mm == Decimal(kept)
    assert all(zone <= Decimal(kept) for _name, zone in now.zones)


def test_a_part_of_another_modality_or_cocktail_gives_way_to_todays() -> None:
    found, one = planned(PIGMENT)
    for change in ({"modality": "microneedling"}, {"cocktail": "CK-PIG-2"}):
        part = signed(one, volume_ml=Decimal(1), depth_mm=Decimal("0.5"), **change)
        assert _kept(part, one, found.case, KNOWN) is one


def test_a_jet_keeps_no_depth() -> None:
    found, one = planned(PIGMENT, modality="needle-free")
    assert one.candidate.modality == "needle-free"
    assert _kept(signed(one, depth_mm=Decimal(1)), one, found.case, KNOWN).candidate.depth_mm is None


# ---- after too little response: the next in order, or a step deeper --------------------------------------------


def test_the_next_in_order_is_the_next_cocktail_then_the_next_modality() -> None:
    found = surveyed(PIGMENT)
    chosen = found.chosen[0]
    assert chosen.option is not None
    assert (chosen.option.candidate.modality, chosen.option.candidate.cocktail) == ("syringe", "CK-PIG-1")
    order = [next_in_order(chosen, found.case, KNOWN)]
    while order[-1] is not None:
        option = next(o for o in chosen.others if (o.candidate.modality, o.candidate.cocktail) == order[-1])
        rest = tuple(o for o in (chosen.option, *chosen.others) if o is not option)
        order.append(next_in_order(replace(chosen, option=option, others=rest), found.case, KNOWN))
    syringe = [(modality, cocktail) for modality, cocktail in filter(None, order) if modality == "syringe"]
    assert order[: len(syringe)] == syringe
    assert [modality for modality, _cocktail in filter(None, order)] == sorted(
        (modality for modality, _cocktail in filter(None, order)),
        key=["syringe", "microneedling", "needle-free"].index,
    )
    assert len(order) == len(chosen.others) + 1
    # One that waits for a fact that nobody has told is no choice.
    waiting = tuple(replace(option, free=None) for option in chosen.others)
    assert next_in_order(replace(chosen, others=waiting), found.case, KNOWN) is None
    assert next_in_order(replace(chosen, option=None), found.case, KNOWN) is None


@pytest.mark.parametrize(
    ("depth", "deeper"), [("0.5", "0.75"), ("0.75", "1.0"), ("1.0", "1.5"), ("1.2", "1.5"), ("1.5", None)]
)
def test_one_step_deeper_in_the_row_of_the_indication(depth: str, deeper: str | None) -> None:
    _found, one = planned(WRINKLES, modality="microneedling")
    now = deepened(replace(one, candidate=replace(one.candidate, depth_mm=Decimal(depth))), KNOWN)
    assert (now and now.candidate.depth_mm) == (Decimal(deeper) if deeper else None)
    if now:
        assert now.candidate.downtime_hours == {"0.75": 48, "1.0": 48, "1.5": 72}[str(deeper)]


def test_never_deeper_than_a_rule_allows_and_only_by_needling() -> None:
    _found, one = planned(WRINKLES, modality="microneedling")
    one = replace(one, candidate=replace(one.candidate, depth_mm=Decimal("0.5")))
    capped = one.outcome.copy()
    capped.caps.append((Decimal("0.5"), "R13"))
    assert deepened(replace(one, outcome=capped), KNOWN) is None
    _found, syringe = planned(WRINKLES, modality="syringe")
    assert deepened(syringe, KNOWN) is None


# ---- the visit as a whole -------------------------------------------------------------------------------------


def test_two_parts_together_stay_inside_the_volume_of_a_visit() -> None:
    found = surveyed(PIGMENT, HANDS)
    first, second = (one.planned for one in found.chosen)
    assert first is not None
    assert second is not None

    def visit(injected: str) -> tuple[Planned, ...]:
        full = replace(first, candidate=replace(first.candidate, volume_ml=Decimal(injected)))
        return _fitted((full, second), found, KNOWN)

    volume = second.candidate.volume_ml
    assert visit(str(20 - volume))[1] == second
    less = visit(str(20 - volume + Decimal("0.1")))[1].candidate
    assert less.volume_ml == volume - Decimal("0.1")
    assert sum(part.volume_ml for part in less.components) == less.volume_ml
    assert len(visit("19.9")) == 2
    assert visit("19.9")[1].candidate.volume_ml == Decimal("0.1")
    # What has no room at all is left out.
    assert len(visit("20")) == 1
    assert len(visit("25")) == 1
    # Needled liquid stays on the skin: it takes no room.
    needled = replace(
        first, candidate=replace(first.candidate, volume_ml=Decimal(30), modality="microneedling")
    )
    assert _fitted((needled, second), found, KNOWN) == (needled, second)
    assert _fitted((second,), found, KNOWN) == (second,)


def test_an_agent_in_two_parts_of_a_visit_stays_inside_its_limit() -> None:
    found = surveyed(PIGMENT, HANDS)
    one, two = (chosen.planned for chosen in found.chosen)
    assert one is not None
    assert two is not None
    own = two.candidate.components[0]

    def visit(**limits: Any) -> Decimal | None:
        """The volume of the second part; its first agent is in the first part too, 1 mL with 30 mg."""
        mine = replace(own, **({"dose_mg": None, "limit_mg": None, "limit_ml": None} | limits))
        theirs = replace(own, volume_ml=Decimal(1), dose_mg=Decimal(30) if limits.get("dose_mg") else None)
        a = replace(one, candidate=replace(one.candidate, components=(theirs,)))
        b = replace(two, candidate=replace(two.candidate, components=(mine,)))
        fitted = _fitted((a, b), found, KNOWN)
        return fitted[1].candidate.volume_ml if len(fitted) == 2 else None

    whole = two.candidate.volume_ml
    assert whole == 2
    assert visit(dose_mg=Decimal(20), limit_mg=Decimal(50)) == whole
    assert visit(dose_mg=Decimal(20), limit_mg=Decimal(40)) == 1
    assert visit(dose_mg=Decimal(20), limit_mg=Decimal(30)) is None
    assert visit(dose_mg=Decimal(20), limit_mg=Decimal(20)) is None
    assert visit(volume_ml=Decimal(2), limit_ml=Decimal(3)) == whole
    assert visit(volume_ml=Decimal(2), limit_ml=Decimal("1.5")) == Decimal("0.5")
    assert visit(
        dose_mg=Decimal(30), limit_mg=Decimal(40), volume_ml=Decimal(2), limit_ml=Decimal(2)
    ) == Decimal("0.6")


# ---- what the physician reads ---------------------------------------------------------------------------------


def rows(course: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [
        tuple(row[name] for name in ("what", "concern", "sessions", "from", "to", "text", "rule", "because"))
        for row in course["changes"]
    ]


def test_a_plan_that_goes_on_unchanged_tells_no_change() -> None:
    course = decide(under_way(2, 5))
    assert course["changes"] == []
    assert (course["sessions_done"], course["sessions_total"]) == (2, 5)
    assert [session["number"] for session in course["sessions"]] == [3, 4, 5]
    assert course["why"][0]["text"] == "2 done, 3 to come, 5 in all."


def change(data: dict[str, Any], **part: Any) -> dict[str, Any]:
    for session in data["plan"]["courses"][0]["sessions"]:
        session["parts"] = [session["parts"][0] | part]
    return data


def test_a_volume_above_the_most_of_the_area_is_told_with_the_sessions_it_concerns() -> None:
    course = decide(change(under_way(3, 5), volume_ml="6.0"))
    assert rows(course) == [
        ("volume", "pigment/face", [4, 5], "6.0", "5.0", "5 mL, not 6 mL.", "R60", []),
    ]  # fmt: skip
    assert course["decision"] == "continue"
    assert [session["parts"][0]["volume_ml"] for session in course["sessions"]] == ["5.0", "5.0"]


def test_a_depth_above_the_cap_is_told_and_adjusts_the_plan() -> None:
    data = change(under_way(3, 5), depth_mm="3.0")
    course = decide(data)
    assert rows(course) == [("depth", "pigment/face", [4, 5], "3.0", "2.0", "2 mm, not 3 mm.", None, [])]
    assert course["decision"] == "adjust"


def test_an_agent_that_today_forbids_is_told_as_saline() -> None:
    case = example_case({"concerns": [HANDS]})
    answer = propose(parse(case, KNOWN.schema), KNOWN, TODAY).to_dict()
    data = case | {
        "plan": as_signed(answer, TODAY - timedelta(days=20)), "done": [{"number": 1, "date": day(14)}],
        "missed": [], "scores": [], "adverse_events": [],
    }  # fmt: skip
    data["patient"]["allergies"] = [{"substance": "dexpanthenol"}]
    course = decide(data)
    concern, to_come = "rejuvenation/hands", [2, 3, 4, 5]
    text = "Dexpanthenol is replaced by saline 1:1."
    assert [row[:7] for row in rows(course)] == [
        ("composition", concern, to_come, "dexpanthenol", "saline", text, "R48")
    ]
    assert course["decision"] == "adjust"
    # Signed with saline in its place already, there is nothing to tell.
    for session in data["plan"]["courses"][0]["sessions"]:
        for part in session["parts"]:
            part["agents"] = ["saline" if agent == "dexpanthenol" else agent for agent in part["agents"]]
    course = decide(data)
    assert (rows(course), course["decision"]) == ([], "continue")


def test_a_longer_interval_is_told() -> None:
    """Signed every 3 days; pigment by syringe needs 7 at least and 14 as the target."""
    data = under_way(3, 5)
    data["plan"]["courses"][0]["interval_days"] = {"min": 3, "target": 10, "max": 12}
    course = decide(data)
    assert course["interval_days"] == {"min": 7, "target": 14, "max": 14}
    told = [row for row in rows(course) if row[0] == "interval"]
    assert [row[3:6] for row in told] == [
        ("3 / 10 / 12", "7 / 14 / 14", "Every 7 / 14 / 14 days (least, target, most), not 3 / 10 / 12.")
    ]
    assert told[0][2] == []
    # A longer one than needed stays.
    data["plan"]["courses"][0]["interval_days"] = {"min": 10, "target": 20, "max": 30}
    course = decide(data)
    assert course["interval_days"] == {"min": 10, "target": 20, "max": 30}
    assert rows(course) == []


def test_sessions_left_out_are_told_with_the_reason() -> None:
    course = decide(under_way(2, 5, 91))
    assert course["decision"] == "close"
    (row,) = rows(course)
    assert row[:6] == ("sessions", None, [3, 4, 5], "5", "2", "Sessions 3, 4, 5 are left out.")
    assert row[6] == "§8.2"
    assert row[7]


def test_an_added_session_is_told() -> None:
    course = decide(under_way(2, 5, 43))
    (row,) = rows(course)
    assert row[:6] == ("sessions", None, [], "5", "6", "6 sessions in all, not 5.")
    assert row[6] == "§8.2"
    assert row[7]


# ---- when -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gap", "start", "window"),
    [
        (3, 7, (7, 14, 21)),  # in its time
        (10, 10, (10, 14, 21)),
        (14, 14, (14, 14, 21)),
        (18, 18, (18, 18, 21)),
        (21, 21, (21, 21, 21)),
        (22, 22, (22, 22, 42)),  # late: what is left of the time allowed
        (42, 42, (42, 42, 42)),
        (43, 43, (43, 43, 90)),
        (90, 90, (90, 90, 90)),
    ],
)
def test_the_window_of_the_next_session(gap: int, start: int, window: tuple[int, int, int]) -> None:
    course = decide(under_way(3, 5, gap))
    told = [tuple(session["window_days"].values()) for session in course["sessions"]]
    assert told[0] == window
    assert all(other == (7, 14, 21) for other in told[1:])
    assert course["start_earliest"] == (TODAY + timedelta(days=start - gap)).isoformat()


def test_beyond_all_limits_the_window_is_the_day_itself() -> None:
    state = parse_follow_up(under_way(3, 5, 14), KNOWN)
    way = Way(0, state.courses[0], state.done_in(0), TODAY)
    assert way.last is not None
    assert _window(way, way.last + timedelta(days=120), (7, 14, 21), KNOWN) == (120, 120, 120)


def test_a_course_not_begun_has_the_first_window() -> None:
    course = decide(under_way(0, 5))
    days = KNOWN.tables["first_session_latest_days"]["days"]
    assert tuple(course["sessions"][0]["window_days"].values()) == (0, 0, days)
    assert course["start_earliest"] == TODAY.isoformat()
    assert [session["number"] for session in course["sessions"]] == [1, 2, 3, 4, 5]


def test_what_was_really_done_decides_the_recovery() -> None:
    """Signed for the syringe, but the last session was deep needling: 14 days, not 7."""
    data = under_way(3, 5, 3)
    needled = {"concern": "pigment/face", "modality": "microneedling", "technique": "pen", "depth_mm": "1.5",
               "cocktail": "CK-PIG-N", "volume_ml": "3.0"}  # fmt: skip
    data["done"][-1]["parts"] = [needled]
    assert decide(data)["start_earliest"] == (TODAY + timedelta(days=11)).isoformat()
    data["done"][-1] = {"number": 3, "date": day(3)}
    assert decide(data)["start_earliest"] == (TODAY + timedelta(days=4)).isoformat()


def test_why_is_told_once_however_the_sessions_differ() -> None:
    data = under_way(1, 5)
    for session, volume in zip(data["plan"]["courses"][0]["sessions"], (4, 1, 2, 3, 4), strict=True):
        session["parts"] = [session["parts"][0] | {"volume_ml": str(volume)}]
    course = decide(data)
    assert [session["parts"][0]["volume_ml"] for session in course["sessions"]] == [
        "1.0",
        "2.0",
        "3.0",
        "4.0",
    ]
    steps = [step["step"] for step in course["why"]]
    assert len(steps) == len(set(steps))
    assert steps[0] == "sessions"
