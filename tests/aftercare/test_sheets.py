"""Issuing, printing and keeping aftercare sheets."""

import hashlib
import io
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone
from pypdf import PdfReader

from aftercare import actions
from aftercare.models import IssuedSheet
from sessions.actions import treatment
from sessions.models import Appointment, TreatmentRecord
from tests.clinic import Clinic
from tests.sessions.test_treatment import answer_all, mix, signed_plan

pytestmark = pytest.mark.django_db


@pytest.fixture
def clinic() -> Clinic:
    return Clinic(today=timezone.localdate())


@pytest.fixture
def open_record(clinic: Clinic) -> TreatmentRecord:
    session = signed_plan(clinic).planned_sessions.get(number=1)
    appointment = clinic.appointment(planned_session=session, status=Appointment.Status.ARRIVED)
    record = treatment.open_record(appointment=appointment, by=clinic.roca, now=timezone.now())
    answer_all(record, clinic)
    return record


@pytest.fixture
def record(open_record: TreatmentRecord, clinic: Clinic) -> TreatmentRecord:
    now = timezone.now()
    treatment.start_treatment(record=open_record, by=clinic.roca, now=now)
    mix(open_record, clinic)
    treatment.sign_record(record=open_record, by=clinic.roca, now=now + timedelta(minutes=20))
    open_record.refresh_from_db()
    return open_record


def issue(
    record: TreatmentRecord, clinic: Clinic, language: str = "en", *, large: bool = False
) -> IssuedSheet:
    return actions.issue(
        record=record, by=clinic.roca, now=timezone.now(), language=language, large_print=large, paper="A4"
    )


def text_of(sheet: IssuedSheet) -> str:
    pages = PdfReader(io.BytesIO(bytes(sheet.pdf))).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "Swelling of a leg"),
        ("es", "Hinchazón de una pierna"),
        ("de", "Schwellung eines Beines"),
        ("fr", "Gonflement d"),
    ],
)
def test_the_printed_sheet_says_what_was_done_whom_to_call_and_what_is_grave(
    record: TreatmentRecord, clinic: Clinic, language: str, words: str
) -> None:
    sheet = issue(record, clinic, language)
    text = text_of(sheet)
    for part in (
        words,
        clinic.location.phone,
        "112",
        "Lea Brandt",
        record.patient.record_number,
        str(sheet.number),
    ):
        assert part in text
    assert len(PdfReader(io.BytesIO(bytes(sheet.pdf))).pages) == 1
    assert sheet.pdf_sha256 == hashlib.sha256(bytes(sheet.pdf)).hexdigest()


def test_printing_again_gives_the_same_sheet_byte_for_byte(record: TreatmentRecord, clinic: Clinic) -> None:
    first = issue(record, clinic)
    assert issue(record, clinic).pk == first.pk
    from aftercare.rendering import render_pdf

    assert render_pdf(first.html, number=first.number) == bytes(first.pdf)


def test_a_new_appointment_makes_a_new_sheet(record: TreatmentRecord, clinic: Clinic) -> None:
    first = issue(record, clinic)
    clinic.appointment(starts_at=timezone.now() + timedelta(days=14))
    assert issue(record, clinic).number != first.number


def test_an_issued_sheet_is_frozen_by_the_database(record: TreatmentRecord, clinic: Clinic) -> None:
    sheet = issue(record, clinic)
    with pytest.raises(IntegrityError), transaction.atomic():
        IssuedSheet.objects.filter(pk=sheet.pk).update(language="es")
    with pytest.raises(IntegrityError), transaction.atomic():
        IssuedSheet.objects.filter(pk=sheet.pk).delete()


def test_an_unsigned_record_has_no_sheet(
    open_record: TreatmentRecord, clinic: Clinic, client: Client
) -> None:
    with pytest.raises(actions.SheetError, match="Sign the treatment record first"):
        issue(open_record, clinic)
    client.force_login(clinic.roca)
    assert client.post(f"/records/{open_record.pk}/sheet/").status_code == 302
    assert IssuedSheet.objects.count() == 0


def test_one_click_after_signing_opens_the_sheet_and_its_pdf(
    record: TreatmentRecord, clinic: Clinic, client: Client
) -> None:
    client.force_login(clinic.roca)
    page = client.post(f"/records/{record.pk}/sheet/", follow=True)
    assert "After your treatment" in page.content.decode()
    sheet = IssuedSheet.objects.get()
    pdf = client.get(f"/sheets/{sheet.number}/pdf/")
    assert (pdf.headers["Content-Type"], pdf.content) == ("application/pdf", bytes(sheet.pdf))
    assert str(sheet.number) in client.get("/sheets/").content.decode()
    assert "No sheet for this patient" in client.get("/sheets/?q=zzz").content.decode()


def test_managers_see_no_sheet_and_unknown_ones_are_404(
    record: TreatmentRecord, clinic: Clinic, client: Client
) -> None:
    sheet = issue(record, clinic)
    client.force_login(clinic.ortiz)
    assert client.get(f"/sheets/{sheet.number}/pdf/").status_code == 403
    client.force_login(clinic.roca)
    assert client.get("/sheets/999999/").status_code == 404


def test_large_print_takes_more_room(record: TreatmentRecord, clinic: Clinic) -> None:
    large = issue(record, clinic, large=True)
    assert len(PdfReader(io.BytesIO(bytes(large.pdf))).pages) > 1


def test_the_chart_tells_of_the_treatment_and_its_sheet(
    record: TreatmentRecord, clinic: Clinic, client: Client
) -> None:
    sheet = issue(record, clinic)
    client.force_login(clinic.amari)
    page = client.get(f"/patients/{clinic.lea.pk}/").content.decode()
    assert f"Aftercare sheet {sheet.number}" in page
    assert f"/records/{record.pk}/" in page
    client.force_login(clinic.marta)
    assert f"/records/{record.pk}/" not in client.get(f"/patients/{clinic.lea.pk}/").content.decode()


def test_a_corrected_record_gives_no_sheet_any_more(record: TreatmentRecord, clinic: Clinic) -> None:
    now = timezone.now()
    new = treatment.correct_record(record=record, reason="Wrong side", by=clinic.amari, now=now)
    with pytest.raises(actions.SheetError, match="version 2, once it is signed"):
        issue(record, clinic)
    treatment.sign_record(record=new, by=clinic.amari, now=now + timedelta(minutes=30))
    with pytest.raises(actions.SheetError, match=r"Print the sheet of version 2\."):
        issue(record, clinic)
    assert issue(new, clinic).record_id == new.pk


def test_the_printed_sheet_has_doses_its_session_a_page_number_and_the_next_practitioner(
    record: TreatmentRecord, clinic: Clinic
) -> None:
    clinic.appointment(starts_at=timezone.now() + timedelta(days=14))
    text = text_of(issue(record, clinic))
    for words in ("Tranexamic acid 16", "Session 1 of 4", "with Dr. Nadia Amari", "1 / 1", "For the clinic"):
        assert words in text, words


def test_arabic_keeps_doses_and_phones_in_one_piece(record: TreatmentRecord, clinic: Clinic) -> None:
    html = issue(record, clinic, "ar").html
    for piece in ("1.5\u00a0mm", "38.5 °C", "SPF 50+"):
        assert f'<bdi dir="ltr">{piece}</bdi>' in html, piece
    assert "؛ " in html or "، " in html


def test_the_list_of_sheets_hides_names_with_the_rest(
    record: TreatmentRecord, clinic: Clinic, client: Client
) -> None:
    issue(record, clinic, "fr")
    client.force_login(clinic.roca)
    assert "Lea Brandt" in client.get("/sheets/").content.decode()
    assert "French" in client.get("/sheets/").content.decode()
    client.post("/hide-names/")
    assert "Brandt" not in client.get("/sheets/").content.decode()
