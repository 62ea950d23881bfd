"""A patient with a phone: one tap confirms, cancelling offers new dates, in her language, without script or cookie."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, expect

from patients.models import Patient
from sessions.feeds import actions as feeds
from sessions.models import Appointment, TimeRequest
from sessions.selfservice import links
from tests.browser.test_booking_pages import booked
from tests.clinic import Clinic

pytestmark = pytest.mark.django_db(transaction=True)
PHONE = {"width": 390, "height": 844}


def link(visit: Appointment) -> str:
    return reverse("selfservice:visit", args=[links.visit_token(visit)])


@pytest.mark.journey
def test_one_tap_confirms_and_the_calendar_says_so(person: Any, chromium: Browser, live_server: Any) -> None:
    clinic = Clinic(today=date.today())
    visit = booked(clinic)[1]
    desk = person().sign_in("marta")
    # No script and no cookie: what a mail program's own browser may be.
    context = chromium.new_context(viewport=PHONE, java_script_enabled=False, locale="en-GB")
    page = context.new_page()
    try:
        page.goto(live_server.url + link(visit))
        expect(page.get_by_text("Not confirmed yet")).to_be_visible()
        page.get_by_role("button", name="Confirm appointment").click()
        expect(page.get_by_role("status")).to_have_text("Thank you. We expect you.")
        assert context.cookies() == []
    finally:
        context.close()
    day = timezone.localtime(visit.starts_at).date()
    desk.go(f"/calendar/?day={day.isoformat()}&view=list")
    expect(desk.page.get_by_role("cell", name="Confirmed")).to_be_visible()


@pytest.mark.journey
@pytest.mark.parametrize("language", ["en", "ar"])
def test_cancelling_is_asked_once_and_new_dates_are_one_tap_away(person: Any, language: str) -> None:
    clinic = Clinic(today=date.today())
    Patient.objects.filter(pk=clinic.lea.pk).update(language=language)
    visit = booked(clinic)[1]
    lea = person(**PHONE)
    page = lea.page
    lea.go(link(visit))
    expect(page.locator("html")).to_have_attribute("dir", "rtl" if language == "ar" else "ltr")
    lea.accessible()
    # Nothing is cut off or scrolls sideways on a small phone.
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.locator("a[href$='/cancel/']").click()
    lea.accessible()
    page.locator(".btn-danger").click()
    expect(page.locator(".self-note")).to_be_visible()
    lea.accessible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.locator("details[open] .self-times button").first.click()
    expect(page.locator(".self-note--ok")).to_be_visible()
    lea.accessible()
    again = Appointment.objects.get(planned_session=visit.planned_session_id, status="booked")
    assert link(again) in page.url


def test_every_other_page_of_a_link_is_accessible_on_a_phone(person: Any) -> None:
    clinic = Clinic(today=date.today())
    visits = booked(clinic)
    lea = person(**PHONE)
    booking = visits[0].booking
    assert booking is not None
    lea.go(links.course_link(booking, clinic.lea.pk).removeprefix("http://localhost:8000"))
    expect(lea.page.locator(".self-list a")).to_have_count(4)
    lea.accessible()
    answer = lea.page.goto(f"{lea.base}/v/AAAAAAAAAAAAAAAA1/")
    assert answer is not None
    assert answer.status == 404
    lea.accessible()
    lea.faults.clear()


@pytest.mark.parametrize("width", [1440, 820])
def test_requests_links_and_the_secret_address_at_the_desk(person: Any, width: int) -> None:
    clinic = Clinic(today=date.today())
    visit = booked(clinic)[1]
    Client().post(f"{link(visit)}ask/", {"wish": "Thursdays after 17"})
    assert TimeRequest.objects.count() == 1
    desk = person(width, 1000).sign_in("marta")
    desk.go("/requests/")
    expect(desk.page.get_by_role("cell", name="Thursdays after 17")).to_be_visible()
    desk.accessible()
    desk.page.get_by_role("button", name="Settled").click()
    expect(desk.page.get_by_text("No patient waits for another time.")).to_be_visible()
    desk.go(f"/appointments/{visit.pk}/")
    desk.page.get_by_text("Withdraw links").first.click()
    desk.accessible()
    feeds.renew(practitioner=clinic.nurse, by=clinic.roca, now=timezone.now() - timedelta(days=3))
    ortiz = person(width, 1000).sign_in("ortiz")
    ortiz.go("/calendar-links/")
    ortiz.accessible()
    ortiz.page.get_by_role("button", name="Make a link, Dr. Nadia Amari").click()
    expect(ortiz.page.locator(".secret-link")).to_contain_text("/f/")
    ortiz.accessible()
