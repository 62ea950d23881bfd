"""`replan`: what becomes of a course under way. Sources: REFERENCE.md §2.1, §8.2, §8.3, §9; DECISIONS.md A9, B15.

The decision comes first (`verdicts.py`), from adverse events, the day's rules, the time since the last session and
the response by scale; then the sessions still to come are laid out (`remaining.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from protocols.engine.courses import Course, Step
from protocols.engine.effects import Finding, Outcome
from protocols.engine.following import FollowUp
from protocols.engine.knowledge import Knowledge
from protocols.engine.proposing import Proposal, Survey, answer, declined_rows, survey
from protocols.engine.remaining import deepened, laid_out, next_in_order
from protocols.engine.verdicts import (
    Verdict,
    Way,
    effects_of_events,
    event_verdicts,
    lateness,
    response_verdict,
)


def _current(state: FollowUp, today: date) -> dict[str, tuple[str, str]]:
    """(modality, cocktail) in use by concern."""
    found: dict[str, tuple[str, str]] = {}
    for index, course in enumerate(state.courses):
        way = Way(index, course, state.done_in(index), today)
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


def _verdicts(way: Way, state: FollowUp, found: Survey, knowledge: Knowledge, today: date) -> list[Verdict]:
    """Everything that speaks about one course."""
    rows = event_verdicts(way, state, knowledge, today)
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
        for verdict in [response_verdict(code, way, state, knowledge)] if verdict is not None
    ]  # fmt: skip
    ends = any(row.total is not None and row.total <= way.signed.total for row in rows)
    late = lateness(way, state, knowledge, ends=ends)
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


def resurvey(
    state: FollowUp, knowledge: Knowledge, today: date, wanted: Mapping[str, tuple[str, str]] | None = None
) -> Survey:
    """Decide and lay out. `wanted`: (modality, cocktail) by concern, as the physician chose it."""
    state = replace(state, case=replace(state.case, today=today))
    before = effects_of_events(state, knowledge, today)
    ways = [Way(index, course, state.done_in(index), today) for index, course in enumerate(state.courses)]
    use = _current(state, today)
    wish = _preferred(state, knowledge, today, before)
    use |= wish
    use |= dict(wanted or {})
    found = survey(state.case, knowledge, today, use, before)
    notes: dict[str, list[Step]] = {}
    deepen: set[str] = set()
    for way in ways:
        for code in way.signed.concerns:
            verdict = response_verdict(code, way, state, knowledge) if way.part_of(code) else None
            if verdict is None or verdict.decision != "adjust" or code in (wanted or {}) or code in wish:
                continue
            one = next(c for c in found.chosen if c.assessed.code == code)
            following = next_in_order(one, found.case, knowledge)
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
        deeper = deepened(planned[code], knowledge)
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
        course, strongest = laid_out(way, verdicts, planned, found, knowledge, own)
        courses.append(course)
        rows.append((way, verdicts, strongest, course))
    for way, verdicts, strongest, course in rows:
        said += _said(way, verdicts, course, knowledge)
        ended += _ended(way, verdicts, course, strongest)
    return replace(
        found, courses=(*courses, *found.extra), said=tuple(said), ended=tuple(ended) + _never_planned(found, ways),
        settled=_settled(rows, found), later=(), until=None,
    )  # fmt: skip


def _said(way: Way, verdicts: Sequence[Verdict], course: Course, knowledge: Knowledge) -> list[Finding]:
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
    way: Way, verdicts: Sequence[Verdict], course: Course, strongest: Verdict | None
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


def _never_planned(found: Survey, ways: Sequence[Way]) -> tuple[dict[str, Any], ...]:
    """Concerns of today's case that are in no course: declined ones keep their reason, others are for a new plan."""
    known = {code for way in ways for code in way.signed.concerns}
    return tuple(
        declined_rows([one for one in found.chosen if one.assessed.code not in known and one.declined], ())
    )


def _until(rows: Sequence[tuple[Way, list[Verdict], Verdict | None, Course]]) -> date | None:
    """When the last hold ends; None where a fact is missing."""
    dates = [v.until for _w, verdicts, _s, _c in rows for v in verdicts if v.decision == "hold"]
    return None if None in dates else max((d for d in dates if d is not None), default=None)


def _settled(
    rows: Sequence[tuple[Way, list[Verdict], Verdict | None, Course]], found: Survey
) -> tuple[str, date | None]:
    """Status of the whole: proposed when something goes on or all is completed, deferred on hold, else declined."""
    going = [row for row in rows if row[3].sessions]
    if going:
        open_rows = [row for row in going if row[3].followed and row[3].followed.decision != "hold"]
        if open_rows:
            return "proposed", None
        return "deferred", _until(going)
    decisions = {row[3].followed.decision for row in rows if row[3].followed}
    if "hold" in decisions:
        return "deferred", _until(rows)
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
