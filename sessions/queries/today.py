"""The engine's rules on the facts of the day: what changed in the chart since the plan was signed, and the answers.

The same code that judged the plan judges the session (protocols.engine): its rules are applied to the patient and
to each part as it is really mixed. No clinical number stands here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from protocols.catalogue import knowledge
from protocols.engine import CaseFaults, Knowledge, parse
from protocols.engine.anaesthesia import Comfort
from protocols.engine.candidates import free_from
from protocols.engine.case import Case
from protocols.engine.choosing import assess
from protocols.engine.effects import Finding, Outcome, apply
from protocols.engine.rules import Rules, Scene, by_level
from protocols.engine.words import day_words
from protocols.queries import case_of, finding_key
from sessions.models import MixedComponent, SafetyCheck, TreatedArea, TreatmentRecord
from sessions.queries.given import given_in
from sessions.queries.obstacles import Obstacle

#: Facts that are nothing without their day: one that lies ahead of the day in question has not happened yet.
_DATED = frozenset({"procedures", "given", "labs", "reactions", "sun", "sunburns"})


@dataclass(frozen=True, slots=True)
class Today:
    """What the rules say of one session on one day. `outcomes` by concern: caps, factors and what is removed."""

    on: date
    case: Case | None = None
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    obstacles: tuple[Obstacle, ...] = ()


def _ahead(value: object, on: str) -> bool:
    dated = isinstance(value, str) and len(value) == 10 and value[4:5] == value[7:8] == "-"
    return dated and str(value) > on


def _as_of(patient: dict[str, Any], on: date) -> dict[str, Any]:
    """The facts as far as they lie on or before a day, for a record of an earlier day.

    A condition stays even when its end lies later: it was there.
    """
    day = on.isoformat()
    kept: dict[str, Any] = {}
    for name, value in patient.items():
        if name == "events" or not isinstance(value, list):
            if not _ahead(value, day):
                kept[name] = value
        else:
            rows = [
                row for row in value if name not in _DATED or not any(_ahead(v, day) for v in row.values())
            ]
            kept[name] = [{k: v for k, v in row.items() if not _ahead(v, day)} for row in rows]
    return kept


def _facts(record: TreatmentRecord, on: date) -> dict[str, Any]:
    """The case of the plan's assessment on this day, without what this very session gave."""
    planned = record.appointment.planned_session
    assert planned is not None
    case = case_of(planned.plan.assessment, on)
    patient = case["patient"]
    own = given_in([record.supersedes]) if record.supersedes is not None else {}
    for name, rows in own.items():
        left = list(patient.get(name, []))
        for row in rows:
            if row in left:
                left.remove(row)
        if name in patient:
            patient[name] = left
    asked = {check.question: check.answer for check in record.checks.all()}
    if asked.get("pregnancy") not in {None, SafetyCheck.Answer.CHANGED}:
        # Asked today and no: it answers what was unknown, but takes back nothing that the chart says.
        if patient.get("pregnancy", "unknown") == "unknown":
            patient["pregnancy"] = "none"
        patient["pregnancy_asked_on"] = on.isoformat()
    case["patient"] = _as_of(patient, on)
    return case


def comfort_of(record: TreatmentRecord, known: Knowledge) -> Comfort:
    """The anaesthetic as it was really used; the amount of wheals is mL."""
    amount = record.anaesthetic_grams
    if record.anaesthetic == known.tables["dc_wheals"]["product"]:
        return Comfort(record.anaesthetic, None, None, 0, (), amount)
    return Comfort(record.anaesthetic or "none", amount, None, 0)


def _blocking(finding: Finding, place: str = "") -> Obstacle:
    text = f"{finding.message} {finding.remedy}".strip()
    return Obstacle("block", text, "checks", finding.rule, finding.source, place)


def _findings(outcome: Outcome, answered: frozenset[str]) -> Iterator[Obstacle]:
    """Blocks, and warnings that the signed plan has no answer to."""
    for finding in outcome.findings:
        if finding.level == "block":
            yield _blocking(finding)
        elif finding.level == "warn":
            key = finding_key(finding.to_dict())
            if key not in answered:
                text = f"{finding.message} {finding.remedy}".strip()
                yield Obstacle("decide", text, "checks", finding.rule, finding.source, "", key)
    for rule, message in outcome.declined:
        yield Obstacle("block", message, "checks", rule, knowledge().rule_source(rule)[0])


def _part_scene(
    record: TreatmentRecord, area: TreatedArea, parts: list[MixedComponent], scene: Scene, known: Knowledge
) -> Scene:
    return replace(
        scene,
        modality=area.modality,
        agents=frozenset(part.agent for part in parts),
        lead=parts[0].agent if parts else None,
        depth_mm=area.depth_mm,
    )


def _removed(
    outcome: Outcome, area: TreatedArea, parts: list[MixedComponent], case: Case, known: Knowledge
) -> Iterator[Obstacle]:
    """Agents of the mix, and the modality, that the rules take away today."""
    active = {fact.code for fact in case.facts.get("conditions") or ()}
    for part in parts:
        name, place = known.label(part.agent), f"component-{part.pk}"
        for rule, why in dict(outcome.agents.get(part.agent, ())).items():
            text = _("%(agent)s may not be given today: %(why)s Ask the physician for a new plan.")
            source = known.rule_source(rule)[0]
            yield Obstacle("block", text % {"agent": name, "why": why}, "mix", rule, source, place)
        avoided = (
            set(known.agents[part.agent]["avoid_conditions"]) & active if part.agent in known.agents else ()
        )
        if avoided and not outcome.agents.get(part.agent):
            words = ", ".join(sorted(known.label(code) for code in avoided))
            text = _("%(agent)s is not given with %(conditions)s. Ask the physician for a new plan.")
            source = known.rule_source("R48")[0]
            yield Obstacle("block", text % {"agent": name, "conditions": words}, "mix", "R48", source, place)
    for rule, why in dict(outcome.modalities.get(area.modality, ())).items():
        text = _("%(modality)s may not be done today: %(why)s Ask the physician for a new plan.")
        words_ = {"modality": known.label(area.modality), "why": why}
        yield Obstacle(
            "block", text % words_, "points", rule, known.rule_source(rule)[0], f"area-{area.pk}-volume_ml"
        )


def _waiting(
    area: TreatedArea, agents: frozenset[str], scene: Scene, case: Case, known: Knowledge
) -> Iterator[Obstacle]:
    assert scene.assessed is not None
    day, rules = free_from(case, scene.assessed, area.modality, agents & known.agents.keys(), known)
    for rule in rules if day > case.today else ():
        text = _("Too soon after another procedure or dose: %(modality)s is free from %(day)s.")
        words = {"modality": known.label(area.modality), "day": day_words(day)}
        yield Obstacle("block", text % words, "checks", rule, known.rule_source(rule)[0])


def _part(
    record: TreatmentRecord,
    area: TreatedArea,
    codes: list[str],
    plan: Outcome,
    case: Case,
    rules: Mapping[str, Rules],
    answered: frozenset[str],
    known: Knowledge,
) -> tuple[Outcome, list[Obstacle]]:
    """All effects on one part as it is mixed, with what they forbid or warn of."""
    parts = [part for part in record.components.all() if part.concern == area.concern]
    outcome = plan.copy()
    outcome.findings, outcome.defers, outcome.declined = [], [], []
    found: list[Obstacle] = []
    comfort = comfort_of(record, known)
    for code in codes:
        concern = next((one for one in case.concerns if one.code == code), None)
        if concern is None:
            text = _("%(concern)s is not in the assessment of this plan: its rules can't be checked.")
            found.append(Obstacle("block", text % {"concern": code}, "checks"))
            continue
        scene = Scene(case, case.today, known, assessed=assess(concern, known)[0])
        apply(rules["concern"], scene, outcome, scope=code)
        scene = _part_scene(record, area, parts, scene, known)
        apply(rules["candidate"], scene, outcome, scope=code)
        numbing = {*known.tables["creams"], known.tables["dc_wheals"]["product"]}
        course = replace(
            scene,
            cream_grams=comfort.grams if comfort.product in known.tables["creams"] else Decimal(0),
            product=comfort.product,
            anaesthetic=comfort.product in numbing or "lidocaine" in scene.agents,
            session_days=(case.today,),
        )
        apply(rules["course"], course, outcome, scope=code)
        found += _waiting(area, scene.agents, scene, case, known)
    found += _findings(outcome, answered)
    found += _removed(outcome, area, parts, case, known)
    for rule in dict.fromkeys(outcome.products.get(comfort.product, ())):
        text = _("%(product)s may not be used today. Choose another comfort.")
        found.append(
            Obstacle(
                "block", text % {"product": known.label(comfort.product)}, "comfort", rule,
                known.rule_source(rule)[0], "anaesthetic",
            )
        )  # fmt: skip
    return outcome, found


def evaluate(record: TreatmentRecord, on: date) -> Today:
    """Run the rules over this session with the facts as they stand on a day.

    Warnings that the signed plan answered with a reason are not asked again. Facts that contradict themselves forbid
    the session: they can't be checked.
    """
    planned = record.appointment.planned_session
    areas = list(record.areas.all())
    if planned is None or not areas:
        return Today(on)
    known = knowledge()
    try:
        case = parse(_facts(record, on), known.schema)
    except CaseFaults as faults:
        text = _("The patient's facts can't be checked: %(fault)s. Mend them in the chart.")
        words = {"fault": "; ".join(message for _path, message in faults.faults[:2])}
        return Today(on, obstacles=(Obstacle("block", text % words, "checks"),))
    rules = by_level(known)
    answered = frozenset(planned.plan.answers.values_list("finding_key", flat=True))
    plan = Outcome()
    apply(rules["plan"], Scene(case, on, known), plan)
    found = list(_findings(plan, answered))
    merged = {part["concern"]: part.get("concerns") for part in planned.content.get("parts", [])}
    outcomes: dict[str, Outcome] = {}
    for area in areas:
        codes = list(merged.get(area.concern) or [area.concern])
        outcome, own = _part(record, area, codes, plan, case, rules, answered, known)
        outcomes[area.concern] = outcome
        found += own
    unique = {(o.level, o.rule, o.text, o.place): o for o in found}
    return Today(on, case, outcomes, tuple(unique.values()))
