"""The standing watch, pure part: what speaks today against the sessions still to come of a signed plan.

The plan is checked as it was signed: its choice, volumes, depths, cream and windows are pinned, sessions done count
no more, and nothing new is proposed. `speaking` lists blocks and warnings of today, `compare` says which are new.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from protocols.engine.courses import Course, Planned, comforts
from protocols.engine.following import FollowUp
from protocols.engine.knowledge import Knowledge
from protocols.engine.proposing import Survey
from protocols.engine.recheck import Edits, Rechecked, recheck_survey
from protocols.engine.replan import resurvey
from protocols.engine.words import number_words

#: Levels that ask a person to act, and how grave each is.
GRAVITY = {"info": 0, "warn": 1, "block": 2}
SERIOUS = frozenset({"warn", "block"})
_SESSION = re.compile(r"^Session \d+: ")
_NEW_VERSION = "Make a new version of the plan without it, or stop the course."


@dataclass(frozen=True, slots=True)
class Seen:
    """A finding about a signed plan, in the form in which findings are compared."""

    level: str
    rule: str
    scope: str
    message: str
    remedy: str = ""
    earliest: str | None = None
    source: str = ""
    grade: str = "K"
    because: tuple[str, ...] = ()
    path: str = ""

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> "Seen":
        """From a finding as plans and alerts store it."""
        return cls(
            row["level"], row["rule"], row["scope"], row["message"], row.get("remedy") or "", row.get("earliest"),
            row.get("source") or "", row.get("grade") or "K", tuple(row.get("because") or ()), row.get("path") or "",
        )  # fmt: skip

    @property
    def key(self) -> str:
        """Names the finding: these very words on this level."""
        text = "|".join((self.level, self.rule, self.scope, self.path, self.message))
        return f"{self.rule}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"

    @property
    def sentence(self) -> str:
        """The message without its facts: the same for every patient to whom the rule says this."""
        if self.rule == "R00":
            return "R00"
        facts = "; ".join(self.because)
        return self.message.replace(facts, "{fact}") if facts else self.message


def covers(known: Seen, seen: Seen) -> bool:
    """Whether who has dealt with `known` has dealt with `seen`: no graver, the same rule, no further reason.

    Fewer reasons than before (one of two medicines was stopped, one more fact was asked) are nothing new.
    """
    if GRAVITY[known.level] < GRAVITY[seen.level] or (known.rule, known.scope) != (seen.rule, seen.scope):
        return False
    if (known.message, known.path) == (seen.message, seen.path):
        return True
    fewer = bool(seen.because) and set(seen.because) <= set(known.because)
    return fewer and known.sentence == seen.sentence and known.path == seen.path


@dataclass(frozen=True, slots=True)
class Standing:
    """An alert that is open. `settled`: a warning that was acknowledged with its reason."""

    seen: Seen
    settled: bool


@dataclass(frozen=True, slots=True)
class Change:
    """What a re-check does to the alerts of a plan; `closed` are keys of open ones."""

    raised: tuple[Seen, ...]
    closed: tuple[str, ...]


def compare(found: Iterable[Seen], signed: Iterable[Seen], open_alerts: Iterable[Standing]) -> Change:
    """Which findings of today are new, and which open alerts nothing speaks for any more.

    A finding that the signature covered is never new. One that an acknowledged warning covers keeps that alert.
    Applying the change and comparing again changes nothing.
    """
    known = tuple(signed)
    standing = {alert.seen.key: alert for alert in open_alerts}
    settled = [alert for alert in standing.values() if alert.settled]
    raised: dict[str, Seen] = {}
    kept: set[str] = set()
    for seen in found:
        if seen.level not in SERIOUS or any(covers(one, seen) for one in known):
            continue
        if seen.key in standing:
            kept.add(seen.key)
            continue
        dealt_with = [alert.seen.key for alert in settled if covers(alert.seen, seen)]
        if dealt_with:
            kept.update(dealt_with)
        else:
            raised.setdefault(seen.key, seen)
    return Change(tuple(raised.values()), tuple(key for key in standing if key not in kept))


# --- the plan as signed -----------------------------------------------------------------------------------------------


def speaking(
    state: FollowUp, signed: Sequence[tuple[int, Mapping[str, Any]]], knowledge: Knowledge, today: date
) -> tuple[Seen, ...]:
    """Every block and warning of today about the sessions still to come of a plan, each once.

    `signed` are the plan's courses in the order of `state.courses`, each with its place in the plan's content.
    Pure and total. A plan with no session to come has only what its adverse events and the rules say of the patient.
    """
    found = resurvey(state, knowledge, today, _choice(state))
    # Courses that end have no sessions, and recheck looks at sessions: they speak through `ended`.
    going = [(index, course) for index, course in enumerate(found.courses) if course.sessions]
    coming = {
        index: _coming(index, signed[index][1], state) for index, _course in going if index < len(signed)
    }
    going = [(index, course) for index, course in going if index in coming]
    pins: list[Edits] = []
    rows: list[Seen] = []
    for place, (index, course) in enumerate(going):
        rows += _lost(course, coming[index], found, knowledge)
        pins.append(_pins(place, course, coming[index], found, knowledge))
    checked = recheck_survey(
        replace(found, courses=tuple(course for _index, course in going)), knowledge, _together(pins)
    )
    numbers = {}
    for place, (index, _course) in enumerate(going):
        where, content = signed[index]
        order = [row["number"] for row in content["sessions"]]
        numbers[place] = (where, [order.index(row["number"]) for row in coming[index]])
    rows += _findings(checked, numbers)
    rows += _ended(found, state, rows)
    unique: dict[str, Seen] = {}
    for row in rows:
        if row.level in SERIOUS:
            unique.setdefault(row.key, row)
    return tuple(sorted(unique.values(), key=lambda row: -GRAVITY[row.level]))


def _coming(index: int, course: Mapping[str, Any], state: FollowUp) -> list[Mapping[str, Any]]:
    had = {row.number for row in state.done_in(index)}
    return [session for session in course["sessions"] if session["number"] not in had]


def _choice(state: FollowUp) -> dict[str, tuple[str, str]]:
    """(modality, cocktail) of each concern as signed: the next session's, or the last one's."""
    chosen: dict[str, tuple[str, str]] = {}
    for index, course in enumerate(state.courses):
        had = {row.number for row in state.done_in(index)}
        # Coming sessions first, then those done, the newest first.
        order = sorted(
            course.sessions, key=lambda row: (row[0] in had, row[0] if row[0] not in had else -row[0])
        )
        for _number, parts in order:
            for part in parts:
                chosen.setdefault(part.concern, (part.modality, part.cocktail))
    return chosen


def _same(planned: Planned, part: Mapping[str, Any]) -> bool:
    candidate = planned.candidate
    return (candidate.modality, candidate.cocktail) == (part["modality"], part["cocktail"])


def _pairs(
    course: Course, coming: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[int, int, Planned, Mapping[str, Any], Mapping[str, Any]]]:
    """(session, part) places of today's course with its part, the signed session and the signed part."""
    for number, (parts, session) in enumerate(zip(course.sessions, coming, strict=False)):
        own = {part["concern"]: part for part in session["parts"]}
        for place, planned in enumerate(parts):
            part = own.get(planned.candidate.concern)
            if part is not None:
                yield number, place, planned, session, part


def _comfort(session: Mapping[str, Any], part: Mapping[str, Any]) -> Mapping[str, Any]:
    return part.get("anaesthetic") or session["anaesthetic"]


def _pins(
    index: int, course: Course, coming: Sequence[Mapping[str, Any]], found: Survey, knowledge: Knowledge
) -> Edits:
    """The signed volumes, depths, cream and windows as edits, so that a passed limit is told and not trimmed away."""
    values: dict[tuple[int, int, int, str], Decimal] = {}
    windows: dict[tuple[int, int], tuple[int, int, int]] = {}
    for number, place, planned, session, part in _pairs(course, coming):
        if not _same(planned, part):
            continue
        at = (index, number, place)
        values[(*at, "volume_ml")] = Decimal(part["volume_ml"])
        if part.get("depth_mm") is not None and planned.candidate.depth_mm is not None:
            values[(*at, "depth_mm")] = Decimal(part["depth_mm"])
        comfort = _comfort(session, part)
        today = comforts(course.sessions[number], found.case, knowledge)[0][place]
        if comfort.get("grams") is not None and comfort.get("product") == today.product:
            values[(*at, "grams")] = Decimal(comfort["grams"])
    for number, session in enumerate(coming[: len(course.sessions)]):
        if number > 0 or course.first_number > 1:
            days = session["window_days"]
            windows[index, number] = (days["earliest"], days["target"], days["latest"])
    return Edits(windows=windows, values=values)


def _together(pins: Sequence[Edits]) -> Edits:
    return Edits(
        windows={key: days for one in pins for key, days in one.windows.items()},
        values={key: value for one in pins for key, value in one.values.items()},
    )


# --- what may no longer be given --------------------------------------------------------------------------------------


def _block(rule: str, scope: str, message: str, remedy: str, knowledge: Knowledge, *because: str) -> Seen:
    source, grade = knowledge.rule_source(rule)
    return Seen("block", rule, scope, message, remedy, None, source, grade, because)


def _lost(
    course: Course, coming: Sequence[Mapping[str, Any]], found: Survey, knowledge: Knowledge
) -> Iterator[Seen]:
    """What was signed and today's facts take away: a way of treating, an agent, an anaesthetic, a dose.

    A new proposal only leaves these out and says so as info; for a plan that is signed they are blocks.
    """
    for number, place, planned, session, part in _pairs(course, coming):
        concern, candidate = part["concern"], planned.candidate
        if not _same(planned, part):
            yield _other_way(part, found, knowledge)
            continue
        now = {row.agent: row for row in candidate.components}
        for component in part["components"]:
            agent, name = component["agent"], knowledge.label(component["agent"])
            if agent not in now:
                whys = planned.outcome.agents.get(agent) or found.plan.agents.get(agent) or [("R48", "")]
                rule, why = whys[0]
                text = f"{name} in {part['cocktail']} may no longer be given. {why}".strip()
                yield _block(rule, concern, text, _NEW_VERSION, knowledge)
                continue
            signed_mg, limit, now_mg = component.get("dose_mg"), now[agent].limit_mg, now[agent].dose_mg
            if signed_mg is None or limit is None or now_mg is None or now_mg > limit:
                continue  # the limits of the recheck tell it
            if Decimal(signed_mg) > limit:
                # The catalogue changed the strength: the signed dose itself is too much.
                text = f"{name} {number_words(Decimal(signed_mg))} mg as signed is above {number_words(limit)} mg."
                yield _block("R60", concern, text, "Make a new version of the plan.", knowledge)
        product = str(_comfort(session, part).get("product"))
        rules = planned.outcome.products.get(product) or found.plan.products.get(product)
        if rules and product != comforts(course.sessions[number], found.case, knowledge)[0][place].product:
            why = next((f.message for f in _told(found) if f.rule in rules), "")
            text = f"{knowledge.label(product)} may no longer be used. {why}".strip()
            yield _block(rules[0], concern, text, "Choose another anaesthetic in a new version.", knowledge)


def _told(found: Survey) -> list[Any]:
    return [*found.plan.findings, *(finding for one in found.chosen for finding in one.findings)]


def _other_way(part: Mapping[str, Any], found: Survey, knowledge: Knowledge) -> Seen:
    """The signed modality and cocktail are refused today."""
    name = f"{knowledge.label(part['modality'])}, {part['cocktail']}"
    one = next((c for c in found.chosen if c.assessed.code == part["concern"]), None)
    refusal = next((r for r in (one.refusals if one else ()) if r.candidate == name), None)
    rule = refusal.rules[0] if refusal and refusal.rules else "R59"
    why = refusal.reason if refusal else "Today's facts lead to another way of treating."
    return _block(rule, part["concern"], f"{name} may no longer be given. {why}", "Plan it anew.", knowledge)


def _ended(found: Survey, state: FollowUp, rows: Sequence[Seen]) -> Iterator[Seen]:
    """Concerns of the plan that today's rules decline; a new proposal tells it as info."""
    treated = {code for course in state.courses for code in course.concerns}
    told = {row.rule for row in rows if row.level == "block"}
    knowledge = found.base.knowledge
    for row in found.ended:
        if row["concern"] in treated and not told & set(row["rules"]):
            rule = row["rules"][0] if row["rules"] else "R60"
            yield _block(rule, row["concern"], row["message"], "Stop the course, or plan it anew.", knowledge)


def _findings(checked: Rechecked, numbers: Mapping[int, tuple[int, Sequence[int]]]) -> Iterator[Seen]:
    """The findings of the recheck, with paths that count sessions as the signed plan does."""
    for row in checked.findings():
        seen = Seen.from_dict(row)
        if _SESSION.match(seen.message):
            # The same limit passed in every session is one alert, and stays the same one as sessions get done.
            yield replace(seen, message=_SESSION.sub("", seen.message), path="")
        elif seen.path and seen.path[0].isdigit():
            yield replace(seen, path=_signed_path(seen.path, numbers))
        else:
            yield seen


def _signed_path(path: str, numbers: Mapping[int, tuple[int, Sequence[int]]]) -> str:
    course, _dot, rest = path.partition(".")
    index, own = numbers[int(course)]
    session, dot, name = rest.partition(".")
    if session.isdigit() and int(session) < len(own):
        session = str(own[int(session)])
    return f"{index}.{session}{dot}{name}"
