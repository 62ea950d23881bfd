"""Forms of products and lots."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django import forms

from mesoclinic.ui.formatting import decimal_trim
from mesoclinic.ui.forms import CodeSearch, Col, DateInput, UnitInput, grid_helper
from sessions.models import Lot, Product
from sessions.setup import codes
from sessions.setup.forms.people import SetupForm, one_line

GTIN_LENGTHS = (8, 12, 13, 14)


def _agents() -> list[tuple[str, str]]:
    return [("", ""), *codes.agents()]


def gtin(text: str) -> str:
    """A GTIN as typed or scanned to its 14 digits. Raises ValidationError that says what is wrong with it."""
    digits = "".join(text.split()).replace("-", "")
    if not digits.isascii() or not digits.isdigit():
        raise forms.ValidationError("Digits only: the number under the barcode.")
    if len(digits) not in GTIN_LENGTHS:
        raise forms.ValidationError(f"A GTIN has 8, 12, 13 or 14 digits; these are {len(digits)}.")
    if codes.check_digit(digits[:-1]) != int(digits[-1]):
        raise forms.ValidationError(
            "The check digit does not fit: a digit is mistyped. Compare with the pack."
        )
    return digits.zfill(14)


class ProductForm(SetupForm):
    """What the clinic buys for an agent or as anaesthetic."""

    agent = forms.ChoiceField(
        label="Agent", choices=_agents, widget=CodeSearch,
        error_messages={"required": "Choose what the product is used as.",
                        "invalid_choice": "Not in the catalogue. Choose an agent from the list."},
    )  # fmt: skip
    name = forms.CharField(label="Name", max_length=80, help_text="Brand, as printed on the pack.")
    manufacturer = forms.CharField(label="Manufacturer", max_length=80)
    gtin = forms.CharField(
        label="GTIN", max_length=30, help_text="The digits under the barcode, the last one checks the others.",
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )  # fmt: skip
    pack_ml = forms.DecimalField(
        label="Pack", max_digits=7, decimal_places=2, min_value=Decimal("0.01"), widget=UnitInput("mL"),
        error_messages={"min_value": "Enter more than 0 mL."},
    )  # fmt: skip
    concentration_mg_per_ml = forms.DecimalField(
        label="Concentration", max_digits=9, decimal_places=4, min_value=Decimal("0.0001"), required=False,
        widget=UnitInput("mg/mL"), help_text="As printed. Empty for a mixture.",
        error_messages={"min_value": "Enter more than 0 mg/mL, or nothing."},
    )  # fmt: skip

    def __init__(self, *args: Any, instance: Product | None = None, **kwargs: Any) -> None:
        self.instance = instance
        if instance is not None:
            names = ("agent", "name", "manufacturer", "gtin", "pack_ml", "concentration_mg_per_ml")
            kwargs["initial"] = {name: getattr(instance, name) for name in names}
            for name in ("pack_ml", "concentration_mg_per_ml"):
                if kwargs["initial"][name] is not None:
                    kwargs["initial"][name] = decimal_trim(kwargs["initial"][name])
        super().__init__(*args, **kwargs)
        self.helper = grid_helper(
            Col("agent", 4), Col("name", 4), Col("manufacturer", 4), Col("gtin", 4), Col("pack_ml", 4),
            Col("concentration_mg_per_ml", 4),
        )  # fmt: skip

    def clean_name(self) -> str:
        return one_line(self.cleaned_data["name"])

    def clean_manufacturer(self) -> str:
        return one_line(self.cleaned_data["manufacturer"])

    def clean_gtin(self) -> str:
        text = str(self.cleaned_data["gtin"])
        if self.instance is not None and text.strip() == self.instance.gtin:
            # What stands there already may be older than this check: other fields can still be put right.
            return self.instance.gtin
        return gtin(text)

    def clean(self) -> dict[str, Any]:
        """The catalogue doses by volume: another concentration would be another dose."""
        cleaned = super().clean() or self.cleaned_data
        agent, given = cleaned.get("agent"), cleaned.get("concentration_mg_per_ml")
        expected = codes.catalogue_mg_per_ml(agent) if agent else None
        if given is not None and expected is not None and given != expected:
            self.add_error(
                "concentration_mg_per_ml",
                f"The catalogue doses {codes.agent_words(str(agent)).lower()} at {decimal_trim(expected)} mg/mL: "
                "with another concentration every dose would be wrong.",
            )
        return cleaned


class LotForm(SetupForm):
    """A lot as received."""

    number = forms.CharField(
        label="Lot number", max_length=40, help_text="As printed after LOT.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )  # fmt: skip
    expires_on = forms.DateField(
        label="Expiry", widget=DateInput, help_text="Month only on the pack: its last day.",
        error_messages={"required": "Enter the expiry date.", "invalid": "Enter a date such as 2027-06-30."},
    )  # fmt: skip
    received_ml = forms.DecimalField(
        label="Received", max_digits=9, decimal_places=2, min_value=Decimal("0.01"), widget=UnitInput("mL"),
        help_text="All packs together.", error_messages={"min_value": "Enter more than 0 mL."},
    )  # fmt: skip

    def __init__(self, *args: Any, today: date, instance: Lot | None = None, **kwargs: Any) -> None:
        self.today = today
        if instance is not None:
            kwargs["initial"] = {
                "number": instance.number,
                "expires_on": instance.expires_on,
                "received_ml": decimal_trim(instance.received_ml),
            }
        super().__init__(*args, **kwargs)
        self.helper = grid_helper(Col("number", 4), Col("expires_on", 4), Col("received_ml", 4))

    def clean_number(self) -> str:
        return "".join(str(self.cleaned_data["number"]).split())

    def clean_expires_on(self) -> date:
        day: date = self.cleaned_data["expires_on"]
        if not date(2000, 1, 1) <= day <= self.today + timedelta(days=20 * 366):
            raise forms.ValidationError("Check the year.")
        return day


class OpenedForm(SetupForm):
    """The container in use."""

    opened_on = forms.DateField(
        label="Opened on", widget=DateInput, required=False, help_text="Empty: nothing stands open."
    )
    discard_after = forms.DateField(
        label="Discard after", widget=DateInput, required=False, help_text="Last day it may be used."
    )

    def __init__(self, *args: Any, lot: Lot, today: date, **kwargs: Any) -> None:
        self.lot, self.today = lot, today
        kwargs["initial"] = {"opened_on": lot.opened_on, "discard_after": lot.discard_after}
        super().__init__(*args, **kwargs)
        self.helper = grid_helper(Col("opened_on", 6), Col("discard_after", 6))

    def clean(self) -> dict[str, Any]:
        """Both or none, in order."""
        cleaned = super().clean() or self.cleaned_data
        opened, discard = cleaned.get("opened_on"), cleaned.get("discard_after")
        if self.errors:
            return cleaned
        if opened is None and discard is not None:
            self.add_error("opened_on", "Enter the day it was opened.")
        elif opened is not None and discard is None:
            self.add_error("discard_after", "Enter the last day it may be used, from the leaflet.")
        elif opened is not None and discard is not None:
            if opened > self.today:
                self.add_error("opened_on", "This day is still to come.")
            elif opened < self.today - timedelta(days=366):
                self.add_error("opened_on", "Check the year.")
            elif discard < opened:
                self.add_error("discard_after", "Discard after the day it was opened, not before.")
        return cleaned


class ReasonForm(SetupForm):
    """Why a lot is blocked or released."""

    reason = forms.CharField(
        label="Reason", max_length=300, error_messages={"required": "Write why, for those who look later."}
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = grid_helper(Col("reason", 12))
