"""The treatment page's form: everything of one session, saved as it is entered."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, cast

from django import forms
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from mesoclinic.ui.formatting import decimal_trim
from protocols.catalogue import knowledge
from sessions.models import Lot, MixedComponent, SafetyCheck, TreatedArea, TreatmentRecord
from sessions.queries.obstacles import Obstacle
from sessions.queries.treatment import questions_for, unusable, usable_lots

ANAESTHETICS = (
    ("none", _("None, cold air")),
    ("ice-vibration", _("Ice, cold or vibration")),
    ("lidocaine-4-cream", _("Lidocaine 4 % cream")),
    ("emla-5", _("EMLA 5 % cream")),
    ("dc-wheals", _("Ice and lidocaine with adrenaline wheals")),
)
CREAMS = frozenset({"lidocaine-4-cream", "emla-5"})
#: Comfort that comes out of a lot: g of cream, mL of wheals.
NUMBING = CREAMS | {"dc-wheals"}

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
        label=_("Cream g, wheals mL"),
        min_value=Decimal(0),
        max_value=Decimal(60),
        decimal_places=1,
        required=False,
    )
    anaesthetic_lot = forms.ModelChoiceField(
        label=_("Lot of cream or wheals"), queryset=Lot.objects.none(), required=False
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

    def __init__(
        self, *args: Any, record: TreatmentRecord, obstacles: Sequence[Obstacle] = (), **kwargs: Any
    ):
        self.record = record
        #: The treatment's own day: lots are judged on it, and clock times belong to it, also in a correction.
        self.day: date = record.day
        self.zone = record.appointment.location.zone
        #: What is said beside single fields, by the field's place.
        self.said: dict[str, list[str]] = {}
        for obstacle in obstacles:
            if obstacle.place and obstacle.level != "todo":
                self.said.setdefault(obstacle.place, []).append(obstacle.said)
        super().__init__(*args, **kwargs)
        self.components: list[MixedComponent] = list(record.components.all())
        self.areas: list[TreatedArea] = list(record.areas.all())
        agents = {component.agent for component in self.components} | set(NUMBING)
        self.lots = list(usable_lots(agents=agents, on=self.day))
        self._keep_chosen()
        numbing = [lot.pk for lot in self.lots if lot.product.agent in NUMBING]
        chosen = [record.anaesthetic_lot_id] if record.anaesthetic_lot_id else []
        cream_field = self.fields["anaesthetic_lot"]
        assert isinstance(cream_field, forms.ModelChoiceField)
        cream_field.queryset = Lot.objects.filter(pk__in=[*numbing, *chosen]).select_related("product")
        for code, question, _help, safe, other, *_rest in questions_for(record.patient):
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
                and (lot.pk == component.lot_id or not unusable(lot, self.day))
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

    def _keep_chosen(self) -> None:
        """A chosen lot stays a choice whatever became of it: saving must never drop what was given."""
        known = {lot.pk for lot in self.lots}
        chosen = {part.lot_id for part in self.components if part.lot_id} - known
        if chosen:
            self.lots += Lot.objects.filter(pk__in=chosen).select_related("product")

    def _lot_label(self, lot: Lot) -> str:
        text = f"{lot.number}, {lot.product.name}, {lot.expires_on:%d.%m.%Y}"
        state = unusable(lot, self.day)
        return f"{text}, {state}" if state else text

    def _initial(self) -> dict[str, Any]:
        record = self.record
        values: dict[str, Any] = {name: getattr(record, name) for name in self.base_fields}
        for name in ("anaesthetic_on", "anaesthetic_off"):
            moment = getattr(record, name)
            values[name] = f"{moment.astimezone(self.zone):%H:%M}" if moment else ""
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
        if cleaned.get("anaesthetic") not in NUMBING:
            cleaned["anaesthetic_lot"] = None
            cleaned["anaesthetic_grams"] = None
        for component in self.components:
            self._name_refused(f"component-{component.pk}-lot")
        self._name_refused("anaesthetic_lot")
        return cleaned

    def _name_refused(self, name: str) -> None:
        """Say which lot can't be chosen any more, and why."""
        posted = str(self.data.get(name, ""))
        if name not in self.errors or not (posted.isascii() and posted.isdigit() and len(posted) < 19):
            return
        lot = Lot.objects.filter(pk=int(posted)).first()
        state = unusable(lot, self.day) if lot is not None else ""
        if lot is not None and state:
            text = gettext("Lot %(lot)s is %(state)s and was not saved. Choose another lot.")
            self.errors[name] = self.error_class([text % {"lot": lot.number, "state": state}])

    def _moment(self, name: str) -> datetime | None:
        value = self.cleaned_data.get(name)
        if value is None:
            return None
        stored: datetime | None = getattr(self.record, name)
        if stored is not None and f"{stored.astimezone(self.zone):%H:%M}" == f"{value:%H:%M}":
            return stored
        return datetime.combine(self.day, value, tzinfo=self.zone)

    def save_data(self) -> dict[str, Any]:
        """What `sessions.actions.treatment.save_record` takes: only fields that were valid and posted."""
        cleaned = self.cleaned_data
        fields = {
            name: cleaned[name]
            for name in self.base_fields
            if name in cleaned and name in self.data and name not in {"anaesthetic_on", "anaesthetic_off"}
        }
        if "anaesthetic" in fields and fields["anaesthetic"] not in NUMBING:
            fields["anaesthetic_lot"] = None
            fields["anaesthetic_grams"] = None
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

    def _typed(self, name: str) -> str:
        field = self.fields[name]
        if isinstance(field, forms.MultipleChoiceField) and hasattr(self.data, "getlist"):
            return ", ".join(self.data.getlist(name))
        return str(self.data.get(name, "")).strip()

    def _in_words(self, name: str, value: str) -> str:
        field = self.fields[name]
        if isinstance(field, forms.ChoiceField) and not isinstance(field, forms.ModelChoiceField):
            words = {str(code): str(word) for code, word in cast(Any, field.choices)}
            return ", ".join(words.get(code, code) for code in value.split(", ")) if value else ""
        if isinstance(field, forms.ModelChoiceField):
            return next((lot.number for lot in self.lots if str(lot.pk) == value), value)
        return value

    def differences(self) -> list[dict[str, str]]:
        """What is typed here and what is stored, where they differ: for a page that another one overtook."""
        stored, found = self._initial(), []
        for name, field in self.fields.items():
            if name not in self.data and not (name == "reactions" and "after-posted" in self.data):
                continue
            value = stored.get(name)
            there = ", ".join(value) if isinstance(value, list) else "" if value is None else str(value)
            here = self._typed(name)
            same = here == there
            if isinstance(field, forms.DecimalField | forms.IntegerField):
                same = decimal_trim(here) == decimal_trim(there)
            if not same:
                found.append(
                    {
                        "label": str(field.label),
                        "there": self._in_words(name, there),
                        "here": self._in_words(name, here),
                    }
                )
        return found

    def _errors_at(self, place: str, *names: str) -> list[str]:
        """All that is said beside a field: what was typed wrong, what was refused, what passes a limit."""
        typed = [str(text) for name in names if self.is_bound for text in self.errors.get(name, ())]
        return [*typed, *self.said.get(place, ())]

    @cached_property
    def check_rows(self) -> list[dict[str, Any]]:
        """The day's questions with their bound fields, for the template."""
        return [
            {
                "code": row.code,
                "question": row.question,
                "help": row.help,
                "field": self[f"check-{row.code}"],
                "detail": self[f"detail-{row.code}"],
                "value": self[f"check-{row.code}"].value(),
                "forbids": row.forbids,
                "alone": row.alone,
                "place": f"check-{row.code}",
                "said": self._errors_at(f"check-{row.code}", f"check-{row.code}", f"detail-{row.code}"),
            }
            for row in questions_for(self.record.patient)
        ]

    @cached_property
    def component_rows(self) -> list[dict[str, Any]]:
        """The cocktail's components with lot and volume fields."""
        lots = {lot.pk: lot for lot in self.lots}
        rows = []
        for component in self.components:
            name = f"component-{component.pk}"
            chosen = lots.get(component.lot_id) if component.lot_id else None
            usable = [lot for lot in self.lots if lot.product.agent == component.agent]
            rows.append(
                {
                    "component": component,
                    "lot": self[f"{name}-lot"],
                    "volume": self[f"{name}-volume_ml"],
                    "chosen": chosen,
                    "days_left": (chosen.expires_on - self.day).days if chosen else None,
                    "none_in_stock": not any(not unusable(lot, self.day) for lot in usable),
                    "place": name,
                    "said": self._errors_at(name, f"{name}-lot", f"{name}-volume_ml"),
                }
            )
        return rows

    @cached_property
    def area_rows(self) -> list[dict[str, Any]]:
        """The treated areas with points, volume and depth fields."""
        rows = []
        for area in self.areas:
            name = f"area-{area.pk}"
            rows.append(
                {"area": area, "name": knowledge().label(area.area)}
                | {
                    short: {
                        "field": self[f"{name}-{field}"],
                        "place": f"{name}-{field}",
                        "said": self._errors_at(f"{name}-{field}", f"{name}-{field}"),
                    }
                    for short, field in (("points", "points"), ("volume", "volume_ml"), ("depth", "depth_mm"))
                }
            )
        return rows

    @cached_property
    def comfort_rows(self) -> list[dict[str, Any]]:
        """What is said beside the fields of comfort."""
        return [
            {"place": name, "said": self._errors_at(name, name)}
            for name in ("anaesthetic", "anaesthetic_grams", "anaesthetic_lot", "anaesthetic_off")
        ]


class CorrectionForm(forms.Form):
    """Why a signed record gets a new version."""

    reason = forms.CharField(label=_("Why the record is corrected"), max_length=300)
