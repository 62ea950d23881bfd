"""The template language: what a page author may rely on."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.template import TemplateSyntaxError, engines
from django.test import RequestFactory

from mesoclinic.accounts.models import User
from mesoclinic.ui.templatetags import ui


def render(source: str, **context: Any) -> str:
    request = RequestFactory().get("/list", {"page": "2", "q": "a b"})
    return engines["django"].from_string(source).render(context, request)


def test_an_icon_is_decoration_unless_it_has_a_label() -> None:
    assert 'class="ic"' in render('{% icon "check" %}')
    assert 'aria-hidden="true"' in render('{% icon "check" %}')
    labelled = render('{% icon "lock" "ic-20" label=word %}', word="<Lock>")
    assert 'class="ic ic-20"' in labelled
    assert 'aria-label="&lt;Lock&gt;"' in labelled


@pytest.mark.parametrize("name", ["../tokens", "no-such-icon", "Check", "a/b", ""])
def test_only_our_own_drawings_are_inlined(name: str) -> None:
    with pytest.raises(TemplateSyntaxError):
        ui.icon(name)


def test_a_map_comes_without_its_own_style() -> None:
    drawn = render('{% map "face-front" css="plain" %}')
    assert "<style" not in drawn
    assert 'aria-label="Face, front"' in drawn
    assert 'data-zone="face-chin"' in drawn


@pytest.mark.parametrize("state", list(ui.STATUS))
def test_every_state_has_a_word_and_a_shape(state: str) -> None:
    pill = render("{% status state %}", state=state)
    assert "<svg" in pill
    assert str(ui.STATUS[state][2]) in pill


def test_findings_are_counted_in_words() -> None:
    assert "1 warning<" in render('{% level "warn" 1 %}')
    assert "2 warnings<" in render('{% level "warn" 2 %}')
    assert "3 info<" in render('{% level "info" 3 %}')


def test_a_grade_says_what_it_means() -> None:
    assert 'title="A: product label' in render('{% grade "[A]" %}')
    assert render('{% grade "" %}') == ""
    assert render("{% grade_legend %}").count("<span") == 5


@pytest.mark.parametrize(
    ("value", "limit", "css", "width"),
    [
        ("12", "40", "", "30.0"),
        ("34", "40", "near", "85.0"),
        ("40", "40", "near", "100.0"),
        ("50", "40", "over", "100.0"),
    ],
)
def test_the_bar_warns_from_85_percent(value: str, limit: str, css: str, width: str) -> None:
    bar = render("{% limit_bar value limit %}", value=Decimal(value), limit=Decimal(limit))
    assert f'class="fill {css}" width="{width}"' in bar
    assert ("cap" in bar) == (css == "over")
    assert "style" not in bar


@pytest.mark.parametrize(("value", "limit"), [(None, 40), ("x", 40), (3, 0), (-1, 40)])
def test_the_bar_never_breaks_a_page(value: object, limit: object) -> None:
    assert 'width="0.0"' in render("{% limit_bar value limit %}", value=value, limit=limit)


def test_a_dose_keeps_its_decimals_and_its_unit() -> None:
    assert render("{{ v|dose:'mg' }}", v=Decimal("12.0")) == (
        '<bdi dir="ltr" class="num">12.0\u00a0<span class="unit">mg</span></bdi>'
    )
    assert render("{{ v|dose:'mg' }}", v=None) == ""


def test_names_hide_behind_initials_and_age() -> None:
    lea = {"full_name": "Lea <b>Sommer", "birth_date": date(1990, 1, 1)}
    assert "Lea &lt;b&gt;Sommer" in render("{% person lea %}", lea=lea)
    hidden = render("{% person lea %}", lea=lea, hide_names=True)
    assert "Sommer" not in hidden
    assert " y</span>" in hidden


def test_permissions_in_a_template() -> None:
    source = '{% can "PLAN_SIGN" as ok %}{% if ok %}yes{% else %}no{% endif %}'
    assert render(source, user=User(role="physician")) == "yes"
    assert render(source, user=User(role="administrator")) == "no"


def test_the_query_string_is_changed_not_lost() -> None:
    assert render("{% query page=3 %}") == "?page=3&amp;q=a+b"
    assert render("{% query page=None q=None %}") == "?"
