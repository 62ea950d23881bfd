"""What the screens do by themselves: dialogs that open with their error, folds that stay, the way out on a tablet."""

from datetime import date
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import expect

from tests.clinic import Clinic
from tests.protocols.helpers import asked, give_reasons, propose

pytestmark = pytest.mark.django_db(transaction=True)


def test_signing_with_a_wrong_password_says_so_in_the_open_dialog(
    person: Any, transactional_db: None
) -> None:
    clinic = Clinic(today=date.today())
    asked(clinic.lea)
    clinic.lea.refresh_from_db()
    client = Client()
    client.force_login(clinic.amari)
    plan = propose(client, clinic.lea)
    give_reasons(client, plan)
    amari = person().sign_in("amari")
    page = amari.page
    amari.go(f"/plans/{plan.pk}/")
    page.locator("#more-0 > summary").click()
    page.locator("#v-010-volume_ml").fill("2.5")
    page.locator("#v-010-volume_ml").press("Tab")
    expect(page.locator("#more-0")).to_contain_text("2.5 mL")
    expect(page.locator("#more-0")).to_have_attribute("open", "")
    amari.accessible()
    give_reasons(client, type(plan).objects.get(pk=plan.pk))
    amari.go(f"/plans/{plan.pk}/")
    page.get_by_role("button", name="Sign plan").click()
    page.fill("#id_password", "not-the-password")
    page.locator("dialog").get_by_role("button", name="Sign plan").click()
    expect(page.locator("#sign")).to_be_visible()
    expect(page.locator("#sign-error")).to_contain_text("The password is wrong")
    amari.accessible()


def test_an_added_medicine_stands_in_the_banner_at_once(person: Any, transactional_db: None) -> None:
    clinic = Clinic(today=date.today())
    amari = person(820, 1180).sign_in("amari")
    page = amari.page
    for path in (f"/patients/{clinic.lea.pk}/profile/", f"/patients/{clinic.lea.pk}/assess/"):
        amari.go(path)
        amari.accessible()
    page.locator("#add-medications > summary").click()
    page.fill("#id_medications_code-search", "isotret")
    page.keyboard.press("Enter")
    amari.accessible()
    page.locator("#list-medications").get_by_role("button", name="Save").click()
    expect(page.locator("#patient-banner")).to_contain_text("Isotretinoin")
    # What endangers is asked before what is wished, also where the page has one column.
    lists, goals = page.locator("#asked-lists").bounding_box(), page.locator("#wishes").bounding_box()
    assert lists and goals and lists["y"] < goals["y"]
    amari.go(f"/patients/{clinic.lea.pk}/")
    amari.accessible()


def test_a_tablet_has_a_way_out(person: Any, transactional_db: None) -> None:
    Clinic(today=date.today())
    ortiz = person(820, 1180).sign_in("ortiz")
    for path in ("/audit/", "/catalogue/?kind=rules"):
        ortiz.go(path)
        ortiz.accessible()
    ortiz.page.locator(".more-nav > summary").click()
    expect(ortiz.page.get_by_role("link", name="Change password")).to_be_visible()
    ortiz.accessible()
    ortiz.page.locator(".more-nav").get_by_role("button", name="Sign out").click()
    expect(ortiz.page.locator("[name=username]")).to_be_visible()
