"""Forms of people."""

from typing import Any

from django import forms
from django.contrib.auth.validators import ASCIIUsernameValidator

from mesoclinic.accounts.models import User
from mesoclinic.ui.forms import Col, PickMultiple, PickWidget, grid_helper
from sessions.setup.codes import QUALIFICATIONS

ROLE_HINTS = {
    User.Role.PHYSICIAN: "assesses, plans, signs",
    User.Role.NURSE: "treats, keeps the stock",
    User.Role.FRONT_DESK: "books, checks in",
    User.Role.MANAGER: "places, hours, stock",
    User.Role.ADMINISTRATOR: "people and all set-up",
}


def one_line(text: str) -> str:
    """A name as one line with single spaces."""
    return " ".join(text.split())


class SetupForm(forms.Form):
    """A required field that is empty says what to enter, in its own words where it has them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if field.error_messages.get("required") == forms.Field.default_error_messages["required"]:
                label = str(field.label)
                word = label if label.isupper() else label[:1].lower() + label[1:]
                field.error_messages["required"] = f"Enter the {word}."


class PersonForm(SetupForm):
    """Somebody who signs in, and what they do if they treat."""

    full_name = forms.CharField(
        label="Full name", max_length=120, help_text="As patients read it, with title."
    )
    email = forms.EmailField(label="E-mail", required=False, max_length=254)
    role = forms.ChoiceField(
        label="Role",
        choices=User.Role.choices,
        widget=PickWidget(hints=ROLE_HINTS, wrap=True),
        error_messages={"required": "Choose what this person works as."},
    )
    qualifications = forms.MultipleChoiceField(
        label="Treats",
        choices=QUALIFICATIONS,
        required=False,
        widget=PickMultiple(wrap=True),
        help_text="Only physicians and nurses. Visits are booked only with people who do what the visit needs.",
    )

    medical_director = forms.BooleanField(
        label="Medical director",
        required=False,
        help_text="Physicians only. Publishes the catalogue that the engine proposes by.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = grid_helper(
            Col("full_name", 6),
            Col("email", 6),
            Col("role", 12),
            Col("qualifications", 12),
            Col("medical_director", 12),
        )

    def clean_full_name(self) -> str:
        return one_line(self.cleaned_data["full_name"])


class NewPersonForm(PersonForm):
    """The same with the name to sign in with, which stays."""

    username = forms.CharField(
        label="User name", max_length=40, validators=[ASCIIUsernameValidator()],
        help_text="To sign in with. It stays as it is.",
        widget=forms.TextInput(attrs={"autocapitalize": "none", "autocomplete": "off", "spellcheck": "false"}),
        error_messages={"invalid": "Letters, digits and . - _ only, without spaces."},
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = grid_helper(
            Col("full_name", 5),
            Col("username", 3),
            Col("email", 4),
            Col("role", 12),
            Col("qualifications", 12),
            Col("medical_director", 12),
        )

    def clean_username(self) -> str:
        return str(self.cleaned_data["username"]).lower()
