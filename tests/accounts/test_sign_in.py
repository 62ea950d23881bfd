"""Signing in and out, and the rate limit."""

from typing import Any

import pytest
from django.test import Client

from mesoclinic.accounts import rate_limit
from mesoclinic.accounts.models import User
from mesoclinic.audit.models import AuditEvent
from tests.ui.conftest import PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.ui.urls")]


def sign_in(client: Client, password: str = PASSWORD, username: str = "amari", **more: str) -> Any:
    return client.post("/sign-in/", {"username": username, "password": password, **more})


def test_a_page_asks_to_sign_in_and_comes_back_to_it(cast: dict[str, User]) -> None:
    client = Client()
    assert client.get("/assessment?x=1").headers["Location"] == "/sign-in/?next=/assessment%3Fx%3D1"
    assert sign_in(client, next="/assessment?x=1").headers["Location"] == "/assessment?x=1"
    assert AuditEvent.objects.get(type__startswith="user.").type == "user.signed-in"


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_nobody_is_sent_to_a_foreign_page(cast: dict[str, User], target: str) -> None:
    assert sign_in(Client(), next=target).headers["Location"] == "/"


@pytest.mark.parametrize("username", ["amari", "nobody"])
def test_a_wrong_password_says_no_more_than_that(cast: dict[str, User], username: str) -> None:
    response = sign_in(Client(), "wrong", username)
    assert response.status_code == 200
    assert "User name or password is wrong." in response.content.decode()
    event = AuditEvent.objects.get(type__startswith="user.")
    assert (event.type, event.actor_name, event.reason) == (
        "user.sign-in-failed",
        "mesoclinic",
        "from 127.0.0.1",
    )
    # What was typed as a name may be a password in the wrong field: only names that exist are kept.
    assert event.target_label == {"amari": "Dr. Nadia Amari", "nobody": "unknown user name"}[username]


def test_tries_beyond_the_limit_do_not_fill_the_trail(cast: dict[str, User]) -> None:
    for _ in range(15):
        sign_in(Client(), "wrong")
    failures = AuditEvent.objects.filter(type="user.sign-in-failed")
    assert failures.count() == 10
    assert failures.first().reason == "from 127.0.0.1; no more tries for 15 minutes"  # type: ignore[union-attr]


def test_one_address_cannot_try_a_password_on_everybody(cast: dict[str, User]) -> None:
    for number in range(rate_limit.ADDRESS_LIMIT - 2):
        rate_limit.count_failure(f"user{number}", "127.0.0.1")
    assert "1 try left." in sign_in(Client(), "Summer2026", "nour").content.decode()
    assert sign_in(Client(), "Summer2026", "roca").status_code == 429
    assert sign_in(Client()).status_code == 429
    assert sign_in(Client(REMOTE_ADDR="10.9.8.7")).status_code == 302


def test_an_own_account_does_not_reset_the_count_of_the_address(cast: dict[str, User]) -> None:
    for number in range(rate_limit.ADDRESS_LIMIT - 1):
        rate_limit.count_failure(f"user{number}", "127.0.0.1")
    assert sign_in(Client(), username="nour").status_code == 302
    assert sign_in(Client(), "wrong", "user").status_code == 429
    assert sign_in(Client(), username="nour").status_code == 429


def test_an_open_session_is_no_licence_to_guess_the_password(amari: Client) -> None:
    new = "another-long-phrase-7"
    answers = {"new_password1": new, "new_password2": new}
    for number in range(10):
        page = amari.post("/password/", answers | {"old_password": f"guess {number}"})
        assert page.status_code == (429 if number == 9 else 200)
    assert "The password is wrong." not in page.content.decode()
    assert amari.post("/password/", answers | {"old_password": PASSWORD}).status_code == 429
    assert User.objects.get(username="amari").check_password(PASSWORD)
    assert (
        AuditEvent.objects.filter(type="user.password-change-failed", actor_name="Dr. Nadia Amari").count()
        == 10
    )
    assert sign_in(Client()).status_code == 429


def test_somebody_who_left_cannot_sign_in(cast: dict[str, User]) -> None:
    User.objects.filter(username="amari").update(is_active=False)
    assert "is wrong" in sign_in(Client()).content.decode()


def test_the_last_tries_are_counted_down_and_then_the_door_is_shut(cast: dict[str, User]) -> None:
    client = Client()
    pages = [sign_in(client, "wrong").content.decode() for _ in range(10)]
    assert "left" not in pages[4]
    assert "4 tries left." in pages[5]
    assert "1 try left." in pages[8]
    assert "Too many tries. Wait 15 minutes" in pages[9]
    right = sign_in(client)
    assert right.status_code == 429
    assert "_auth_user_id" not in client.session


def test_others_and_other_places_are_not_shut_out(cast: dict[str, User]) -> None:
    for _ in range(10):
        sign_in(Client(), "wrong")
    assert sign_in(Client(), username="nour").status_code == 302
    elsewhere = Client(REMOTE_ADDR="10.9.8.7")
    assert sign_in(elsewhere).status_code == 302


def test_a_right_password_starts_the_count_afresh(cast: dict[str, User]) -> None:
    for _ in range(9):
        sign_in(Client(), "wrong")
    assert sign_in(Client()).status_code == 302
    assert rate_limit.tries_left("Amari ", "127.0.0.1") == rate_limit.LIMIT


def test_signing_out_is_a_post_and_ends_the_session(amari: Client) -> None:
    assert amari.get("/sign-out/").status_code == 405
    assert amari.post("/sign-out/").headers["Location"] == "/sign-in/"
    assert amari.get("/").status_code == 302
    assert AuditEvent.objects.get(type__startswith="user.").type == "user.signed-out"


def test_a_part_of_a_page_sends_the_whole_browser_to_sign_in(cast: dict[str, User]) -> None:
    response = Client().get(
        "/part", headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/assessment?x=1"}
    )
    assert response.status_code == 204
    assert response.headers["HX-Redirect"] == "/sign-in/?next=%2Fassessment%3Fx%3D1"


def test_a_first_password_is_changed_before_anything_else(cast: dict[str, User]) -> None:
    User.objects.filter(username="amari").update(must_change_password=True)
    client = Client()
    sign_in(client)
    assert client.get("/assessment").headers["Location"] == "/password/?next=%2Fassessment"
    new = "another-long-phrase-7"
    bad = client.post("/password/", {"old_password": PASSWORD, "new_password1": new, "new_password2": "no"})
    assert bad.status_code == 200
    answers = {"old_password": PASSWORD, "new_password1": new, "new_password2": new, "next": "/assessment"}
    assert client.post("/password/", answers).headers["Location"] == "/assessment"
    assert client.get("/assessment").status_code == 200
    assert sign_in(Client(), new).status_code == 302
    assert AuditEvent.objects.filter(type="user.password-changed").count() == 1


@pytest.mark.parametrize("username", ["", "x" * 5000, "a\x00b", "ä" * 200])
def test_odd_names_get_a_clear_answer(cast: dict[str, User], username: str) -> None:
    assert sign_in(Client(), "wrong", username).status_code == 200
