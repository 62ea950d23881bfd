"""A signed plan is watched as it was signed: new reasons are told once, old ones never, and nothing is missed."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from protocols.engine import load, parse, parse_follow_up
from protocols.engine.recheck import Edits, recheck
from protocols.engine.watching import Seen, Standing, compare, covers, speaking
from tests.engine.test_laws import cases

KNOWLEDGE = load(Path(__file__).parents[2] / "protocols" / "knowledge")
FILES = Path(__file__).parent.parent / "cases"


class Signed:
    """A case signed on its day, and what was done since."""

    def __init__(self, data: dict[str, Any], edits: dict[str, Any] | None = None) -> None:
        self.data = {name: value for name, value in data.items() if name != "additions"}
        self.day = date.fromisoformat(data["today"])
        found = recheck(parse(self.data, KNOWLEDGE.schema), KNOWLEDGE, self.day, Edits.from_dict(edits or {}))
        self.content = found.proposal.to_dict()
        self.findings = tuple(Seen.from_dict(row) for row in found.findings())

    @property
    def signable(self) -> bool:
        return self.content["status"] == "proposed" and not any(f.level == "block" for f in self.findings)

    def new(self, *, days: int = 0, done: int = 0, events: Any = (), **facts: Any) -> list[Seen]:
        """What is new after some days and sessions, with facts on top."""
        today = self.day + timedelta(days=days)
        case = self.data | {"today": today.isoformat(), "patient": self.data["patient"] | facts}
        visits = [
            {"course": 0, "number": n + 1, "date": (self.day + timedelta(days=14 * n)).isoformat()}
            for n in range(done)
        ]
        progress = {"done": visits, "adverse_events": list(events)}
        names = ("concern", "modality", "technique", "cocktail", "volume_ml", "depth_mm")
        courses = [
            {"concerns": course["concerns"], "interval_days": course["interval_days"],
             "sessions": [
                 {"number": session["number"],
                  "parts": [{n: part[n] for n in names if part.get(n) is not None} for part in session["parts"]]}
                 for session in course["sessions"]
             ]}
            for course in self.content["courses"]
        ]  # fmt: skip
        signed = {"plan": {"signed_on": self.day.isoformat(), "courses": courses}}
        state = parse_follow_up(case | signed | progress, KNOWLEDGE)
        seen = speaking(state, list(enumerate(self.content["courses"])), KNOWLEDGE, today)
        return list(compare(seen, self.findings, ()).raised)


def file(name: str, **edits: Any) -> Signed:
    data = json.loads(next(FILES.glob(f"{name}*.json")).read_text())["case"]
    data["patient"].setdefault("allergies", [])
    return Signed(data, edits)


PROPOSED = [
    path.stem[:2]
    for path in sorted(FILES.glob("*.json"))
    if "case" in json.loads(path.read_text()) and file(path.stem[:2]).signable
]


@st.composite
def signed_plans(draw: Any) -> Signed:
    """A worked case with one or two random facts more, signed; most of them can be."""
    data = json.loads(json.dumps(file(draw(st.sampled_from(PROPOSED))).data))
    extra = draw(cases)["patient"]
    for name in ("conditions", "medications", "procedures"):
        data["patient"][name] = [*data["patient"].get(name, []), *extra.get(name, [])[:1]]
    plan = Signed(data)
    assume(plan.signable)
    return plan


def test_there_are_plans_to_watch() -> None:
    assert len(PROPOSED) > 12


@pytest.mark.parametrize("name", PROPOSED)
def test_nothing_is_new_on_the_day_of_the_signature(name: str) -> None:
    assert file(name).new() == []


@pytest.mark.parametrize("name", ["01", "02", "03", "05", "07", "08", "19", "20"])
@pytest.mark.parametrize("done", [1, 2, 3])
def test_nothing_is_new_while_the_course_goes_as_planned(name: str, done: int) -> None:
    assert file(name).new(days=14 * done, done=done) == []


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
          derandomize=True)  # fmt: skip
@given(signed_plans())
def test_no_change_of_facts_gives_no_alert(plan: Signed) -> None:
    assert plan.new() == []


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
          derandomize=True)  # fmt: skip
@given(signed_plans(), st.sampled_from([row["code"] for row in KNOWLEDGE.vocabulary["allergens"]]))
def test_an_allergy_to_what_was_signed_is_always_a_block(plan: Signed, substance: str) -> None:
    agents, products = KNOWLEDGE.allergen_agents[substance]
    parts = [(s, p) for c in plan.content["courses"] for s in c["sessions"] for p in s["parts"]]
    used = {c["agent"] for _s, p in parts for c in p["components"]}
    creams = {(p.get("anaesthetic") or s["anaesthetic"])["product"] for s, p in parts}
    told = plan.new(allergies=[*plan.data["patient"].get("allergies", []), {"substance": substance}])
    if used & agents or creams & products:
        assert any(seen.level == "block" for seen in told)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
          derandomize=True)  # fmt: skip
@given(signed_plans())
def test_a_pregnancy_is_a_block_for_every_plan(plan: Signed) -> None:
    assume(plan.data["patient"]["sex"] == "female")
    told = plan.new(pregnancy="pregnant")
    assert "R01" in {seen.rule for seen in told if seen.level == "block"}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
          derandomize=True)  # fmt: skip
@given(signed_plans(), cases, st.integers(0, 400), st.integers(0, 3))
def test_any_facts_after_any_time_get_an_answer(
    plan: Signed, later: dict[str, Any], days: int, done: int
) -> None:
    facts = {k: v for k, v in later["patient"].items() if k not in {"birth_date", "sex"}}
    sessions = len(plan.content["courses"][0]["sessions"])
    first = plan.new(days=14 * done + days, done=min(done, sessions), **facts)
    assert first == plan.new(days=14 * done + days, done=min(done, sessions), **facts)


def test_a_new_allergy_to_the_cream_is_a_block_though_a_new_plan_would_only_leave_it_out() -> None:
    told = file("02").new(allergies=[{"substance": "lidocaine"}])
    assert [(s.level, s.rule) for s in told] == [("block", "R48")]
    assert "EMLA" in told[0].message


def test_less_weight_makes_the_signed_cream_too_much_and_all_sessions_are_one_alert() -> None:
    told = file("02").new(weight_kg=35)
    assert [(s.level, s.rule) for s in told] == [("block", "R51")]
    assert not told[0].message.startswith("Session")


def test_the_same_limit_stays_one_alert_while_sessions_get_done() -> None:
    one = file("02")
    assert {s.key for s in one.new(weight_kg=35)} == {s.key for s in one.new(weight_kg=35, days=14, done=1)}


def test_the_physician_s_own_values_are_watched_not_the_engine_s() -> None:
    edited = file("01", values={"0.1.0": {"volume_ml": "2.5"}}, windows={"0.1": [14, 21, 60]})
    assert edited.new() == []
    assert edited.new(days=14, done=1) == []


def test_a_date_passing_a_limit_is_new() -> None:
    # INR is asked for within seven days: the signed value grows old.
    assert [s.rule for s in file("15").new(days=14)] == ["R21"]


def test_a_course_that_lapsed_is_a_block() -> None:
    told = file("01").new(days=200, done=1)
    assert [s.level for s in told] == ["block"]


def test_an_adverse_event_that_stops_is_a_block() -> None:
    event = {"event": "anaphylaxis", "grade": 4, "onset": "2026-12-02"}
    told = file("01").new(days=14, done=1, events=[event])
    assert "block" in {seen.level for seen in told}


def test_sessions_done_count_no_more() -> None:
    one = file("02")
    sessions = len(one.content["courses"][0]["sessions"])
    assert one.new(weight_kg=35, days=14 * (sessions - 1), done=sessions) == []


# ---- the comparison alone --------------------------------------------------------------------------------------------


@st.composite
def seens(draw: Any) -> Seen:
    reasons = tuple(draw(st.lists(st.sampled_from("abcd"), max_size=3, unique=True)))
    words = draw(st.sampled_from(["takes", "has"]))
    return Seen(
        draw(st.sampled_from(["info", "warn", "block"])), draw(st.sampled_from(["R00", "R15", "R48"])),
        draw(st.sampled_from(["plan", "pigment/face"])), f"{words} {'; '.join(reasons)}.", because=reasons,
        path=draw(st.sampled_from(["", "0.1.window"])),
    )  # fmt: skip


_several = st.lists(seens(), max_size=6)


def applied(change: Any, standing: list[Standing]) -> list[Standing]:
    left = [alert for alert in standing if alert.seen.key not in change.closed]
    return left + [Standing(seen, False) for seen in change.raised]


@given(_several, _several, _several, st.data())
@settings(max_examples=500)
def test_comparing_again_changes_nothing(
    found: list[Seen], signed: list[Seen], standing: list[Seen], data: Any
) -> None:
    before = [
        Standing(seen, seen.level == "warn" and data.draw(st.booleans()))
        for seen in {s.key: s for s in standing if s.level != "info"}.values()
    ]
    after = applied(compare(found, signed, before), before)
    again = compare(found, signed, after)
    assert (again.raised, again.closed) == ((), ())


@given(_several, _several, seens())
@settings(max_examples=500)
def test_a_block_that_the_signature_did_not_cover_is_always_raised(
    found: list[Seen], signed: list[Seen], block: Seen
) -> None:
    block = Seen("block", block.rule, block.scope, block.message, because=block.because, path=block.path)
    signed = [seen for seen in signed if seen.level != "block"]
    assert block.key in {seen.key for seen in compare([*found, block], signed, ()).raised}


@given(_several)
def test_what_was_signed_is_never_new(signed: list[Seen]) -> None:
    assert compare(signed, signed, ()).raised == ()


@given(_several, _several)
def test_an_alert_ends_when_nothing_speaks_for_it(found: list[Seen], signed: list[Seen]) -> None:
    first = compare(found, signed, ())
    after = compare([], signed, applied(first, []))
    assert set(after.closed) == {seen.key for seen in first.raised}


def test_fewer_reasons_are_nothing_new_and_more_are() -> None:
    both = Seen("warn", "R33", "plan", "Bleeds more: Aspirin; Fish oil.", because=("Aspirin", "Fish oil"))
    one = Seen("warn", "R33", "plan", "Bleeds more: Aspirin.", because=("Aspirin",))
    assert covers(both, one)
    assert not covers(one, both)
    graver = Seen("block", "R33", "plan", "Bleeds more: Aspirin.", because=("Aspirin",))
    assert not covers(both, graver)


def test_a_fact_that_was_asked_meanwhile_does_not_ask_for_the_rest_again() -> None:
    before = Seen("warn", "R00", "plan", "Still to ask: labs, smoking.", because=("labs: not stated", "smoking: not stated"))  # fmt: skip
    after = Seen("warn", "R00", "plan", "Still to ask: smoking.", because=("smoking: not stated",))
    assert compare([after], [before], ()).raised == ()


def test_an_acknowledged_warning_stays_acknowledged_while_its_reasons_get_fewer() -> None:
    both = Seen("warn", "R33", "plan", "Bleeds more: a; b.", because=("a", "b"))
    one = Seen("warn", "R33", "plan", "Bleeds more: a.", because=("a",))
    assert compare([one], [], [Standing(both, True)]) == compare([both], [], [Standing(both, True)])
    assert compare([one], [], [Standing(both, False)]).raised == (one,)
