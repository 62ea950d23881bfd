"""The treatment page's form: everything of one session, saved as it is entered."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from sessions.models import Lot, SafetyCheck, TreatmentRecord
from sessions.queries.treatment import questions_for, usable_lots

ANAESTHETICS = (
    ("none", _("None, cold air")),
    ("ice-vibration", _("Ice, cold or vibration")),
    ("lidocaine-4-cream", _("Lidocaine 4 % cream")),
    ("emla-5", _("EMLA 5 % cream")),
    ("dc-wheals", _("Ice and lidocaine with adrenaline wheals")),
)
CREAMS = frozenset({"lidocaine-4-cream", "emla-5"})

REACTIONS = (
    ("redness", _("Redness")),
    ("blebs", _("Blebs")),
    ("bruise", _("Bruise")),
    ("swelling", _("Swelling")),
    ("vasovagal", _("Faint")),
    ("urticaria", _("Hives")),
    ("blanching", _("White or mottled skin")),
    ("other", _("Other")),
)


class TreatmentForm(forms.Form):
    """Dynamic by record: `check-<code>`, `component-<pk>-lot`, `area-<pk>-volume_ml` and the record's own fields."""

    anaesthetic = forms.ChoiceField(label=_("Comfort"), choices=ANAESTHETICS, required=False)
    anaesthetic_grams = forms.DecimalField(
        label=_("Grams applied"),
        min_value=Decimal(0),
        max_value=Decimal(60),
        decimal_places=1,
        required=False,
    )
    anaesthetic_lot = forms.ModelChoiceField(
        label=_("Lot of the cream"), queryset=Lot.objects.none(), required=False
    )
    anaesthetic_on = forms.TimeField(label=_("On at"), required=False)
    anaesthetic_off = forms.TimeField(label=_("Off at"), required=False)
    pain_score = forms.TypedChoiceField(
        label=_("Pain during the session, 0 none to 10 worst"),
        choices=[(n, n) for n in range(11)],
        coerce=int,
        empty_value=None,
        required=False,
    )
    reactions = forms.MultipleChoiceField(label=_("Reactions seen"), choices=REACTIONS, required=False)
    reaction_note = forms.CharField(label=_("Reactions in words"), max_length=1000, required=False)
    watched_min = forms.IntegerField(label=_("Watched, minutes"), min_value=0, max_value=600, required=False)
    note = forms.CharField(
        label=_("Note"), max_length=4000, required=False, widget=forms.Textarea(attrs={"rows": 3})
    )

    def __init__(self, *args: Any, record: TreatmentRecord, today: date, **kwargs: Any) -> None:
        self.record = record
        self.today = today
        super().__init__(*args, **kwargs)
        self.components = list(record.components.all())
        self.areas = list(record.areas.all())
        agents = {component.agent for component in self.components} | set(CREAMS)
        self.lots = list(usable_lots(agents=agents, on=today))
        creams = [lot.pk for lot in self.lots if lot.product.agent in CREAMS]
        cream_field = self.fields["anaesthetic_lot"]
        assert isinstance(cream_field, forms.ModelChoiceField)
        cream_field.queryset = Lot.objects.filter(pk__in=creams).select_related("product")
        for code, question, _help, safe, other, _forbids in questions_for(record.patient):
            self.fields[f"check-{code}"] = forms.ChoiceField(
                label=question,
                choices=[(SafetyCheck.Answer.CLEAR, safe), (SafetyCheck.Answer.CHANGED, other)],
                required=False,
            )
            self.fields[f"detail-{code}"] = forms.CharField(
                label=_("What was found and decided"), max_length=500, required=False
            )
        for component in self.components:
            choices = [("", _("Choose the lot"))] + [
                (str(lot.pk), self._lot_label(lot))
                for lot in self.lots
                if lot.product.agent == component.agent
            ]
            self.fields[f"component-{component.pk}-lot"] = forms.ChoiceField(
                label=_("Lot of %(agent)s") % {"agent": component.agent}, choices=choices, required=False
            )
            self.fields[f"component-{component.pk}-volume_ml"] = forms.DecimalField(
                label=_("mL of %(agent)s drawn") % {"agent": component.agent},
                min_value=Decimal(0),
                max_value=Decimal(50),
                decimal_places=4,
            )
        for area in self.areas:
            self.fields[f"area-{area.pk}-points"] = forms.IntegerField(
                label=_("Points"), min_value=0, max_value=2000, required=False
            )
            self.fields[f"area-{area.pk}-volume_ml"] = forms.DecimalField(
                label=_("Volume, mL"), min_value=Decimal(0), max_value=Decimal(30), decimal_places=2
            )
            self.fields[f"area-{area.pk}-depth_mm"] = forms.DecimalField(
                label=_("Depth, mm"),
                min_value=Decimal(0),
                max_value=Decimal(13),
                decimal_places=2,
                required=False,
            )
        for name, value in self._initial().items():
            self.initial.setdefault(name, value)

    @staticmethod
    def _lot_label(lot: Lot) -> str:
        return f"{lot.number}, {lot.product.name}, {lot.expires_on:%d.%m.%Y}"

    def _initial(self) -> dict[str, Any]:
        record = self.record
        values: dict[str, Any] = {name: getattr(record, name) for name in self.base_fields}
        for name in ("anaesthetic_on", "anaesthetic_off"):
            moment = getattr(record, name)
            values[name] = timezone.localtime(moment).strftime("%H:%M") if moment else ""
        values["anaesthetic_lot"] = record.anaesthetic_lot_id
        for check in record.checks.all():
            values[f"check-{check.question}"] = check.answer
            values[f"detail-{check.question}"] = check.detail
        for component in self.components:
            # Nothing is preselected: a person chooses the lot that is in the hand.
            values[f"component-{component.pk}-lot"] = str(component.lot_id or "")
            values[f"component-{component.pk}-volume_ml"] = format(component.volume_ml.normalize(), "f")
        for area in self.areas:
            values[f"area-{area.pk}-points"] = area.points
            values[f"area-{area.pk}-volume_ml"] = area.volume_ml
            values[f"area-{area.pk}-depth_mm"] = area.depth_mm
        return values

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        started, ended = cleaned.get("anaesthetic_on"), cleaned.get("anaesthetic_off")
        if started and ended and ended < started:
            self.add_error("anaesthetic_off", _("Off is before on. Enter a later time."))
        if cleaned.get("anaesthetic") not in CREAMS:
            cleaned["anaesthetic_lot"] = None
            if cleaned.get("anaesthetic") != "dc-wheals":
                cleaned["anaesthetic_grams"] = None
        return cleaned

    def _moment(self, name: str) -> datetime | None:
        value = self.cleaned_data.get(name)
        if value is None:
            return None
        return timezone.make_aware(datetime.combine(self.today, value))

    def save_data(self) -> dict[str, Any]:
        """What `sessions.actions.treatment.save_record` takes: only fields that were valid and posted."""
        cleaned = self.cleaned_data
        fields = {
            name: cleaned[name]
            for name in self.base_fields
            if name in cleaned and name in self.data and name not in {"anaesthetic_on", "anaesthetic_off"}
        }
        if "anaesthetic" in fields and fields["anaesthetic"] not in CREAMS:
            fields["anaesthetic_lot"] = None
            fields["anaesthetic_grams"] = cleaned.get("anaesthetic_grams")
        if "after-posted" in self.data and "reactions" in cleaned:
            fields["reactions"] = cleaned["reactions"]
        for name in ("anaesthetic_on", "anaesthetic_off"):
            if name in self.data and name in cleaned:
                fields[name] = self._moment(name)
        checks = {
            code: (cleaned[f"check-{code}"], cleaned.get(f"detail-{code}", ""))
            for code, *_rest in questions_for(self.record.patient)
            if cleaned.get(f"check-{code}")
        }
        lots = {str(lot.pk): lot for lot in self.lots}
        components: dict[int, dict[str, Any]] = {}
        for component in self.components:
            values: dict[str, Any] = {}
            lot_name, volume_name = f"component-{component.pk}-lot", f"component-{component.pk}-volume_ml"
            if lot_name in self.data and lot_name in cleaned:
                values["lot"] = lots.get(cleaned[lot_name])
            if volume_name in self.data and volume_name in cleaned:
                values["volume_ml"] = cleaned[volume_name]
            components[component.pk] = values
        areas = {
            area.pk: {
                name: cleaned[f"area-{area.pk}-{name}"]
                for name in ("points", "volume_ml", "depth_mm")
                if f"area-{area.pk}-{name}" in self.data and f"area-{area.pk}-{name}" in cleaned
            }
            for area in self.areas
        }
        return {"checks": checks, "fields": fields, "components": components, "areas": areas}

    @cached_property
    def check_rows(self) -> list[dict[str, Any]]:
        """The day's questions with their bound fields, for the template."""
        return [
            {
                "code": code,
                "question": question,
                "help": help_text,
                "field": self[f"check-{code}"],
                "detail": self[f"detail-{code}"],
                "value": self[f"check-{code}"].value(),
                "forbids": forbids,
            }
            for code, question, help_text, _safe, _other, forbids in questions_for(self.record.patient)
        ]

    @cached_property
    def component_rows(self) -> list[dict[str, Any]]:
        """The cocktail's components with lot and volume fields."""
        lots = {lot.pk: lot for lot in self.lots}
        return [
            {
                "component": component,
                "lot": self[f"component-{component.pk}-lot"],
                "volume": self[f"component-{component.pk}-volume_ml"],
                "chosen": lots.get(component.lot_id) if component.lot_id else None,
                "days_left": (lots[component.lot_id].expires_on - self.today).days
                if component.lot_id in lots
                else None,
                "none_in_stock": not any(lot.product.agent == component.agent for lot in self.lots),
            }
            for component in self.components
        ]

    @cached_property
    def area_rows(self) -> list[dict[str, Any]]:
        """The treated areas with points, volume and depth fields."""
        return [
            {
                "area": area,
                "points": self[f"area-{area.pk}-points"],
                "volume": self[f"area-{area.pk}-volume_ml"],
                "depth": self[f"area-{area.pk}-depth_mm"],
            }
            for area in self.areas
        ]


class CorrectionForm(forms.Form):
    """Why a signed record gets a new version."""

    reason = forms.CharField(label=_("Why the record is corrected"), max_length=300)
