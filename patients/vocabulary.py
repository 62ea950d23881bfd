"""The clinical codes with their words, for forms and pages. One file for the product and the engine."""

import json
from decimal import Decimal
from functools import cache
from typing import Any

from django.conf import settings


@cache
def _data() -> dict[str, Any]:
    path = settings.BASE_DIR / "protocols" / "knowledge" / "vocabulary.json"
    data: dict[str, Any] = json.loads(path.read_text())
    return data


@cache
def choices(kind: str) -> list[tuple[str, str]]:
    """(code, words) of a kind such as `allergens`, by words."""
    return sorted(((row["code"], row["label"]) for row in _data()[kind]), key=lambda pair: pair[1].casefold())


@cache
def _labels(kind: str) -> dict[str, str]:
    return dict(choices(kind))


def label(kind: str, code: str) -> str:
    """A code in words; an unknown code shows as itself."""
    return _labels(kind).get(code, code.replace("-", " "))


_UNITS = {
    "ug/L": "µg/L",
    "umol/L": "µmol/L",
    "/uL": "/µL",
    "10^9/L": "× 10⁹/L",
    "mL/min/1.73m2": "mL/min/1.73 m²",
    "1": "",
}


def unit_words(unit: str) -> str:
    """A unit as it is printed: `ug/L` as `µg/L`."""
    return _UNITS.get(unit, unit)


def lab_words(code: str, value: Decimal, unit: str) -> str:
    """A laboratory value in words: `Ferritin, 44 µg/L`, `Full blood count, abnormal`."""
    name = label("labs", code).partition(":")[0]
    if unit == "flag":
        return f"{name}, {'abnormal' if value else 'normal'}"
    return f"{name}, {value.normalize():f} {unit_words(unit)}".rstrip()


def lab_choices() -> list[tuple[str, str]]:
    """Laboratory values to choose from, each with the unit it is entered in."""
    found = []
    for code, name in choices("labs"):
        unit = unit_words(lab_unit(code))
        found.append((code, f"{name}, {unit}" if unit and unit != "flag" else name))
    return found


def lab_unit(code: str) -> str:
    """The one unit a laboratory value is kept in."""
    return next((str(row["unit"]) for row in _data()["labs"] if row["code"] == code), "")
