"""Courses: several concerns put together where they are compatible, else one after the other (REFERENCE.md §8.5)."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from protocols.engine.anaesthesia import Comfort, choose, infiltrated_mg, limit_mg, visit_grams
from protocols.engine.candidates import NEEDLING, Candidate, recovery_days
from protocols.engine.case import Case
from protocols.engine.effects import Outcome
from protocols.engine.knowledge import Knowledge
from protocols.engine.words import day_words, number_words


@dataclass(frozen=True, slots=True)
class Step:
    """One decision with its reason."""

    step: str
    text: str
    because: tuple[str, ...] = ()
    rule: str | None = None
    source: str = ""
    grade: str = "K"

    def to_dict(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "text": self.text,
            "because": list(self.because),
            "rule": self.rule,
            "source": self.source,
            "grade": self.grade,
        }


@dataclass(frozen=True, slots=True)
class Planned:
    """A concern with its chosen candidate and number of sessions."""

    candidate: Candidate
    sessions: int
    outcome: Outcome
    concerns: tuple[str, ...]
    steps: tuple[Step, ...]
    grams: Decimal | None = None  # cream as the physician set it; None: as computed


@dataclass(frozen=True, slots=True)
class Course:
    """Sessions with the parts of each; one interval for all."""

    members: tuple[Planned, ...]
    interval: tuple[int, int, int]
    sessions: tuple[tuple[Planned, ...], ...]
    steps: tuple[Step, ...]
    start_earliest: date
    windows: tuple[tuple[int, int, int], ...] = ()  # by session, as the physician set them
    first_number: int = 1  # of the first session still to come
    followed: "Followed | None" = None


@dataclass(frozen=True, slots=True)
class Followed:
    """What a replan decided about a course that is under way."""

    decision: str  # continue, adjust, hold, extend, stop, complete, close
    done: int
    concerns: tuple[str, ...]
    changes: tuple[dict[str, Any], ...]


def alone(planned: Planned, *, start: date) -> Course:
    """A course of one concern."""
    return Course(
        members=(planned,),
        interval=planned.candidate.interval,
        sessions=((planned,),) * planned.sessions,
        steps=planned.steps,
        start_earliest=max(start, planned.candidate.free_from),
    )


def _overlap(a: tuple[int, int, int], b: tuple[int, int, int]) -> tuple[int, int, int] | None:
    least, most, target = max(a[0], b[0]), min(a[2], b[2]), max(a[1], b[1])
    return (least, target, most) if least <= target <= most else None


def strictest(a: tuple[int, int, int], b: tuple[int, int, int]) -> tuple[int, int, int]:
    least, target = max(a[0], b[0]), max(a[1], b[1])
    target = max(target, least)
    return (least, target, max(min(a[2], b[2]), target))


def _join(first: Planned, second: Planned, rule: str, text: str) -> tuple[Step, ...]:
    return (
        *first.steps,
        *second.steps,
        Step(
            "combine",
            text,
            (first.candidate.concern, second.candidate.concern),
            rule,
            f"REFERENCE.md §8.5 {rule}",
        ),
    )


def _same_visit(first: Planned, second: Planned, case: Case, knowledge: Knowledge) -> str | None:
    """Why two areas can't share a visit; None when they can (M4)."""
    a, b = first.candidate, second.candidate
    on = max(a.free_from, b.free_from)
    if infiltrated_mg((a, b)) > min(limit_mg(case, p.outcome, knowledge, on) for p in (first, second)):
        return "the lidocaine in both would be above the limit of the day"
    limit = Decimal(knowledge.tables["visit_max_ml"]["value"])
    if a.injected_ml + b.injected_ml > limit:
        return f"together they would inject more than {number_words(limit)} mL in one visit"
    for part in a.components:
        twin = next((p for p in b.components if p.agent == part.agent), None)
        if twin is None:
            continue
        if part.limit_mg is not None and (part.dose_mg or 0) + (twin.dose_mg or 0) > part.limit_mg:
            return f"{knowledge.label(part.agent)} would be above its limit for the day"
        if part.limit_ml is not None and part.volume_ml + twin.volume_ml > part.limit_ml:
            return f"{knowledge.label(part.agent)} would be above its volume for the day"
    return None


def _pigment_first(
    first: Planned, second: Planned, case: Case, knowledge: Knowledge
) -> tuple[Planned, Planned] | None:
    """M7: phototype IV or darker (or unknown), pigment, and deep needling elsewhere on the face: pigment goes first."""
    row = knowledge.tables["pigment_first"]
    phototype = case.value("phototype")
    if phototype is not None and phototype < row["phototype_from"]:
        return None
    for one, other in ((first, second), (second, first)):
        b = other.candidate
        near = b.area == one.candidate.area or b.area in knowledge.areas[one.candidate.area]["same_skin"]
        deep = b.modality == NEEDLING and (b.depth_mm or 0) > Decimal(row["needling_deeper_than_mm"])
        if one.candidate.indication == "pigment" and b.indication != "pigment" and near and deep:
            return one, other
    return None


def combine(
    first: Planned, second: Planned, *, start: date, case: Case, knowledge: Knowledge
) -> list[Course]:
    """One course for two concerns where §8.5 allows it, else two in order of priority with the reason."""
    a, b = first.candidate, second.candidate
    both = {a.indication, b.indication}
    begin = max(start, a.free_from, b.free_from)
    acid = knowledge.is_dc(a.cocktail) or knowledge.is_dc(b.cocktail)
    near = set(knowledge.tables["dc"]["apart_from_areas"])
    if acid and {a.area, b.area} <= near:
        return _separate(
            first,
            second,
            "M6",
            "deoxycholic acid is never given with another injection under the chin or in the neck",
            start,
            knowledge,
        )
    if a.own_row or b.own_row:
        return _separate(
            first,
            second,
            "M6" if acid else "M5",
            "their intervals do not fit together",
            start,
            knowledge,
        )
    first_then = _pigment_first(first, second, case, knowledge)
    if first_then is not None:
        days = knowledge.tables["pigment_first"]["days_after"]
        why = "on darker skin a fresh needling can leave new pigment"
        return _separate(*first_then, "M7", why, start, knowledge, days)
    if a.area == b.area:
        for shared in knowledge.tables["shared_cocktails"]:
            used = [c.cocktail == shared["cocktail"] for c in (a, b)]
            fits = any(used) if shared["either"] else all(used)
            if both == set(shared["indications"]) and fits and a.modality == b.modality:
                lead = first if a.cocktail == shared["cocktail"] else second
                count = max(first.sessions, second.sessions)
                merged = Planned(
                    lead.candidate, count, lead.outcome, (*first.concerns, *second.concerns), lead.steps
                )
                steps = _join(
                    first,
                    second,
                    "M1",
                    f"{lead.candidate.cocktail} treats both concerns in one part; the more severe band counts.",
                )
                return [
                    Course((merged,), strictest(a.interval, b.interval), ((merged,),) * count, steps, begin)
                ]
        if a.band == b.band == "severe":
            return _separate(
                first,
                second,
                "M2",
                "both are severe, and alternating would give each only three sessions",
                start,
                knowledge,
            )
        interval = strictest(a.interval, b.interval)
        rule = "M2" if a.modality == b.modality else "M3"
        if NEEDLING in {a.modality, b.modality}:
            least = max(
                recovery_days(a.modality, a.depth_mm, a.cocktail, b.modality, b.depth_mm, knowledge),
                recovery_days(b.modality, b.depth_mm, b.cocktail, a.modality, a.depth_mm, knowledge),
                interval[0],
            )
            interval = (least, max(interval[1], least), max(interval[2], least))
        total = knowledge.tables["sessions_range"]["max"]
        text = f"Alternating in one area, {total} sessions in all: odd ones {a.concern}, even ones {b.concern}; each gets {total // 2}."
        sessions: tuple[tuple[Planned, ...], ...] = tuple(
            (first,) if n % 2 == 0 else (second,) for n in range(total)
        )
        return [Course((first, second), interval, sessions, _join(first, second, rule, text), begin)]
    why_not = _same_visit(first, second, case, knowledge)
    if why_not:
        return _separate(first, second, "M4", why_not, start, knowledge)
    shared_window = _overlap(a.interval, b.interval)
    count = max(first.sessions, second.sessions)
    if shared_window is not None:
        sessions = tuple(
            tuple(planned for planned in (first, second) if number <= planned.sessions)
            for number in range(1, count + 1)
        )
        text = f"Two areas in one visit, {count} visits; the shorter course ends first."
        return [Course((first, second), shared_window, sessions, _join(first, second, "M4", text), begin)]
    quick, slow = (first, second) if a.interval[1] <= b.interval[1] else (second, first)
    joined = _every_second(quick.candidate.interval, slow.candidate.interval)
    if joined is not None and 2 * slow.sessions - 1 <= quick.sessions:
        sessions = tuple(
            tuple(
                planned
                for planned in (first, second)
                if planned is quick or number in range(1, 2 * slow.sessions, 2)
            )
            for number in range(1, quick.sessions + 1)
        )
        text = f"Different rhythms: {slow.candidate.concern} joins every second visit."
        return [Course((first, second), joined, sessions, _join(first, second, "M5", text), begin)]
    return _separate(first, second, "M5", "their intervals do not overlap", start, knowledge)


def _every_second(quick: tuple[int, int, int], slow: tuple[int, int, int]) -> tuple[int, int, int] | None:
    """The interval in which two visits in a row lie inside the slower window; None when there is none (M5)."""
    least, most = max(quick[0], -(-slow[0] // 2)), min(quick[2], slow[2] // 2)
    return (least, min(max(quick[1], least), most), most) if least <= most else None


def _separate(
    first: Planned, second: Planned, rule: str, why: str, start: date, knowledge: Knowledge, days: int = 0
) -> list[Course]:
    """Two courses, one after the other: never on one day, and in one area with the recovery time between (§8.3)."""
    one = alone(first, start=start)
    a, b = first.candidate, second.candidate
    last = one.start_earliest + timedelta(days=one.interval[1] * (len(one.sessions) - 1))
    gap = max(days, *(knowledge.agents[agent]["min_days"] for agent in a.agents | b.agents))
    if a.area == b.area:
        gap = max(gap, recovery_days(a.modality, a.depth_mm, a.cocktail, b.modality, b.depth_mm, knowledge))
    two = alone(second, start=max(start, last + timedelta(days=gap)))
    step = Step(
        "combine",
        f"Two courses, {first.candidate.concern} first, the other from {day_words(two.start_earliest)}: {why}.",
        (first.candidate.concern, second.candidate.concern),
        rule,
        f"REFERENCE.md §8.5 {rule}",
    )
    return [
        replace(one, steps=(*one.steps, step)),
        replace(two, steps=(*two.steps, step)),
    ]


def comforts(
    parts: tuple[Planned, ...], case: Case, knowledge: Knowledge
) -> tuple[list[Comfort], Decimal, Decimal]:
    """(comfort of each part, E in mg, its limit): anaesthetic of the later parts is cut so that the sums fit."""
    on = max((p.candidate.free_from for p in parts), default=case.today)
    limit = min((limit_mg(case, p.outcome, knowledge, on) for p in parts), default=Decimal(0))
    used = infiltrated_mg(p.candidate for p in parts)
    room = visit_grams(case, knowledge)
    found: list[Comfort] = []
    for planned in parts:
        comfort = choose(
            planned.candidate, case, planned.outcome, knowledge, room_mg=limit - used, cream_room=room
        )
        if planned.grams is not None and comfort.product in knowledge.tables["creams"]:
            comfort = replace(comfort, grams=planned.grams)
        used += comfort.e_mg(knowledge)
        room -= comfort.grams or Decimal(0)
        found.append(comfort)
    return found, used, limit
