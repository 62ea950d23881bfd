"""`replan`: what becomes of a course under way. Sources: REFERENCE.md §2.1, §8.2, §8.3, §9; DECISIONS.md A9, B15.

The decision comes first, from adverse events, the day's rules, the time since the last session and the response by
scale; then the sessions still to come are laid out from today's facts, as near to the signed plan as they allow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
from protocols.engine.effects import Finding, Outcome
from protocols.engine.following import AdverseEvent, Done, FollowUp, Review, SignedCourse, SignedPart
from protocols.engine.knowledge import Knowledge
from protocols.engine.proposing import Proposal, Survey, answer, declined_rows, survey
from protocols.engine.scales import score
from protocols.engine.words import day_words, number_words

#: The strongest decision about a course wins.
_ORDER = ("stop", "close", "complete", "hold", "adjust", "extend", "continue")


@dataclass(frozen=True, slots=True)
class Verdict:
    """One reason for what becomes of a course, or of one concern in it."""

    decision: str
    text: str
    because: tuple[str, ...]
    rule: str
    source: str
    grade: str
    until: date | None = None  # of a hold; None: a fact is missing
    total: int | None = None  # of an early end or an extension: the sessions in all
    concern: str | None = None

    @property
    def step(self) -> Step:
        """The verdict as a line of the why."""
        return Step("decision", self.text, self.because, self.rule, self.source, self.grade)


@dataclass(frozen=True, slots=True)
class _Way:
    """A course with what was done of it."""

    index: int
    signed: SignedCourse
    done: tuple[Done, ...]
    today: date

    @property
    def last(self) -> date | None:
        return self.done[-1].day if self.done else None

    @property
    def gap(self) -> int | None:
        """Days since the last session."""
        return (self.today - self.last).days if self.last else None

    @property
    def count(self) -> int:
        return len(self.done)

    @property
    def coming(self) -> tuple[tuple[int, tuple[SignedPart, ...]], ...]:
        """The planned sessions that are not done, by their numbers."""
        had = {row.number for row in self.done}
        return tuple(row for row in self.signed.sessions if row[0] not in had)

    def part_of(self, concern: str) -> SignedPart | None:
        """How a concern is treated next, or was last."""
        rows = [part for _number, parts in self.coming for part in parts if part.concern == concern]
        rows += [
            part
            for _number, parts in reversed(self.signed.sessions)
            for part in parts
            if part.concern == concern
        ]
        return rows[0] if rows else None


# --- adverse events -------------------------------------------------------------------------------------------------


def _effects_of_events(state: FollowUp, knowledge: Knowledge, today: date) -> Outcome:
    """What adverse events take away before any rule is read."""
    outcome = Outcome()
    for event in state.events:
        row = knowledge.adverse_events[event.event]
        text = f"{event_words(event, knowledge)}: {row['plan']}"
        for effect in row["effects"]:
            if effect["do"] == "remove-agents":
                for agent in effect["agents"]:
                    outcome.agents.setdefault(agent, []).append(("§9", text))
            elif effect["do"] == "remove-modality":
                outcome.modalities.setdefault(effect["modality"], []).append(("§9", text))
            elif effect["do"] == "hold-modality":
                if effect["days"] is not None:
                    held = event.onset + timedelta(days=effect["days"]) > today
                else:
                    held = event.resolved_on is None or event.resolved_on + _week(knowledge) > today
                if held:
                    outcome.modalities.setdefault(effect["modality"], []).append(("§9", text))
            elif effect["do"] == "shallower":
                depth = _one_step_less(state, event, knowledge)
                if depth is not None:
                    outcome.caps.append((depth, "§9"))
    return outcome


def _week(knowledge: Knowledge) -> timedelta:
    return timedelta(days=knowledge.tables["response"]["hold_days_after"])


def _one_step_less(state: FollowUp, event: AdverseEvent, knowledge: Knowledge) -> Decimal | None:
    """The next lower needling depth of the indication's row, below what the plan has."""
    for course in state.courses:
        for _number, parts in course.sessions:
            for part in parts:
                if part.modality != NEEDLING or part.depth_mm is None:
                    continue
                indication, area = part.concern.split("/")
                if event.area is not None and event.area != area:
                    continue
                depths = sorted(
                    {Decimal(d) for d in knowledge.indications[indication]["needling_depth_mm"].values() if d}
                )
                lower = [depth for depth in depths if depth < part.depth_mm]
                return lower[-1] if lower else depths[0]
    return None


def event_words(event: AdverseEvent, knowledge: Knowledge) -> str:
    """`Urticaria, local allergy, grade 2, 3 Nov 2026`."""
    label = next(row["label"] for row in knowledge.vocabulary["adverse_events"] if row["code"] == event.event)
    return f"{label}, grade {event.grade}, {day_words(event.onset)}"


def _touches(event: AdverseEvent, way: _Way) -> bool:
    """Whether an event belongs to a course; one without place belongs to all."""
    if event.course is not None:
        return event.course == way.index
    return event.area is None or any(event.area == concern.split("/")[1] for concern in way.signed.concerns)


def _event_verdicts(way: _Way, state: FollowUp, knowledge: Knowledge, today: date) -> list[Verdict]:
    table = knowledge.tables["response"]
    found = []
    for event in state.events:
        row = knowledge.adverse_events[event.event]
        effects = {effect["do"] for effect in row["effects"]}
        words, fact = row["plan"], (event_words(event, knowledge),)
        everywhere = "stop-all" in effects
        if not (everywhere or _touches(event, way)):
            continue
        settled = (
            state.signed_on is not None
            and event.resolved_on is not None
            and event.resolved_on < state.signed_on
        )
        if everywhere or "stop" in effects or event.grade >= table["stop_grade"]:
            if settled and not everywhere:
                continue  # the physician signed this version after it was over
            found.append(
                Verdict(
                    "stop",
                    f"Adverse event of grade {event.grade}: {words}",
                    fact,
                    "§9",
                    row["source"],
                    row["grade"],
                )
            )
            continue
        without_agent = "need-agent" in effects and event.agent is None
        if without_agent and not settled:
            found.append(
                Verdict(
                    "hold",
                    f"{words} Which agent was it? Name it before going on.",
                    fact,
                    "R76",
                    row["source"],
                    row["grade"],
                )
            )
        elif event.grade >= table["hold_grade"] and not row["goes_on"]:
            free = event.resolved_on + _week(knowledge) if event.resolved_on else None
            if free is None or free > today:
                when = f" until {day_words(free)}" if free else " until it is resolved, and seven days more"
                found.append(
                    Verdict(
                        "hold", f"{words} No session{when}.", fact, "§8.2", row["source"], row["grade"], free
                    )
                )
    return found


# --- response -------------------------------------------------------------------------------------------------------


def _current_review(concern: str, way: _Way, state: FollowUp) -> Review | None:
    """The newest review of a concern, when no session was done and no version was signed since."""
    rows = [row for row in state.reviews if row.concern == concern]
    if not rows:
        return None
    newest = max(rows, key=lambda row: row.day)
    at = newest.after_session
    if at is None:
        at = sum(1 for row in way.done if row.day <= newest.day)
    if at < way.count or (state.signed_on is not None and newest.day <= state.signed_on):
        return None
    return newest


def response_percent(before: Decimal, now: Decimal) -> Decimal | None:
    """(baseline - now) / baseline x 100, one decimal; None without a baseline. Source: REFERENCE.md §1."""
    if before == 0:
        return None
    return ((before - now) / before * 100).quantize(Decimal("0.1"))


def _response(review: Review, concern: Any, way: _Way, knowledge: Knowledge) -> tuple[str, str]:
    """(kind, words): worse, met, good, fair, poor, early or unknown."""
    table = knowledge.tables["response"]
    if review.gais is not None and review.gais <= table["stop_gais"]:
        return "worse", "GAIS -1, worse"
    if review.goal_met:
        return "met", "the patient's goal is met"
    own = knowledge.indications[concern.indication]["response"]
    since = way.done[0].day if own["since"] == "first" else way.done[-1].day
    if (review.day - since).days < own["not_before_days"]:
        return (
            "early",
            f"judged {own['not_before_days']} days after the {own['since']} session at the earliest",
        )
    if review.scale is None or review.scale != concern.scale:
        return "unknown", "no score on the baseline's scale"
    before, now = score(concern.scale, concern.items, knowledge), score(review.scale, review.items, knowledge)
    if before.score is None or now.score is None:
        return "unknown", f"{now.text}: no score yet"
    percent = response_percent(before.score, now.score)
    words = f"{before.text.split(',')[0]} to {number_words(now.score)}"
    if percent is not None:
        words += (
            f" ({number_words(percent)} % better)" if percent >= 0 else f" ({number_words(-percent)} % worse)"
        )
    target = own.get("target_score", {}).get(review.scale)
    if now.below or (target is not None and now.score <= Decimal(target)):
        return "met", f"{words}, target met"
    if percent is None:
        return "unknown", words
    if own["target_percent"] is not None and percent >= own["target_percent"]:
        return "met", f"{words}, target of {own['target_percent']} % met"
    if percent >= table["good_percent"]:
        return "good", words
    change = (own["good_change"] or {}).get(review.scale)
    if change is not None:
        fall = before.score - now.score
        good = fall >= Decimal(change["fall"]) if "fall" in change else percent >= change["percent"]
        return ("fair" if good else "poor"), words
    return ("fair" if percent >= table["poor_percent"] else "poor"), words


def _response_verdict(code: str, way: _Way, state: FollowUp, knowledge: Knowledge) -> Verdict | None:
    """The response rule of one concern (REFERENCE.md §2.1)."""
    table = knowledge.tables["response"]
    done, total, most = way.count, way.signed.total, knowledge.tables["sessions_range"]["max"]
    review = _current_review(code, way, state) if done else None
    kind, words = ("none", "no review since the last session")
    concern = next(c for c in state.case.concerns if c.code == code)
    if review is not None:
        kind, words = _response(review, concern, way, knowledge)

    def say(decision: str, text: str, total: int | None = None) -> Verdict:
        return Verdict(
            decision,
            text,
            (f"{code}: {words}",),
            "§2.1",
            table["source"],
            table["grade"],
            total=total,
            concern=code,
        )

    if kind == "worse":
        return replace(
            say("stop", "The skin is worse than before: stop, and look for the reason."), concern=None
        )
    if kind in {"met", "good"}:
        if done >= table["finish_after"] or done >= total:
            return say("complete", "The target is reached: stop early, go on to maintenance.", done)
        if done >= table["review_after"]:
            return say(
                "continue",
                f"Finish session {table['finish_after']}, then maintenance.",
                table["finish_after"],
            )
        return None
    if kind == "poor":
        if done >= table["stop_poor_after"]:
            return say(
                "stop",
                "Too little response after five sessions: stop, think the diagnosis over, refer.",
                done,
            )
        if done >= total:
            return say(
                "stop",
                "Too little response after the last planned session: stop, think the diagnosis over. [K]",
                done,
            )
        if done >= table["review_after"]:
            return say(
                "adjust",
                "Less than a quarter better: check adherence and diagnosis, take the next cocktail, modality or depth in order.",
            )
        return None
    if done < total:
        return None
    if kind == "fair" and review is not None and review.wants_more:
        if done < most:
            return say(
                "extend",
                "Better, and both sides want more: one session more.",
                min(done + table["extend_by"], most),
            )
        grave = any(event.grade >= table["extra_needs_grade_below"] for event in state.events)
        if done < most + table["extra_after_max"] and not grave:
            return say(
                "extend", f"More than {most} sessions: only with a new signed version and a reason.", done + 1
            )
    return say("complete", "All planned sessions are done: final review and maintenance.", done)


# --- time -----------------------------------------------------------------------------------------------------------


def _lateness(way: _Way, state: FollowUp, knowledge: Knowledge) -> Verdict | None:
    """What a late course needs (REFERENCE.md §8.2); None while it is inside its window."""
    table = knowledge.tables["lateness"]
    if way.gap is None or way.last is None or not way.coming or way.gap <= way.signed.interval[2]:
        return None
    row = next(r for r in table["rows"] if r["up_to_days"] is None or way.gap <= r["up_to_days"])
    patient = any(
        part.cocktail in table["no_upper_limit_cocktails"]
        for _n, parts in way.signed.sessions
        for part in parts
    )
    because = (
        f"{way.gap} days since session {way.done[-1].number}, {way.signed.interval[2]} at most were planned",
    )

    def say(decision: str, text: str, total: int | None = None) -> Verdict:
        return Verdict(decision, text, because, "§8.2", table["source"], table["grade"], total=total)

    if row["do"] == "close":
        return say("close", row["text"])
    most = knowledge.tables["sessions_range"]["max"]
    add = row.get("add_sessions", 0) if not patient else 0
    # A version signed during the long pause has its added session already.
    before = table["rows"][table["rows"].index(row) - 1]["up_to_days"] if add else 0
    answered = state.signed_on is not None and (state.signed_on - way.last).days > before
    if add and way.count < row["when_done_below"] and way.signed.total + add <= most and not answered:
        return say("extend", f"{row['text']} One session is added.", way.signed.total + add)
    return say("continue", row["text"])


def _window(
    way: _Way, start: date, interval: tuple[int, int, int], knowledge: Knowledge
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


# --- what is given --------------------------------------------------------------------------------------------------


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
    if part.depth_mm is not None and candidate.depth_mm is not None:
        # Never deeper than today's caps: the candidate of today knows them.
        cap = _depth_cap(chosen, knowledge)
        candidate = with_depth(
            candidate, min(part.depth_mm, cap) if cap is not None else part.depth_mm, knowledge
        )
    return replace(chosen, candidate=candidate)


def _depth_cap(planned: Planned, knowledge: Knowledge) -> Decimal | None:
    from protocols.engine.recheck import depth_cap

    cap = depth_cap(planned.candidate, planned, knowledge)
    return cap[0] if cap else None


def _next_in_order(chosen: Chosen, case: Any, knowledge: Knowledge) -> tuple[str, str] | None:
    """The option after the one in use, in the indication's order."""
    if chosen.option is None:
        return None
    order = modality_order(chosen.assessed.concern, case, chosen.option.outcome, knowledge)

    def place(candidate: Candidate) -> tuple[int, int, str]:
        row = knowledge.cocktails[candidate.cocktail]
        return order.index(candidate.modality), row["order"].get(candidate.modality, 99), candidate.cocktail

    here = place(chosen.option.candidate)
    later = [o.candidate for o in chosen.others if o.free is not None and place(o.candidate) > here]
    if not later:
        return None
    best = min(later, key=place)
    return best.modality, best.cocktail


def _deepened(planned: Planned, knowledge: Knowledge) -> Planned | None:
    """One step deeper in the indication's row, where the caps allow it."""
    candidate = planned.candidate
    if candidate.modality != NEEDLING or candidate.depth_mm is None:
        return None
    row = knowledge.indications[candidate.indication]["needling_depth_mm"]
    cap = _depth_cap(planned, knowledge)
    steps = sorted({Decimal(d) for d in row.values() if d})
    deeper = [d for d in steps if d > candidate.depth_mm and (cap is None or d <= cap)]
    return replace(planned, candidate=with_depth(candidate, deeper[0], knowledge)) if deeper else None


def _current(state: FollowUp, today: date) -> dict[str, tuple[str, str]]:
    """(modality, cocktail) in use by concern."""
    found: dict[str, tuple[str, str]] = {}
    for index, course in enumerate(state.courses):
        way = _Way(index, course, state.done_in(index), today)
        for concern in course.concerns:
            part = way.part_of(concern)
            if part is not None:
                found.setdefault(concern, (part.modality, part.cocktail))
    return found


def _preferred(
    state: FollowUp, knowledge: Knowledge, today: date, before: Outcome
) -> dict[str, tuple[str, str]]:
    """Concerns whose patient now wants another modality, where today's facts would choose it."""
    wish = state.case.preferences.get("modality", "any")
    now = _current(state, today)
    if wish == "any" or all(modality == wish for modality, _cocktail in now.values()):
        return {}
    fresh = survey(state.case, knowledge, today, before=before)
    return {
        one.assessed.code: (one.option.candidate.modality, one.option.candidate.cocktail)
        for one in fresh.chosen
        if one.option is not None
        and one.option.candidate.modality == wish
        and now.get(one.assessed.code, (wish, ""))[0] != wish
    }


# --- the whole ------------------------------------------------------------------------------------------------------


def _verdicts(way: _Way, state: FollowUp, found: Survey, knowledge: Knowledge, today: date) -> list[Verdict]:
    """Everything that speaks about one course."""
    rows = _event_verdicts(way, state, knowledge, today)
    for finding in found.blocks:
        rows.append(
            Verdict(
                "stop",
                f"{finding.message} {finding.remedy}".strip(),
                finding.because,
                finding.rule,
                finding.source,
                finding.grade,
            )
        )
    rows += [
        verdict for code in way.signed.concerns if way.part_of(code) is not None
        for verdict in [_response_verdict(code, way, state, knowledge)] if verdict is not None
    ]  # fmt: skip
    late = _lateness(way, state, knowledge)
    if late is not None:
        rows.append(late)
    for one in found.chosen:
        if one.assessed.code not in way.signed.concerns or way.part_of(one.assessed.code) is None:
            continue
        if one.planned is None and not one.missing:
            why = one.declined or (("R60", "Nothing is left that may be given."),)
            rows += [
                Verdict("stop", text, (), rule, *knowledge.rule_source(rule), concern=one.assessed.code)
                for rule, text in dict(why).items()
            ]
        elif one.planned is None:
            rows.append(
                Verdict("hold", f"Missing: {', '.join(one.missing)}.", (), "R00", "DECISIONS.md B10", "K")
            )
    waits = [
        *found.plan.defers,
        *(d for one in found.chosen if one.assessed.code in way.signed.concerns for d in one.defers),
    ]
    for rule, until in waits:
        # The course's own interval is no reason to hold it.
        if rule == "R57" or (until is not None and until <= today):
            continue
        told = next((f for f in _all_findings(found) if f.rule == rule), None)
        text = f"{told.message} {told.remedy}".strip() if told else "Wait."
        because = told.because if told else ()
        rows.append(Verdict("hold", text, because, rule, *knowledge.rule_source(rule), until))
    return rows


def _all_findings(found: Survey) -> list[Finding]:
    return [*found.plan.findings, *(finding for one in found.chosen for finding in one.findings)]


def _laid_out(
    way: _Way,
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
    strongest = min(whole, key=lambda v: _ORDER.index(v.decision), default=None)
    decision = strongest.decision if strongest else "continue"
    steps = [verdict.step for verdict in sorted(verdicts, key=lambda v: _ORDER.index(v.decision))]
    if decision in {"stop", "close", "complete"}:
        followed = Followed(decision, way.count, way.signed.concerns, tuple(_left_out(way, strongest)))
        return Course(
            (), way.signed.interval, (), tuple(steps), found.start, False, (), way.count + 1, followed
        ), strongest
    rows = [
        tuple(part for part in parts if part.concern not in ended and part.concern in planned)
        for _number, parts in way.coming
    ]
    totals = [v.total for v in verdicts if v.total is not None and v.concern not in ended]
    lifetime = _lifetime(way, found, knowledge)
    if lifetime is not None and lifetime < way.signed.total:
        totals.append(max(lifetime, way.count))
    signed_rows = [parts for _number, parts in way.coming]
    for total in totals:
        left = max(0, total - way.count)
        while rows and len(rows) > left and total < way.signed.total:
            rows.pop()
        while len(rows) < left and total > way.signed.total:
            again = rows or [
                tuple(
                    p for p in way.signed.sessions[-1][1] if p.concern not in ended and p.concern in planned
                )
            ]
            period = 2 if len(again) > 1 and _concerns(again[-1]) != _concerns(again[-2]) else 1
            rows.append(again[-period])
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
        followed = Followed("complete", way.count, way.signed.concerns, ())
        return Course(
            (), way.signed.interval, (), tuple(steps), found.start, False, (), way.count + 1, followed
        ), strongest
    interval = _interval(way, made)
    start = _start(way, sessions[0], interval, held, knowledge)
    windows = (_window(way, start, interval, knowledge), *((interval,) * (len(sessions) - 1)))
    changes = _changes(way, signed_rows, sessions, interval, verdicts, knowledge)
    adjusted = any(row["what"] in {"cocktail", "modality", "depth", "composition"} for row in changes)
    if decision in {"continue", "extend"} and adjusted:
        decision = "adjust"
    followed = Followed(decision, way.count, way.signed.concerns, tuple(changes))
    own = [step for member in made[:2] for step in member.steps if step.step != "sessions"]
    total = way.count + len(sessions)
    steps.append(
        Step(
            "sessions",
            f"{way.count} done, {len(sessions)} to come, {total} in all.",
            (),
            None,
            "REFERENCE.md §2.1, §8.2",
            "K",
        )
    )
    course = Course(
        members=tuple(made), interval=interval, sessions=tuple(sessions), steps=(*steps, *notes, *own),
        start_earliest=start, own_row=any(p.candidate.own_row for p in made), windows=windows,
        first_number=way.count + 1, followed=followed,
    )  # fmt: skip
    return course, strongest


def _lifetime(way: _Way, found: Survey, knowledge: Knowledge) -> int | None:
    """The most sessions this course may have by the label's lifetime number; None where there is none (R81, E8)."""
    parts = [part for _number, parts in way.signed.sessions for part in parts]
    if not any(knowledge.is_dc(part.cocktail) for part in parts):
        return None
    had = knowledge.dc_sessions_had(found.case.facts)
    return int(knowledge.tables["dc"]["lifetime_sessions"]) - had


def _concerns(parts: Sequence[SignedPart]) -> list[str]:
    return [part.concern for part in parts]


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
            if most is not None and mine and mine + (theirs or 0) > most:
                share = max(Decimal(0), most - (theirs or Decimal(0))) / mine
                volume = min(volume, second.candidate.volume_ml * share)
    volume = volume.quantize(Decimal("0.1"), ROUND_DOWN) if volume < second.candidate.volume_ml else volume
    if volume <= 0:
        return (first,)
    return (first, replace(second, candidate=with_volume(second.candidate, volume, found.case, knowledge)))


def _interval(way: _Way, made: Sequence[Planned]) -> tuple[int, int, int]:
    """The signed interval, never shorter than what the parts of today need."""
    needed = made[0].candidate.interval
    for one in made[1:]:
        needed = strictest(needed, one.candidate.interval)
    least, target, most = way.signed.interval
    if least >= needed[0] and target >= needed[1]:
        return way.signed.interval
    least, target = max(least, needed[0]), max(target, needed[1])
    return (least, target, max(target, most))


def _start(
    way: _Way,
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
        before = next((parts for number_, parts in way.signed.sessions if number_ == way.done[-1].number), ())
        for old in way.done[-1].parts or before:
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


def _left_out(way: _Way, verdict: Verdict | None) -> list[dict[str, Any]]:
    left = [number_ for number_, _parts in way.coming]
    if not left or verdict is None:
        return []
    return [
        {"what": "sessions", "concern": None, "sessions": left, "from": str(way.signed.total), "to": str(way.count),
         "text": f"Sessions {', '.join(map(str, left))} are left out.", "rule": verdict.rule, "because": list(verdict.because)}
    ]  # fmt: skip


def _changes(
    way: _Way,
    signed: Sequence[tuple[SignedPart, ...]],
    sessions: Sequence[tuple[Planned, ...]],
    interval: tuple[int, int, int],
    verdicts: Sequence[Verdict],
    knowledge: Knowledge,
) -> list[dict[str, Any]]:
    """The difference to the plan before, one row for each thing that changes."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    reasons = sorted(verdicts, key=lambda v: _ORDER.index(v.decision))
    rule = reasons[0].rule if reasons else None
    because = list(reasons[0].because) if reasons else []

    def say(
        what: str,
        concern: str | None,
        number_: int | None,
        old: str,
        new: str,
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
                say("volume", candidate.concern, at, number(part.volume_ml) or "", number(candidate.volume_ml) or "",
                    f"{number_words(candidate.volume_ml)} mL, not {number_words(part.volume_ml)} mL.", "R60")  # fmt: skip
            if (
                part.depth_mm is not None
                and candidate.depth_mm is not None
                and part.depth_mm != candidate.depth_mm
            ):
                say("depth", candidate.concern, at, number(part.depth_mm) or "", number(candidate.depth_mm) or "",
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


def resurvey(
    state: FollowUp, knowledge: Knowledge, today: date, wanted: Mapping[str, tuple[str, str]] | None = None
) -> Survey:
    """Decide and lay out. `wanted`: (modality, cocktail) by concern, as the physician chose it."""
    state = replace(state, case=replace(state.case, today=today))
    before = _effects_of_events(state, knowledge, today)
    ways = [_Way(index, course, state.done_in(index), today) for index, course in enumerate(state.courses)]
    use = _current(state, today)
    wish = _preferred(state, knowledge, today, before)
    use |= wish
    use |= dict(wanted or {})
    found = survey(state.case, knowledge, today, use, before)
    notes: dict[str, list[Step]] = {}
    deepen: set[str] = set()
    for way in ways:
        for code in way.signed.concerns:
            verdict = _response_verdict(code, way, state, knowledge) if way.part_of(code) else None
            if verdict is None or verdict.decision != "adjust" or code in (wanted or {}) or code in wish:
                continue
            one = next(c for c in found.chosen if c.assessed.code == code)
            following = _next_in_order(one, found.case, knowledge)
            if following is not None:
                use[code] = following
                notes.setdefault(code, []).append(
                    Step("cocktail", f"{following[1]} is next in order after {way.part_of(code).cocktail}.",  # type: ignore[union-attr]
                         verdict.because, "§2.1", verdict.source, verdict.grade)
                )  # fmt: skip
            else:
                deepen.add(code)
    if notes:
        found = survey(state.case, knowledge, today, use, before)
    planned = {one.assessed.code: one.planned for one in found.chosen if one.planned is not None}
    for code in deepen & planned.keys():
        deeper = _deepened(planned[code], knowledge)
        if deeper is not None:
            planned[code] = deeper
    courses, said, ended, rows = [], [], [], []
    for way in ways:
        verdicts = _verdicts(way, state, found, knowledge, today)
        if any(code in wish for code in way.signed.concerns):
            verdicts.append(
                Verdict("adjust", "The patient now prefers another modality, and it is allowed.", ("preference",),
                        "§12.0", "REFERENCE.md §12.0", "K")
            )  # fmt: skip
        own = [step for code in way.signed.concerns for step in notes.get(code, ())]
        course, strongest = _laid_out(way, verdicts, planned, found, knowledge, own)
        courses.append(course)
        rows.append((way, verdicts, strongest, course))
    for way, verdicts, strongest, course in rows:
        said += _said(way, verdicts, course, knowledge)
        ended += _ended(way, verdicts, course, strongest)
    return replace(
        found, courses=(*courses, *found.extra), said=tuple(said), ended=tuple(ended) + _never_planned(found, ways),
        settled=_settled(rows, found), later=(), until=None,
    )  # fmt: skip


def _said(way: _Way, verdicts: Sequence[Verdict], course: Course, knowledge: Knowledge) -> list[Finding]:
    """The decisions as findings, but for those that a rule's own finding tells already."""
    scope = (
        "/".join(way.signed.concerns) if len(way.signed.concerns) == 1 else " + ".join(way.signed.concerns)
    )
    found = []
    for verdict in verdicts:
        if verdict.rule.startswith("R"):
            continue
        level = "block" if verdict.decision in {"stop", "close", "hold"} else "info"
        if verdict.decision == "complete":
            level = "info"
        found.append(
            Finding(
                level,
                verdict.rule,
                scope,
                verdict.text,
                "",
                verdict.until,
                verdict.source,
                verdict.grade,
                verdict.because,
            )
        )
    most = knowledge.tables["sessions_range"]["max"]
    total = way.count + len(course.sessions)
    if course.sessions and total > most and total > way.signed.total:
        found.append(
            Finding("warn", "R81", scope, f"{total} sessions in all: a course has {most} at most.",
                    "Write why this patient needs more.", None, *knowledge.rule_source("R81"))
        )  # fmt: skip
    return found


def _ended(
    way: _Way, verdicts: Sequence[Verdict], course: Course, strongest: Verdict | None
) -> list[dict[str, Any]]:
    """Declined rows: concerns that get no further session for a reason of safety or response."""
    found = []
    for code in way.signed.concerns:
        own = [v for v in verdicts if v.decision in {"stop", "close"} and v.concern in {None, code}]
        if not own or (course.sessions and all(v.concern is None for v in own)):
            continue
        found.append(
            {"concern": code, "rules": list(dict.fromkeys(v.rule for v in own)),
             "message": " ".join(dict.fromkeys(v.text for v in own))}
        )  # fmt: skip
    return found


def _never_planned(found: Survey, ways: Sequence[_Way]) -> tuple[dict[str, Any], ...]:
    """Concerns of today's case that are in no course: declined ones keep their reason, others are for a new plan."""
    known = {code for way in ways for code in way.signed.concerns}
    return tuple(
        declined_rows([one for one in found.chosen if one.assessed.code not in known and one.declined], ())
    )


def _settled(
    rows: Sequence[tuple[_Way, list[Verdict], Verdict | None, Course]], found: Survey
) -> tuple[str, date | None]:
    """Status of the whole: proposed when something goes on or all is completed, deferred on hold, else declined."""
    going = [row for row in rows if row[3].sessions]
    if going:
        open_rows = [row for row in going if row[3].followed and row[3].followed.decision != "hold"]
        if open_rows:
            return "proposed", None
        dates = [v.until for _w, verdicts, _s, _c in going for v in verdicts if v.decision == "hold"]
        return "deferred", None if None in dates else max(d for d in dates if d is not None)
    decisions = {row[3].followed.decision for row in rows if row[3].followed}
    if "stop" in decisions:
        return "declined", None
    if "close" in decisions:
        return "deferred", None
    return "proposed", None


def replan(state: FollowUp, knowledge: Knowledge, today: date) -> Proposal:
    """Continue, adjust, hold, extend or end a plan under way.

    Total, deterministic and pure like `propose`. The answer has its form; each course lists the sessions still to
    come and adds `decision`, `sessions_done`, `sessions_total` and `changes`.
    """
    found = resurvey(state, knowledge, today)
    return answer(found, found.courses, knowledge)
