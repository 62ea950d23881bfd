"""Requests that no browser sends are answered calmly; what was shown stays in no browser; who opened what is kept."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from aftercare.models import IssuedSheet
from mesoclinic.accounts.models import User
from mesoclinic.audit.models import AccessEvent
from mesoclinic.services.logs import WithoutRows
from mesoclinic.ui.reading import row_id
from patients.models import Allergy
from sessions.models import Message, TreatmentRecord
from tests.clinic import PASSWORD, Clinic
from tests.platform.test_every_page import world as world

pytestmark = pytest.mark.django_db


@pytest.fixture
def as_(world: dict[str, Any]) -> Callable[[str], Client]:
    def sign_in(who: str) -> Client:
        client = Client()
        client.force_login(world["clinic"].users[who])
        return client

    return sign_in


# ---- what can't be read ------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["²", "١٢٣", "-1", "1.0", "", "x", "9" * 19, "1_0", None, 7])
def test_what_is_no_key_is_none(text: object) -> None:
    assert row_id(text) is None


def test_a_key_is_read_up_to_what_the_database_holds() -> None:
    assert (row_id("12"), row_id(" 12 "), row_id("9" * 18)) == (12, 12, 999_999_999_999_999_999)


def test_signs_that_look_like_digits_break_no_page(
    world: dict[str, Any], as_: Callable[[str], Client]
) -> None:
    desk = as_("marta")
    for path in ("/calendar/?view=week&practitioner={}", f"/plans/{world['plan']}/book/?practitioner={{}}",
                 "/appointments/new/?patient={}", "/sheets/?q={}", "/messages/?q={}", "/patients/?q={}"):  # fmt: skip
        for sign in ("²", "١", "9" * 18, "9" * 60):
            assert desk.get(path.format(sign)).status_code in {200, 404}, path


def asked_with(content_type: str) -> str:
    """The status line of a sign-in form sent straight to the web process's entry."""
    from mesoclinic.wsgi import application

    body, told = b"username=a&password=b", []
    environ = {
        "REQUEST_METHOD": "POST", "PATH_INFO": "/sign-in/", "QUERY_STRING": "next=/", "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)), "SERVER_NAME": "localhost", "SERVER_PORT": "80", "wsgi.input": io.BytesIO(body),
        "wsgi.url_scheme": "http", "wsgi.errors": io.StringIO(),
    }  # fmt: skip
    list(application(environ, lambda status, _headers: told.append(status)))
    return told[0]


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"]
)
def test_a_form_in_another_charset_is_refused_before_anything_reads_it(kind: str) -> None:
    for charset in ("=utf-7", "=hex", "=no-such", "=rot13", "=utf-16", "=", "*=no-such''x"):
        assert asked_with(f"{kind}; charset{charset}") == "400 Bad Request", charset


@pytest.mark.parametrize("more", ["", "; charset=utf-8", "; charset=UTF-8", '; charset="utf-8"'])
def test_a_form_in_utf_8_gets_as_far_as_its_missing_token(more: str) -> None:
    assert asked_with(f"application/x-www-form-urlencoded{more}") == "403 Forbidden"


@pytest.mark.parametrize("name", ["sessionid", "csrftoken", "messages", "django_language"])
def test_a_cookie_with_a_nul_counts_as_absent(name: str) -> None:
    client = Client(headers={"cookie": f'{name}="\\000\\000abcdefghijklmnopqrstuvwxyz"'})
    assert client.get("/sign-in/").status_code == 200
    assert client.get("/patients/").status_code == 302


def test_a_reason_with_a_nul_takes_the_fact_back(world: dict[str, Any], as_: Callable[[str], Client]) -> None:
    path = f"/patients/{world['patient']}/profile/allergies/{world['fact']}/retract/"
    assert as_("roca").post(path, {"reason": "typed\x00 wrong"}).status_code in {200, 302}
    assert Allergy.objects.get(pk=world["fact"]).retracted_reason == "typed wrong"


def test_a_page_answers_head_like_get(world: dict[str, Any], as_: Callable[[str], Client]) -> None:
    desk = as_("marta")
    for path in ("/", "/patients/", "/patients/new/", "/patients/{patient}/", "/patients/{patient}/contact/", "/calendar/",
                 "/messages/", "/sheets/", "/password/", "/appointments/{appointment}/", "/plans/{plan}/book/"):  # fmt: skip
        url = path.format(**world)
        assert desk.head(url).status_code == desk.get(url).status_code, path


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/sign-in/"])
def test_head_needs_no_sign_in_where_get_needs_none(path: str) -> None:
    assert Client().head(path).status_code == Client().get(path).status_code


# ---- browsers ----------------------------------------------------------------------------------------------


def test_no_browser_keeps_what_signed_in_people_see(
    world: dict[str, Any], as_: Callable[[str], Client]
) -> None:
    desk = as_("marta")
    for path in ("/", "/patients/{patient}/", "/patients/", "/calendar/", "/patients/999999/", "/audit/"):
        assert desk.get(path.format(**world)).headers["Cache-Control"] == "no-store, private", path


def test_the_answers_to_signing_in_and_out_are_kept_nowhere_either(world: dict[str, Any]) -> None:
    client = Client()
    User.objects.filter(username="marta").update(password=make_password(PASSWORD))
    signed_in = client.post("/sign-in/", {"username": "marta", "password": PASSWORD})
    assert signed_in.headers["Cache-Control"] == "no-store, private"
    assert client.post("/sign-out/").headers["Cache-Control"] == "no-store, private"


def test_style_and_script_may_be_kept(settings: Any) -> None:
    response = Client().get("/static/tokens.css")
    assert response.status_code == 200
    assert "no-store" not in response.headers.get("Cache-Control", "")


# ---- who opened what ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "path", "what"),
    [
        ("marta", "/patients/{patient}/", "chart"), ("roca", "/patients/{patient}/profile/", "clinical profile"),
        ("marta", "/patients/{patient}/contact/", "contact details"), ("ortiz", "/appointments/{appointment}/", "appointment"),
        ("admin", "/messages/{message}/", "message"),
    ],
)  # fmt: skip
def test_opening_a_patients_page_is_recorded(
    world: dict[str, Any], as_: Callable[[str], Client], who: str, path: str, what: str
) -> None:
    assert as_(who).get(path.format(**world)).status_code == 200
    event = AccessEvent.objects.get()
    assert (event.actor_id, event.patient_id, event.what) == (
        world["clinic"].users[who].pk,
        world["patient"],
        what,
    )


def test_a_refused_page_is_no_opening(world: dict[str, Any], as_: Callable[[str], Client]) -> None:
    assert as_("marta").get(f"/patients/{world['patient']}/profile/").status_code == 403
    assert not AccessEvent.objects.exists()


def opened(clinic: Clinic, count: int) -> None:
    for number in range(count):
        patient = clinic.patient(f"Zoé{number}", "Núñez")
        AccessEvent.objects.create(
            actor_id=clinic.roca.pk, actor_name=clinic.roca.full_name, patient_id=patient.pk, what="chart"
        )


def test_the_administrator_finds_who_opened_which_chart(
    world: dict[str, Any], as_: Callable[[str], Client]
) -> None:
    opened(world["clinic"], 3)
    as_("amari").get(f"/patients/{world['patient']}/")
    admin = as_("admin")
    wanted = {
        "Brandt": 1,
        "brandt lea": 1,
        "nunez": 3,
        "Ines Roca": 3,
        "amari": 1,
        "Nobody": 0,
        "²": 0,
        "": 4,
    }
    for text, found in wanted.items():
        page = admin.get("/audit/opened/", {"q": text})
        assert len(page.context["rows"]) == found, text
        assert ("Lea Brandt" in page.content.decode()) is (text in {"Brandt", "brandt lea", "amari", ""})


def test_opened_charts_come_in_pages_at_a_constant_cost(
    world: dict[str, Any], as_: Callable[[str], Client]
) -> None:
    admin = as_("admin")

    def cost(path: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert admin.get(path).status_code == 200
        return len(queries)

    opened(world["clinic"], 1)
    cost("/audit/opened/")
    few = cost("/audit/opened/"), cost("/audit/opened/?q=nunez")
    opened(world["clinic"], 60)
    assert (cost("/audit/opened/"), cost("/audit/opened/?q=nunez")) == few
    second = admin.get("/audit/opened/?page=2")
    assert len(second.context["rows"]) == 11
    assert "51 to 61 of 61" in second.content.decode()


# ---- lists and logs ----------------------------------------------------------------------------------------


def test_lists_find_names_without_their_accents(world: dict[str, Any], as_: Callable[[str], Client]) -> None:
    clinic = world["clinic"]
    zoe = clinic.patient("Zoé", "Núñez")
    message = Message.objects.get(pk=world["message"])
    message.pk, message.cause, message.patient, message.recipient = None, "other", zoe, "x@example.org"
    message.save()
    record = TreatmentRecord.objects.create(
        appointment_id=world["appointment"], patient=zoe, operator=clinic.roca
    )
    IssuedSheet.objects.create(
        number=7, patient=zoe, record=record, language="en", paper="A4", content={}, html="", pdf=b"", pdf_sha256="",
        issued_by=clinic.roca,
    )  # fmt: skip
    desk = as_("marta")
    for text in ("nunez", "NÚÑEZ", "zoe nun", "Zoé Núñez"):
        assert [row.patient for row in desk.get("/messages/", {"q": text}).context["page"]] == [zoe], text
        assert [row.patient for row in desk.get("/sheets/", {"q": text}).context["page"]] == [zoe], text
    assert len(desk.get("/sheets/", {"q": "7"}).context["page"]) == 1


def test_a_logged_error_names_the_constraint_but_no_row() -> None:
    import logging
    import sys

    from django.db import IntegrityError

    try:
        with connection.cursor() as cursor:
            cursor.execute("CREATE TEMP TABLE people (name text UNIQUE)")
            cursor.execute("INSERT INTO people VALUES ('Lucia Geheim'), ('Lucia Geheim')")
    except IntegrityError:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "failed", None, sys.exc_info())
    text = WithoutRows().format(record)
    assert "people_name_key" in text
    assert "Geheim)" not in text
