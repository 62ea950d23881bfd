"""`propose`: from a case to an explained proposal. Flow: REFERENCE.md §12.0."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from protocols.engine.anaesthesia import INFILTRATED, need
from protocols.engine.answer import course_dict
from protocols.engine.asking import to_ask
from protocols.engine.candidates import Refusal
from protocols.engine.case import Case
from protocols.engine.choosing import (
    Chosen,
    Option,
    added_course,
    choose,
    gains_and_costs,
    planned_from,
    sessions_of,
)
from protocols.engine.courses import Course, Planned, alone, combine, comforts
from protocols.engine.effects import Finding, Outcome, apply
from protocols.engine.knowledge import Formulary, Knowledge
from protocols.engine.rules import Rules, Scene, by_level

_LEVELS = {"block": 0, "warn": 1, "info": 2}
#: Findings on what was left out that always matter: they name an allergy or an earlier reaction.
_ALWAYS_TOLD = frozenset({"R48", "R50", "R76"})


@dataclass(frozen=True, slots=True)
class Proposal:
    """The engine's answer. `to_dict()` is DESIGN.md §5 to the letter."""

    status: str
    defer_until: date | None
    courses: tuple[dict[str, Any], ...]
    declined: tuple[dict[str, Any], ...]
    findings: tuple[Finding, ...]
    alternatives: tuple[dict[str, Any], ...]
    not_chosen: tuple[dict[str, Any], ...]
    version: str
    sha256: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data; decimals and dates are strings."""
        return {
            "status": self.status,
            "defer_until": self.defer_until.isoformat() if self.defer_until else None,
            "courses": list(self.courses),
            "declined": list(self.declined),
            "findings": [finding.to_dict() for finding in self.findings],
            "alternatives": list(self.alternatives),
            "not_chosen": list(self.not_chosen),
            "knowledge": {"version": self.version, "sha256": self.sha256},
        }


def _by_priority(chosen: Iterable[Chosen], knowledge: Knowledge) -> list[Chosen]:
    """M7: the patient's rank, then the reference's order."""
    order = knowledge.tables["priority"]
    return sorted(
        chosen,
        key=lambda c: (c.assessed.concern.values.get("rank", 99), order.index(c.assessed.concern.indication)),
    )


def _courses(planned: Sequence[Chosen], start: date, case: Case, knowledge: Knowledge) -> list[Course]:
    parts = [chosen.planned for chosen in planned if chosen.planned is not None]
    if not parts:
        return []
    if len(parts) == 1:
        return [alone(parts[0], start=start)]
    return combine(parts[0], parts[1], start=start, case=case, knowledge=knowledge)


def course_scenes(course: Course, case: Case, knowledge: Knowledge) -> list[tuple[Planned, Scene]]:
    """Each part of a course as the rules see it, with the target dates of its sessions and its anaesthetic."""
    dates = [
        course.start_earliest + timedelta(days=course.interval[1] * n) for n in range(len(course.sessions))
    ]
    found = []
    for member in course.members:
        days = tuple(day for day, parts in zip(dates, course.sessions, strict=True) if member in parts)
        first = next(parts for parts in course.sessions if member in parts)
        chosen = comforts(first, case, knowledge)[0]
        comfort = chosen[first.index(member)]
        candidate = member.candidate
        scene = Scene(
            case,
            case.today,
            knowledge,
            modality=candidate.modality,
            agents=candidate.agents,
            lead=candidate.lead,
            depth_mm=candidate.depth_mm,
            cream_grams=sum((c.grams for c in chosen if c.grams is not None), Decimal(0)),
            product=comfort.product,
            anaesthetic=comfort.product in {*knowledge.tables["creams"], knowledge.tables["offers_dc_high"]}
            or INFILTRATED in candidate.agents,
            session_days=days,
        )
        found.append((member, scene))
    return found


def _products(courses: Sequence[Course], case: Case, knowledge: Knowledge) -> frozenset[str]:
    return frozenset(
        comfort.product
        for course in courses
        for parts in course.sessions
        for comfort in comforts(parts, case, knowledge)[0]
    )


def _relevant_agents(case: Case, knowledge: Knowledge) -> frozenset[str]:
    """Agents in any cocktail that could be meant for this case: others need no word about being left out."""
    pairs = {(c.indication, c.area) for c in case.concerns}
    return frozenset(
        part["agent"]
        for row in knowledge.cocktails.values()
        if any(indication in row["indications"] and area in row["areas"] for indication, area in pairs)
        for part in row["components"]
    )


def _told(finding: Finding, plan: Outcome, agents: frozenset[str]) -> bool:
    if finding.scope != "agent" or finding.rule in _ALWAYS_TOLD:
        return True
    if any(finding.rule in rules for rules in plan.products.values()):
        return True
    removed = {
        agent for agent, whys in plan.agents.items() if any(rule == finding.rule for rule, _text in whys)
    }
    return bool(removed & agents) or not removed


def _ordered(findings: Iterable[Finding], knowledge: Knowledge) -> tuple[Finding, ...]:
    """In rule order, each once."""
    order = {row["id"]: number for number, row in enumerate(knowledge.vocabulary["rules"])}
    unique: dict[tuple[str, str, str], Finding] = {}
    for finding in findings:
        unique.setdefault((finding.rule, finding.level, finding.message), finding)
    return tuple(sorted(unique.values(), key=lambda f: (order.get(f.rule, 999), _LEVELS[f.level])))


def _refused(refusals: Iterable[Refusal], concern: str) -> list[dict[str, Any]]:
    return [
        {"candidate": r.candidate, "concern": concern, "rules": list(r.rules), "reason": r.reason}
        for r in refusals
    ]


def _alternatives(
    chosen: Chosen, courses: Sequence[Course], case: Case, knowledge: Knowledge
) -> list[dict[str, Any]]:
    if chosen.option is None:
        return []
    index = next(
        (
            i
            for i, course in enumerate(courses)
            if any(chosen.assessed.code in m.concerns for m in course.members)
        ),
        None,
    )
    if index is None:
        return []
    found = []
    for option in chosen.others[:6]:
        gains, costs = gains_and_costs(option, chosen.option.candidate, case, knowledge)
        found.append(
            {
                "course": index,
                "concern": chosen.assessed.code,
                "modality": option.candidate.modality,
                "cocktail": option.candidate.cocktail,
                "sessions": sessions_of(option.candidate, case, knowledge)[0],
                "interval_days": dict(zip(("min", "target", "max"), option.candidate.interval, strict=True)),
                "downtime_hours": option.candidate.downtime_hours,
                "need": need(option.candidate, case, knowledge),
                "grade": option.candidate.grade,
                "gains": gains,
                "costs": costs,
            }
        )
    return found


def declined_rows(chosen: Iterable[Chosen], blocked: Sequence[Finding]) -> list[dict[str, Any]]:
    rows = []
    for one in chosen:
        rules = list(dict.fromkeys(rule for rule, _text in one.declined)) or [f.rule for f in blocked]
        texts = list(dict.fromkeys(text for _rule, text in one.declined)) or [f.message for f in blocked]
        rows.append({"concern": one.assessed.code, "rules": rules, "message": " ".join(texts)})
    return rows


def _additions(
    case: Case,
    chosen: Sequence[Chosen],
    plan: Outcome,
    knowledge: Knowledge,
    rules: Mapping[str, Rules],
    start: date,
) -> tuple[list[Course], list[Option], list[dict[str, Any]]]:
    """The physician's extra cocktails: each a course of its own with one session (DECISIONS.md C8)."""
    courses: list[Course] = []
    options: list[Option] = []
    refused: list[dict[str, Any]] = []
    for addition in case.additions:
        owner = next((c for c in chosen if c.assessed.code == addition["concern"]), None)
        if owner is None or owner.planned is None:
            continue
        found = added_course(addition, owner, case, plan, knowledge, rules)
        if not isinstance(found, Refusal):
            found = _addable(found, owner, options, case, knowledge)
        if isinstance(found, Refusal):
            refused += _refused([found], addition["concern"])
            continue
        options.append(found)
        part = planned_from(found, case, [found.candidate.modality], owner.assessed, knowledge, sessions=1)
        courses.append(alone(part, start=max(start, found.free or start)))
    return courses, options, refused


def _addable(
    found: Option, owner: Chosen, options: Sequence[Option], case: Case, knowledge: Knowledge
) -> Option | Refusal:
    """An addition that may stand beside the course: not the same again, not waiting for a fact, inside lifetime limits."""
    candidate = found.candidate
    name = candidate.cocktail
    if found.free is None:
        rules = tuple(dict.fromkeys(found.waits))
        return Refusal(name, rules, "A fact or a date is missing: see the finding.")
    taken = {option.candidate.cocktail for option in options}
    if owner.option is not None:
        taken.add(owner.option.candidate.cocktail)
        shared = candidate.agents & owner.option.candidate.agents - {"saline"}
        if shared:
            words = ", ".join(sorted(knowledge.label(agent) for agent in shared))
            return Refusal(name, ("R60",), f"The course gives the same already: {words}.")
    if name in taken:
        return Refusal(name, ("R60",), "It is part of this plan already.")
    return found


@dataclass(frozen=True, slots=True)
class Survey:
    """What the rules and the choice of each concern gave: everything before the courses are laid out."""

    case: Case
    rules: Mapping[str, Rules]
    base: Scene
    plan: Outcome
    chosen: tuple[Chosen, ...]
    planned: tuple[Chosen, ...]
    later: tuple[Chosen, ...]
    start: date
    until: date | None
    unknown: bool
    missing: tuple[str, ...]
    blocks: tuple[Finding, ...]
    courses: tuple[Course, ...]
    added: tuple[Option, ...]
    refused: tuple[dict[str, Any], ...]
    extra: tuple[Course, ...]  # the physician's own additions, at the end of `courses`
    # What a replan found about the courses under way.
    said: tuple[Finding, ...] = ()
    ended: tuple[dict[str, Any], ...] = ()
    settled: tuple[str, date | None] | None = None


def survey(
    case: Case,
    knowledge: Knowledge,
    today: date,
    wanted: Mapping[str, tuple[str, str]] | None = None,
    before: Outcome | None = None,
) -> Survey:
    """Apply the rules, choose for each concern, lay out the courses.

    `wanted`: (modality, cocktail) by concern. `before`: effects that hold already, such as those of adverse events.
    """
    case = replace(case, today=today)
    rules = by_level(knowledge)
    base = Scene(case, today, knowledge)
    plan = before.copy() if before else Outcome()
    apply(rules["plan"], base, plan)
    wanted = wanted or {}
    chosen = [choose(c, case, plan, knowledge, rules, wanted.get(c.code)) for c in case.concerns]
    blocks = [f for f in plan.findings if f.level == "block" and f.rule in plan.blocked]
    plannable = [] if blocks else _by_priority((one for one in chosen if one.planned is not None), knowledge)
    planned, later = plannable[:2], plannable[2:]
    # A concern that is left for the next course holds nothing up.
    counted = [one for one in chosen if one not in later]
    defers = [*plan.defers, *(defer for one in counted for defer in one.defers)]
    missing = [name for one in counted for name in one.missing]
    dates = [until for _rule, until in defers]
    unknown = None in dates or bool(missing)
    until = None if unknown else max((day for day in dates if day is not None), default=None)
    start = max(today, until or today)
    extra, added, refused = _additions(case, planned, plan, knowledge, rules, start)
    return Survey(
        case=case, rules=rules, base=base, plan=plan, chosen=tuple(chosen), planned=tuple(planned),
        later=tuple(later), start=start, until=until, unknown=unknown, missing=tuple(missing),
        blocks=tuple(blocks), courses=(*_courses(planned, start, case, knowledge), *extra), added=tuple(added),
        refused=tuple(refused), extra=tuple(extra),
    )  # fmt: skip


def _course_findings(found: Survey, courses: Sequence[Course], knowledge: Knowledge) -> list[Finding]:
    findings: list[Finding] = []
    for course in courses:
        for member, scene in course_scenes(course, found.case, knowledge):
            outcome = Outcome()
            assessed = next(c.assessed for c in found.chosen if c.assessed.code == member.candidate.concern)
            apply(found.rules["course"], replace(scene, assessed=assessed), outcome, scope=assessed.code)
            findings += outcome.findings
    return findings


def answer(found: Survey, courses: Sequence[Course], knowledge: Knowledge) -> Proposal:
    """The proposal for courses laid out from a survey, as they are or as the physician changed them."""
    case, plan, chosen, blocks, until = found.case, found.plan, found.chosen, found.blocks, found.until
    findings = [*found.said, *plan.findings, *(finding for one in chosen for finding in one.findings)]
    findings += [finding for option in found.added for finding in option.outcome.findings]
    findings += _course_findings(found, courses, knowledge)
    scenes = [
        replace(
            scene, assessed=next(c.assessed for c in chosen if c.assessed.code == member.candidate.concern)
        )
        for course in courses
        for member, scene in course_scenes(course, case, knowledge)
    ]
    ask = to_ask(scenes, _products(courses, case, knowledge), found.missing, found.base, knowledge)
    relevant = _relevant_agents(case, knowledge)
    told = [finding for finding in findings if _told(finding, plan, relevant)]
    if blocks:
        # Nothing is planned: what a cocktail would have needed is noise beside the reason.
        told = [finding for finding in told if finding.rule != "R83"]
    if ask is not None:
        told.append(ask)
    declined = list(chosen) if blocks else [one for one in chosen if one.declined]
    if blocks or (declined and len(declined) == len(chosen)):
        status, until = "declined", None
    elif found.unknown or (until is not None and until > case.today):
        status = "deferred"
    else:
        status, until = "proposed", None
    if found.settled is not None:
        status, until = found.settled
    return Proposal(
        status=status,
        defer_until=until,
        courses=tuple(course_dict(course, case, knowledge) for course in courses),
        declined=found.ended if found.settled is not None else tuple(declined_rows(declined, blocks)),
        findings=_ordered(told, knowledge),
        alternatives=tuple(
            row for one in found.planned for row in _alternatives(one, courses, case, knowledge)
        ),
        not_chosen=(
            *(row for one in chosen for row in _refused(one.refusals, one.assessed.code)),
            *found.refused,
            *(
                {
                    "candidate": one.assessed.code,
                    "concern": one.assessed.code,
                    "rules": ["M8"],
                    "reason": "Two concerns at a time: this one is for the next course.",
                }
                for one in found.later
            ),
        ),
        version=knowledge.version,
        sha256=knowledge.sha256,
    )


def propose(case: Case, knowledge: Knowledge, today: date, formulary: Formulary | None = None) -> Proposal:
    """Plan the treatment of a case.

    Total: every valid case gets an answer. Deterministic and pure: the same case, knowledge and day give the same
    answer. Doses in mg, volumes in mL, depth in mm, intervals in days. `formulary`: only what is in it is proposed;
    None means that the clinic has everything.
    """
    knowledge = knowledge.stocked(formulary)
    found = survey(case, knowledge, today)
    return answer(found, found.courses, knowledge)
