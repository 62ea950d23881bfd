"""The form of a year's public holidays: days to tick."""

from collections.abc import Collection, Iterable
from datetime import date
from typing import Any

from django import forms

from sessions.setup.forms.people import SetupForm


class HolidaysForm(SetupForm):
    """The days on which the location is closed, of those on the list."""

    closed = forms.TypedMultipleChoiceField(
        coerce=date.fromisoformat, required=False,
        error_messages={"invalid_choice": "A day that was ticked is not on the list. Look at the list again."},
    )  # fmt: skip

    def __init__(self, *args: Any, days: Iterable[date], ticked: Collection[date], **kwargs: Any) -> None:
        kwargs["initial"] = {"closed": [day.isoformat() for day in ticked]}
        super().__init__(*args, **kwargs)
        field = self.fields["closed"]
        assert isinstance(field, forms.TypedMultipleChoiceField)
        field.choices = [(day.isoformat(), day.isoformat()) for day in days]

    @property
    def ticked(self) -> frozenset[str]:
        """What is ticked now: as typed, else as it stands. ISO days."""
        return frozenset(str(day) for day in self["closed"].value() or ())
