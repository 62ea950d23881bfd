"""The sessions still to come of a course under way, as near to the signed plan as today's facts allow.

Sources: REFERENCE.md §8.1 to §8.3; DECISIONS.md E8.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any

from protocols.engine.answer import number
from protocols.engine.candidates import (
    NEEDLING,
    Candidate,
    area_max_ml,
    limit_factor,
    recovery_days,
    with_depth,
    with_volume,
)
from protocols.engine.choosing import Chosen, modality_order
from protocols.engine.courses import Course, Followed, Planned, Step, strictest
from protocols.engine.following import SignedPart
from protocols.engine.knowledge import Knowledge
from protocols.engine.proposing import Survey
from protocols.engine.recheck import depth_cap
from protocols.engine.verdicts import STRENGTH, Verdict, Way
from protocols.engine.words import number_words


def _window(
    way: Way, start: date, interval: tuple[int, int, int], knowledge: Knowledge
) -> tuple[int, int, int]:
    """Days after the session done last: inside the plan's window, or what is left of the time allowed when late."""
    if way.last is None:
        return (0, 0, int(knowledge.tables["first_session_latest_days"]["days"]))
    earliest = (start - way.last).days
    target = max(interval[1], earliest)
    if target <= interval[2]:
        return (earliest, target, interval[2])
    limits = [r["up_to_days"] for r in knowledge.tables["lateness"]["rows"] if r["up_to_days"] is not None]
    return (earliest, target, next((days for days in limits if days >= target), target))


def _kept(part: SignedPart, chosen: Planned, case: Any, knowledge: Knowledge) -> Planned:
    """The signed part on today's facts: its own volume and depth as far as the limits of today allow."""
    candidate = chosen.candidate
    if (part.modality, part.cocktail) != (candidate.modality, candidate.cocktail):
        return chosen
    if part.volume_ml is not None:
        most = area_max_ml(candidate.area, candidate.modality, candidate.cocktail, knowledge)
        wanted = with_volume(candidate, min(part.volume_ml, most), case, knowledge)
        factor = limit_factor(wanted.components)
        if factor < 1:
            fits = (wanted.volume_ml * factor).quantize(Decimal("0.1"), ROUND_DOWN)
            wanted = with_volume(candidate, fits, case, knowledge) if fits > 0 else candidate
        candidate = wanted
    # Never deeper than today's caps: the candidate of today knows them. A jet has none, and no depth.
    cap = depth_cap(candidate, chosen, knowledge)
    if part.depth_mm is not None and cap is not None:
        candidate = with_depth(candidate, min(part.depth_mm, cap[0]), knowledge)
    return replace(chosen, candidate=candidate)


def next_in_order(chosen: Chosen, case: Any, knowledge: Knowledge) -> tuple[str, str] | None:
    """The option after the one in use, in the indication's order."""
    if chosen.option is None:
        return None
    order = modality_order(chosen.assessed.concern, case, chosen.option.outcome, knowledge)

    def place(candidate: Candidate) -> tuple[int, int, str]:
        row = knowledge.cocktails[candidate.cocktail]
        return order.index(candidate.modality), row["order"][candidate.modality], candidate.cocktail

    here = place(chosen.option.candidate)
    later = [o.candidate for o in chosen.others if o.free is not None and place(o.candidate) > here]
    if not later:
        return None
    best = min(later, key=place)
    return best.modality, best.cocktail


def deepened(planned: Planned, knowledge: Knowledge) -> Planned | None:
    """One step deeper in the indication's row, where the caps allow it."""
    candidate = planned.candidate
    cap = depth_cap(candidate, planned, knowledge)
    if candidate.modality != NEEDLING or candidate.depth_mm is None or cap is None:
        return None
    row = knowledge.indications[candidate.indication]["needling_depth_mm"]
    deeper = [d for d in sorted({Decimal(d) for d in row.values() if d}) if candidate.depth_mm < d <= cap[0]]
    return replace(planned, candidate=with_depth(candidate, deeper[0], knowledge)) if deeper else None


def laid_out(
    way: Way,
    verdicts: Sequence[Verdict],
    planned: Mapping[str, Planned],
    found: Survey,
    knowledge: Knowledge,
    notes: Sequence[Step],
) -> tuple[Course, Verdict | None]:
    """The course with its sessions still to come, and the strongest verdict about it."""
    ended = {v.concern for v in verdicts if v.concern and v.decision in {"stop", "complete"}}
    treated = [code for code in way.signed.concerns if way.part_of(code) is not None]
    whole = [v for v in verdicts if v.concern is None or (v.concern in treated and set(treated) <= ended)]
    whole += [v for v in verdicts if v.concern is not None and v.decision not in {"stop", "complete"}]
    strongest = min(whole, key=lambda v: STRENGTH.index(v.decision), default=None)
    decision = strongest.decision if strongest else "continue"
    steps = [verdict.step for verdict in sorted(verdicts, key=lambda v: STRENGTH.index(v.decision))]
    if decision in {"stop", "close", "complete"}:
        return _over(decision, way, steps, found, _left_out(way, strongest)), strongest

    def still(parts: Sequence[SignedPart]) -> tuple[SignedPart, ...]:
        return tuple(part for part in parts if part.concern not in ended and part.concern in planned)

    rows = [still(parts) for _number, parts in way.coming]
    visits = [parts for parts in (still(parts) for _number, parts in way.signed.sessions) if parts]
    totals = [v.total for v in verdicts if v.total is not None and v.concern not in ended]
    lifetime = _lifetime(way, found, knowledge)
    if lifetime is not None and lifetime < way.signed.total:
        totals.append(max(lifetime, way.count))
    signed_rows = [parts for _number, parts in way.coming]
    for total in totals:
        left = total - way.count
        while rows and len(rows) > left and total < way.signed.total:
            rows.pop()
        while visits and len(rows) < left and total > way.signed.total:
            visits.append(_following(visits))
            rows.append(visits[-1])
    rows = [parts for parts in rows if parts]
    held = [v for v in verdicts if v.decision == "hold"]
    sessions = []
    for parts in rows:
        session = []
        for part in parts:
            one = _kept(part, planned[part.concern], found.case, knowledge)
            if len(way.signed.concerns) > len(treated):
                shared = tuple(c for c in way.signed.concerns if c == part.concern or c not in treated)
                one = replace(one, concerns=shared)
            session.append(one)
        sessions.append(_fitted(tuple(session), found, knowledge))
    made: list[Planned] = []
    for one in (one for parts in sessions for one in parts):
        if one not in made:
            made.append(one)
    if not sessions:
        # Sessions are to come, but a fact is missing that they hang on: nothing is complete.
        over = "hold" if decision == "hold" and way.coming else "complete"
        return _over(over, way, steps, found, ()), strongest
    interval = _interval(way, made)
    start = _start(way, sessions[0], interval, held, knowledge)
    windows = (_window(way, start, interval, knowledge), *((interval,) * (len(sessions) - 1)))
    changes = _changes(way, signed_rows, sessions, interval, verdicts, knowledge)
    adjusted = any(row["what"] in {"cocktail", "modality", "depth", "composition"} for row in changes)
    if decision in {"continue", "extend"} and adjusted:
        decision = "adjust"
    followed = Followed(decision, way.count, way.signed.concerns, tuple(changes))
    by_concern = {one.candidate.concern: one for one in made}
    own = [step for one in by_concern.values() for step in one.steps if step.step != "sessions"]
    total = way.count + len(sessions)
    steps.append(
        Step(
            "sessions",
            f"{way.count} done, {len(sessions)} to come, {total} in all.",
            (),
            None,
            "REFERENCE.md §2.1, §8.2",
        )
    )
    course = Course(
        members=tuple(made), interval=interval, sessions=tuple(sessions), steps=(*steps, *notes, *own),
        start_earliest=start, windows=windows,
        first_number=way.count + 1, followed=followed,
    )  # fmt: skip
    return course, strongest


def _over(
    decision: str, way: Way, steps: Sequence[Step], found: Survey, changes: Sequence[dict[str, Any]]
) -> Course:
    """A course without further sessions."""
    return Course(
        members=(), interval=way.signed.interval, sessions=(), steps=tuple(steps), start_earliest=found.start,
        followed=Followed(decision, way.count, way.signed.concerns, tuple(changes)),
    )  # fmt: skip


def _lifetime(way: Way, found: Survey, knowledge: Knowledge) -> int | None:
    """The most sessions this course may have by the label's lifetime number; None where there is none (R81, E8)."""
    parts = [part for _number, parts in way.signed.sessions for part in parts]
    if not any(knowledge.is_dc(part.cocktail) for part in parts):
        return None
    had = knowledge.dc_sessions_had(found.case.facts)
    return int(knowledge.tables["dc"]["lifetime_sessions"]) - had


def _following(sessions: Sequence[tuple[SignedPart, ...]]) -> tuple[SignedPart, ...]:
    """What an added session has: the other of two that alternate (M2, M5), else what the last one had."""
    last = [[part.concern for part in parts] for parts in sessions[-3:]]
    return sessions[-2] if len(last) == 3 and last[0] == last[2] != last[1] else sessions[-1]


def _fitted(parts: tuple[Planned, ...], found: Survey, knowledge: Knowledge) -> tuple[Planned, ...]:
    """One visit inside the limits of the day: the part of lower priority is made smaller, or left out (R60)."""
    if len(parts) < 2:
        return parts
    first, second = parts[0], parts[1]
    volume = second.candidate.volume_ml
    limit = Decimal(knowledge.tables["visit_max_ml"]["value"])
    room = limit - first.candidate.injected_ml
    if second.candidate.injected_ml > room:
        volume = min(volume, max(Decimal(0), room))
    for twin in first.candidate.components:
        part = next((p for p in second.candidate.components if p.agent == twin.agent), None)
        if part is None:
            continue
        for mine, theirs, most in (
            (part.dose_mg, twin.dose_mg, part.limit_mg), (part.volume_ml, twin.volume_ml, part.limit_ml),
        ):  # fmt: skip
            if most is not None and mine:
                left = max(Decimal(0), most - (theirs or Decimal(0)))
                volume = min(volume, second.candidate.volume_ml * left / mine)
    volume = volume.quantize(Decimal("0.1"), ROUND_DOWN) if volume < second.candidate.volume_ml else volume
    if volume <= 0:
        return (first,)
    return (first, replace(second, candidate=with_volume(second.candidate, volume, found.case, knowledge)))


def _interval(way: Way, made: Sequence[Planned]) -> tuple[int, int, int]:
    """The signed interval, never shorter than what the parts of today need."""
    needed = made[0].candidate.interval
    for one in made[1:]:
        needed = strictest(needed, one.candidate.interval)
    least, target, most = way.signed.interval
    least, target = max(least, needed[0]), max(target, needed[1])
    return (least, target, max(target, most))


def _start(
    way: Way,
    first: Sequence[Planned],
    interval: tuple[int, int, int],
    held: Sequence[Verdict],
    knowledge: Knowledge,
) -> date:
    """The earliest day of the next session: interval, recovery of the same area, waiting rules, never before today."""
    days = [way.today, *(v.until for v in held if v.until is not None)]
    days += [one.candidate.free_from for one in first]
    if way.last is not None:
        days.append(way.last + timedelta(days=interval[0]))
        done = way.done[-1]
        for old in done.parts or dict(way.signed.sessions)[done.number]:
            for one in first:
                candidate = one.candidate
                if old.concern.split("/")[1] == candidate.area:
                    gap = recovery_days(
                        old.modality,
                        old.depth_mm,
                        old.cocktail,
                        candidate.modality,
                        candidate.depth_mm,
                        knowledge,
                    )
                    days.append(way.last + timedelta(days=gap))
    return max(days)


def _left_out(way: Way, verdict: Verdict | None) -> list[dict[str, Any]]:
    left = [number_ for number_, _parts in way.coming]
    if not left or verdict is None:
        return []
    return [
        {"what": "sessions", "concern": None, "sessions": left, "from": str(way.signed.total), "to": str(way.count),
         "text": f"Sessions {', '.join(map(str, left))} are left out.", "rule": verdict.rule, "because": list(verdict.because)}
    ]  # fmt: skip


def _changes(
    way: Way,
    signed: Sequence[tuple[SignedPart, ...]],
    sessions: Sequence[tuple[Planned, ...]],
    interval: tuple[int, int, int],
    verdicts: Sequence[Verdict],
    knowledge: Knowledge,
) -> list[dict[str, Any]]:
    """The difference to the plan before, one row for each thing that changes."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    reasons = sorted(verdicts, key=lambda v: STRENGTH.index(v.decision))
    rule = reasons[0].rule if reasons else None
    because = list(reasons[0].because) if reasons else []

    def say(
        what: str,
        concern: str | None,
        number_: int | None,
        old: str | None,
        new: str | None,
        text: str,
        why: str | None = None,
    ) -> None:
        row = found.setdefault(
            (what, concern, old, new),
            {"what": what, "concern": concern, "sessions": [], "from": old, "to": new, "text": text,
             "rule": why or rule, "because": because if why is None else []},
        )  # fmt: skip
        if number_ is not None:
            row["sessions"].append(number_)

    total = way.count + len(sessions)
    if total != way.signed.total:
        say(
            "sessions",
            None,
            None,
            str(way.signed.total),
            str(total),
            f"{total} sessions in all, not {way.signed.total}.",
        )
    if interval != way.signed.interval:
        old = " / ".join(map(str, way.signed.interval))
        new = " / ".join(map(str, interval))
        say("interval", None, None, old, new, f"Every {new} days (least, target, most), not {old}.")
    for index, parts in enumerate(sessions):
        before = {part.concern: part for part in (signed[index] if index < len(signed) else ())}
        for one in parts:
            candidate = one.candidate
            part = before.pop(candidate.concern, None)
            if part is None:
                continue
            at = way.count + 1 + index
            if part.modality != candidate.modality:
                say("modality", candidate.concern, at, part.modality, candidate.modality,
                    f"{knowledge.label(candidate.modality)}, not {knowledge.label(part.modality).lower()}.")  # fmt: skip
            if part.cocktail != candidate.cocktail:
                say("cocktail", candidate.concern, at, part.cocktail, candidate.cocktail,
                    f"{candidate.cocktail}, not {part.cocktail}.")  # fmt: skip
                continue
            for agent, rules in _replaced(part, candidate, one, knowledge):
                say("composition", candidate.concern, at, agent, "saline",
                    f"{knowledge.label(agent)} is replaced by saline 1:1.", rules)  # fmt: skip
            if part.volume_ml is not None and part.volume_ml != candidate.volume_ml:
                say("volume", candidate.concern, at, number(part.volume_ml), number(candidate.volume_ml),
                    f"{number_words(candidate.volume_ml)} mL, not {number_words(part.volume_ml)} mL.", "R60")  # fmt: skip
            if (
                part.depth_mm is not None
                and candidate.depth_mm is not None
                and part.depth_mm != candidate.depth_mm
            ):
                say("depth", candidate.concern, at, number(part.depth_mm), number(candidate.depth_mm),
                    f"{number_words(candidate.depth_mm)} mm, not {number_words(part.depth_mm)} mm.")  # fmt: skip
        for concern, part in before.items():
            say(
                "part",
                concern,
                way.count + 1 + index,
                part.cocktail,
                "none",
                f"{concern} is no longer treated.",
            )
    return list(found.values())


def _replaced(
    signed: SignedPart, candidate: Candidate, planned: Planned, knowledge: Knowledge
) -> list[tuple[str, str]]:
    """(agent, rule) of components that today's facts replace by saline and that the signed plan still had."""
    used = {part.agent for part in candidate.components}
    whole = [part["agent"] for part in knowledge.cocktails[candidate.cocktail]["components"]]
    before = signed.agents if signed.agents is not None else frozenset(whole)
    found = []
    for agent in whole:
        if agent in before and agent not in used:
            rules = planned.outcome.agents.get(agent)
            found.append((agent, rules[0][0] if rules else "R48"))
    return found
