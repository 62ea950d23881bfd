"""Every form of the clinic gets nonsense in every field: a clear answer, nothing half-saved, never a 500."""

import random
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from protocols.models import PlannedSession, TreatmentPlan
from sessions.models import Appointment, TreatmentRecord
from tests.clinic import Clinic
from tests.platform.test_every_page import world as world
from tests.protocols.helpers import answers, asked, propose

pytestmark = pytest.mark.django_db
NASTY = [
    "", " ", "-1", "0", "999999999999999999999", "1e309", "NaN", "١٢٣", "2026-02-31", "9999-12-31", "0000-00-00", "25:61",
    "'; DROP TABLE patients_patient; --", "<script>alert(1)</script>", "\x00", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    "a" * 5000, "../../etc/passwd", "true", "null", "[]", "{}", "%s%n", "\u202e", "None", "-0.0000001", "3.14159265", "٫٥",
]  # fmt: skip


class Forms(HTMLParser):
    """The forms of a page: (action, names with the values offered)."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[tuple[str, str, dict[str, list[str]]]] = []
        self._by_id: dict[str, dict[str, list[str]]] = {}
        self._select = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        if tag == "form":
            fields: dict[str, list[str]] = {}
            self.forms.append((known.get("action", ""), known.get("method", "get").lower(), fields))
            if known.get("id"):
                self._by_id[known["id"]] = fields
        elif tag in {"input", "select", "textarea", "button"} and known.get("name") and self.forms:
            fields = self._by_id.get(known.get("form", ""), self.forms[-1][2])
            fields.setdefault(known["name"], []).append(known.get("value", ""))
            self._select = known["name"] if tag == "select" else ""
        elif tag == "option" and self._select and self.forms:
            self.forms[-1][2].setdefault(self._select, []).append(known.get("value", ""))


def pages(world: dict[str, Any], extra: dict[str, int]) -> list[tuple[str, str]]:
    keys = world | extra
    return [
        (who, path.format(**keys))
        for who, path in [
            ("marta", "/patients/new/"), ("marta", "/patients/{patient}/contact/"), ("amari", "/patients/{patient}/profile/"),
            ("amari", "/patients/{patient}/assess/"), ("amari", "/plans/{draft}/"), ("marta", "/plans/{waiting}/book/"),
            ("marta", "/appointments/{appointment}/"), ("marta", "/appointments/{appointment}/move/"),
            ("marta", "/appointments/new/?patient={patient}"), ("roca", "/records/{record}/"), ("admin", "/messages/{message}/"),
            ("marta", "/password/"), ("marta", "/calendar/"), ("marta", "/messages/"), ("ortiz", "/audit/"),
            ("admin", "/setup/people/new/"), ("admin", "/setup/people/{person}/"), ("ortiz", "/setup/places/new/"),
            ("ortiz", "/setup/places/{place}/"), ("ortiz", "/setup/places/{place}/edit/"),
            ("ortiz", "/setup/places/{place}/rooms/new/"), ("ortiz", "/setup/places/{place}/devices/new/"),
            ("ortiz", "/setup/rooms/{room}/"), ("ortiz", "/setup/devices/{device}/"), ("ortiz", "/setup/hours/"),
            ("ortiz", "/setup/hours/{practitioner}/"), ("ortiz", "/setup/absences/new/"),
            ("ortiz", "/setup/absences/{absence}/"), ("ortiz", "/setup/closures/new/"),
            ("ortiz", "/setup/places/{place}/holidays/"), ("ortiz", "/setup/types/new/"), ("ortiz", "/setup/types/{type}/"), ("roca", "/products/new/"),
            ("roca", "/products/{product}/"), ("roca", "/products/{product}/edit/"), ("roca", "/lots/{lot}/"),
            ("marta", "/waiting-list/"), ("marta", "/waiting-list/{entry}/"), ("marta", "/waiting-room/"), ("marta", "/missed/"),
            ("marta", "/waiting-list/new/?patient={patient}"), ("marta", "/walk-in/?patient={patient}"), ("marta", "/walk-in/new/"),
        ]
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_no_form_breaks_whatever_is_typed(world: dict[str, Any], seed: int) -> None:
    clinic: Clinic = world["clinic"]
    chance = random.Random(seed)
    clients = {}
    for who, user in clinic.users.items():
        clients[who] = Client()
        clients[who].force_login(user)
    ana = clinic.patient("Ana", "Fuego")
    asked(ana)
    ana.refresh_from_db()
    draft = propose(clients["amari"], ana)
    visit = Appointment.objects.get(pk=world["appointment"])
    length = visit.ends_at - visit.starts_at
    visit.starts_at = timezone.now() - timedelta(minutes=1)
    visit.ends_at = visit.starts_at + length
    visit.occupied_from, visit.occupied_until = visit.starts_at, visit.ends_at
    visit.status = "arrived"
    visit.save()
    clients["roca"].post(f"/appointments/{visit.pk}/treatment/")
    extra = {
        "draft": draft.pk, "record": TreatmentRecord.objects.get().pk,
        "waiting": TreatmentPlan.objects.get(patient__family_name="Wartet").pk,
    }  # fmt: skip
    sent = 0
    signed = PlannedSession.objects.count()
    for who, path in pages(world, extra):
        response = clients[who].get(path)
        assert response.status_code == 200, path
        for action, method, fields in Forms(response.content.decode()).forms:
            target = action or path
            if "sign-out" in target or "lock" in target:
                continue
            data = {
                name: chance.choice([*values, *NASTY, chance.choice(NASTY)])
                for name, values in fields.items()
            }
            answer = getattr(clients[who], method)(target, data)
            sent += 1
            assert answer.status_code < 500, (path, target, data)
            if target == f"/plans/{draft.pk}/discard/":
                break
    assert sent > 30
    assert PlannedSession.objects.count() == signed
    assert TreatmentRecord.objects.filter(signed_at__isnull=False).count() == 0


def test_a_form_without_its_token_is_refused(world: dict[str, Any]) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world["clinic"].amari)
    response = client.post(f"/patients/{world['patient']}/assess/", answers(world["clinic"].lea))
    assert response.status_code == 403
    assert "500" not in response.content.decode()[:200]


@pytest.mark.parametrize(
    "path",
    ["/patients/999999/", "/plans/999999/", "/appointments/999999/", "/messages/999999/", "/records/999999/",
     "/sheets/999999/", "/plans/999999/book/", "/patients/99999999999999999999999/", "/stock/99999999999999999999/",
     "/calendar/?day=abc", "/calendar/?day=0000-00-00", "/patients/?page=abc&q=%00", "/messages/?state=%00&q=%00",
     "/tasks/?q=%00", "/courses-to-book/?q=%00", "/not-confirmed/?q=%00", "/catalogue/?q=%00", "/sheets/?q=%00"],
)  # fmt: skip
def test_addresses_of_nothing_are_answered_calmly(world: dict[str, Any], path: str) -> None:
    client = Client()
    for who in ("amari", "marta"):
        client.force_login(world["clinic"].users[who])
        assert client.get(path).status_code in {200, 302, 400, 403, 404}
