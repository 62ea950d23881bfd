"""Days and times are taken as people type them, and shown in the clinic's form."""

from datetime import date, time

import pytest
from django import forms
from django.template import engines

from mesoclinic.ui import formatting, typed
from mesoclinic.ui.forms import DateInput, TimeInput


class VisitForm(forms.Form):
    """A day, a time, an address and a choice."""

    day = forms.DateField(label="Day of the visit", widget=DateInput)
    at = forms.TimeField(label="At", widget=TimeInput, required=False)
    email = forms.EmailField(label="E-mail", required=False)
    points = forms.IntegerField(label="Points", max_value=10, required=False)
    room = forms.ChoiceField(label="Room", choices=[("1", "Room 1")])


def shown(form: forms.Form, name: str) -> str:
    source = "{% load crispy_forms_filters %}{{ form." + name + "|as_crispy_field }}"
    return engines["django"].from_string(source).render({"form": form})


@pytest.mark.parametrize(
    "text",
    ["1 Aug 2026", "1 August 2026", "1.8.2026", "01/08/2026", "1-8-2026", "2026-08-01", " 1  aug. 2026 ", "Sat 1 Aug 2026",
     "Aug 1, 2026", "1 de August de 2026"],
)  # fmt: skip
def test_a_day_is_taken_as_typed(text: str) -> None:
    assert typed.day(text) == date(2026, 8, 1)
    form = VisitForm({"day": text, "room": "1"})
    assert form.is_valid(), form.errors
    assert form.cleaned_data["day"] == date(2026, 8, 1)
    assert 'value="1 Aug 2026"' in shown(form, "day")


@pytest.mark.parametrize(
    "text", ["32 Aug 2026", "1 Foo 2026", "2026", "tomorrow", "1.13.2026", "9" * 5000, "०"]
)
def test_what_is_no_day_stays_as_typed_and_is_told_beside_the_field(text: str) -> None:
    form = VisitForm({"day": text, "room": "1"})
    html = shown(form, "day")
    assert "Enter a day, such as 1 Aug 2026." in html
    assert f'value="{text}"' in html


def test_months_are_known_in_the_reader_s_language() -> None:
    from django.utils import translation

    with translation.override("es"):
        assert typed.day("1 de agosto de 2026") == date(2026, 8, 1)
        assert typed.day("1 Aug 2026") == date(2026, 8, 1)


@pytest.mark.parametrize(
    ("text", "at"), [("17:30", time(17, 30)), ("17.30", time(17, 30)), ("17h30", time(17, 30)), ("9", time(9)),
                     ("09:05:00", time(9, 5)), ("25:00", None), ("5 pm", None), ("", None)],
)  # fmt: skip
def test_a_time_is_taken_as_typed(text: str, at: time | None) -> None:
    assert typed.clock(text) == at


def test_a_wrong_time_is_told_in_our_words() -> None:
    assert "Enter a time, such as 17:30." in shown(VisitForm({"at": "late"}), "at")
    assert 'value="17:30"' in shown(VisitForm({"at": "17.30"}), "at")


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("day", "", "Enter the day of the visit."), ("room", "", "Choose the room."), ("room", "9", "Choose one of the list."),
        ("email", "no", "Enter an e-mail address, such as name@example.org."),
        ("points", "x", "Enter a whole number, such as 3."), ("points", "11", "Enter 10 or less."),
    ],
)  # fmt: skip
def test_an_error_says_what_to_enter(field: str, value: str, sentence: str) -> None:
    html = shown(VisitForm({field: value}), field)
    assert sentence in html
    assert "This field is required" not in html
    assert "valid" not in html.replace("is-invalid", "").replace("invalid-feedback", "").replace(
        "aria-invalid", ""
    )


def test_a_form_s_own_sentence_is_kept() -> None:
    form = VisitForm({"room": "1"})
    form.fields["day"].error_messages["required"] = "Ask when."
    assert "Ask when." in shown(form, "day")


def test_languages_and_phones_are_written_for_people() -> None:
    assert formatting.language_name("FR") == "French"
    assert formatting.language_name("xx") == "xx"
    assert formatting.phone("+34600555001") == "+34 600 55 50 01"
    assert formatting.phone("call me") == "call me"
