"""A nurse records a pregnancy; the physician is told on every page of the course, the front desk without the reason."""

import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import expect

from mesoclinic.celery import app
from patients.models import Patient
from protocols.models import Alert
from tests.browser.conftest import Person
from tests.clinic import Clinic
from tests.protocols.test_watch import set_facts, signed_plan, takes, wait_for

pytestmark = pytest.mark.django_db(transaction=True)


def picture(person: Person, name: str) -> None:
    """Kept only where `MESOCLINIC_SHOTS` names a folder."""
    folder = os.environ.get("MESOCLINIC_SHOTS")
    if folder:
        width = person.page.viewport_size["width"] if person.page.viewport_size else 0
        person.page.screenshot(path=str(Path(folder) / f"{name}-{width}.png"), full_page=True)


def test_from_the_fact_to_the_physician_and_the_front_desk(
    person: Any, client: Client, celery_worker_process: Any
) -> None:
    clinic = Clinic(today=date.today())
    client.force_login(clinic.amari)
    lea: Patient = clinic.lea
    plan = signed_plan(client, lea)
    amari, desk, tablet = (
        person().sign_in("amari"), person().sign_in("marta"), person(820, 1180).sign_in("amari"),
    )  # fmt: skip
    for one, path in ((amari, "/alerts/"), (desk, "/visits-on-hold/")):
        one.go(path)
        expect(one.page.locator(".empty")).to_be_visible()
        one.accessible()
        picture(one, f"empty{path.strip('/')}")

    set_facts(clinic, lea, pregnancy="pregnant")
    takes(clinic, lea)
    app.send_task("protocols.tasks.watch_plans")
    wait_for(lambda: Alert.objects.count() == 2, celery_worker_process)

    amari.go("/alerts/")
    expect(amari.page.locator(".nav-x .item[aria-current] .count")).to_contain_text("2")
    expect(amari.page.locator(".finding").first).to_contain_text("Pregnant")
    for one in (amari, tablet):
        one.go("/alerts/")
        one.accessible()
        picture(one, "alerts")
        one.go(f"/plans/{plan.pk}/")
        expect(one.page.get_by_role("heading", name="New since the signature")).to_be_visible()
        one.accessible()
        picture(one, "plan")
        one.go(f"/patients/{lea.pk}/")
        expect(one.page.locator(".bnote")).to_contain_text("2 new alerts")
        one.accessible()
        picture(one, "chart")

    amari.go("/alerts/")
    warning = amari.page.locator(".finding--warn")
    warning.get_by_role("button", name="Go on with this reason").click()
    expect(amari.page.get_by_role("alert").filter(has_text="Write the reason")).to_be_visible()
    amari.accessible()
    picture(amari, "reason-missing")
    warning.get_by_label("Reason to continue").fill("Superficial needles only, agreed with her.")
    warning.get_by_role("button", name="Go on with this reason").click()
    expect(amari.page.locator(".finding--warn")).to_have_count(0)
    amari.page.get_by_role("button", name="I have seen this block").click()
    expect(amari.page.locator(".empty")).to_be_visible()
    amari.page.get_by_role("link", name="Acknowledged, still standing").click()
    expect(amari.page.locator(".finding")).to_have_count(2)
    amari.accessible()
    picture(amari, "acknowledged")

    for path in (f"/plans/{plan.pk}/", f"/patients/{lea.pk}/"):
        desk.go(path)
        expect(desk.page.get_by_role("status").filter(has_text="Physician must look").first).to_be_visible()
        assert "Isotretinoin" not in desk.page.locator("body").inner_text()
        assert "pregnan" not in desk.page.locator("body").inner_text().lower()
        desk.accessible()
        picture(desk, f"desk-{path.split('/')[1]}")
