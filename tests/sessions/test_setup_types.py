"""The manager keeps the types of single visits; the front desk books by them."""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from mesoclinic.audit.models import AuditEvent
from sessions.models import Appointment, AppointmentType, Device
from tests.clinic import Clinic

pytestmark = pytest.mark.django_db
TODAY = date(2026, 12, 1)


@pytest.fixture
def clinic() -> Iterator[Clinic]:
    with time_machine.travel("2026-12-01T07:00:00Z", tick=False):
        yield Clinic(today=TODAY)


def at(clinic: Clinic, username: str) -> Client:
    client = Client()
    client.force_login(clinic.users[username])
    return client


@pytest.fixture
def manager(clinic: Clinic) -> Client:
    return at(clinic, "ortiz")


def text(response: Any) -> str:
    return str(response.content.decode())


def data(**values: Any) -> dict[str, Any]:
    return {
        "name": "Jet trial", "kind": "consultation", "minutes": "20", "qualification": "needle-free",
        "capability": "injection", "device_kind": "jet-injector", "colour": "violet", "shape": "diamond",
    } | values  # fmt: skip


def jet(**values: Any) -> AppointmentType:
    made = data(**values) | {"minutes": int(values.get("minutes", 20))}
    return AppointmentType.objects.create(**made)


def test_a_clinic_begins_with_consultation_review_and_emergency(clinic: Clinic, manager: Client) -> None:
    found = AppointmentType.objects.values_list("name", "kind", "minutes", "capability", "qualification")
    assert list(found) == [
        ("Consultation", "consultation", 30, "consultation", "consultation"),
        ("Emergency", "emergency", 30, "consultation", "consultation"),
        ("Review", "review", 30, "consultation", "consultation"),
    ]
    page = text(manager.get("/setup/types/"))
    assert "Consultation" in page
    assert "30 min" in page


def test_a_type_is_added_changed_and_no_longer_offered(clinic: Clinic, manager: Client) -> None:
    assert manager.post("/setup/types/new/", data())["Location"] == "/setup/types/"
    made = AppointmentType.objects.get(name="Jet trial")
    assert (made.minutes, made.device_kind, made.shape) == (20, "jet-injector", "diamond")
    url = f"/setup/types/{made.pk}/"
    assert 'value="Jet trial"' in text(manager.get(url))
    assert manager.post(url, data(minutes="25")).status_code == 302
    assert AuditEvent.objects.get(type="visit-type.changed").new == {"minutes": 25}
    manager.post(f"{url}offer/", {"to": "off"})
    assert made not in manager.get("/setup/types/").context["page"]
    assert made in manager.get("/setup/types/?closed=1").context["page"]
    manager.post(f"{url}offer/", {"to": "on"})
    assert made in manager.get("/setup/types/").context["page"]


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"minutes": "0"}, "minutes", "Enter 5 to 480 minutes"),
        ({"minutes": "2000"}, "minutes", "Enter 5 to 480 minutes"),
        ({"minutes": "-30"}, "minutes", "Enter 5 to 480 minutes"),
        ({"minutes": "half an hour"}, "minutes", "Enter 5 to 480 minutes"),
        ({"minutes": "33"}, "minutes", "multiple of 5"),
        ({"minutes": ""}, "minutes", "Enter the usual length"),
        ({"name": "REVIEW"}, "name", "has this name already"),
        ({"name": " "}, "name", "Enter the name"),
        ({"kind": "session"}, "kind", "Select a valid choice"),
        ({"capability": "sauna"}, "capability", "Select a valid choice"),
    ],
)
def test_a_faulty_type_is_told_beside_the_field_and_stays_typed(
    clinic: Clinic, manager: Client, values: dict[str, str], field: str, words: str
) -> None:
    for url in ("/setup/types/new/", f"/setup/types/{clinic.types['consultation'].pk}/"):
        page = manager.post(url, data(**values))
        assert page.status_code == 422
        assert words in str(page.context["form"].errors[field])
        assert f'id="id_{field}_error"' in text(page)
        assert page.context["form"][field].value() == values[field]
    assert AppointmentType.objects.filter(colour="violet").count() == 0


def test_the_database_takes_no_type_without_a_length(clinic: Clinic) -> None:
    for minutes in (0, 2000):
        with pytest.raises(IntegrityError, match="appointment_type_minutes"), transaction.atomic():
            jet(minutes=minutes)


def test_types_are_searched_and_paged_at_the_same_cost(clinic: Clinic, manager: Client) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert manager.get("/setup/types/").status_code == 200
        return len(captured)

    cost()
    before = cost()
    for number in range(30):
        jet(name=f"Type {number:02d}")
    assert cost() == before
    assert "1 to 25 of 33" in text(manager.get("/setup/types/"))
    assert "Type 29" in text(manager.get("/setup/types/?q=type+29"))
    assert "No type with this name" in text(manager.get("/setup/types/?q=zzz"))
    assert "Every type is offered" in text(manager.get("/setup/types/?closed=1"))
    AppointmentType.objects.all().delete()
    assert "can't be booked" in text(manager.get("/setup/types/"))


# ---- booking by type ---------------------------------------------------------------------------------------


def free(client: Client, clinic: Clinic, **values: Any) -> tuple[Any, list[str]]:
    shown = {"patient": clinic.lea.pk, "day": "2026-12-02", "practitioner": ""} | values
    page = client.get("/appointments/new/", shown)
    return page, re.findall(r'name="slot" value="([^"]+)"', text(page))


def test_the_front_desk_books_what_the_manager_made(clinic: Clinic) -> None:
    desk, trial = at(clinic, "marta"), jet()
    clinic.nurse.qualifications = ["consultation"]
    clinic.nurse.save()
    page, slots = free(desk, clinic, type=trial.pk)
    assert "Jet trial" in text(page)
    # There is no jet injector yet, so there is no time.
    assert slots == []
    injector = Device.objects.create(location=clinic.location, name="Jet", kind="jet-injector")
    page, slots = free(desk, clinic, type=trial.pk)
    # Only who does needle-free work, only for the length of the type.
    assert "Dr. Nadia Amari" in text(page)
    assert "Inés Roca" not in text(page)
    answer = desk.post(
        "/appointments/new/",
        {"patient": clinic.lea.pk, "type": trial.pk, "minutes": "", "day": "2026-12-02", "practitioner": "", "slot": slots[0]},
    )  # fmt: skip
    assert answer.status_code == 302
    visit = Appointment.objects.get()
    assert (visit.type, visit.kind, visit.device) == (trial, "consultation", injector)
    assert visit.ends_at - visit.starts_at == timedelta(minutes=20)
    assert "Jet trial" in text(desk.get(f"/appointments/{visit.pk}/"))
    # Its next time is looked for by the same needs.
    moved = text(desk.get(f"/appointments/{visit.pk}/move/?practitioner="))
    assert "Dr. Nadia Amari" in moved
    assert "Inés Roca" not in moved


def test_a_type_taken_out_after_its_times_were_shown_books_nothing(clinic: Clinic) -> None:
    desk, review = at(clinic, "marta"), clinic.types["review"]
    _page, slots = free(desk, clinic, type=review.pk)
    AppointmentType.objects.filter(pk=review.pk).update(active=False)
    answer = desk.post(
        "/appointments/new/",
        {"patient": clinic.lea.pk, "type": review.pk, "minutes": "", "day": "2026-12-02", "practitioner": "", "slot": slots[0]},
    )  # fmt: skip
    assert answer.status_code == 409
    assert not Appointment.objects.exists()


def test_a_link_by_class_chooses_a_type_of_that_class(clinic: Clinic) -> None:
    page, _slots = free(at(clinic, "marta"), clinic, kind="emergency")
    assert page.context["what"] == "Emergency"


def test_many_types_become_a_list(clinic: Clinic) -> None:
    desk = at(clinic, "marta")
    assert 'type="radio" name="type"' in text(free(desk, clinic)[0])
    for number in range(6):
        jet(name=f"Type {number}")
    assert '<select name="type"' in text(free(desk, clinic)[0])


def test_a_type_with_another_need_keeps_the_visits_it_has(clinic: Clinic, manager: Client) -> None:
    visit = clinic.appointment(
        starts_at=clinic.at(10, day=date(2026, 12, 2)), kind="review", type=clinic.types["review"], room=clinic.room
    )  # fmt: skip
    url, change = f"/setup/types/{clinic.types['review'].pk}/", {"name": "Review", "kind": "review"}
    # The room has it and the practitioner does it: nobody is hit.
    assert manager.post(url, data(**change, device_kind="")).status_code == 302
    page = manager.post(url, data(**change))
    assert page.status_code == 409
    assert [row["visit"] for row in page.context["hits"]] == [visit]
