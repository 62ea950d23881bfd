"""What was really drawn, given and applied, against every limit of the engine (R51, R60). No clinical number here."""

from collections.abc import Iterable, Iterator
from decimal import ROUND_HALF_UP, Decimal

from django.utils.translation import gettext as _

from mesoclinic.ui.formatting import decimal_trim
from protocols.catalogue import knowledge
from protocols.engine import Knowledge
from protocols.engine.anaesthesia import infiltrated_mg, limit_mg, most_grams, visit_grams
from protocols.engine.candidates import Candidate, Component, agent_limits, area_max_ml
from protocols.engine.case import Case
from protocols.engine.courses import Planned
from protocols.engine.effects import Outcome
from protocols.engine.recheck import depth_cap
from sessions.models import MixedComponent, TreatedArea, TreatmentRecord
from sessions.queries.obstacles import Obstacle
from sessions.queries.today import Today, comfort_of

_MG = Decimal("0.0001")

#: (concern, cocktail, agent) of a component.
type Part = tuple[str, str, str]


def part_of(component: MixedComponent) -> Part:
    """Where a component belongs in the plan."""
    return component.concern, component.cocktail, component.agent


def planned_doses(record: TreatmentRecord) -> dict[Part, tuple[Decimal, Decimal, Decimal | None]]:
    """(mg per mL, planned mL, planned mg) of every component that has a dose, from the signed plan."""
    planned = record.appointment.planned_session
    found: dict[Part, tuple[Decimal, Decimal, Decimal | None]] = {}
    for part in planned.content.get("parts", []) if planned is not None else ():
        for row in part.get("components", []):
            volume = Decimal(str(row.get("volume_ml") or 0))
            dose = Decimal(str(row["dose_mg"])) if row.get("dose_mg") is not None else None
            if row.get("concentration_mg_per_ml"):
                strength = Decimal(str(row["concentration_mg_per_ml"]))
            elif dose is not None and volume:
                strength = dose / volume
            else:
                continue
            found[part["concern"], part["cocktail"], row["agent"]] = (strength, volume, dose)
    return found


def dose_of(
    component: MixedComponent,
    volume_ml: Decimal,
    planned: dict[Part, tuple[Decimal, Decimal, Decimal | None]],
) -> Decimal | None:
    """mg in a drawn volume: planned strength x mL, never from the value before, so that nothing is lost or drifts."""
    known = planned.get(part_of(component))
    if known is None:
        return component.dose_mg
    strength, planned_ml, planned_mg = known
    if planned_mg is not None and volume_ml == planned_ml:
        return planned_mg
    return (strength * volume_ml).quantize(_MG, ROUND_HALF_UP)


def _as_planned(
    area: TreatedArea,
    parts: list[MixedComponent],
    outcome: Outcome,
    case: Case,
    today: Today,
    known: Knowledge,
) -> Planned:
    """What was really done in an area, in the engine's own form: only what its limits look at."""
    candidate = Candidate(
        concern=area.concern, indication=area.concern.split("/")[0], area=area.area, band="",
        modality=area.modality, technique=area.technique, cocktail=area.cocktail,
        components=tuple(
            Component(part.agent, None, part.volume_ml, part.dose_mg, *_agent_limits(part.agent, case, today, known))
            for part in parts
        ),
        volume_ml=area.volume_ml, depth_mm=area.depth_mm, zones=(), points=area.points, ml_per_point=None,
        spacing_mm=None, needle=None, downtime_hours=0, interval=(0, 0, 0), own_row=False, free_from=today.on,
        waits=(), grade="",
    )  # fmt: skip
    return Planned(candidate, 1, outcome, (area.concern,), ())


def _agent_limits(
    agent: str, case: Case, today: Today, known: Knowledge
) -> tuple[Decimal | None, Decimal | None]:
    return agent_limits(agent, case, known, today.on) if agent in known.agents else (None, None)


def _over(
    what: str, value: Decimal, limit: Decimal, unit: str, remedy: str, rule: str, anchor: str, place: str
) -> Iterator[Obstacle]:
    if value <= limit:
        return
    text = _("%(what)s: %(value)s %(unit)s is above %(limit)s %(unit)s. %(remedy)s")
    words = {
        "what": what, "value": decimal_trim(value), "limit": decimal_trim(limit), "unit": unit, "remedy": remedy
    }  # fmt: skip
    yield Obstacle("block", text % words, anchor, rule, knowledge().rule_source(rule)[0], place)


def _of_area(area: TreatedArea, planned: Planned, known: Knowledge) -> Iterator[Obstacle]:
    candidate, name = planned.candidate, known.label(area.area)
    place = f"area-{area.pk}"
    most = area_max_ml(area.area, area.modality, area.cocktail, known)
    what = _("Volume, %(area)s") % {"area": name}
    yield from _over(
        what, candidate.volume_ml, most, "mL", _("Give less."), "R60", "points", f"{place}-volume_ml"
    )
    cap = depth_cap(candidate, planned, known)
    if cap is not None and candidate.depth_mm is not None:
        what = _("Depth, %(area)s") % {"area": name}
        remedy = _("Go less deep.")
        yield from _over(
            what, candidate.depth_mm, cap[0], "mm", remedy, cap[1], "points", f"{place}-depth_mm"
        )
    dc = known.tables["dc"]
    if candidate.technique == dc["technique"]:
        points = Decimal(candidate.points or 0)
        what = _("Points, %(area)s") % {"area": name}
        yield from _over(
            what, points, Decimal(dc["max_points"]), "", _("Set fewer."), "R60", "points", f"{place}-points"
        )


def _of_agents(
    rows: Iterable[MixedComponent], case: Case, today: Today, known: Knowledge
) -> Iterator[Obstacle]:
    """An agent counts over the whole visit, in whatever cocktail it is."""
    by_agent: dict[str, list[MixedComponent]] = {}
    for row in rows:
        by_agent.setdefault(row.agent, []).append(row)
    for agent, parts in by_agent.items():
        most_mg, most_ml = _agent_limits(agent, case, today, known)
        remedy, place = _("Draw less."), f"component-{parts[-1].pk}"
        what = _("%(agent)s, one session") % {"agent": known.label(agent)}
        dose = sum((part.dose_mg or Decimal(0) for part in parts), Decimal(0))
        volume = sum((part.volume_ml for part in parts), Decimal(0))
        if most_mg is not None:
            yield from _over(what, dose, most_mg, "mg", remedy, "R60", "mix", place)
        if most_ml is not None:
            yield from _over(what, volume, most_ml, "mL", remedy, "R60", "mix", place)


def _of_comfort(
    record: TreatmentRecord, done: list[Planned], case: Case, today: Today, known: Knowledge
) -> Iterator[Obstacle]:
    """Grams on the skin, mL of wheals, and E: what is infiltrated and a share of the cream (R51)."""
    comfort, place = comfort_of(record, known), "anaesthetic_grams"
    name = known.label(comfort.product)
    if comfort.product in known.tables["creams"]:
        areas = {one.candidate.area: one.candidate for one in done}
        fits = sum((most_grams(one, case, known, comfort.product) for one in areas.values()), Decimal(0))
        most = min(fits, visit_grams(case, known))
        yield from _over(
            name, comfort.grams or Decimal(0), most, "g", _("Apply less."), "R51", "comfort", place
        )
    elif comfort.volume_ml is not None:
        most = Decimal(known.tables["dc_wheals"]["max_ml"])
        yield from _over(name, comfort.volume_ml, most, "mL", _("Inject less."), "R51", "comfort", place)
    infiltrated = infiltrated_mg(one.candidate for one in done)
    on_skin = comfort.e_mg(known)
    limit = min((limit_mg(case, one.outcome, known, today.on) for one in done), default=Decimal(0))
    if not on_skin:
        # Nothing on the skin to take less of: the message belongs to the drawn lidocaine.
        lidocaine = [c for c in record.components.all() if c.agent == "lidocaine"]
        place = f"component-{lidocaine[-1].pk}" if lidocaine else place
    what = _("Lidocaine equivalent E")
    remedy = _("Apply less cream or draw less lidocaine.")
    anchor = "comfort" if on_skin else "mix"
    yield from _over(what, infiltrated + on_skin, limit, "mg", remedy, "R51", anchor, place)


def limit_obstacles(record: TreatmentRecord, today: Today) -> list[Obstacle]:
    """Every limit that this session passes, each beside its value."""
    if today.case is None:
        return []
    known, case = knowledge(), today.case
    components = list(record.components.all())
    done: list[Planned] = []
    found: list[Obstacle] = []
    for area in record.areas.all():
        own = [part for part in components if part.concern == area.concern]
        planned = _as_planned(area, own, today.outcomes[area.concern], case, today, known)
        done.append(planned)
        found += _of_area(area, planned, known)
    injected = sum((one.candidate.injected_ml for one in done), Decimal(0))
    most = Decimal(known.tables["visit_max_ml"]["value"])
    last = max((area.pk for area in record.areas.all()), default=0)
    what, remedy = _("Injected in this visit"), _("Give less.")
    found += _over(what, injected, most, "mL", remedy, "R60", "points", f"area-{last}-volume_ml")
    found += _of_agents(components, case, today, known)
    found += _of_comfort(record, done, case, today, known)
    return found
