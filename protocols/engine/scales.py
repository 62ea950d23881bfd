"""Scores of the validated scales from their items. The live form and the engine use this same code."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from protocols.engine.knowledge import Knowledge


@dataclass(frozen=True, slots=True)
class ScaleResult:
    """A score with its band. `missing` names items not given: then there is no score, never a zero."""

    score: Decimal | None
    band: str | None  # mild, moderate, severe
    below: bool
    above: bool
    missing: tuple[str, ...]
    text: str


def score(scale: str, items: Mapping[str, int], knowledge: Knowledge) -> ScaleResult:
    """Compute a scale's score and severity band.

    Unknown items are refused by ValueError; a missing one leaves the score open (DECISIONS.md B10).
    Source: REFERENCE.md §2 by scale.
    """
    row = knowledge.scales[scale]
    limits = {item["code"]: item for item in row["items"]}
    for code, value in items.items():
        if code not in limits:
            raise ValueError(f"{scale} has no item {code}")
        if not limits[code]["min"] <= value <= limits[code]["max"]:
            raise ValueError(f"{code} must be {limits[code]['min']} to {limits[code]['max']}, not {value}")
    optional = set(row["optional_items"])
    missing = tuple(code for code in limits if code not in items and code not in optional)
    if missing:
        return ScaleResult(None, None, False, False, missing, f"{row['label']}: {len(missing)} items missing")
    total = Decimal(0)
    for term in row["terms"]:
        product = Decimal(term["weight"])
        for item in term["items"]:
            product *= items.get(item, 0)
        total += product
    band = next(
        (b["band"] for b in reversed(row["bands"]) if total >= Decimal(b["min"])),
        row["bands"][0]["band"],
    )
    severity = band if band in {"mild", "moderate", "severe"} else None
    words = {"below": "below the mild band", "above": "above the treatable range"}.get(band, band)
    total = Decimal(int(total)) if total == int(total) else total.normalize()
    return ScaleResult(
        score=total,
        band=severity,
        below=band == "below",
        above=band == "above",
        missing=(),
        text=f"{row['label']} {format(total, 'f')}, {words}",
    )
