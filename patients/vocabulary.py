"""The clinical codes with their words, for forms and pages. One file for the product and the engine."""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any

from django.conf import settings


@cache
def shipped() -> dict[str, Any]:
    """The lists as they are shipped."""
    path = settings.BASE_DIR / "protocols" / "knowledge" / "vocabulary.json"
    data: dict[str, Any] = json.loads(path.read_text())
    return data


#: Where the lists come from: the protocols app puts the clinic's published version here.
sources: list[Callable[[], Mapping[str, Any]]] = [shipped]
#: By kind, with the very lists it was made of: a newly published version is another object.
_sorted: dict[str, tuple[object, list[tuple[str, str]], dict[str, str]]] = {}


def _data() -> Mapping[str, Any]:
    return sources[-1]()


def _known(kind: str) -> tuple[list[tuple[str, str]], dict[str, str]]:
    rows = _data()[kind]
    held = _sorted.get(kind)
    if held is None or held[0] is not rows:
        pairs = sorted(((row["code"], row["label"]) for row in rows), key=lambda pair: pair[1].casefold())
        held = _sorted[kind] = rows, pairs, dict(pairs)
    return held[1], held[2]


def choices(kind: str) -> list[tuple[str, str]]:
    """(code, words) of a kind such as `allergens`, by words."""
    return _known(kind)[0]


def label(kind: str, code: str) -> str:
    """A code in words; an unknown code shows as itself."""
    return _known(kind)[1].get(code, code.replace("-", " "))


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
