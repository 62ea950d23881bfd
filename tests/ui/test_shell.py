"""The frame around every page."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import Client

from mesoclinic.ui import context, registry

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.ui.urls")]

NAV = {
    "physician": ["My day", "Calendar", "Patients", "Tasks"],
    "nurse": ["Today", "Patients"],
    "front-desk": ["Calendar", "Patients", "Messages"],
    "manager": ["Overview", "Calendar", "Staff and hours"],
    "administrator": ["Overview", "Calendar", "Patients", "Staff and hours", "Messages"],
}


@pytest.mark.parametrize(("role", "labels"), NAV.items())
def test_each_role_has_its_own_side_bar_of_pages_that_exist(
    signed_in: Callable[[str], Client], role: str, labels: list[str]
) -> None:
    chrome = signed_in(role).get("/").context["chrome"]
    assert [str(item.label) for item in chrome.nav] == labels


def test_the_current_page_is_marked_once(amari: Client) -> None:
    html = amari.get("/patients/chart/").content.decode()
    assert html.count('aria-current="page"') == 1
    assert '<a class="item" href="/patients/list/" aria-current="page"' in html


def test_a_count_waits_beside_its_page(amari: Client) -> None:
    registry.nav_counts["tasks"] = lambda request: 5
    assert '<span class="count">5<' in amari.get("/").content.decode()


def test_every_icon_of_the_side_bar_exists() -> None:
    from mesoclinic.ui.templatetags.ui import icon

    for entries in context.NAVIGATION.values():
        for entry in entries:
            assert "<svg" in icon(entry.icon)


def test_the_start_page_is_the_roles_own(signed_in: Callable[[str], Client]) -> None:
    registry.start_pages["nurse"] = lambda request: HttpResponse("the day by room")
    assert signed_in("nurse").get("/").content == b"the day by room"
    assert b"Dr. Nadia Amari, Physician" in signed_in("physician").get("/").content


def test_a_page_needs_no_inline_style_or_script(amari: Client) -> None:
    response = amari.get("/assessment")
    html = response.content.decode()
    assert " style=" not in html
    assert "<script>" not in html
    assert "onclick" not in html
    assert "unsafe-inline" not in response.headers["Content-Security-Policy"]


def test_notes_after_an_act_have_a_way_back_and_errors_stay(amari: Client) -> None:
    answers = {"area": "face", "darkness": "3", "allergy": "soya", "weight": "61"}
    html = amari.post("/assessment", answers, follow=True).content.decode()
    assert 'action="/undo"' in html
    assert html.index('id="page-alert"') < html.index("Room 2 was taken a moment ago") < html.index("<h1>")


def test_the_search_box_is_for_those_who_may_find_patients(amari: Client) -> None:
    assert 'hx-get="/patients/search"' in amari.get("/").content.decode()


def test_hidden_names_stay_hidden_over_pages(amari: Client) -> None:
    amari.post("/hide-names/", {"next": "/assessment"})
    assert amari.get("/").context["hide_names"] is True
    amari.post("/hide-names/")
    assert amari.get("/").context["hide_names"] is False


@pytest.mark.parametrize(
    ("address", "status", "sentence"),
    [
        ("/no-such-page", 404, "This page does not exist"),
        ("/refuse", 403, "Your role does not open this page"),
    ],
)
def test_errors_say_what_to_do_next(amari: Client, address: str, status: int, sentence: str) -> None:
    response = amari.get(address)
    assert response.status_code == status
    assert sentence in response.content.decode()
    assert "start page" in response.content.decode()


def test_the_page_for_our_own_failure_needs_nothing_that_may_be_broken() -> None:
    from django.template.loader import render_to_string

    assert "tell your administrator the time" in render_to_string("500.html")


def test_a_form_without_its_token_is_refused(cast: dict[str, Any]) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast["physician"])
    assert client.post("/hide-names/").status_code == 403
    assert client.session.get("hide_names") is None


def test_a_count_that_nobody_shows_is_not_computed(signed_in: Callable[[str], Client]) -> None:
    def count(request: HttpRequest) -> int:
        raise AssertionError("asked")

    registry.nav_counts["tasks"] = count
    assert signed_in("nurse").get("/").status_code == 200


def test_no_rule_lets_a_whole_list_be_styled_anew_when_one_element_comes_into_it() -> None:
    # `legend + *` did: each card that came into a calendar cost the style of all the others.
    for sheet in (Path(settings.BASE_DIR) / "static").rglob("*.css"):
        rules = re.sub(r"/\*.*?\*/", "", sheet.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert not re.search(r"[+~]\s*[*:\[][^{};()]*\{", rules), sheet.name
