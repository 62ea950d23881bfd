"""Codes of the vocabulary in words, for people."""

import json
from functools import cache
from typing import Any

from django.conf import settings


@cache
def _vocabulary() -> dict[str, Any]:
    return dict(json.loads((settings.KNOWLEDGE_DIR / "vocabulary.json").read_text(encoding="utf-8")))


@cache
def labels(kind: str) -> dict[str, str]:
    """Code to label of one list of the vocabulary (`agents`, `areas`, `indications` ...)."""
    return {row["code"]: row["label"] for row in _vocabulary()[kind]}


def label(kind: str, code: str) -> str:
    """The label of a code; an unknown code shows as itself, never as nothing."""
    return labels(kind).get(code, code)


def concern_label(code: str) -> str:
    """`pigment/face` as `Pigment, face`."""
    indication, _slash, area = code.partition("/")
    return f"{indication.capitalize()}, {area}" if area else indication.capitalize()
