"""Forms of the patient pages. Limits are those of the database and of the engine's schema."""

from datetime import date
from typing import Any

import phonenumbers
from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError

from mesoclinic.ui import formatting, typed
from mesoclinic.ui.forms import CodeSearch, Col, DateInput, PickWidget, UnitInput, grid_helper
from patients import vocabulary
from patients.models import (
    Allergy,
    Condition,
    LabValue,
    Medication,
    Patient,
    Procedure,
    Reaction,
    SunExposure,
)

#: Below this age a guardian consents (clinical reference, rule on minors).
ADULT = 18
_LANGUAGES = [(code.split("-")[0], name) for code, name in settings.LANGUAGES]
_YES_NO = [("", "Not asked"), ("True", "Yes"), ("False", "No")]


def e164(text: str) -> str:
    """A phone number as typed to E.164; the clinic's country where no country is given."""
    if not text.strip():
        return ""
    try:
        number = phonenumbers.parse(text, getattr(settings, "PHONE_REGION", "ES"))
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise ValidationError("Not a phone number. Write it with its country code, such as +34 600 555 001.")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _yes_no(label: str) -> forms.TypedChoiceField:
    return forms.TypedChoiceField(
        label=label, choices=_YES_NO, required=False, empty_value=None,
        coerce=lambda value: {"True": True, "False": False}.get(str(value)),
    )  # fmt: skip


def _past(value: date | None, today: date) -> date | None:
    if value is not None and value > today:
        raise ValidationError("This day is still to come.")
    if value is not None and value.year < 1900:
        raise ValidationError("This day is too long ago.")
    return value


class _Dated(forms.ModelForm):
    """A form that knows today."""

    past_days: tuple[str, ...] = ()

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.today = today

    def clean(self) -> dict[str, Any]:
        """No day ahead of today."""
        cleaned = super().clean() or self.cleaned_data
        for name in self.past_days:
            try:
                _past(cleaned.get(name), self.today)
            except ValidationError as error:
                self.add_error(name, error)
        return cleaned


class ContactForm(_Dated):
    """Who it is and how to reach them."""

    past_days = ("birth_date",)
    phone = forms.CharField(label="Phone", required=False, max_length=40)
    phone_other = forms.CharField(label="Other phone", required=False, max_length=40)
    language = forms.ChoiceField(label="Language", choices=_LANGUAGES)

    class Meta:
        model = Patient
        fields = ("given_name", "family_name", "birth_date", "sex", "phone", "phone_other", "email", "language",
                  "channel", "consent_messages", "note")  # fmt: skip
        widgets = {"birth_date": DateInput, "note": forms.Textarea(attrs={"rows": 2})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = grid_helper(
            Col("given_name", 4), Col("family_name", 4), Col("birth_date", 2), Col("sex", 2), Col("phone", 3),
            Col("phone_other", 3), Col("email", 4), Col("language", 2), Col("channel", 3), Col("consent_messages", 9),
            Col("note", 12),
        )  # fmt: skip
        self.fields["phone"].help_text = "With country code, or as it is dialled here"
        for name in ("phone", "phone_other"):
            if self.initial.get(name):
                self.initial[name] = formatting.phone(self.initial[name])
        born = self.data.get("birth_date") if self.is_bound else self.initial.get("birth_date")
        day = typed.day(born) if isinstance(born, str) else born
        if isinstance(day, date) and formatting.age_in_years(day, self.today) < ADULT:
            self.fields[
                "birth_date"
            ].help_text = "Under 18: a guardian consents, and cosmetic plans are declined."

    def clean_phone(self) -> str:
        return e164(self.cleaned_data["phone"])

    def clean_phone_other(self) -> str:
        return e164(self.cleaned_data["phone_other"])

    def clean(self) -> dict[str, Any]:
        """The preferred channel and the consent to messages need somewhere to send them."""
        cleaned = super().clean()
        channel = cleaned.get("channel")
        if channel == Patient.Channel.EMAIL and not cleaned.get("email") and "email" not in self.errors:
            self.add_error(
                "email", "E-mail is the preferred channel: enter an address, or choose another channel."
            )
        elif (
            channel in {Patient.Channel.SMS, Patient.Channel.PHONE}
            and not cleaned.get("phone")
            and "phone" not in self.errors
        ):
            self.add_error(
                "phone", "The preferred channel needs a phone number: enter one, or choose E-mail."
            )
        if (
            "email" not in self.errors
            and cleaned.get("consent_messages")
            and not (cleaned.get("email") or cleaned.get("phone"))
        ):
            self.add_error("email", "Messages need an e-mail address or a phone.")
        return cleaned


class ProfileForm(_Dated):
    """Single clinical facts. An empty field means: not asked."""

    past_days = ("pregnancy_asked_on", "blood_pressure_on", "consent_signed_on", "baseline_photos_on")
    phototype = forms.TypedChoiceField(
        label="Fitzpatrick phototype", required=False, coerce=int, empty_value=None,
        choices=[(n, roman) for n, roman in enumerate(("I", "II", "III", "IV", "V", "VI"), 1)],
        widget=PickWidget(swatch="ph-"),
    )  # fmt: skip
    sterilised = _yes_no("Sterilised")
    sunscreen_daily = _yes_no("Sunscreen every day")
    bdd_screen = forms.ChoiceField(
        label="Body dysmorphic disorder screen", required=False,
        choices=[("", "Not asked"), ("negative", "Negative"), ("positive", "Positive")],
    )  # fmt: skip
    menopausal_status = forms.ChoiceField(
        label="Menopause", required=False,
        choices=[("", "Not asked"), ("premenopausal", "Before"), ("perimenopausal", "In between"), ("postmenopausal", "After")],
    )  # fmt: skip

    class Meta:
        model = Patient
        fields = ("phototype", "weight_kg", "height_cm", "pregnancy", "pregnancy_asked_on", "menopausal_status",
                  "sterilised", "smoking_per_day", "sunscreen_daily", "bdd_screen", "systolic", "diastolic",
                  "blood_pressure_on", "consent_signed_on", "baseline_photos_on")  # fmt: skip
        # The unit stands in the field, once.
        labels = {"weight_kg": "Weight", "height_cm": "Height", "systolic": "Blood pressure, upper",
                  "diastolic": "Blood pressure, lower", "blood_pressure_on": "Blood pressure measured on",
                  "smoking_per_day": "Cigarettes"}  # fmt: skip
        widgets = {
            "weight_kg": UnitInput("kg"), "height_cm": UnitInput("cm"), "systolic": UnitInput("mmHg", whole=True),
            "diastolic": UnitInput("mmHg", whole=True), "smoking_per_day": UnitInput("a day", whole=True),
            "pregnancy_asked_on": DateInput,
            "blood_pressure_on": DateInput, "consent_signed_on": DateInput, "baseline_photos_on": DateInput,
        }  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = [Col("phototype", 6), Col("weight_kg", 3), Col("height_cm", 3)]
        if self.instance.sex == Patient.Sex.FEMALE:
            rows += [
                Col("pregnancy", 4),
                Col("pregnancy_asked_on", 2),
                Col("menopausal_status", 3),
                Col("sterilised", 3),
            ]
        else:
            for name in ("pregnancy", "pregnancy_asked_on", "menopausal_status", "sterilised"):
                del self.fields[name]
        rows += [
            Col("smoking_per_day", 3), Col("sunscreen_daily", 3), Col("bdd_screen", 6), Col("systolic", 3),
            Col("diastolic", 3), Col("blood_pressure_on", 6), Col("consent_signed_on", 6), Col("baseline_photos_on", 6),
        ]  # fmt: skip
        self.helper = grid_helper(*rows)

    def clean_smoking_per_day(self) -> int | None:
        number: int | None = self.cleaned_data["smoking_per_day"]
        if number is not None and number > 100:
            raise ValidationError("At most 100 a day.")
        return number

    def clean(self) -> dict[str, Any]:
        """An answer on pregnancy has its date; blood pressure comes as a pair."""
        cleaned = super().clean()
        if cleaned.get("pregnancy", "unknown") != "unknown" and not cleaned.get("pregnancy_asked_on"):
            self.add_error("pregnancy_asked_on", "When was this asked?")
        upper, lower = cleaned.get("systolic"), cleaned.get("diastolic")
        if (upper is None) != (lower is None):
            self.add_error("diastolic" if lower is None else "systolic", "Blood pressure needs both values.")
        for name, least, most, unit in (("systolic", 50, 300, "mmHg"), ("diastolic", 20, 200, "mmHg"),
                                        ("weight_kg", 20, 300, "kg"), ("height_cm", 100, 250, "cm")):  # fmt: skip
            value = cleaned.get(name)
            if value is not None and not least <= value <= most:
                self.add_error(name, f"Enter a value from {least} to {most} {unit}.")
        return cleaned


def _codes(kind: str) -> list[tuple[str, str]]:
    return [("", ""), *vocabulary.choices(kind)]


class _FactForm(_Dated):
    """What the fact forms share: area choices and the grid."""

    columns: tuple[tuple[str, int], ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "area" in self.fields:
            self.fields["area"] = forms.ChoiceField(
                label="Area", required=False, choices=[("", "Any or not known"), *vocabulary.choices("areas")]
            )
        self.helper = grid_helper(*(Col(name, width) for name, width in self.columns))


class AllergyForm(_FactForm):
    columns = (("substance", 4), ("reaction", 3), ("severity", 3), ("occurred_on", 2))
    past_days = ("occurred_on",)
    substance = forms.ChoiceField(
        label="Substance or class", choices=lambda: _codes("allergens"), widget=CodeSearch
    )
    reaction = forms.ChoiceField(
        label="Reaction",
        required=False,
        choices=lambda: [("", "Not known"), *vocabulary.choices("reactions")],
    )
    severity = forms.ChoiceField(
        label="Severity", required=False,
        choices=[("", "Not known"), ("mild", "Mild"), ("moderate", "Moderate"), ("severe", "Severe"),
                 ("life-threatening", "Life-threatening")],
    )  # fmt: skip

    class Meta:
        model = Allergy
        fields = ("substance", "reaction", "severity", "occurred_on")
        widgets = {"occurred_on": DateInput}


class ConditionForm(_FactForm):
    columns = (("code", 4), ("status", 2), ("since", 2), ("cleared_on", 2), ("area", 2))
    past_days = ("since", "cleared_on")
    code = forms.ChoiceField(label="Condition", choices=lambda: _codes("conditions"), widget=CodeSearch)
    status = forms.ChoiceField(
        label="Status", choices=[("active", "Active"), ("remission", "In remission"), ("past", "Past")]
    )

    class Meta:
        model = Condition
        fields = ("code", "status", "since", "cleared_on", "area")
        widgets = {"since": DateInput, "cleared_on": DateInput}


class MedicationForm(_FactForm):
    columns = (("code", 4), ("current", 2), ("prescribed", 2), ("started", 2), ("last_dose", 2))
    past_days = ("started", "last_dose")
    code = forms.ChoiceField(
        label="Medicine or supplement", choices=lambda: _codes("medications"), widget=CodeSearch
    )
    current = _yes_no("Taken now")
    prescribed = _yes_no("Prescribed")

    class Meta:
        model = Medication
        fields = ("code", "current", "prescribed", "started", "last_dose")
        widgets = {"started": DateInput, "last_dose": DateInput}


class ProcedureForm(_FactForm):
    columns = (("code", 5), ("area", 3), ("done_on", 2), ("count", 2))
    past_days = ("done_on",)
    code = forms.ChoiceField(label="Procedure", choices=lambda: _codes("procedures"), widget=CodeSearch)

    class Meta:
        model = Procedure
        fields = ("code", "area", "done_on", "count")
        widgets = {"done_on": DateInput}


class LabForm(_FactForm):
    columns = (("code", 5), ("value", 3), ("taken_on", 4))
    past_days = ("taken_on",)
    code = forms.ChoiceField(label="Laboratory value", choices=lambda: [("", ""), *vocabulary.lab_choices()])

    class Meta:
        model = LabValue
        fields = ("code", "value", "taken_on")
        widgets = {"taken_on": DateInput}

    def clean(self) -> dict[str, Any]:
        """The unit follows from the value."""
        cleaned = super().clean()
        self.instance.unit = vocabulary.lab_unit(cleaned.get("code", ""))
        return cleaned


class SunForm(_FactForm):
    columns = (("kind", 3), ("area", 3), ("on", 3), ("healed_on", 3))
    past_days = ("on", "healed_on")
    kind = forms.ChoiceField(
        label="Sun", choices=[("tan", "Tan"), ("strong-uv", "Strong sun or solarium"), ("sunburn", "Sunburn")]
    )

    class Meta:
        model = SunExposure
        fields = ("kind", "area", "on", "healed_on")
        widgets = {"on": DateInput, "healed_on": DateInput}


class ReactionForm(_FactForm):
    columns = (("event", 4), ("grade", 2), ("agent", 3), ("area", 3), ("occurred_on", 3))
    past_days = ("occurred_on",)
    event = forms.ChoiceField(label="Reaction", choices=lambda: _codes("adverse_events"), widget=CodeSearch)
    grade = forms.TypedChoiceField(
        label="Grade", coerce=int, choices=[(1, "1 mild"), (2, "2 moderate"), (3, "3 severe"), (4, "4 life-threatening")]
    )  # fmt: skip
    agent = forms.ChoiceField(
        label="Agent held responsible", required=False, choices=lambda: [("", "Not known"), *vocabulary.choices("agents")]
    )  # fmt: skip

    class Meta:
        model = Reaction
        fields = ("event", "grade", "agent", "area", "occurred_on")
        widgets = {"occurred_on": DateInput}


FACT_FORMS: dict[str, type[_FactForm]] = {
    "allergies": AllergyForm,
    "conditions": ConditionForm,
    "medications": MedicationForm,
    "procedures": ProcedureForm,
    "labs": LabForm,
    "sun": SunForm,
    "reactions": ReactionForm,
}
