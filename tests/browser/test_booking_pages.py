"""Booking and calendar at the screen: the quick card, free times that follow, a move taken back; axe on each page."""

import uuid
from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Locator, expect

from patients.models import Allergy
from sessions.actions import booking
from sessions.models import Appointment, Message
from sessions.queries.booking import options_for
from sessions.scheduling import Preferences
from tests.clinic import Clinic

pytestmark = pytest.mark.django_db(transaction=True)
SIZES = [(1440, 1000), (820, 1180)]


def next_tuesday() -> date:
    """A working day that is not today, so that no test depends on the hour."""
    day = date.today() + timedelta(days=1)
    while day.isoweekday() != 2:
        day += timedelta(days=1)
    return day


def booked(clinic: Clinic) -> list[Appointment]:
    plan = clinic.signed_plan()
    now = timezone.now()
    _planned, options = options_for(plan, clinic.location, Preferences(), now=now)
    made = booking.book_course(
        plan=plan,
        location=clinic.location,
        slots=options[0].slots,
        key=uuid.uuid4(),
        by=clinic.marta,
        now=now,
    )
    return list(made.appointments.order_by("starts_at"))


def box(what: Locator) -> dict[str, float]:
    """Where it is on the page; one that is drawn anew at this moment is asked again."""
    for _try in range(20):
        expect(what).to_be_visible()
        found = what.bounding_box()
        if found is not None:
            return dict(found)
    raise AssertionError("never stayed on the page")


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_quick_card_lies_beside_its_visit_and_closes_by_button_and_escape(
    person: Any, width: int, height: int
) -> None:
    clinic = Clinic(today=date.today())
    day = next_tuesday()
    clinic.appointment(starts_at=clinic.at(10, day=day), kind="consultation")
    desk = person(width, height).sign_in("marta")
    page = desk.page
    for view in ("day", "week"):
        desk.go(f"/calendar/?day={day.isoformat()}&view={view}")
        item, card = page.locator(".ev").first, page.get_by_role("dialog", name="Lea Brandt")
        for close in ("button", "Escape"):
            item.click()
            expect(card).to_be_visible()
            one, two = box(item), box(card)
            beside = two["x"] >= one["x"] + one["width"] or two["x"] + two["width"] <= one["x"]
            assert beside or two["y"] >= one["y"] + one["height"]
            assert two["y"] + two["height"] <= height + 1
            desk.accessible()
            if close == "button":
                card.get_by_role("button", name="Close").click()
            else:
                page.keyboard.press("Escape")
            expect(card).to_have_count(0)
            expect(item).to_be_focused()


def test_free_times_follow_the_choice_and_the_note_stays(person: Any) -> None:
    clinic = Clinic(today=date.today())
    desk = person().sign_in("marta")
    page = desk.page
    desk.go(f"/appointments/new/?patient={clinic.lea.pk}&day={next_tuesday().isoformat()}")
    page.fill("#visit-note", "Comes by taxi")
    page.get_by_role("radio", name="Review").check()
    page.check("[name=minutes][value='60']")
    with page.expect_response(lambda answer: "practitioner=" in answer.url):
        page.select_option("[name=practitioner]", str(clinic.nurse.pk))
    page.locator(".slot", has_text="Inés Roca").first.click()
    expect(page.locator("[data-chosen]")).to_contain_text("Inés Roca, Room 2")
    page.get_by_role("button", name="Book visit").click()
    expect(page.locator(".cal")).to_be_visible()
    visit = Appointment.objects.get()
    assert (visit.kind, visit.note, visit.practitioner) == ("review", "Comes by taxi", clinic.nurse)
    assert visit.ends_at - visit.starts_at == timedelta(hours=1)


def test_a_move_is_taken_back_from_its_toast(person: Any) -> None:
    clinic = Clinic(today=date.today())
    old = clinic.at(10, day=next_tuesday())
    visit = clinic.appointment(starts_at=old, kind="consultation")
    desk = person().sign_in("marta")
    desk.go(f"/appointments/{visit.pk}/move/")
    desk.page.locator(".slot", has_text="16:00").first.click()
    desk.accessible()
    desk.page.get_by_role("button", name="Move visit").click()
    desk.page.locator(".toast-x").get_by_role("button", name="Undo").click()
    expect(desk.page.locator(".toast-x")).to_contain_text("back at the time before")
    visit.refresh_from_db()
    assert visit.starts_at == old


def test_a_patient_is_found_on_the_page_of_a_new_visit(person: Any) -> None:
    clinic = Clinic(today=date.today())
    clinic.patient("Ana", "Segura")
    desk = person().sign_in("marta")
    desk.go("/appointments/new/")
    desk.page.locator("#who-q").press_sequentially("segu")
    found = desk.page.locator("#who-results").get_by_role("link")
    expect(found).to_have_count(1)
    desk.accessible()
    found.click()
    expect(desk.page.get_by_role("heading", level=1)).to_contain_text("Ana Segura")


def test_the_drawing_and_the_summary_follow_the_option(person: Any) -> None:
    clinic = Clinic(today=date.today())
    clinic.elsewhere()
    plan = clinic.signed_plan()
    desk = person().sign_in("marta")
    page = desk.page
    desk.go(f"/plans/{plan.pk}/book/")
    page.get_by_label("Location").select_option("Any location")
    page.get_by_role("button", name="Find dates").click()
    expect(page.locator(".opt li", has_text="Madrid").first).to_be_visible()
    page.keyboard.press("2")
    expect(page.locator(".sum-2")).to_be_visible()
    expect(page.locator(".sum-1")).to_be_hidden()
    colours = [page.locator(f".row-{n} .dot").first.evaluate("d => getComputedStyle(d).fill") for n in (1, 2)]
    assert colours[0] != colours[1]
    desk.accessible()


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_every_page_of_booking_is_accessible_and_shows_its_acts(person: Any, width: int, height: int) -> None:
    clinic = Clinic(today=date.today())
    visits = booked(clinic)
    Allergy.objects.create(patient=clinic.lea, recorded_by=clinic.amari, substance="lidocaine")
    ana = clinic.patient("Ana", "Segura")
    waiting = clinic.signed_plan(ana)
    message = Message.objects.filter(state="due").first()
    assert message is not None
    day = visits[1].starts_at.astimezone(clinic.location.zone).date().isoformat()
    desk, roca = person(width, height).sign_in("marta"), person(width, height).sign_in("roca")
    for path in (
        f"/calendar/?day={day}", f"/calendar/?day={day}&view=week", f"/calendar/?day={day}&view=list", "/appointments/new/",
        f"/appointments/new/?patient={ana.pk}", f"/appointments/{visits[1].pk}/", f"/appointments/{visits[1].pk}/move/",
        f"/plans/{waiting.pk}/book/", f"/plans/{waiting.pk}/", "/courses-to-book/", "/not-confirmed/?when=all",
        "/messages/", f"/messages/{message.pk}/", f"/patients/{clinic.lea.pk}/", "/staff/",
    ):  # fmt: skip
        desk.go(path)
        desk.accessible()
        acts = desk.page.locator(".act-cell :is(a, button)")
        if acts.count():
            place = box(acts.first)
            assert place["x"] + place["width"] <= width, path
    visit = clinic.appointment(
        starts_at=timezone.now() - timedelta(minutes=2), status="arrived", patient=ana, room=clinic.other_room,
        practitioner=clinic.nurse,
    )  # fmt: skip
    for path in ("/", "/in-treatment/", f"/appointments/{visit.pk}/"):
        roca.go(path)
        roca.accessible()
        place = box(roca.page.get_by_role("button", name="Treatment").first)
        assert place["x"] + place["width"] <= width, path
