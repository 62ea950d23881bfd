"""Sessions while the database goes down: an error of ours, never a bad request of the person."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection
from django.test import Client

from tests.clinic import Clinic

pytestmark = pytest.mark.django_db


@contextmanager
def refused(error: str) -> Iterator[None]:
    """PostgreSQL answers each change of a session with an error of its own."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse_sessions() RETURNS trigger LANGUAGE plpgsql AS $$ "
            f"BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '{error}'; END $$"
        )
        cursor.execute(
            "CREATE TRIGGER refuse BEFORE UPDATE ON django_session FOR EACH ROW EXECUTE FUNCTION refuse_sessions()"
        )
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER refuse ON django_session; DROP FUNCTION refuse_sessions()")


@pytest.fixture
def desk() -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(Clinic().marta)
    return client


def test_a_database_that_goes_down_while_a_session_is_stored_is_an_error_of_ours(desk: Client) -> None:
    """57P02: the server ends all its sessions because one of them crashed."""
    with refused("57P02"):
        answer = desk.post("/lock/", {"next": "/calendar/"})
    assert answer.status_code == 500


def test_a_session_that_was_ended_meanwhile_is_told_to_the_person(desk: Client) -> None:
    """Signed out elsewhere between the beginning and the end of a request: as Django says it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION pass_over() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$"
        )
        cursor.execute(
            "CREATE TRIGGER pass_over BEFORE UPDATE ON django_session FOR EACH ROW EXECUTE FUNCTION pass_over()"
        )
    answer = desk.post("/lock/", {"next": "/calendar/"})
    assert answer.status_code == 400
