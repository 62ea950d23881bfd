"""Codes of the vocabulary in words, for people."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from protocols.catalogue import knowledge

#: How the clinic's own reference is cited; "REFERENCE.md" is a file's name.
REFERENCE = "Clinical reference, "


@lru_cache(maxsize=128)
def _labels(_sha256: str, kind: str) -> dict[str, str]:
    return {row["code"]: row["label"] for row in knowledge().vocabulary[kind]}


def labels(kind: str) -> dict[str, str]:
    """Code to label of one list of the published vocabulary (`agents`, `areas`, `indications` ...)."""
    return _labels(knowledge().sha256, kind)


def label(kind: str, code: str) -> str:
    """The label of a code; an unknown code shows as itself, never as nothing."""
    return labels(kind).get(code, code)


def concern_label(code: str) -> str:
    """`pigment/face` as `Pigment, face`."""
    indication, _slash, area = code.partition("/")
    words = label("areas", area)
    return f"{indication.capitalize()}, {words[:1].lower()}{words[1:]}" if area else indication.capitalize()


def concerns_label(codes: Sequence[str]) -> str:
    """Several concerns in one line: `Pigment, face + pores, face`."""
    return " + ".join(concern_label(code) for code in codes)


@lru_cache(maxsize=8)
def _concern_code(_sha256: str) -> re.Pattern[str]:
    indications, areas = "|".join(labels("indications")), "|".join(labels("areas"))
    return re.compile(rf"\b(?:{indications})/(?:{areas})\b")


def in_words(text: str) -> str:
    """A sentence of the engine with its concern codes in words: `pigment/face` as `pigment, face`."""

    def words(match: re.Match[str]) -> str:
        found = concern_label(match[0])
        return found if match.start() == 0 else found[:1].lower() + found[1:]

    return _concern_code(knowledge().sha256).sub(words, text)


def source_words(source: str) -> str:
    """Where a statement comes from, for a physician: our file's name is not a source."""
    return source.replace("REFERENCE.md, ", REFERENCE).replace("REFERENCE.md ", REFERENCE)


def score_words(scale: str, score: str) -> str:
    """A scale's score as one says it: `Sinclair 3`, `mMASI 8.3`."""
    short = {"mmasi": "mMASI", "css": "CSS", "cr-smfrs": "CR-SMFRS", "pinch": "pinch", "dullness": "dullness",
             "pore": "pore score", "fitzpatrick-wrinkle": "Fitzpatrick"}.get(scale, scale.capitalize())  # fmt: skip
    return f"{short} {score}{' mm' if scale == 'pinch' else ''}"


def lines_of_limits(limits: Sequence[Mapping[str, Any]], course: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every limit of a course once, at the session that comes nearest to it; the nearest first.

    One session need not meet them all: a concern may join only some of the visits. Volume and depth belong to a
    concern, the other limits to the whole visit.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in limits:
        index, number, place, _name = row["path"].split(".")
        if int(index) != course["index"]:
            continue
        concern = ""
        if len(course["concerns"]) > 1 and row["label"].startswith(("Volume,", "Depth,")):
            concern = concern_label(course["sessions"][int(number)]["parts"][int(place)]["concern"])
        held = found.get((row["label"], concern))
        if held is None or float(row["share"]) > float(held["share"]):
            found[row["label"], concern] = {**row, "concern": concern}
    return sorted(found.values(), key=lambda row: -float(row["share"]))
