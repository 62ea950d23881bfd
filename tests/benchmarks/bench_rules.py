"""All rules on a case: the product's closures beside straight-line Python and two rule libraries, in one run.

Every way must give the same answers on every worked case and every rule's examples before anything is measured.
"""

import gc
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from protocols.catalogue import shipped
from protocols.engine import parse, propose
from protocols.engine.case import Case
from protocols.engine.examples import example_case, examples
from protocols.engine.knowledge import Knowledge
from protocols.engine.proposing import course_scenes, survey
from protocols.engine.rules import Scene
from tests.benchmarks.rules_as_code import Flat, business_rules, closures, json_logic, straight_line

CASES = Path(__file__).parent.parent / "cases"


def _cases(knowledge: Knowledge) -> list[Case]:
    """The worked cases that are proposed for."""
    files = sorted(CASES.glob("*.json"))
    worked = [json.loads(path.read_text()) for path in files]
    return [
        parse(one["case"], knowledge.schema) for one in worked if one.get("kind", "propose") == "propose" and "case" in one
    ]  # fmt: skip


def _scenes(cases: Iterable[Case], knowledge: Knowledge) -> list[Scene]:
    """One scene a case with all that a rule may look at: its first course, or its first concern where none is planned."""
    found = []
    for case in cases:
        seen = survey(case, knowledge, case.today)
        scenes = [
            replace(scene, assessed=next(c.assessed for c in seen.chosen if c.assessed.code == part.candidate.concern))
            for course in seen.courses
            for part, scene in course_scenes(course, seen.case, knowledge)
        ]  # fmt: skip
        first = seen.chosen[0].assessed if seen.chosen else None
        found.append(scenes[0] if scenes else replace(seen.base, assessed=first))
    return found


def _example_scenes(knowledge: Knowledge) -> list[Scene]:
    asked = [example for _rule, _fires, example in examples(knowledge.rules) if "mix" not in example]
    return _scenes([parse(example_case(one), knowledge.schema) for one in asked], knowledge)


def _best(act: Callable[[], object], rounds: int) -> float:
    """Microseconds a call: the best of five, so that a neighbour on the machine does not count."""
    act()
    times = []
    gc.disable()
    try:
        for _try in range(5):
            began = time.perf_counter()
            for _round in range(rounds):
                act()
            times.append((time.perf_counter() - began) / rounds * 1e6)
    finally:
        gc.enable()
    return min(times)


def _over[T](every: Callable[[T], object], inputs: Sequence[T], rounds: int) -> float:
    """Microseconds a scene."""

    def act() -> None:
        for one in inputs:
            every(one)

    return _best(act, rounds) / len(inputs)


def _agree(knowledge: Knowledge, scenes: Sequence[Scene]) -> int:
    """Raises where one way answers otherwise than another; tells how many answers there were."""
    ours, plain = closures(knowledge), straight_line(knowledge)
    logic, logic_flat = json_logic(knowledge)
    business, business_flat = business_rules(knowledge)
    for number, scene in enumerate(scenes):
        want = ours(scene)
        for name, got in (
            ("straight-line", [bool(one) for one in plain(scene)]),
            ("panzi-json-logic", logic(logic_flat.values(scene))),
            ("business-rules", business(business_flat.values(scene))),
        ):
            wrong = [n for n, (a, b) in enumerate(zip(want, got, strict=True)) if a != b]
            if wrong:
                raise AssertionError(f"{name} answers otherwise in scene {number}, clauses {wrong}")
    return len(scenes) * len(ours(scenes[0]))


def _times_rules(knowledge: Knowledge, times: int) -> Knowledge:
    """The same rules so many times over, under other names that only the vocabulary's order does not know."""
    rules = {f"{rule}" if n == 0 else f"{rule}x{n}": row for n in range(times) for rule, row in knowledge.rules.items()}  # fmt: skip
    return replace(knowledge, rules=rules, sha256=f"{knowledge.sha256}-{times}")


def _times_concerns(case: Case, knowledge: Knowledge, times: int) -> Case:
    """The case with so many concerns, each in another pair of indication and area."""
    pairs = sorted({
        (indication, area)
        for row in knowledge.cocktails.values()
        for indication in row["indications"]
        for area in row["areas"]
    })  # fmt: skip
    model = case.concerns[0]
    same = [pair for pair in pairs if pair[0] == model.indication]
    others = [pair for pair in pairs if pair[0] != model.indication]
    return replace(
        case,
        concerns=tuple(replace(model, indication=i, area=a) for i, a in [*same, *others][:times]),
    )


def _growth(figures: dict[int, float]) -> str:
    return ", ".join(f"{times}x {figure / figures[1]:.1f}" for times, figure in figures.items())


def bench() -> list[tuple[str, str, str]]:
    """Microseconds for all clauses of all rules on one case, and how they grow."""
    knowledge = shipped()
    cases = _cases(knowledge)
    scenes = _scenes(cases, knowledge)
    answers = _agree(knowledge, [*scenes, *_example_scenes(knowledge)])
    ours, plain = closures(knowledge), straight_line(knowledge)
    logic, logic_flat = json_logic(knowledge)
    business, business_flat = business_rules(knowledge)

    def flat(known: Flat) -> list[dict[str, Any]]:
        return [known.values(scene) for scene in scenes]

    straight = _over(plain, scenes, 100)
    closed = _over(ours, scenes, 100)
    by_logic = _over(logic, flat(logic_flat), 5)
    by_business = _over(business, flat(business_flat), 5)
    two = [case for case in cases if len(case.concerns) == 2]
    two_straight = _over(plain, _scenes(two, knowledge), 100)
    proposal = _over(lambda case: propose(case, knowledge, case.today), two, 10)
    rules, whole = {}, {}
    for times in (1, 2, 4, 8, 16):
        more = _times_rules(knowledge, times)
        rules[times] = _over(closures(more), [replace(s, knowledge=more) for s in scenes], 20)
        whole[times] = _over(lambda case, more=more: propose(case, more, case.today), two, 3)
    single = next(case for case in cases if len(case.concerns) == 1)
    concerns = {}
    for times in (1, 2, 4, 8, 16):
        case = _times_concerns(single, knowledge, times)
        assert len(case.concerns) == times
        concerns[times] = _over(lambda case: propose(case, knowledge, case.today), [case], 5)
    clauses = len(plain(scenes[0]))
    return [
        ("rules: straight-line Python", f"{straight:.1f} us", f"{clauses} clauses; {answers} answers the same in all four"),
        ("rules: ours, with evidence", f"{closed:.1f} us", f"{closed / straight:.2f} times straight-line (at most 3)"),
        ("rules: panzi-json-logic", f"{by_logic:.0f} us", f"{by_logic / closed:.1f} times ours (at least 10)"),
        ("rules: business-rules", f"{by_business:.0f} us", f"{by_business / closed:.1f} times ours (at least 10)"),
        ("propose, two concerns", f"{proposal:.0f} us", f"{proposal / two_straight:.0f} times straight-line (at most 200)"),
        ("growth of rules evaluated", f"{rules[16]:.0f} us at 16x", _growth(rules)),
        ("growth of propose with rules", f"{whole[16]:.0f} us at 16x", _growth(whole)),
        ("growth of propose with concerns", f"{concerns[16]:.0f} us at 16", _growth(concerns)),
    ]  # fmt: skip
