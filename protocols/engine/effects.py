"""What the fired rules do to a plan: findings, removed candidates, caps, waiting dates."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from protocols.engine.knowledge import Knowledge
from protocols.engine.rules import Clause, Evidence, Rules, Scene, add_months, dark_skin, fired
from protocols.engine.words import day_words


@dataclass(frozen=True, slots=True)
class Finding:
    """One line for the physician: level, rule, what and why, what helps, from which day it is free."""

    level: str
    rule: str
    scope: str
    message: str
    remedy: str = ""
    earliest: date | None = None
    source: str = ""
    grade: str = "K"
    because: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "level": self.level,
            "rule": self.rule,
            "scope": self.scope,
            "message": self.message,
            "remedy": self.remedy,
            "earliest": self.earliest.isoformat() if self.earliest else None,
            "source": self.source,
            "grade": self.grade,
            "because": list(self.because),
        }


@dataclass(slots=True)
class Outcome:
    """All effects gathered so far for a plan, a concern or a candidate."""

    findings: list[Finding] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)
    defers: list[tuple[str, date | None]] = field(default_factory=list)
    declined: list[tuple[str, str]] = field(default_factory=list)
    agents: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    products: dict[str, list[str]] = field(default_factory=dict)
    modalities: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    caps: list[tuple[Decimal, str]] = field(default_factory=list)
    syringe_limit: list[tuple[Decimal, str]] = field(default_factory=list)
    factor: Decimal = Decimal(1)
    prefer: list[str] = field(default_factory=list)

    def copy(self) -> "Outcome":
        """A copy to add to without touching this one."""
        return Outcome(
            list(self.findings),
            list(self.blocked),
            list(self.defers),
            list(self.declined),
            {k: list(v) for k, v in self.agents.items()},
            {k: list(v) for k, v in self.products.items()},
            {k: list(v) for k, v in self.modalities.items()},
            list(self.caps),
            list(self.syringe_limit),
            self.factor,
            list(self.prefer),
        )


def _counted(start: date, spec: dict[str, Any], scene: Scene) -> date:
    if "months" in spec:
        return add_months(start, spec["months"])
    dark = "dark_days" in spec and dark_skin(scene)
    return start + timedelta(days=spec["dark_days"] if dark else spec["days"])


def waiting_date(spec: dict[str, Any], evidence: Evidence, scene: Scene) -> tuple[bool, date | None]:
    """(still waiting?, until when). None: a fact is missing, so the date is not known."""
    if "after" not in spec:
        return True, None
    dates: list[date | None] = []
    for _text, fact in evidence:
        if fact is None:
            continue
        start = fact.day(spec["after"])
        if start is not None:
            dates.append(_counted(start, spec, scene))
        elif "otherwise" in spec:
            other = fact.day(spec["otherwise"]["after"])
            dates.append(_counted(other, spec["otherwise"], scene) if other else None)
        else:
            dates.append(None)
    if not dates or None in dates:
        return True, None
    latest = max(day for day in dates if day is not None)
    return latest > scene.today, latest


def _message(clause: Clause, evidence: Evidence) -> str:
    facts = "; ".join(dict.fromkeys(text for text, _fact in evidence if text))
    return clause.message.replace("{fact}", facts or "stated")


def apply(rules: Rules, scene: Scene, outcome: Outcome, *, scope: str = "plan", quiet: bool = False) -> None:
    """Evaluate rules in a scene and add what they do to `outcome`. `quiet` adds effects but no findings."""
    for clause, evidence in fired(rules, scene):
        _apply_one(clause, evidence, scene, outcome, scope, quiet)


def _apply_one(
    clause: Clause, evidence: Evidence, scene: Scene, outcome: Outcome, scope: str, quiet: bool
) -> None:
    knowledge: Knowledge = scene.knowledge
    source, grade = knowledge.rule_source(clause.rule)
    grade = clause.grade or grade
    message = _message(clause, evidence)
    because = tuple(dict.fromkeys(text for text, _fact in evidence if text))
    level: str | None = None
    earliest: date | None = None
    where = scope
    for effect in clause.effects:
        kind = effect["do"]
        if kind in {"block", "warn", "info"}:
            level = kind
            if kind == "block":
                outcome.blocked.append(clause.rule)
            if "earliest" in effect:
                earliest = waiting_date(effect["earliest"], evidence, scene)[1]
        elif kind == "defer":
            waiting, until = waiting_date(dict(effect), evidence, scene)
            if waiting:
                outcome.defers.append((clause.rule, until))
                level, earliest = "block", until
        elif kind == "decline":
            outcome.declined.append((clause.rule, message))
            level = level or "info"
        elif kind == "remove-agents":
            for agent in effect["agents"]:
                outcome.agents.setdefault(agent, []).append((clause.rule, message))
            level, where = level or "info", where if level else "agent"
        elif kind == "remove-products":
            for product in effect["products"]:
                outcome.products.setdefault(product, []).append(clause.rule)
            level = level or "info"
        elif kind == "remove-allergens":
            for _text, fact in evidence:
                if fact is None:
                    continue
                agents, products = knowledge.allergen_agents.get(fact.code, (frozenset(), frozenset()))
                for agent in agents:
                    outcome.agents.setdefault(agent, []).append((clause.rule, message))
                for product in products:
                    outcome.products.setdefault(product, []).append(clause.rule)
            level, where = "info", "agent"
        elif kind == "remove-reacted":
            for _text, fact in evidence:
                if fact is None:
                    continue
                agent = str(fact.get("agent"))
                for one in (agent, *knowledge.relatives(agent)):
                    outcome.agents.setdefault(one, []).append((clause.rule, message))
                for product in knowledge.products_with(agent):
                    outcome.products.setdefault(product, []).append(clause.rule)
            level, where = "info", "agent"
        elif kind == "remove-modalities":
            for modality in effect["modalities"]:
                outcome.modalities.setdefault(modality, []).append((clause.rule, message))
            level, where = level or "info", where if level else "modality"
        elif kind == "cap-needling":
            outcome.caps.append((Decimal(effect["mm"]), clause.rule))
        elif kind == "remove-syringe-deeper":
            outcome.syringe_limit.append((Decimal(effect["mm"]), clause.rule))
        elif kind == "anaesthetic-factor":
            outcome.factor = min(outcome.factor, Decimal(effect["factor"]))
            level = level or "info"
        elif kind == "prefer-modality":
            outcome.prefer.append(effect["modality"])
        # `wait-procedure` does nothing here: the days differ by modality, candidates.free_from reads them.
    if level is None or quiet:
        return
    remedy = clause.remedy
    if earliest is not None:
        remedy = f"{remedy} Earliest {day_words(earliest)} ({earliest.isoformat()}).".strip()
    outcome.findings.append(
        Finding(level, clause.rule, where, message, remedy, earliest, source, grade, because)
    )
