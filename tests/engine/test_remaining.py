"""What the sessions still to come look like: the signed plan as far as today's facts allow, each difference told."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from protocols.engine import parse, parse_follow_up, propose
from protocols.engine.candidates import with_volume
from protocols.engine.courses import Planned
from protocols.engine.examples import example_case
from protocols.engine.following import Done, SignedPart
from protocols.engine.proposing import Survey, survey
from protocols.engine.remaining import _fitted, _kept, _start, _window, deepened, next_in_order
from protocols.engine.replan import resurvey
from protocols.engine.verdicts import Way
from tests.engine.test_replan_decisions import KNOWN, TODAY, day, decide, scored, under_way
from tests.engine.test_replan_laws import signed as as_signed

PIGMENT = {"indication": "pigment", "area": "face", "grade": 2, "lesion_cm2": 80}
WRINKLES = {"indication": "wrinkles", "area": "face", "grade": 2}
THIGHS = {"indication": "cellulite", "area": "thighs", "grade": 2}
HANDS = {"indication": "rejuvenation", "area": "hands", "grade": 2}
FACE = {"indication": "rejuvenation", "area": "face", "grade": 2}
CHIN = {
    "indication": "fat", "area": "submental", "scale": "cr-smfrs", "items": {"grade": 2}, "smslg_grade": 2, "field_cm2": 24,
}  # fmt: skip


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


@pytest.mark.parametrize(("volume", "kept"), [("1.25", "1.25"), ("4.9", "4.9"), ("5.0", "5.0"), ("5.1", "5")])
def test_the_signed_volume_is_kept_up_to_the_most_of_the_area(volume: str, kept: str) -> None:
    found, one = planned(PIGMENT)
    part = signed(one, volume_ml=Decimal(volume))
    now = _kept(part, one, found.case, KNOWN).candidate
    assert now.volume_ml == Decimal(kept)
    assert sum(component.volume_ml for component in now.components) == Decimal(kept)
    assert now.depth_mm == one.candidate.depth_mm


@pytest.mark.parametrize(
    ("concern", "modality", "volume", "kept"),
    [
        # What lies on the face for needling is 3 mL, and 5 mL by syringe; the acid's 10 mL are the label's.
        (WRINKLES, "microneedling", "4", "3"),
        (WRINKLES, "syringe", "4", "4"),
        (CHIN, "syringe", "9", "9"),
        (CHIN, "syringe", "11", "10"),
    ],
)
def test_the_most_of_an_area_is_that_of_the_modality_and_of_the_acid(
    concern: dict[str, Any], modality: str, volume: str, kept: str
) -> None:
    found, one = planned(concern, modality=modality)
    now = _kept(signed(one, volume_ml=Decimal(volume)), one, found.case, KNOWN).candidate
    assert (now.modality, now.volume_ml) == (modality, Decimal(kept))


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


def test_the_kept_volume_is_rounded_down_to_the_tenth_below_the_limit() -> None:
    """39 kg may have 117 mg of caffeine: 17.55 mL by jet. 20 mL were signed, 15 mL would be proposed today."""
    found, one = planned(THIGHS, weight_kg=39, modality="needle-free")
    assert one.candidate.volume_ml == 15
    now = _kept(signed(one, volume_ml=Decimal(20)), one, found.case, KNOWN).candidate
    assert now.volume_ml == Decimal("17.5")
    caffeine = now.components[0]
    assert (caffeine.agent, caffeine.dose_mg, caffeine.limit_mg) == ("caffeine", Decimal("116.66"), 117)


def test_what_the_day_has_left_is_kept_even_below_one_millilitre() -> None:
    """Of the 6 mL that a day may have 5.4 are given."""
    given = [{"agent": "nctf-complex", "volume_ml": 5.4, "date": day(0)}]
    found, one = planned(FACE, given=given)
    that_day = replace(one.candidate, free_from=TODAY)
    small = replace(one, candidate=with_volume(that_day, Decimal("0.3"), found.case, KNOWN))
    now = _kept(signed(one, volume_ml=Decimal(3)), small, found.case, KNOWN).candidate
    assert (now.cocktail, now.volume_ml) == ("CK-REJ-1", Decimal("0.6"))


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
    flat = replace(syringe, candidate=replace(syringe.candidate, depth_mm=Decimal("0.5")))
    assert deepened(flat, KNOWN) is None


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
    # And it needs none where the first part has taken it all.
    full = replace(first, candidate=replace(first.candidate, volume_ml=Decimal(20)))
    beside = replace(second, candidate=replace(second.candidate, modality="microneedling"))
    assert _fitted((full, beside), found, KNOWN) == (full, beside)


def test_a_volume_that_fits_is_not_rounded() -> None:
    found = surveyed(PIGMENT, HANDS)
    first, second = (one.planned for one in found.chosen)
    assert first is not None
    assert second is not None
    exact = replace(second, candidate=with_volume(second.candidate, Decimal("1.25"), found.case, KNOWN))
    assert _fitted((first, exact), found, KNOWN) == (first, exact)


def test_an_agent_in_two_parts_of_a_visit_stays_inside_its_limit() -> None:
    found = surveyed(PIGMENT, HANDS)
    one, two = (chosen.planned for chosen in found.chosen)
    assert one is not None
    assert two is not None
    own = two.candidate.components[0]

    def visit(told: bool = True, **limits: Any) -> Decimal | None:
        """The volume of the second part; its first agent is in the first part too, 1 mL with 30 mg, if that is told."""
        mine = replace(own, **({"dose_mg": None, "limit_mg": None, "limit_ml": None} | limits))
        theirs = replace(
            own, volume_ml=Decimal(1), dose_mg=Decimal(30) if told and limits.get("dose_mg") else None
        )
        # The agent stands behind another one that the second part does not have.
        other = replace(one.candidate.components[0], limit_mg=Decimal(1))
        a = replace(one, candidate=replace(one.candidate, components=(other, theirs)))
        b = replace(two, candidate=replace(two.candidate, components=(mine,)))
        fitted = _fitted((a, b), found, KNOWN)
        return fitted[1].candidate.volume_ml if len(fitted) == 2 else None

    whole = two.candidate.volume_ml
    assert whole == 2
    assert visit(dose_mg=Decimal(20), limit_mg=Decimal(50)) == whole
    assert visit(dose_mg=Decimal(20), limit_mg=Decimal(40)) == 1
    assert visit(dose_mg=Decimal(20), limit_mg=Decimal(30)) is None
    assert visit(dose_mg=Decimal(20), limit_mg=Decimal(20)) is None
    # What is counted in mL there takes no mg here.
    assert visit(told=False, dose_mg=Decimal(20), limit_mg=Decimal(20)) == whole
    assert visit(told=False, dose_mg=Decimal(20), limit_mg=Decimal(10)) == 1
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


def begun(
    *concerns: dict[str, Any], done: int = 1, last: int = 14, modality: str = "any", **patient: Any
) -> dict[str, Any]:
    """What is proposed for these concerns, signed and so far done; `patient` has happened since."""
    case = example_case(
        {"concerns": list(concerns), "patient": {"bmi": 24}, "preferences": {"modality": modality}}
    )
    answer = propose(parse(case, KNOWN.schema), KNOWN, TODAY).to_dict()
    return case | {
        "plan": as_signed(answer, TODAY - timedelta(days=last + 14 * done + 5)),
        "done": [{"number": n, "date": day(last + 14 * (done - n))} for n in range(1, done + 1)],
        "missed": [], "scores": [], "adverse_events": [], "patient": case["patient"] | patient,
    }  # fmt: skip


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


@pytest.mark.parametrize(
    ("concern", "modality", "condition", "cocktail", "agent", "rule"),
    [
        # Taken away by a rule: its name. By the agent's own list of conditions: R48.
        (WRINKLES, "microneedling", {"code": "cancer", "status": "past"}, "CK-WRI-N", "peptide-blend", "R26"),
        (THIGHS, "syringe", {"code": "cholestasis"}, "CK-CEL-2", "artichoke", "R48"),
    ],
)
def test_saline_in_an_agents_place_names_the_rule_that_took_it_away(
    concern: dict[str, Any], modality: str, condition: dict[str, Any], cocktail: str, agent: str, rule: str
) -> None:
    data = change(begun(concern, modality=modality, conditions=[condition]), cocktail=cocktail)
    for session in data["plan"]["courses"][0]["sessions"]:
        del session["parts"][0]["agents"]
    course = decide(data)
    assert [(row[0], row[3:5], row[6]) for row in rows(course)] == [("composition", (agent, "saline"), rule)]


def test_the_same_cocktail_by_another_modality_adjusts_the_plan() -> None:
    """Filler that stays leaves the jet only (R55)."""
    data = under_way(3, 5)
    data["patient"]["procedures"] = [{"code": "filler-permanent", "area": "face", "date": day(400)}]
    course = decide(data)
    assert [row[:6] for row in rows(course)] == [
        ("modality", "pigment/face", [4, 5], "syringe", "needle-free", "Needle-free jet, not injection by syringe.")
    ]  # fmt: skip
    assert course["decision"] == "adjust"


def test_a_longer_course_with_another_depth_is_an_adjusted_one() -> None:
    course = decide(change(under_way(2, 5, 43), depth_mm="3.0"))
    assert (course["decision"], course["sessions_total"]) == ("adjust", 6)


def test_each_part_of_a_visit_tells_its_own_changes() -> None:
    """The first has another cocktail today, the second another volume: both are told, and none is called left out."""
    data = begun(FACE, HANDS, conditions=[{"code": "leber-optic"}])
    for session in data["plan"]["courses"][0]["sessions"]:
        session["parts"][1]["volume_ml"] = "9.0"
    assert [row[:5] for row in rows(decide(data))] == [
        ("cocktail", "rejuvenation/face", [2, 3, 4, 5], "CK-REJ-1", "CK-REJ-2"),
        ("volume", "rejuvenation/hands", [2, 3, 4, 5], "9.0", "3.0"),
    ]


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


def rhythm(visits: str, done: int, last: int, **more: Any) -> dict[str, Any]:
    """Pigment (P) and the back of the hands (H) in these visits."""
    data = under_way(1, 1, **more)
    data["concerns"].append(HANDS)
    hands = begun(PIGMENT, HANDS)["plan"]["courses"][0]["sessions"][0]["parts"][1]
    course = data["plan"]["courses"][0]
    parts = {"P": course["sessions"][0]["parts"][0], "H": hands}
    course["concerns"] = ["pigment/face", "rejuvenation/hands"]
    course["sessions"] = [
        {"number": n, "parts": [parts[letter] for letter in visit]}
        for n, visit in enumerate(visits.split(), 1)
    ]
    data["done"] = [{"number": n, "date": day(last + 14 * (done - n))} for n in range(1, done + 1)]
    data["plan"]["signed_on"] = day(last + 14 * done + 5)
    return data


def to_come(course: dict[str, Any]) -> str:
    names = {"pigment/face": "P", "rejuvenation/hands": "H"}
    return " ".join(
        "".join(names[part["concern"]] for part in session["parts"]) for session in course["sessions"]
    )


@pytest.mark.parametrize(
    ("visits", "done", "left"),
    [
        ("PH PH PH PH", 2, "PH PH PH"),
        # The shorter of two ends first, and stays so (M4).
        ("PH PH PH P", 2, "PH P P"),
        ("PH PH PH P P", 3, "P P P"),
        # Two that alternate go on alternating (M2, M5), also when one visit only was to come.
        ("P H P H", 2, "P H P"),
        ("P H P H", 3, "H P"),
        ("H P H P H", 3, "P H P"),
        ("PH P PH P", 2, "PH P PH"),
        ("PH P PH P PH", 3, "P PH P"),
        # The slower one is done with.
        ("PH P PH P P", 3, "P P P"),
    ],
)
def test_a_session_added_after_a_pause_goes_on_with_the_rhythm(visits: str, done: int, left: str) -> None:
    course = decide(rhythm(visits, done, 50))
    assert (course["decision"], course["sessions_total"]) == ("extend", len(visits.split()) + 1)
    assert to_come(course) == left


@pytest.mark.parametrize("visits", ["PH PH PH PH", "PH PH PH P", "PH PH PH H", "P H P H", "PH P PH P"])
def test_one_more_is_for_the_concern_that_both_sides_want_more_of(visits: str) -> None:
    """Pigment is better and more of it is wanted, the hands are done: also where theirs was the last session."""
    course = decide(rhythm(visits, 4, 14, scores=[scored(30, wants_more=True)]))
    assert (course["decision"], course["sessions_total"], to_come(course)) == ("extend", 5, "P")


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


def test_each_session_to_come_has_one_window() -> None:
    (course,) = resurvey(parse_follow_up(under_way(3, 5), KNOWN), KNOWN, TODAY).courses
    assert course.windows == ((14, 14, 21), (7, 14, 21))
    assert len(course.sessions) == 2


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


def test_after_deoxycholic_acid_the_area_recovers_for_thirty_days_whatever_follows() -> None:
    _found, chin = planned(CHIN)
    assert chin.candidate.cocktail == "CK-FAT-1"
    other = replace(chin, candidate=replace(chin.candidate, cocktail="CK-FAT-2", interval=(7, 14, 21)))
    state = parse_follow_up(under_way(3, 5, 3), KNOWN)
    done = state.done_in(0)
    for old, days in ((signed(chin), 30), (signed(other), 7)):
        # As signed, or as it was done otherwise.
        as_signed_course = replace(state.courses[0], sessions=((3, (old,)),))
        for course, parts in ((as_signed_course, ()), (state.courses[0], (old,))):
            last = Done(0, 3, done[-1].day, parts)
            way = Way(0, course, (*done[:-1], last), TODAY)
            assert _start(way, (other,), (7, 14, 21), (), KNOWN) == last.day + timedelta(days=days)


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
