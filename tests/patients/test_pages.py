"""The patient pages as the people of the clinic use them."""

from datetime import date
from typing import Any

import pytest
from django.test import Client

from mesoclinic.audit.models import AccessEvent, AuditEvent
from patients.models import Allergy, Patient
from tests.clinic import Clinic

pytestmark = pytest.mark.django_db
NEW: dict[str, Any] = {
    "given_name": "Sofía", "family_name": "Núñez", "birth_date": "1990-02-03", "sex": "female", "phone": "600 555 123",
    "phone_other": "", "email": "sofia@example.org", "language": "es", "channel": "email", "consent_messages": "on",
    "note": "",
}  # fmt: skip


@pytest.fixture
def clinic() -> Clinic:
    return Clinic(today=date.today())


@pytest.fixture
def desk(client: Client, clinic: Clinic) -> Client:
    client.force_login(clinic.marta)
    return client


@pytest.fixture
def physician(clinic: Clinic) -> Client:
    client = Client()
    client.force_login(clinic.amari)
    return client


def test_the_front_desk_registers_a_patient(desk: Client) -> None:
    response = desk.post("/patients/new/", NEW)
    sofia = Patient.objects.get(family_name="Núñez")
    assert response.headers["Location"] == f"/patients/{sofia.pk}/"
    assert (sofia.phone, sofia.language) == ("+34600555123", "es")
    assert AuditEvent.objects.filter(type="patient.registered", patient_id=sofia.pk).exists()


def test_the_same_person_is_shown_before_a_second_one_is_made(desk: Client, clinic: Clinic) -> None:
    born = clinic.lea.birth_date.isoformat()
    again = NEW | {"given_name": "Léa", "family_name": "Brant", "birth_date": born}
    page = desk.post("/patients/new/", again).content.decode()
    assert "Is it one of these?" in page
    assert 'value="Brant"' in page
    assert Patient.objects.count() == 1
    desk.post("/patients/new/", again | {"different": "1"})
    assert Patient.objects.count() == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [("birth_date", "2090-01-01"), ("birth_date", "1788-01-01"), ("birth_date", "31.31.1990"), ("phone", "call me"),
     ("given_name", ""), ("given_name", "x" * 10_000), ("sex", "robot"), ("email", "no"), ("note", "x" * 100_000),
     ("family_name", "a\x00b")],
)  # fmt: skip
def test_bad_input_is_told_beside_the_field_and_kept(desk: Client, field: str, value: str) -> None:
    before = Patient.objects.count()
    response = desk.post("/patients/new/", NEW | {field: value})
    assert response.status_code == 422
    assert f'id="id_{field}_error"' in response.content.decode()
    assert "sofia@example.org" in response.content.decode() or field == "email"
    assert Patient.objects.count() == before


def test_the_chart_is_noted_and_the_front_desk_sees_no_clinical_fact(desk: Client, clinic: Clinic) -> None:
    Allergy.objects.create(patient=clinic.lea, substance="lidocaine")
    page = desk.get(f"/patients/{clinic.lea.pk}/").content.decode()
    assert "Lidocaine" not in page
    assert AccessEvent.objects.filter(patient_id=clinic.lea.pk, what="chart").count() == 1
    assert desk.get(f"/patients/{clinic.lea.pk}/profile/").status_code == 403


def test_the_physician_sees_the_allergy_on_every_page(physician: Client, clinic: Clinic) -> None:
    Allergy.objects.create(patient=clinic.lea, substance="lidocaine")
    for page in ("", "profile/"):
        assert "Lidocaine" in physician.get(f"/patients/{clinic.lea.pk}/{page}").content.decode()


def test_a_fact_is_added_and_taken_back_with_a_reason(physician: Client, clinic: Clinic) -> None:
    home = f"/patients/{clinic.lea.pk}/profile/allergies/"
    physician.post(home, {"substance": "lidocaine", "reaction": "urticaria"})
    fact = clinic.lea.allergies.get()
    assert physician.post(f"{home}{fact.pk}/retract/", {"reason": ""}).status_code == 422
    physician.post(f"{home}{fact.pk}/retract/", {"reason": "wrong patient"})
    fact.refresh_from_db()
    assert (fact.retracted_by, fact.retracted_reason) == (clinic.amari, "wrong patient")
    assert Allergy.objects.count() == 1


def test_asked_and_none_is_an_answer(physician: Client, clinic: Clinic) -> None:
    ana = clinic.patient("Ana", "Gil", allergies_asked_on=None)
    physician.post(f"/patients/{ana.pk}/profile/allergies/", {"none": "1"})
    ana.refresh_from_db()
    assert ana.allergies_asked_on == clinic.today


def test_two_people_changing_one_patient_lose_nothing(
    physician: Client, desk: Client, clinic: Clinic
) -> None:
    contact = NEW | {"version": "1", "given_name": "Lea", "family_name": "Brandt"}
    home = f"/patients/{clinic.lea.pk}/contact/"
    assert desk.post(home, contact | {"email": "one@example.org"}).status_code == 302
    late = physician.post(home.replace("contact", "profile"), {"version": "1", "weight_kg": "59"})
    assert late.status_code == 422
    assert 'value="59"' in late.content.decode()


@pytest.mark.parametrize("path", ["", "contact/", "profile/"])
def test_an_unknown_patient_is_404(physician: Client, path: str) -> None:
    assert physician.get(f"/patients/999999/{path}").status_code == 404


def test_a_fact_of_another_patient_is_404(physician: Client, clinic: Clinic) -> None:
    other = clinic.patient("Ana", "Gil")
    fact = Allergy.objects.create(patient=other, substance="lidocaine")
    path = f"/patients/{clinic.lea.pk}/profile/allergies/{fact.pk}/retract/"
    assert physician.post(path, {"reason": "x"}).status_code == 404
    assert physician.post(f"/patients/{clinic.lea.pk}/profile/moods/", {}).status_code == 404


def test_the_list_costs_the_same_for_many_patients(
    desk: Client, clinic: Clinic, django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        clinic.patient(f"Given{number}", "Same")
    with django_assert_max_num_queries(17):
        page = desk.get("/patients/").content.decode()
    assert "1 to 25 of 31" in page
    assert "Nobody by this name" in desk.get("/patients/?q=zzzzqqq").content.decode()


def test_the_preferred_channel_needs_somewhere_to_reach_the_patient(desk: Client) -> None:
    silent = NEW | {"phone": "", "email": "", "consent_messages": ""}
    text = desk.post("/patients/new/", silent).content.decode()
    assert "E-mail is the preferred channel: enter an address" in text
    text = desk.post("/patients/new/", silent | {"channel": "sms"}).content.decode()
    assert "needs a phone number" in text
    assert Patient.objects.count() == 1


def test_a_minor_is_pointed_out_while_registering(desk: Client) -> None:
    young = f"{date.today().year - 15}-02-03"
    text = desk.post("/patients/new/", NEW | {"birth_date": young, "email": "no"}).content.decode()
    assert "Under 18: a guardian consents" in text
    assert "Under 18" not in desk.post("/patients/new/", NEW | {"email": "no"}).content.decode()


def test_a_birth_date_is_taken_as_people_write_it(desk: Client) -> None:
    desk.post("/patients/new/", NEW | {"birth_date": "3 Feb 1990"})
    assert Patient.objects.get(family_name="Núñez").birth_date == date(1990, 2, 3)


def test_languages_phones_and_laboratory_values_are_in_words(physician: Client, clinic: Clinic) -> None:
    from patients.models import LabValue

    Patient.objects.filter(pk=clinic.lea.pk).update(language="fr")
    for code, value, unit in (("fbc", 0, "flag"), ("ferritin", 44, "ug/L")):
        LabValue.objects.create(patient=clinic.lea, code=code, value=value, unit=unit, taken_on=clinic.today)
    text = physician.get("/patients/").content.decode()
    assert "French" in text
    assert "+34 600 55 50 01" in text
    text = physician.get(f"/patients/{clinic.lea.pk}/profile/").content.decode()
    assert "Full blood count, normal" in text
    assert "Ferritin, 44 µg/L" in text
    assert "French" in text.split('id="patient-banner"')[1]


def test_a_medicine_that_ended_this_year_stays_in_the_banner(physician: Client, clinic: Clinic) -> None:
    from datetime import timedelta

    from patients.models import Medication

    for days, code in ((40, "isotretinoin-oral"), (900, "minoxidil-oral")):
        Medication.objects.create(
            patient=clinic.lea, code=code, current=False, last_dose=clinic.today - timedelta(days=days)
        )
    banner = (
        physician.get(f"/patients/{clinic.lea.pk}/profile/").content.decode().split('id="patient-banner"')[1]
    )
    banner = banner.split("</section>")[0]
    assert "Isotretinoin by mouth to " in banner
    assert "Minoxidil" not in banner


def test_a_reloaded_fact_leads_back_to_the_profile(physician: Client, clinic: Clinic) -> None:
    response = physician.get(f"/patients/{clinic.lea.pk}/profile/allergies/")
    assert response["Location"] == f"/patients/{clinic.lea.pk}/profile/"


def test_the_trail_is_read_in_words_to_its_last_page(clinic: Clinic) -> None:
    from mesoclinic.audit.actions import record

    for _number in range(60):
        record(type="appointment.cancelled", target=clinic.lea, by=clinic.marta, patient_id=clinic.lea.pk)
    client = Client()
    client.force_login(clinic.ortiz)
    text = client.get("/audit/").content.decode()
    assert "Visit cancelled" in text
    assert "appointment.cancelled" not in text
    assert 'rel="next"' in text
    assert "51 to 60 of 60" in client.get("/audit/?q=visit+canc&page=2").content.decode()
    assert "Visit cancelled" in client.get("/audit/?q=visit+canc").content.decode()
    client.post("/hide-names/")
    assert "Brandt" not in client.get("/audit/").content.decode()


@pytest.mark.parametrize("hidden", ["\u200b", "\u200d", "\ufeff", "\u2060", "\u202e", "\u00ad"])
def test_what_has_no_width_does_not_get_into_a_name(desk: Client, hidden: str) -> None:
    desk.post(
        "/patients/new/", NEW | {"given_name": f"So{hidden}fía{hidden}", "family_name": f"{hidden}Núñez  Gil"}
    )
    sofia = Patient.objects.get(email="sofia@example.org")
    assert (sofia.given_name, sofia.family_name) == ("Sofía", "Núñez Gil")
    edited = NEW | {"given_name": f"Sof{hidden}ia", "version": sofia.version}
    assert desk.post(f"/patients/{sofia.pk}/contact/", edited).status_code == 302
    assert Patient.objects.get(pk=sofia.pk).given_name == "Sofia"


def test_a_name_without_a_visible_letter_is_refused(desk: Client, clinic: Clinic) -> None:
    page = desk.post("/patients/new/", NEW | {"given_name": "\u200b\u200d"})
    assert page.status_code == 422
    assert "letter that can be seen" in page.content.decode()
    assert Patient.objects.count() == 1
