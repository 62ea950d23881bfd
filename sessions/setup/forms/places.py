"""Forms of locations, rooms and devices."""

from functools import cache
from typing import Any
from zoneinfo import available_timezones

import phonenumbers
from django import forms
from django.conf import settings
from django.urls import reverse

from mesoclinic.ui.forms import CodeSearch, Col, PickMultiple, PickWidget, UnitInput, grid_helper
from sessions.models.places import LATE_HOURS
from sessions.setup import holidays
from sessions.setup.codes import DEVICE_KINDS, ROOM_USES
from sessions.setup.forms.people import SetupForm, one_line

_OLD_NAMES = ("Etc/", "SystemV/", "US/", "posix/", "right/", "Canada/", "Brazil/", "Mexico/", "Chile/")


@cache
def time_zones() -> list[tuple[str, str]]:
    """IANA time zones of places, `Europe/Madrid`, without the old names of the same."""
    names = (name for name in available_timezones() if "/" in name and not name.startswith(_OLD_NAMES))
    return [("", ""), *((name, name.replace("_", " ")) for name in sorted(names)), ("UTC", "UTC")]


def phone(text: str) -> str:
    """A phone number as people read it, with its country code."""
    if not text.strip():
        return ""
    try:
        number = phonenumbers.parse(text, getattr(settings, "PHONE_REGION", "ES"))
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise forms.ValidationError(
            "Not a phone number. Write it with its country code, such as +34 910 555 014."
        )
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def _countries() -> list[tuple[str, str]]:
    return [("", ""), *holidays.countries()]


def region_choices(country: str) -> list[tuple[str, str]]:
    """The regions of a country as a field offers them, none first."""
    return [("", "None"), *holidays.regions(country)]


class LocationForm(SetupForm):
    """A site of the clinic, as letters and sheets name it."""

    name = forms.CharField(
        label="Name", max_length=80, help_text="As patients read it on letters and sheets."
    )
    short_name = forms.CharField(label="Short name", max_length=30, help_text="For lists and the top bar.")
    address = forms.CharField(label="Address", max_length=200)
    time_zone = forms.ChoiceField(
        label="Time zone", choices=time_zones, widget=CodeSearch,
        help_text="All visits and messages of this location follow its clock.",
        error_messages={"invalid_choice": "Not a time zone. Choose one from the list, such as Europe/Madrid.",
                        "required": "Choose the time zone, such as Europe/Madrid."},
    )  # fmt: skip
    phone = forms.CharField(label="Phone", max_length=40)
    after_hours_phone = forms.CharField(
        label="Emergency phone of the clinic",
        max_length=40,
        required=False,
        help_text="Answered out of hours.",
    )
    emergency_number = forms.CharField(
        label="Public emergency number", max_length=10, help_text="Printed on every aftercare sheet."
    )
    country = forms.ChoiceField(
        label="Country", choices=_countries, widget=CodeSearch, required=False,
        help_text="Whose public holidays are offered.",
        error_messages={"invalid_choice": "Not a country whose holidays are known. Choose one from the list."},
    )  # fmt: skip
    # Whether it fits the country is the action's business: the list follows the country chosen beside it.
    subdivision = forms.CharField(
        label="Region", required=False, max_length=20, widget=forms.Select,
        help_text="None: holidays of the whole country only.",
    )  # fmt: skip
    late_hours = forms.IntegerField(
        label="Patients may change by link until", min_value=0, max_value=168, required=False,
        widget=UnitInput("h before", whole=True), help_text="After that the link asks them to call.",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        country = str(self["country"].value() or "")
        select = self.fields["subdivision"].widget
        assert isinstance(select, forms.Select)
        select.choices = region_choices(country)
        self.fields["country"].widget.attrs |= {
            "hx-get": reverse("sessions:setup-regions"), "hx-target": "#id_subdivision", "hx-swap": "innerHTML",
        }  # fmt: skip
        self.helper = grid_helper(
            Col("name", 6), Col("short_name", 3), Col("time_zone", 3), Col("address", 12),
            Col("phone", 4), Col("after_hours_phone", 4), Col("emergency_number", 4),
            Col("country", 4), Col("subdivision", 4), Col("late_hours", 4),
        )  # fmt: skip

    def clean_name(self) -> str:
        return one_line(self.cleaned_data["name"])

    def clean_short_name(self) -> str:
        return one_line(self.cleaned_data["short_name"])

    def clean_phone(self) -> str:
        return phone(self.cleaned_data["phone"])

    def clean_after_hours_phone(self) -> str:
        return phone(self.cleaned_data["after_hours_phone"])

    def clean_late_hours(self) -> int:
        hours = self.cleaned_data["late_hours"]
        return LATE_HOURS if hours is None else int(hours)

    def clean_emergency_number(self) -> str:
        number = str(self.cleaned_data["emergency_number"]).replace(" ", "")
        if not number.isascii() or not number.isdigit():
            raise forms.ValidationError("Digits only, such as 112.")
        return number


class RoomForm(SetupForm):
    """A room and what it is fitted for."""

    name = forms.CharField(label="Name", max_length=40, help_text="Such as Room 2.")
    capabilities = forms.MultipleChoiceField(
        label="Fitted for",
        choices=ROOM_USES,
        required=False,
        widget=PickMultiple(wrap=True),
        help_text="With none chosen the room is not offered for booking. Preparation: where the anaesthetic cream "
        "acts before the treatment; add one row per chair.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = grid_helper(Col("name", 4), Col("capabilities", 8))

    def clean_name(self) -> str:
        return one_line(self.cleaned_data["name"])


class DeviceForm(SetupForm):
    """A device that one session uses at a time."""

    name = forms.CharField(label="Name", max_length=60, help_text="Such as Needling pen A.")
    kind = forms.ChoiceField(
        label="Kind",
        choices=DEVICE_KINDS,
        widget=PickWidget,
        error_messages={"required": "Choose what the device is."},
    )
    in_service = forms.BooleanField(
        label="In service", required=False, initial=True, help_text="Out of service: not offered for booking."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = grid_helper(Col("name", 4), Col("kind", 5), Col("in_service", 3))

    def clean_name(self) -> str:
        return one_line(self.cleaned_data["name"])
