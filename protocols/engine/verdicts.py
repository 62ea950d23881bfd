"""What speaks about a course under way: adverse events, response by scale, time. Sources: REFERENCE.md §2.1, §8.2, §9."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from protocols.engine.candidates import NEEDLING
from protocols.engine.courses import Step
from protocols.engine.effects import Outcome
from protocols.engine.following import AdverseEvent, Done, FollowUp, Review, SignedCourse, SignedPart
from protocols.engine.knowledge import Knowledge
from protocols.engine.scales import score
from protocols.engine.words import day_words, number_words

#: The strongest decision about a course wins.
STRENGTH = ("stop", "close", "complete", "hold", "adjust", "extend", "continue")


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
class Way:
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


def effects_of_events(state: FollowUp, knowledge: Knowledge, today: date) -> Outcome:
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


def _touches(event: AdverseEvent, way: Way) -> bool:
    """Whether an event belongs to a course; one without place belongs to all."""
    if event.course is not None:
        return event.course == way.index
    return event.area is None or any(event.area == concern.split("/")[1] for concern in way.signed.concerns)


def event_verdicts(way: Way, state: FollowUp, knowledge: Knowledge, today: date) -> list[Verdict]:
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


def _current_review(concern: str, way: Way, state: FollowUp) -> Review | None:
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


def _response(review: Review, concern: Any, way: Way, knowledge: Knowledge) -> tuple[str, str]:
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


def response_verdict(code: str, way: Way, state: FollowUp, knowledge: Knowledge) -> Verdict | None:
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


def lateness(way: Way, state: FollowUp, knowledge: Knowledge, *, ends: bool = False) -> Verdict | None:
    """What a late course needs (REFERENCE.md §8.2); None while it is inside its window.

    Nothing is added to a course that `ends` at a session by the response (§2.1).
    """
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
    fits = add and way.count < row["when_done_below"] and way.signed.total + add <= most
    if fits and not answered and not ends:
        return say("extend", f"{row['text']} One session is added.", way.signed.total + add)
    return say("continue", row["text"])
