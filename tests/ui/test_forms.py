"""Forms as the design draws them."""

import re

import pytest
from django.template import engines
from django.test import RequestFactory

from tests.ui.urls import AssessmentForm


def render(form: AssessmentForm, source: str = "{% crispy form %}") -> str:
    template = engines["django"].from_string("{% load crispy_forms_tags %}" + source)
    return template.render({"form": form}, RequestFactory().get("/"))


def test_required_is_the_rule_and_the_others_say_optional() -> None:
    html = render(AssessmentForm())
    assert html.count('class="opt-mark"') == 3
    assert "asteriskField" not in html


def test_a_filter_form_marks_nothing_optional() -> None:
    form = AssessmentForm()
    form.mark_optional = False  # type: ignore[attr-defined]
    assert "opt-mark" not in render(form)


def test_errors_stand_below_their_field_and_are_tied_to_it() -> None:
    html = render(AssessmentForm({"weight": "heavy"}))
    assert 'aria-describedby="id_area_helptext id_area_error"' in html
    assert 'id="id_weight_error" class="invalid-feedback d-flex"' in html
    assert html.count('aria-invalid="true"') == 3
    assert '<fieldset class="field-set" aria-describedby="id_darkness_error">' in html


def test_columns_follow_the_grid() -> None:
    html = render(AssessmentForm())
    assert 'class="form-grid"' in html
    assert 'id="div_id_darkness" class="field c-8"' in html
    assert 'id="div_id_goal" class="field c-12"' in html


def test_choices_are_buttons_with_their_second_line() -> None:
    html = render(AssessmentForm({"darkness": "4", "days": ["tu"]}))
    assert "<small>absent</small>" in html
    assert re.search(r'value="4"[^>]* checked', html)
    assert '<div class="pick wrap"' in html


def test_a_value_stands_with_its_unit() -> None:
    assert '<span class="input-group-text">kg</span>' in render(AssessmentForm())


def test_codes_are_found_by_other_words_too() -> None:
    assert 'data-search="xylocaine"' in render(AssessmentForm())
    assert "data-code-search" in render(AssessmentForm())


@pytest.mark.parametrize("source", ["{% crispy form %}", "{{ form|crispy }}"])
def test_what_people_typed_is_escaped(source: str) -> None:
    html = render(AssessmentForm({"area": "<script>x</script>", "weight": '"><b>'}), source)
    assert "<script>x" not in html
    assert '"><b>' not in html


def test_no_form_needs_inline_style_or_script() -> None:
    html = render(AssessmentForm({"area": ""}))
    assert "style=" not in html
    assert "<script" not in html
