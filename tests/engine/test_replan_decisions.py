"""What becomes of a course: response, lateness, adverse events, one decision at a time (REFERENCE.md §2.1, §8.2, §9)."""

import copy
import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from protocols.engine import Knowledge, load, parse_follow_up, replan

CASES = Path(__file__).parent.parent / "cases"
TODAY = date(2026, 12, 1)
KNOWN = load(Path(__file__).parents[2] / "protocols" / "knowledge")


def day(ago: int) -> str:
    return (TODAY - timedelta(days=ago)).isoformat()


def under_way(done: int = 3, total: int = 5, last: int = 14, **changes: Any) -> dict[str, Any]:
    """A pigment course by syringe (CK-PIG-1) of `total` sessions, `done` of them, the last one `last` days ago."""
    data: dict[str, Any] = json.loads((CASES / "31-replan-no-response.json").read_text())["replan"]
    data = copy.deepcopy(data)
    course = data["plan"]["courses"][0]
    course["sessions"] = [copy.deepcopy(course["sessions"][0]) | {"number": n} for n in range(1, total + 1)]
    data["done"] = [{"number": n, "date": day(last + 14 * (done - n))} for n in range(1, done + 1)]
    data["plan"]["signed_on"] = day(last + 14 * done + 5)
    data["scores"] = []
    return data | changes


def scored(percent: int, **more: Any) -> dict[str, Any]:
    """A review of today: mMASI 6.7 at the baseline, lower by about this percentage."""
    items = dict.fromkeys(under_way()["concerns"][0]["items"], 0)
    chosen = {
        0: {"left_malar": (3, 3), "right_malar": (3, 3), "forehead": (2, 2), "chin": (1, 1)},  # 6.7
        30: {"left_malar": (2, 3), "right_malar": (2, 3), "forehead": (2, 2), "chin": (1, 1)},  # 4.9, 27 %
        60: {"left_malar": (1, 3), "right_malar": (2, 3)},  # 2.7, 60 %
        80: {"left_malar": (1, 2), "right_malar": (1, 2)},  # 1.2, 82 %
    }[percent]
    for region, (area, dark) in chosen.items():
        items |= {f"{region}_area": area, f"{region}_darkness": dark}
    return {"concern": "pigment/face", "date": TODAY.isoformat(), "scale": "mmasi", "items": items} | more


def decide(data: dict[str, Any], knowledge: Knowledge = KNOWN) -> dict[str, Any]:
    answer = replan(parse_follow_up(data, knowledge), knowledge, TODAY).to_dict()
    course: dict[str, Any] = answer["courses"][0]
    return course | {
        "status": answer["status"],
        "until": answer["defer_until"],
        "findings": answer["findings"],
    }


@pytest.mark.parametrize(
    ("done", "total", "review", "decision", "in_all"),
    [
        (3, 5, scored(0), "adjust", 5),
        (3, 5, scored(30), "continue", 5),
        (3, 5, scored(60), "continue", 4),  # target of pigment met after three: finish session 4
        (4, 5, scored(60), "complete", 4),
        (3, 5, scored(80), "continue", 4),
        (4, 6, scored(80), "complete", 4),
        (3, 5, scored(0, goal_met=True), "continue", 4),
        (3, 5, scored(80, gais=-1), "stop", 3),
        (5, 6, scored(0), "stop", 5),
        (6, 6, scored(0), "stop", 6),
        (4, 4, scored(0), "stop", 4),
        (5, 5, scored(30), "complete", 5),
        (5, 5, scored(30, wants_more=True), "extend", 6),
        (6, 6, scored(30, wants_more=True), "extend", 7),
        (2, 5, scored(0), "continue", 5),  # judged after session 3 at the earliest
        (5, 5, None, "complete", 5),
    ],
)  # fmt: skip
def test_the_response_rule(done: int, total: int, review: Any, decision: str, in_all: int) -> None:
    course = decide(under_way(done, total, scores=[review] if review else []))
    assert (course["decision"], course["sessions_total"]) == (decision, in_all)
    if in_all > 6:
        assert any(f["rule"] == "R81" and f["level"] == "warn" for f in course["findings"])


def test_more_than_six_is_not_offered_after_a_moderate_adverse_event() -> None:
    event = {"event": "bruise", "grade": 2, "onset": day(40), "resolved_on": day(30)}
    course = decide(under_way(6, 6, scores=[scored(30, wants_more=True)], adverse_events=[event]))
    assert course["decision"] == "complete"


def test_a_review_that_was_answered_by_a_newer_version_counts_no_more() -> None:
    data = under_way(scores=[scored(0)])
    data["plan"]["signed_on"] = TODAY.isoformat()
    assert decide(data)["decision"] == "continue"


def test_a_session_done_since_the_review_makes_it_old() -> None:
    assert decide(under_way(4, 5, scores=[scored(0, after_session=3)]))["decision"] == "continue"


@pytest.mark.parametrize(
    ("last", "done", "decision", "in_all", "to_come"),
    [
        (3, 2, "continue", 5, 3), (21, 2, "continue", 5, 3), (22, 2, "continue", 5, 3), (42, 2, "continue", 5, 3),
        (43, 2, "extend", 6, 4), (90, 3, "extend", 6, 3), (90, 4, "continue", 5, 1), (91, 2, "close", 2, 0),
    ],
)  # fmt: skip
def test_late_sessions(last: int, done: int, decision: str, in_all: int, to_come: int) -> None:
    course = decide(under_way(done, 5, last))
    assert (course["decision"], course["sessions_total"], len(course["sessions"])) == (
        decision,
        in_all,
        to_come,
    )
    if to_come:
        first = course["sessions"][0]
        assert first["number"] == done + 1
        assert first["parts"][0]["volume_ml"] == "4.0"
        assert course["start_earliest"] == max(TODAY, TODAY + timedelta(days=7 - last)).isoformat()


@pytest.mark.parametrize(
    ("total", "review", "decision", "in_all"),
    [
        (5, scored(80), "continue", 4),  # finish session 4, then maintenance
        (5, scored(60), "continue", 4),
        (4, scored(80), "continue", 4),
        (5, scored(30), "extend", 6),
        (5, None, "extend", 6),
    ],
)  # fmt: skip
def test_a_long_pause_adds_nothing_to_a_course_whose_target_is_reached(
    total: int, review: Any, decision: str, in_all: int
) -> None:
    course = decide(under_way(3, total, 50, scores=[review] if review else []))
    assert (course["decision"], course["sessions_total"]) == (decision, in_all)


@pytest.mark.parametrize("event", sorted(KNOWN.adverse_events))
def test_what_an_adverse_event_does(event: str) -> None:
    row = KNOWN.adverse_events[event]
    effects = {effect["do"] for effect in row["effects"]}
    open_now = {"event": event, "grade": 2, "onset": day(3), "area": "face", "agent": "saline"}
    course = decide(under_way(adverse_events=[open_now]))
    if effects & {"stop", "stop-all"}:
        assert course["decision"] == "stop"
        assert course["sessions"] == []
    elif event in {"ntm", "granuloma"}:
        assert course["decision"] == "stop"
    elif row["goes_on"]:
        assert course["decision"] in {"continue", "adjust"}
    else:
        assert (course["decision"], course["status"], course["until"]) == ("hold", "deferred", None)
    grave = decide(under_way(adverse_events=[open_now | {"grade": 3}]))
    assert grave["decision"] == "stop"


def test_a_moderate_event_holds_until_a_week_after_it_is_over() -> None:
    event = {"event": "other", "grade": 2, "onset": day(10), "area": "face", "resolved_on": day(2)}
    course = decide(under_way(adverse_events=[event]))
    assert (course["decision"], course["until"]) == ("hold", (TODAY + timedelta(days=5)).isoformat())
    assert course["start_earliest"] == course["until"]
    event["resolved_on"] = day(7)
    assert decide(under_way(adverse_events=[event]))["decision"] == "continue"


def test_an_event_of_another_area_does_not_hold_this_course() -> None:
    event = {"event": "bacterial-infection", "grade": 2, "onset": day(3), "area": "hands"}
    assert decide(under_way(adverse_events=[event]))["decision"] == "continue"


def test_pih_takes_needling_away_for_eight_weeks_and_then_a_step_of_depth() -> None:
    data = under_way()
    for session in data["plan"]["courses"][0]["sessions"]:
        session["parts"] = [
            {"concern": "pigment/face", "modality": "microneedling", "technique": "pen", "depth_mm": "0.5",
             "cocktail": "CK-PIG-N", "volume_ml": "3.0"}
        ]  # fmt: skip
    recent = decide(
        data | {"adverse_events": [{"event": "pih", "grade": 1, "onset": day(10), "area": "face"}]}
    )
    assert recent["decision"] == "adjust"
    assert {part["modality"] for s in recent["sessions"] for part in s["parts"]} == {"syringe"}
    later = decide(
        data | {"adverse_events": [{"event": "pih", "grade": 1, "onset": day(57), "area": "face"}]}
    )
    assert {part["depth_mm"] for s in later["sessions"] for part in s["parts"]} == {"0.25"}


def test_a_new_wish_changes_the_modality_and_says_so() -> None:
    course = decide(under_way(preferences={"modality": "microneedling", "pain": 5}))
    assert course["decision"] == "adjust"
    assert any(row["what"] == "modality" and row["to"] == "microneedling" for row in course["changes"])


def test_a_waiting_rule_holds_the_course_until_its_date() -> None:
    data = under_way()
    data["patient"]["procedures"] = [{"code": "filler-ha", "area": "face", "date": day(4)}]
    course = decide(data)
    assert (course["decision"], course["until"]) == ("hold", (TODAY + timedelta(days=10)).isoformat())


@pytest.mark.parametrize(
    ("before", "in_all", "decision"), [(0, 5, "continue"), (1, 5, "continue"), (2, 4, "continue"), (4, 2, "complete"), (5, 2, "complete")]
)  # fmt: skip
def test_deoxycholic_acid_never_passes_six_in_a_lifetime(before: int, in_all: int, decision: str) -> None:
    data = under_way(2, 5, 35)
    data["concerns"] = [
        {"indication": "fat", "area": "submental", "scale": "cr-smfrs", "items": {"grade": 2}, "smslg_grade": 2, "field_cm2": 24}
    ]  # fmt: skip
    course = data["plan"]["courses"][0]
    course |= {"concerns": ["fat/submental"], "interval_days": {"min": 30, "target": 30, "max": 60}}
    for session in course["sessions"]:
        session["parts"] = [
            {"concern": "fat/submental", "modality": "syringe", "technique": "dc-grid", "depth_mm": "6.0",
             "cocktail": "CK-FAT-1", "volume_ml": "4.8"}
        ]  # fmt: skip
    data["done"] = [{"number": 1, "date": day(65)}, {"number": 2, "date": day(35)}]
    data["patient"]["procedures"] = [
        {"code": "dc-injection", "area": "submental", "date": day(400), "count": before}
    ][:before]
    found = decide(data)
    assert (found["sessions_total"], found["decision"]) == (in_all, decision)
    assert found["interval_days"] == {"min": 30, "target": 30, "max": 60}


def test_a_course_whose_baseline_lacks_an_item_waits_for_it_and_is_not_called_complete() -> None:
    data = under_way()
    del data["concerns"][0]["items"]["chin_area"]
    found = decide(data)
    assert (found["status"], found["until"], found["decision"]) == ("deferred", None, "hold")
    assert any(row["rule"] == "R00" and row["level"] == "block" for row in found["findings"])
