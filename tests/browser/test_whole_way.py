"""The whole way once: four people take a new patient from the telephone to the printed aftercare sheet."""

import io
import re
from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect
from pypdf import PdfReader

from mesoclinic.celery import app
from patients.models import Patient
from protocols.models import TreatmentPlan
from sessions.models import Appointment, CourseBooking, Lot, Message, Product, TreatmentRecord
from sessions.scheduling.diary import CLEANUP, SETUP
from tests.browser.conftest import Person
from tests.clinic import Clinic

pytestmark = pytest.mark.django_db(transaction=True)
REGIONS = {"forehead": (2, 3), "left_malar": (3, 3), "right_malar": (4, 3), "chin": (1, 2)}


def the_day_comes(visit: Appointment, ago: timedelta = timedelta(minutes=2)) -> None:
    """Time passes: the visit is now, or was some time ago."""
    length = visit.ends_at - visit.starts_at
    start = timezone.now() - ago
    visit.starts_at, visit.ends_at = start, start + length
    visit.occupied_from, visit.occupied_until = start - SETUP, start + length + CLEANUP
    visit.save()


def register_and_book_the_first_visit(desk: Person) -> Patient:
    """The front desk on the telephone."""
    desk.go("/patients/new/")
    desk.accessible()
    for name, value in (("given_name", "Lucía"), ("family_name", "Ferrer Vidal"), ("birth_date", "1988-05-14"),
                        ("phone", "600 555 001"), ("email", "lucia@example.org")):  # fmt: skip
        desk.page.fill(f"[name={name}]", value)
    desk.choose("[name=sex]", "female")
    desk.choose("[name=language]", "es")
    desk.page.check("[name=consent_messages]")
    desk.page.get_by_role("button", name="Register", exact=True).click()
    # Lea Brandt has the same birth date and phone: the desk is asked first, and nothing typed is lost.
    expect(desk.page.get_by_role("heading", name="Is it one of these?")).to_be_visible()
    expect(desk.page.locator("[name=email]")).to_have_value("lucia@example.org")
    desk.accessible()
    desk.page.get_by_role("button", name="It is a different person: register").click()
    expect(desk.page.get_by_role("heading", name="Chart")).to_be_visible()
    desk.accessible()
    desk.page.get_by_role("link", name="New visit").click()
    desk.accessible()
    desk.page.locator(".slot").first.click()
    expect(desk.page.locator("[data-chosen]")).to_contain_text("Room")
    desk.page.get_by_role("button", name="Book visit").click()
    expect(desk.page.locator(".cal")).to_be_visible()
    return Patient.objects.get(family_name="Ferrer Vidal")


def assess_and_sign(amari: Person, patient: Patient) -> TreatmentPlan:
    """Journey 1: from the day's list to the signed plan, at most 25 clicks."""
    page = amari.page
    amari.go("/")
    amari.accessible()
    amari.clicks = 0
    amari.click(page.get_by_role("link", name="Start assessment"))
    expect(page.get_by_role("heading", name="New assessment")).to_be_visible()
    amari.choose("[name=c0-indication]", "pigment")
    expect(page.locator("#c0 .mmasi")).to_be_visible()
    for region, (area, dark) in REGIONS.items():
        # By keyboard, as a practised hand does: the digit chooses.
        page.locator(f"[name=c0-item_{region}_area]").first.focus()
        page.keyboard.press(str(area))
        page.locator(f"[name=c0-item_{region}_darkness]").first.focus()
        page.keyboard.press(str(dark))
    expect(page.locator("#c0-score output.big")).to_have_text("8.3")
    amari.accessible()
    amari.click(page.locator("[name=facts-phototype][value='4']"))
    amari.click(page.locator("[name=facts-pregnancy][value='none']"))
    for name, value in (("weight_kg", "61"), ("consent_signed_on", date.today().isoformat()),
                        ("baseline_photos_on", date.today().isoformat()), ("systolic", "118"), ("diastolic", "74")):  # fmt: skip
        page.fill(f"[name=facts-{name}]", value)
    amari.choose("[name=facts-bdd_screen]", "negative")
    amari.choose("[name=facts-sunscreen_daily]", "True")
    amari.click("#add-allergies > summary")
    page.locator("#list-allergies [name=substance]").select_option("lidocaine", force=True)
    amari.clicks += 1
    amari.choose("#list-allergies [name=reaction]", "urticaria")
    amari.click(page.locator("#list-allergies").get_by_role("button", name="Save"))
    expect(page.locator("#list-allergies li")).to_contain_text("Lidocaine")
    amari.click(page.get_by_role("button", name="Asked all, nothing else"))
    expect(page.locator("#unasked")).to_have_count(0)
    amari.click(page.get_by_role("button", name="Propose plan"))
    expect(page.get_by_role("heading", name="Plan for pigment, face")).to_be_visible()
    amari.accessible()
    plan = TreatmentPlan.objects.get(patient=patient)
    assert 4 <= len(plan.content["courses"][0]["sessions"]) <= 6
    assert "lidocaine" not in str(plan.content["courses"][0]["sessions"][0]["anaesthetic"])
    expect(page.get_by_role("heading", name="Alternatives").first).to_be_visible()
    # A changed volume is checked at once.
    volume = page.locator("#v-010-volume_ml")
    volume.fill("99")
    volume.press("Tab")
    expect(page.locator(".finding--block").first).to_contain_text("is above")
    volume = page.locator("#v-010-volume_ml")
    volume.fill("2.5")
    volume.press("Tab")
    expect(page.locator(".finding--block")).to_have_count(0)
    while (fields := page.locator(".finding--warn form:not(.d-none) [name=reason]")).count():
        before = fields.count()
        fields.first.fill("Talked through with the patient, who accepts it.")
        fields.first.press("Enter")
        expect(fields).to_have_count(before - 1)
    amari.accessible()
    amari.click(page.get_by_role("button", name="Sign plan"))
    page.fill("#id_password", "a-long-test-password")
    amari.click(page.locator("dialog").get_by_role("button", name="Sign plan"))
    expect(page.locator(".page-head .chip--ok")).to_contain_text("Signed")
    amari.accessible()
    assert amari.clicks <= 25, amari.clicks
    plan.refresh_from_db()
    assert plan.status == "signed"
    return plan


def book_the_course(desk: Person, patient: Patient, plan: TreatmentPlan) -> list[Appointment]:
    """Journey 2: three clicks after the patient is open; a double click books once."""
    page = desk.page
    desk.go("/calendar/")
    desk.accessible()
    page.keyboard.press("/")
    page.keyboard.type("fer")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Chart")).to_be_visible()
    desk.clicks = 0
    desk.click(page.get_by_role("link", name="Book course"))
    page.fill("#wish", "tue thu after 17")
    page.keyboard.press("Enter")
    expect(page.locator(".chip--brand").first).to_contain_text("Tuesday, Thursday")
    expect(page.locator(".opt")).to_have_count(3)
    desk.accessible()
    desk.click(page.locator(".opt").nth(1))
    page.get_by_role("button", name=re.compile("^Confirm")).dblclick()
    desk.clicks += 1
    # The chart lists the dates and what will leave.
    expect(page.get_by_role("region", name="Visits")).to_be_visible()
    expect(page.get_by_role("region", name="Messages")).to_contain_text("Reminder")
    desk.accessible()
    assert desk.clicks <= 3
    planned = plan.planned_sessions.count()
    visits = list(Appointment.objects.filter(planned_session__plan=plan).order_by("starts_at"))
    assert len(visits) == planned
    assert CourseBooking.objects.filter(plan=plan).count() == 1
    assert len({visit.practitioner_id for visit in visits}) == 1
    for visit in visits:
        local = visit.starts_at.astimezone(visit.location.zone)
        assert local.isoweekday() in {2, 4}
        assert local.hour >= 17
    return visits


def the_confirmation_arrives(desk: Person, patient: Patient) -> None:
    """Celery delivers to the mailbox page; the reminders wait."""
    app.send_task("sessions.tasks.deliver_due_messages")
    desk.go("/messages/?q=Ferrer&state=sent")
    sent = desk.page.get_by_role("link", name="Booking confirmation")
    for _try in range(40):
        if sent.count():
            break
        desk.page.wait_for_timeout(250)
        desk.page.reload()
    desk.accessible()
    sent.first.click()
    expect(desk.page.locator(".pre")).to_contain_text("le hemos reservado")
    desk.accessible()
    assert Message.objects.filter(patient=patient, kind="reminder", state="due").exists()


def treat_on_the_tablet(roca: Person, visit: Appointment) -> TreatmentRecord:
    """Journey 5 in its basic form: at most 12 taps."""
    page = roca.page
    roca.go("/in-treatment/")
    roca.accessible()
    roca.clicks = 0
    roca.click(page.get_by_role("button", name="Treatment").first)
    expect(page.locator("#checks")).to_be_visible()
    roca.accessible()
    for group in page.locator("#checks [data-one-by-one]").all():
        roca.click(group.locator("label").first)
    roca.click(page.get_by_role("button", name="Asked, nothing else new"))
    lots = page.locator("#mix select")
    for index in range(lots.count()):
        lots.nth(index).select_option(index=1)
        roca.clicks += 1
    roca.click(page.get_by_role("button", name="Start treatment"))
    expect(page.locator("#points .chip--ok")).to_contain_text("Started")
    roca.click(page.locator("[name=pain_score][value='3']"))
    roca.click(page.get_by_role("button", name="Sign record"))
    expect(page.get_by_role("button", name="Print aftercare sheet")).to_be_visible()
    roca.accessible()
    assert roca.clicks <= 12, roca.clicks
    return TreatmentRecord.objects.get(appointment=visit)


def print_the_sheet(roca: Person, visit: Appointment) -> str:
    """One click; what is in the PDF."""
    roca.clicks = 0
    roca.click(roca.page.get_by_role("button", name="Print aftercare sheet"))
    expect(roca.page.get_by_role("link", name="Print PDF")).to_be_visible()
    roca.accessible()
    href = roca.page.get_by_role("link", name="Print PDF").get_attribute("href")
    data = roca.page.context.request.get(roca.base + str(href)).body()
    assert data == roca.page.context.request.get(roca.base + str(href)).body()
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages)


def test_from_a_new_patient_to_the_printed_sheet(person: Any, celery_worker_process: Any) -> None:
    clinic = Clinic(today=date.today())
    for number, agent in enumerate(("niacinamide", "glutathione", "vitamin-c", "dexpanthenol")):
        product = Product.objects.create(
            agent=agent,
            name=f"{agent} ampoule",
            manufacturer="Salus",
            gtin=f"0843{90 + number:010d}",
            pack_ml=5,
        )
        Lot.objects.create(
            product=product,
            number=f"T-{number}",
            expires_on=date.today() + timedelta(days=300),
            received_ml=100,
        )
    desk, amari, roca = (
        person().sign_in_at_the_form("marta"),
        person().sign_in_at_the_form("amari"),
        person(820, 1180).sign_in_at_the_form("roca"),
    )

    patient = register_and_book_the_first_visit(desk)
    first = Appointment.objects.get(patient=patient)
    first.practitioner = clinic.practitioner
    the_day_comes(first)
    desk.go("/calendar/?view=list")
    desk.accessible()
    desk.page.get_by_role("button", name="Check in").first.click()
    expect(desk.page.locator(".daylist .st--arrived")).to_be_visible()

    plan = assess_and_sign(amari, patient)

    desk.go("/courses-to-book/")
    expect(desk.page.locator("tbody")).to_contain_text("Ferrer Vidal")
    desk.accessible()
    visits = book_the_course(desk, patient, plan)
    the_confirmation_arrives(desk, patient)

    first.refresh_from_db()
    first.status = Appointment.Status.DONE
    the_day_comes(first, timedelta(hours=3))
    the_day_comes(visits[0])
    desk.go(f"/appointments/{visits[0].pk}/")
    desk.accessible()
    desk.page.get_by_role("button", name="Check in").click()
    expect(desk.page.locator(".st--arrived").first).to_be_visible()

    record = treat_on_the_tablet(roca, visits[0])
    assert record.signed_at is not None
    text = print_the_sheet(roca, visits[0])
    following = visits[1].starts_at.astimezone(clinic.location.zone)
    assert "Lucía" in text
    assert f"{following:%H:%M}" in text
    assert clinic.location.phone in text
    for page in ("/sheets/", f"/patients/{patient.pk}/"):
        roca.go(page)
        roca.accessible()
    amari.go(f"/patients/{patient.pk}/")
    expect(amari.page.get_by_role("region", name="History")).to_contain_text("Treatment")
    amari.accessible()


def test_the_loser_of_a_race_sees_what_was_taken_and_fresh_options(
    person: Any, transactional_db: None
) -> None:
    """Journey 3 on the page: two front desks hold the same option."""
    clinic = Clinic(today=date.today())
    noemi = clinic.user("noemi", "Noemí Pardo", "front-desk")
    one, two = clinic.signed_plan(), clinic.signed_plan(clinic.patient("Ana", "Segura"))
    first, second = person().sign_in("marta"), person().sign_in(noemi.username)
    first.go(f"/plans/{one.pk}/book/")
    second.go(f"/plans/{two.pk}/book/")
    first.page.get_by_role("button", name=re.compile("^Confirm")).click()
    expect(first.page.get_by_role("region", name="Visits")).to_be_visible()
    second.page.get_by_role("button", name=re.compile("^Confirm")).click()
    expect(second.page.get_by_role("alert")).to_contain_text("was taken a moment ago")
    expect(second.page.locator(".opt")).to_have_count(3)
    second.accessible()
    second.page.get_by_role("button", name=re.compile("^Confirm")).click()
    expect(second.page.get_by_role("region", name="Visits")).to_be_visible()
    assert Appointment.objects.count() == 8
