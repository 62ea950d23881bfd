"""A cast for the frame: Dr. Amari signs, Inés nurses, Nour books, Otto manages, Ada administers."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.test import Client

from mesoclinic.accounts.models import User
from mesoclinic.ui import context, registry

PASSWORD = "a-long-pass-phrase-9"
CAST = {
    "physician": ("amari", "Dr. Nadia Amari"),
    "nurse": ("roca", "Inés Roca"),
    "front-desk": ("nour", "Nour Haddad"),
    "manager": ("otto", "Otto Lind"),
    "administrator": ("ada", "Ada Weiss"),
}


@cache
def _hashed() -> str:
    """Hashing is slow on purpose: once per run is enough."""
    return make_password(PASSWORD)


@pytest.fixture
def cast(db: None) -> dict[str, User]:
    """One person per role; all share one password."""
    return {
        role: User.objects.create(username=username, password=_hashed(), full_name=name, role=role)
        for role, (username, name) in CAST.items()
    }


@pytest.fixture
def signed_in(cast: dict[str, User]) -> Callable[[str], Client]:
    """A browser in which the person of that role has signed in."""

    def sign_in(role: str) -> Client:
        client = Client()
        client.force_login(cast[role])
        return client

    return sign_in


@pytest.fixture
def amari(signed_in: Callable[[str], Client]) -> Client:
    return signed_in("physician")


@pytest.fixture(autouse=True)
def _own_frame(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the real apps hang into the shell stays out, and nothing of these tests stays in."""
    monkeypatch.setattr(registry, "nav_counts", {})
    monkeypatch.setattr(registry, "start_pages", {})
    monkeypatch.setattr(registry, "_places", [])
    context._resolved.cache_clear()
    yield
    context._resolved.cache_clear()


@pytest.fixture
def two_places() -> list[dict[str, Any]]:
    """Madrid and, one hour behind, Las Palmas."""
    places: list[dict[str, Any]] = [
        {"id": 1, "name": "Madrid, Salamanca", "time_zone": "Europe/Madrid"},
        {"id": 2, "name": "Las Palmas", "time_zone": "Atlantic/Canary"},
    ]
    registry.set_places(lambda request: places)  # type: ignore[arg-type, return-value]
    return places
