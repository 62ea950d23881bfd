"""The lock covers everything and gives the page back; place and clock follow the person."""

import time
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from mesoclinic.accounts.models import User
from tests.ui.conftest import PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.ui.urls")]


def test_a_locked_screen_shows_nothing_and_unlocks_to_the_same_page(amari: Client) -> None:
    amari.post("/lock/", {"next": "/assessment?x=1"})
    assert amari.get("/assessment").headers["Location"].startswith("/lock/")
    assert amari.post("/assessment", {"area": "face"}).headers["Location"].startswith("/lock/")
    assert "Dr. Nadia Amari" in amari.get("/lock/").content.decode()
    wrong = amari.post("/unlock/", {"password": "wrong"})
    assert "The password is wrong." in wrong.content.decode()
    assert amari.get("/").status_code == 302
    assert amari.post("/unlock/", {"password": PASSWORD}).headers["Location"] == "/assessment?x=1"
    assert amari.get("/assessment").status_code == 200


def test_a_part_of_a_locked_page_moves_the_whole_browser(amari: Client) -> None:
    amari.post("/lock/")
    response = amari.post(
        "/part", headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/assessment"}
    )
    assert response.headers["HX-Redirect"] == "/lock/?next=%2Fassessment"


@pytest.mark.parametrize("target", ["https://evil.example/x", "/lock/", "/unlock/"])
def test_unlocking_leads_to_our_own_pages_only(amari: Client, target: str) -> None:
    amari.post("/lock/", {"next": target})
    assert amari.post("/unlock/", {"password": PASSWORD}).headers["Location"] == "/"


def test_the_lock_cannot_be_guessed_open(amari: Client) -> None:
    amari.post("/lock/")
    for _ in range(10):
        amari.post("/unlock/", {"password": "wrong"})
    assert amari.post("/unlock/", {"password": PASSWORD}).status_code == 429
    assert amari.session["locked"] is True


def test_somebody_else_may_take_over(amari: Client) -> None:
    amari.post("/lock/")
    assert amari.post("/sign-out/").headers["Location"] == "/sign-in/"


def test_seventeen_quiet_minutes_lock_even_without_a_script(amari: Client) -> None:
    amari.get("/assessment")
    session = amari.session
    session["seen_at"] = int(time.time()) - 17 * 60
    session.save()
    assert amari.get("/assessment").headers["Location"] == "/lock/?next=%2Fassessment"


def test_ten_quiet_minutes_do_not(amari: Client) -> None:
    amari.get("/assessment")
    session = amari.session
    session["seen_at"] = int(time.time()) - 10 * 60
    session.save()
    assert amari.get("/assessment").status_code == 200


def test_the_first_place_is_taken_and_another_can_be_chosen(
    amari: Client, two_places: list[dict[str, Any]]
) -> None:
    assert "Madrid, Salamanca" in amari.get("/").content.decode()
    assert amari.session["place"]["id"] == 1
    assert amari.post("/place/", {"place": "2", "next": "/assessment"}).headers["Location"] == "/assessment"
    assert amari.get("/").context["chrome"].place["name"] == "Las Palmas"
    for unknown in ("3", "", "x", "2'"):
        assert amari.post("/place/", {"place": unknown}).status_code == 404
    assert amari.session["place"]["id"] == 2


def test_the_clock_of_the_place_holds_for_the_request_only(
    amari: Client, two_places: list[dict[str, Any]]
) -> None:
    from mesoclinic.ui import registry

    seen = []

    def start(request: Any) -> Any:
        from django.http import HttpResponse

        seen.append(timezone.get_current_timezone_name())
        return HttpResponse()

    registry.start_pages["physician"] = start
    amari.get("/")
    amari.post("/place/", {"place": "2"})
    amari.get("/")
    assert seen == ["Europe/Madrid", "Atlantic/Canary"]
    assert timezone.get_current_timezone_name() == timezone.get_default_timezone_name()


def test_staff_pages_keep_the_clinics_language(amari: Client) -> None:
    html = amari.get("/", headers={"Accept-Language": "es"}).content.decode()
    assert '<html lang="en-gb" dir="ltr"' in html


def test_stale_place_with_an_unknown_zone_does_not_break_pages(amari: Client) -> None:
    session = amari.session
    session["place"] = {"id": 9, "name": "Nowhere", "time_zone": "Mars/Olympus"}
    session.save()
    assert amari.get("/").status_code == 200


def test_locking_needs_a_person(cast: dict[str, User]) -> None:
    assert Client().post("/lock/").headers["Location"].startswith("/sign-in/")
