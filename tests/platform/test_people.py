"""Who may sign in, for the operator."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from mesoclinic.accounts.models import User

pytestmark = pytest.mark.django_db


def told(*arguments: str) -> str:
    out = StringIO()
    call_command("people", *arguments, stdout=out)
    return out.getvalue()


def test_an_empty_installation_says_how_the_first_person_is_made() -> None:
    assert "--first-administrator" in told()
    assert told("--count").strip() == "0"


def test_people_are_listed_with_role_and_state() -> None:
    User.objects.create(username="ada", full_name="Ada Prieto", role="administrator")
    User.objects.create(username="nour", full_name="Nour Haddad", role="front-desk", is_active=False)
    first, second = told().splitlines()
    assert first.split("  ")[0] == "ada"
    assert "Administrator" in first
    assert first.endswith("Ada Prieto  (never signed in)")
    assert second.endswith("Nour Haddad  (may not sign in)")


def test_the_first_administrator_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", StringIO())
    assert "user admin, password " in told("--first-administrator")
    assert User.objects.get().must_change_password
    with pytest.raises(CommandError, match="users already"):
        told("--first-administrator")
