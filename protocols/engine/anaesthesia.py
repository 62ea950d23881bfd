"""Comfort by pain, and the anaesthetic sum E against its limit. Sources: REFERENCE.md §7."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from protocols.engine.candidates import NEEDLING, Candidate, row_for
from protocols.engine.case import Case
from protocols.engine.effects import Outcome
from protocols.engine.knowledge import Knowledge


@dataclass(frozen=True, slots=True)
class Comfort:
    """What is offered against pain in one part."""

    product: str
    grams: Decimal | None
    minutes: int | None
    need: int
    rules: tuple[str, ...] = ()

    def cream_mg(self, knowledge: Knowledge) -> Decimal:
        """mg of local anaesthetic applied to the skin."""
        if self.grams is None or self.product not in knowledge.tables["creams"]:
            return Decimal(0)
        return self.grams * Decimal(knowledge.tables["creams"][self.product]["mg_per_g"])


def limit_mg(case: Case, outcome: Outcome, knowledge: Knowledge, on: date) -> Decimal:
    """E may be at most min(4.5 mg/kg, 300 mg), halved by R33 and R35, less what the 24 hours before `on` had."""
    row = knowledge.tables["lidocaine"]
    weight = case.weight_kg or Decimal(knowledge.tables["unknown_weight_kg"]["value"])
    limit = min(Decimal(row["mg_per_kg"]) * weight, Decimal(row["max_mg"])) * outcome.factor
    for fact in case.facts.get("given") or ():
        if fact.code in {"lidocaine", "procaine"} and fact.day("date") is not None and fact.get("dose_mg"):
            days = (on - fact.day("date")).days  # type: ignore[operator]
            if 0 <= days <= 1:
                limit -= Decimal(str(fact.get("dose_mg")))
    return max(Decimal(0), limit)


def infiltrated_mg(candidates: Iterable[Candidate]) -> Decimal:
    """mg of lidocaine inside the cocktails."""
    return sum(
        (
            part.dose_mg or Decimal(0)
            for c in candidates
            for part in c.components
            if part.agent == "lidocaine"
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
    where = knowledge.tables["cream_not_on"]
    if product in knowledge.tables["creams"] and candidate.area in where["areas_no_cream"]:
        return ()
    if product == "emla-5" and candidate.area in where["areas_no_emla"]:
        return ()
    return None


def choose(
    candidate: Candidate, case: Case, outcome: Outcome, knowledge: Knowledge, *, room_mg: Decimal
) -> Comfort:
    """The product for the need, stepping down while one is refused; cream cut to the whole gram that fits E.

    `room_mg` is what is left of E's limit after the cocktails and the other parts' creams.
    """
    points = need(candidate, case, knowledge)
    offers: list[dict[str, Any]] = knowledge.tables["offers"]
    index = next(i for i, row in enumerate(offers) if points <= row["up_to"])
    rules: list[str] = []
    if case.preferences.get("anaesthetic") == "decline":
        return Comfort("none", None, None, points)
    products = [row["product"] for row in offers]
    if candidate.technique == knowledge.tables["dc"]["technique"] and products[index] == "emla-5":
        products[index] = knowledge.tables["offers_dc_high"]
    while index > 0:
        refused = _refused(products[index], candidate, outcome, knowledge)
        if refused is None:
            cream = knowledge.tables["creams"].get(products[index])
            if cream is None:
                break
            grams = _grams(candidate, case, knowledge, cream, room_mg)
            if grams >= 1:
                return Comfort(products[index], grams, cream["minutes"], points, tuple(rules))
            rules.append("R51")
        else:
            rules += refused
        index -= 1
    return Comfort(products[index], None, None, points, tuple(dict.fromkeys(rules)))


def _grams(
    candidate: Candidate, case: Case, knowledge: Knowledge, cream: dict[str, Any], room_mg: Decimal
) -> Decimal:
    tables = knowledge.tables
    area = Decimal(knowledge.areas[candidate.area]["cm2"])
    grams = min(area / Decimal(tables["cream_cm2_per_gram"]), Decimal(cream["max_grams"]))
    weight = case.weight_kg or Decimal(tables["unknown_weight_kg"]["value"])
    low = tables["cream_low_weight"]
    if weight < Decimal(low["below_kg"]):
        grams = min(grams, weight * Decimal(low["grams_per_kg"]))
    fits = room_mg / (Decimal(tables["lidocaine"]["topical_fraction"]) * Decimal(cream["mg_per_g"]))
    return Decimal(int(max(Decimal(0), min(grams, fits))))
