"""The manager's pages in a browser: lists that follow a choice, breaks, holidays with the visits they hit; WCAG on each."""

from datetime import date, time, timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from sessions.models import Closure, Location, WorkingHours
from sessions.setup import holidays
from tests.clinic import Clinic

pytestmark = pytest.mark.django_db(transaction=True)


def test_holidays_types_regions_and_breaks_on_a_tablet(person: Any, transactional_db: None) -> None:
    clinic = Clinic(today=timezone.localdate())
    Location.objects.filter(pk=clinic.location.pk).update(country="ES")
    year = clinic.today.year + 1
    day = next(row.day for row in holidays.of_year("ES", "", year) if row.day != date(year, 1, 1))
    clinic.appointment(starts_at=clinic.at(10, day=day))
    ortiz = person(820, 1180).sign_in("ortiz")
    page = ortiz.page

    # The regions follow the country without another page.
    ortiz.go(f"/setup/places/{clinic.location.pk}/edit/")
    page.select_option("#id_subdivision", "MD")
    page.locator("#id_country").evaluate(
        "field => { field.value = 'DE'; field.dispatchEvent(new Event('change', {bubbles: true})); }"
    )
    expect(page.locator("#id_subdivision option[value=BY]")).to_be_attached()
    ortiz.accessible()

    # From the reminder to the year; the visit that is hit stands above the days.
    ortiz.go("/setup/")
    page.get_by_role("link", name=f"Decide {year} for Madrid").click()
    expect(page.get_by_label(f"Closed on {day:%a} {day.day} {day:%b} {year}")).to_be_checked()
    ortiz.accessible()
    page.get_by_role("button", name=f"Save holidays of {year}").click()
    expect(page.locator(".hits")).to_contain_text("Lea Brandt")
    ortiz.accessible()
    page.get_by_role("button", name="Don't save, change what I entered").click()
    expect(page.locator(".hits")).to_have_count(0)
    page.get_by_label(f"Closed on {day:%a} {day.day} {day:%b} {year}").uncheck()
    page.get_by_role("button", name=f"Save holidays of {year}").click()
    expect(page.locator(".page-head")).to_contain_text("Decided by Elena Ortiz")
    assert Closure.objects.filter(holiday__year=year).exists()
    assert not Closure.objects.filter(holiday=day).exists()

    # A second break in the day, typed by hand.
    ortiz.go(f"/setup/hours/{clinic.practitioner.pk}/")
    page.fill("#id_1-1-to", "12:00")
    page.get_by_role("button", name="Another break").click()
    expect(page.locator("#id_1-1-to")).to_have_value("12:00")
    for name, value in (
        ("1-2-from", "13:00"),
        ("1-2-to", "15:00"),
        ("1-3-from", "16:00"),
        ("1-3-to", "20:00"),
    ):
        page.fill(f"#id_{name}", value)
    ortiz.accessible()
    page.get_by_role("button", name="Save hours").click()
    expect(page.locator("table")).to_contain_text("Mon 09:00 to 12:00, 13:00 to 15:00, 16:00 to 20:00")
    assert WorkingHours.objects.filter(practitioner=clinic.practitioner, weekday=1, starts=time(16)).exists()

    # A new type is there for the front desk at once.
    ortiz.go("/setup/types/new/")
    page.fill("#id_name", "Second opinion")
    page.fill("#id_minutes", "2000")
    ortiz.accessible()
    page.get_by_role("button", name="Add type").click()
    expect(page.locator("#id_minutes_error")).to_contain_text("Enter 5 to 480 minutes")
    page.fill("#id_minutes", "50")
    page.get_by_role("button", name="Add type").click()
    expect(page.locator("table")).to_contain_text("Second opinion")
    ortiz.accessible()
    marta = person(820, 1180).sign_in("marta")
    marta.go(f"/appointments/new/?patient={clinic.lea.pk}&day={clinic.today + timedelta(days=7)}")
    marta.page.get_by_role("radio", name="Second opinion").check()
    expect(marta.page.locator("#slots")).to_contain_text("Dr. Nadia Amari")
    marta.accessible()
