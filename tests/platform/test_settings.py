"""Addresses from the environment, and what must never be committed."""

import re
from pathlib import Path

import pytest
import yaml
from django.core.exceptions import ImproperlyConfigured

from mesoclinic.settings import database_from_url

ROOT = Path(__file__).resolve().parents[2]


def test_a_full_address_is_read_with_escaped_password() -> None:
    config = database_from_url("postgresql://nour:p%40ss@db.example:5433/clinic?sslmode=require")
    assert (config["USER"], config["PASSWORD"], config["HOST"], config["PORT"], config["NAME"]) == (
        "nour",
        "p@ss",
        "db.example",
        "5433",
        "clinic",
    )
    assert config["OPTIONS"]["sslmode"] == "require"  # type: ignore[index]


def test_a_socket_folder_is_given_as_host() -> None:
    config = database_from_url("postgresql://postgres@:5432/mesoclinic?host=/run/pg")
    assert config["HOST"] == "/run/pg"


def test_another_database_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="postgresql://"):
        database_from_url("sqlite:///db.sqlite3")


def test_locks_are_hashed_and_name_no_package_index() -> None:
    for lock in (ROOT / "requirements").glob("*.txt"):
        text = lock.read_text()
        assert "--hash=sha256:" in text
        assert not re.search(r"https?://|index-url|find-links|trusted-host", text), lock.name


@pytest.fixture(scope="module")
def compose() -> dict[str, dict[str, dict[str, object]]]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def test_every_service_has_a_health_check(compose: dict[str, dict[str, dict[str, object]]]) -> None:
    assert set(compose["services"]) >= {"web", "worker", "beat", "postgres", "redis", "proxy"}
    for name, service in compose["services"].items():
        assert "healthcheck" in service, name


def test_no_password_has_a_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    secrets = [
        m for m in re.findall(r"\$\{([A-Z_]+)(:[-?])?", text) if "PASSWORD" in m[0] or "SECRET" in m[0]
    ]
    assert secrets
    for name, how in secrets:
        assert how == ":?" or name == "MESOCLINIC_SMTP_PASSWORD", name


def test_the_image_runs_as_an_ordinary_user() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert any(line.startswith("USER ") and "root" not in line for line in lines)


def test_the_continuous_check_calls_the_tests() -> None:
    assert "bin/test" in (ROOT / ".ci" / "run").read_text()
