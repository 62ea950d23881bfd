"""Several concerns: shared where the reference allows, else one after the other and never on one day (§8.5)."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from protocols.engine import Knowledge, parse, propose
from protocols.engine.case import Case
from protocols.engine.courses import Course, Planned, alone, combine, comforts
from protocols.engine.examples import example_case
from protocols.engine.proposing import survey
from protocols.engine.words import day_words

PIGMENT = {"indication": "pigment", "area": "face", "grade": 2, "lesion_cm2": 80}
THIGHS = {"indication": "cellulite", "area": "thighs", "grade": 2}
ABDOMEN = {"indication": "fat", "area": "abdomen", "scale": "pinch", "items": {"mm": 35}}
CHIN = {
    "indication": "fat",
    "area": "submental",
    "scale": "cr-smfrs",
    "items": {"grade": 2},
    "smslg_grade": 2,
    "field_cm2": 24,
}
NECK = {"indication": "rejuvenation", "area": "neck", "grade": 2}


def plan(knowledge: Knowledge, *concerns: dict[str, Any], **patient: Any) -> list[dict[str, Any]]:
    case = parse(
        example_case({"concerns": list(concerns), "patient": {"bmi": 24} | patient}), knowledge.schema
    )
    return list(propose(case, knowledge, case.today).to_dict()["courses"])


def last_target(course: dict[str, Any]) -> date:
    days = course["interval_days"]["target"] * (len(course["sessions"]) - 1)
    return date.fromisoformat(course["start_earliest"]) + timedelta(days=days)


@pytest.mark.parametrize(
    ("one", "two", "rule"),
    [
        (THIGHS, ABDOMEN, "M4"), (CHIN, NECK, "M6"),
        (PIGMENT | {"grade": 3}, {"indication": "rejuvenation", "area": "face", "grade": 3}, "M2"),
        ({"indication": "wrinkles", "area": "face", "grade": 2}, {"indication": "wrinkles", "area": "decolletage", "grade": 2}, None),
    ],
)  # fmt: skip
def test_courses_that_can_not_be_shared_come_one_after_the_other(
    one: dict[str, Any], two: dict[str, Any], rule: str | None, knowledge: Knowledge
) -> None:
    courses = plan(knowledge, one, two)
    if len(courses) == 1:
        assert rule is None
        return
    assert date.fromisoformat(courses[1]["start_earliest"]) >= last_target(courses[0]) + timedelta(days=7)
    if rule is not None:
        assert any(step["rule"] == rule for step in courses[0]["why"])


def test_a_shared_cocktail_treats_both_concerns_in_one_part(knowledge: Knowledge) -> None:
    eyes = [{"indication": name, "area": "periorbital", "grade": 2} for name in ("rejuvenation", "wrinkles")]
    (course,) = plan(knowledge, *eyes)
    part = course["sessions"][0]["parts"]
    assert len(part) == 1
    assert set(part[0]["concerns"]) == {"rejuvenation/periorbital", "wrinkles/periorbital"}


def test_on_darker_skin_pigment_goes_before_deep_needling(knowledge: Knowledge) -> None:
    wrinkles = {"indication": "wrinkles", "area": "face", "grade": 2}
    courses = plan(knowledge, PIGMENT, wrinkles, phototype=5)
    assert [course["concerns"] for course in courses] == [["pigment/face"], ["wrinkles/face"]]
    assert date.fromisoformat(courses[1]["start_earliest"]) >= last_target(courses[0]) + timedelta(days=28)
    assert len(plan(knowledge, PIGMENT, wrinkles, phototype=2)) == 1


# ---- the rules of sharing one by one, on two planned concerns (REFERENCE.md §8.5) ---------------------------

POR = {"indication": "pores", "area": "face", "grade": 3}
WRI = {"indication": "wrinkles", "area": "face", "grade": 2}
BRI = {"indication": "brightening", "area": "face", "grade": 2}
SCALP = {"indication": "alopecia", "area": "scalp", "grade": 2, "hair_pattern": "patterned"}
HANDS = {"indication": "rejuvenation", "area": "hands", "grade": 2}


def two(
    knowledge: Knowledge, one: dict[str, Any], other: dict[str, Any], **patient: Any
) -> tuple[Case, Planned, Planned]:
    """Both concerns as they are planned alone."""
    found = []
    for concern in (one, other):
        case = parse(
            example_case({"concerns": [concern], "patient": {"bmi": 24} | patient}), knowledge.schema
        )
        planned = survey(case, knowledge, case.today).chosen[0].planned
        assert planned is not None
        found.append(planned)
    case = parse(example_case({"concerns": [one, other], "patient": {"bmi": 24} | patient}), knowledge.schema)
    return case, found[0], found[1]


def paced(planned: Planned, interval: tuple[int, int, int], sessions: int) -> Planned:
    return replace(planned, candidate=replace(planned.candidate, interval=interval), sessions=sessions)


def together(
    case: Case, first: Planned, second: Planned, knowledge: Knowledge, start: date | None = None
) -> list[Course]:
    return combine(first, second, start=start or case.today, case=case, knowledge=knowledge)


def given(course: Course) -> list[list[str]]:
    return [[part.candidate.concern for part in parts] for parts in course.sessions]


def rule_of(course: Course) -> tuple[str | None, str, str]:
    step = course.steps[-1]
    assert (step.step, step.grade) == ("combine", "K")
    return step.rule, step.source, step.text


def test_two_areas_share_visits_in_the_overlap_of_their_windows_and_the_shorter_ends_first(
    knowledge: Knowledge,
) -> None:
    case, face, hands = two(knowledge, BRI, HANDS)
    (course,) = together(case, paced(face, (7, 10, 21), 5), paced(hands, (9, 14, 20), 3), knowledge)
    assert course.interval == (9, 14, 20)
    assert given(course) == [["brightening/face", "rejuvenation/hands"]] * 3 + [["brightening/face"]] * 2
    assert rule_of(course) == (
        "M4",
        "REFERENCE.md §8.5 M4",
        "Two areas in one visit, 5 visits; the shorter course ends first.",
    )
    assert course.steps[-1].because == ("brightening/face", "rejuvenation/hands")
    assert set(face.steps) | set(hands.steps) <= set(course.steps)
    # Windows that meet in one day are still shared.
    (course,) = together(case, paced(face, (7, 7, 14), 4), paced(hands, (14, 14, 28), 4), knowledge)
    assert course.interval == (14, 14, 14)


def test_a_shared_course_begins_when_both_may(knowledge: Knowledge) -> None:
    case, face, hands = two(knowledge, BRI, HANDS)
    later = case.today + timedelta(days=10)
    for free, start, begins in ((later, case.today, later), (case.today, later, later)):
        for late in (0, 1):
            pair = [face, hands]
            pair[late] = replace(pair[late], candidate=replace(pair[late].candidate, free_from=free))
            (course,) = together(case, *pair, knowledge, start)
            assert course.start_earliest == begins


def test_a_slower_concern_joins_every_second_visit_inside_its_own_window(knowledge: Knowledge) -> None:
    case, scalp, face = two(knowledge, SCALP, BRI)
    quick, slow = paced(scalp, (7, 7, 14), 6), paced(face, (15, 20, 21), 3)
    for pair in ((quick, slow), (slow, quick)):
        (course,) = together(case, *pair, knowledge)
        # Twice 8 to 10 days is 16 to 20: inside 15 to 21.
        assert course.interval == (8, 8, 10)
        names = [pair[0].candidate.concern, pair[1].candidate.concern]
        assert given(course) == [names, ["alopecia/scalp"]] * 3
        assert rule_of(course)[::2] == ("M5", "Different rhythms: brightening/face joins every second visit.")
        assert (course.members, course.start_earliest) == (pair, case.today)
    # Its last one may come with the last of the quicker, and the quicker may go on alone.
    for visits, others in ((5, 3), (6, 2)):
        (course,) = together(
            case, paced(scalp, (7, 7, 14), visits), paced(face, (15, 20, 21), others), knowledge
        )
        joined = [len(parts) == 2 for parts in course.sessions]
        assert joined == [number % 2 == 0 and number // 2 < others for number in range(visits)]
    # The quicker's own target where it lies inside; one day is a window too.
    (course,) = together(case, paced(scalp, (7, 9, 14), 6), slow, knowledge)
    assert course.interval == (8, 9, 10)
    (course,) = together(case, quick, paced(face, (16, 16, 16), 3), knowledge)
    assert course.interval == (8, 8, 8)
    # One more of the slower would come after the quicker has ended, and no rhythm fits a window of 29 days.
    for other in (paced(face, (15, 20, 21), 4), paced(face, (29, 30, 60), 2)):
        courses = together(case, quick, other, knowledge)
        assert [given(course)[0] for course in courses] == [["alopecia/scalp"], ["brightening/face"]]
        assert all(rule_of(course)[0] == "M5" for course in courses)


def test_two_modalities_in_one_area_alternate_with_the_recovery_of_the_deeper(knowledge: Knowledge) -> None:
    case, brightening, wrinkles = two(knowledge, BRI, WRI)
    needled = replace(
        wrinkles, candidate=replace(wrinkles.candidate, modality="microneedling", depth_mm=Decimal("1.0"))
    )
    assert brightening.candidate.modality == "syringe"
    for pair, names in (
        ((brightening, needled), ["brightening/face", "wrinkles/face"]),
        ((needled, brightening), ["wrinkles/face", "brightening/face"]),
    ):
        (course,) = together(case, *(paced(one, (7, 7, 10), 4) for one in pair), knowledge)
        assert course.interval == (14, 14, 14)
        assert given(course) == [[names[0]], [names[1]]] * 3
        assert rule_of(course)[0] == "M3"
        assert "6 sessions in all" in rule_of(course)[2]
        assert "each gets 3" in rule_of(course)[2]
    # The rhythm of the two counts where it is the longer: the least days of both, not the target.
    for interval, least in (((7, 16, 21), (14, 16, 21)), ((17, 18, 21), (17, 18, 21))):
        (course,) = together(case, paced(brightening, interval, 4), paced(needled, interval, 4), knowledge)
        assert course.interval == least
    # Needling deeper than 1 mm needs 21 days to the next deep one, whichever is first.
    deep = replace(brightening, candidate=replace(
        brightening.candidate, modality="microneedling", depth_mm=Decimal("1.5")
    ))  # fmt: skip
    for pair in ((deep, needled), (needled, deep)):
        (course,) = together(case, *(paced(one, (14, 14, 21), 4) for one in pair), knowledge)
        assert (rule_of(course)[0], course.interval) == ("M2", (21, 21, 21))
    (course,) = together(case, paced(brightening, (7, 12, 15), 4), paced(replace(
        needled, candidate=replace(needled.candidate, modality="syringe")), (9, 10, 30), 4), knowledge)  # fmt: skip
    assert (rule_of(course)[0], course.interval) == ("M2", (9, 12, 15))


def test_severe_concerns_of_one_area_do_not_alternate(knowledge: Knowledge) -> None:
    case, one, other = two(knowledge, BRI | {"grade": 3}, WRI | {"grade": 3})
    assert one.candidate.band == other.candidate.band == "severe"
    courses = together(case, one, other, knowledge)
    assert len(courses) == 2
    rule, _source, text = rule_of(courses[0])
    assert rule == "M2"
    assert "both are severe" in text
    assert rule_of(courses[1]) == rule_of(courses[0])
    milder = replace(other, candidate=replace(other.candidate, band="moderate"))
    assert len(together(case, one, milder, knowledge)) == 1


def test_what_is_too_much_for_one_visit_is_two_courses_with_the_reason(knowledge: Knowledge) -> None:
    case, face, hands = two(knowledge, BRI, HANDS)

    def with_part(planned: Planned, **changes: Any) -> Planned:
        parts = (replace(planned.candidate.components[0], agent="vitamin-c", **changes),)
        return replace(planned, candidate=replace(planned.candidate, components=parts))

    def reason(a: Planned, b: Planned) -> str:
        courses = together(case, a, b, knowledge)
        return "" if len(courses) == 1 else rule_of(courses[0])[2]

    def behind_another(planned: Planned) -> Planned:
        """The same with an agent before it that the other part does not have."""
        parts = (replace(planned.candidate.components[0], agent="biotin"), *planned.candidate.components)
        return replace(planned, candidate=replace(planned.candidate, components=parts))

    limits: dict[str, Any] = {"limit_mg": Decimal(100), "limit_ml": None, "volume_ml": Decimal(1)}
    half = with_part(face, dose_mg=Decimal(50), **limits)
    assert reason(half, with_part(hands, dose_mg=Decimal(50), **limits)) == ""
    assert "above its limit for the day" in reason(half, with_part(hands, dose_mg=Decimal(51), **limits))
    assert "above its limit for the day" in reason(
        with_part(face, dose_mg=None, **limits), with_part(hands, dose_mg=Decimal(101), **limits)
    )
    assert "above its limit for the day" in reason(
        behind_another(half), with_part(hands, dose_mg=Decimal(51), **limits)
    )
    # What is counted in mL in one of them takes no mg of the other.
    all_of_it, none = Decimal(100), None
    for one_mg, other_mg in ((all_of_it, none), (none, all_of_it)):
        assert (
            reason(with_part(face, dose_mg=one_mg, **limits), with_part(hands, dose_mg=other_mg, **limits))
            == ""
        )
    volumes: dict[str, Any] = {"limit_mg": None, "limit_ml": Decimal(5), "dose_mg": None}
    two_ml = with_part(face, volume_ml=Decimal(2), **volumes)
    assert reason(two_ml, with_part(hands, volume_ml=Decimal(3), **volumes)) == ""
    over = reason(two_ml, with_part(hands, volume_ml=Decimal("3.1"), **volumes))
    assert over.endswith(f": {knowledge.label('vitamin-c')} would be above its volume for the day.")
    injected = Decimal(knowledge.tables["visit_max_ml"]["value"])
    full = replace(face, candidate=replace(face.candidate, volume_ml=injected - hands.candidate.volume_ml))
    assert reason(full, hands) == ""
    more = replace(
        full, candidate=replace(full.candidate, volume_ml=full.candidate.volume_ml + Decimal("0.1"))
    )
    assert reason(more, hands).endswith("together they would inject more than 20 mL in one visit.")


@pytest.mark.parametrize(("phototype", "depth", "alone"), [
    (4, "0.51", True), (None, "1.0", True), (4, "0.5", False), (3, "1.0", False), (6, "1.5", True),
])  # fmt: skip
def test_pigment_goes_before_deeper_needling_from_phototype_four_on(
    phototype: int | None, depth: str, alone: bool, knowledge: Knowledge
) -> None:
    case, pigment, wrinkles = two(knowledge, PIGMENT, WRI, phototype=phototype)
    needled = replace(
        wrinkles, candidate=replace(wrinkles.candidate, modality="microneedling", depth_mm=Decimal(depth))
    )
    for pair in ((pigment, needled), (needled, pigment)):
        courses = together(case, *pair, knowledge)
        rules = {rule_of(course)[0] for course in courses}
        if alone:
            assert [given(course)[0] for course in courses] == [["pigment/face"], ["wrinkles/face"]]
            assert rules == {"M7"}
            days = courses[0].interval[1] * (len(courses[0].sessions) - 1) + 28
            assert courses[1].start_earliest == courses[0].start_earliest + timedelta(days=days)
            assert "on darker skin" in rule_of(courses[1])[2]
        else:
            assert len(courses) == 1
            assert rules == {"M3"}


def test_pigment_of_two_places_needs_no_order(knowledge: Knowledge) -> None:
    eyes = {"indication": "rejuvenation", "area": "periorbital", "grade": 2}
    case, face, near = two(knowledge, PIGMENT, eyes, phototype=5)
    needled = replace(face, candidate=replace(
        face.candidate, modality="microneedling", depth_mm=Decimal("0.75")
    ))  # fmt: skip
    (course,) = together(
        case, replace(near, candidate=replace(near.candidate, indication="pigment")), needled, knowledge
    )
    assert rule_of(course)[0] == "M4"
    assert rule_of(together(case, near, needled, knowledge)[0])[0] == "M4"


def test_one_after_the_other_keeps_the_longest_of_recovery_and_agents_days(knowledge: Knowledge) -> None:
    case, one, other = two(knowledge, BRI | {"grade": 3}, WRI | {"grade": 3})

    def gap(a: Planned, b: Planned) -> int:
        first, second = together(case, a, b, knowledge)
        last = first.start_earliest + timedelta(days=first.interval[1] * (len(first.sessions) - 1))
        return (second.start_earliest - last).days

    def made(planned: Planned, modality: str, depth: str, *agents: str) -> Planned:
        parts = tuple(replace(planned.candidate.components[0], agent=agent) for agent in agents)
        return replace(planned, candidate=replace(
            planned.candidate, modality=modality, depth_mm=Decimal(depth), components=parts
        ))  # fmt: skip

    assert gap(made(one, "syringe", "1.5", "vitamin-c"), made(other, "syringe", "1.5", "ha-ncl")) == 7
    assert gap(made(one, "syringe", "1.5", "vitamin-c"), made(other, "syringe", "1.5", "pdrn")) == 14
    assert gap(made(one, "syringe", "1.5", "prp"), made(other, "syringe", "1.5", "vitamin-c")) == 21
    assert (
        gap(made(one, "microneedling", "0.75", "vitamin-c"), made(other, "syringe", "1.5", "vitamin-c")) == 14
    )
    assert (
        gap(made(one, "microneedling", "1.5", "vitamin-c"), made(other, "microneedling", "1.0", "vitamin-c"))
        == 21
    )


def test_the_acid_under_the_chin_is_never_given_with_an_injection_beside_it(knowledge: Knowledge) -> None:
    case, chin, neck = two(knowledge, CHIN, NECK)
    assert knowledge.is_dc(chin.candidate.cocktail)
    for pair in ((chin, neck), (neck, chin)):
        courses = together(case, *pair, knowledge)
        assert [rule_of(course)[0] for course in courses] == ["M6", "M6"]
        assert "deoxycholic acid is never given with another injection" in rule_of(courses[0])[2]
    # Elsewhere its rhythm of 30 days keeps it apart.
    case, chin, hands = two(knowledge, CHIN, HANDS)
    first, second = together(case, chin, hands, knowledge)
    assert rule_of(first)[0] == "M6"
    assert "their intervals do not fit together" in rule_of(first)[2]
    assert (first.interval, second.interval) == ((30, 30, 60), hands.candidate.interval)
    # So does another rhythm of its own: not the acid's rule.
    own = replace(hands, candidate=replace(hands.candidate, own_row=True))
    case_two, face, _hands = two(knowledge, BRI, HANDS)
    for course in together(case_two, face, own, knowledge):
        assert rule_of(course)[0] == "M5"
        assert rule_of(course)[2].endswith(": their intervals do not fit together.")
    # Also where a clinic's own catalogue gave it the rhythm of the others.
    usual = replace(chin, candidate=replace(chin.candidate, own_row=False, interval=(7, 14, 21)))
    case, _chin, neck = two(knowledge, CHIN, NECK)
    assert len(together(case, usual, neck, knowledge)) == 2
    assert len(together(case, usual, hands, knowledge)) == 1


def test_each_reason_to_keep_two_concerns_apart_is_told_in_full(knowledge: Knowledge) -> None:
    """The sentence of the plan: which first, from when the other, why."""
    case, chin, neck = two(knowledge, CHIN, NECK)
    acid = "deoxycholic acid is never given with another injection under the chin or in the neck"
    case_two, bright, wrinkled = two(knowledge, BRI | {"grade": 3}, WRI | {"grade": 3})
    case_three, face, hands = two(knowledge, BRI, HANDS)
    apart = paced(face, (7, 7, 7), 4), paced(hands, (29, 30, 60), 4)
    pigment = two(knowledge, PIGMENT, WRI, phototype=5)
    for at, first, second, why in (
        (case, chin, neck, acid),
        (case_two, bright, wrinkled, "both are severe, and alternating would give each only three sessions"),
        (case_three, *apart, "their intervals do not overlap"),
        (pigment[0], *pigment[1:], "on darker skin a fresh needling can leave new pigment"),
    ):
        one, other = together(at, first, second, knowledge)
        for course in (one, other):
            rule, source, text = rule_of(course)
            assert source == f"REFERENCE.md §8.5 {rule}"
            assert text == (
                f"Two courses, {first.candidate.concern} first, "
                f"the other from {day_words(other.start_earliest)}: {why}."
            )
            assert course.steps[-1].because == (first.candidate.concern, second.candidate.concern)
        assert one.steps[:-1] == first.steps
        assert other.steps[:-1] == second.steps


def test_the_second_course_never_begins_before_the_day_it_may(knowledge: Knowledge) -> None:
    case, one, other = two(knowledge, BRI | {"grade": 3}, WRI | {"grade": 3})
    late = case.today + timedelta(days=400)
    first, second = together(case, one, replace(other, candidate=replace(other.candidate, free_from=late)), knowledge)  # fmt: skip
    assert (first.start_earliest, second.start_earliest) == (case.today, late)
    start = case.today + timedelta(days=9)
    first, second = together(case, one, other, knowledge, start)
    assert first.start_earliest == start
    assert other.candidate.modality == "microneedling"
    days = first.interval[1] * (len(first.sessions) - 1) + 14
    assert second.start_earliest == start + timedelta(days=days)


def test_lidocaine_in_both_cocktails_counts_together_against_the_day(knowledge: Knowledge) -> None:
    case, face, hands = two(knowledge, BRI, HANDS, weight_kg=60)

    def with_lidocaine(planned: Planned, mg: str) -> Planned:
        part = replace(
            planned.candidate.components[0], agent="lidocaine", dose_mg=Decimal(mg), limit_mg=None, limit_ml=None
        )  # fmt: skip
        return replace(planned, candidate=replace(planned.candidate, components=(part,)))

    fits = together(case, with_lidocaine(face, "135"), with_lidocaine(hands, "135"), knowledge)
    assert len(fits) == 1
    over = together(case, with_lidocaine(face, "135"), with_lidocaine(hands, "135.1"), knowledge)
    assert rule_of(over[0])[::2] == (
        "M4",
        f"Two courses, brightening/face first, the other from {day_words(over[1].start_earliest)}: "
        "the lidocaine in both would be above the limit of the day.",
    )
    # What was given counts on the day of the shared visit: yesterday's today and not later.
    given = parse(
        example_case({
            "concerns": [BRI, HANDS],
            "patient": {"given": [{"agent": "lidocaine", "dose_mg": 70, "date": "2026-11-30"}], "weight_kg": 60},
        }),
        knowledge.schema,
    )  # fmt: skip
    most = with_lidocaine(face, "135"), with_lidocaine(hands, "65"), with_lidocaine(hands, "66")
    assert len(together(given, *most[:2], knowledge)) == 1
    assert len(together(given, most[0], most[2], knowledge)) == 2
    later = replace(most[2], candidate=replace(most[2].candidate, free_from=given.today + timedelta(days=1)))
    assert len(together(given, most[0], later, knowledge)) == 1
    # The stricter of both limits counts.
    halved = face.outcome.copy()
    halved.factor = Decimal("0.5")
    strict = replace(with_lidocaine(face, "100"), outcome=halved)
    assert len(together(case, strict, with_lidocaine(hands, "35"), knowledge)) == 1
    assert len(together(case, strict, with_lidocaine(hands, "36"), knowledge)) == 2


@pytest.mark.parametrize(
    ("one", "other", "cocktail", "shared"),
    [
        # Either of the two: pigment's cocktail brightens too.
        (PIGMENT, BRI, "CK-PIG-1", True),
        (BRI, PIGMENT, "CK-PIG-1", True),
        # Both must have chosen it.
        ({"indication": "rejuvenation", "area": "face", "grade": 2}, WRI, "CK-PN", False),
    ],
)
def test_a_shared_cocktail_is_one_part_of_the_longer_course(
    one: dict[str, Any], other: dict[str, Any], cocktail: str, shared: bool, knowledge: Knowledge
) -> None:
    case, first, second = two(knowledge, one, other)
    by_syringe = tuple(
        replace(planned, candidate=replace(planned.candidate, modality="syringe"), sessions=sessions)
        for planned, sessions in ((first, 4), (second, 6))
    )
    if not shared:
        by_syringe = (
            replace(by_syringe[0], candidate=replace(by_syringe[0].candidate, cocktail=cocktail)),
            by_syringe[1],
        )
    courses = together(case, *by_syringe, knowledge)
    if not shared:
        assert rule_of(courses[0])[0] == "M2"
        return
    (course,) = courses
    (merged,) = course.members
    assert (merged.candidate.cocktail, merged.sessions) == (cocktail, 6)
    assert merged.concerns == (first.candidate.concern, second.candidate.concern)
    assert course.sessions == ((merged,),) * 6
    assert rule_of(course) == (
        "M1",
        "REFERENCE.md §8.5 M1",
        f"{cocktail} treats both concerns in one part; the more severe band counts.",
    )
    lead = next(p for p in (first, second) if p.candidate.cocktail == cocktail)
    assert (merged.outcome, merged.steps) == (lead.outcome, lead.steps)
    # By two modalities there is nothing to share.
    needled = replace(by_syringe[1], candidate=replace(by_syringe[1].candidate, modality="needle-free"))
    assert rule_of(together(case, by_syringe[0], needled, knowledge)[0])[0] == "M3"


def test_alternating_counts_six_visits_and_says_which_is_whose(knowledge: Knowledge) -> None:
    case, bright, wrinkled = two(knowledge, BRI, WRI)
    (course,) = together(case, bright, wrinkled, knowledge)
    assert rule_of(course)[2] == (
        "Alternating in one area, 6 sessions in all: odd ones brightening/face, even ones wrinkles/face; each gets 3."
    )  # fmt: skip
    assert course.members == (bright, wrinkled)
    assert course.steps[-1].because == ("brightening/face", "wrinkles/face")


def test_one_concern_alone_has_its_own_rhythm_and_begins_when_it_may(knowledge: Knowledge) -> None:
    case, bright, _other = two(knowledge, BRI, HANDS)
    course = alone(bright, start=case.today)
    assert (course.members, course.interval, course.steps) == ((bright,), bright.candidate.interval, bright.steps)  # fmt: skip
    assert course.sessions == ((bright,),) * bright.sessions
    later = case.today + timedelta(days=5)
    assert alone(bright, start=later).start_earliest == later
    waits = replace(bright, candidate=replace(bright.candidate, free_from=later))
    assert alone(waits, start=case.today).start_earliest == later


def test_the_cream_of_the_later_part_is_what_the_first_leaves(knowledge: Knowledge) -> None:
    case, face, neck = two(knowledge, WRI, {"indication": "wrinkles", "area": "decolletage", "grade": 2})
    outspoken = replace(case, preferences={**case.preferences, "pain": 10})
    found, used, limit = comforts((face, neck), outspoken, knowledge)
    assert [(comfort.product, comfort.grams) for comfort in found] == [
        ("emla-5", 30),
        ("ice-vibration", None),
    ]
    assert (used, limit) == (150, 270)
    # As the physician set it: 10 g on the face leave 20 for the second.
    found, used, limit = comforts((replace(face, grams=Decimal(10)), neck), outspoken, knowledge)
    assert [comfort.grams for comfort in found] == [10, 20]
    assert used == 150
    # 110 mg of the day are left: 22 g of the 5 % cream.
    given = parse(
        example_case({
            "concerns": [WRI], "preferences": {"pain": 10},
            "patient": {"given": [{"agent": "lidocaine", "dose_mg": 160, "date": "2026-12-01"}]},
        }),
        knowledge.schema,
    )  # fmt: skip
    found, used, limit = comforts((face,), given, knowledge)
    assert (found[0].grams, used, limit) == (22, 110, 110)
    assert comforts((), case, knowledge) == ([], 0, 0)
