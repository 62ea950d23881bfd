"""The shape of the knowledge documents, learned from documents known to be good.

What a record must have (fields, types, numbers) and which words a rule may use are read off the shipped documents, so
that a clinic's own version is held to what this program reads, and no list of fields is kept twice. Pure.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

#: Documents that are lists of records, with the name of their key.
KEYS = {
    "agents": "code",
    "cocktails": "code",
    "indications": "code",
    "areas": "code",
    "scales": "code",
    "rules": "id",
    "adverse_events": "code",
}
_WORDS = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false", "list": "a list",
          "dict": "an object", "NoneType": "null"}  # fmt: skip
#: Condition words whose values are codes of a list of the vocabulary.
_CODES = {
    "condition": "conditions",
    "procedure": "procedures",
    "agent": "agents",
    "added_agent": "agents",
    "any_agent_but": "agents",
    "modality": "modalities",
    "lab": "labs",
    "lab_missing": "labs",
    "medication": "medications",
    "allergy": "allergens",
}
_EFFECT_CODES = {"agents": "agents", "modalities": "modalities", "products": "anaesthetics"}


def is_number(text: object) -> bool:
    """Whether a text is a plain, finite decimal number."""
    try:
        return isinstance(text, str) and Decimal(text).is_finite()
    except InvalidOperation:
        return False


@dataclass(slots=True)
class Shape:
    """What values of one kind look like. `required` holds the keys that every object had."""

    types: set[str] = field(default_factory=set)
    numeric: bool = True  # every text is a decimal number
    negative: bool = False  # some number is below 0
    keys: dict[str, "Shape"] = field(default_factory=dict)
    required: set[str] | None = None
    item: "Shape | None" = None
    lengths: set[int] = field(default_factory=set)
    values: set[str] = field(default_factory=set)
    longest: int = 0
    seen: int = 0

    @property
    def fixed(self) -> bool:
        """An object with the same keys everywhere, no map from codes."""
        return bool(self.keys) and self.required == set(self.keys)

    def learn(self, value: Any) -> "Shape":
        """Widen the shape by one more value."""
        self.seen += 1
        self.types.add(type(value).__name__)
        if isinstance(value, str):
            self.numeric = self.numeric and is_number(value)
            self.negative = self.negative or (is_number(value) and Decimal(value) < 0)
            self.values.add(value)
            self.longest = max(self.longest, len(value))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            self.negative = self.negative or value < 0
        elif isinstance(value, dict):
            for key, one in value.items():
                self.keys.setdefault(key, Shape()).learn(one)
            self.required = set(value) if self.required is None else self.required & set(value)
        elif isinstance(value, list):
            self.lengths.add(len(value))
            for one in value:
                self.item = (self.item or Shape()).learn(one)
        return self


def learned(values: Iterable[Any]) -> Shape:
    """The shape that all these values have."""
    shape = Shape()
    for value in values:
        shape.learn(value)
    return shape


def misfits(value: Any, shape: Shape, path: str = "", *, closed: bool = True) -> Iterator[tuple[str, str]]:
    """(path, what is wrong) for each place where a value leaves the shape. `closed`: no unknown field is taken."""
    kind = type(value).__name__
    if kind == "int" and "float" in shape.types:
        kind = "float"
    if kind not in shape.types:
        wanted = " or ".join(sorted(_WORDS.get(name, name) for name in shape.types))
        yield path, f"is {_WORDS.get(kind, kind)}, not {wanted}"
    elif isinstance(value, str):
        if shape.numeric and shape.seen and not is_number(value):
            yield path, f"{value[:40]!r} is not a number"
        elif shape.numeric and is_number(value) and Decimal(value) < 0 and not shape.negative:
            yield path, f"{value} is below 0"
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if value < 0 and not shape.negative:
            yield path, f"{value} is below 0"
    elif isinstance(value, dict):
        yield from _object_misfits(value, shape, path, closed=closed)
    elif isinstance(value, list) and shape.item is not None:
        for number, one in enumerate(value):
            yield from misfits(one, shape.item, f"{path}[{number}]", closed=False)


def _object_misfits(
    value: dict[str, Any], shape: Shape, path: str, *, closed: bool
) -> Iterator[tuple[str, str]]:
    for key in sorted((shape.required or set()) - set(value)):
        yield f"{path}.{key}".lstrip("."), "is missing"
    for key, one in value.items():
        known = shape.keys.get(key)
        where = f"{path}.{key}".lstrip(".")
        if known is not None:
            yield from misfits(one, known, where, closed=shape.keys[key].fixed)
        elif closed:
            yield where, "is no known field"


def condition_words(rules: Iterable[Mapping[str, Any]]) -> tuple[set[str], set[str], dict[str, set[str]]]:
    """(words of conditions, kinds of effects, words of each kind) that these rules use."""
    words: set[str] = set()
    kinds: dict[str, set[str]] = {}

    def walk(spec: Mapping[str, Any]) -> None:
        for name, value in spec.items():
            words.add(name)
            if name in {"all", "any"}:
                for part in value:
                    walk(part)
            elif name == "not":
                walk(value)

    for rule in rules:
        for clause in rule["clauses"]:
            walk(clause["when"])
            for effect in clause["effects"]:
                kinds.setdefault(effect["do"], set()).update(effect)
    return words, set(kinds), kinds


def _known_codes(vocabulary: Mapping[str, Any], kind: str) -> set[str]:
    known = {row["code"] for row in vocabulary[kind]}
    if kind == "medications":
        known |= {name for row in vocabulary[kind] for name in row["classes"]}
    if kind == "allergens":
        known |= {"any-agent"} | {name for row in vocabulary[kind] for name in row.get("classes", ())}
    return known


def _condition_faults(
    spec: Any, path: str, words: set[str], vocabulary: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    if not isinstance(spec, dict) or not spec:
        yield path, 'a condition is an object such as {"condition": ["diabetes"]}'
        return
    for name, value in spec.items():
        if name in {"all", "any"}:
            if not isinstance(value, list) or not value:
                yield f"{path}.{name}", "is a list of conditions"
                continue
            for number, part in enumerate(value):
                yield from _condition_faults(part, f"{path}.{name}[{number}]", words, vocabulary)
        elif name == "not":
            yield from _condition_faults(value, f"{path}.not", words, vocabulary)
        elif name not in words:
            yield f"{path}.{name}", "is no word that a condition knows"
        elif name in _CODES and not isinstance(value, bool):
            codes = [value] if isinstance(value, str) else value if isinstance(value, list) else None
            if codes is None or not codes:
                yield f"{path}.{name}", f"is a list of {_CODES[name]}"
                continue
            unknown = [str(code) for code in codes if code not in _known_codes(vocabulary, _CODES[name])]
            if unknown:
                yield f"{path}.{name}", f"{', '.join(unknown)}: not among the vocabulary's {_CODES[name]}"


def rule_faults(
    rule: Mapping[str, Any], model: Iterable[Mapping[str, Any]], vocabulary: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """(path, what is wrong) in the conditions and effects of one rule, against the words of the model's rules."""
    words, kinds, of_kind = condition_words(model)
    for number, clause in enumerate(rule["clauses"]):
        path = f"clauses[{number}]"
        if not clause["effects"]:
            yield f"{path}.effects", "is empty: the clause does nothing"
        yield from _condition_faults(
            clause["when"], f"{path}.when", words | {"all", "any", "not"}, vocabulary
        )
        for place, effect in enumerate(clause["effects"]):
            at = f"{path}.effects[{place}]"
            if effect.get("do") not in kinds:
                yield f"{at}.do", f"{effect.get('do')!r} is not one of {', '.join(sorted(kinds))}"
                continue
            for name, value in effect.items():
                if name not in of_kind[effect["do"]]:
                    yield f"{at}.{name}", f"is no word of {effect['do']}"
                elif name in _EFFECT_CODES:
                    known = _known_codes(vocabulary, _EFFECT_CODES[name])
                    unknown = (
                        [str(code) for code in value if code not in known]
                        if isinstance(value, list)
                        else ["-"]
                    )
                    if unknown:
                        yield (
                            f"{at}.{name}",
                            f"{', '.join(unknown)}: not among the vocabulary's {_EFFECT_CODES[name]}",
                        )
            for name in _EFFECT_CODES:
                if effect["do"] == f"remove-{name}" and not effect.get(name):
                    yield f"{at}.{name}", "is missing"


def shape_faults(data: Mapping[str, Any], like: Mapping[str, Any]) -> list[str]:
    """Every place where documents leave the shape of good ones, as `file: key: message`."""
    found: list[str] = []
    for name, key in KEYS.items():
        shape = learned(like[name])
        rows = data[name]
        if not isinstance(rows, list):
            found.append(f"{name}.json: -: is not a list of records")
            continue
        bad_before = len(found)
        for number, row in enumerate(rows):
            code = row.get(key) if isinstance(row, dict) else None
            if not isinstance(code, str) or not code:
                found.append(f"{name}.json: [{number}]: is no record with a {key}")
                continue
            found += [
                f"{name}.json: {code}: {path}: {text}".replace(": : ", ": ")
                for path, text in misfits(row, shape)
            ]
        if name == "rules" and len(found) == bad_before:
            for row in rows:
                found += [
                    f"rules.json: {row['id']}: {path}: {text}"
                    for path, text in rule_faults(row, like["rules"], like["vocabulary"])
                ]
    if not isinstance(data["tables"], dict):
        found.append("tables.json: -: is not an object of tables")
    else:
        shape = learned([like["tables"]])
        for path, text in misfits(data["tables"], shape):
            table, _dot, rest = path.partition(".")
            found.append(f"tables.json: {table}: {f'{rest}: ' if rest else ''}{text}")
    found += [f"vocabulary.json: {path or '-'}: {text}" for path, text in _vocabulary_faults(data, like)]
    if not isinstance(data["version"], dict) or not isinstance(data["version"].get("version"), str):
        found.append("version.json: version: is missing")
    return found


def _vocabulary_faults(data: Mapping[str, Any], like: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The vocabulary may grow in its cocktails; every code that the program knows stays."""
    mine, theirs = data["vocabulary"], like["vocabulary"]
    yield from misfits(mine, learned([theirs]))
    for kind, rows in theirs.items():
        if not (isinstance(rows, list) and rows and isinstance(rows[0], dict) and "code" in rows[0]):
            continue
        have = {row.get("code") for row in mine.get(kind, ()) if isinstance(row, dict)}
        gone = [row["code"] for row in rows if row["code"] not in have]
        if gone:
            yield kind, f"{', '.join(gone[:5])}: a code that the program uses is gone"


def completed(data: Mapping[str, Any], like: Mapping[str, Any]) -> dict[str, Any]:
    """The documents with what good ones have and these lack: whole tables, values of a table, fields of every record.

    Nothing that is there is changed, and the inside of rules is left alone: a word taken out of a condition was meant.
    The schemas say what this program reads, so they are always the program's.
    """
    found = dict(data)
    for name in ("case.schema", "replan.schema"):
        if name in like:
            found[name] = like[name]
    tables = data["tables"]
    if isinstance(tables, dict):
        found["tables"] = {**{k: v for k, v in like["tables"].items() if k not in tables}, **tables}
        for name, table in like["tables"].items():
            mine = found["tables"][name]
            if isinstance(table, dict) and isinstance(mine, dict):
                found["tables"][name] = {**{k: v for k, v in table.items() if k not in mine}, **mine}
    for name, key in KEYS.items():
        if not isinstance(data[name], list):
            continue
        good = {row[key]: row for row in like[name]}
        needed = learned(like[name]).required or set()
        found[name] = [
            {**row, **{k: good[row[key]][k] for k in needed if k not in row}}
            if isinstance(row, dict) and row.get(key) in good
            else row
            for row in data[name]
        ]
    return found
