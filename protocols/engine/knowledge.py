"""Knowledge documents, validated and made into plain immutable data: every number with its grade and source.

`build` is pure: it takes the documents' texts, from wherever they come. `load` reads them from a folder and is the
engine's only contact with the file system.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

FILES = (
    "version",
    "vocabulary",
    "agents",
    "cocktails",
    "indications",
    "areas",
    "tables",
    "scales",
    "rules",
    "adverse_events",
)
SCHEMAS = ("case.schema", "replan.schema", "answer.schema")
GRADES = frozenset("ABCSK")
DILUENT = "saline"


class KnowledgeError(Exception):
    """Faults in the knowledge files: one line each, `file: key: message`."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


@dataclass(frozen=True, slots=True)
class Formulary:
    """What the clinic has in house: agents and modalities. The diluent is always there."""

    agents: frozenset[str]
    modalities: frozenset[str]


@dataclass(frozen=True)
class Knowledge:
    """All clinical facts the engine may use. Numbers are kept as written and read as decimals."""

    version: str
    sha256: str
    vocabulary: Mapping[str, Any]
    agents: Mapping[str, Mapping[str, Any]]
    cocktails: Mapping[str, Mapping[str, Any]]
    indications: Mapping[str, Mapping[str, Any]]
    areas: Mapping[str, Mapping[str, Any]]
    tables: Mapping[str, Any]
    scales: Mapping[str, Mapping[str, Any]]
    rules: Mapping[str, Mapping[str, Any]]
    adverse_events: Mapping[str, Mapping[str, Any]]
    schema: Mapping[str, Any]
    replan_schema: Mapping[str, Any]
    answer_schema: Mapping[str, Any]
    #: None: the clinic has everything.
    formulary: Formulary | None = None

    def stocked(self, formulary: Formulary | None) -> "Knowledge":
        """The same knowledge for a clinic that has only this in house; None leaves it as it is."""
        return self if formulary is None else replace(self, formulary=formulary)

    def not_in_house(self, cocktail: str, modality: str) -> str:
        """What the clinic lacks for a cocktail and a modality, in words; empty when it has all of it."""
        if self.formulary is None:
            return ""
        here = self.formulary.agents | {DILUENT}
        lacking = [p["agent"] for p in self.cocktails[cocktail]["components"] if p["agent"] not in here]
        if modality not in self.formulary.modalities:
            lacking.insert(0, modality)
        return ", ".join(self.label(code) for code in dict.fromkeys(lacking))

    @cached_property
    def allergen_agents(self) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
        """Allergen code to the agents and products it removes: those that are it, hold it or are of its class."""
        found = {}
        for row in self.vocabulary["allergens"]:
            agents = {one for agent in row["agents"] for one in (agent, *self.mixtures(agent))}
            if row["code"] in self.agents:
                agents |= set(self.relatives(row["code"]))
            found[row["code"]] = (frozenset(agents), frozenset(row["products"]))
        return found

    def mixtures(self, agent: str) -> tuple[str, ...]:
        """Ready mixtures that hold an agent."""
        return tuple(code for code, row in self.agents.items() if agent in row["contains"])

    def relatives(self, agent: str) -> tuple[str, ...]:
        """Agents that an allergy or reaction to this very one removes too: mixtures with it, others of its class."""
        return (
            *self.mixtures(agent),
            *(code for code, row in self.agents.items() if agent in row["removed_with"]),
        )

    def products_with(self, agent: str) -> tuple[str, ...]:
        """Anaesthetic products that contain an agent; all amides count as one."""
        return tuple(row["code"] for row in self.vocabulary["anaesthetics"] if agent in row["contains"])

    @cached_property
    def medication_classes(self) -> dict[str, frozenset[str]]:
        """Medication code to itself and its classes."""
        return {
            row["code"]: frozenset({row["code"], *row["classes"]}) for row in self.vocabulary["medications"]
        }

    @cached_property
    def procedure_days(self) -> dict[str, tuple[int | None, int | None]]:
        """Procedure code to the days before (syringe or jet, needling). Source: REFERENCE.md §8.4, DECISIONS.md E3."""
        elsewhere = self.tables["procedure_days"]["elsewhere"]
        return {
            row["code"]: tuple(
                elsewhere.get(
                    row["code"], (row.get("days_before_syringe_or_jet"), row.get("days_before_needling"))
                )
            )
            for row in self.vocabulary["procedures"]
        }

    def months_back(self, rule: str) -> int:
        """The calendar months that a rule's first condition on months looks back. Raises StopIteration without one."""
        parts: list[Any] = [clause["when"] for clause in self.rules[rule]["clauses"]]
        for part in parts:
            parts += [*part.get("all", ()), *part.get("any", ())]
        return next(int(part["within_months"]) for part in parts if "within_months" in part)

    def is_dc(self, cocktail: str) -> bool:
        """Whether a cocktail is given by the deoxycholic acid grid of the label."""
        row = self.cocktails.get(cocktail)
        return row is not None and row["method"] == "dc"

    def dc_sessions_had(self, facts: Mapping[str, Any]) -> int:
        """Deoxycholic acid sessions so far, in this life: counted procedures, or days it was given if those are more."""
        row = self.tables["dc"]
        counted = sum(
            f.get("count") or 1 for f in facts.get("procedures") or () if f.code == row["procedure"]
        )
        days = {f.day("date") for f in facts.get("given") or () if f.code == row["agent"]}
        return max(counted, len(days))

    @cached_property
    def labels(self) -> dict[str, str]:
        """Every code of conditions, medications, procedures, allergens, agents, areas and modalities in words."""
        found: dict[str, str] = {}
        for kind in (
            "areas",
            "procedures",
            "conditions",
            "allergens",
            "medications",
            "agents",
            "techniques",
            # Last: `microneedling` is a procedure too, and here the modality is meant.
            "modalities",
        ):
            found |= {row["code"]: row["label"] for row in self.vocabulary[kind]}
        found |= {row["code"]: row["label"] for row in self.vocabulary["anaesthetics"]}
        return found

    def label(self, code: str) -> str:
        """A code in words; an unknown code shows as itself."""
        return self.labels.get(code, code)

    def rule_source(self, rule: str) -> tuple[str, str]:
        """(source, grade) of a rule; rules that live in the mechanism name the reference and [K]."""
        row = self.rules.get(rule)
        return (row["source"], row["grade"]) if row else (f"REFERENCE.md §6 {rule}", "K")


def digest(texts: Mapping[str, str]) -> str:
    """The check sum of a version: every document's name and text, in order."""
    total = hashlib.sha256()
    for name in (*FILES, *SCHEMAS):
        total.update(name.encode() + b"\0" + texts.get(name, "").encode())
    return total.hexdigest()


def read(folder: Path) -> dict[str, str]:
    """The documents of a folder as text, by name without `.json`. Raises KnowledgeError for each that can't be read."""
    texts: dict[str, str] = {}
    faults: list[str] = []
    for name in (*FILES, *SCHEMAS):
        try:
            texts[name] = (folder / f"{name}.json").read_bytes().decode()
        except OSError as error:
            faults.append(f"{name}.json: -: can't be read: {error.strerror}")
        except UnicodeDecodeError as error:
            faults.append(f"{name}.json: -: is not UTF-8 text: byte {error.start}")
    if faults:
        raise KnowledgeError(faults)
    return texts


def parsed(texts: Mapping[str, str]) -> dict[str, Any]:
    """The documents as data. Raises KnowledgeError for each that is missing or is no JSON."""
    data: dict[str, Any] = {}
    faults: list[str] = []
    for name in (*FILES, *SCHEMAS):
        if name not in texts:
            faults.append(f"{name}.json: -: is missing")
            continue
        try:
            data[name] = json.loads(texts[name])
        except (ValueError, RecursionError) as error:
            faults.append(f"{name}.json: -: is not JSON: {error}")
    if faults:
        raise KnowledgeError(faults)
    return data


def _check_graded(name: str, rows: list[dict[str, Any]], key: str, faults: list[str]) -> None:
    seen: set[str] = set()
    for row in rows:
        code = str(row.get(key, "?"))
        if code in seen:
            faults.append(f"{name}.json: {code}: stands twice")
        seen.add(code)
        if row.get("grade") not in GRADES:
            faults.append(f"{name}.json: {code}: grade {row.get('grade')!r} is not one of A B C S K")
        if not row.get("source"):
            faults.append(f"{name}.json: {code}: has no source")


def _check(data: dict[str, Any], faults: list[str]) -> None:
    for name, key in (
        ("agents", "code"), ("cocktails", "code"), ("indications", "code"), ("areas", "code"), ("scales", "code"),
        ("rules", "id"), ("adverse_events", "code"),
    ):  # fmt: skip
        _check_graded(name, data[name], key, faults)
    # Imported here: the checks read the documents, the knowledge is what comes of them.
    from protocols.engine.checking import faults as found

    faults += found(data)


def _checked(data: Mapping[str, Any], faults: list[str]) -> None:
    try:
        _check(dict(data), faults)
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        faults.append(f"knowledge: -: a record lacks a field or has the wrong shape: {error!r}")


def build(texts: Mapping[str, str], like: Mapping[str, Any] | None = None) -> Knowledge:
    """Validated knowledge from the documents' texts. Raises KnowledgeError with every fault found, one line each.

    `like` is the data of documents known to be good (the shipped ones): every record must then have their fields and
    types, and every condition and effect their words. What these documents lack of it is taken from there: a version
    stored before the program learned to read a value from its tables keeps the value that the program had.
    """
    data = parsed(texts)
    faults: list[str] = []
    if like is not None:
        from protocols.engine.records import completed, shape_faults

        data = completed(data, like)
        faults += shape_faults(data, like)
    if not faults:
        _checked(data, faults)
    if faults:
        raise KnowledgeError(faults)

    def by_code(name: str, key: str = "code") -> dict[str, Any]:
        return {row[key]: row for row in data[name]}

    knowledge = Knowledge(
        version=data["version"]["version"],
        sha256=digest(texts),
        vocabulary=data["vocabulary"],
        agents=by_code("agents"),
        cocktails=by_code("cocktails"),
        indications=by_code("indications"),
        areas=by_code("areas"),
        tables=data["tables"],
        scales=by_code("scales"),
        rules=by_code("rules", "id"),
        adverse_events=by_code("adverse_events"),
        schema=data["case.schema"],
        replan_schema=data["replan.schema"],
        answer_schema=data["answer.schema"],
    )
    # A condition that the engine does not understand is a fault of the document, found here and not at a patient.
    from protocols.engine.rules import compile_rules

    compile_rules(knowledge)
    return knowledge


def load(folder: Path) -> Knowledge:
    """Read and validate the knowledge files of a folder. Raises KnowledgeError with every fault found."""
    return build(read(folder))
