"""`manage.py propose` and `replan` without Django's part: read cases, answer, name every fault with its path."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from protocols.engine import CaseFaults, Knowledge, parse, parse_follow_up, propose, replan

#: A case file larger than this is no case.
MOST_BYTES = 2_000_000
_DEEPEST = 40

type Fault = tuple[str, str]


def _depth(node: Any) -> int:
    deepest, level = 0, [node]
    while level and deepest <= _DEEPEST:
        deepest += 1
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item if isinstance(item, list) else ())
        ]
    return deepest


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number of JSON")


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _value in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"{twice!r} stands twice in one object")
    return dict(pairs)


def read(raw: bytes) -> Any:
    """JSON from bytes. Raises CaseFaults for what is no JSON, too large or too deep."""
    if len(raw) > MOST_BYTES:
        raise CaseFaults([("$", f"the file has {len(raw)} bytes; a case has at most {MOST_BYTES}")])
    try:
        data = json.loads(raw.decode("utf-8-sig"), parse_constant=_no_constant, object_pairs_hook=_no_doubles)
    except UnicodeDecodeError as error:
        raise CaseFaults([("$", f"is not UTF-8 text: byte {error.start}")]) from error
    except RecursionError as error:
        raise CaseFaults([("$", "is nested too deeply")]) from error
    except ValueError as error:
        raise CaseFaults([("$", f"is not JSON: {error}"[:300])]) from error
    if _depth(data) > _DEEPEST:
        raise CaseFaults([("$", "is nested too deeply")])
    return data


def answer(raw: bytes, knowledge: Knowledge) -> dict[str, Any]:
    """The proposal for one case file. Raises CaseFaults with every fault found."""
    data = read(raw)
    if isinstance(data, dict) and "case" in data and "expect" in data:
        data = data["case"]  # a worked case: its input
    case = parse(data, knowledge.schema)
    return propose(case, knowledge, case.today).to_dict()


def answer_follow_up(raw: bytes, knowledge: Knowledge) -> dict[str, Any]:
    """The replan for one plan file. Raises CaseFaults with every fault found."""
    data = read(raw)
    if isinstance(data, dict) and "replan" in data and "expect" in data:
        data = data["replan"]  # a worked case: its input
    state = parse_follow_up(data, knowledge)
    return replan(state, knowledge, state.case.today).to_dict()


def schemas(noun: str, knowledge: Knowledge) -> dict[str, Any]:
    """The JSON Schemas of input and output, each whole: what they refer to stands in their `$defs`."""
    if noun == "case":
        given: Any = knowledge.schema
    else:
        given = _inlined(knowledge.replan_schema, knowledge.schema)
    return {"input": given, "output": knowledge.answer_schema}


def _inlined(schema: Any, referred: Any) -> dict[str, Any]:
    text = json.dumps(schema).replace("case.schema.json#/$defs/", "#/$defs/")
    found: dict[str, Any] = json.loads(text)
    found["$defs"] = {**referred["$defs"], **found["$defs"]}
    return found


def as_lines(faults: list[Fault]) -> list[str]:
    """One line per fault: `path: message`."""
    return [f"{path}: {re.sub(r'\s+', ' ', message)}" for path, message in faults]


def as_text(proposal: dict[str, Any], knowledge: Knowledge) -> str:
    """The proposal for reading."""
    lines = [
        f"{proposal['status'].upper()}"
        + (f" until {proposal['defer_until']}" if proposal["defer_until"] else "")
    ]
    for course in proposal["courses"]:
        days = course["interval_days"]
        lines.append("")
        if course.get("decision"):
            lines.append(
                f"{course['decision'].upper()}: {course['sessions_done']} done, {course['sessions_total']} in all"
            )
            lines += [f"  change: {row['text']}" for row in course["changes"]]
        lines.append(
            f"{' + '.join(course['concerns'])}: {len(course['sessions'])} sessions, every {days['target']} days "
            f"({days['min']} to {days['max']}), from {course['start_earliest']}"
        )
        for session in course["sessions"]:
            comfort = session["anaesthetic"]
            lines.append(
                f"  {session['number']}. {session['volume_ml']} mL, downtime {session['downtime_hours']} h, "
                f"comfort {comfort['product']}" + (f" {comfort['grams']} g" if comfort["grams"] else "")
            )
            for part in session["parts"]:
                depth = f" {part['depth_mm']} mm" if part["depth_mm"] else ""
                lines.append(
                    f"     {part['concern']}: {knowledge.label(part['modality'])}, {part['technique']}{depth}, "
                    f"{part['cocktail']} {part['volume_ml']} mL"
                )
                for dose in part["components"]:
                    mass = f", {dose['dose_mg']} mg" if dose["dose_mg"] else ""
                    lines.append(f"       {knowledge.label(dose['agent'])} {dose['volume_ml']} mL{mass}")
        lines += [
            f"  why {step['step']}: {step['text']} [{step['grade']}] {step['source']}"
            for step in course["why"]
        ]
    for row in proposal["declined"]:
        lines.append(f"declined {row['concern']} ({', '.join(row['rules'])}): {row['message']}")
    for finding in proposal["findings"]:
        lines.append(
            f"{finding['level']} {finding['rule']} [{finding['grade']}]: {finding['message']} {finding['remedy']}".rstrip()
        )
    for other in proposal["alternatives"]:
        lines.append(
            f"instead {other['modality']} {other['cocktail']}: {other['gains']}; but {other['costs']}"
        )
    for row in proposal["not_chosen"]:
        lines.append(f"not chosen {row['candidate']} ({', '.join(row['rules'])}): {row['reason']}")
    lines.append(f"knowledge {proposal['knowledge']['version']}")
    return "\n".join(lines)


def _lines(stream: Any) -> Iterator[tuple[int, bytes]]:
    """Numbered lines, each read no further than a case may be long: memory does not grow with the input."""
    number = 0
    while raw := stream.readline(MOST_BYTES + 2):
        number += 1
        if not raw.endswith(b"\n") and len(raw) > MOST_BYTES:
            while (rest := stream.readline(MOST_BYTES)) and not rest.endswith(b"\n"):
                pass
        if raw.strip():
            yield number, raw


def answer_lines(
    stream: Any,
    knowledge: Knowledge,
    write: Any,
    one: Callable[[bytes, Knowledge], dict[str, Any]] = answer,
) -> int:
    """Each input line a case, each output line its answer, in order. Exit code: 1 when any was faulty."""
    bad = False
    for number, raw in _lines(stream):
        try:
            found: dict[str, Any] = one(raw, knowledge)
        except CaseFaults as error:
            bad = True
            found = {"line": number, "errors": [{"path": p, "message": m} for p, m in error.faults]}
        write(json.dumps(found, ensure_ascii=False))
    return 1 if bad else 0
