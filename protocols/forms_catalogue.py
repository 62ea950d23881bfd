"""Forms of the catalogue. A record's form is generated from the typed fields that the shipped records have."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import QueryDict

from mesoclinic.ui.forms import PickMultiple, PickWidget, UnitInput
from protocols import catalogue
from protocols.engine import Knowledge
from protocols.engine.records import KEYS, Shape, is_number, learned, misfits, rule_faults
from protocols.importing import as_json
from protocols.models_catalogue import FormularyProduct

_UNITS = {"mg_per_ml": "mg/mL", "mg_per_kg": "mg/kg", "mg_per_g": "mg/g", "ml_per_point": "mL", "ml_per_cm2": "mL/cm²",
          "grams_per_kg": "g/kg", "mg": "mg", "ml": "mL", "mm": "mm", "cm2": "cm²", "days": "days", "hours": "h",
          "minutes": "min", "months": "months", "kg": "kg", "grams": "g", "percent": "%"}  # fmt: skip
_LABELS = {
    "max_mg_per_session": "Most in a session, mass", "max_mg_per_kg": "Most by body weight",
    "max_ml_per_session": "Most in a session, volume", "min_days": "Least pause between doses",
    "concentration_mg_per_ml": "Concentration", "own_interval": "Interval of its own",
    "own_interval_wins": "Its own interval wins", "alone": "Given alone", "avoid_conditions": "Not given with",
    "removed_with": "Left out together with", "next_when_blocked": "Next cocktail when one of these is blocked",
    "ml_per_cm2": "Volume by area of skin", "ml_per_point": "Volume of a point", "depth_mm": "Depth",
    "ml": "Volume", "mg_per_ml": "Concentration", "agent": "Agent", "goes_on": "The course goes on",
    "needling_cap_mm": "Deepest needling", "syringe_cap_mm": "Deepest injection", "cm2": "Size",
    "syringe_default_ml": "Usual volume, syringe", "syringe_max_ml": "Most volume, syringe",
    "needling_ml": "Volume, needling", "jet_allowed": "Jet allowed", "same_skin": "Counts as the same skin",
    "status_note": "Status", "source": "Source", "grade": "Evidence grade",
}  # fmt: skip
_LISTS = {"indications": "indications", "areas": "areas", "modalities": "modalities", "routes": "modalities",
          "avoid_conditions": "conditions", "neighbours": "areas", "same_skin": "areas", "removed_with": "agents",
          "next_when_blocked": "agents", "agent": "agents", "technique": "techniques", "indication": "indications",
          "area": "areas"}  # fmt: skip
_DAYS = ("least", "target", "most")
_SPARE_ROWS = 2


def unit_of(name: str) -> str:
    """The unit that a field's name ends with."""
    for end, unit in _UNITS.items():
        if name == end or name.endswith(f"_{end}") or (end == "days" and name == "own_interval"):
            return unit
    return "mg" if name == "max_mg_per_session" else "mL" if name == "max_ml_per_session" else ""


def words_of(name: str, known: Knowledge | None = None) -> str:
    """A field's name in words."""
    if name in _LABELS:
        return _LABELS[name]
    if known is not None and name in known.labels:
        return known.labels[name]
    text = name
    for end in sorted(_UNITS, key=len, reverse=True):
        text = text.removesuffix(f"_{end}")
    text = text.replace("_", " ").replace("-", " ")
    return text[:1].upper() + text[1:]


def pretty(value: Any, indent: int = 0) -> str:
    """JSON for people: what fits on a line stays on it."""
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or len(flat) + indent <= 96 or not value:
        return flat
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        rows = [
            f"{json.dumps(key, ensure_ascii=False)}: {pretty(one, indent + 2)}" for key, one in value.items()
        ]
        opened, closed = "{", "}"
    else:
        rows = [pretty(one, indent + 2) for one in value]
        opened, closed = "[", "]"
    return f"{opened}\n{inner}" + f",\n{inner}".join(rows) + f"\n{' ' * indent}{closed}"


def path_words(path: str) -> str:
    """`components[1].mg_per_ml` as `Components 1: concentration`."""
    words = [
        re.sub(
            r"^(.*?)((?:\[\d+\])*)$", lambda m: words_of(m[1]) + m[2].replace("[", " ").replace("]", ""), part
        )
        for part in path.split(".")
        if part
    ]
    return words[0] + "".join(f": {word[:1].lower()}{word[1:]}" for word in words[1:]) if words else "Record"


@dataclass(frozen=True, slots=True)
class Spec:
    """One field of a record: where it is, what it holds, in which unit or from which list."""

    path: tuple[str, ...]
    kind: str  # number | whole | flag | text | long | choice | choices | days | rows | json
    label: str
    unit: str = ""
    of: tuple[tuple[str, str], ...] = ()
    nullable: bool = False
    optional: bool = False  # may be absent from its object
    columns: tuple["Spec", ...] = ()
    shape: Shape | None = None

    @property
    def name(self) -> str:
        """The name in the page's form."""
        return "f." + ".".join(self.path)


def _choices(name: str, shape: Shape, known: Knowledge) -> tuple[tuple[str, str], ...]:
    if name == "grade" or name.endswith("_grade"):
        return tuple((letter, letter) for letter in "ABCSK")
    if name in _LISTS:
        rows = known.vocabulary[_LISTS[name]]
        return tuple((row["code"], row["label"]) for row in rows)
    return ()


def _spec(
    path: tuple[str, ...], shape: Shape, known: Knowledge, *, optional: bool, total: int
) -> Iterator[Spec]:
    name = path[-1]
    unit = unit_of(name) or (unit_of(path[0]) if len(path) > 1 else "")
    types = shape.types - {"NoneType"}
    nullable = "NoneType" in shape.types
    label = (
        words_of(name, known) if len(path) == 1 else f"{words_of(path[0])}: {words_of(name, known).lower()}"
    )
    common: dict[str, Any] = {
        "path": path,
        "label": label,
        "nullable": nullable,
        "optional": optional,
        "shape": shape,
    }
    if types == {"bool"}:
        yield Spec(kind="flag", **common)
    elif types == {"int"}:
        yield Spec(kind="whole", unit=unit, **common)
    elif types == {"str"}:
        of = _choices(name, shape, known)
        closed = (
            not shape.numeric and len(shape.values) <= 6 and shape.seen >= 2 * len(shape.values) and total > 5
        )
        if not of and closed and not any(not value.replace("-", "").isalpha() for value in shape.values):
            of = tuple((value, value.replace("-", " ")) for value in sorted(shape.values))
        if of:
            yield Spec(kind="choice", of=of, **common)
        elif shape.numeric:
            yield Spec(kind="number", unit=unit, **common)
        else:
            yield Spec(kind="long" if shape.longest > 80 else "text", **common)
    elif types == {"list"} and (shape.item is None or shape.item.types == {"str"}) and name in _LISTS:
        yield Spec(kind="choices", of=_choices(name, shape, known), **common)
    elif types == {"list"} and shape.item and shape.item.types == {"int"} and shape.lengths == {3}:
        yield Spec(kind="days", unit="days", **common)
    elif (
        types == {"list"}
        and shape.item
        and shape.item.types == {"dict"}
        and _flat(shape.item)
        and not nullable
    ):
        columns = tuple(
            one
            for key, inner in shape.item.keys.items()
            for one in _spec(
                (key,), inner, known, optional=key not in (shape.item.required or ()), total=inner.seen
            )
        )
        yield Spec(kind="rows", columns=columns, **common)
    elif types == {"dict"} and not nullable and shape.keys and len(path) < 2 and len(shape.keys) <= 12:
        for key, inner in shape.keys.items():
            yield from _spec(
                (*path, key), inner, known, optional=key not in (shape.required or ()), total=total
            )
    else:
        yield Spec(kind="json", **common)


def _flat(shape: Shape) -> bool:
    return all(not inner.types & {"list", "dict"} for inner in shape.keys.values())


def specs(document: str, code: str, known: Knowledge) -> list[Spec]:
    """The typed fields of one record, in the shipped files' order."""
    like = catalogue.shipped_data()
    if document == "tables":
        table = like["tables"].get(code)
        if not isinstance(table, dict):
            return [Spec(("value",), "json", "Value", shape=learned([table]))]
        shape, total = learned([table]), 1
    else:
        shape, total = learned(like[document]), len(like[document])
    order = [key for key in shape.keys if key not in {"grade", "source", KEYS.get(document)}]
    return [
        one
        for key in (*order, *(end for end in ("source", "grade") if end in shape.keys))
        for one in _spec(
            (key,), shape.keys[key], known, optional=key not in (shape.required or ()), total=total
        )
    ]


def at(row: Any, path: tuple[str, ...]) -> Any:
    """The value at a path, or None."""
    for name in path:
        if not isinstance(row, Mapping) or name not in row:
            return None
        row = row[name]
    return row


class RecordForm(forms.Form):
    """A record as a form. `record()` gives it back with the values typed, in the files' own format."""

    def __init__(
        self, data: QueryDict | None, *, document: str, code: str, row: Any, known: Knowledge
    ) -> None:
        super().__init__(data)
        self.document, self.code, self.known = document, code, known
        self.whole = document == "tables" and not isinstance(row, dict)
        self.row: dict[str, Any] = {"value": row} if self.whole else dict(row)
        self.specs = specs(document, code, known)
        self._rows: dict[str, int] = {}
        for spec in self.specs:
            self._add(spec, at(self.row, spec.path))

    def _add(self, spec: Spec, value: Any) -> None:
        if spec.kind == "rows":
            count = len(value) if isinstance(value, list) else 0
            sent = sum(
                1
                for key in self.data
                if key.startswith(f"{spec.name}.") and key.endswith(f".{spec.columns[0].path[0]}")
            )
            self._rows[spec.name] = min(max(count + _SPARE_ROWS, sent), 40)
            for number in range(self._rows[spec.name]):
                for column in spec.columns:
                    cell = value[number].get(column.path[0]) if number < count else None
                    field = _field(column, cell, required=False)
                    field.label = f"{spec.label} {number + 1}, {column.label.lower()}"
                    self.fields[f"{spec.name}.{number}.{column.path[0]}"] = field
        elif spec.kind == "days":
            for place, word in enumerate(_DAYS):
                cell = value[place] if isinstance(value, list) and len(value) == 3 else None
                field = _field(
                    Spec(spec.path, "whole", f"{spec.label}, {word}", "days"), cell, required=False
                )
                self.fields[f"{spec.name}.{word}"] = field
        else:
            self.fields[spec.name] = _field(spec, value, required=_needed(spec))

    def groups(self) -> Iterator[dict[str, Any]]:
        """What the page draws: single fields, triples of days, tables of rows."""
        for spec in self.specs:
            if spec.kind == "rows":
                lines = [
                    [self[f"{spec.name}.{n}.{column.path[0]}"] for column in spec.columns]
                    for n in range(self._rows[spec.name])
                ]
                yield {"kind": "rows", "spec": spec, "lines": lines}
            elif spec.kind == "days":
                yield {"kind": "days", "spec": spec, "cells": [self[f"{spec.name}.{word}"] for word in _DAYS]}
            else:
                wide = spec.kind in {"long", "choices", "json"}
                yield {"kind": spec.kind, "spec": spec, "field": self[spec.name], "wide": wide}

    def clean(self) -> dict[str, Any]:
        """The record of the values, held to the shape of the shipped ones; each fault stands at its field."""
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        row: dict[str, Any] = json.loads(json.dumps(self.row))
        for spec in self.specs:
            value, present = self._value(spec, cleaned)
            _put(row, spec.path, value, present)
        if not self.errors:
            self._check(row)
        self._record = row
        return cleaned

    def _value(self, spec: Spec, cleaned: Mapping[str, Any]) -> tuple[Any, bool]:
        """(value, whether it is there at all)."""
        if spec.kind == "rows":
            found = []
            for number in range(self._rows[spec.name]):
                cells = {c.path[0]: cleaned.get(f"{spec.name}.{number}.{c.path[0]}") for c in spec.columns}
                if not any(value not in (None, "", False) for value in cells.values()):
                    continue
                old = at(self.row, spec.path) or []
                before = old[number] if number < len(old) else {}
                made = dict(before)
                for column in spec.columns:
                    value = _typed(column, cells[column.path[0]])
                    if value is None and not column.nullable and not column.optional:
                        if column.kind in {"text", "long"}:
                            value = ""
                        else:
                            self.add_error(
                                f"{spec.name}.{number}.{column.path[0]}",
                                "Fill this in, or empty the whole row.",
                            )
                    if value is None and column.optional and column.path[0] not in before:
                        continue
                    made[column.path[0]] = value
                found.append(made)
            return found, True
        if spec.kind == "days":
            numbers: list[Any] = [cleaned.get(f"{spec.name}.{word}") for word in _DAYS]
            if all(number is None for number in numbers):
                if not (spec.nullable or spec.optional):
                    self.add_error(f"{spec.name}.least", "Enter three numbers of days.")
                return None, spec.nullable
            if None in numbers or not (int(numbers[0]) <= int(numbers[1]) <= int(numbers[2])):
                self.add_error(
                    f"{spec.name}.least", "Enter three numbers of days in order: least, target, most."
                )
            return numbers, True
        value = _typed(spec, cleaned.get(spec.name), at(self.row, spec.path))
        if value is None and not spec.nullable:
            if spec.kind in {"text", "long"}:
                # An empty text is a text; one that was never there stays away.
                return "", not spec.optional or at(self.row, spec.path) is not None
            return None, False
        if spec.kind == "choices" and not value and spec.nullable and at(self.row, spec.path) is None:
            return None, True
        return value, True

    def _check(self, row: dict[str, Any]) -> None:
        """The shape and, for rules, every word of a condition."""
        if self.whole:
            return
        like = catalogue.shipped_data()
        shape = learned([like["tables"].get(self.code)] if self.document == "tables" else like[self.document])
        found = list(misfits(row, shape))
        if self.document == "rules" and not found:
            found = list(rule_faults(row, like["rules"], self.known.vocabulary))
        for path, text in found:
            spec = next(
                (one for one in self.specs if path.split("[")[0].startswith(".".join(one.path))), None
            )
            name = spec.name if spec and spec.name in self.fields else None
            self.add_error(name, f"{path}: {text}")

    def record(self) -> Any:
        """The record as it is to be stored. Only after `is_valid()`."""
        return self._record["value"] if self.whole else self._record


def _needed(spec: Spec) -> bool:
    """Whether a field must hold something: every shipped record has something there."""
    if spec.nullable or spec.optional or spec.shape is None:
        return False
    if spec.kind in {"text", "long"}:
        return "" not in spec.shape.values
    if spec.kind == "choices":
        return 0 not in spec.shape.lengths
    return spec.kind in {"number", "whole", "choice", "json"}


def _put(row: dict[str, Any], path: tuple[str, ...], value: Any, present: bool) -> None:
    for name in path[:-1]:
        row = row.setdefault(name, {})
    if present:
        row[path[-1]] = value
    else:
        row.pop(path[-1], None)


def _typed(spec: Spec, value: Any, before: Any = None) -> Any:
    if spec.kind == "flag":
        return bool(value)
    if spec.kind == "choices":
        # Those that stay keep their order: a form that only reads changes nothing.
        new, kept = list(value or []), [code for code in before or [] if code in (value or [])]
        return kept + [code for code in new if code not in kept]
    return None if value in (None, "") else value


class NumberField(forms.CharField):
    """A decimal number kept as it was typed, because the files keep numbers as text."""

    def __init__(self, *, negative: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.negative = negative

    def clean(self, value: Any) -> Any:
        """The text with a point; ValidationError for what is no number or below 0."""
        text = str(super().clean(value) or "").strip().replace(",", ".")
        if not text:
            return None
        if not is_number(text) or len(text) > 12 or "e" in text.lower():
            raise forms.ValidationError("Enter a number such as 2.5.")
        if text.startswith("-") and not self.negative:
            raise forms.ValidationError("Enter a number that is not negative.")
        return text.removeprefix("+")


class DocumentField(forms.CharField):
    """A part of a document as JSON in a text area; every fault is one line."""

    def clean(self, value: Any) -> Any:
        """The data. ValidationError says what is wrong and where."""
        text = str(super().clean(value) or "")
        if not text.strip():
            return None
        if len(text) > 200_000:
            raise forms.ValidationError("This is too long for one record.")
        try:
            return as_json(text)
        except ValueError as error:
            raise forms.ValidationError(f"This {error}") from error

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Not asked: the record is compared as a whole."""
        return True


def _field(spec: Spec, value: Any, *, required: bool) -> forms.Field:
    common: dict[str, Any] = {
        "label": spec.label, "required": required, "initial": value,
        "error_messages": {"required": f"Enter {spec.label.lower()}: every record has it."},
    }  # fmt: skip
    if spec.kind == "number":
        low = spec.shape is not None and spec.shape.negative
        return NumberField(
            negative=low,
            widget=UnitInput(spec.unit) if spec.unit else forms.TextInput({"inputmode": "decimal"}),
            **common,
        )
    if spec.kind == "whole":
        widget = UnitInput(spec.unit, whole=True) if spec.unit else forms.TextInput({"inputmode": "numeric"})
        return forms.IntegerField(
            widget=widget,
            min_value=-100 if spec.shape and spec.shape.negative else 0,
            max_value=100_000,
            **common,
        )
    if spec.kind == "flag":
        return forms.BooleanField(**(common | {"required": False}))
    if spec.kind == "choice":
        known = list(spec.of)
        if value and value not in dict(known):
            known.append((value, value))
        if len(known) <= 7 and required:
            return forms.ChoiceField(choices=known, widget=PickWidget(wrap=True), **common)
        return forms.ChoiceField(choices=[("", "-"), *known], **common)
    if spec.kind == "choices":
        known = list(spec.of)
        known += [(code, code) for code in value or [] if code not in dict(known)]
        if len(known) > 12:
            # In a long list what is chosen comes first, or nobody would see it.
            known.sort(key=lambda pair: pair[0] not in (value or []))
        several: Any = PickMultiple(wrap=True) if len(known) <= 12 else forms.SelectMultiple({"size": 8})
        return forms.MultipleChoiceField(choices=known, widget=several, **(common | {"required": False}))
    if spec.kind == "json":
        text = pretty(value)
        common["initial"] = "" if value is None else text
        rows = min(28, max(3, text.count("\n") + 2))
        return DocumentField(
            widget=forms.Textarea({"rows": rows, "spellcheck": "false", "class": "code"}), **common
        )
    if spec.kind == "long":
        return forms.CharField(widget=forms.Textarea({"rows": 3}), max_length=2000, **common)
    return forms.CharField(max_length=400, **common)


class ReasonForm(forms.Form):
    """Why: kept with the version."""

    reason = forms.CharField(label="Reason", min_length=3, max_length=500, widget=forms.Textarea({"rows": 2}))


class MultipleFiles(forms.ClearableFileInput):
    """Several files in one field."""

    allow_multiple_selected = True


class FilesField(forms.FileField):
    """One zip, or several JSON files."""

    widget = MultipleFiles

    def clean(self, data: Any, initial: Any = None) -> Any:
        """A list of uploads."""
        rows = data if isinstance(data, list | tuple) else [data]
        return [super(FilesField, self).clean(one, initial) for one in rows]


class ImportForm(ReasonForm):
    """Files from outside."""

    documents = FilesField(label="A zip, or JSON files", widget=MultipleFiles({"accept": ".zip,.json"}))
    field_order = ["documents", "reason"]


class FormularyForm(forms.Form):
    """What is in house."""

    applies = forms.BooleanField(label="Propose only what is in house", required=False)
    modalities = forms.MultipleChoiceField(
        label="Modalities in house", required=False, widget=PickMultiple(wrap=True)
    )
    devices = forms.CharField(
        label="Devices", required=False, max_length=300, help_text="Names of pens and injectors"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["modalities"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [
            (row["code"], row["label"]) for row in catalogue.knowledge().vocabulary["modalities"]
        ]


class ProductForm(forms.ModelForm):
    """A product of the formulary."""

    class Meta:
        model = FormularyProduct
        fields = ["agent", "brand", "manufacturer", "concentration_mg_per_ml", "pack_ml"]
        widgets = {"concentration_mg_per_ml": UnitInput("mg/mL"), "pack_ml": UnitInput("mL")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = catalogue.knowledge()
        self.fields["agent"] = forms.ChoiceField(
            label="Agent", choices=[("", "Choose"), *((code, known.label(code)) for code in known.agents)]
        )
        self.fields["concentration_mg_per_ml"] = forms.DecimalField(
            label="Concentration",
            required=False,
            min_value=0,
            max_digits=9,
            decimal_places=4,
            widget=UnitInput("mg/mL"),
        )
        self.fields["pack_ml"] = forms.DecimalField(
            label="Pack", required=False, min_value=0, max_digits=7, decimal_places=2, widget=UnitInput("mL")
        )


class CopyForm(forms.Form):
    """A new cocktail from another one."""

    code = forms.CharField(label="Code", max_length=16)
    label = forms.CharField(label="Name", max_length=80)


class FavouriteForm(forms.Form):
    """The name under which a course is kept."""

    name = forms.CharField(label="Name", min_length=3, max_length=80)
    note = forms.CharField(label="Note", required=False, max_length=200)
