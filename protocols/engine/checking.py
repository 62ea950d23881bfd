"""Checks of the knowledge before it is used: every fault one line, with the file and the key that it stands at.

A rule that names an unknown code, an empty range, or two conditions that exclude each other would never fire, and
nobody would notice at a patient. So it is a fault of the file.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

type Documents = Mapping[str, Any]

#: Patient facts a condition may read.
PATIENT = frozenset(
    {
        "sex", "pregnancy", "phototype", "smoking_per_day", "sunscreen_daily", "bdd_screen", "needle_fear",
        "trying_for_child", "childbearing_potential", "sterilised", "consent", "baseline_photos",
    }
)  # fmt: skip
_STATUS = frozenset({"active", "remission", "past"})
_BANDS = frozenset({"mild", "moderate", "severe", "below", "above"})
_LEVELS = frozenset({"block", "warn", "info"})
_EVENTS = frozenset({"vaccination", "blood-test", "important-event", "sun-holiday"})
_SUN = frozenset({"tan", "strong-uv"})
_GOALS = frozenset(
    {"improve", "even-tone", "lighter-than-own-skin", "cure", "weight-loss", "replace-surgery"}
)
#: Mechanisms that carry a rule which is no condition on facts.
MECHANISMS = frozenset(
    {"asking", "session", "anaesthetic-sum", "interval", "mixing", "catalogue", "limits", "downtime"}
)


def is_number(value: object) -> bool:
    """Whether a value is nothing, or a finite decimal that is not negative."""
    try:
        return value is None or (Decimal(str(value)).is_finite() and Decimal(str(value)) >= 0)
    except InvalidOperation:
        return False


class Codes:
    """The codes of a knowledge, by list."""

    def __init__(self, documents: Documents) -> None:
        vocabulary = documents["vocabulary"]

        def of(kind: str) -> frozenset[str]:
            return frozenset(row["code"] for row in vocabulary[kind])

        self.conditions, self.procedures, self.labs = of("conditions"), of("procedures"), of("labs")
        self.medications = of("medications") | {c for m in vocabulary["medications"] for c in m["classes"]}
        self.allergens, self.agents, self.areas = of("allergens"), of("agents"), of("areas")
        self.indications, self.modalities, self.scales = of("indications"), of("modalities"), of("scales")
        self.anaesthetics, self.events, self.flags = of("anaesthetics"), of("adverse_events"), of("red_flags")
        self.cocktails, self.techniques = of("cocktails"), of("techniques")
        self.reactions = of("reactions")
        self.rules = frozenset(row["id"] for row in vocabulary["rules"])


def _unknown(values: object, known: Iterable[str], what: str) -> Iterator[str]:
    known = frozenset(known)
    rows = values if isinstance(values, list) else [values]
    for value in rows:
        if value not in known:
            yield f"unknown {what} {value!r}"


def _empty_range(spec: Mapping[str, Any]) -> Iterator[str]:
    try:
        least = max((Decimal(str(spec[k])) for k in ("at_least", "above") if k in spec), default=None)
        most = min((Decimal(str(spec[k])) for k in ("below", "up_to") if k in spec), default=None)
    except InvalidOperation:
        yield "a bound that is no number"
        return
    if least is None and most is None:
        yield "no bound: at_least, above, below or up_to is missing"
    elif least is not None and most is not None and (least > most or (least == most and "below" in spec)):
        yield f"an empty range, {least} to {most}: it can never fire"


_COMMON = frozenset({"course"})


def _predicate_faults(spec: Mapping[str, Any], codes: Codes, tables: Mapping[str, Any]) -> Iterator[str]:
    """Faults of one predicate: its codes, its ranges, words it does not know."""
    allowed: dict[str, tuple[frozenset[str], Callable[[], Iterable[str]]]] = {
        "condition": (
            frozenset({"status", "ever", "in_area", "near_area", "clearing", "uncontrolled", "undated", "dated",
                       "trigger_not_coded", "within_days", "within_months"}),
            lambda: (*_unknown(spec["condition"], codes.conditions, "condition"),
                     *_unknown(spec.get("status", []), _STATUS, "status")),
        ),
        "medication": (
            frozenset({"current", "prescribed", "not_prescribed", "in_area", "dose_at_least", "within_days",
                       "within_months", "count_at_least"}),
            lambda: _unknown(spec["medication"], codes.medications, "medication or class"),
        ),
        "procedure": (
            frozenset({"in_area", "areas", "within_days"}),
            lambda: (*_unknown(spec["procedure"], codes.procedures, "procedure"),
                     *_unknown(spec.get("areas", []), codes.areas, "area")),
        ),
        "patient": (
            frozenset({"is_in", "at_least", "or_unknown"}),
            lambda: (*_unknown(spec["patient"], PATIENT, "fact"),
                     *(() if "is_in" in spec or "at_least" in spec else ("neither is_in nor at_least",))),
        ),
        "age": (frozenset(), lambda: _empty_range(spec["age"])),
        "bmi": (frozenset(), lambda: _empty_range(spec["bmi"])),
        "lab": (
            frozenset({"at_least", "below", "above", "up_to", "within_days"}),
            lambda: (*_unknown(spec["lab"], codes.labs, "lab"), *_empty_range(spec)),
        ),
        "lab_missing": (frozenset({"within_days"}), lambda: _unknown(spec["lab_missing"], codes.labs, "lab")),
        "allergy": (
            frozenset({"reaction", "not_reaction"}),
            lambda: (*_unknown(spec["allergy"], codes.allergens | {"any-agent"}, "allergen"),
                     *_unknown(spec.get("reaction", []), codes.reactions, "reaction"),
                     *_unknown(spec.get("not_reaction", []), codes.reactions, "reaction")),
        ),
        "drug_allergies": (
            frozenset({"not_counted"}), lambda: _unknown(spec["not_counted"], codes.allergens, "allergen")
        ),
        "concern": (frozenset(), lambda: _concern_faults(spec["concern"], codes)),
        "modality": (frozenset(), lambda: _unknown(spec["modality"], codes.modalities, "modality")),
        "agent": (frozenset(), lambda: _unknown(spec["agent"], codes.agents, "agent")),
        "any_agent_but": (frozenset(), lambda: _unknown(spec["any_agent_but"], codes.agents, "agent")),
        "anaesthetic_product": (
            frozenset(), lambda: _unknown(spec["anaesthetic_product"], codes.anaesthetics, "anaesthetic")
        ),
        "added_agent": (frozenset(), lambda: _unknown(spec["added_agent"], codes.agents, "agent")),
        "blood_pressure": (
            frozenset(),
            lambda: _unknown(list(spec["blood_pressure"]),
                             ("systolic_at_least", "diastolic_at_least", "systolic_below"), "bound"),
        ),
        "sun": (frozenset({"within_days", "dark_days", "in_area"}), lambda: _unknown(spec["sun"], _SUN, "kind of sun")),
        "sunburn": (frozenset({"in_area"}), lambda: iter(())),
        "childbearing": (frozenset({"postmenopausal_months"}), lambda: iter(())),
        "allergen_agents": (
            frozenset({"materials"}), lambda: _unknown(spec["materials"], codes.allergens, "allergen")
        ),
        "reaction": (
            frozenset({"unless", "grade_at_least", "agent_known", "in_area", "near_area", "within_days"}),
            lambda: (*_unknown(spec["reaction"] or [], codes.events, "adverse event"),
                     *_unknown(spec.get("unless", []), codes.events, "adverse event")),
        ),
        "event": (
            frozenset({"around_days", "after_session_days", "deep_days", "deep_mm", "deep_agents"}),
            lambda: _unknown(spec["event"], _EVENTS, "event"),
        ),
        "recent_procedure": (frozenset(), lambda: iter(())),
        "lifetime": (
            frozenset({"at_least"}),
            lambda: _unknown(spec["lifetime"], {tables["dc"]["procedure"]}, "counted procedure"),
        ),
        "lead_unlicensed": (frozenset(), lambda: iter(())),
        "cream_over_g": (frozenset(), lambda: iter(()) if is_number(spec["cream_over_g"]) else iter(("no number",))),
        "anaesthetic": (frozenset(), lambda: iter(())),
        "switched_off": (frozenset(), lambda: _unknown(spec["switched_off"], codes.agents, "agent")),
    }  # fmt: skip
    name = next((name for name in allowed if name in spec), None)
    if name is None:
        yield f"no known predicate in {sorted(spec)}"
        return
    words, check = allowed[name]
    for key in sorted(set(spec) - words - _COMMON - {name}):
        yield f"{name}: unknown word {key!r}"
    for key in (
        "within_days",
        "within_months",
        "around_days",
        "after_session_days",
        "deep_days",
        "dark_days",
    ):
        if key in spec and (not isinstance(spec[key], int) or spec[key] < 1):
            yield f"{name}: {key} must be a whole number of days or months above 0, not {spec[key]!r}"
    if isinstance(spec[name], list) and not spec[name]:
        yield f"{name}: an empty list can never fire"
    yield from check()


def _concern_faults(spec: Mapping[str, Any], codes: Codes) -> Iterator[str]:
    lists = {
        "indication": codes.indications, "area": codes.areas, "band": _BANDS, "scale": codes.scales,
        "red_flags": codes.flags, "hair_pattern": frozenset({"patterned", "diffuse", "patchy", "scarring"}),
        "pigment_depth": frozenset({"epidermal", "dermal", "mixed"}),
        "goal": _GOALS,
    }  # fmt: skip
    others = {"smslg", "has_red_flag", "onset_within_months", "weight_stable", "score_at_least"}
    for key, value in spec.items():
        if key in lists:
            yield from _unknown(value, lists[key], key.replace("_", " "))
        elif key not in others:
            yield f"concern: unknown word {key!r}"


def _flat(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for key in ("all", "any"):
        if key in spec:
            for part in spec[key]:
                yield from _flat(part)
            return
    if "not" in spec:
        yield from _flat(spec["not"])
        return
    yield spec


def _contradiction(spec: Mapping[str, Any]) -> Iterator[str]:
    """An `all` whose parts exclude each other can never fire."""
    if "all" in spec:
        parts = spec["all"]
        for part in parts:
            if "not" in part and part["not"] in parts:
                yield "all: a condition and its contrary: it can never fire"
        for name in ("modality", "indication", "area"):
            sets = [
                set(part.get(name) or part.get("concern", {}).get(name) or ())
                for part in parts
                if name in part or name in part.get("concern", {})
            ]
            if len(sets) > 1 and not set.intersection(*sets):
                yield f"all: no {name} fits every part: it can never fire"
        ages = [part["age"] for part in parts if "age" in part]
        if len(ages) > 1:
            merged = {k: v for age in ages for k, v in age.items()}
            yield from _empty_range(merged)
    for key in ("all", "any"):
        for part in spec.get(key, ()) if isinstance(spec.get(key), list) else ():
            if isinstance(part, Mapping):
                yield from _contradiction(part)
    if "not" in spec:
        yield from _contradiction(spec["not"])


def _effect_faults(effect: Mapping[str, Any], codes: Codes) -> Iterator[str]:
    lists: dict[str, tuple[str, frozenset[str], str]] = {
        "remove-agents": ("agents", codes.agents, "agent"),
        "remove-products": ("products", codes.anaesthetics, "anaesthetic"),
        "remove-modalities": ("modalities", codes.modalities, "modality"),
    }
    plain = _LEVELS | {"defer", "decline", "remove-allergens", "remove-reacted", "wait-procedure"}
    kind = effect.get("do")
    if kind in lists:
        field, known, what = lists[str(kind)]
        if not effect.get(field):
            yield f"{kind}: nothing to remove"
        yield from _unknown(effect.get(field, []), known, what)
    elif kind in {"cap-needling", "remove-syringe-deeper"}:
        if not effect.get("mm") or not is_number(effect["mm"]) or Decimal(effect["mm"]) <= 0:
            yield f"{kind}: mm must be a number above 0, not {effect.get('mm')!r}"
    elif kind == "anaesthetic-factor":
        if not is_number(effect.get("factor")) or not 0 < Decimal(effect.get("factor") or 0) <= 1:
            yield f"{kind}: factor must be above 0 and at most 1"
    elif kind == "prefer-modality":
        yield from _unknown(effect.get("modality"), codes.modalities, "modality")
    elif kind not in plain:
        yield f"unknown effect {kind!r}"
    if kind == "defer" and "after" in effect and not ("days" in effect or "months" in effect):
        yield "defer: days or months are missing"


def rule_faults(documents: Documents, codes: Codes) -> Iterator[str]:
    """Faults of the rules: ids, sources, conditions, effects, messages, examples."""
    tables = documents["tables"]
    for row in documents["rules"]:
        at = f"rules.json: {row.get('id', '?')}"
        if row.get("id") not in codes.rules:
            yield f"{at}: is not in the vocabulary"
        mechanism = row.get("mechanism")
        if mechanism is not None and mechanism not in MECHANISMS:
            yield f"{at}: unknown mechanism {mechanism!r}"
        if not row["clauses"] and mechanism is None:
            yield f"{at}: has no clause, it can never fire"
        for number, clause in enumerate(row["clauses"]):
            where = f"{at}.clauses[{number}]"
            if not clause.get("message"):
                yield f"{where}: has no message"
            if not clause.get("effects"):
                yield f"{where}: has no effect, it can never do anything"
            if "grade" in clause and clause["grade"] not in "ABCSK":
                yield f"{where}: grade {clause['grade']!r} is not one of A B C S K"
            for spec in _flat(clause["when"]):
                for fault in _predicate_faults(spec, codes, tables):
                    yield f"{where}: {fault}"
            for fault in _contradiction(clause["when"]):
                yield f"{where}: {fault}"
            for effect in clause["effects"]:
                for fault in _effect_faults(effect, codes):
                    yield f"{where}: {fault}"
        examples = row.get("examples", {})
        for name in ("fires", "near_miss"):
            if not examples.get(name):
                yield f"{at}: has no example of {name.replace('_', ' ')}"


def cocktail_faults(documents: Documents, codes: Codes) -> Iterator[str]:
    """Faults of the cocktails: codes, numbers, limits, routes, mixing rules (REFERENCE.md §4.2)."""
    agents = {row["code"]: row for row in documents["agents"]}
    tables = documents["tables"]
    mixing, few = tables["mixing"], tables["actives_max"]["value"]
    inert = set(tables["not_counted_as_active"])
    for row in documents["cocktails"]:
        at = f"cocktails.json: {row['code']}"
        if row["code"] not in codes.cocktails and not row.get("of_the_clinic"):
            yield f"{at}: is not in the vocabulary"
        for key, known in (
            ("areas", codes.areas),
            ("indications", codes.indications),
            ("modalities", codes.modalities),
        ):
            for fault in _unknown(row[key], known, key[:-1]):
                yield f"{at}: {fault}"
        names = [part["agent"] for part in row["components"]]
        for part in row["components"]:
            agent = agents.get(part["agent"])
            if agent is None:
                yield f"{at}: unknown agent {part['agent']}"
                continue
            if not is_number(part["ml"]) or not is_number(part["mg_per_ml"]) or not Decimal(part["ml"]) > 0:
                yield f"{at}: {part['agent']} has a number that is none"
                continue
            if is_number(agent["max_mg_per_session"]) and is_number(agent["max_ml_per_session"]):
                yield from (f"{at}: {fault}" for fault in _component_faults(part, agent, row))
        actives = [name for name in names if name not in inert]
        if len(set(names)) != len(names):
            yield f"{at}: an agent stands twice"
        if len(actives) > few:
            yield f"{at}: {len(actives)} actives, {few} at most (R58)"
        for rule in mixing:
            if rule["agent"] in names and set(names) - {rule["agent"], *rule["only_with"]}:
                yield f"{at}: {rule['agent']} may be mixed with {', '.join(rule['only_with']) or 'nothing'} only (R58)"


def _component_faults(
    part: Mapping[str, Any], agent: Mapping[str, Any], row: Mapping[str, Any]
) -> Iterator[str]:
    strength = Decimal(part["mg_per_ml"]) if part["mg_per_ml"] else None
    dose = Decimal(part["ml"]) * strength if strength is not None else None
    limit = agent["max_mg_per_session"]
    if dose is not None and limit is not None and dose > Decimal(limit):
        yield f"{part['agent']} {dose} mg is above its limit of {limit} mg"
    most = agent["max_ml_per_session"]
    if most is not None and Decimal(part["ml"]) > Decimal(most) and part["agent"] != "saline":
        yield f"{part['agent']} {part['ml']} mL is above its limit of {most} mL"
    for modality in row["modalities"]:
        allowed = row.get("routes_by_the_reference", ())
        if modality not in agent["routes"] and modality not in allowed:
            yield f"{part['agent']} is not given by {modality}"
        ceiling = (agent.get("ceiling_mg_per_ml_by_modality") or {}).get(modality)
        if ceiling is not None and strength is not None and strength > Decimal(ceiling):
            yield f"{part['agent']} at {strength} mg/mL is above {ceiling} mg/mL by {modality}"
    total = agent.get("ceiling_mg_per_ml")
    volume = sum((Decimal(p["ml"]) for p in row["components"]), Decimal(0))
    if total is not None and dose is not None and dose / volume > Decimal(total):
        yield f"{part['agent']} at {dose / volume} mg/mL in the mixture is above {total} mg/mL"


def _unreckoned(row: Mapping[str, Any], counted: Sequence[str]) -> Iterator[str]:
    """A dose that is known in mL only counts at the highest strength: without one it would count as nothing."""
    limits = [row["max_mg_per_session"], row["max_mg_per_kg"]]
    limited = any(limit is not None and is_number(limit) and Decimal(limit) > 0 for limit in limits)
    strength = row["highest_mg_per_ml"]
    if (limited or row["code"] in counted) and (
        strength is None or not is_number(strength) or not Decimal(strength) > 0
    ):
        yield "has a limit in mg but no highest_mg_per_ml: a dose in mL could not be counted"


def table_faults(documents: Documents, codes: Codes) -> Iterator[str]:
    """Faults of agents, areas, indications and scales: numbers, codes, contradictory limits."""
    counted = documents["tables"]["lidocaine"]["counted_agents"]
    for fault in _unknown(counted, codes.agents, "agent"):
        yield f"tables.json: lidocaine.counted_agents: {fault}"
    for row in documents["agents"]:
        at = f"agents.json: {row['code']}"
        if row["code"] not in codes.agents:
            yield f"{at}: is not in the vocabulary"
        for name in (
            "max_mg_per_session",
            "max_mg_per_kg",
            "max_ml_per_session",
            "concentration_mg_per_ml",
            "highest_mg_per_ml",
        ):
            if not is_number(row[name]):
                yield f"{at}: {name} {row[name]!r} is not a number"
        yield from (f"{at}: {fault}" for fault in _unreckoned(row, counted))
        for fault in _unknown(row["avoid_conditions"], codes.conditions, "condition"):
            yield f"{at}: {fault}"
        for fault in _unknown([*row["removed_with"], *row["contains"]], codes.agents, "agent"):
            yield f"{at}: {fault}"
        own = row["own_interval"]
        if own and not row["min_days"] <= own[0] <= own[1] <= own[2]:
            yield f"{at}: own_interval {own} contradicts min_days {row['min_days']}"
    for row in documents["areas"]:
        at = f"areas.json: {row['code']}"
        for fault in _unknown([*row["neighbours"], *row["same_skin"]], codes.areas, "area"):
            yield f"{at}: {fault}"
        if Decimal(row["syringe_default_ml"]) > Decimal(row["syringe_max_ml"]):
            yield f"{at}: syringe_default_ml is above syringe_max_ml"
        for zone, cap in row["needling_zone_caps_mm"].items():
            if Decimal(cap) > Decimal(row["needling_cap_mm"]):
                yield f"{at}: {zone} {cap} mm is above needling_cap_mm"
    for row in documents["indications"]:
        at = f"indications.json: {row['code']}"
        for modality, days in row["interval_days"].items():
            if not days[0] <= days[1] <= days[2]:
                yield f"{at}: interval_days of {modality} are out of order"
    for row in documents["scales"]:
        at = f"scales.json: {row['code']}"
        starts = [Decimal(band["min"]) for band in row["bands"]]
        if starts != sorted(starts):
            yield f"{at}: bands are out of order"
    for row in documents["adverse_events"]:
        if row["code"] not in codes.events:
            yield f"adverse_events.json: {row['code']}: is not in the vocabulary"


def faults(documents: Documents) -> list[str]:
    """Every fault of a knowledge's documents, one line each: `file: key: what`."""
    codes = Codes(documents)
    return [
        *table_faults(documents, codes),
        *cocktail_faults(documents, codes),
        *rule_faults(documents, codes),
    ]
