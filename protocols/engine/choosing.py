"""Choose for one concern: the modality and cocktail that come first, are allowed, are free and fit the patient's wish."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from protocols.engine.anaesthesia import need
from protocols.engine.candidates import NEEDLING, SYRINGE, Candidate, Refusal, build, shallower
from protocols.engine.case import Case, Concern
from protocols.engine.courses import Planned
from protocols.engine.effects import Finding, Outcome, apply
from protocols.engine.knowledge import Knowledge
from protocols.engine.reasons import steps_for
from protocols.engine.rules import Assessed, Rules, Scene
from protocols.engine.scales import score
from protocols.engine.words import day_words, number_words

_BANDS = {1: "mild", 2: "moderate", 3: "severe"}


@dataclass(frozen=True, slots=True)
class Option:
    """A buildable candidate with all effects on it. `free` is None while a missing fact hides the date."""

    candidate: Candidate
    outcome: Outcome
    free: date | None
    waits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What came out for one concern."""

    assessed: Assessed
    planned: Planned | None
    option: Option | None
    others: tuple[Option, ...]
    refusals: tuple[Refusal, ...]
    findings: tuple[Finding, ...]
    declined: tuple[tuple[str, str], ...]  # (rule, message)
    defers: tuple[tuple[str, date | None], ...]
    missing: tuple[str, ...]


def assess(concern: Concern, knowledge: Knowledge) -> tuple[Assessed, tuple[str, ...]]:
    """The severity band of a concern, and the scale items that are still missing."""
    if concern.scale is None:
        seen = _BANDS[concern.grade or 1]
        return Assessed(concern, seen, f"{knowledge.label(concern.indication)}: {seen} by eye"), ()
    result = score(concern.scale, concern.items, knowledge)
    if result.missing:
        return Assessed(concern, None, result.text), tuple(
            f"{concern.code} {concern.scale} {item}" for item in result.missing
        )
    band = "below" if result.below else "above" if result.above else result.band
    return Assessed(concern, band, result.text, result.score), ()


def modality_order(concern: Concern, case: Case, outcome: Outcome, knowledge: Knowledge) -> list[str]:
    """Modalities in the order to try: the indication's, the patient's wish first, needle-free before it for R62."""
    row = knowledge.indications[concern.indication]
    order = list(row["modality_order_by_area"].get(concern.area, row["modality_order"]))
    for wish in (case.preferences.get("modality", "any"), *outcome.prefer):
        if wish in order:
            order.remove(wish)
            order.insert(0, wish)
    return order


def _cocktails(concern: Concern, modality: str, knowledge: Knowledge) -> list[str]:
    rows = [
        row
        for row in knowledge.cocktails.values()
        if concern.indication in row["indications"]
        and concern.area in row["areas"]
        and modality in row["order"]
        and not row["physician_only"]
    ]
    return [row["code"] for row in sorted(rows, key=lambda row: (row["order"][modality], row["code"]))]


def option_for(
    assessed: Assessed,
    modality: str,
    code: str,
    outcome: Outcome,
    case: Case,
    knowledge: Knowledge,
    rules: Rules,
    *,
    added: bool = False,
) -> Option | Refusal:
    """One candidate with the rules that look at it. `outcome` is not touched."""
    own = outcome.copy()
    own.findings = []
    row = knowledge.cocktails[code]["components"]
    agents = frozenset(part["agent"] for part in row if part["agent"] not in outcome.agents)
    scene = Scene(
        case,
        case.today,
        knowledge,
        assessed=assessed,
        modality=modality,
        agents=agents,
        lead=row[0]["agent"],
        added_agents=agents if added else frozenset(),
    )
    known = len(own.defers)
    apply(rules, scene, own, scope=assessed.code)
    built = build(assessed, modality, code, own, case, knowledge)
    if isinstance(built, Refusal):
        return built
    lacking = knowledge.not_in_house(code, modality)
    if lacking:
        # Asked last: whatever is refused for this alone would have been possible.
        name = f"{knowledge.label(modality)}, {code}"
        return Refusal(name, ("R59",), f"Possible, but not in the clinic's formulary: {lacking}.")
    new = own.defers[known:]
    if any(until is None for _rule, until in new):
        free = None
    else:
        free = max([built.free_from, *(until for _rule, until in new if until is not None)])
    return Option(built, own, free, (*built.waits, *(rule for rule, _until in new)))


def _options(
    assessed: Assessed, case: Case, outcome: Outcome, knowledge: Knowledge, rules: Rules
) -> Iterator[Option | Refusal]:
    for modality in modality_order(assessed.concern, case, outcome, knowledge):
        codes = _cocktails(assessed.concern, modality, knowledge)
        if not codes:
            yield Refusal(knowledge.label(modality), (), "No cocktail for this indication and area.")
        for code in codes:
            yield option_for(assessed, modality, code, outcome, case, knowledge, rules)
    for code, row in knowledge.cocktails.items():
        if (
            row["physician_only"]
            and assessed.concern.indication in row["indications"]
            and assessed.concern.area in row["areas"]
        ):
            found = option_for(
                assessed, row["modalities"][0], code, outcome, case, knowledge, rules, added=True
            )
            if not isinstance(found, Refusal):
                text = (
                    "Given by the physician's own decision only, as an extra visit: not proposed by itself."
                )
                found = Refusal(code, (), text)
            yield found


def _earliest_first(option: Option, today: date) -> date:
    return date.max if option.free is None else max(option.free, today)


def _fitting(options: Sequence[Option], hours: int, knowledge: Knowledge) -> Option | None:
    """The first option that keeps to the wanted downtime, needling less deep where that helps (R63)."""
    for option in options:
        if option.candidate.downtime_hours <= hours:
            return option
        for lower in shallower(option.candidate, knowledge):
            if lower.downtime_hours <= hours:
                return replace(option, candidate=lower)
    return None


def sessions_of(candidate: Candidate, case: Case, knowledge: Knowledge) -> tuple[int, str]:
    """(number of sessions, why). Sources: REFERENCE.md §2.0, DECISIONS.md A7, B15."""
    count = int(knowledge.tables["sessions_by_band"][candidate.band])
    text = f"{count} sessions for {candidate.band} severity."
    own = knowledge.cocktails[candidate.cocktail]["sessions"]
    if own is not None:
        return own, f"{own} sessions: the product is given so often."
    if knowledge.is_dc(candidate.cocktail):
        had = knowledge.dc_sessions_had(case.facts)
        left = int(knowledge.tables["dc"]["lifetime_sessions"]) - had
        if left < count:
            return max(1, left), f"{left} sessions: the label allows six in a lifetime and {had} were given."
    wanted = case.preferences.get("max_sessions")
    if wanted is not None and wanted < count:
        text += f" The patient wants {wanted} at most: talk it over, fewer give less."
    return count, text


def planned_from(
    option: Option,
    case: Case,
    order: list[str],
    assessed: Assessed,
    knowledge: Knowledge,
    *,
    sessions: int | None = None,
    refusals: Sequence[Refusal] = (),
) -> Planned:
    """An option as part of a course, with its reasons. `refusals` say why what comes before it in order was not taken."""
    count, text = sessions_of(option.candidate, case, knowledge)
    if sessions is not None:
        count, text = sessions, f"{sessions} session: added by the physician."
    return Planned(
        option.candidate,
        count,
        option.outcome,
        (assessed.code,),
        steps_for(option.candidate, option.outcome, case, order, text, assessed, refusals, knowledge),
    )


def _waiting_finding(
    option: Option, others: Sequence[Option], today: date, knowledge: Knowledge, code: str
) -> list[Finding]:
    """The finding of R54 or R57 for a chosen candidate that is not free today; rule defers bring their own."""
    found = []
    candidate = option.candidate
    if candidate.free_from > today and candidate.waits:
        later = {
            o.candidate.modality: o.candidate.free_from
            for o in reversed(others)
            if o.candidate.free_from != candidate.free_from and o.candidate.modality != candidate.modality
        }
        text = "; ".join(f"{knowledge.label(m)} from {day.isoformat()}" for m, day in sorted(later.items()))
        for rule in candidate.waits:
            source, grade = knowledge.rule_source(rule)
            found.append(
                Finding(
                    "block",
                    rule,
                    code,
                    f"Too soon after another procedure or dose: {knowledge.label(candidate.modality)} is free from "
                    f"{day_words(candidate.free_from)}.",
                    f"Earliest {candidate.free_from.isoformat()}." + (f" {text}." if text else ""),
                    candidate.free_from,
                    source,
                    grade,
                )
            )
    return found


def choose(
    concern: Concern,
    case: Case,
    plan: Outcome,
    knowledge: Knowledge,
    rules: Mapping[str, Rules],
    wanted: tuple[str, str] | None = None,
) -> Chosen:
    """Everything about one concern: severity, rules, candidates, the choice.

    `wanted` is (modality, cocktail) as the physician chose it among the alternatives; one that is not possible
    is passed over.
    """
    assessed, missing = assess(concern, knowledge)
    outcome = plan.copy()
    outcome.findings, outcome.defers = [], []
    scene = Scene(case, case.today, knowledge, assessed=assessed)
    apply(rules["concern"], scene, outcome, scope=assessed.code)
    base = list(outcome.findings)

    def done(**values: Any) -> Chosen:
        known: dict[str, Any] = {
            "planned": None, "option": None, "others": (), "refusals": (), "findings": tuple(base),
            "declined": (), "defers": tuple(outcome.defers), "missing": missing,
        }  # fmt: skip
        return Chosen(assessed=assessed, **(known | values))

    if outcome.declined:
        return done(declined=tuple(outcome.declined))
    if assessed.band not in {"mild", "moderate", "severe"}:
        return done()
    found = list(_options(assessed, case, outcome, knowledge, rules["candidate"]))
    refusals = [item for item in found if isinstance(item, Refusal)]
    options = [item for item in found if isinstance(item, Option)]
    if not options:
        lacking = tuple(r.missing for r in refusals if r.missing)
        named = [(rule, r.reason) for r in refusals for rule in r.rules]
        return done(
            refusals=tuple(refusals),
            missing=(*missing, *lacking),
            declined=() if lacking else tuple(named) or (("R60", "Nothing in the catalogue fits."),),
        )
    ranked = sorted(options, key=lambda option: _earliest_first(option, case.today))
    first = ranked[0]
    hours = case.preferences.get("max_downtime_days")
    if wanted is not None:
        ranked = [o for o in ranked if (o.candidate.modality, o.candidate.cocktail) == wanted] or ranked
        first = ranked[0]
    if hours is not None and first.candidate.downtime_hours > hours * 24:
        fits = _fitting(ranked, hours * 24, knowledge)
        source, grade = knowledge.rule_source("R63")
        if fits is not None:
            how = f"{knowledge.label(fits.candidate.modality)} {fits.candidate.cocktail}"
            if fits.candidate.depth_mm is not None:
                how += f", {number_words(fits.candidate.depth_mm)} mm"
            text = f"Downtime of {first.candidate.downtime_hours} hours is more than the patient accepts ({hours * 24}): {how}."
            first = fits
        else:
            text = f"No choice stays within {hours * 24} hours of downtime: it will be {first.candidate.downtime_hours}."
        base.append(
            Finding(
                "info", "R63", assessed.code, text, "Agree on the days with the patient.", None, source, grade
            )
        )
    others = tuple(
        o
        for o in options
        if (o.candidate.modality, o.candidate.cocktail)
        != (first.candidate.modality, first.candidate.cocktail)
    )
    base += first.outcome.findings
    base += _waiting_finding(first, others, case.today, knowledge, assessed.code)
    base += [
        Finding("info", "R60", assessed.code, text, "", None, *knowledge.rule_source("R60"))
        for rule, text in first.candidate.notes
        if rule == "R60"
    ]
    defers = list(first.outcome.defers)
    if first.candidate.free_from > case.today:
        defers.append(
            (first.candidate.waits[0] if first.candidate.waits else "R54", first.candidate.free_from)
        )
    order = modality_order(concern, case, outcome, knowledge)
    return done(
        planned=planned_from(first, case, order, assessed, knowledge, refusals=refusals),
        option=first,
        others=others,
        refusals=tuple(refusals),
        findings=tuple(base),
        defers=tuple(defers),
    )


def added_course(
    addition: Any,
    chosen: Chosen,
    case: Case,
    plan: Outcome,
    knowledge: Knowledge,
    rules: Mapping[str, Rules],
) -> Option | Refusal:
    """A cocktail that the physician adds on purpose: the modality it is made for, syringe first."""
    row = knowledge.cocktails[addition["cocktail"]]
    outcome = plan.copy()
    outcome.findings, outcome.defers = [], []
    scene = Scene(case, case.today, knowledge, assessed=chosen.assessed)
    apply(rules["concern"], scene, outcome, scope=chosen.assessed.code, quiet=True)
    name = addition["cocktail"]
    if (
        chosen.assessed.concern.indication not in row["indications"]
        or chosen.assessed.concern.area not in row["areas"]
    ):
        return Refusal(name, ("R59",), "The added cocktail is not for this indication and area.")
    modality = (
        SYRINGE if SYRINGE in row["modalities"] else row["modalities"][0] if row["modalities"] else NEEDLING
    )
    return option_for(
        chosen.assessed, modality, name, outcome, case, knowledge, rules["candidate"], added=True
    )


def gains_and_costs(option: Option, chosen: Candidate, case: Case, knowledge: Knowledge) -> tuple[str, str]:
    """What an alternative gives and costs against the choice: agent, evidence, downtime, pain, visits, start."""
    other = option.candidate
    gains: list[str] = []
    costs: list[str] = []

    def weigh(delta: int, less: str, more: str) -> None:
        if delta:
            (costs if delta > 0 else gains).append((more if delta > 0 else less).format(abs(delta)))

    weigh(other.downtime_hours - chosen.downtime_hours, "{} hours less downtime", "{} hours more downtime")
    weigh(
        need(other, case, knowledge) - need(chosen, case, knowledge),
        "less painful",
        "more painful",
    )
    weigh(other.interval[1] - chosen.interval[1], "visits {} days closer", "visits {} days further apart")
    visits = sessions_of(other, case, knowledge)[0] - sessions_of(chosen, case, knowledge)[0]
    weigh(visits, "{} sessions fewer", "{} sessions more")
    ranks = "ABCSK"
    if ranks.index(other.grade) != ranks.index(chosen.grade):
        better = ranks.index(other.grade) < ranks.index(chosen.grade)
        (gains if better else costs).append(f"evidence graded {other.grade} instead of {chosen.grade}")
    if other.modality != chosen.modality:
        if chosen.modality == SYRINGE:
            gains.append("no syringe" if other.modality == NEEDLING else "no needle")
        elif other.modality == SYRINGE:
            costs.append("injections by syringe")
    if option.free is None:
        costs.append("waits for a missing fact")
    elif option.free > max(case.today, chosen.free_from):
        costs.append(f"only from {day_words(option.free)}")
    elif option.free < chosen.free_from:
        gains.append(f"from {day_words(option.free)}")
    if other.lead != chosen.lead:
        gains.append(f"{knowledge.label(other.lead)} in place of {knowledge.label(chosen.lead)}")
    order = knowledge.indications[other.indication]["modality_order"]
    later = (
        other.modality in order
        and chosen.modality in order
        and order.index(other.modality) > order.index(chosen.modality)
    )
    if later or other.modality == chosen.modality:
        costs.append("later in the order of the protocol")
    gains = gains or ["another way to the same aim"]
    return "; ".join(gains), "; ".join(costs) or "none against the choice"
