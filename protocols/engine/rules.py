"""Safety rules: conditions read from data, turned once into closures. A small closed set of predicates, never `eval`.

A predicate answers with the evidence that made it true, or None. Unknown facts make no predicate true; what was
not asked is collected by `asking.py` into finding R00.
"""

import operator
from calendar import monthrange
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, overload

from protocols.engine.case import Case, Concern, Fact
from protocols.engine.knowledge import Knowledge, KnowledgeError
from protocols.engine.triggers import Mark, Trigger, triggers
from protocols.engine.words import fact_words

LEVELS = ("plan", "concern", "candidate", "course")


@dataclass(frozen=True, slots=True)
class Assessed:
    """A concern with its computed severity: band `mild`, `moderate`, `severe`, `below`, `above` or None."""

    concern: Concern
    band: str | None
    text: str
    score: Decimal | None = None

    @property
    def code(self) -> str:
        return self.concern.code


@dataclass(frozen=True, slots=True)
class Scene:
    """What a rule may look at: the case, and as far as known the concern, the candidate and the course."""

    case: Case
    today: date
    knowledge: Knowledge
    assessed: Assessed | None = None
    modality: str | None = None
    agents: frozenset[str] = frozenset()
    lead: str | None = None
    depth_mm: Decimal | None = None
    cream_grams: Decimal | None = None
    anaesthetic: bool = False
    product: str | None = None
    session_days: tuple[date, ...] = ()
    added_agents: frozenset[str] = frozenset()

    @property
    def marks(self) -> frozenset[Mark]:
        """What stands in the case and in this candidate or course, as the marks that clauses are found by."""
        found: list[Mark] = [("modality", self.modality), ("product", self.product)]
        found += (("agent", agent) for agent in self.agents)
        found += (("added", agent) for agent in self.added_agents)
        if self.assessed is not None:
            concern = self.assessed.concern
            found += (("indication", concern.indication), ("area", concern.area), ("scale", concern.scale))
            found += (("band", self.assessed.band), ("goal", concern.values.get("goal")))
            found += (("red_flags", flag) for flag in concern.values.get("red_flags", ()))
        return self.case.marks.union(found)


type Evidence = tuple[tuple[str, Fact | None], ...]
type Predicate = Callable[[Scene], Evidence | None]


@dataclass(frozen=True, slots=True)
class Clause:
    """One compiled clause of a rule."""

    rule: str
    level: str
    test: Predicate
    triggers: tuple[Trigger, ...]
    effects: tuple[Mapping[str, Any], ...]
    message: str
    remedy: str
    grade: str | None = None  # where it differs from the rule's


class Rules(Sequence[Clause]):
    """Clauses in rule order, found by what stands in a scene: a clause that nothing there speaks to costs nothing."""

    __slots__ = ("_always", "_by_mark", "_clauses", "_marks")

    def __init__(self, clauses: Iterable[Clause]) -> None:
        self._clauses = tuple(clauses)
        always: list[int] = []
        by_mark: dict[Mark, list[int]] = {}
        for number, clause in enumerate(self._clauses):
            if not clause.triggers:
                always.append(number)
                continue
            # Found by its first trigger; the others are asked once it is found.
            for mark in clause.triggers[0]:
                by_mark.setdefault(mark, []).append(number)
        self._always = tuple(always)
        self._by_mark = by_mark
        self._marks = frozenset(by_mark)

    @overload
    def __getitem__(self, index: int) -> Clause: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Clause, ...]: ...
    def __getitem__(self, index: int | slice) -> Clause | tuple[Clause, ...]:
        return self._clauses[index]

    def __len__(self) -> int:
        return len(self._clauses)

    def possible(self, present: frozenset[Mark]) -> Iterator[Clause]:
        """The clauses that these marks leave possible, in rule order."""
        numbers = set(self._always)
        for mark in self._marks & present:
            numbers.update(self._by_mark[mark])
        for number in sorted(numbers):
            clause = self._clauses[number]
            for trigger in clause.triggers:
                if trigger.isdisjoint(present):
                    break
            else:
                yield clause


def fired(rules: Rules, scene: Scene) -> Iterator[tuple[Clause, Evidence]]:
    """The clauses that are true in a scene, each with what made it true."""
    for clause in rules.possible(scene.marks):
        evidence = clause.test(scene)
        if evidence is not None:
            yield clause, evidence


def add_months(day: date, months: int) -> date:
    """The same day of the month so many months later; the last day where there is none."""
    month = day.month - 1 + months
    year, month = day.year + month // 12, month % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def _facts(scene: Scene, name: str) -> tuple[Fact, ...]:
    return scene.case.facts.get(name) or ()


def _in_area(scene: Scene, fact: Fact) -> bool:
    """A fact without an area counts for every area: unknown is not elsewhere."""
    area = fact.get("area")
    if area is None or scene.assessed is None:
        return True
    here = scene.assessed.concern.area
    return area == here or area in scene.knowledge.areas[here]["same_skin"]


def _near_area(scene: Scene, fact: Fact) -> bool:
    """In the area or beside it (REFERENCE.md §6 R10: within 2 cm)."""
    here = scene.assessed
    beside = here is not None and fact.get("area") in scene.knowledge.areas[here.concern.area]["neighbours"]
    return beside or _in_area(scene, fact)


def _status(fact: Fact) -> str:
    return str(fact.get("status") or "active")


def _evidence(scene: Scene, kind: str, facts: list[Fact]) -> Evidence | None:
    return tuple((fact_words(kind, fact, scene.knowledge), fact) for fact in facts) or None


def _days(scene: Scene, day: date | None) -> int | None:
    return None if day is None else (scene.today - day).days


def _condition(spec: Mapping[str, Any]) -> Predicate:
    codes = frozenset(spec["condition"])
    statuses = frozenset(spec["status"]) if "status" in spec else frozenset({"active"})

    def fits(scene: Scene, fact: Fact) -> bool:
        if fact.code not in codes:
            return False
        if spec.get("in_area") and not _in_area(scene, fact):
            return False
        if spec.get("near_area") and not _near_area(scene, fact):
            return False
        if spec.get("clearing"):
            # Active now, or over but with a known day of clearing that the waiting time counts from.
            if not (_status(fact) == "active" or fact.day("cleared_on")):
                return False
        elif not spec.get("ever") and _status(fact) not in statuses:
            return False
        if spec.get("uncontrolled") and fact.get("controlled") is True:
            return False
        if spec.get("undated") and fact.day("date") is not None:
            return False
        if spec.get("dated") and fact.day("date") is None:
            return False
        if spec.get("trigger_not_coded") and _trigger_is_coded(scene):
            return False
        if "within_days" in spec:
            since = _days(scene, fact.day("date"))
            if since is None or since >= spec["within_days"]:
                return False
        if "within_months" in spec:
            day = fact.day("date")
            return day is not None and scene.today < add_months(day, spec["within_months"])
        return True

    return lambda scene: _evidence(
        scene, "condition", [f for f in _facts(scene, "conditions") if fits(scene, f)]
    )


def _trigger_is_coded(scene: Scene) -> bool:
    """Whether an allergy with anaphylaxis names what it was: free text is no known trigger."""
    vague = {"other", "unknown-injectable"}
    return any(
        f.get("reaction") == "anaphylaxis" and f.code not in vague for f in _facts(scene, "allergies")
    ) or any(f.code == "anaphylaxis" and f.get("agent") for f in _facts(scene, "reactions"))


def is_current(fact: Fact) -> bool:
    """A medication without `current` is taken now, unless it has a last dose."""
    current = fact.get("current")
    return bool(current) if current is not None else fact.get("last_dose") is None


def _medication(spec: Mapping[str, Any]) -> Predicate:
    wanted = frozenset(spec["medication"])

    def fits(scene: Scene, fact: Fact) -> bool:
        classes = scene.knowledge.medication_classes.get(fact.code, frozenset({fact.code}))
        if not wanted & classes:
            return False
        if spec.get("in_area") and not _in_area(scene, fact):
            return False
        # Not stated is not prescribed: the caution then fires once too often, never too seldom.
        if spec.get("not_prescribed") and fact.get("prescribed") is True:
            return False
        if "prescribed" in spec and (fact.get("prescribed") is not False) != spec["prescribed"]:
            return False
        if "dose_at_least" in spec:
            dose = fact.get("dose_mg_per_day")
            if dose is not None and Decimal(str(dose)) < Decimal(spec["dose_at_least"]):
                return False
        if spec.get("current") and not is_current(fact):
            return False
        last = fact.day("last_dose")
        if "within_days" in spec and not is_current(fact):
            since = _days(scene, last)
            return since is None or since < spec["within_days"]
        if "within_months" in spec and not is_current(fact):
            return last is None or scene.today < add_months(last, spec["within_months"])
        return True

    def test(scene: Scene) -> Evidence | None:
        found = [f for f in _facts(scene, "medications") if fits(scene, f)]
        if len({f.code for f in found}) < spec.get("count_at_least", 1):
            return None
        return _evidence(scene, "medication", found)

    return test


def _procedure(spec: Mapping[str, Any]) -> Predicate:
    codes = frozenset(spec["procedure"])

    def fits(scene: Scene, fact: Fact) -> bool:
        if fact.code not in codes or (spec.get("in_area") and not _in_area(scene, fact)):
            return False
        if "areas" in spec and (scene.assessed is None or scene.assessed.concern.area not in spec["areas"]):
            return False
        since = _days(scene, fact.day("date"))
        return "within_days" not in spec or (since is not None and since < spec["within_days"])

    return lambda scene: _evidence(
        scene, "procedure", [f for f in _facts(scene, "procedures") if fits(scene, f)]
    )


def _patient(spec: Mapping[str, Any]) -> Predicate:
    name = spec["patient"]
    words = name.replace("_", " ")
    among = tuple(spec.get("is_in", ()))
    least = _number(spec["at_least"]) if "at_least" in spec else None

    def test(scene: Scene) -> Evidence | None:
        value = scene.case.value(name)
        if value is None:
            return ((f"{words} not known", None),) if spec.get("or_unknown") else None
        true = value in among if least is None else _number(value) >= least
        return ((f"{words}: {value}", None),) if true else None

    return test


#: Word of a bound -> how a value is compared with it.
_BOUNDS: dict[str, Callable[[Decimal | int, Decimal | int], bool]] = {
    "at_least": operator.ge,
    "below": operator.lt,
    "above": operator.gt,
    "up_to": operator.le,
}


def _range(spec: Mapping[str, Any]) -> Callable[[Decimal | int], bool]:
    """Whether a value lies within the bounds that a condition names."""
    bounds = [(compare, _number(spec[name])) for name, compare in _BOUNDS.items() if name in spec]

    def inside(value: Decimal | int) -> bool:
        for compare, bound in bounds:  # noqa: SIM110  # a generator takes longer than the comparisons
            if not compare(value, bound):
                return False
        return True

    return inside


def _number(value: Any) -> Decimal | int:
    """A number as it is compared: whole ones stay whole, fractions are decimals."""
    return value if isinstance(value, int) else Decimal(str(value))


def _age(spec: Mapping[str, Any]) -> Predicate:
    inside = _range(spec["age"])

    def test(scene: Scene) -> Evidence | None:
        age = scene.case.age
        return ((f"age {age}", None),) if inside(age) else None

    return test


def _bmi(spec: Mapping[str, Any]) -> Predicate:
    inside = _range(spec["bmi"])

    def test(scene: Scene) -> Evidence | None:
        bmi = scene.case.bmi
        return ((f"BMI {bmi}", None),) if bmi is not None and inside(bmi) else None

    return test


def _recent_labs(scene: Scene, code: str, within: int | None) -> list[Fact]:
    found = [f for f in _facts(scene, "labs") if f.code == code]
    if within is not None:
        found = [f for f in found if (_days(scene, f.day("date")) or 0) <= within]
    # Only the newest sample speaks; of two on one day the one written last.
    return sorted(found, key=lambda f: (f.get("date"), str(f.get("value"))))[-1:]


def _lab(spec: Mapping[str, Any]) -> Predicate:
    inside = _range(spec)

    def test(scene: Scene) -> Evidence | None:
        found = _recent_labs(scene, spec["lab"], spec.get("within_days"))
        return _evidence(scene, "lab", [f for f in found if inside(Decimal(str(f.get("value"))))])

    return test


def _lab_missing(spec: Mapping[str, Any]) -> Predicate:
    def test(scene: Scene) -> Evidence | None:
        code = spec["lab_missing"]
        return None if _recent_labs(scene, code, spec["within_days"]) else ((f"{code} not known", None),)

    return test


def _allergy(spec: Mapping[str, Any]) -> Predicate:
    every = spec["allergy"] == "any-agent"
    codes, spared = (
        frozenset() if every else frozenset(spec["allergy"]),
        frozenset(spec.get("not_reaction", ())),
    )
    wanted = frozenset(spec["reaction"]) if "reaction" in spec else None

    def fits(scene: Scene, fact: Fact) -> bool:
        if every and not any(scene.knowledge.allergen_agents.get(fact.code, ())):
            return False
        if not every and fact.code not in codes:
            return False
        reaction = fact.get("reaction")
        return reaction not in spared and (wanted is None or reaction in wanted)

    def test(scene: Scene) -> Evidence | None:
        return _evidence(scene, "allergy", [f for f in _facts(scene, "allergies") if fits(scene, f)])

    return test


def _drug_allergies(spec: Mapping[str, Any]) -> Predicate:
    materials = frozenset(spec["not_counted"])

    def test(scene: Scene) -> Evidence | None:
        found = [f for f in _facts(scene, "allergies") if f.code not in materials]
        return _evidence(scene, "allergy", found) if len(found) >= spec["drug_allergies"] else None

    return test


#: Word of a concern condition -> whether a concern meets what is wanted.
_CONCERN_CHECKS: dict[str, Callable[[Scene, Assessed, Any], bool]] = {
    "indication": lambda _s, a, v: a.concern.indication in v,
    "area": lambda _s, a, v: a.concern.area in v,
    "band": lambda _s, a, v: a.band in v,
    "goal": lambda _s, a, v: a.concern.values.get("goal") in v,
    "hair_pattern": lambda _s, a, v: a.concern.values.get("hair_pattern") in v,
    "smslg": lambda _s, a, v: a.concern.values.get("smslg_grade") in v,
    "red_flags": lambda _s, a, v: bool(set(v) & set(a.concern.values.get("red_flags", ()))),
    "has_red_flag": lambda _s, a, _v: bool(a.concern.values.get("red_flags")),
    "scale": lambda _s, a, v: a.concern.scale in v,
    "pigment_depth": lambda _s, a, v: a.concern.values.get("pigment_depth") in v,
    "weight_stable": lambda _s, a, v: a.concern.values.get("weight_stable_3_months") is v,
    "score_at_least": lambda _s, a, v: a.concern.scale == v[0] and (a.score or 0) >= v[1],
    "onset_within_months": lambda s, a, v: (
        "onset" in a.concern.values and s.today < add_months(date.fromisoformat(a.concern.values["onset"]), v)
    ),
}


def _concern(spec: Mapping[str, Any]) -> Predicate:
    wanted = spec["concern"]
    checks = [(_CONCERN_CHECKS[name], value) for name, value in wanted.items()]
    flagged = "has_red_flag" in wanted or "red_flags" in wanted

    def test(scene: Scene) -> Evidence | None:
        assessed = scene.assessed
        if assessed is None:
            return None
        for check, value in checks:
            if not check(scene, assessed, value):
                return None
        flags = ", ".join(flag.replace("-", " ") for flag in assessed.concern.values.get("red_flags", ()))
        return (((flags if flags and flagged else assessed.text) or assessed.code, None),)

    return test


def _modality(spec: Mapping[str, Any]) -> Predicate:
    return lambda scene: () if scene.modality in spec["modality"] else None


def _agent(spec: Mapping[str, Any]) -> Predicate:
    wanted = frozenset(spec["agent"])
    return lambda scene: (
        tuple((scene.knowledge.label(code), None) for code in sorted(wanted & scene.agents)) or None
    )


def _any_agent_but(spec: Mapping[str, Any]) -> Predicate:
    spared = frozenset(spec["any_agent_but"])
    return lambda scene: (
        tuple((scene.knowledge.label(code), None) for code in sorted(scene.agents - spared)) or None
    )


def _anaesthetic_product(spec: Mapping[str, Any]) -> Predicate:
    wanted = frozenset(spec["anaesthetic_product"])
    return lambda scene: (
        ((scene.knowledge.label(scene.product), None),) if scene.product and scene.product in wanted else None
    )


def _added_agent(spec: Mapping[str, Any]) -> Predicate:
    wanted = frozenset(spec["added_agent"])
    return lambda scene: (
        tuple((scene.knowledge.label(c), None) for c in sorted(wanted & (scene.added_agents | scene.agents)))
        or None
    )


def _blood_pressure(spec: Mapping[str, Any]) -> Predicate:
    wanted = spec["blood_pressure"]

    def test(scene: Scene) -> Evidence | None:
        pressure = scene.case.patient.get("blood_pressure")
        if pressure is None:
            return None
        high = "systolic_at_least" in wanted and (
            pressure["systolic"] >= wanted["systolic_at_least"]
            or pressure["diastolic"] >= wanted["diastolic_at_least"]
        )
        low = "systolic_below" in wanted and pressure["systolic"] < wanted["systolic_below"]
        return ((f"{pressure['systolic']}/{pressure['diastolic']} mmHg", None),) if high or low else None

    return test


def dark_skin(scene: Scene) -> bool:
    """Phototype IV or darker; one that nobody has stated counts as dark [K]."""
    phototype = scene.case.value("phototype")
    return phototype is None or phototype >= scene.knowledge.tables["dark_phototype_from"]["value"]


def _sun(spec: Mapping[str, Any]) -> Predicate:
    def test(scene: Scene) -> Evidence | None:
        limit = spec["dark_days"] if dark_skin(scene) else spec["within_days"]
        found = [
            f
            for f in _facts(scene, "sun")
            if f.code in spec["sun"] and _in_area(scene, f) and (_days(scene, f.day("date")) or 0) < limit
        ]
        return _evidence(scene, "sun", found)

    return test


def _sunburn(_spec: Mapping[str, Any]) -> Predicate:
    return lambda scene: _evidence(
        scene, "sunburn", [f for f in _facts(scene, "sunburns") if _in_area(scene, f)]
    )


def _childbearing(spec: Mapping[str, Any]) -> Predicate:
    def test(scene: Scene) -> Evidence | None:
        case = scene.case
        if case.sex != "female":
            return None
        since = case.patient.get("postmenopausal_since")
        past = (
            case.patient.get("childbearing_potential") is False
            or case.patient.get("sterilised") is True
            or (
                since is not None
                and scene.today >= add_months(date.fromisoformat(since), spec["postmenopausal_months"])
            )
        )
        return None if past else (("childbearing potential not excluded", None),)

    return test


def _allergen_agents(spec: Mapping[str, Any]) -> Predicate:
    return lambda scene: _evidence(
        scene,
        "allergy",
        [
            f
            for f in _facts(scene, "allergies")
            if any(scene.knowledge.allergen_agents.get(f.code, ())) or f.code in spec["materials"]
        ],
    )


def _reaction(spec: Mapping[str, Any]) -> Predicate:
    codes = frozenset(spec["reaction"]) if spec["reaction"] else None
    spared = frozenset(spec.get("unless", ()))

    def fits(scene: Scene, fact: Fact) -> bool:
        if (codes is not None and fact.code not in codes) or fact.code in spared:
            return False
        if "grade_at_least" in spec and (fact.get("grade") or 0) < spec["grade_at_least"]:
            return False
        if "agent_known" in spec and bool(fact.get("agent")) != spec["agent_known"]:
            return False
        if spec.get("in_area") and not _in_area(scene, fact):
            return False
        if spec.get("near_area") and not _near_area(scene, fact):
            return False
        since = _days(scene, fact.day("date"))
        return "within_days" not in spec or since is None or since < spec["within_days"]

    return lambda scene: _evidence(
        scene, "reaction", [f for f in _facts(scene, "reactions") if fits(scene, f)]
    )


def _event(spec: Mapping[str, Any]) -> Predicate:
    def near(scene: Scene, day: date) -> bool:
        if "around_days" in spec:
            return any(
                abs((day - session).days) < spec["around_days"]
                for session in (scene.today, *scene.session_days)
            )
        reach = spec["after_session_days"]
        if "deep_days" in spec:
            deep = scene.modality == "microneedling" and (scene.depth_mm or 0) > Decimal(spec["deep_mm"])
            if deep or scene.agents & set(spec["deep_agents"]):
                reach = spec["deep_days"]
        return any(timedelta(0) <= day - session <= timedelta(days=reach) for session in scene.session_days)

    def test(scene: Scene) -> Evidence | None:
        found = []
        for fact in _facts(scene, "events"):
            day = fact.day("date")
            if fact.code in spec["event"] and day is not None and near(scene, day):
                found.append(fact)
        return _evidence(scene, "event", found)

    return test


def _recent_procedure(_spec: Mapping[str, Any]) -> Predicate:
    def test(scene: Scene) -> Evidence | None:
        found = []
        for fact in _facts(scene, "procedures"):
            days = scene.knowledge.procedure_days.get(fact.code, (None, None))
            since = _days(scene, fact.day("date"))
            if _in_area(scene, fact) and since is not None and any(d is not None and since < d for d in days):
                found.append(fact)
        return _evidence(scene, "procedure", found)

    return test


def _lifetime(spec: Mapping[str, Any]) -> Predicate:
    def test(scene: Scene) -> Evidence | None:
        had = scene.knowledge.dc_sessions_had(scene.case.facts)
        return ((f"{had} sessions so far", None),) if had >= spec["at_least"] else None

    return test


def _lead_unlicensed(_spec: Mapping[str, Any]) -> Predicate:
    def test(scene: Scene) -> Evidence | None:
        if scene.lead is None or scene.knowledge.agents[scene.lead]["licensed"]:
            return None
        return ((scene.knowledge.label(scene.lead), None),)

    return test


def _cream_over(spec: Mapping[str, Any]) -> Predicate:
    return lambda scene: (
        ((f"{scene.cream_grams} g of cream", None),)
        if (scene.cream_grams or 0) > Decimal(spec["cream_over_g"])
        else None
    )


def _switched_off(spec: Mapping[str, Any]) -> Predicate:
    wanted = spec["switched_off"]
    return lambda scene: (
        tuple(
            (scene.knowledge.label(code), None)
            for code in wanted
            if not scene.knowledge.agents[code]["offered"]
        )
        or None
    )


def _anaesthetic(_spec: Mapping[str, Any]) -> Predicate:
    return lambda scene: (("anaesthetic planned", None),) if scene.anaesthetic else None


PREDICATES: dict[str, tuple[str, Callable[[Mapping[str, Any]], Predicate]]] = {
    "condition": ("plan", _condition),
    "medication": ("plan", _medication),
    "procedure": ("plan", _procedure),
    "patient": ("plan", _patient),
    "age": ("plan", _age),
    "bmi": ("plan", _bmi),
    "lab": ("plan", _lab),
    "lab_missing": ("plan", _lab_missing),
    "allergy": ("plan", _allergy),
    "drug_allergies": ("plan", _drug_allergies),
    "concern": ("concern", _concern),
    "modality": ("candidate", _modality),
    "agent": ("candidate", _agent),
    "any_agent_but": ("candidate", _any_agent_but),
    "anaesthetic_product": ("course", _anaesthetic_product),
    "added_agent": ("candidate", _added_agent),
    "blood_pressure": ("plan", _blood_pressure),
    "sun": ("concern", _sun),
    "sunburn": ("concern", _sunburn),
    "childbearing": ("plan", _childbearing),
    "allergen_agents": ("plan", _allergen_agents),
    "reaction": ("plan", _reaction),
    "event": ("plan", _event),
    "recent_procedure": ("concern", _recent_procedure),
    "lifetime": ("concern", _lifetime),
    "lead_unlicensed": ("candidate", _lead_unlicensed),
    "cream_over_g": ("course", _cream_over),
    "anaesthetic": ("course", _anaesthetic),
    "switched_off": ("plan", _switched_off),
}


def _compile(spec: Mapping[str, Any]) -> tuple[str, Predicate]:
    if "all" in spec or "any" in spec:
        both = "all" in spec
        compiled = [_compile(part) for part in spec["all" if both else "any"]]
        level = max((level for level, _test in compiled), key=LEVELS.index)
        tests = [test for _level, test in compiled]

        def every(scene: Scene) -> Evidence | None:
            found: list[tuple[str, Fact | None]] = []
            for test in tests:
                evidence = test(scene)
                if evidence is None:
                    return None
                found += evidence
            return tuple(found)

        def some(scene: Scene) -> Evidence | None:
            found: list[tuple[str, Fact | None]] = []
            hit = False
            for test in tests:
                evidence = test(scene)
                if evidence is not None:
                    hit = True
                    found += evidence
            return tuple(found) if hit else None

        return level, every if both else some
    if "not" in spec:
        level, inner = _compile(spec["not"])
        return level, lambda scene: () if inner(scene) is None else None
    for name, (level, build) in PREDICATES.items():
        if name in spec:
            if spec.get("course"):
                level = "course"
            elif spec.get("in_area") or spec.get("near_area") or "areas" in spec:
                level = max(level, "concern", key=LEVELS.index)
            return level, build(spec)
    raise ValueError(f"no known predicate in {sorted(spec)}")


def test_of(spec: Mapping[str, Any]) -> Predicate:
    """The compiled test of one condition."""
    return _compile(spec)[1]


def compile_rules(knowledge: Knowledge) -> Rules:
    """Turn all rules' conditions into closures, in rule order. Raises KnowledgeError for one it can't read."""
    return _compiled(knowledge)[0]


def by_level(knowledge: Knowledge) -> Mapping[str, Rules]:
    """The same clauses, those of each level for themselves. Raises KnowledgeError as `compile_rules` does."""
    return _compiled(knowledge)[1]


def _compiled(knowledge: Knowledge) -> tuple[Rules, Mapping[str, Rules]]:
    cached = _COMPILED.get(knowledge.sha256)
    if cached is not None:
        return cached
    clauses: list[Clause] = []
    faults: list[str] = []
    for rule, row in knowledge.rules.items():
        for number, clause in enumerate(row["clauses"]):
            try:
                level, test = _compile(clause["when"])
            except (ValueError, KeyError, TypeError) as error:
                faults.append(f"rules.json: {rule}.clauses[{number}]: {error}")
                continue
            clauses.append(
                Clause(
                    rule,
                    level,
                    test,
                    triggers(clause["when"], knowledge.medication_classes),
                    tuple(clause["effects"]),
                    clause["message"],
                    clause.get("remedy", ""),
                    clause.get("grade"),
                )
            )
    if faults:
        raise KnowledgeError(faults)
    levels = {level: Rules(clause for clause in clauses if clause.level == level) for level in LEVELS}
    result = Rules(clauses), levels
    _COMPILED[knowledge.sha256] = result
    return result


#: Compiled once per knowledge version.
_COMPILED: dict[str, tuple[Rules, Mapping[str, Rules]]] = {}
