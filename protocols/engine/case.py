"""The case: what is known of one patient on one day. Absent facts are unknown (None), never "no"."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import jsonschema
from referencing import Registry, Resource

from protocols.engine.triggers import Mark


class CaseFaults(Exception):
    """Why a case can't be taken: (JSON path, message) pairs."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        self.faults = faults
        super().__init__("\n".join(f"{path}: {message}" for path, message in faults))


@dataclass(frozen=True, slots=True)
class Fact:
    """A dated, coded fact of a list: condition, medication, procedure, lab, allergy, sun, reaction ..."""

    code: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def day(self, name: str) -> date | None:
        """A date of the fact, None when not stated."""
        value = self.values.get(name)
        return date.fromisoformat(value) if value else None

    def get(self, name: str) -> Any:
        """A stated value, None when not stated."""
        return self.values.get(name)


@dataclass(frozen=True, slots=True)
class Concern:
    """One indication in one area, with its severity as given."""

    indication: str
    area: str
    scale: str | None
    items: Mapping[str, int]
    grade: int | None
    values: Mapping[str, Any]

    @property
    def code(self) -> str:
        """`indication/area`."""
        return f"{self.indication}/{self.area}"


@dataclass(frozen=True, slots=True)
class Case:
    """Everything `propose` may look at."""

    today: date
    birth_date: date
    sex: str
    patient: Mapping[str, Any]
    facts: Mapping[str, tuple[Fact, ...] | None]
    concerns: tuple[Concern, ...]
    preferences: Mapping[str, Any]
    additions: tuple[Mapping[str, str], ...]
    #: What stands in the case, as the marks that rules are found by (triggers.py).
    marks: frozenset[Mark] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        found: list[Mark] = [("sex", self.sex), ("pregnancy", self.value("pregnancy"))]
        found.append(("needle_fear", self.value("needle_fear")))
        for name, value in self.patient.items():
            found.append(("any", name) if isinstance(value, dict | list) else (name, value))
        for name, facts in self.facts.items():
            if facts:
                found.append(("any", name))
                found += ((name, fact.code) for fact in facts)
        object.__setattr__(self, "marks", frozenset(found))

    @property
    def age(self) -> int:
        """Completed years; 29 February counts as 1 March in other years."""
        had = (self.today.month, self.today.day) >= (self.birth_date.month, self.birth_date.day)
        return self.today.year - self.birth_date.year - (0 if had else 1)

    @property
    def weight_kg(self) -> Decimal | None:
        """kg."""
        value = self.patient.get("weight_kg")
        return Decimal(str(value)) if value is not None else None

    @property
    def bmi(self) -> Decimal | None:
        """kg/m2; a stated value wins over weight and height."""
        if self.patient.get("bmi") is not None:
            return Decimal(str(self.patient["bmi"]))
        height = self.patient.get("height_cm")
        if height is None or self.weight_kg is None:
            return None
        metres = Decimal(str(height)) / 100
        return (self.weight_kg / (metres * metres)).quantize(Decimal("0.1"))

    def value(self, name: str) -> Any:
        """A single fact of the patient or a preference, None when unknown; pregnancy is `unknown` then."""
        if name == "needle_fear":
            return self.preferences.get(name)
        if name == "pregnancy":
            if self.sex == "male":
                return self.patient.get(name, "none")
            return self.patient.get(name, "unknown")
        return self.patient.get(name)


#: List in the case file -> the field that holds the code.
LISTS = {
    "allergies": "substance",
    "conditions": "code",
    "medications": "code",
    "procedures": "code",
    "labs": "code",
    "sun": "kind",
    "sunburns": "",
    "events": "kind",
    "reactions": "event",
    "given": "agent",
}


#: Validators by the identity of their schema, which is kept so that the identity stays its own.
_VALIDATORS: dict[int, tuple[Mapping[str, Any], jsonschema.Draft202012Validator]] = {}


def _validator(
    schema: Mapping[str, Any], referred: Mapping[str, Any] | None
) -> jsonschema.Draft202012Validator:
    known = _VALIDATORS.get(id(schema))
    if known is None:
        registry: Registry[Any] = Registry()
        if referred is not None:
            registry = registry.with_resource("case.schema.json", Resource.from_contents(dict(referred)))
        if len(_VALIDATORS) > 64:
            _VALIDATORS.clear()
        known = (schema, jsonschema.Draft202012Validator(dict(schema), registry=registry))
        _VALIDATORS[id(schema)] = known
    return known[1]


def _path(parts: Any) -> str:
    text = "$"
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text


def schema_faults(
    data: object, schema: Mapping[str, Any], referred: Mapping[str, Any] | None = None
) -> list[tuple[str, str]]:
    """Every fault of the shape with its path. `referred` is the case schema where `schema` points to it."""
    faults = []
    for error in _validator(schema, referred).iter_errors(data):
        deepest = jsonschema.exceptions.best_match(error.context) if error.context else None
        told = (
            deepest
            if deepest is not None and len(deepest.absolute_path) > len(error.absolute_path)
            else error
        )
        faults.append((_path(told.absolute_path), told.message[:300]))
    return sorted(set(faults))


def _dates(node: object, path: str, found: list[tuple[str, str, str]]) -> None:
    if isinstance(node, dict):
        for name, value in node.items():
            here = f"{path}.{name}"
            if isinstance(value, str) and len(value) == 10 and value[4:5] == "-" and value[7:8] == "-":
                found.append((here, name, value))
            else:
                _dates(value, here, found)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            _dates(value, f"{path}[{index}]", found)


def semantic_faults(data: dict[str, Any]) -> list[tuple[str, str]]:
    """What the schema can't say of a case: days of no calendar or ahead of today, doubled concerns."""
    faults: list[tuple[str, str]] = []
    found: list[tuple[str, str, str]] = []
    _dates(data, "$", found)
    real: list[tuple[str, str, date]] = []
    for path, name, text in found:
        try:
            real.append((path, name, date.fromisoformat(text)))
        except ValueError:
            faults.append((path, f"{text} is not a day of the calendar"))
    if faults:
        return faults
    today = date.fromisoformat(data["today"])
    for path, name, day in real:
        if path == "$.today" or path.startswith("$.patient.events"):
            continue
        if day > today:
            faults.append((path, f"{day} is after today, {today}"))
        elif name == "birth_date" and today.year - day.year > 130:
            faults.append((path, f"{day} is more than 130 years ago"))
    seen: set[tuple[str, str]] = set()
    for index, concern in enumerate(data["concerns"]):
        key = (concern["indication"], concern["area"])
        if key in seen:
            faults.append((f"$.concerns[{index}]", f"{key[0]}/{key[1]} stands twice"))
        seen.add(key)
    for index, addition in enumerate(data.get("additions", [])):
        if tuple(addition["concern"].split("/")) not in seen:
            faults.append(
                (f"$.additions[{index}].concern", f"{addition['concern']} is not among the concerns")
            )
    return faults


def parse(data: object, schema: Mapping[str, Any]) -> Case:
    """Validate a case by its schema and beyond it (impossible days, days ahead, doubled concerns).

    Raises CaseFaults with every fault and its JSON path.
    """
    faults = schema_faults(data, schema)
    if faults:
        raise CaseFaults(faults)
    assert isinstance(data, dict)
    faults = semantic_faults(data)
    if faults:
        raise CaseFaults(faults)
    return build_case(data)


def build_case(data: Mapping[str, Any]) -> Case:
    """A case from data that is known to be valid."""
    patient = data["patient"]
    return Case(
        today=date.fromisoformat(data["today"]),
        birth_date=date.fromisoformat(patient["birth_date"]),
        sex=patient["sex"],
        patient={name: value for name, value in patient.items() if name not in LISTS},
        facts={
            name: tuple(Fact(row.get(code, "sunburn") if code else "sunburn", row) for row in patient[name])
            if name in patient
            else None
            for name, code in LISTS.items()
        },
        concerns=tuple(
            Concern(
                indication=row["indication"],
                area=row["area"],
                scale=row.get("scale"),
                items=row.get("items", {}),
                grade=row.get("grade"),
                values=row,
            )
            for row in data["concerns"]
        ),
        preferences=data.get("preferences", {}),
        additions=tuple(data.get("additions", ())),
    )
