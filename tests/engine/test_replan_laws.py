"""Laws of the replan, over thousands of random courses under way."""

import json
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from protocols.engine import parse, parse_follow_up, propose, replan
from tests.engine.test_laws import KNOWLEDGE, TODAY, cases, keeps_limits

DECISIONS = {"continue", "adjust", "hold", "extend", "stop", "complete", "close"}
EVENTS = [row["code"] for row in KNOWLEDGE.vocabulary["adverse_events"]]
_SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much]


def signed(answer: dict[str, Any], day: date) -> dict[str, Any]:
    """A plan file from a proposal, as it was signed on a day."""
    return {
        "signed_on": day.isoformat(),
        "courses": [
            {
                "concerns": course["concerns"],
                "interval_days": course["interval_days"],
                "sessions": [
                    {
                        "number": session["number"],
                        "parts": [
                            {name: part[name] for name in ("concern", "modality", "technique", "cocktail", "volume_ml")}
                            | {"agents": [row["agent"] for row in part["components"]]}
                            | ({"depth_mm": part["depth_mm"]} if part["depth_mm"] else {})
                            for part in session["parts"]
                        ],
                    }
                    for session in course["sessions"]
                ],
            }
            for course in answer["courses"]
        ],
    }  # fmt: skip


@st.composite
def under_way(draw: Any, *, gap: tuple[int, int] = (0, 120), quiet: bool = False) -> dict[str, Any]:
    """A random case that was proposed and signed, some sessions done, the last one `gap` days ago."""
    data = draw(cases)
    answer = propose(parse(data, KNOWLEDGE.schema), KNOWLEDGE, TODAY).to_dict()
    assume(answer["status"] == "proposed")
    course = answer["courses"][0]
    count = draw(st.integers(0, len(course["sessions"])))
    last = TODAY - timedelta(days=draw(st.integers(*gap)))
    days = course["interval_days"]["target"]
    done = [
        {"number": n, "date": (last - timedelta(days=days * (count - n))).isoformat()}
        for n in range(1, count + 1)
    ]
    plan = signed(answer, last - timedelta(days=days * count + 1))
    found = data | {"plan": plan, "done": done}
    if not quiet:
        found["adverse_events"] = draw(
            st.lists(
                st.fixed_dictionaries(
                    {"event": st.sampled_from(EVENTS), "grade": st.integers(1, 4),
                     "onset": st.integers(0, 30).map(lambda n: (TODAY - timedelta(days=n)).isoformat())},
                    optional={"agent": st.sampled_from(sorted(KNOWLEDGE.agents)), "resolved_on": st.just(TODAY.isoformat())},
                ),
                max_size=2,
            )
        )  # fmt: skip
        concern = data["concerns"][0]
        if f"{concern['indication']}/{concern['area']}" in course["concerns"]:
            found["scores"] = draw(
                st.lists(
                    st.fixed_dictionaries(
                        {"concern": st.just(f"{concern['indication']}/{concern['area']}"), "date": st.just(TODAY.isoformat())},
                        optional={"gais": st.integers(-1, 3), "goal_met": st.booleans(), "wants_more": st.booleans()},
                    ),
                    max_size=1,
                )
            )  # fmt: skip
    return found


def answer_of(data: dict[str, Any]) -> dict[str, Any]:
    return replan(parse_follow_up(data, KNOWLEDGE), KNOWLEDGE, TODAY).to_dict()


@settings(max_examples=250, deadline=None, suppress_health_check=_SLOW, derandomize=True)
@given(under_way())
def test_every_course_under_way_gets_one_safe_answer(data: dict[str, Any]) -> None:
    answer = answer_of(data)
    assert json.dumps(answer) == json.dumps(answer_of(data))
    keeps_limits(answer, data["patient"].get("weight_kg"))
    assert answer["status"] in {"proposed", "deferred", "declined"}
    done = len(data["done"])
    for index, course in enumerate(answer["courses"][: len(data["plan"]["courses"])]):
        had = done if index == 0 else 0
        assert course["decision"] in DECISIONS
        assert course["sessions_total"] == had + len(course["sessions"])
        assert [s["number"] for s in course["sessions"]] == list(
            range(had + 1, had + 1 + len(course["sessions"]))
        )
        assert date.fromisoformat(course["start_earliest"]) >= TODAY
        if course["decision"] in {"stop", "close"}:
            assert course["sessions"] == []
        if had and course["sessions"]:
            gap = (
                date.fromisoformat(course["start_earliest"]) - date.fromisoformat(data["done"][-1]["date"])
            ).days
            assert gap >= course["interval_days"]["min"]
            window = course["sessions"][0]["window_days"]
            assert gap == window["earliest"] <= window["target"] <= window["latest"]
    worst = max((event["grade"] for event in data.get("adverse_events", [])), default=0)
    if worst >= 3 and any(
        "area" not in event and "course" not in event
        for event in data["adverse_events"]
        if event["grade"] >= 3
    ):
        assert all(course["sessions"] == [] for course in answer["courses"] if "decision" in course)


@settings(max_examples=200, deadline=None, suppress_health_check=_SLOW, derandomize=True)
@given(under_way(gap=(0, 6), quiet=True))
def test_replanning_with_nothing_changed_changes_nothing(data: dict[str, Any]) -> None:
    answer = answer_of(data)
    for course, plan in zip(answer["courses"], data["plan"]["courses"], strict=False):
        if len(plan["sessions"]) == len(data["done"]) and course is answer["courses"][0]:
            assert course["decision"] == "complete"
            continue
        assert course["decision"] == "continue", course["why"][:3]
        assert course["changes"] == []
        assert course["interval_days"] == plan["interval_days"]
        assert course["sessions_total"] == len(plan["sessions"])


@settings(max_examples=150, deadline=None, suppress_health_check=_SLOW, derandomize=True)
@given(under_way(gap=(0, 60)))
def test_replanning_the_new_version_again_changes_nothing_more(data: dict[str, Any]) -> None:
    first = answer_of(data)
    assume(first["status"] == "proposed" and all(c["sessions"] for c in first["courses"]))
    plan = signed(first, TODAY)
    for course, old in zip(plan["courses"], data["plan"]["courses"], strict=False):
        had = [s for s in old["sessions"] if s["number"] < course["sessions"][0]["number"]]
        course["sessions"] = had + course["sessions"]
    again = answer_of(data | {"plan": plan})
    for course, before in zip(again["courses"], first["courses"], strict=False):
        assert course["changes"] == []
        assert course["sessions_total"] == before["sessions_total"]


@settings(max_examples=80, deadline=None, suppress_health_check=_SLOW, derandomize=True)
@given(under_way(gap=(0, 60), quiet=True))
def test_a_pregnancy_found_today_gives_no_further_session(data: dict[str, Any]) -> None:
    changed = data | {"patient": data["patient"] | {"sex": "female", "pregnancy": "pregnant"}}
    answer = answer_of(changed)
    assert answer["status"] == "declined"
    assert all(course["sessions"] == [] for course in answer["courses"])


@settings(max_examples=120, deadline=None, suppress_health_check=_SLOW, derandomize=True)
@given(under_way(gap=(0, 60), quiet=True), st.sampled_from(sorted(KNOWLEDGE.allergen_agents)))
def test_a_new_allergy_is_out_of_every_session_to_come(data: dict[str, Any], substance: str) -> None:
    changed = data | {"patient": data["patient"] | {"allergies": [{"substance": substance}]}}
    agents, products = KNOWLEDGE.allergen_agents[substance]
    for course in answer_of(changed)["courses"]:
        for session in course["sessions"]:
            assert session["anaesthetic"]["product"] not in products
            for part in session["parts"]:
                assert not agents & {dose["agent"] for dose in part["components"]}


@settings(max_examples=100, deadline=None, suppress_health_check=_SLOW, derandomize=True)
@given(under_way(gap=(22, 90), quiet=True))
def test_a_late_course_never_gets_a_higher_dose(data: dict[str, Any]) -> None:
    before = {
        (index, session["number"], part["concern"]): part
        for index, course in enumerate(data["plan"]["courses"])
        for session in course["sessions"]
        for part in session["parts"]
    }
    for index, course in enumerate(answer_of(data)["courses"]):
        for session in course["sessions"]:
            for part in session["parts"]:
                old = before.get((index, session["number"], part["concern"]))
                if old is not None and old["cocktail"] == part["cocktail"]:
                    assert Decimal(part["volume_ml"]) <= Decimal(old["volume_ml"])
