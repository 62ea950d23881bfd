"""The shipped rules written three other ways, for comparison: straight-line Python, JSONLogic and business-rules.

The Python functions read the same case and answer yes or no: what a programmer would have typed, without evidence.
The two libraries know no records with dates, so each of their variables is worked out beforehand, outside the
measured time: they only compare and combine.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from business_rules.engine import check_conditions_recursively
from business_rules.operators import BooleanType, NumericType, SelectMultipleType
from business_rules.variables import BaseVariables, rule_variable
from json_logic import jsonLogic

from protocols.engine import rules as engine
from protocols.engine.knowledge import Knowledge
from protocols.engine.rules import Scene, test_of

LISTS = {
    "condition": "conditions",
    "medication": "medications",
    "procedure": "procedures",
    "allergy": "allergies",
    "reaction": "reactions",
    "event": "events",
    "sun": "sun",
}


def clauses_of(knowledge: Knowledge) -> list[Mapping[str, Any]]:
    """Every condition of every rule, in rule order."""
    return [clause["when"] for row in knowledge.rules.values() for clause in row["clauses"]]


class Writer:
    """Turns conditions into the text of Python functions `clause_N(s)`."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {
            "add_months": engine.add_months,
            "dark_skin": engine.dark_skin,
            "in_area": engine._in_area,
            "near_area": engine._near_area,
            "is_current": engine.is_current,
            "trigger_is_coded": engine._trigger_is_coded,
            "recent_labs": engine._recent_labs,
            "Decimal": Decimal,
        }
        self.lines: list[str] = []
        self.count = 0

    def constant(self, value: Any) -> str:
        name = f"K{len(self.names)}"
        self.names[name] = value
        return name

    def function(self, body: list[str]) -> str:
        self.count += 1
        self.lines += [f"def leaf_{self.count}(s):", *(f"    {line}" for line in body)]
        return f"leaf_{self.count}(s)"

    def loop(self, facts: str, checks: list[str], before: list[str] | None = None) -> str:
        """Whether one fact of a list fulfils every check on it (`f`, its values `v`)."""
        return self.function([
            *(before or []),
            f"for f in s.case.facts.get({facts!r}) or ():",
            "    v = f.values",
            *(f"    if not ({check}): continue" for check in checks),
            "    return True",
            "return False",
        ])  # fmt: skip

    def since(self, name: str) -> str:
        return f"(None if f.day({name!r}) is None else (s.today - f.day({name!r})).days)"

    def condition(self, spec: Mapping[str, Any]) -> str:
        checks = [f"f.code in {self.constant(frozenset(spec['condition']))}"]
        checks += ["in_area(s, f)"] if spec.get("in_area") else []
        checks += ["near_area(s, f)"] if spec.get("near_area") else []
        status = "(v.get('status') or 'active')"
        if spec.get("clearing"):
            checks.append(f"{status} == 'active' or v.get('cleared_on')")
        elif not spec.get("ever"):
            checks.append(f"{status} in {self.constant(frozenset(spec.get('status', ['active'])))}")
        checks += ["v.get('controlled') is not True"] if spec.get("uncontrolled") else []
        checks += ["not v.get('date')"] if spec.get("undated") else []
        checks += ["v.get('date')"] if spec.get("dated") else []
        checks += ["not trigger_is_coded(s)"] if spec.get("trigger_not_coded") else []
        if "within_days" in spec:
            checks.append(f"v.get('date') and (s.today - f.day('date')).days < {spec['within_days']}")
        if "within_months" in spec:
            checks.append(f"v.get('date') and s.today < add_months(f.day('date'), {spec['within_months']})")
        return self.loop("conditions", checks)

    def medication(self, spec: Mapping[str, Any]) -> str:
        wanted = self.constant(frozenset(spec["medication"]))
        checks = [f"{wanted} & s.knowledge.medication_classes.get(f.code, frozenset((f.code,)))"]
        checks += ["in_area(s, f)"] if spec.get("in_area") else []
        checks += ["v.get('prescribed') is not True"] if spec.get("not_prescribed") else []
        if "prescribed" in spec:
            checks.append(f"(v.get('prescribed') is not False) is {spec['prescribed']}")
        if "dose_at_least" in spec:
            least = self.constant(Decimal(spec["dose_at_least"]))
            checks.append(
                f"v.get('dose_mg_per_day') is None or Decimal(str(v.get('dose_mg_per_day'))) >= {least}"
            )
        checks += ["is_current(f)"] if spec.get("current") else []
        if "within_days" in spec:
            checks.append(
                "is_current(f) or f.day('last_dose') is None "
                f"or (s.today - f.day('last_dose')).days < {spec['within_days']}"
            )
        elif "within_months" in spec:
            checks.append(
                "is_current(f) or f.day('last_dose') is None "
                f"or s.today < add_months(f.day('last_dose'), {spec['within_months']})"
            )
        if "count_at_least" not in spec:
            return self.loop("medications", checks)
        return self.function([
            "found = set()",
            "for f in s.case.facts.get('medications') or ():",
            "    v = f.values",
            *(f"    if not ({check}): continue" for check in checks),
            "    found.add(f.code)",
            f"return len(found) >= {spec['count_at_least']}",
        ])  # fmt: skip

    def procedure(self, spec: Mapping[str, Any]) -> str:
        checks = [f"f.code in {self.constant(frozenset(spec['procedure']))}"]
        checks += ["in_area(s, f)"] if spec.get("in_area") else []
        if "areas" in spec:
            areas = self.constant(frozenset(spec["areas"]))
            checks.append(f"s.assessed is not None and s.assessed.concern.area in {areas}")
        if "within_days" in spec:
            checks.append(f"v.get('date') and (s.today - f.day('date')).days < {spec['within_days']}")
        return self.loop("procedures", checks)

    def patient(self, spec: Mapping[str, Any]) -> str:
        name = spec["patient"]
        value = "s.case.sex" if name == "sex" else f"s.case.value({name!r})"
        test = (
            f"value in {self.constant(tuple(spec['is_in']))}"
            if "is_in" in spec
            else f"Decimal(str(value)) >= {self.constant(Decimal(str(spec['at_least'])))}"
        )
        return self.function([
            f"value = {value}", f"if value is None: return {bool(spec.get('or_unknown'))}", f"return {test}"
        ])  # fmt: skip

    def within(self, value: str, spec: Mapping[str, Any]) -> str:
        signs = {"at_least": ">=", "below": "<", "above": ">", "up_to": "<="}
        parts = [
            f"{value} {sign} {self.constant(Decimal(str(spec[key])))}"
            for key, sign in signs.items()
            if key in spec
        ]
        return "(" + " and ".join(parts or ["True"]) + ")"

    def age(self, spec: Mapping[str, Any]) -> str:
        return self.within("s.case.age", spec["age"])

    def bmi(self, spec: Mapping[str, Any]) -> str:
        test = self.within("value", spec["bmi"])
        return self.function(["value = s.case.bmi", f"return value is not None and {test}"])

    def lab(self, spec: Mapping[str, Any]) -> str:
        test = self.within("Decimal(str(found[0].get('value')))", spec)
        within = spec.get("within_days")
        return self.function([
            f"found = recent_labs(s, {spec['lab']!r}, {within})", f"return bool(found) and {test}"
        ])  # fmt: skip

    def lab_missing(self, spec: Mapping[str, Any]) -> str:
        return f"(not recent_labs(s, {spec['lab_missing']!r}, {spec['within_days']}))"

    def allergy(self, spec: Mapping[str, Any]) -> str:
        checks = (
            ["any(s.knowledge.allergen_agents.get(f.code, ()))"]
            if spec["allergy"] == "any-agent"
            else [f"f.code in {self.constant(frozenset(spec['allergy']))}"]
        )
        if "not_reaction" in spec:
            checks.append(f"v.get('reaction') not in {self.constant(frozenset(spec['not_reaction']))}")
        if "reaction" in spec:
            checks.append(f"v.get('reaction') in {self.constant(frozenset(spec['reaction']))}")
        return self.loop("allergies", checks)

    def drug_allergies(self, spec: Mapping[str, Any]) -> str:
        spared = self.constant(frozenset(spec["not_counted"]))
        return self.function([
            "found = 0",
            "for f in s.case.facts.get('allergies') or ():",
            f"    found += f.code not in {spared}",
            f"return found >= {spec['drug_allergies']}",
        ])  # fmt: skip

    def concern(self, spec: Mapping[str, Any]) -> str:
        wanted = spec["concern"]

        def among(name: str) -> str:
            return self.constant(frozenset(wanted[name]))

        checks: dict[str, Callable[[], str]] = {
            "indication": lambda: f"k.indication in {among('indication')}",
            "area": lambda: f"k.area in {among('area')}",
            "band": lambda: f"a.band in {among('band')}",
            "goal": lambda: f"k.values.get('goal') in {among('goal')}",
            "hair_pattern": lambda: f"k.values.get('hair_pattern') in {among('hair_pattern')}",
            "smslg": lambda: f"k.values.get('smslg_grade') in {among('smslg')}",
            "red_flags": lambda: f"not {among('red_flags')}.isdisjoint(k.values.get('red_flags', ()))",
            "has_red_flag": lambda: "k.values.get('red_flags')",
            "scale": lambda: f"k.scale in {among('scale')}",
            "pigment_depth": lambda: f"k.values.get('pigment_depth') in {among('pigment_depth')}",
            "weight_stable": lambda: f"k.values.get('weight_stable_3_months') is {wanted['weight_stable']}",
            "score_at_least": lambda: (
                f"k.scale == {wanted['score_at_least'][0]!r} "
                f"and (a.score or 0) >= {wanted['score_at_least'][1]}"
            ),
            "onset_within_months": lambda: (
                "'onset' in k.values and s.today < "
                f"add_months(date.fromisoformat(k.values['onset']), {wanted['onset_within_months']})"
            ),
        }
        self.names["date"] = engine.date
        return self.function([
            "a = s.assessed",
            "if a is None: return False",
            "k = a.concern",
            "return bool(" + " and ".join(f"({checks[name]()})" for name in wanted) + ")",
        ])  # fmt: skip

    def modality(self, spec: Mapping[str, Any]) -> str:
        return f"(s.modality in {self.constant(frozenset(spec['modality']))})"

    def agent(self, spec: Mapping[str, Any]) -> str:
        return f"(not {self.constant(frozenset(spec['agent']))}.isdisjoint(s.agents))"

    def any_agent_but(self, spec: Mapping[str, Any]) -> str:
        return f"(not s.agents <= {self.constant(frozenset(spec['any_agent_but']))})"

    def added_agent(self, spec: Mapping[str, Any]) -> str:
        wanted = self.constant(frozenset(spec["added_agent"]))
        return f"(not {wanted}.isdisjoint(s.agents) or not {wanted}.isdisjoint(s.added_agents))"

    def blood_pressure(self, spec: Mapping[str, Any]) -> str:
        wanted, parts = spec["blood_pressure"], []
        if "systolic_at_least" in wanted:
            parts.append(f"p['systolic'] >= {wanted['systolic_at_least']}")
            parts.append(f"p['diastolic'] >= {wanted['diastolic_at_least']}")
        if "systolic_below" in wanted:
            parts.append(f"p['systolic'] < {wanted['systolic_below']}")
        return self.function([
            "p = s.case.patient.get('blood_pressure')", f"return p is not None and ({' or '.join(parts)})"
        ])  # fmt: skip

    def sun(self, spec: Mapping[str, Any]) -> str:
        kinds = self.constant(frozenset(spec["sun"]))
        return self.loop(
            "sun",
            [f"f.code in {kinds}", "in_area(s, f)", f"({self.since('date')} or 0) < limit"],
            [f"limit = {spec['dark_days']} if dark_skin(s) else {spec['within_days']}"],
        )

    def sunburn(self, _spec: Mapping[str, Any]) -> str:
        return self.loop("sunburns", ["in_area(s, f)"])

    def childbearing(self, spec: Mapping[str, Any]) -> str:
        self.names["date"] = engine.date
        return self.function([
            "if s.case.sex != 'female': return False",
            "p = s.case.patient",
            "if p.get('childbearing_potential') is False or p.get('sterilised') is True: return False",
            "since = p.get('postmenopausal_since')",
            "return since is None or s.today < "
            f"add_months(date.fromisoformat(since), {spec['postmenopausal_months']})",
        ])  # fmt: skip

    def allergen_agents(self, spec: Mapping[str, Any]) -> str:
        materials = self.constant(frozenset(spec["materials"]))
        return self.loop(
            "allergies", [f"any(s.knowledge.allergen_agents.get(f.code, ())) or f.code in {materials}"]
        )

    def reaction(self, spec: Mapping[str, Any]) -> str:
        checks = [f"f.code in {self.constant(frozenset(spec['reaction']))}"] if spec["reaction"] else []
        checks += [f"f.code not in {self.constant(frozenset(spec['unless']))}"] if "unless" in spec else []
        if "grade_at_least" in spec:
            checks.append(f"(v.get('grade') or 0) >= {spec['grade_at_least']}")
        if "agent_known" in spec:
            checks.append(f"bool(v.get('agent')) is {spec['agent_known']}")
        checks += ["in_area(s, f)"] if spec.get("in_area") else []
        checks += ["near_area(s, f)"] if spec.get("near_area") else []
        if "within_days" in spec:
            checks.append(f"not v.get('date') or (s.today - f.day('date')).days < {spec['within_days']}")
        return self.loop("reactions", checks)

    def event(self, spec: Mapping[str, Any]) -> str:
        checks = [f"f.code in {self.constant(frozenset(spec['event']))}", "v.get('date')"]
        if "around_days" in spec:
            return self.loop("events", [
                *checks,
                f"any(abs((f.day('date') - d).days) < {spec['around_days']} for d in (s.today, *s.session_days))",
            ])  # fmt: skip
        before = [f"reach = {spec['after_session_days']}"]
        if "deep_days" in spec:
            deep, agents = (
                self.constant(Decimal(spec["deep_mm"])),
                self.constant(frozenset(spec["deep_agents"])),
            )
            before += [
                f"if (s.modality == 'microneedling' and (s.depth_mm or 0) > {deep}) or s.agents & {agents}:",
                f"    reach = {spec['deep_days']}",
            ]
        return self.loop(
            "events", [*checks, "any(0 <= (f.day('date') - d).days <= reach for d in s.session_days)"], before
        )

    def recent_procedure(self, _spec: Mapping[str, Any]) -> str:
        return self.loop("procedures", [
            "in_area(s, f)",
            "v.get('date')",
            "any(d is not None and (s.today - f.day('date')).days < d "
            "for d in s.knowledge.procedure_days.get(f.code, ()))",
        ])  # fmt: skip

    def lifetime(self, spec: Mapping[str, Any]) -> str:
        return f"(s.knowledge.dc_sessions_had(s.case.facts) >= {spec['at_least']})"

    def lead_unlicensed(self, _spec: Mapping[str, Any]) -> str:
        return "(s.lead is not None and not s.knowledge.agents[s.lead]['licensed'])"

    def cream_over_g(self, spec: Mapping[str, Any]) -> str:
        return f"((s.cream_grams or 0) > {self.constant(Decimal(spec['cream_over_g']))})"

    def switched_off(self, spec: Mapping[str, Any]) -> str:
        wanted = self.constant(tuple(spec["switched_off"]))
        return self.function([
            f"for code in {wanted}:",
            "    if not s.knowledge.agents[code]['offered']: return True",
            "return False",
        ])  # fmt: skip

    def anaesthetic(self, _spec: Mapping[str, Any]) -> str:
        return "s.anaesthetic"

    def anaesthetic_product(self, spec: Mapping[str, Any]) -> str:
        return f"(s.product in {self.constant(frozenset(spec['anaesthetic_product']))})"

    def expression(self, spec: Mapping[str, Any]) -> str:
        for word, sign in (("all", " and "), ("any", " or ")):
            if word in spec:
                return "(" + sign.join(self.expression(part) for part in spec[word]) + ")"
        if "not" in spec:
            return f"(not {self.expression(spec['not'])})"
        name = next(name for name in engine.PREDICATES if name in spec)
        return str(getattr(self, name)(spec))


def straight_line(knowledge: Knowledge) -> Callable[[Scene], list[bool]]:
    """All clauses as plain Python functions, called one after the other."""
    writer = Writer()
    ends = [f"def clause_{n}(s): return {writer.expression(w)}" for n, w in enumerate(clauses_of(knowledge))]
    calls = ", ".join(f"clause_{n}(s)" for n in range(len(ends)))
    source = "\n".join([*writer.lines, *ends, f"def every(s): return [{calls}]"])
    exec(compile(source, "rules as Python", "exec"), writer.names)
    every: Callable[[Scene], list[bool]] = writer.names["every"]
    return every


def closures(knowledge: Knowledge) -> Callable[[Scene], list[bool]]:
    """All clauses as the product evaluates them, with the evidence that made each true, as one yes or no a clause.

    The case's facts are read into marks anew each time: that is part of what is measured.
    """
    clauses = engine.compile_rules(knowledge)
    places = {id(clause): number for number, clause in enumerate(clauses)}

    def every(scene: Scene) -> list[bool]:
        answers = [False] * len(clauses)
        scene.case.__post_init__()
        for clause, _evidence in engine.fired(clauses, scene):
            answers[places[id(clause)]] = True
        return answers

    return every


def _number(spec: Mapping[str, Any], scene: Scene) -> tuple[Any, Mapping[str, Any]] | None:
    """The number and the bounds of a comparison; None where the condition is no plain comparison."""
    if "age" in spec:
        return scene.case.age, spec["age"]
    if "bmi" in spec:
        return scene.case.bmi, spec["bmi"]
    if "patient" in spec and "at_least" in spec and not spec.get("or_unknown"):
        return scene.case.value(spec["patient"]), spec
    if "lab" in spec:
        found = engine._recent_labs(scene, spec["lab"], spec.get("within_days"))
        return (found[0].get("value") if found else None), spec
    return None


#: A number below, above and outside every range, for what is not known.
_UNKNOWN = Decimal("-1e9")


class Flat:
    """The leaves of all conditions as flat variables, and their values in a scene."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.leaves: dict[str, Mapping[str, Any]] = {}
        self.conditions = clauses_of(knowledge)

    def name(self, spec: Mapping[str, Any]) -> str:
        key = json.dumps(spec, sort_keys=True, default=str)
        for name, known in self.leaves.items():
            if json.dumps(known, sort_keys=True, default=str) == key:
                return name
        name = f"v{len(self.leaves)}"
        self.leaves[name] = spec
        return name

    @staticmethod
    def kind(spec: Mapping[str, Any]) -> str:
        if "yes-no" in spec:
            return "yes-no"
        bounds = {"at_least", "below", "above", "up_to"}
        if "age" in spec or "bmi" in spec or ("lab" in spec and bounds & set(spec)):
            return "number"
        if "patient" in spec and "at_least" in spec and not spec.get("or_unknown"):
            return "number"
        listed = next((name for name in LISTS if name in spec), None)
        if listed and isinstance(spec[listed], list) and spec[listed] and "count_at_least" not in spec:
            return "codes"
        return "yes-no"

    def values(self, scene: Scene) -> dict[str, Any]:
        """What each variable is in this scene."""
        found: dict[str, Any] = {}
        for name, spec in self.leaves.items():
            kind = self.kind(spec)
            if kind == "number":
                value = (_number(spec, scene) or (None, {}))[0]
                found[name] = _UNKNOWN if value is None else Decimal(str(value))
            elif kind == "codes":
                found[name] = self._codes(spec, scene)
            else:
                found[name] = test_of(spec.get("yes-no", spec))(scene) is not None
        return found

    @staticmethod
    def _codes(spec: Mapping[str, Any], scene: Scene) -> list[str]:
        """The codes of the facts that fulfil all but the code."""
        listed = next(name for name in LISTS if name in spec)
        codes: list[str] = []
        for fact in scene.case.facts.get(LISTS[listed]) or ():
            own = replace(scene.case, facts={**scene.case.facts, LISTS[listed]: (fact,)})
            if "trigger_not_coded" in spec and engine._trigger_is_coded(scene):
                continue
            classes = [fact.code]
            if listed == "medication":
                classes = sorted(scene.knowledge.medication_classes.get(fact.code, {fact.code}))
            if test_of({**spec, listed: classes})(replace(scene, case=own)) is not None:
                codes += classes
        return codes


def _bounds(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = spec.get("age") or spec.get("bmi") or spec
    return {key: inner[key] for key in ("at_least", "below", "above", "up_to") if key in inner}


def json_logic(knowledge: Knowledge) -> tuple[Callable[[Mapping[str, Any]], list[bool]], Flat]:
    """All clauses for panzi-json-logic, over a dictionary of variables."""
    flat = Flat(knowledge)
    signs = {"at_least": ">=", "below": "<", "above": ">", "up_to": "<="}

    def rule(spec: Mapping[str, Any]) -> Any:
        if "all" in spec:
            return {"and": [rule(part) for part in spec["all"]]}
        if "any" in spec:
            return {"or": [rule(part) for part in spec["any"]]}
        if "not" in spec:
            return {"!": [rule(spec["not"])]}
        variable = {"var": flat.name(spec)}
        if flat.kind(spec) == "number":
            bounds = [{signs[key]: [variable, float(value)]} for key, value in _bounds(spec).items()]
            return {"and": [{">=": [variable, 0]}, *bounds]}
        if flat.kind(spec) == "codes":
            listed = next(name for name in LISTS if name in spec)
            return {"some": [variable, {"in": [{"var": ""}, list(spec[listed])]}]}
        return {"==": [variable, True]}

    written = [rule(when) for when in flat.conditions]

    def every(values: Mapping[str, Any]) -> list[bool]:
        return [bool(jsonLogic(one, values)) for one in written]

    return every, flat


def business_rules(knowledge: Knowledge) -> tuple[Callable[[Mapping[str, Any]], list[bool]], Flat]:
    """All clauses for business-rules, which has no "not": a negated leaf is asked for being false."""
    flat = Flat(knowledge)
    signs = {
        "at_least": "greater_than_or_equal_to", "below": "less_than", "above": "greater_than",
        "up_to": "less_than_or_equal_to",
    }  # fmt: skip

    def rule(spec: Mapping[str, Any], negated: bool = False) -> Any:
        for word, other in (("all", "any"), ("any", "all")):
            if word in spec:
                return {other if negated else word: [rule(part, negated) for part in spec[word]]}
        if "not" in spec:
            return rule(spec["not"], not negated)
        name = flat.name({"yes-no": spec} if negated else spec)
        if negated:
            return {"name": name, "operator": "is_false", "value": True}
        if flat.kind(spec) == "number":
            bounds = {"at_least": 0, **_bounds(spec)} if "at_least" not in _bounds(spec) else _bounds(spec)
            return {"all": [
                {"name": name, "operator": signs[key], "value": float(value)} for key, value in bounds.items()
            ]}  # fmt: skip
        if flat.kind(spec) == "codes":
            listed = next(one for one in LISTS if one in spec)
            return {
                "name": name, "operator": "shares_at_least_one_element_with", "value": list(spec[listed])
            }  # fmt: skip
        return {"name": name, "operator": "is_true", "value": True}

    written = [rule(when) for when in flat.conditions]
    kinds = {"number": NumericType, "codes": SelectMultipleType, "yes-no": BooleanType}

    def reader(name: str, kind: str) -> Callable[[Any], Any]:
        @rule_variable(kinds[kind])
        def read(self: Any) -> Any:
            return self.values[name]

        return read  # type: ignore[no-any-return]

    members = {name: reader(name, flat.kind(spec)) for name, spec in flat.leaves.items()}
    variables: Any = type("Variables", (BaseVariables,), members)

    def every(values: Mapping[str, Any]) -> list[bool]:
        known = variables()
        known.values = values
        return [check_conditions_recursively(one, known) for one in written]

    return every, flat
