"""Somebody else sits down at the same screen: the back button shows no chart."""

from datetime import date
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.clinic import Clinic

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_back_button_after_signing_out_shows_no_chart(person: Any) -> None:
    clinic = Clinic(today=date.today())
    roca = person().sign_in_at_the_form("roca")
    roca.go(f"/patients/{clinic.lea.pk}/")
    expect(roca.page.get_by_role("heading", name="Chart")).to_be_visible()
    roca.page.locator("form[action='/sign-out/']").first.evaluate("form => form.requestSubmit()")
    expect(roca.page.locator("[name=password]")).to_be_visible()
    roca.page.go_back()
    expect(roca.page.locator("[name=password]")).to_be_visible()
    assert "Brandt" not in roca.page.content()
