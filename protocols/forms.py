"""Forms of the assessment: preferences, and one form per concern whose fields follow its indication and scale."""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from django import forms
from django.forms.utils import ErrorDict
from django.http import QueryDict
from django.utils.functional import cached_property

from mesoclinic.ui.forms import Col, DateInput, PickMultiple, PickWidget, TimeInput, UnitInput, grid_helper
from patients.forms import ProfileForm
from patients.models import Patient
from protocols.catalogue import knowledge
from protocols.engine.scales import ScaleResult
from protocols.models import Assessment
from protocols.queries import scales_for, scored

MAX_CONCERNS = 4
EYE = "eye"
_ROMAN = ("", "I", "II", "III", "IV", "V", "VI", "VII")
_HINT = re.compile(r"(\d+):? (?!%)([^,]+)")
WEEKDAYS = ((1, "Mon"), (2, "Tue"), (3, "Wed"), (4, "Thu"), (5, "Fri"), (6, "Sat"))
GOALS = (("", "Not stated"), ("improve", "Improve"), ("even-tone", "Even tone"),
         ("lighter-than-own-skin", "Lighter than own skin"), ("cure", "Cure for good"), ("weight-loss", "Lose weight"),
         ("replace-surgery", "In place of surgery"))  # fmt: skip


class PreferencesForm(forms.ModelForm):
    """What the patient wants, tolerates and has time for. An empty field means not asked."""

    needle_fear = forms.TypedChoiceField(
        label="Afraid of needles", required=False, empty_value=None,
        choices=[("", "Not asked"), ("True", "Yes"), ("False", "No")], widget=PickWidget,
        coerce=lambda value: {"True": True, "False": False}.get(str(value)),
    )  # fmt: skip
    weekdays = forms.TypedMultipleChoiceField(
        label="Weekdays that suit", required=False, coerce=int, choices=WEEKDAYS, widget=PickMultiple,
        help_text="None chosen means any day.",
    )  # fmt: skip
    event_on = forms.DateField(
        label="Important event", required=False, widget=DateInput, help_text="Wedding, journey, photographs"
    )
    vaccination_on = forms.DateField(label="Vaccination", required=False, widget=DateInput)

    class Meta:
        model = Assessment
        fields = ("goals", "modality", "max_downtime_days", "pain", "needle_fear", "max_sessions",
                  "decline_anaesthetic", "weekdays", "time_from", "time_until")  # fmt: skip
        widgets = {
            "goals": forms.Textarea(attrs={"rows": 2}),
            "modality": PickWidget(),
            "max_downtime_days": UnitInput("days", whole=True),
            "pain": UnitInput("of 10", whole=True),
            "max_sessions": UnitInput("visits", whole=True),
            "time_from": TimeInput,
            "time_until": TimeInput,
        }

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.today = today
        self.fields["max_downtime_days"].label = "Accepted downtime"
        for name, least, most in (("max_downtime_days", 0, 60), ("pain", 0, 10), ("max_sessions", 1, 12)):
            self.fields[name] = forms.IntegerField(
                label=self.fields[name].label, required=False, min_value=least, max_value=most,
                widget=self.fields[name].widget, help_text=self.fields[name].help_text,
            )  # fmt: skip
        self.helper = grid_helper(
            Col("goals", 12), Col("modality", 8), Col("needle_fear", 4), Col("max_downtime_days", 4), Col("pain", 4),
            Col("max_sessions", 4), Col("weekdays", 6), Col("time_from", 3), Col("time_until", 3), Col("event_on", 3),
            Col("vaccination_on", 3), Col("decline_anaesthetic", 6),
        )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        """Times in order; events not long past."""
        cleaned = super().clean() or self.cleaned_data
        start, end = cleaned.get("time_from"), cleaned.get("time_until")
        if start and end and start >= end:
            self.add_error("time_until", "Enter a time after the first one.")
        for name in ("event_on", "vaccination_on"):
            day = cleaned.get(name)
            if day and abs((day - self.today).days) > 3660:
                self.add_error(name, "Enter a day within ten years.")
        return cleaned

    def values(self) -> dict[str, Any]:
        """Fields of Assessment."""
        values = {name: self.cleaned_data[name] for name in self.Meta.fields}
        values["weekdays"] = sorted(values["weekdays"])
        kinds = (("event_on", "important-event"), ("vaccination_on", "vaccination"))
        values["events"] = [
            {"kind": kind, "date": self.cleaned_data[name].isoformat()}
            for name, kind in kinds
            if self.cleaned_data.get(name)
        ]
        return values


def item_words(item: Mapping[str, Any]) -> tuple[str, dict[int, str]]:
    """(title, small words by value) of a scale's item, from its one label in the vocabulary."""
    label = str(item["label"])
    head, colon, tail = label.partition(": ")
    hints = {int(number): words.strip() for number, words in _HINT.findall(tail if colon else label)}
    if colon and hints:
        return head, hints
    return (re.sub(r",? ?\S+=\S+ .*", "", label) or "Grade", {}) if not hints else ("Score", hints)


def _item_field(scale: str, item: Mapping[str, Any]) -> forms.Field:
    title, hints = item_words(item)
    least, most = int(item["min"]), int(item["max"])
    if most - least > 9:
        return forms.IntegerField(
            label=title.removesuffix(" in mm"),
            required=False,
            min_value=least,
            max_value=most,
            widget=UnitInput("mm", whole=True),
        )
    roman = "=" in item["label"]
    if (least, most) == (0, 1):
        title, hints, words = "Vertex variant", {}, {0: "No", 1: "Yes"}
    else:
        words = {n: _ROMAN[n] if roman else str(n) for n in range(least, most + 1)}
    spread = {n: words for n, words in hints.items() if len(hints) > 2 and "class" not in words}
    return forms.TypedChoiceField(
        label=title, required=False, coerce=int, empty_value=None, choices=list(words.items()),
        widget=PickWidget(hints=spread), help_text=item["label"] if hints and not spread else "",
    )  # fmt: skip


def _decimal(label: str, unit: str, most: int, help_text: str = "") -> forms.DecimalField:
    return forms.DecimalField(
        label=label, required=False, min_value=0, max_value=most, max_digits=6, decimal_places=1,
        widget=UnitInput(unit), help_text=help_text,
    )  # fmt: skip


class ConcernForm(forms.Form):
    """One concern. Which items and details it asks follows from indication, area and scale."""

    def __init__(self, data: QueryDict | None, *, prefix: str, sex: str, today: date) -> None:
        super().__init__(data, prefix=prefix)
        self.today = today
        known = knowledge()
        indications = {row["code"]: row for row in known.vocabulary["indications"]}
        raw: Mapping[str, Any] = data or {}
        self.indication = str(raw.get(f"{prefix}-indication") or "")
        if self.indication not in indications:
            self.indication = ""
        areas = indications[self.indication]["areas"] if self.indication else []
        self.area = str(raw.get(f"{prefix}-area") or "")
        if self.area not in areas:
            self.area = areas[0] if areas else ""
        scales = scales_for(self.indication, self.area, sex) if self.indication else []
        self.scale = str(raw.get(f"{prefix}-scale") or "")
        if self.scale not in {*scales, EYE}:
            self.scale = scales[0] if scales else EYE
        self.fields["indication"] = forms.ChoiceField(
            label="Indication",
            choices=[("", "Choose"), *((code, row["label"]) for code, row in indications.items())],
        )
        self.fields["area"] = forms.ChoiceField(
            label="Area", choices=[(code, known.label(code)) for code in areas], required=bool(areas)
        )
        self.fields["scale"] = forms.ChoiceField(
            label="Scale", required=False,
            choices=[*((code, known.scales[code]["label"]) for code in scales), (EYE, "By eye")],
        )  # fmt: skip
        self.fields["scale"].initial = self.scale
        if self.data:
            # What the choices left no room for is replaced by what is shown: no select may hold a lost value.
            shown = QueryDict(mutable=True)
            shown.update(raw)  # type: ignore[arg-type]
            shown[f"{prefix}-area"], shown[f"{prefix}-scale"] = self.area, self.scale
            self.data = shown
        self.item_names: list[str] = []
        if self.indication:
            self._severity()
            self._details()

    def _severity(self) -> None:
        if self.scale == EYE:
            self.fields["grade"] = forms.TypedChoiceField(
                label="Severity by eye", coerce=int, widget=PickWidget,
                choices=[(1, "Mild"), (2, "Moderate"), (3, "Severe")],
                error_messages={"required": "Choose how severe it is."},
            )  # fmt: skip
            return
        for item in knowledge().scales[self.scale]["items"]:
            name = f"item_{item['code']}"
            self.fields[name] = _item_field(self.scale, item)
            self.item_names.append(name)

    def _details(self) -> None:
        flags = [r for r in knowledge().vocabulary["red_flags"] if r["indication"] == self.indication]
        add = self.fields
        if flags:
            add["red_flags"] = forms.MultipleChoiceField(
                label="Red flags seen", required=False, widget=PickMultiple(wrap=True),
                choices=[("none", "Looked for, none"), *((r["code"], r["label"]) for r in flags)],
            )  # fmt: skip
        add["goal"] = forms.ChoiceField(label="Goal", required=False, choices=GOALS)
        add["onset"] = forms.DateField(label="Began", required=False, widget=DateInput)
        if self.indication == "alopecia":
            add["hair_pattern"] = forms.ChoiceField(
                label="Pattern of loss", required=False,
                choices=[("", "Not stated"), ("patterned", "Patterned"), ("diffuse", "Diffuse"),
                         ("patchy", "Patchy"), ("scarring", "Scarring")],
            )  # fmt: skip
        if self.indication == "pigment":
            add["pigment_type"] = forms.ChoiceField(
                label="Kind of pigment", required=False,
                choices=[("", "Not stated"), ("melasma", "Melasma"), ("pih", "After inflammation"),
                         ("other", "Other")],
            )  # fmt: skip
            add["pigment_depth"] = forms.ChoiceField(
                label="Depth of pigment", required=False,
                choices=[("", "Not stated"), ("epidermal", "Epidermal"), ("dermal", "Dermal"), ("mixed", "Mixed")],
            )  # fmt: skip
            add["lesion_cm2"] = _decimal("Pigmented surface", "cm²", 2000)
        if self.indication == "fat" and self.area == "submental":
            add["field_cm2"] = _decimal("Field to treat", "cm²", 1000, "Deoxycholic acid is dosed by it")
            add["smslg_grade"] = forms.TypedChoiceField(
                label="Skin laxity (SMSLG)", required=False, coerce=int, empty_value=None,
                choices=[(n, str(n)) for n in range(1, 5)], widget=PickWidget,
            )  # fmt: skip
        elif self.indication == "fat":
            add["weight_stable_3_months"] = forms.TypedChoiceField(
                label="Weight stable for 3 months", required=False, empty_value=None, widget=PickWidget,
                choices=[("", "Not asked"), ("True", "Yes"), ("False", "No")],
                coerce=lambda value: {"True": True, "False": False}.get(str(value)),
            )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        """Positive sizes, days not ahead."""
        cleaned = super().clean() or self.cleaned_data
        for name in ("lesion_cm2", "field_cm2"):
            if cleaned.get(name) is not None and cleaned[name] <= 0:
                self.add_error(name, "Enter more than 0 cm².")
        if cleaned.get("onset") and not date(1900, 1, 1) <= cleaned["onset"] <= self.today:
            self.add_error("onset", "Enter a day that is not ahead.")
        if self.indication and self.scale != EYE and not self.items():
            first = self.item_names[0]
            if not self.errors.get(first):
                self.add_error(first, "Choose a value, or judge by eye.")
        return cleaned

    def items(self) -> dict[str, int]:
        """Item values given, by code; usable before the form is valid."""
        found = {}
        for name in self.item_names:
            try:
                value = self.fields[name].clean(
                    self.fields[name].widget.value_from_datadict(self.data, self.files, self.add_prefix(name))
                )
            except forms.ValidationError:
                continue
            if value is not None:
                found[name.removeprefix("item_")] = int(value)
        return found

    @cached_property
    def result(self) -> ScaleResult | None:
        """The live score; None by eye or before an indication is chosen."""
        if not self.indication or self.scale == EYE:
            return None
        return scored(self.scale, self.items())

    def values(self) -> dict[str, Any]:
        """Fields of Concern."""
        cleaned = self.cleaned_data
        details: dict[str, Any] = {}
        flags = cleaned.get("red_flags") or []
        if flags:
            details["red_flags"] = [flag for flag in flags if flag != "none"]
        for name in ("goal", "hair_pattern", "pigment_type", "pigment_depth"):
            if cleaned.get(name):
                details[name] = cleaned[name]
        if cleaned.get("onset"):
            details["onset"] = cleaned["onset"].isoformat()
        for name in ("lesion_cm2", "field_cm2"):
            if cleaned.get(name) is not None:
                details[name] = float(cleaned[name])
        for name in ("smslg_grade", "weight_stable_3_months"):
            if cleaned.get(name) is not None:
                details[name] = cleaned[name]
        eye = self.scale == EYE
        return {
            "indication": self.indication,
            "area": self.area,
            "scale": "" if eye else self.scale,
            "items": {} if eye else self.items(),
            "grade": cleaned["grade"] if eye else None,
            "details": details,
        }

    # ---- for the template ----------------------------------------------------------------------------------

    @property
    def chosen(self) -> str:
        """The indication's code: in a template, `form.indication` is the field."""
        return self.indication

    @property
    def indication_field(self) -> forms.BoundField:
        """Attributes of the same names hold the cleaned choice."""
        return self["indication"]

    @property
    def area_field(self) -> forms.BoundField:
        """Where."""
        return self["area"]

    @property
    def scale_field(self) -> forms.BoundField:
        """By which scale."""
        return self["scale"]

    @property
    def severity_fields(self) -> list[forms.BoundField]:
        """Items of the scale, or the severity by eye."""
        names = ["grade"] if self.scale == EYE else self.item_names
        return [self[name] for name in names if name in self.fields]

    @property
    def regions(self) -> list[dict[str, Any]]:
        """mMASI: one row per region with area, darkness and its points."""
        if self.scale != "mmasi" or not self.indication:
            return []
        given = self.items()
        rows = []
        for term in knowledge().scales["mmasi"]["terms"]:
            area, dark = term["items"]
            known = area in given and dark in given
            rows.append(
                {
                    "name": area.removesuffix("_area").replace("_", " ").capitalize(),
                    "weight": term["weight"],
                    "fields": [self[f"item_{area}"], self[f"item_{dark}"]],
                    "points": Decimal(term["weight"]) * given[area] * given[dark] if known else None,
                }
            )
        return rows

    @property
    def detail_fields(self) -> list[forms.BoundField]:
        """Everything that is not place or severity."""
        shown = {"indication", "area", "scale", "grade", *self.item_names}
        return [self[name] for name in self.fields if name not in shown]

    @property
    def bands(self) -> dict[str, Any] | None:
        """The scale's bar: bands as shares of 600 units, and where the score stands."""
        if self.scale == EYE or not self.indication:
            return None
        row = knowledge().scales[self.scale]
        low, high = float(row["range"][0]), float(row["range"][1])
        starts = [max(float(b["min"]), low) for b in row["bands"]]
        # A last band that is one value only, such as "4 refer", still needs room to be seen.
        top = high if starts[-1] < high else high + 1
        starts.append(top)
        whole = (top - low) or 1.0
        css = {"below": "b0", "mild": "b1", "moderate": "b2", "severe": "b3", "above": "b4"}
        result = self.result
        at = None
        if result is not None and result.score is not None:
            at = round((float(result.score) - low) / whole * 600, 1)
        bands = []
        for band, start, end in zip(row["bands"], starts, starts[1:], strict=False):
            x = (start - low) / whole * 600
            width = max((end - start) / whole * 600 - 1, 1)
            words = {"below": "none", "above": "refer"}.get(band["band"], band["band"])
            bands.append(
                {
                    "css": css[band["band"]],
                    "x": round(x, 1),
                    "width": round(width, 1),
                    "words": words,
                    "min": band["min"],
                }
            )
        tall = _place_labels(bands)
        return {
            "tall": tall,
            "bands": bands,
            "at": at,
            "low": row["range"][0],
            "high": row["range"][1],
            "label": row["label"],
        }


def _place_labels(bands: list[dict[str, Any]]) -> int:
    """Put the words of the bands on one line, or on two where they would run into each other; the drawing's height."""
    ends, lines = [-10.0, -10.0], (38, 53)
    tall = 42
    for band in bands:
        length = 6.6 * len(f"{band['min']} {band['words']}")
        x = min(band["x"], 600 - length)
        line = 0 if x >= ends[0] + 8 else 1
        if x < ends[line] + 8:
            # No room at all: the colour and the chip beside the bar still say it.
            band |= {"text_x": x, "y": 0}
            continue
        ends[line] = x + length
        tall = max(tall, lines[line] + 4)
        band |= {"text_x": round(x, 1), "y": lines[line]}
    return tall


def concern_prefixes(data: Mapping[str, Any]) -> list[str]:
    """The concerns a request carries, in order: `c0`, `c1` ... never more than the page offers."""
    found = {match.group(1) for key in data if (match := re.fullmatch(r"(c\d)-indication", key))}
    return sorted(found)[:MAX_CONCERNS]


def concern_forms(data: QueryDict | None, patient: Patient, today: date) -> list[ConcernForm]:
    """The concerns of a request; one empty one at first."""
    prefixes = concern_prefixes(data) if data else []
    return [ConcernForm(data, prefix=prefix, sex=patient.sex, today=today) for prefix in prefixes or ["c0"]]


class SafetyForm(ProfileForm):
    """The single clinical facts on the assessment page. Pregnancy is asked anew on the day, never taken over."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, prefix="facts", **kwargs)
        patient: Patient = self.instance
        if "pregnancy" in self.fields:
            del self.fields["pregnancy_asked_on"]
            asked = patient.pregnancy_asked_on == self.today
            self.fields["pregnancy"] = forms.ChoiceField(
                label="Pregnancy, asked today", choices=Patient.Pregnancy.choices, widget=PickWidget(wrap=True),
                error_messages={"required": "Ask today, and choose the answer."},
            )  # fmt: skip
            if not asked:
                self.initial["pregnancy"] = None
        female = [Col("pregnancy", 12), Col("menopausal_status", 6), Col("sterilised", 6)]
        self.helper = grid_helper(
            Col("phototype", 12), *(female if "pregnancy" in self.fields else []),
            Col("weight_kg", 4), Col("height_cm", 4), Col("smoking_per_day", 4), Col("systolic", 4),
            Col("diastolic", 4), Col("blood_pressure_on", 4), Col("sunscreen_daily", 4), Col("bdd_screen", 8),
            Col("consent_signed_on", 6), Col("baseline_photos_on", 6),
        )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        """The answer on pregnancy is of today."""
        if self.cleaned_data.get("pregnancy"):
            self.cleaned_data["pregnancy_asked_on"] = self.today
        return super().clean()


def unblamed[F: forms.BaseForm](form: F) -> F:
    """A bound form drawn without its errors: for values that are still being entered."""
    form._errors = ErrorDict()  # type: ignore[attr-defined]
    form.cleaned_data = {}  # type: ignore[attr-defined]
    return form
