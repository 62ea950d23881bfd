"""The clinical codes with their words, for forms and pages. One file for the product and the engine."""

import json
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


def lab_unit(code: str) -> str:
    """The one unit a laboratory value is kept in."""
    return next((str(row["unit"]) for row in _data()["labs"] if row["code"] == code), "")
