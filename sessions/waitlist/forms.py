"""The form of an entry: what the patient waits for, when, where, with whom, how urgently."""

from collections.abc import Sequence
from datetime import date
from typing import Any, cast

from django import forms

from mesoclinic.ui.forms import Col, DateInput, PickWidget, grid_helper
from mesoclinic.ui.reading import row_id
from protocols.models import PlannedSession
from sessions.models import Appointment, Location, WaitlistEntry
from sessions.scheduling import read_wish

SINGLE = [choice for choice in Appointment.Kind.choices if choice[0] != Appointment.Kind.SESSION]
NOTICE = [(1, "1 hour"), (4, "4 hours"), (24, "1 day"), (48, "2 days"), (72, "3 days")]


class EntryForm(forms.Form):
    """`what` is a planned session's key, or a kind of single visit."""

    what = forms.ChoiceField(label="What for")
    minutes = forms.TypedChoiceField(
        label="Length", coerce=int, choices=[(n, f"{n} min") for n in (15, 30, 45, 60)], widget=PickWidget,
        initial=30, help_text="Of a single visit; a session has its own.",
    )  # fmt: skip
    earlier = forms.TypedChoiceField(
        label="Which times", coerce=lambda value: value == "1", widget=PickWidget,
        choices=[("1", "Only earlier than booked"), ("0", "Any")],
    )  # fmt: skip
    locations = forms.ModelMultipleChoiceField(
        label="Where", queryset=Location.objects.all(), widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one place."},
    )  # fmt: skip
    practitioner = forms.TypedChoiceField(label="With", coerce=row_id, required=False, empty_value=None)
    wish = forms.CharField(
        label="Days and times", required=False, max_length=200,
        help_text="Such as “tue thu after 17” or “mornings”. Empty: any.",
    )  # fmt: skip
    day_from = forms.DateField(label="From day", widget=DateInput, required=False)
    day_until = forms.DateField(
        label="Until day", widget=DateInput, required=False,
        help_text="A session is only offered inside its clinical window.",
    )  # fmt: skip
    notice_hours = forms.TypedChoiceField(label="Notice needed", coerce=int, choices=NOTICE, initial=24)
    priority = forms.TypedChoiceField(
        label="Priority", coerce=int, choices=WaitlistEntry.Priority.choices, widget=PickWidget, initial=3
    )
    note = forms.CharField(label="Note for the team", required=False, max_length=300)

    def __init__(
        self, *args: Any, sessions: Sequence[tuple[PlannedSession, str]], practitioners: dict[int, str], today: date,
        fixed: WaitlistEntry | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(*args, **kwargs)
        self.today = today
        self.sessions = {str(row.pk): row for row, _words in sessions}
        what = cast(forms.ChoiceField, self.fields["what"])
        planned = [(str(row.pk), words) for row, words in sessions]
        what.choices = [*planned, *SINGLE]
        field = cast(forms.TypedChoiceField, self.fields["practitioner"])
        field.choices = [("", "Anybody"), *((str(pk), name) for pk, name in practitioners.items())]
        columns = [
            Col("earlier", 6), Col("priority", 6), Col("wish", 6), Col("practitioner", 6), Col("day_from", 3),
            Col("day_until", 3), Col("notice_hours", 3), Col("locations", 12), Col("note", 12),
        ]  # fmt: skip
        if fixed is not None:
            # What somebody waits for never changes: that would be another place in the queue.
            del self.fields["what"]
        else:
            columns.insert(0, Col("what", 6))
        if fixed is not None and fixed.planned_session_id:
            del self.fields["minutes"]
        else:
            columns.insert(0 if fixed is not None else 1, Col("minutes", 6))
        self.helper = grid_helper(*columns)

    def clean_day_until(self) -> date | None:
        day: date | None = self.cleaned_data["day_until"]
        if day is not None and day < self.today:
            raise forms.ValidationError("This day is past. Choose a day from today on, or leave it empty.")
        return day

    def clean(self) -> dict[str, Any]:
        """The wish in words becomes weekdays, times and days; what was not understood is told."""
        cleaned = super().clean() or self.cleaned_data
        text = str(cleaned.get("wish") or "")
        wish = read_wish(text, self.today)
        if wish.unknown:
            self.add_error(
                "wish", f"Not understood: {', '.join(wish.unknown)}. Write days and times, such as “tue after 17”."
            )  # fmt: skip
        first, last = cleaned.get("day_from") or wish.day_from, cleaned.get("day_until") or wish.day_until
        if first and last and first > last:
            self.add_error("day_until", "The last day lies before the first. Enter a later one.")
        cleaned |= {
            "weekdays": sorted(wish.weekdays), "time_from": wish.time_from, "time_until": wish.time_until,
            "day_from": first, "day_until": last,
        }  # fmt: skip
        return cleaned

    def values(self) -> dict[str, Any]:
        """The fields of an entry."""
        names = ("earlier", "practitioner", "wish", "weekdays", "time_from", "time_until", "day_from", "day_until",
                 "notice_hours", "priority", "note")  # fmt: skip
        values = {name: self.cleaned_data[name] for name in names}
        values["practitioner_id"] = values.pop("practitioner")
        if "minutes" in self.fields:
            values["minutes"] = self.cleaned_data["minutes"]
        return values
