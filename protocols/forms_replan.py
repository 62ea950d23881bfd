"""Forms of a course under way: a review of one concern, an adverse event."""

from datetime import date
from typing import Any

from django import forms
from django.http import QueryDict

from mesoclinic.ui.forms import DateInput, PickWidget
from protocols.catalogue import knowledge
from protocols.forms import _item_field
from protocols.models import AdverseEvent, Concern, TreatmentPlan

GAIS = (
    ("", "Not judged"), ("3", "Very much improved"), ("2", "Much improved"), ("1", "Improved"),
    ("0", "No change"), ("-1", "Worse"),
)  # fmt: skip


class ReviewForm(forms.Form):
    """The scale's items as at the baseline, the global improvement, and what both sides want."""

    gais = forms.TypedChoiceField(
        label="Global improvement (GAIS)", choices=GAIS, required=False, coerce=int, empty_value=None
    )
    goal_met = forms.BooleanField(label="The patient's goal is met", required=False)
    wants_more = forms.BooleanField(label="Patient and physician both want more", required=False)

    def __init__(self, data: QueryDict | None, *, concern: Concern) -> None:
        super().__init__(data, prefix=f"r{concern.pk}")
        self.concern = concern
        self.item_names: list[str] = []
        if concern.scale:
            for item in knowledge().scales[concern.scale]["items"]:
                name = f"item_{item['code']}"
                self.fields[name] = _item_field(concern.scale, item)
                self.item_names.append(name)
        self.order_fields([*self.item_names, "gais", "goal_met", "wants_more"])

    def values(self) -> dict[str, Any]:
        """What `record_review` takes."""
        data = self.cleaned_data
        items = {
            name.removeprefix("item_"): int(data[name])
            for name in self.item_names
            if data.get(name) not in {None, ""}
        }
        return {
            "items": items, "gais": data["gais"], "goal_met": data["goal_met"], "wants_more": data["wants_more"],
        }  # fmt: skip


class AdverseEventForm(forms.ModelForm):
    """What happened, how grave, when, where, and what is held responsible."""

    event = forms.ChoiceField(label="Event")
    grade = forms.TypedChoiceField(
        label="Grade", coerce=int, widget=PickWidget, choices=[(n, str(n)) for n in range(1, 6)],
        help_text="1 mild, 2 moderate, 3 severe, 4 life-threatening, 5 death",
        error_messages={"required": "Choose the grade."},
    )  # fmt: skip
    area = forms.ChoiceField(label="Area", required=False)
    agent = forms.ChoiceField(label="Agent held responsible", required=False)

    class Meta:
        model = AdverseEvent
        fields = ("event", "grade", "onset", "area", "agent", "after_session", "detail")
        widgets = {"onset": DateInput, "detail": forms.Textarea(attrs={"rows": 2})}

    def __init__(self, *args: Any, plan: TreatmentPlan, today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.today = today
        known = knowledge()
        parts = [
            part for course in plan.content["courses"] for s in course["sessions"] for part in s["parts"]
        ]
        areas = dict.fromkeys(part["concern"].split("/")[1] for part in parts)
        agents = dict.fromkeys(
            row["agent"] for part in parts for row in part["components"] if row["agent"] != "saline"
        )
        choice = self.fields
        choice["event"].choices = [  # type: ignore[attr-defined]  # choice fields, typed as Field
            ("", "Choose"), *((row["code"], row["label"]) for row in known.vocabulary["adverse_events"])
        ]  # fmt: skip
        choice["area"].choices = [("", "Not in one area"), *((code, known.label(code)) for code in areas)]  # type: ignore[attr-defined]  # as above
        choice["agent"].choices = [("", "Not known"), *((code, known.label(code)) for code in agents)]  # type: ignore[attr-defined]  # as above
        self.initial.setdefault("onset", today)

    def clean_onset(self) -> date:
        """Not ahead of today."""
        onset: date = self.cleaned_data["onset"]
        if onset > self.today:
            raise forms.ValidationError("The onset lies ahead. Enter today or an earlier day.")
        return onset
