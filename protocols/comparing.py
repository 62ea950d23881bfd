"""Differences in words: between two versions of the documents, and between two answers to one case. Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from protocols.engine import Knowledge
from protocols.engine.records import KEYS

Change = dict[str, str]
_NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Difference:
    """One value of one record that is not the same; `old` or `new` is None where there is none."""

    document: str
    code: str
    path: str
    old: str | None
    new: str | None


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and value and all(isinstance(one, str | int) for one in value):
        return ", ".join(str(one) for one in value)
    return _NOTHING if value is None or value == [] else json.dumps(value, ensure_ascii=False)


def _plain(value: Any) -> bool:
    return not isinstance(value, dict | list) or (
        isinstance(value, list) and not any(isinstance(one, dict | list) for one in value)
    )


def _walk(old: Any, new: Any, path: str) -> Iterator[tuple[str, str | None, str | None]]:
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            here = f"{path}.{key}".lstrip(".")
            if key not in old:
                yield here, None, _shown(new[key])
            elif key not in new:
                yield here, _shown(old[key]), None
            else:
                yield from _walk(old[key], new[key], here)
    elif isinstance(old, list) and isinstance(new, list) and not (_plain(old) and _plain(new)):
        for number in range(max(len(old), len(new))):
            here = f"{path}[{number + 1}]"
            if number >= len(old):
                yield here, None, _shown(new[number])
            elif number >= len(new):
                yield here, _shown(old[number]), None
            else:
                yield from _walk(old[number], new[number], here)
    else:
        yield path, _shown(old), _shown(new)


def _records(document: str, data: Mapping[str, Any]) -> dict[str, Any]:
    key = KEYS.get(document)
    if key is None:
        return dict(data[document])
    return {str(row.get(key)): row for row in data[document] if isinstance(row, dict)}


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Difference]:
    """Every value that differs between two versions' data, record by record."""
    found: list[Difference] = []
    for document in (*KEYS, "tables", "vocabulary"):
        before, after = _records(document, old), _records(document, new)
        for code in dict.fromkeys([*before, *after]):
            if code not in after:
                found.append(Difference(document, code, "", "in the catalogue", None))
            elif code not in before:
                found.append(Difference(document, code, "", None, "new"))
            else:
                found += [
                    Difference(document, code, path, was, becomes)
                    for path, was, becomes in _walk(before[code], after[code], "")
                ]
    return found


# ---- two answers to one case -------------------------------------------------------------------------------


def _courses(answer: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {" + ".join(course["concerns"]): course for course in answer["courses"]}


def _choice(course: Mapping[str, Any]) -> str:
    parts = dict.fromkeys(
        f"{part['modality']} {part['cocktail']}"
        for session in course["sessions"]
        for part in session["parts"]
    )
    return ", ".join(parts)


def _doses(course: Mapping[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for session in course["sessions"]:
        for part in session["parts"]:
            for component in part["components"]:
                amount = (
                    f"{component['dose_mg']} mg"
                    if component.get("dose_mg")
                    else f"{component['volume_ml']} mL"
                )
                found.setdefault(component["agent"], []).append(amount)
    return found


def _each(rows: list[str]) -> str:
    return rows[0] if len(set(rows)) == 1 else ", ".join(rows)


def _course_changes(
    code: str, old: Mapping[str, Any], new: Mapping[str, Any], known: Knowledge
) -> Iterator[Change]:
    def row(what: str, before: object, after: object) -> Iterator[Change]:
        if before != after:
            yield {"what": what, "where": code, "old": str(before), "new": str(after)}

    yield from row("cocktail", _choice(old), _choice(new))
    yield from row("sessions", len(old["sessions"]), len(new["sessions"]))
    days = [f"{c['interval_days']['target']} days ({c['interval_days']['min']} to {c['interval_days']['max']})"
            for c in (old, new)]  # fmt: skip
    yield from row("interval", *days)
    before, after = _doses(old), _doses(new)
    for agent in dict.fromkeys([*before, *after]):
        amounts = [_each(rows[agent]) if agent in rows else _NOTHING for rows in (before, after)]
        yield from row(f"dose, {known.label(agent)}", *amounts)
    depths = [
        _each([str(p["depth_mm"]) for s in c["sessions"] for p in s["parts"] if p["depth_mm"]] or [_NOTHING])
        for c in (old, new)
    ]
    yield from row("depth, mm", *depths)
    volumes = [_each([str(s["volume_ml"]) for s in c["sessions"]]) for c in (old, new)]
    yield from row("volume of a session, mL", *volumes)


def answer_changes(old: Mapping[str, Any], new: Mapping[str, Any], known: Knowledge) -> list[Change]:
    """What differs between two answers: outcome, courses, doses, intervals, findings that come or go."""
    found: list[Change] = []
    if (old["status"], old["defer_until"]) != (new["status"], new["defer_until"]):
        words = [
            f"{a['status']}" + (f" until {a['defer_until']}" if a["defer_until"] else "") for a in (old, new)
        ]
        found.append({"what": "outcome", "where": "", "old": words[0], "new": words[1]})
    before, after = _courses(old), _courses(new)
    for code in dict.fromkeys([*before, *after]):
        if code not in after:
            found.append({"what": "course", "where": code, "old": _choice(before[code]), "new": _NOTHING})
        elif code not in before:
            found.append({"what": "course", "where": code, "old": _NOTHING, "new": _choice(after[code])})
        else:
            found += _course_changes(code, before[code], after[code], known)
    rows = [{(f["level"], f["rule"], f["message"]): f for f in answer["findings"]} for answer in (old, new)]
    for key in rows[0]:
        if key not in rows[1]:
            found.append(
                {"what": "finding goes", "where": key[1], "old": f"{key[0]}: {key[2]}", "new": _NOTHING}
            )
    for key in rows[1]:
        if key not in rows[0]:
            found.append(
                {"what": "finding comes", "where": key[1], "old": _NOTHING, "new": f"{key[0]}: {key[2]}"}
            )
    return found


def is_severe(changes: list[Change]) -> bool:
    """Whether a change needs a person's look first: another outcome, a course gone, a block that comes
    or goes, an answer that the worked case forbids."""
    return any(
        row["what"] in {"outcome", "course", "failed", "against the reference"}
        or (row["what"].startswith("finding") and f"{row['old']} {row['new']}".find("block: ") >= 0)
        for row in changes
    )
