"""The form of a type of single visits."""

from typing import Any

from django import forms

from mesoclinic.ui.forms import Col, PickWidget, UnitInput, grid_helper
from sessions.models import AppointmentType
from sessions.models.types import LONGEST_MIN, SHORTEST_MIN
from sessions.setup.actions.types import LENGTH
from sessions.setup.codes import DEVICE_KINDS, QUALIFICATIONS, ROOM_USES
from sessions.setup.forms.people import SetupForm, one_line

#: Times are offered on a grid of minutes; another length would leave odd ends in the day.
STEP_MIN = 5
FIELDS = ("name", "kind", "minutes", "qualification", "capability", "device_kind", "colour", "shape")


class TypeForm(SetupForm):
    """What a single visit is called, how long it is, whom and what it needs, how the calendar marks it."""

    name = forms.CharField(label="Name", max_length=40, help_text="As the front desk reads it when booking.")
    minutes = forms.IntegerField(
        label="Usual length", widget=UnitInput("min", whole=True), min_value=SHORTEST_MIN, max_value=LONGEST_MIN,
        help_text="Another length can be chosen when booking.",
        error_messages=dict.fromkeys(("invalid", "min_value", "max_value"), LENGTH),
    )  # fmt: skip
    kind = forms.ChoiceField(
        label="Counts as", choices=AppointmentType.Kind.choices, widget=PickWidget, initial="consultation",
        help_text="Treatment sessions are none of these: they follow their plan.",
    )  # fmt: skip
    qualification = forms.ChoiceField(
        label="Practitioner does",
        choices=QUALIFICATIONS,
        widget=PickWidget(wrap=True),
        initial="consultation",
    )
    capability = forms.ChoiceField(
        label="Room fitted for", choices=ROOM_USES, widget=PickWidget(wrap=True), initial="consultation"
    )
    device_kind = forms.ChoiceField(
        label="Device", choices=[("", "None"), *DEVICE_KINDS], widget=PickWidget(wrap=True), required=False
    )
    colour = forms.ChoiceField(
        label="Colour", choices=AppointmentType.Colour.choices, widget=PickWidget(wrap=True, swatch="tone-"),
        initial="petrol",
    )  # fmt: skip
    shape = forms.ChoiceField(
        label="Shape", choices=AppointmentType.Shape.choices, widget=PickWidget(wrap=True), initial="circle",
        help_text="Tells it apart where colours are hard to see.",
    )  # fmt: skip

    def __init__(self, *args: Any, instance: AppointmentType | None = None, **kwargs: Any) -> None:
        if instance is not None:
            kwargs["initial"] = {name: getattr(instance, name) for name in FIELDS}
        super().__init__(*args, **kwargs)
        self.helper = grid_helper(
            Col("name", 8), Col("minutes", 4), Col("kind", 6), Col("device_kind", 6), Col("qualification", 6),
            Col("capability", 6), Col("colour", 6), Col("shape", 6),
        )  # fmt: skip

    def clean_name(self) -> str:
        return one_line(self.cleaned_data["name"])

    def clean_minutes(self) -> int:
        minutes: int = self.cleaned_data["minutes"]
        if minutes % STEP_MIN:
            raise forms.ValidationError(f"Enter a multiple of {STEP_MIN} minutes.")
        return minutes
