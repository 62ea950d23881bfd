"""The clinic is set up in the browser, from nothing to the first booked visit; every act keeps its promises."""

import re
import threading
from collections.abc import Callable
from datetime import date, time, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, connections, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from mesoclinic.accounts.models import User
from mesoclinic.accounts.permissions import Permission, has_permission
from mesoclinic.audit.models import AuditEvent
from patients.models import Patient
from protocols.actions import MINUTES
from sessions.actions import booking
from sessions.models import (
    Absence,
    Appointment,
    Closure,
    Device,
    Location,
    Lot,
    Practitioner,
    Product,
    Room,
    WorkingHours,
)
from sessions.queries.treatment import usable_lots
from sessions.scheduling import Slot
from sessions.scheduling.diary import PREPARATION
from sessions.setup import codes, queries
from sessions.setup.actions import away, hours, people, places, stock
from sessions.setup.faults import SetupError, VisitsHit, fingerprint
from sessions.setup.forms.stock import gtin
from tests.clinic import PASSWORD, Clinic

pytestmark = pytest.mark.django_db
GTIN = "4006381333931"
WEEK = {f"{day}-1-from": "09:00" for day in range(1, 6)} | {f"{day}-1-to": "17:00" for day in range(1, 6)}


@pytest.fixture
def clinic() -> Clinic:
    return Clinic(today=timezone.localdate())


@pytest.fixture
def as_(clinic: Clinic) -> Callable[[str], Client]:
    def sign_in(name: str) -> Client:
        client = Client()
        client.force_login(clinic.users[name])
        return client

    return sign_in


def workday(after: date) -> date:
    """The next Monday to Friday after a day."""
    day = after + timedelta(days=1)
    while day.isoweekday() > 5:
        day += timedelta(days=1)
    return day


def audited(type: str) -> AuditEvent:
    return AuditEvent.objects.filter(type=type).latest("pk")


def text(response: Any) -> str:
    return str(response.content.decode())


# ---- the whole way -----------------------------------------------------------------------------------------


def sign_in(username: str, password: str) -> Client:
    client = Client()
    client.post("/sign-in/", {"username": username, "password": password})
    return client


def first_sign_in(username: str, one_time: str) -> Client:
    """Sign in with the one-time password: nothing opens before an own one is chosen."""
    client = sign_in(username, one_time)
    assert client.get("/")["Location"].startswith("/password/")
    new = {"old_password": one_time, "new_password1": PASSWORD, "new_password2": PASSWORD}
    assert client.post("/password/", new).status_code == 302
    return client


def shown_password(response: Any) -> str:
    found = re.search(r'class="secret num">([a-z2-9-]+)<', text(response))
    assert found is not None
    return found.group(1)


def test_from_an_empty_installation_to_the_first_booked_visit() -> None:
    out = StringIO()
    call_command("people", "--first-administrator", stdout=out)
    made = re.search(r"password (\S+)", out.getvalue())
    assert made is not None
    admin = first_sign_in("admin", made.group(1))

    # Every page that wants a location leads here instead of to a 404.
    for path in ("/", "/calendar/"):
        page = admin.get(path)
        assert page.status_code == 200
        assert "First steps" in text(page)
        assert "0 of 5 done" in text(page)

    new_person = {"email": "", "qualifications": []}
    page = admin.post(
        "/setup/people/new/", new_person | {"username": "marta", "full_name": "Marta Solé", "role": "front-desk"}
    )  # fmt: skip
    marta_password = shown_password(page)
    assert marta_password not in str(list(AuditEvent.objects.values()))
    page = admin.post(
        "/setup/people/new/",
        new_person | {"username": "amari", "full_name": "Dr. Nadia Amari", "role": "physician",
                      "qualifications": ["consultation", "injection"]},
    )  # fmt: skip
    first_sign_in("amari", shown_password(page))
    page = admin.post(
        "/setup/people/new/", new_person | {"username": "ortiz", "full_name": "Elena Ortiz", "role": "manager"}
    )  # fmt: skip
    manager = first_sign_in("ortiz", shown_password(page))

    # The front desk learns whom to ask.
    marta = first_sign_in("marta", marta_password)
    for path in ("/", "/calendar/"):
        page = marta.get(path, follow=True)
        assert page.status_code == 200
        assert "Elena Ortiz" in text(page)
        assert "Administrator" in text(page)

    # The manager sets up the place, the hours and the shelf.
    page = manager.post(
        "/setup/places/new/",
        {"name": "mesoclinic Madrid", "short_name": "Madrid", "time_zone": "Europe/Madrid", "phone": "910 555 014",
         "address": "Calle de Ejemplo 14", "after_hours_phone": "+34 600 555 014", "emergency_number": "112"},
    )  # fmt: skip
    location = Location.objects.get()
    assert page["Location"] == f"/setup/places/{location.pk}/"
    assert location.phone.startswith("+34")
    manager.post(
        f"/setup/places/{location.pk}/rooms/new/", {"name": "Room 1", "capabilities": ["consultation"]}
    )
    manager.post(
        f"/setup/places/{location.pk}/devices/new/",
        {"name": "Pen A", "kind": "needling-pen", "in_service": "on"},
    )
    assert Room.objects.get().capabilities == ["consultation"]
    assert Device.objects.get().in_service
    practitioner = Practitioner.objects.get()
    seen = hours.state([])
    page = manager.post(f"/setup/hours/{practitioner.pk}/", WEEK | {"place": location.pk, "seen": seen})
    assert page["Location"] == "/setup/hours/"
    assert WorkingHours.objects.count() == 5
    assert "4 of 5 done" in text(manager.get("/"))
    page = manager.post(
        "/products/new/",
        {"agent": "tranexamic-acid", "name": "Tranexa 100", "manufacturer": "Salus", "gtin": GTIN, "pack_ml": "5"},
    )  # fmt: skip
    product = Product.objects.get()
    assert page["Location"] == f"/products/{product.pk}/"
    assert product.gtin == f"0{GTIN}"
    expiry = timezone.localdate() + timedelta(days=400)
    manager.post(
        f"/products/{product.pk}/",
        {"number": "A 123", "expires_on": expiry.isoformat(), "received_ml": "50"},
    )
    assert Lot.objects.get().number == "A123"

    # Nothing is missing any more: the overview is there, and the front desk books.
    assert "Visits this week" in text(manager.get("/"))
    marta.post(
        "/patients/new/",
        {"given_name": "Lea", "family_name": "Brandt", "birth_date": "1988-05-14", "sex": "female",
         "phone": "+34 600 555 001", "email": "lea@example.org", "language": "es", "channel": "email"},
    )  # fmt: skip
    patient = Patient.objects.get()
    page = marta.get("/appointments/new/", {"patient": patient.pk})
    slot = re.search(r'name="slot" value="([^"]+)"', text(page))
    assert slot is not None
    page = marta.post(
        "/appointments/new/",
        {
            "patient": patient.pk,
            "slot": slot.group(1),
            "kind": "consultation",
            "minutes": "30",
            "day": timezone.localdate().isoformat(),
            "practitioner": "",
        },
    )
    assert page.status_code == 302
    visit = Appointment.objects.get()
    assert (visit.practitioner, visit.location) == (practitioner, location)
    assert 9 <= visit.starts_at.astimezone(location.zone).hour < 17


def test_a_demo_room_capability_is_known_to_the_setup() -> None:
    """What the setup offers is what plans ask for (protocols.actions)."""
    uses = {code for code, _label in codes.ROOM_USES} - {PREPARATION}
    assert uses <= {code for code, _label in codes.QUALIFICATIONS}
    assert set(MINUTES) == {"syringe", "needle-free", "microneedling"}
    assert {code for code, _label in codes.DEVICE_KINDS} == {"needling-pen", "jet-injector"}


@pytest.mark.parametrize(
    ("who", "words"), [("amari", "Ask one of these"), ("roca", "Ask one of these"), ("ortiz", "First steps")]
)
def test_a_location_without_hours_leads_to_the_first_steps(
    clinic: Clinic, as_: Callable[[str], Client], who: str, words: str
) -> None:
    WorkingHours.objects.all().delete()
    assert words in text(as_(who).get("/"))
    # Other pages stay as they are: there is a place to look at.
    assert as_(who).get("/calendar/").status_code == 200


def test_a_missing_product_is_the_managers_business_only(
    clinic: Clinic, as_: Callable[[str], Client]
) -> None:
    Lot.objects.all().delete()
    Product.objects.all().delete()
    assert "First steps" in text(as_("ortiz").get("/"))
    assert "Ask one of these" not in text(as_("amari").get("/"))


# ---- people ------------------------------------------------------------------------------------------------


def person_data(**values: Any) -> dict[str, Any]:
    return {
        "username": "vega", "full_name": "Tomás Vega", "email": "vega@example.org", "role": "nurse",
        "qualifications": ["injection"],
    } | values  # fmt: skip


def test_a_new_person_is_audited_and_the_password_is_shown_once(as_: Callable[[str], Client]) -> None:
    page = as_("admin").post("/setup/people/new/", person_data(username="Vega"))
    password = shown_password(page)
    assert "no-store" in page["Cache-Control"]
    user = User.objects.get(username="vega")
    assert user.must_change_password
    assert user.check_password(password)
    event = audited("staff.added")
    assert event.actor_name == "Ada Prieto"
    assert event.new["role"] == "nurse"
    assert password not in text(as_("admin").get(f"/setup/people/{user.pk}/"))


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"username": "AMARI"}, "username", people.NAME_TAKEN),
        ({"username": "two words"}, "username", "without spaces"),
        ({"full_name": " "}, "full_name", "Enter the full name"),
        ({"email": "no-address"}, "email", "valid email"),
        ({"role": "gardener"}, "role", "Select a valid choice"),
        ({"role": ""}, "role", "Choose what this person works as"),
        ({"role": "front-desk"}, "qualifications", people.NOT_TREATING),
        ({"qualifications": ["surgery"]}, "qualifications", "Select a valid choice"),
        ({"role": "nurse", "medical_director": "on"}, "medical_director", people.NO_DIRECTOR),
    ],
)
def test_a_faulty_person_is_told_beside_the_field_and_what_was_typed_stays(
    as_: Callable[[str], Client], values: dict[str, Any], field: str, words: str
) -> None:
    before = User.objects.count()
    page = as_("admin").post("/setup/people/new/", person_data(**values))
    assert page.status_code == 422
    assert words in str(page.context["form"].errors[field])
    assert f'id="id_{field}_error"' in text(page)
    assert "vega@example.org" in text(page) or "no-address" in text(page)
    assert User.objects.count() == before


def test_the_administrator_names_the_medical_director_who_then_publishes(
    clinic: Clinic, as_: Callable[[str], Client]
) -> None:
    keller = clinic.user("keller", "Dr. Jonas Keller", "physician")
    assert not has_permission(keller, Permission.CATALOGUE_PUBLISH)
    data = {"full_name": keller.full_name, "email": "", "role": "physician", "medical_director": "on"}
    assert as_("admin").post(f"/setup/people/{keller.pk}/", data).status_code == 302
    keller.refresh_from_db()
    assert has_permission(keller, Permission.CATALOGUE_PUBLISH)
    assert audited("staff.changed").new["medical_director"] is True
    assert "Medical director" in as_("admin").get("/setup/people/").content.decode()


def test_a_manager_gives_out_no_roles(as_: Callable[[str], Client], clinic: Clinic) -> None:
    client = as_("ortiz")
    for path in ("/setup/people/", "/setup/people/new/", f"/setup/people/{clinic.ortiz.pk}/"):
        assert client.get(path).status_code == 403
    data = {"full_name": "Elena Ortiz", "role": "administrator"}
    assert client.post(f"/setup/people/{clinic.ortiz.pk}/", data).status_code == 403


def test_somebody_changes_role_and_what_they_do(clinic: Clinic, as_: Callable[[str], Client]) -> None:
    data = {"full_name": "Inés Roca", "email": "", "role": "nurse", "qualifications": ["needling"]}
    page = as_("admin").post(f"/setup/people/{clinic.roca.pk}/", data)
    assert page.status_code == 302
    clinic.nurse.refresh_from_db()
    assert clinic.nurse.qualifications == ["needling"]
    assert audited("staff.qualifications-changed").old["qualifications"][0] == "consultation"


def test_taking_away_what_a_booked_visit_needs_is_asked_first(
    clinic: Clinic, as_: Callable[[str], Client]
) -> None:
    visit = clinic.appointment(starts_at=clinic.at(10, day=workday(clinic.today)), kind="consultation")
    data = {"full_name": "Dr. Nadia Amari", "email": "", "role": "physician", "qualifications": ["injection"]}
    client, url = as_("admin"), f"/setup/people/{clinic.amari.pk}/"
    page = client.post(url, data)
    assert page.status_code == 409
    assert "Lea Brandt" in text(page)
    clinic.practitioner.refresh_from_db()
    assert "consultation" in clinic.practitioner.qualifications
    assert client.post(url, data | {"accepted": page.context["hits_seen"]}).status_code == 302
    clinic.practitioner.refresh_from_db()
    assert clinic.practitioner.qualifications == ["injection"]
    visit.refresh_from_db()
    assert visit.status == "booked"


def test_an_account_with_visits_is_closed_only_after_they_were_seen(
    clinic: Clinic, as_: Callable[[str], Client]
) -> None:
    clinic.appointment(starts_at=clinic.at(10, day=workday(clinic.today)))
    doctor, admin = as_("amari"), as_("admin")
    url = f"/setup/people/{clinic.amari.pk}/deactivate/"
    page = admin.post(url)
    assert page.status_code == 409
    assert User.objects.get(username="amari").is_active
    assert admin.post(url, {"accepted": page.context["hits_seen"]}).status_code == 302
    # The open web session ends at once.
    assert doctor.get("/patients/").status_code == 302
    assert audited("staff.deactivated").target_id == str(clinic.amari.pk)
    assert "Dr. Nadia Amari" in text(admin.get("/setup/people/?closed=1"))
    admin.post(f"/setup/people/{clinic.amari.pk}/reactivate/")
    assert User.objects.get(username="amari").is_active


def test_the_last_administrator_stays(clinic: Clinic) -> None:
    second = clinic.user("second", "Sol Segunda", "administrator")
    with pytest.raises(SetupError):
        people.deactivate(user=clinic.admin, by=clinic.admin, now=timezone.now())
    people.deactivate(user=clinic.admin, by=second, now=timezone.now())
    with pytest.raises(SetupError, match="only administrator"):
        people.deactivate(user=second, by=clinic.admin, now=timezone.now())
    values = {"full_name": second.full_name, "email": "", "qualifications": ()}
    with pytest.raises(SetupError, match="only administrator"):
        people.change(user=second, by=clinic.admin, role="manager", now=timezone.now(), **values)
    with pytest.raises(SetupError, match="Your own role"):
        people.change(user=second, by=second, role="manager", now=timezone.now(), **values)


def test_a_forgotten_password_is_made_anew(clinic: Clinic, as_: Callable[[str], Client]) -> None:
    nurse = as_("roca")
    page = as_("admin").post(f"/setup/people/{clinic.roca.pk}/password/")
    password = shown_password(page)
    assert nurse.get("/patients/").status_code == 302
    first_sign_in("roca", password)
    assert audited("staff.password-reset").target_label == "Inés Roca"


# ---- places ------------------------------------------------------------------------------------------------


def place_data(**values: Any) -> dict[str, Any]:
    return {
        "name": "mesoclinic Sur", "short_name": "Sur", "address": "Calle 1", "time_zone": "Atlantic/Canary",
        "phone": "+34 928 555 003", "after_hours_phone": "", "emergency_number": "112",
    } | values  # fmt: skip


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"time_zone": "Europe/Nowhere"}, "time_zone", "Not a time zone"),
        ({"time_zone": ""}, "time_zone", "Choose the time zone"),
        ({"phone": "call us"}, "phone", "Not a phone number"),
        ({"emergency_number": "one-two"}, "emergency_number", "Digits only"),
        ({"name": "MESOCLINIC MADRID"}, "name", "has this name already"),
    ],
)
def test_a_faulty_location_is_told_beside_the_field(
    as_: Callable[[str], Client], values: dict[str, Any], field: str, words: str
) -> None:
    page = as_("ortiz").post("/setup/places/new/", place_data(**values))
    assert page.status_code == 422
    assert words in str(page.context["form"].errors[field])
    assert Location.objects.count() == 1


def test_a_changed_location_is_read_at_once_by_who_changed_it(
    clinic: Clinic, as_: Callable[[str], Client]
) -> None:
    client, url = as_("ortiz"), f"/setup/places/{clinic.location.pk}/edit/"
    assert "Europe/Madrid" in text(client.get(url))
    data = place_data(name="mesoclinic Madrid", short_name="Centro", time_zone="Europe/Madrid")
    assert client.post(url, data).status_code == 302
    assert "Centro" in text(client.get("/setup/places/"))
    assert audited("location.changed").new["short_name"] == "Centro"


def test_a_room_loses_no_use_that_visits_need_unseen(clinic: Clinic, as_: Callable[[str], Client]) -> None:
    clinic.appointment(starts_at=clinic.at(10, day=workday(clinic.today)), kind="consultation")
    client, url = as_("ortiz"), f"/setup/rooms/{clinic.room.pk}/"
    page = client.post(url, {"name": "Room 2", "capabilities": ["injection"]})
    assert page.status_code == 409
    assert "1 booked visit is hit" in text(page)
    # Renaming alone hits nobody.
    keep = {"name": "Blue room", "capabilities": clinic.room.capabilities}
    assert client.post(url, keep).status_code == 302
    assert Room.objects.get(pk=clinic.room.pk).name == "Blue room"


def test_a_device_with_visits_leaves_service_only_after_they_were_seen(
    clinic: Clinic, as_: Callable[[str], Client]
) -> None:
    clinic.appointment(starts_at=clinic.at(10, day=workday(clinic.today)), device=clinic.pen)
    client, url = as_("ortiz"), f"/setup/devices/{clinic.pen.pk}/service/"
    page = client.post(url, {"to": "out"})
    assert page.status_code == 409
    assert Device.objects.get().in_service
    client.post(url, {"to": "out", "accepted": page.context["hits_seen"]})
    assert not Device.objects.get().in_service
    client.post(url, {"to": "in"})
    assert Device.objects.get().in_service


def test_names_are_taken_once_per_location(clinic: Clinic) -> None:
    with pytest.raises(SetupError) as refused:
        places.add_room(location=clinic.location, by=clinic.ortiz, name="room 2", capabilities=[])
    assert refused.value.field == "name"
    with pytest.raises(SetupError):
        places.add_device(
            location=clinic.location, by=clinic.ortiz, name="Needling pen A", kind="needling-pen", in_service=True
        )  # fmt: skip


# ---- hours -------------------------------------------------------------------------------------------------


def set_week(client: Client, clinic: Clinic, data: dict[str, Any], **more: Any) -> Any:
    current = hours.week_of(clinic.practitioner, clinic.location)
    form = {"place": clinic.location.pk, "seen": hours.state(current)} | data | more
    return client.post(f"/setup/hours/{clinic.practitioner.pk}/", form)


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"1-2-from": "16:00", "1-2-to": "18:00"}, "1-2-from", "overlaps 09:00 to 17:00"),
        ({"2-1-to": ""}, "2-1-to", "enter from and to"),
        ({"3-1-to": "08:00"}, "3-1-to", "must be later than 09:00"),
        ({"4-1-from": "noon"}, "4-1-from", "Write a time such as 09:00"),
    ],
)
def test_faulty_hours_are_told_beside_the_field_and_stay_typed(
    clinic: Clinic, as_: Callable[[str], Client], values: dict[str, str], field: str, words: str
) -> None:
    page = set_week(as_("ortiz"), clinic, WEEK | values)
    assert page.status_code == 422
    assert words in str(page.context["form"].errors[field])
    assert f'id="id_{field}_error"' in text(page)
    for value in values.values():
        assert not value or f'value="{value}"' in text(page)
    assert WorkingHours.objects.filter(practitioner=clinic.practitioner, ends=time(20)).count() == 5


def test_hours_at_two_places_do_not_overlap(clinic: Clinic, as_: Callable[[str], Client]) -> None:
    south = Location.objects.create(
        name="Sur", short_name="Sur", time_zone="Atlantic/Canary", phone="1", address="x"
    )
    data = {"place": south.pk, "seen": hours.state([]), "6-1-from": "09:00", "6-1-to": "12:00"}
    url = f"/setup/hours/{clinic.practitioner.pk}/"
    client = as_("ortiz")
    page = client.post(url, data | {"2-1-from": "18:00", "2-1-to": "21:00"})
    assert page.status_code == 422
    assert "works 09:00 to 20:00 in Madrid" in str(page.context["form"].errors["2-1-from"])
    assert client.post(url, data).status_code == 302
    assert audited("hours.changed").new["hours"] == ["Saturday 09:00 to 12:00"]


def test_the_database_refuses_overlapping_hours_whoever_writes_them(clinic: Clinic) -> None:
    values = {"practitioner": clinic.practitioner, "location": clinic.location, "weekday": 1}
    with pytest.raises(IntegrityError, match="hours_do_not_overlap"), transaction.atomic():
        WorkingHours.objects.create(**values, starts=time(19), ends=time(21))
    WorkingHours.objects.create(**values, starts=time(20), ends=time(21))


def test_shorter_hours_show_the_visits_that_they_hit(clinic: Clinic, as_: Callable[[str], Client]) -> None:
    day = workday(clinic.today)
    clinic.appointment(starts_at=clinic.at(10, day=day))
    late = clinic.appointment(starts_at=clinic.at(18, day=day), patient=clinic.patient("Eva", "Ruiz"))
    client = as_("ortiz")
    page = set_week(client, clinic, WEEK)
    assert page.status_code == 409
    assert [row["visit"] for row in page.context["hits"]] == [late]
    assert "18:00 to 18:30" in text(page)
    assert WorkingHours.objects.filter(ends=time(17)).count() == 0
    # Another visit is booked meanwhile: what was accepted no longer says everything.
    seen = page.context["hits_seen"]
    more = clinic.appointment(starts_at=clinic.at(19, day=day), patient=clinic.patient("Ana", "Gil"))
    page = set_week(client, clinic, WEEK, accepted=seen)
    assert [row["visit"] for row in page.context["hits"]] == [late, more]
    assert set_week(client, clinic, WEEK, accepted=page.context["hits_seen"]).status_code == 302
    late.refresh_from_db()
    assert (late.status, late.starts_at) == ("booked", clinic.at(18, day=day))
    # Accepted once: the next change does not ask about them again.
    assert set_week(client, clinic, WEEK | {"5-1-to": "18:00"}).status_code == 302


def test_hours_that_somebody_else_changed_are_not_overwritten(
    clinic: Clinic, as_: Callable[[str], Client]
) -> None:
    page = set_week(as_("ortiz"), clinic, WEEK, seen=hours.state([]))
    assert page.status_code == 422
    assert "Somebody else changed" in text(page)


def test_monday_is_copied_without_saving(clinic: Clinic, as_: Callable[[str], Client]) -> None:
    page = set_week(as_("ortiz"), clinic, {"1-1-from": "08:15", "1-1-to": "13:45"}, copy="1")
    assert page.status_code == 200
    assert text(page).count('value="08:15"') == 5
    assert WorkingHours.objects.filter(starts=time(8, 15)).count() == 0


def test_an_absence_shows_what_it_hits_and_moves_nothing(
    clinic: Clinic, as_: Callable[[str], Client]
) -> None:
    day = workday(clinic.today)
    visit = clinic.appointment(starts_at=clinic.at(10, day=day))
    # The front desk takes the call of somebody ill; the week's hours stay the manager's.
    client = as_("marta")
    assert 'href="/setup/absences/new/"' in text(client.get(reverse("sessions:courses-to-book")))
    assert client.get("/setup/hours/").status_code == 403
    data = {"practitioner": clinic.practitioner.pk, "first_day": day.isoformat(), "reason": "Congress"}
    page = client.post("/setup/absences/new/", data)
    assert page.status_code == 409
    assert "Lea Brandt" in text(page)
    assert not Absence.objects.exists()
    client.post("/setup/absences/new/", data | {"accepted": page.context["hits_seen"]})
    absence = Absence.objects.get()
    assert absence.starts_at == clinic.at(0, day=day)
    assert absence.ends_at == clinic.at(0, day=day + timedelta(days=1))
    visit.refresh_from_db()
    assert visit.status == "booked"
    # What is left to move stands on its page; only newly hit visits are asked about.
    assert "1 visit to move" in text(client.get(f"/setup/absences/{absence.pk}/"))
    assert (
        client.post(f"/setup/absences/{absence.pk}/", data | {"reason": "Congress, Rome"}).status_code == 302
    )
    assert audited("absence.changed").new == {"reason": "Congress, Rome"}
    # Twice away at the same time is a slip.
    page = client.post("/setup/absences/new/", data)
    assert "is already away" in str(page.context["form"].errors["first_day"])
    client.post(f"/setup/absences/{absence.pk}/remove/")
    assert not Absence.objects.exists()
    assert audited("absence.removed").old["reason"] == "Congress, Rome"


def test_an_absence_of_hours_stands_on_the_clock_of_the_practitioners_place(clinic: Clinic) -> None:
    clinic.location.time_zone = "Atlantic/Canary"
    clinic.location.save()
    client = Client()
    client.force_login(clinic.ortiz)
    day = workday(clinic.today)
    data = {
        "practitioner": clinic.nurse.pk,
        "first_day": day.isoformat(),
        "first_time": "12:00",
        "last_time": "16:00",
    }
    assert client.post("/setup/absences/new/", data).status_code == 302
    local = Absence.objects.get().starts_at.astimezone(clinic.location.zone)
    assert (local.date(), local.time()) == (day, time(12))
    assert "12:00 to 16:00" in text(client.get("/setup/absences/"))


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"last_day": -1}, "last_day", "before the first"),
        ({"first_time": "16:00", "last_time": "12:00"}, "last_time", "later than the start"),
        ({"first_day": -10}, "first_day", "over already"),
        ({"first_day": 4000}, "first_day", "next five years"),
        ({"first_day": ""}, "first_day", "Enter the first day"),
        ({"reason": ""}, "reason", "Enter the reason"),
    ],
)
def test_a_faulty_closure_is_told_beside_the_field(
    clinic: Clinic, as_: Callable[[str], Client], values: dict[str, Any], field: str, words: str
) -> None:
    days = {"first_day": 5} | values
    data: dict[str, Any] = {"location": clinic.location.pk, "reason": "Works"}
    for name, value in days.items():
        data[name] = (clinic.today + timedelta(days=value)).isoformat() if isinstance(value, int) else value
    page = as_("ortiz").post("/setup/closures/new/", data)
    assert page.status_code == 422
    assert words in str(page.context["form"].errors[field])
    assert not Closure.objects.exists()


def test_a_closure_shows_what_it_hits(clinic: Clinic, as_: Callable[[str], Client]) -> None:
    day = workday(clinic.today)
    clinic.appointment(starts_at=clinic.at(10, day=day))
    clinic.appointment(starts_at=clinic.at(12, day=day), status="cancelled")
    client = as_("ortiz")
    data = {"location": clinic.location.pk, "first_day": day.isoformat(), "reason": "Holiday"}
    page = client.post("/setup/closures/new/", data)
    assert page.status_code == 409
    assert page.context["hit_count"] == 1
    client.post("/setup/closures/new/", data | {"accepted": page.context["hits_seen"]})
    closure = Closure.objects.get()
    longer = {
        "first_day": day.isoformat(), "last_day": (day + timedelta(days=2)).isoformat(), "reason": "Holiday"
    }  # fmt: skip
    assert client.post(f"/setup/closures/{closure.pk}/", longer).status_code == 302
    assert audited("closure.changed").old["ends_at"]
    client.post(f"/setup/closures/{closure.pk}/remove/")
    assert not Closure.objects.exists()


def test_what_is_over_stays_as_it_was(clinic: Clinic) -> None:
    now = timezone.now()
    gone = Absence.objects.create(
        practitioner=clinic.nurse, starts_at=now - timedelta(days=3), ends_at=now - timedelta(days=2)
    )
    with pytest.raises(SetupError):
        away.remove(row=gone, by=clinic.ortiz, now=now)
    with pytest.raises(SetupError):
        away.change_time(
            row=gone, starts_at=now, ends_at=now + timedelta(days=1), reason="", by=clinic.ortiz, now=now
        )


def test_nothing_is_saved_when_visits_are_hit(clinic: Clinic) -> None:
    clinic.appointment(starts_at=clinic.at(10, day=workday(clinic.today)))
    events = AuditEvent.objects.count()
    with pytest.raises(VisitsHit) as hit:
        hours.set_week(
            practitioner=clinic.practitioner, location=clinic.location, week=[],
            seen=hours.state(hours.week_of(clinic.practitioner, clinic.location)), by=clinic.ortiz, now=timezone.now(),
        )  # fmt: skip
    assert len(fingerprint(hit.value.visits)) == 32
    assert AuditEvent.objects.count() == events


def test_equal_days_are_told_together() -> None:
    week = [(day, time(9), time(14)) for day in (1, 2, 3, 4, 5)] + [
        (day, time(15), time(19)) for day in (1, 2, 3, 4)
    ]
    assert queries.week_lines(week) == ["Mon to Thu 09:00 to 14:00, 15:00 to 19:00", "Fri 09:00 to 14:00"]


# ---- stock -------------------------------------------------------------------------------------------------


def product_data(**values: Any) -> dict[str, Any]:
    return {
        "agent": "vitamin-c", "name": "Ascorbal", "manufacturer": "Salus", "gtin": GTIN, "pack_ml": "5",
        "concentration_mg_per_ml": "",
    } | values  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "kept"),
    [(GTIN, f"0{GTIN}"), ("4006 3813 3393 1", f"0{GTIN}"), ("04006381333931", "04006381333931"), ("96385074", "00000096385074")],
)  # fmt: skip
def test_a_gtin_is_kept_as_fourteen_digits(typed: str, kept: str) -> None:
    assert gtin(typed) == kept


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"gtin": "4006381333930"}, "gtin", "check digit does not fit"),
        ({"gtin": "40063813339"}, "gtin", "these are 11"),
        ({"gtin": "no digits"}, "gtin", "Digits only"),
        ({"gtin": GTIN}, "gtin", "Another product has this GTIN"),
        ({"pack_ml": "0"}, "pack_ml", "more than 0 mL"),
        ({"agent": "moonshine"}, "agent", "Not in the catalogue"),
        ({"concentration_mg_per_ml": "50"}, "concentration_mg_per_ml", "every dose would be wrong"),
    ],
)
def test_a_faulty_product_is_told_beside_the_field(
    clinic: Clinic, as_: Callable[[str], Client], values: dict[str, str], field: str, words: str
) -> None:
    Product.objects.filter(agent="saline").update(gtin="04006381333931")
    values = {"gtin": "96385074"} | values
    page = as_("roca").post("/products/new/", product_data(**values))
    assert page.status_code == 422
    assert words in str(page.context["form"].errors[field])
    assert not Product.objects.filter(agent="vitamin-c").exists()


def test_an_old_gtin_does_not_stop_other_corrections(clinic: Clinic, as_: Callable[[str], Client]) -> None:
    product = Product.objects.get(agent="saline")
    url = f"/products/{product.pk}/edit/"
    data = product_data(agent="saline", name="Sodium chloride", gtin=product.gtin, pack_ml="10")
    assert as_("roca").post(url, data).status_code == 302
    product.refresh_from_db()
    assert (product.name, product.pack_ml) == ("Sodium chloride", Decimal(10))
    assert audited("product.changed").old["pack_ml"] == "5.00"


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"expires_on": "2020-01-31"}, "expires_on", "expired"),
        ({"expires_on": "0026-01-31"}, "expires_on", "Check the year"),
        ({"number": "lot-1"}, "number", "already"),
        ({"received_ml": "-1"}, "received_ml", "more than 0 mL"),
    ],
)
def test_a_faulty_lot_is_told_beside_the_field(
    clinic: Clinic, as_: Callable[[str], Client], values: dict[str, str], field: str, words: str
) -> None:
    product = Product.objects.get(agent="saline")
    data = {
        "number": "NEW-1", "expires_on": (clinic.today + timedelta(days=90)).isoformat(), "received_ml": "20"
    }  # fmt: skip
    page = as_("roca").post(f"/products/{product.pk}/", data | values)
    assert page.status_code == 422
    assert words in str(page.context["form"].errors[field])
    assert product.lots.count() == 1


def test_a_blocked_lot_is_not_offered_until_released(clinic: Clinic, as_: Callable[[str], Client]) -> None:
    lot, client = clinic.lots["saline"], as_("roca")
    url = f"/lots/{lot.pk}/"

    def offered() -> bool:
        return usable_lots(agents={"saline"}, on=clinic.today).filter(pk=lot.pk).exists()

    page = client.post(url, {"act": "quarantine", "reason": " "})
    assert page.status_code == 422
    assert offered()
    client.post(url, {"act": "quarantine", "reason": "Broken seal"})
    assert not offered()
    assert "Broken seal" in text(client.get(f"/products/{lot.product_id}/"))
    assert audited("lot.quarantined").reason == "Broken seal"
    client.post(url, {"act": "release", "reason": "Seal was the carton's only"})
    assert offered()
    Lot.objects.filter(pk=lot.pk).update(status="recalled")
    with pytest.raises(SetupError):
        stock.release(lot=lot, reason="please", by=clinic.roca)


def test_a_container_open_too_long_is_not_offered(clinic: Clinic, as_: Callable[[str], Client]) -> None:
    lot, client = clinic.lots["saline"], as_("roca")
    days = {"opened_on": clinic.today - timedelta(days=8), "discard_after": clinic.today - timedelta(days=1)}
    page = client.post(f"/lots/{lot.pk}/", {"act": "open", "opened_on": clinic.today.isoformat()})
    assert page.status_code == 422
    assert "last day it may be used" in str(page.context["opened"].errors["discard_after"])
    client.post(f"/lots/{lot.pk}/", {"act": "open"} | {name: day.isoformat() for name, day in days.items()})
    lot.refresh_from_db()
    assert lot.discard_after == days["discard_after"]
    assert not usable_lots(agents={"saline"}, on=clinic.today).exists()
    assert "discard it" in text(client.get(f"/products/{lot.product_id}/"))
    # Discarded: nothing stands open any more.
    client.post(f"/lots/{lot.pk}/", {"act": "open"})
    assert usable_lots(agents={"saline"}, on=clinic.today).exists()
    with pytest.raises(SetupError, match="expires earlier"):
        stock.note_opened(
            lot=lot, opened_on=clinic.today, discard_after=lot.expires_on + timedelta(days=1), by=clinic.roca
        )


def test_the_database_records_no_dose_from_a_container_open_too_long(clinic: Clinic) -> None:
    from sessions.models import MixedComponent, TreatmentRecord

    visit = clinic.appointment(status="in-treatment")
    record = TreatmentRecord.objects.create(
        appointment=visit, patient=clinic.lea, operator=clinic.roca, opened_at=timezone.now()
    )
    lot = clinic.lots["saline"]
    values: dict[str, Any] = {
        "record": record, "concern": "pigment/face", "cocktail": "CK-PIG-1", "agent": "saline",
        "volume_ml": Decimal(30), "lot": lot,
    }  # fmt: skip
    component = MixedComponent.objects.create(**values)
    with pytest.raises(SetupError, match="30 mL of this lot"):
        stock.correct(
            lot=lot, number=lot.number, expires_on=lot.expires_on, received_ml=Decimal(20), by=clinic.roca
        )
    with pytest.raises(SetupError, match="already given"):
        stock.change_product(
            product=lot.product, by=clinic.roca, agent="biotin", name="x", manufacturer="x", gtin=lot.product.gtin,
            pack_ml=Decimal(5), concentration_mg_per_ml=None,
        )  # fmt: skip
    component.delete()
    Lot.objects.filter(pk=lot.pk).update(
        opened_on=clinic.today - timedelta(days=5), discard_after=clinic.today - timedelta(days=2)
    )
    with pytest.raises(IntegrityError, match="past its day"), transaction.atomic():
        MixedComponent.objects.create(**values)


# ---- lists -------------------------------------------------------------------------------------------------


def more_of_everything(clinic: Clinic, count: int) -> None:
    """Rows of every kind, more than before."""
    start = timezone.now() + timedelta(days=20)
    for number in range(count):
        key = f"{count}-{number}"
        place = Location.objects.create(
            name=f"Site {key}", short_name=key, time_zone="Europe/Madrid", phone="1", address="x"
        )
        Room.objects.create(location=place, name="Room", capabilities=["injection"])
        Device.objects.create(location=clinic.location, name=f"Pen {key}", kind="needling-pen")
        Room.objects.create(location=clinic.location, name=f"Room {key}", capabilities=["injection"])
        person = clinic.practise(clinic.user(f"nurse{key}", f"Nurse {key}", "nurse"))
        span = {"starts_at": start, "ends_at": start + timedelta(days=1)}
        Absence.objects.create(practitioner=person, **span)
        Closure.objects.create(location=place, reason="Works", **span)
        product = Product.objects.create(
            agent="saline", name=f"Salt {key}", manufacturer="x", gtin=f"9{count:03d}{number:010d}", pack_ml=1
        )
        for owner in (product, clinic.lots["saline"].product):
            Lot.objects.create(
                product=owner, number=f"L{key}", expires_on=clinic.today + timedelta(days=9), received_ml=1
            )


@pytest.mark.parametrize(
    "url",
    ["/setup/", "/setup/people/", "/setup/people/?q=n", "/setup/places/", "/setup/places/{place}/", "/setup/hours/",
     "/setup/absences/", "/setup/closures/", "/products/", "/products/{product}/", "/"],
)  # fmt: skip
def test_a_list_costs_the_same_however_long_it_is(
    clinic: Clinic, as_: Callable[[str], Client], url: str
) -> None:
    client = as_("admin")
    path = url.format(place=clinic.location.pk, product=clinic.lots["saline"].product_id)

    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(path).status_code == 200
        return len(captured)

    more_of_everything(clinic, 1)
    cost()
    before = cost()
    more_of_everything(clinic, 4)
    assert cost() == before


def test_lists_are_searched_and_paged(clinic: Clinic, as_: Callable[[str], Client]) -> None:
    for number in range(30):
        clinic.user(f"desk{number}", f"Desk {number:02d}", "front-desk")
    client = as_("admin")
    assert "1 to 25 of 35" in text(client.get("/setup/people/"))
    assert "Desk 29" in text(client.get("/setup/people/?page=2&q=desk"))
    assert "Nobody by this name" in text(client.get("/setup/people/?q=zzz"))
    assert "No account is closed" in text(client.get("/setup/people/?closed=1"))
    assert "Nobody is away" in text(client.get("/setup/absences/"))
    assert "No location is closed" in text(client.get("/setup/closures/"))
    assert "No product with this name" in text(client.get("/products/?q=zzz"))


# ---- two people at once ------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", ["absence", "closure", "hours", "account"])
def test_a_visit_booked_at_the_same_moment_is_still_shown(what: str) -> None:
    """The booking is not committed yet when the change begins: the change waits for it and then sees it."""
    clinic = Clinic(today=timezone.localdate())
    day, now = workday(clinic.today), timezone.now()
    start = clinic.at(10, day=day)
    span = {"starts_at": clinic.at(0, day=day), "ends_at": clinic.at(0, day=day + timedelta(days=1))}
    seen = hours.state(hours.week_of(clinic.practitioner, clinic.location))
    common: dict[str, Any] = {"by": clinic.admin, "now": now}
    acts: dict[str, Callable[[], Any]] = {
        "absence": lambda: away.add_absence(practitioner=clinic.practitioner, reason="", **span, **common),
        "closure": lambda: away.add_closure(location=clinic.location, reason="Works", **span, **common),
        "hours": lambda: hours.set_week(
            practitioner=clinic.practitioner, location=clinic.location, week=[], seen=seen, **common
        ),
        "account": lambda: people.deactivate(user=clinic.amari, **common),
    }
    found: list[Any] = []

    def change() -> None:
        try:
            found.append(acts[what]())
        except VisitsHit as hit:
            found.append(hit.visits)
        finally:
            connections.close_all()

    thread = threading.Thread(target=change)
    with transaction.atomic():
        booking.book_single(
            patient=clinic.lea, location=clinic.location, kind="consultation", by=clinic.marta, now=now,
            slot=Slot(0, 0, start, start + timedelta(minutes=30), clinic.practitioner.pk, clinic.room.pk, None, 0),
        )  # fmt: skip
        thread.start()
        thread.join(timeout=0.5)
        assert thread.is_alive(), "the change did not wait for the booking"
    thread.join(timeout=20)
    assert found == [[Appointment.objects.get()]]
