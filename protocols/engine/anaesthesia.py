"""Comfort by pain, and the anaesthetic sum E against its limit. Sources: REFERENCE.md §7."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from protocols.engine.candidates import NEEDLING, Candidate, row_for
from protocols.engine.case import Case, Fact
from protocols.engine.effects import Outcome
from protocols.engine.knowledge import Knowledge

#: The local anaesthetic that cocktails hold: the name of a table's key, not a number.
INFILTRATED = "lidocaine"


@dataclass(frozen=True, slots=True)
class Comfort:
    """What is offered against pain in one part: cream in g, or skin wheals in mL."""

    product: str
    grams: Decimal | None
    minutes: int | None
    need: int
    rules: tuple[str, ...] = ()
    volume_ml: Decimal | None = None

    def e_mg(self, knowledge: Knowledge) -> Decimal:
        """mg that count to E: a tenth of what lies on the skin, all of what is infiltrated (REFERENCE.md §7.2)."""
        tables = knowledge.tables
        if self.grams is not None and self.product in tables["creams"]:
            applied = self.grams * Decimal(tables["creams"][self.product]["mg_per_g"])
            return applied * Decimal(tables["lidocaine"]["topical_fraction"])
        if self.volume_ml is not None and self.product == tables["dc_wheals"]["product"]:
            return self.volume_ml * Decimal(tables["dc_wheals"]["mg_per_ml"])
        return Decimal(0)


def weight_of(case: Case, knowledge: Knowledge) -> Decimal:
    """kg; an unknown weight counts as a light patient [K]."""
    return case.weight_kg or Decimal(knowledge.tables["unknown_weight_kg"]["value"])


def limit_mg(case: Case, outcome: Outcome, knowledge: Knowledge, on: date) -> Decimal:
    """E may be at most min(4.5 mg/kg, 300 mg), halved by R33 and R35, less what the 24 hours before `on` had."""
    row = knowledge.tables["lidocaine"]
    weight = weight_of(case, knowledge)
    limit = min(Decimal(row["mg_per_kg"]) * weight, Decimal(row["max_mg"])) * outcome.factor
    for fact in case.facts.get("given") or ():
        day = fact.day("date")
        # A day without a clock time: the day before may lie less than 24 hours back.
        if (
            fact.code in row["counted_agents"]
            and day is not None
            and 0 <= (on - day).days <= row["within_days"]
        ):
            limit -= given_mg(fact, knowledge)
    return max(Decimal(0), limit)


def given_mg(fact: Fact, knowledge: Knowledge) -> Decimal:
    """mg of a dose already given; mL alone count at the agent's highest concentration."""
    if fact.get("dose_mg") is not None:
        return Decimal(str(fact.get("dose_mg")))
    # Loading refuses an agent that counts and has no strength (checking.py).
    strength = Decimal(knowledge.agents[fact.code]["highest_mg_per_ml"])
    return Decimal(str(fact.get("volume_ml") or 0)) * strength


def infiltrated_mg(candidates: Iterable[Candidate]) -> Decimal:
    """mg of lidocaine inside the cocktails."""
    return sum(
        (
            part.dose_mg or Decimal(0)
            for c in candidates
            for part in c.components
            if part.agent == INFILTRATED
        ),
        Decimal(0),
    )


def need(candidate: Candidate, case: Case, knowledge: Knowledge) -> int:
    """Points on the pain table: base by technique or depth, area, sensitivity of the patient."""
    pain = knowledge.tables["pain"]
    if candidate.modality == NEEDLING and candidate.depth_mm is not None:
        base = row_for(pain["needling"], candidate.depth_mm)["need"]
    else:
        base = pain["base"].get(candidate.technique, pain["base"].get(candidate.modality, 3))
    sensitivity = case.preferences.get("pain", pain["unknown"])
    adjust = next(row["add"] for row in pain["adjust"] if sensitivity <= row["up_to"])
    return int(base + pain["area_extra"].get(candidate.area, 0) + adjust)


def _refused(
    product: str, candidate: Candidate, outcome: Outcome, knowledge: Knowledge
) -> tuple[str, ...] | None:
    """Rules (perhaps none named) that take a product away; None when it is allowed."""
    if product in outcome.products:
        return tuple(outcome.products[product])
    cream = knowledge.tables["creams"].get(product)
    return () if cream is not None and candidate.area in cream["not_on_areas"] else None


def choose(
    candidate: Candidate,
    case: Case,
    outcome: Outcome,
    knowledge: Knowledge,
    *,
    room_mg: Decimal,
    cream_room: Decimal,
) -> Comfort:
    """The product for the need, stepping down while one is refused; cream cut to the whole gram that fits.

    `room_mg` is what is left of E's limit after the cocktails and the other parts, `cream_room` the grams of cream
    that the visit may still take.
    """
    tables = knowledge.tables
    points = need(candidate, case, knowledge)
    offers: list[dict[str, Any]] = tables["offers"]
    index = next(i for i, row in enumerate(offers) if points <= row["up_to"])
    rules: list[str] = []
    if case.preferences.get("anaesthetic") == "decline":
        return Comfort("none", None, None, points)
    products = [row["product"] for row in offers]
    if candidate.technique == tables["dc"]["technique"] and index == len(offers) - 1:
        products[index] = tables["offers_dc_high"]
    while index > 0:
        product = products[index]
        refused = _refused(product, candidate, outcome, knowledge)
        if refused is None:
            cream = tables["creams"].get(product)
            if cream is not None:
                fits = room_mg / (
                    Decimal(tables["lidocaine"]["topical_fraction"]) * Decimal(cream["mg_per_g"])
                )
                grams = Decimal(
                    int(
                        max(
                            Decimal(0), min(most_grams(candidate, case, knowledge, product), fits, cream_room)
                        )
                    )
                )
                if grams >= 1:
                    return Comfort(product, grams, _minutes(cream, candidate, case), points, tuple(rules))
                rules.append("R51")
            elif product == tables["dc_wheals"]["product"]:
                row = tables["dc_wheals"]
                volume = Decimal(
                    int(max(Decimal(0), min(Decimal(row["max_ml"]), room_mg / Decimal(row["mg_per_ml"]))))
                )
                if volume >= 1:
                    return Comfort(product, None, None, points, tuple(rules), volume)
                rules.append("R51")
            else:
                break
        else:
            rules += refused
        index -= 1
    return Comfort(products[index], None, None, points, tuple(dict.fromkeys(rules)))


def _minutes(cream: dict[str, Any], candidate: Candidate, case: Case) -> int:
    """How long a cream stays on: shorter on atopic skin of the face (REFERENCE.md §7.1)."""
    short = cream.get("short_on")
    skin = {fact.code for fact in case.facts.get("conditions") or ()}
    if short is not None and candidate.area in short["areas"] and short["condition"] in skin:
        return int(short["minutes"])
    return int(cream["minutes"])


def visit_grams(case: Case, knowledge: Knowledge) -> Decimal:
    """The most cream of one visit in g: the house limit, 0.5 g/kg for light patients. Source: REFERENCE.md §7.1."""
    tables = knowledge.tables
    most = max(Decimal(row["max_grams"]) for row in tables["creams"].values())
    weight, low = weight_of(case, knowledge), tables["cream_low_weight"]
    if weight <= Decimal(low["up_to_kg"]):
        most = min(most, weight * Decimal(low["grams_per_kg"]))
    return most


def most_grams(candidate: Candidate, case: Case, knowledge: Knowledge, product: str) -> Decimal:
    """The most cream of one part in g: by area, product and weight; 0 where the area takes none."""
    tables = knowledge.tables
    cream = tables["creams"][product]
    if candidate.area in cream["not_on_areas"]:
        return Decimal(0)
    area = Decimal(knowledge.areas[candidate.area]["cm2"])
    grams = min(area / Decimal(tables["cream_cm2_per_gram"]), Decimal(cream["max_grams"]))
    return min(grams, visit_grams(case, knowledge))
