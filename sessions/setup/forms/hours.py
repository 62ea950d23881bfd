"""Forms of weekly hours, absences and closures. All times are on the wall clock of the place."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.forms import BoundField
from django.utils.functional import cached_property

from mesoclinic.ui.forms import Col, DateInput, TimeInput, grid_helper
from sessions.models import Absence, Closure, Location, Practitioner
from sessions.setup import queries, wall
from sessions.setup.forms.people import SetupForm
from sessions.setup.queries import DAYS, Week

#: Two times a day have one break between them; there may be more.
FIELDS_A_DAY, MOST_A_DAY = 2, 6
WORKDAYS = (2, 3, 4, 5)


def _time(label: str) -> forms.TimeField:
    return forms.TimeField(
        label=label, required=False, widget=TimeInput(attrs={"aria-label": label}),
        error_messages={"invalid": "Write a time such as 09:00."},
    )  # fmt: skip


class WeekForm(SetupForm):
    """Two times a day and more where there are more: `1-1-from`, `1-1-to` ... `7-2-to`."""

    def __init__(
        self, *args: Any, week: Week, typed: dict[str, Any] | None = None, spans: int = 0, **kwargs: Any
    ) -> None:  # fmt: skip
        self.week = week
        by_day: dict[int, list[tuple[time, time]]] = {day: [] for day in range(1, 8)}
        for weekday, starts, ends in week:
            by_day[weekday].append((starts, ends))
        sent = args[0] if args and args[0] is not None else {}
        # A page with another break sends more pairs of fields than the week has times.
        asked = next((n for n in range(MOST_A_DAY, 0, -1) if f"1-{n}-from" in sent), 0)
        self.spans = max(FIELDS_A_DAY, asked, spans, *(len(rows) for rows in by_day.values()))
        initial: dict[str, Any] = {}
        for day, rows in by_day.items():
            for number, (starts, ends) in enumerate(rows, 1):
                initial[f"{day}-{number}-from"], initial[f"{day}-{number}-to"] = starts, ends
        kwargs["initial"] = initial | (typed or {})
        super().__init__(*args, **kwargs)
        for day, name in enumerate(DAYS, 1):
            for number in range(1, self.spans + 1):
                part = "" if number == 1 else f", time {number}"
                self.fields[f"{day}-{number}-from"] = _time(f"{name}{part}, from")
                self.fields[f"{day}-{number}-to"] = _time(f"{name}{part}, to")

    def clean(self) -> dict[str, Any]:
        """Both ends or none, in order, without overlap; everything else is the action's business."""
        cleaned = super().clean() or self.cleaned_data
        week: list[tuple[int, time, time]] = []
        for day, name in enumerate(DAYS, 1):
            taken: list[tuple[time, time]] = []
            for number in range(1, self.spans + 1):
                first, last = f"{day}-{number}-from", f"{day}-{number}-to"
                if first in self.errors or last in self.errors:
                    continue
                starts, ends = cleaned.get(first), cleaned.get(last)
                if starts is None and ends is None:
                    continue
                if starts is None or ends is None:
                    self.add_error(first if starts is None else last, f"{name}: enter from and to.")
                    continue
                if ends <= starts:
                    self.add_error(last, f"{name}: the end must be later than {starts:%H:%M}.")
                    continue
                clash = next(((b, e) for b, e in taken if starts < e and b < ends), None)
                if clash is not None:
                    self.add_error(
                        first,
                        f"{name}: {starts:%H:%M} to {ends:%H:%M} overlaps {clash[0]:%H:%M} to {clash[1]:%H:%M}.",
                    )
                    continue
                taken.append((starts, ends))
                week.append((day, starts, ends))
        cleaned["week"] = sorted(week)
        return cleaned

    def _typed(self) -> dict[str, str]:
        return {name: str(self.data.get(name, ""))[:20] for name in self.fields}

    def with_another_break(self) -> "WeekForm":
        """The same form with a time more on each day; nothing is saved."""
        return type(self)(week=self.week, typed=self._typed(), spans=min(self.spans + 1, MOST_A_DAY))

    def with_monday_copied(self) -> "WeekForm":
        """The same form with what was typed for Monday on Tuesday to Friday; nothing is saved."""
        typed = self._typed()
        for number in range(1, self.spans + 1):
            for end in ("from", "to"):
                for day in WORKDAYS:
                    typed[f"{day}-{number}-{end}"] = typed[f"1-{number}-{end}"]
        return type(self)(week=self.week, typed=typed, spans=self.spans)

    def field_for(self, day_and_time: str) -> str:
        """The field of a weekday and a start, such as `2 09:00`, for what the action refuses."""
        day, _space, starts = day_and_time.partition(" ")
        for number in range(1, self.spans + 1):
            name = f"{day}-{number}-from"
            value = self.cleaned_data.get(name)
            if value is not None and f"{value:%H:%M}" == starts:
                return name
        return ""

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """A line for each day, with its fields in pairs and its errors in words."""
        rows = []
        for day, name in enumerate(DAYS, 1):
            pairs: list[tuple[BoundField, BoundField]] = [
                (self[f"{day}-{number}-from"], self[f"{day}-{number}-to"])
                for number in range(1, self.spans + 1)
            ]
            errors = [field for pair in pairs for field in pair if field.errors]
            rows.append({"day": day, "name": name, "pairs": pairs, "errors": errors})
        return rows


class SpanForm(SetupForm):
    """Whole days, or from a time on the first day to a time on the last. Gives `starts_at` and `ends_at`."""

    first_day = forms.DateField(
        label="First day", widget=DateInput, error_messages={"required": "Enter the first day."}
    )
    first_time = forms.TimeField(label="From", widget=TimeInput, required=False, help_text="Empty: all day.")
    last_day = forms.DateField(
        label="Last day", widget=DateInput, required=False, help_text="Empty: one day only."
    )
    last_time = forms.TimeField(label="To", widget=TimeInput, required=False, help_text="Empty: to its end.")

    def __init__(
        self, *args: Any, now: datetime, instance: Absence | Closure | None = None, zone: ZoneInfo | None = None,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        self.now = now
        self.known_zone = zone
        #: What a person should know about the times as they were understood.
        self.told: list[str] = []
        initial: dict[str, Any] = dict(kwargs.pop("initial", None) or {})
        if instance is not None and zone is not None:
            first, last = instance.starts_at.astimezone(zone), instance.ends_at.astimezone(zone)
            whole = last.time() == time()
            initial |= {
                "first_day": first.date(),
                "first_time": first.time() if first.time() != time() else None,
                "last_day": last.date() - timedelta(days=1) if whole else last.date(),
                "last_time": None if whole else last.time(),
                "reason": instance.reason,
            }
        kwargs["initial"] = initial
        super().__init__(*args, **kwargs)

    def zone(self) -> ZoneInfo | None:
        """The clock that the days are meant on; None while that is not known."""
        return self.known_zone

    def _moment(self, name: str, day: date, at: time | None, zone: ZoneInfo) -> datetime | None:
        """The moment of a time that was typed, a day's first one where none was; None with an error beside it."""
        if at is None:
            return wall.midnight(day, zone)
        try:
            found, note = wall.moment(day, at, zone)
        except wall.Skipped as error:
            self.add_error(name, str(error))
            return None
        self.told.extend([note] if note else [])
        return found

    def clean(self) -> dict[str, Any]:
        """Put the ends together; times that exist, in order, not over yet, within five years."""
        self.told.clear()
        cleaned = super().clean() or self.cleaned_data
        zone, first = self.zone(), cleaned.get("first_day")
        if zone is None or first is None or self.errors:
            return cleaned
        last = cleaned.get("last_day") or first
        today = self.now.astimezone(zone).date()
        latest = today + timedelta(days=5 * 366)
        for name, day in (("first_day", first), ("last_day", last)):
            if not date(2000, 1, 1) <= day <= latest:
                self.add_error(name, "Choose a day within the next five years.")
                return cleaned
        if last < first:
            self.add_error("last_day", "The last day is before the first.")
            return cleaned
        until = cleaned.get("last_time")
        starts = self._moment("first_time", first, cleaned.get("first_time"), zone)
        ends = self._moment("last_time", last if until is not None else last + timedelta(days=1), until, zone)
        if starts is None or ends is None:
            return cleaned
        # As moments: two times of one zone would be compared by the clock's face.
        if ends.astimezone(UTC) <= starts.astimezone(UTC):
            self.add_error("last_time", "The end must be later than the start.")
        elif ends <= self.now:
            self.add_error(
                "last_day" if cleaned.get("last_day") else "first_day", "This time is over already."
            )
        cleaned["starts_at"], cleaned["ends_at"] = starts, ends
        return cleaned

    def values(self) -> dict[str, Any]:
        """What the action takes."""
        return {name: self.cleaned_data[name] for name in ("starts_at", "ends_at", "reason")}


class PractitionerChoice(forms.ModelChoiceField):
    """Names only."""


class AbsenceForm(SpanForm):
    """A practitioner is away; without `practitioner` when it is known."""

    practitioner = PractitionerChoice(
        label="Who", queryset=Practitioner.objects.none(), error_messages={"required": "Choose who is away."}
    )
    reason = forms.CharField(
        label="Reason",
        max_length=120,
        required=False,
        help_text="Seen by the whole team: no private matters.",
    )

    def __init__(self, *args: Any, instance: Absence | None = None, **kwargs: Any) -> None:
        super().__init__(*args, instance=instance, **kwargs)
        span = [Col("first_day", 3), Col("first_time", 2), Col("last_day", 3), Col("last_time", 2)]
        if instance is not None:
            del self.fields["practitioner"]
            self.helper = grid_helper(*span, Col("reason", 10))
            return
        field = self.fields["practitioner"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = Practitioner.objects.filter(user__is_active=True).select_related("user")
        self.helper = grid_helper(Col("practitioner", 5), Col("reason", 5), *span)

    def zone(self) -> ZoneInfo | None:
        practitioner = self.cleaned_data.get("practitioner")
        return queries.zone_of(practitioner) if practitioner is not None else self.known_zone


class ClosureForm(SpanForm):
    """A location is closed; without `location` when it is known."""

    location = forms.ModelChoiceField(
        label="Location",
        queryset=Location.objects.none(),
        error_messages={"required": "Choose which location is closed."},
    )
    reason = forms.CharField(
        label="Reason", max_length=120, help_text="Such as a holiday; the calendar shows it."
    )

    def __init__(self, *args: Any, instance: Closure | None = None, **kwargs: Any) -> None:
        super().__init__(*args, instance=instance, **kwargs)
        span = [Col("first_day", 3), Col("first_time", 2), Col("last_day", 3), Col("last_time", 2)]
        if instance is not None:
            del self.fields["location"]
            self.helper = grid_helper(*span, Col("reason", 10))
            return
        field = self.fields["location"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = Location.objects.all()
        self.helper = grid_helper(Col("location", 5), Col("reason", 5), *span)

    def zone(self) -> ZoneInfo | None:
        location = self.cleaned_data.get("location")
        return location.zone if location is not None else self.known_zone
