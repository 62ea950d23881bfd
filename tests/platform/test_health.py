"""What the operator and the reverse proxy are told."""

import pytest
from django.core.cache import cache
from django.test import Client

from mesoclinic.services.heartbeat import beat


@pytest.mark.django_db
def test_alive_needs_no_sign_in(client: Client) -> None:
    assert client.get("/healthz").status_code == 200


@pytest.mark.django_db
def test_not_ready_without_worker_and_scheduler_and_each_is_named(client: Client) -> None:
    cache.delete_many(["heartbeat:worker", "heartbeat:beat"])
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {
        "ready": False,
        "database": "ok",
        "migrations": "ok",
        "redis": "ok",
        "worker": "no heartbeat for 35 s",
        "beat": "no heartbeat for 35 s",
    }


@pytest.mark.django_db
def test_ready_when_all_parts_are_alive(client: Client) -> None:
    beat("worker")
    beat("beat")
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["ready"] is True


@pytest.mark.django_db
def test_a_failing_part_is_named_and_the_page_still_answers(client: Client, settings: object) -> None:
    from mesoclinic.services import health

    def broken() -> str:
        raise ConnectionError("secret-host:5432")

    original = health.CHECKS["redis"]
    health.CHECKS["redis"] = broken
    try:
        response = client.get("/readyz")
    finally:
        health.CHECKS["redis"] = original
    assert response.status_code == 503
    assert response.json()["redis"] == "failed: ConnectionError"
    assert b"secret-host" not in response.content
