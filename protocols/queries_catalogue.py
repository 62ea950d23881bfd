"""Reads on the catalogue: lists, one record in words, versions and what differs between them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from django.db.models import Count, Q, QuerySet

from protocols import catalogue, sentences
from protocols.comparing import differences
from protocols.engine import Knowledge, KnowledgeError
from protocols.engine.knowledge import parsed
from protocols.engine.records import KEYS
from protocols.forms_catalogue import Spec, at, path_words, pretty, specs
from protocols.models_catalogue import CatalogueVersion, FormularyProduct

#: Kind of the address: (document, name of the tab, one record).
KINDS: dict[str, tuple[str, str, str]] = {
    "cocktails": ("cocktails", "Cocktails", "cocktail"),
    "agents": ("agents", "Agents", "agent"),
    "protocols": ("indications", "Protocols", "protocol"),
    "rules": ("rules", "Rules", "rule"),
    "scales": ("scales", "Scales", "scale"),
    "areas": ("areas", "Areas", "area"),
    "tables": ("tables", "Tables", "table"),
    "events": ("adverse_events", "Adverse events", "adverse event"),
}
KIND_OF = {document: kind for kind, (document, _name, _one) in KINDS.items()}
TABS = {kind: name for kind, (_document, name, _one) in KINDS.items()}


def data_of(version: CatalogueVersion | None) -> dict[str, Any]:
    """A version's documents as data; the shipped ones for none."""
    return parsed(version.documents) if version is not None else catalogue.shipped_data()


def records(document: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """The records of a document by their code."""
    key = KEYS.get(document)
    return dict(data[document]) if key is None else {str(row.get(key)): row for row in data[document]}


def words(data: Mapping[str, Any]) -> Knowledge:
    """The vocabulary of a version for showing its records, even while other documents of it have faults."""
    known = catalogue.shipped()
    try:
        return catalogue.knowledge() if data["vocabulary"] == known.vocabulary else _with(known, data)
    except KnowledgeError:
        return known


def _with(known: Knowledge, data: Mapping[str, Any]) -> Knowledge:
    from dataclasses import replace

    return replace(known, vocabulary=data["vocabulary"])


def _title(document: str, code: str, row: Any, known: Knowledge, labels: Mapping[str, str]) -> str:
    if document in {"rules", "scales"}:
        return str(row.get("title") or row.get("label") or labels.get(code, code))
    if document == "tables":
        return code.replace("_", " ").capitalize()
    return labels.get(code) or known.label(code)


_LABELS = {"cocktails": "cocktails", "agents": "agents", "indications": "indications", "areas": "areas",
           "adverse_events": "adverse_events", "rules": "rules"}  # fmt: skip


def labels_of(document: str, data: Mapping[str, Any]) -> dict[str, str]:
    """Code to label of one document's records."""
    rows = data["vocabulary"].get(_LABELS.get(document, ""), [])
    return {str(row.get("code") or row.get("id")): str(row.get("label") or row.get("title")) for row in rows}


def _facts(document: str, row: Any, known: Knowledge) -> str:
    if document == "cocktails":
        return ", ".join(
            known.label(p["agent"])
            + (f" {p['mg_per_ml']} mg/mL" if p.get("mg_per_ml") else "")
            + f" {p['ml']} mL"
            for p in row["components"]
        )
    if document == "agents":
        limits = (("max_mg_per_session", "mg a session"), ("max_mg_per_kg", "mg/kg"),
                  ("max_ml_per_session", "mL a session"))  # fmt: skip
        rows = [f"{row[name]} {unit}" for name, unit in limits if row.get(name) is not None]
        return ", ".join(rows) + ("" if row.get("offered") else ("; " if rows else "") + "not offered")
    if document == "indications":
        return "; ".join(
            f"{known.label(m)} every {days[1]} days ({days[0]} to {days[2]})"
            for m, days in row["interval_days"].items()
        )
    if document == "rules":
        found = sentences.clauses(row, known)
        return f"{found[0]['when']}: {found[0]['then'].lower()}" if found else ""
    if document == "scales":
        return ", ".join(f"{b['band']} {b['min']} to {b['max']}" for b in row["bands"])
    if document == "areas":
        return f"{row['cm2']} cm², injected to {row['syringe_cap_mm']} mm, needled to {row['needling_cap_mm']} mm"
    if document == "adverse_events":
        return str(row["plan"])
    if isinstance(row, dict):
        plain = [f"{k.replace('_', ' ')} {v}" for k, v in row.items()
                 if not isinstance(v, dict | list) and k not in {"grade", "source"}]  # fmt: skip
        return ", ".join(plain)[:160] or f"{len(row)} values"
    return f"{len(row)} rows" if isinstance(row, list) else str(row)


def listing(kind: str, data: Mapping[str, Any], text: str) -> list[dict[str, Any]]:
    """The records of a kind whose words hold a text, ready for the list."""
    document = KINDS[kind][0]
    known, labels = words(data), labels_of(document, data)
    found = []
    for code, row in records(document, data).items():
        try:
            facts = _facts(document, row, known)
        except (KeyError, TypeError, IndexError, AttributeError):
            facts = "This record has faults."
        one = {
            "code": code, "title": _title(document, code, row, known, labels), "facts": facts,
            "grade": row.get("grade", "") if isinstance(row, dict) else "",
            "source": row.get("source", "") if isinstance(row, dict) else "",
        }  # fmt: skip
        if text.casefold() in " ".join(str(value) for value in one.values()).casefold():
            found.append(one)
    return found


def _shown(spec: Spec, value: Any, known: Knowledge) -> dict[str, Any]:
    shown: dict[str, Any] = {"label": spec.label, "kind": spec.kind, "unit": spec.unit}
    if spec.kind == "rows" and isinstance(value, list):
        shown["columns"] = [f"{c.label}{f', {c.unit}' if c.unit else ''}" for c in spec.columns]
        shown["numbers"] = [c.kind in {"number", "whole"} for c in spec.columns]
        shown["lines"] = [
            [
                _cell(column, row.get(column.path[0]) if isinstance(row, dict) else row, known)
                for column in spec.columns
            ]
            for row in value
        ]
    elif spec.kind == "json":
        shown["kind"] = "text" if not isinstance(value, dict | list) else "json"
        plain = isinstance(value, list) and all(isinstance(one, str) for one in value)
        if plain:
            shown["kind"], shown["text"] = "text", ", ".join(known.label(one) for one in value) or "none"
        else:
            shown["text"] = pretty(value) if value is not None else "none"
    elif spec.kind == "days" and isinstance(value, list) and len(value) == 3:
        shown["text"] = f"{value[1]} days, {value[0]} to {value[2]}"
    else:
        shown["text"] = _cell(spec, value, known)
    return shown


def _cell(spec: Spec, value: Any, known: Knowledge) -> str:
    if value is None or value == "" or value == []:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    names = dict(spec.of)
    if isinstance(value, list):
        return ", ".join(names.get(str(one), known.label(str(one))) for one in value)
    return names.get(str(value), str(value)) if spec.kind == "choice" else str(value)


def described(kind: str, code: str, data: Mapping[str, Any]) -> dict[str, Any] | None:
    """One record in words: its fields with unit, its rules as sentences, where it is used. None: not there."""
    document = KINDS[kind][0]
    row = records(document, data).get(code)
    if row is None:
        return None
    known = words(data)
    whole = {"value": row} if document == "tables" and not isinstance(row, dict) else row
    fields = [
        _shown(spec, at(whole, spec.path), known)
        for spec in specs(document, code, known)
        if spec.path[-1] not in {"grade", "source"} and not (document == "rules" and spec.path == ("clauses",))
        and not (spec.optional and at(whole, spec.path) is None)
    ]  # fmt: skip
    return {
        "kind": kind, "code": code, "row": row, "fields": fields, "one": KINDS[kind][2],
        "title": _title(document, code, row, known, labels_of(document, data)),
        "grade": whole.get("grade", ""), "source": whole.get("source", ""),
        "clauses": sentences.clauses(row, known) if document == "rules" else [],
        "used_in": list(_uses(document, code, data)),
    }  # fmt: skip


def _uses(document: str, code: str, data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(kind, code) of records that name this one."""
    if document == "agents":
        for row in data["cocktails"]:
            if any(part.get("agent") == code for part in row.get("components", ())):
                yield "cocktails", row["code"]
    elif document in {"indications", "areas"}:
        for row in data["cocktails"]:
            if code in row.get(document, ()):
                yield "cocktails", row["code"]
    if document in {"agents", "indications", "areas", "scales"}:
        for row in data["rules"]:
            if f'"{code}"' in json.dumps(row):
                yield "rules", row["id"]


# ---- versions ----------------------------------------------------------------------------------------------


def versions() -> QuerySet[CatalogueVersion]:
    """Versions newest first, without their documents, with the number of trials."""
    return (
        CatalogueVersion.objects.defer("documents")
        .select_related("author", "published_by", "based_on")
        .defer("based_on__documents")
        .annotate(tried=Count("trials", filter=Q(trials__status="done")))
        .order_by("-number")  # grouping drops the order of the model
    )


def published() -> CatalogueVersion | None:
    """What the clinic works with."""
    return CatalogueVersion.objects.filter(status=CatalogueVersion.Status.PUBLISHED).first()


def draft_of(user_id: int) -> list[CatalogueVersion]:
    """Open drafts, the own ones first."""
    rows = versions().filter(status=CatalogueVersion.Status.DRAFT)
    return sorted(rows, key=lambda version: (version.author_id != user_id, -version.number))


def difference_rows(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Field-level differences, grouped by record for the page."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for one in differences(old, new):
        group = found.setdefault(
            (one.document, one.code),
            {"kind": KIND_OF.get(one.document, ""), "document": one.document, "code": one.code, "rows": []},
        )
        group["rows"].append(asdict(one) | {"words": path_words(one.path)})
    return list(found.values())


def fault_rows(faults: list[str]) -> list[dict[str, str]]:
    """`file: key: message` taken apart, with the record's page where there is one."""
    found = []
    for line in faults:
        file, _colon, rest = line.partition(": ")
        code, _colon, message = rest.partition(": ")
        document = file.removesuffix(".json")
        code, _dot, inner = code.partition(".")
        found.append(
            {"file": file, "code": code, "message": f"{inner}: {message}" if inner else message or rest,
             "kind": KIND_OF.get(document, "")}
        )  # fmt: skip
    return found


# ---- the formulary -----------------------------------------------------------------------------------------


def formulary_page(known: Knowledge) -> dict[str, Any]:
    """Products by agent with what does not fit the catalogue, and the cocktails that the house can't give."""
    products = list(FormularyProduct.objects.all())
    for product in products:
        row = known.agents.get(product.agent, {})
        strength = row.get("concentration_mg_per_ml")
        product.label = known.label(product.agent)  # type: ignore[attr-defined]
        product.differs = bool(  # type: ignore[attr-defined]
            product.concentration_mg_per_ml is not None
            and strength is not None
            and product.concentration_mg_per_ml != type(product.concentration_mg_per_ml)(strength)
        )
        product.counted = strength  # type: ignore[attr-defined]
    return {"products": products, "lost": lost_cocktails(known)}


def lost_cocktails(known: Knowledge) -> list[dict[str, str]]:
    """Cocktails of the catalogue that can't be given with what is in house."""
    held = catalogue.in_house()
    if held is None:
        return []
    stocked = known.stocked(held)
    found = []
    for code, row in known.cocktails.items():
        reasons = [stocked.not_in_house(code, modality) for modality in row["modalities"]]
        if reasons and all(reasons):
            found.append({"code": code, "lacking": reasons[0]})
    return found
