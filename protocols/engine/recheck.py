"""Check a plan as the physician changed it: the same rules, doses and sums, and every limit that is passed.

An edit is data (`Edits`): which alternative was chosen, how many sessions, which windows, and the volume, depth
and cream of single parts. The course is laid out again from the survey with the edits on it, so a changed value
never travels with a stale dose.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from protocols.engine.anaesthesia import most_grams, visit_grams
from protocols.engine.answer import number
from protocols.engine.candidates import (
    JET,
    NEEDLING,
    Candidate,
    area_max_ml,
    with_depth,
    with_volume,
)
from protocols.engine.case import Case
from protocols.engine.courses import Course, Planned, comforts, strictest
from protocols.engine.effects import Finding
from protocols.engine.knowledge import Knowledge
from protocols.engine.proposing import Proposal, Survey, answer, survey
from protocols.engine.words import number_words

#: A single value of a part of a session that a physician may change.
FIELDS = ("volume_ml", "depth_mm", "grams")
_PATH = re.compile(r"\d{1,2}\.\d{1,2}\.\d{1,2}")
_HIGHEST = Decimal(1000)
MAX_SESSIONS = 12


class EditFault(Exception):
    """An edit that can't be read: `path` names it, the text says what to enter."""

    def __init__(self, path: str, message: str) -> None:
        self.path = path
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Edits:
    """What the physician changed. Courses, sessions and parts count from 0."""

    choice: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # concern: (modality, cocktail)
    sessions: Mapping[int, int] = field(default_factory=dict)  # course: number of sessions
    windows: Mapping[tuple[int, int], tuple[int, int, int]] = field(default_factory=dict)
    values: Mapping[tuple[int, int, int, str], Decimal] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Edits":
        """Read the stored form. Raises EditFault with the path of the first value that is none."""
        choice = {str(c): (str(m), str(k)) for c, (m, k) in data.get("choice", {}).items()}
        sessions = {}
        for course, count in data.get("sessions", {}).items():
            if not isinstance(count, int) or not 1 <= count <= MAX_SESSIONS:
                raise EditFault(f"sessions.{course}", f"Enter 1 to {MAX_SESSIONS} sessions")
            sessions[int(course)] = count
        windows = {}
        for path, days in data.get("windows", {}).items():
            course, session = (int(n) for n in path.split("."))
            least, target, most = days
            if not 0 <= least <= target <= most <= 366:
                raise EditFault(
                    f"windows.{path}", "Enter days in order: earliest, target, latest, none above 366"
                )
            windows[course, session] = (least, target, most)
        values = {}
        for path, row in data.get("values", {}).items():
            if not _PATH.fullmatch(path):
                raise EditFault(f"values.{path}", "Unknown value")
            course, session, part = (int(n) for n in path.split("."))
            for name, text in row.items():
                values[course, session, part, name] = _decimal(f"values.{path}.{name}", name, text)
        return cls(choice, sessions, windows, values)

    def to_dict(self) -> dict[str, Any]:
        """The stored form: JSON, decimals as text."""
        values: dict[str, dict[str, str]] = {}
        for (course, session, part, name), value in self.values.items():
            values.setdefault(f"{course}.{session}.{part}", {})[name] = format(value, "f")
        return {
            "choice": {concern: list(pair) for concern, pair in self.choice.items()},
            "sessions": {str(course): count for course, count in self.sessions.items()},
            "windows": {f"{c}.{s}": list(days) for (c, s), days in self.windows.items()},
            "values": values,
        }


def _decimal(path: str, name: str, text: object) -> Decimal:
    if name not in FIELDS:
        raise EditFault(path, "Unknown value")
    unit = {"volume_ml": "mL", "depth_mm": "mm", "grams": "g"}[name]
    try:
        value = Decimal(str(text).strip().replace(",", "."))
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or not 0 <= value < _HIGHEST or value.normalize().as_tuple().exponent < -3:  # type: ignore[operator]
        raise EditFault(path, f"Enter a number of {unit}, not negative, such as 2.5")
    if name == "volume_ml" and value == 0:
        raise EditFault(path, "Enter more than 0 mL, or take the session out")
    return value


@dataclass(frozen=True, slots=True)
class Limit:
    """A value beside its limit, for the bars: `share` of the limit in percent."""

    path: str
    label: str
    value: Decimal
    limit: Decimal
    unit: str
    session: int

    @property
    def over(self) -> bool:
        return self.value > self.limit

    @property
    def share(self) -> int:
        if self.limit == 0:
            return 100 if self.value > 0 else 0
        return int(self.value * 100 / self.limit)

    def to_dict(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "label": self.label,
            "value": number(self.value),
            "limit": number(self.limit),
            "unit": self.unit,
            "session": self.session,
            "share": self.share,
            "over": self.over,
        }


@dataclass(frozen=True, slots=True)
class Fault:
    """A limit that an edit passes: a finding with the value's path and the value that would fit."""

    finding: Finding
    path: str
    fits: str | None

    def to_dict(self) -> dict[str, Any]:
        return self.finding.to_dict() | {"path": self.path, "fits": self.fits}


@dataclass(frozen=True, slots=True)
class Rechecked:
    """The plan laid out again with the edits on it."""

    proposal: Proposal
    faults: tuple[Fault, ...]
    limits: tuple[Limit, ...]

    def findings(self) -> list[dict[str, Any]]:
        """All findings, blocks first, then in rule order; those of edits carry `path` and `fits`."""
        rows = [f.to_dict() for f in self.faults] + [f.to_dict() for f in self.proposal.findings]
        return sorted(rows, key=lambda row: ("block", "warn", "info").index(row["level"]))


def _edited(
    planned: Planned, at: tuple[int, int, int], edits: Edits, case: Case, knowledge: Knowledge
) -> Planned:
    """One part with the physician's volume, depth and cream; doses and points follow the volume."""
    candidate = planned.candidate
    volume = edits.values.get((*at, "volume_ml"))
    depth = edits.values.get((*at, "depth_mm"))
    grams = edits.values.get((*at, "grams"))
    if volume is not None:
        candidate = with_volume(candidate, volume, case, knowledge)
    if depth is not None:
        candidate = with_depth(candidate, depth, knowledge)
    if candidate is planned.candidate and grams is None:
        return planned
    return replace(planned, candidate=candidate, grams=grams)


def _resized(course: Course, count: int | None) -> tuple[tuple[Planned, ...], ...]:
    """The sessions cut or continued in the course's own pattern (alternating parts go on alternating)."""
    sessions = course.sessions
    if count is None or count == len(sessions):
        return sessions
    if count < len(sessions):
        return sessions[:count]
    period = 2 if len(sessions) > 1 and sessions[-1] != sessions[-2] else 1
    rows = list(sessions)
    while len(rows) < count:
        rows.append(rows[-period])
    return tuple(rows)


def _with_edits(index: int, course: Course, edits: Edits, case: Case, knowledge: Knowledge) -> Course:
    if not course.sessions:
        return course
    rows = _resized(course, edits.sessions.get(index))
    kept: list[Planned] = []
    sessions = []
    for number_, parts in enumerate(rows):
        made = []
        for place, planned in enumerate(parts):
            one = _edited(planned, (index, number_, place), edits, case, knowledge)
            same = next((known for known in kept if known == one), None)
            if same is None:
                kept.append(one)
            made.append(same or one)
        sessions.append(tuple(made))
    # A deeper needle needs longer pauses: the interval follows the edited parts.
    interval = course.interval
    for one in kept:
        interval = strictest(interval, one.candidate.interval)
    first = (0, 0, int(knowledge.tables["first_session_latest_days"]["days"]))
    if course.windows:
        first = course.windows[0]
    windows = tuple(
        edits.windows.get((index, n), first if n == 0 else interval) for n in range(len(sessions))
    )
    return replace(course, members=tuple(kept), sessions=tuple(sessions), windows=windows, interval=interval)


def depth_cap(candidate: Candidate, planned: Planned, knowledge: Knowledge) -> tuple[Decimal, str] | None:
    """(deepest mm, rule) for a part; None where depth is not set. Sources: REFERENCE.md §5.3 and the capping rules."""
    area = knowledge.areas[candidate.area]
    if candidate.modality == NEEDLING:
        caps = [(Decimal(area["needling_cap_mm"]), "R60"), *planned.outcome.caps]
    elif candidate.modality == JET or candidate.depth_mm is None:
        return None
    elif knowledge.is_dc(candidate.cocktail):
        caps = [(Decimal(knowledge.tables["dc"]["depth_mm"]), "R60")]
    else:
        caps = [(Decimal(area["syringe_cap_mm"]), "R60"), *planned.outcome.syringe_limit]
    return min(caps)


def _block(
    rule: str, scope: str, message: str, remedy: str, knowledge: Knowledge, *, level: str = "block"
) -> Finding:
    source, grade = knowledge.rule_source(rule)
    return Finding(level, rule, scope, message, remedy, None, source, grade)


def _limits_of_session(
    index: int, number_: int, parts: Sequence[Planned], case: Case, knowledge: Knowledge
) -> Iterator[Limit]:
    """Every limit that one session meets: volume, depth and agents by part, agents and volume of the visit, E."""
    agents: dict[str, list[Any]] = {}
    for place, planned in enumerate(parts):
        candidate, at = planned.candidate, f"{index}.{number_}.{place}"
        area = knowledge.label(candidate.area).lower()
        how = knowledge.label(candidate.modality).lower()
        most = area_max_ml(candidate.area, candidate.modality, candidate.cocktail, knowledge)
        yield Limit(f"{at}.volume_ml", f"Volume, {how}, {area}", candidate.volume_ml, most, "mL", number_)
        cap = depth_cap(candidate, planned, knowledge)
        if cap is not None and candidate.depth_mm is not None:
            yield Limit(f"{at}.depth_mm", f"Depth, {area}", candidate.depth_mm, cap[0], "mm", number_)
        for part in candidate.components:
            agents.setdefault(part.agent, []).append((at, part))
    for agent, rows in agents.items():
        at, first = rows[0]
        name = knowledge.label(agent)
        if first.limit_mg is not None:
            dose = sum((part.dose_mg or Decimal(0) for _at, part in rows), Decimal(0))
            yield Limit(f"{at}.volume_ml", f"{name}, session", dose, first.limit_mg, "mg", number_)
        if first.limit_ml is not None:
            volume = sum((part.volume_ml for _at, part in rows), Decimal(0))
            yield Limit(f"{at}.volume_ml", f"{name}, session", volume, first.limit_ml, "mL", number_)
    visit = Decimal(knowledge.tables["visit_max_ml"]["value"])
    injected = sum((planned.candidate.injected_ml for planned in parts), Decimal(0))
    if len(parts) > 1:
        yield Limit(f"{index}.{number_}.0.volume_ml", "Volume of the visit", injected, visit, "mL", number_)
    chosen, e_mg, e_limit = comforts(tuple(parts), case, knowledge)
    yield Limit(f"{index}.{number_}.0.grams", "Lidocaine equivalent", e_mg, e_limit, "mg", number_)
    creams = [
        (place, comfort)
        for place, comfort in enumerate(chosen)
        if comfort.grams is not None and comfort.product in knowledge.tables["creams"]
    ]
    for place, comfort in creams:
        most = most_grams(parts[place].candidate, case, knowledge, comfort.product)
        name = knowledge.label(comfort.product)
        yield Limit(f"{index}.{number_}.{place}.grams", name, comfort.grams or Decimal(0), most, "g", number_)
    if len(creams) > 1:
        total = sum((comfort.grams or Decimal(0) for _place, comfort in creams), Decimal(0))
        most = visit_grams(case, knowledge)
        yield Limit(
            f"{index}.{number_}.{creams[-1][0]}.grams", "Cream of the visit", total, most, "g", number_
        )


def _limit_fault(limit: Limit, course: Course, knowledge: Knowledge) -> Fault:
    _course, number_, place, name = limit.path.split(".")
    planned = course.sessions[int(number_)][int(place)]
    rule, fits = "R60", limit.limit
    if name == "depth_mm":
        cap = depth_cap(planned.candidate, planned, knowledge)
        rule = cap[1] if cap else "R60"
    elif name == "grams":
        rule = "R51"
    of_agent = "session" in limit.label or limit.label == "Volume of the visit" or limit.unit == "mg"
    message = (
        f"Session {int(number_) + course.first_number}: {limit.label} {number_words(limit.value)} {limit.unit} "
        f"is above {number_words(limit.limit)} {limit.unit}."
    )
    remedy = (
        "Lower the volume or the cream of this session."
        if of_agent
        else f"Set {number_words(fits)} {limit.unit} or less."
    )
    finding = _block(rule, planned.candidate.concern, message, remedy, knowledge)
    return Fault(finding, limit.path, None if of_agent else number(fits))


def _point_faults(index: int, course: Course, knowledge: Knowledge) -> Iterator[Fault]:
    most = int(knowledge.tables["dc"]["max_points"])
    for number_, parts in enumerate(course.sessions):
        for place, planned in enumerate(parts):
            candidate = planned.candidate
            if knowledge.is_dc(candidate.cocktail) and (candidate.points or 0) > most:
                yield Fault(
                    _block(
                        "R60",
                        candidate.concern,
                        f"Session {number_ + course.first_number}: {candidate.points} points are above {most}.",
                        "Lower the volume.",
                        knowledge,
                    ),
                    f"{index}.{number_}.{place}.volume_ml",
                    None,
                )


def _window_faults(index: int, course: Course, edits: Edits, knowledge: Knowledge) -> Iterator[Fault]:
    """Too soon is a block (R57); later than the course's interval asks for a reason [K]."""
    least, _target, most = course.interval
    scope = course.members[0].candidate.concern
    for number_, (earliest, _t, latest) in enumerate(course.windows):
        path = f"{index}.{number_}.window"
        follows = number_ > 0 or course.first_number > 1
        if follows and earliest < least:
            text = f"Session {number_ + course.first_number} may come {earliest} days after the one before; at least {least} must pass."
            yield Fault(_block("R57", scope, text, f"Set {least} days or more.", knowledge), path, str(least))
        elif follows and latest > most and (index, number_) in edits.windows:
            text = f"Session {number_ + course.first_number} may wait {latest} days; the course is planned for {most} at most."
            yield Fault(
                _block("R57", scope, text, f"Set {most} days or write why.", knowledge, level="warn"),
                path,
                str(most),
            )


def _count_faults(
    index: int, course: Course, found: Survey, edits: Edits, knowledge: Knowledge
) -> Iterator[Fault]:
    """More or fewer sessions than the evidence: a reason; above the label's lifetime number: a block (R81)."""
    count = edits.sessions.get(index)
    if count is None or not course.members:
        return
    count += course.first_number - 1
    first = course.members[0].candidate
    path = f"{index}.sessions"
    if knowledge.is_dc(first.cocktail):
        had = knowledge.dc_sessions_had(found.case.facts)
        left = int(knowledge.tables["dc"]["lifetime_sessions"]) - had
        if count > left:
            text = f"{count} sessions with {had} given are above the label's {had + left} in a lifetime."
            yield Fault(
                _block("R81", first.concern, text, f"Plan {left} or fewer.", knowledge), path, str(left)
            )
            return
    limits = knowledge.tables["sessions_range"]
    if not limits["min"] <= count <= limits["max"] and edits.sessions[index] != len(
        found.courses[index].sessions
    ):
        text = f"{count} sessions: a course has {limits['min']} to {limits['max']}."
        remedy = f"Plan {limits['min']} to {limits['max']}, or write why."
        yield Fault(_block("R81", first.concern, text, remedy, knowledge, level="warn"), path, None)


def _lost_choices(found: Survey, edits: Edits, knowledge: Knowledge) -> Iterator[Fault]:
    """A chosen alternative that the rules don't allow (any more)."""
    for concern, (modality, cocktail) in edits.choice.items():
        one = next((c for c in found.chosen if c.assessed.code == concern), None)
        if one is None or one.planned is None:
            continue
        candidate = one.planned.candidate
        if (candidate.modality, candidate.cocktail) != (modality, cocktail):
            text = f"{knowledge.label(modality)} {cocktail} is not possible: {candidate.cocktail} is planned."
            yield Fault(
                _block(
                    "R59", concern, text, "Look at what was not chosen, and why.", knowledge, level="warn"
                ),
                f"choice.{concern}",
                None,
            )


def recheck(case: Case, knowledge: Knowledge, today: date, edits: Edits) -> Rechecked:
    """The proposal of a case with the physician's edits on it, every limit beside its value, every fault.

    Pure and total: an edit that passes a limit is laid out as typed and answered by a block, never changed silently.
    Edits of sessions or parts that do not exist (any more) are left out.
    """
    return recheck_survey(survey(case, knowledge, today, edits.choice), knowledge, edits)


def recheck_survey(found: Survey, knowledge: Knowledge, edits: Edits) -> Rechecked:
    """The same for courses laid out before: those of a proposal or of a replan."""
    courses = tuple(
        _with_edits(index, course, edits, found.case, knowledge) for index, course in enumerate(found.courses)
    )
    faults: list[Fault] = list(_lost_choices(found, edits, knowledge))
    limits: list[Limit] = []
    for index, course in enumerate(courses):
        if not course.members:
            continue  # nothing is left to come
        for number_, parts in enumerate(course.sessions):
            limits += _limits_of_session(index, number_, parts, found.case, knowledge)
        faults += _point_faults(index, course, knowledge)
        faults += _window_faults(index, course, edits, knowledge)
        faults += _count_faults(index, course, found, edits, knowledge)
    faults += [
        _limit_fault(limit, courses[int(limit.path.split(".")[0])], knowledge)
        for limit in limits
        if limit.over
    ]
    return Rechecked(answer(found, courses, knowledge), tuple(faults), tuple(limits))


def worst_session(limits: Sequence[Limit], course: int) -> tuple[Limit, ...]:
    """The limits of the session of a course that comes nearest to (or goes furthest past) one of them."""
    own = [limit for limit in limits if limit.path.startswith(f"{course}.")]
    if not own:
        return ()
    worst = max(own, key=lambda limit: (limit.share, -limit.session)).session
    return tuple(limit for limit in own if limit.session == worst)


def target_dates(content: Mapping[str, Any], start: date) -> list[tuple[date, date, date]]:
    """(earliest, target, latest) of each session of a course of the answer, if each before is on its target.

    `start` is the earliest day of the first one: windows of a course under way count from the session before.
    """
    rows: list[tuple[date, date, date]] = []
    if not content["sessions"]:
        return rows
    before = start - timedelta(days=content["sessions"][0]["window_days"]["earliest"])
    for session in content["sessions"]:
        window = session["window_days"]
        rows.append(
            (
                before + timedelta(days=window["earliest"]),
                before + timedelta(days=window["target"]),
                before + timedelta(days=window["latest"]),
            )
        )
        before = rows[-1][1]
    return rows
