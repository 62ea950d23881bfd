"""Candidates: one modality with one cocktail for one concern, sized in volume, dose, depth and downtime."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any

from protocols.engine.case import Case
from protocols.engine.effects import Outcome
from protocols.engine.knowledge import Knowledge
from protocols.engine.rules import Assessed
from protocols.engine.words import number_words

SYRINGE, JET, NEEDLING = "syringe", "needle-free", "microneedling"
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Component:
    """An agent in a cocktail: mL, and mg where it has mass, against its limit for one session."""

    agent: str
    concentration_mg_per_ml: Decimal | None
    volume_ml: Decimal
    dose_mg: Decimal | None
    limit_mg: Decimal | None
    limit_ml: Decimal | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something was not chosen."""

    candidate: str
    rules: tuple[str, ...]
    reason: str
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible way to treat one concern."""

    concern: str
    indication: str
    area: str
    band: str
    modality: str
    technique: str
    cocktail: str
    components: tuple[Component, ...]
    volume_ml: Decimal
    depth_mm: Decimal | None
    zones: tuple[tuple[str, Decimal], ...]
    points: int | None
    ml_per_point: Decimal | None
    spacing_mm: str | None
    needle: str | None
    downtime_hours: int
    interval: tuple[int, int, int]
    own_row: bool
    free_from: date
    waits: tuple[str, ...]
    grade: str
    notes: tuple[tuple[str, str], ...] = field(default=())  # (rule, text)

    @property
    def lead(self) -> str:
        """The first agent: the one the cocktail is for."""
        return self.components[0].agent

    @property
    def agents(self) -> frozenset[str]:
        """All agents with the diluent left out."""
        return frozenset(c.agent for c in self.components)

    @property
    def injected_ml(self) -> Decimal:
        """mL that go under the skin; needled liquid stays on it."""
        return Decimal(0) if self.modality == NEEDLING else self.volume_ml


def row_for(rows: list[dict[str, Any]], value: Decimal) -> dict[str, Any]:
    """The first row whose `up_to_mm` reaches the value."""
    return next(row for row in rows if value <= Decimal(row["up_to_mm"]))


def needling_downtime(depth: Decimal, knowledge: Knowledge) -> int:
    """Hours of redness by depth. Source: REFERENCE.md §5.4."""
    return int(row_for(knowledge.tables["needling_downtime"], depth)["hours"])


def agent_limits(
    agent: str, case: Case, knowledge: Knowledge, on: date | None = None
) -> tuple[Decimal | None, Decimal | None]:
    """(mg, mL) allowed in one session on a day: the session and the weight limit, less what that day already had."""
    row = knowledge.agents[agent]
    limit = Decimal(row["max_mg_per_session"]) if row["max_mg_per_session"] is not None else None
    if row["max_mg_per_kg"]:
        weight = case.weight_kg or Decimal(knowledge.tables["unknown_weight_kg"]["value"])
        by_weight = Decimal(row["max_mg_per_kg"]) * weight
        limit = by_weight if limit is None else min(limit, by_weight)
    millilitres = Decimal(row["max_ml_per_session"]) if row["max_ml_per_session"] is not None else None
    # What is given on the same day, in whatever course, counts against the day's limit.
    for fact in case.facts.get("given") or ():
        if fact.code == agent and fact.day("date") == (on or case.today):
            if limit is not None:
                strength = Decimal(row["highest_mg_per_ml"] or 0)
                dose = fact.get("dose_mg")
                given = (
                    Decimal(str(dose))
                    if dose is not None
                    else Decimal(str(fact.get("volume_ml") or 0)) * strength
                )
                limit = max(Decimal(0), limit - given)
            if millilitres is not None and fact.get("volume_ml") is not None:
                millilitres = max(Decimal(0), millilitres - Decimal(str(fact.get("volume_ml"))))
    return limit, millilitres


def area_max_ml(area: str, modality: str, cocktail: str, knowledge: Knowledge) -> Decimal:
    """The most that one session may put into an area. N: its own column; J: the syringe column (DECISIONS.md D)."""
    if knowledge.is_dc(cocktail):
        return Decimal(knowledge.tables["dc"]["max_ml"])
    row = knowledge.areas[area]
    return Decimal(row["needling_ml"] if modality == NEEDLING else row["syringe_max_ml"])


def _volume(
    assessed: Assessed, modality: str, cocktail: dict[str, Any], knowledge: Knowledge
) -> Decimal | None:
    """The session's volume before limits. None: the field is not measured yet."""
    concern, tables = assessed.concern, knowledge.tables
    area = knowledge.areas[concern.area]
    total = sum((Decimal(p["ml"]) for p in cocktail["components"]), Decimal(0))
    rule = cocktail["volume_rule"]
    if rule == "field":
        field_cm2 = concern.values.get("field_cm2")
        return None if field_cm2 is None else Decimal(str(field_cm2)) * Decimal(tables["dc"]["ml_per_cm2"])
    if rule == "fixed":
        return total
    if rule == "lesion" and modality != NEEDLING:
        lesion = concern.values.get("lesion_cm2")
        most = Decimal(area["syringe_max_ml"])
        if lesion is not None:
            return min(Decimal(str(lesion)) * Decimal(tables["lesion_ml_per_cm2"]["value"]), most)
        whole = concern.area in tables["lesion_ml_per_cm2"]["whole_when_unknown_areas"]
        return min(total, most) if whole else Decimal(area["syringe_default_ml"])
    standard = cocktail["areas"][0]
    if concern.area == standard:
        return total
    return Decimal(area["needling_ml"] if modality == NEEDLING else area["syringe_default_ml"])


def sized(
    cocktail: dict[str, Any],
    volume: Decimal,
    replaced: dict[str, str],
    case: Case,
    knowledge: Knowledge,
    on: date | None = None,
) -> tuple[Component, ...]:
    """The components at a volume, in order of drawing up; replaced agents are saline. Doses are rounded down."""
    parts = [
        (
            replaced.get(p["agent"], p["agent"]),
            Decimal(p["ml"]),
            p["mg_per_ml"] if p["agent"] not in replaced else None,
        )
        for p in cocktail["components"]
    ]
    total = sum((ml for _agent, ml, _mg in parts), Decimal(0))
    factor = volume / total
    made: list[Component] = []
    left = volume
    for index, (agent, ml, mg_per_ml) in enumerate(parts):
        exact = ml * factor
        share = left if index == len(parts) - 1 else exact.quantize(Decimal("0.0001"))
        left -= share
        limit_mg, limit_ml = agent_limits(agent, case, knowledge, on)
        dose = (exact * Decimal(mg_per_ml)).quantize(_CENT, ROUND_DOWN) if mg_per_ml else None
        made.append(
            Component(agent, Decimal(mg_per_ml) if mg_per_ml else None, share, dose, limit_mg, limit_ml)
        )
    merged: list[Component] = []
    for part in made:
        same = next(
            (m for m in merged if m.agent == part.agent and m.dose_mg is None and part.dose_mg is None), None
        )
        if same is None:
            merged.append(part)
        else:
            merged[merged.index(same)] = replace(same, volume_ml=same.volume_ml + part.volume_ml)
    return tuple(merged)


def limit_factor(components: tuple[Component, ...]) -> Decimal:
    """By how much the whole cocktail must shrink so that no agent is above its limit; 1 when none is."""
    factor = Decimal(1)
    for part in components:
        if part.limit_mg is not None and part.dose_mg:
            factor = min(factor, part.limit_mg / part.dose_mg)
        if part.limit_ml is not None and part.volume_ml:
            factor = min(factor, part.limit_ml / part.volume_ml)
    return factor


def needling_depths(assessed: Assessed, outcome: Outcome, knowledge: Knowledge) -> tuple[Decimal, str] | None:
    """(planned depth, rule that capped it or ""): the lowest of table, area cap and rule caps."""
    table = knowledge.indications[assessed.concern.indication]["needling_depth_mm"].get(assessed.band)
    if table is None:
        return None
    depth, why = Decimal(table), ""
    for cap, rule in [
        (Decimal(knowledge.areas[assessed.concern.area]["needling_cap_mm"]), "§5.3"),
        *outcome.caps,
    ]:
        if cap < depth:
            depth, why = cap, rule
    return depth, why


def interval_for(
    indication: str, modality: str, depth: Decimal | None, agents: frozenset[str], knowledge: Knowledge
) -> tuple[tuple[int, int, int], bool]:
    """((min, target, max) days, whether an own row left 7 to 21 days). Source: REFERENCE.md §8.1, DECISIONS.md E2."""
    rows = [tuple(knowledge.indications[indication]["interval_days"][modality])]
    if modality == NEEDLING and depth is not None:
        row = row_for(knowledge.tables["needling_interval"], depth)
        if row["own_row"]:
            return tuple(row["days"]), True
        rows.append(tuple(row["days"]))
    for agent in sorted(agents):
        own = knowledge.agents[agent]["own_interval"]
        if own and knowledge.agents[agent]["own_interval_wins"]:
            return tuple(own), True
        if own:
            rows.append(tuple(own))
    least = max(*(row[0] for row in rows), *(knowledge.agents[agent]["min_days"] for agent in agents))
    target = max(least, *(row[1] for row in rows))
    most = max(min(row[2] for row in rows), target)
    return (least, target, most), False


def free_from(
    case: Case, assessed: Assessed, modality: str, agents: frozenset[str], knowledge: Knowledge
) -> tuple[date, tuple[str, ...]]:
    """The first day this modality and these agents are free of waiting times (R54, R57), and the rules that wait."""
    free, rules = case.today, []
    here = assessed.concern.area
    skin = {here, *knowledge.areas[here]["same_skin"]}
    table = knowledge.tables["procedure_days"]
    for fact in case.facts.get("procedures") or ():
        area, done = fact.get("area"), fact.day("date")
        if done is None:
            continue
        near = area is None or area in skin
        if fact.code in table["areas"]:
            near = here in table["areas"][fact.code]
        days = knowledge.procedure_days.get(fact.code, (None, None))[1 if modality == NEEDLING else 0]
        rule = "R54"
        agent = table["by_agent"].get(fact.code)
        if agent is not None:
            counts = agent in agents or fact.code in table["whatever_is_planned"]
            days, rule = (knowledge.agents[agent]["min_days"] if counts else None), "R57"
        if near and days is not None and done + timedelta(days=days) > free:
            free = done + timedelta(days=days)
            rules.append(rule)
    for fact in case.facts.get("given") or ():
        given = fact.day("date")
        if given is None:
            continue
        days = knowledge.agents[fact.code]["min_days"] if fact.code in agents else 0
        if fact.code not in knowledge.tables["not_counted_as_active"] and fact.get("area") in {None, *skin}:
            # Our own session in the same skin, by which way is not told: the shallowest one's recovery (§8.3).
            days = max(days, recovery_days(SYRINGE, None, "", modality, None, knowledge))
        ready = given + timedelta(days=days)
        if ready > free:
            free = ready
            rules.append("R57")
    return free, tuple(dict.fromkeys(rules))


def _lead_refusal(
    row: dict[str, Any], outcome: Outcome, case: Case, knowledge: Knowledge
) -> tuple[tuple[str, ...], str] | None:
    active = {f.code for f in case.facts.get("conditions") or ()}
    for index, part in enumerate(row["components"]):
        agent = part["agent"]
        removed = outcome.agents.get(agent)
        essential = index == 0 or agent in row["next_when_blocked"]
        if removed and essential:
            return tuple(dict.fromkeys(rule for rule, _text in removed)), removed[0][1]
        avoided = set(knowledge.agents[agent]["avoid_conditions"]) & active
        if essential and avoided:
            words = ", ".join(sorted(knowledge.label(code) for code in avoided))
            return ("R48",), f"{knowledge.label(agent)} is not given with {words} (REFERENCE.md §3)."
        if not knowledge.agents[agent]["offered"]:
            return ("R59",), f"{knowledge.label(agent)} is switched off."
    return None


def build(
    assessed: Assessed, modality: str, code: str, outcome: Outcome, case: Case, knowledge: Knowledge
) -> Candidate | Refusal:
    """Size one candidate, or say why it can't be. `outcome` holds the effects of all rules on it."""
    concern, tables = assessed.concern, knowledge.tables
    row = dict(knowledge.cocktails[code])
    name = f"{knowledge.label(modality)}, {code}"
    removed = outcome.modalities.get(modality)
    if removed:
        return Refusal(name, tuple(dict.fromkeys(rule for rule, _t in removed)), removed[0][1])
    if modality == JET and not knowledge.areas[concern.area]["jet_allowed"]:
        return Refusal(name, (), f"No jet on this area: {knowledge.label(concern.area)}.")
    bands = (row["only_bands"] or {}).get(concern.area)
    if bands and assessed.band not in bands:
        rules = tuple(dict.fromkeys(r for r, _t in outcome.agents.get(row["components"][0]["agent"], [])))
        return Refusal(name, rules, f"Only for {', '.join(bands)} severity on this area.")
    refused = _lead_refusal(row, outcome, case, knowledge)
    if refused:
        return Refusal(name, *refused)
    notes: list[tuple[str, str]] = []
    replaced: dict[str, str] = {}
    active = {f.code for f in case.facts.get("conditions") or ()}
    for part in row["components"][1:]:
        why = outcome.agents.get(part["agent"])
        if why or set(knowledge.agents[part["agent"]]["avoid_conditions"]) & active:
            replaced[part["agent"]] = "saline"
            notes.append(
                (why[0][0] if why else "R48", f"{knowledge.label(part['agent'])} is replaced by saline 1:1.")
            )
    volume = _volume(assessed, modality, row, knowledge)
    if volume is None:
        return Refusal(
            name,
            ("R60",),
            "The field in cm² is not measured: the volume can't be computed.",
            f"{concern.code} field_cm2",
        )
    if _too_much_lidocaine(row, volume, replaced, outcome, case, knowledge):
        replaced["lidocaine"] = "saline"
        notes.append(
            ("R51", "Lidocaine is replaced by saline 1:1: the day's limit of anaesthetic is used up.")
        )
    most = area_max_ml(concern.area, modality, code, knowledge)
    if volume > most:
        volume = most
        notes.append(("R60", f"Volume is held at {number_words(most)} mL, the most for this area."))
    used = frozenset(replaced.get(part["agent"], part["agent"]) for part in row["components"])
    free, _waits = free_from(case, assessed, modality, used, knowledge)
    factor = limit_factor(sized(row, volume, replaced, case, knowledge, free))
    if factor <= 0:
        return Refusal(name, ("R60",), "The day's limit of an agent is already used up.")
    if factor < 1:
        volume = (volume * factor).quantize(Decimal("0.1"), ROUND_DOWN)
        notes.append(
            ("R60", f"Scaled down to {number_words(volume)} mL so that no agent is above its limit.")
        )
    if volume <= 0:
        return Refusal(name, ("R60",), "No volume is left inside the limits.")
    return _shaped(
        assessed, modality, code, row, volume, replaced, tuple(notes), outcome, case, knowledge, name, tables
    )


def _too_much_lidocaine(
    row: dict[str, Any],
    volume: Decimal,
    replaced: dict[str, str],
    outcome: Outcome,
    case: Case,
    knowledge: Knowledge,
) -> bool:
    """Whether the lidocaine inside the cocktail alone is above E's limit (R51)."""
    from protocols.engine.anaesthesia import INFILTRATED, limit_mg

    if INFILTRATED in replaced or all(part["agent"] != INFILTRATED for part in row["components"]):
        return False
    dose = next(p.dose_mg for p in sized(row, volume, replaced, case, knowledge) if p.agent == INFILTRATED)
    return (dose or Decimal(0)) > limit_mg(case, outcome, knowledge, case.today)


def _shaped(
    assessed: Assessed,
    modality: str,
    code: str,
    row: dict[str, Any],
    volume: Decimal,
    replaced: dict[str, str],
    notes: tuple[tuple[str, str], ...],
    outcome: Outcome,
    case: Case,
    knowledge: Knowledge,
    name: str,
    tables: Any,
) -> Candidate | Refusal:
    """Depth, technique, points and downtime of a sized cocktail."""
    concern = assessed.concern
    points: int | None = None
    per_point: Decimal | None = None
    spacing = needle = None
    zones: tuple[tuple[str, Decimal], ...] = ()
    depth: Decimal | None = None
    if modality == SYRINGE:
        method = (
            tables["dc"] if knowledge.is_dc(code) else knowledge.indications[concern.indication]["technique"]
        )
        technique = method["technique"]
        wanted = Decimal(method["depth_mm"])
        for limit, rule in outcome.syringe_limit:
            if wanted > limit:
                return Refusal(name, (rule,), f"No injection deeper than {number_words(limit)} mm.")
        depth = (
            wanted
            if knowledge.is_dc(code)
            else min(wanted, Decimal(knowledge.areas[concern.area]["syringe_cap_mm"]))
        )
        per_point, spacing, needle = Decimal(method["ml_per_point"]), method["spacing_mm"], method["needle"]
        points = int(volume / per_point)
        if knowledge.is_dc(code) and points > tables["dc"]["max_points"]:
            points = tables["dc"]["max_points"]
            volume = points * per_point
        hours = tables["downtime_hours"][technique]
        hours += tables["downtime_hours"]["extra_by_area"].get(concern.area, 0)
    elif modality == JET:
        technique = tables["jet"]["technique"]
        hours = tables["downtime_hours"]["jet"]
    else:
        found = needling_depths(assessed, outcome, knowledge)
        if found is None:
            return Refusal(name, (), "Needling is not used for this indication.")
        depth, capped_by = found
        technique = tables["needling_device"]["technique"]
        if capped_by:
            notes = (*notes, (capped_by, f"Needling depth is held at {number_words(depth)} mm."))
        hours = needling_downtime(depth, knowledge)
        zones = zone_depths(concern.area, depth, knowledge)
    agents = frozenset(replaced.get(part["agent"], part["agent"]) for part in row["components"])
    interval, own_row = interval_for(concern.indication, modality, depth, agents, knowledge)
    free, waits = free_from(case, assessed, modality, agents, knowledge)
    components = sized(row, volume, replaced, case, knowledge, free)
    return Candidate(
        concern=assessed.code,
        indication=concern.indication,
        area=concern.area,
        band=assessed.band or "mild",
        modality=modality,
        technique=technique,
        cocktail=code,
        components=components,
        volume_ml=volume,
        depth_mm=depth,
        zones=zones,
        points=points,
        ml_per_point=per_point,
        spacing_mm=spacing,
        needle=needle,
        downtime_hours=int(hours),
        interval=interval,
        own_row=own_row,
        free_from=free,
        waits=waits,
        grade=row["grade"],
        notes=notes,
    )


def zone_depths(area: str, depth: Decimal, knowledge: Knowledge) -> tuple[tuple[str, Decimal], ...]:
    """Forehead and nose take the lower of the cheek's depth and their cap (DECISIONS.md A2)."""
    caps = knowledge.areas[area]["needling_zone_caps_mm"]
    return tuple((zone, min(depth, Decimal(cap))) for zone, cap in caps.items())


def shallower(candidate: Candidate, knowledge: Knowledge) -> list[Candidate]:
    """The lower needling depths of the same indication's row, deepest first (R63)."""
    if candidate.modality != NEEDLING or candidate.depth_mm is None:
        return []
    row = knowledge.indications[candidate.indication]["needling_depth_mm"]
    depths = sorted({Decimal(v) for v in row.values() if v}, reverse=True)
    return [with_depth(candidate, depth, knowledge) for depth in depths if depth < candidate.depth_mm]


def with_volume(candidate: Candidate, volume: Decimal, case: Case, knowledge: Knowledge) -> Candidate:
    """The candidate at another volume (mL): doses and points follow; what saline replaces stays replaced."""
    if volume == candidate.volume_ml:
        return candidate
    row = knowledge.cocktails[candidate.cocktail]
    used = {part.agent for part in candidate.components}
    replaced = {part["agent"]: "saline" for part in row["components"][1:] if part["agent"] not in used}
    return replace(
        candidate,
        volume_ml=volume,
        components=sized(dict(row), volume, replaced, case, knowledge, candidate.free_from),
        points=int(volume / candidate.ml_per_point) if candidate.ml_per_point else None,
    )


def with_depth(candidate: Candidate, depth: Decimal, knowledge: Knowledge) -> Candidate:
    """The candidate at another depth (mm): zones and downtime of needling follow. A jet has no depth."""
    if candidate.modality == JET or depth == candidate.depth_mm:
        return candidate
    if candidate.modality != NEEDLING:
        return replace(candidate, depth_mm=depth)
    interval, own_row = interval_for(candidate.indication, NEEDLING, depth, candidate.agents, knowledge)
    cap = Decimal(knowledge.areas[candidate.area]["needling_cap_mm"])
    return replace(
        candidate,
        depth_mm=depth,
        zones=zone_depths(candidate.area, depth, knowledge),
        downtime_hours=needling_downtime(min(depth, cap), knowledge),
        interval=interval,
        own_row=own_row,
    )


def recovery_days(
    modality: str,
    depth: Decimal | None,
    cocktail: str,
    to_modality: str,
    to_depth: Decimal | None,
    knowledge: Knowledge,
) -> int:
    """Days between two of our own sessions in one area. Source: REFERENCE.md §8.3."""
    table = knowledge.tables["recovery_days"]
    classes = table["classes"]
    if knowledge.is_dc(cocktail):
        before = "dc"
    elif modality == JET:
        before = "needle-free"
    elif modality == NEEDLING:
        deep = depth or Decimal(0)
        if deep <= Decimal(classes["needling_fine_up_to_mm"]):
            before = "needling-fine"
        elif deep <= Decimal(classes["needling_medium_up_to_mm"]):
            before = "needling-medium"
        else:
            before = "needling-deep"
    else:
        shallow = depth is None or depth <= Decimal(classes["syringe_shallow_up_to_mm"])
        before = "syringe-shallow" if shallow else "syringe-deep"
    if to_modality == NEEDLING:
        fine = (to_depth or Decimal(0)) <= Decimal(classes["needling_fine_up_to_mm"])
        return int(table[before]["needling-fine" if fine else "needling-deep"])
    return int(table[before][to_modality])


def days_between(
    earlier: Sequence[Mapping[str, Any]], later: Sequence[Mapping[str, Any]], knowledge: Knowledge
) -> int:
    """Days that must lie between two sessions given as parts of the answer's form: recovery in one area, agents.

    0 where they share neither skin nor agent. Sources: REFERENCE.md §3 (min d), §8.3.
    """
    needed = 0
    for old in earlier:
        area = old["concern"].split("/")[1]
        skin = {area, *knowledge.areas[area]["same_skin"]}
        agents = {row["agent"] for row in old.get("components", ())}
        for new in later:
            if new["concern"].split("/")[1] in skin:
                needed = max(
                    needed,
                    recovery_days(
                        old["modality"], _mm(old), old["cocktail"], new["modality"], _mm(new), knowledge
                    ),
                )
            for agent in agents & {row["agent"] for row in new.get("components", ())}:
                needed = max(needed, knowledge.agents[agent]["min_days"])
    return needed


def _mm(part: Mapping[str, Any]) -> Decimal | None:
    return Decimal(part["depth_mm"]) if part.get("depth_mm") else None
