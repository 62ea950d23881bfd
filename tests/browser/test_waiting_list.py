"""From a cancelled visit to a booked one on the patient's phone; a walk-in in three clicks; the cream's clock."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
import time_machine
from django.utils import timezone
from playwright.sync_api import expect

from sessions.models import Appointment, FreedTime, Message, WaitlistEntry
from sessions.waitlist import work
from tests import clinic as cast
from tests.browser.test_booking_pages import next_tuesday
from tests.clinic import Clinic

pytestmark = pytest.mark.django_db(transaction=True)
CREAM = {"product": "lidocaine-4-cream", "grams": "30", "minutes": 45, "e_mg": "120", "limit_mg": "261"}


@pytest.fixture
def clinic() -> Iterator[Clinic]:
    """Tuesday, ten in the morning, and the clock runs."""
    day = next_tuesday()
    clinic = Clinic(today=day)
    with time_machine.travel(clinic.at(10), tick=True):
        yield clinic


@pytest.mark.journey
def test_a_cancelled_time_goes_to_who_waits_by_a_tap_on_the_phone(person: Any, clinic: Clinic) -> None:
    tomorrow = clinic.today + timedelta(days=1)
    visit = clinic.appointment(
        patient=clinic.patient("Olga", "Absagt"), starts_at=clinic.at(16, day=tomorrow), kind="consultation"
    )
    clinic.patient("Wanda", "Wartet", language="es")
    desk = person().sign_in("marta")
    page = desk.page
    desk.go("/waiting-list/")
    expect(page.get_by_text("Nobody waits for a time.")).to_be_visible()
    desk.accessible()
    # On the list: n, three letters, her name, the wish, save.
    page.keyboard.press("n")
    page.get_by_label("Name, phone").press_sequentially("wan")
    desk.click(page.get_by_role("link", name="Wanda Wartet"))
    page.get_by_label("Days and times").fill("afternoons perhaps")
    desk.click(page.get_by_role("button", name="Put on the list"))
    expect(page.get_by_text("Not understood: perhaps")).to_be_visible()
    page.get_by_label("Days and times").fill("afternoons")
    desk.accessible()
    desk.click(page.get_by_role("button", name="Put on the list"))
    expect(page.get_by_role("rowheader", name="Wanda Wartet")).to_be_visible()
    # Olga cancels.
    desk.go(f"/appointments/{visit.pk}/")
    desk.click(page.get_by_text("Cancel the visit"))
    desk.choose("#cancel-code", "ill")
    desk.click(page.get_by_role("button", name="Cancel visit"))
    expect(page.get_by_text("Olga Absagt: cancelled.")).to_be_visible()
    assert work.run(timezone.now()) == 0, "an undo comes first"
    FreedTime.objects.update(due_at=timezone.now())
    assert work.run(timezone.now()) == 1
    desk.go("/waiting-list/")
    expect(page.locator("#offers")).to_contain_text("Wanda Wartet")
    expect(page.locator("[data-left]")).to_have_text(re.compile(r"^1[45]:\d\d$"))
    desk.accessible()
    # The link in her message, on a phone without JavaScript's help.
    link = re.search(r"/t/\S+", Message.objects.get(kind="offer").body)
    assert link is not None
    phone = person(390, 800)
    phone.go(link.group())
    expect(phone.page.locator("html")).to_have_attribute("lang", "es")
    phone.accessible()
    phone.click(phone.page.get_by_role("button", name="Acepto esta hora"))
    expect(phone.page.get_by_role("heading", name="Esta hora es suya")).to_be_visible()
    phone.accessible()
    assert phone.clicks == 1
    assert Appointment.objects.get(patient__given_name="Wanda").starts_at == clinic.at(16, day=tomorrow)
    # The desk's page sees it by itself.
    assert WaitlistEntry.objects.get().state == "booked"
    desk.go("/waiting-list/?state=closed")
    expect(page.get_by_role("rowheader", name="Wanda Wartet")).to_be_visible()
    desk.go("/missed/")
    expect(page.get_by_role("rowheader")).to_have_count(1)
    desk.accessible()


@pytest.mark.journey
def test_a_walk_in_takes_three_clicks_from_anywhere_and_its_clocks_run(person: Any, clinic: Clinic) -> None:
    with patch.object(cast, "SESSION", cast.SESSION | {"anaesthetic": CREAM}):
        plan = clinic.signed_plan(sessions=1)
    desk = person(820, 1180).sign_in("marta")
    page = desk.page
    desk.go("/messages/")
    page.keyboard.press("Shift+W")
    page.get_by_label("Name, phone").press_sequentially("bra")
    desk.click(page.get_by_role("link", name="Lea Brandt"))
    expect(page.get_by_text("Session 1", exact=True)).to_be_visible()
    desk.accessible()
    desk.click(page.get_by_role("button", name="Book and check in"))
    expect(page.get_by_role("heading", name="Waiting room")).to_be_visible()
    assert desk.clicks <= 3
    visit = Appointment.objects.get()
    assert (visit.status, visit.planned_session) == ("arrived", plan.planned_sessions.get())
    expect(page.locator("[data-passed]")).to_have_text(re.compile(r"^0:\d\d$"))
    # Cream on by one tap; it counts up, says ready and at last warns, without a reload.
    desk.click(page.get_by_role("button", name="Cream on"))
    clock = page.locator("[data-cream-clock]")
    expect(clock).to_have_text(re.compile(r"^0:0[1-9]$"))
    expect(page.locator("[data-when=acting]")).to_be_visible()
    desk.accessible()
    for seconds, state in ((45 * 60, "ready"), (60 * 60, "late")):
        page.locator("[data-cream]").evaluate(
            "(cream, ago) => { cream.closest('[data-server-now]').dataset.shift = ago; }",
            (clinic.at(10).timestamp() + seconds + 60) - _browser_now(page),
        )
        expect(page.locator(f"[data-when={state}]")).to_be_visible()
        expect(page.locator("[data-when]:visible")).to_have_count(1)
    expect(page.locator("[data-clock-news]")).to_have_text("Lea Brandt: too long: take it off")


def _browser_now(page: Any) -> float:
    return float(page.evaluate("Date.now() / 1000"))


def test_the_waiting_room_loads_itself_anew(person: Any, clinic: Clinic) -> None:
    desk = person().sign_in("marta")
    desk.go("/waiting-room/")
    expect(desk.page.get_by_text("Nobody is waiting.")).to_be_visible()
    desk.accessible()
    clinic.appointment(status="arrived", arrived_at=timezone.now(), kind="consultation")
    # What the timer of 15 seconds does, now.
    desk.page.evaluate("htmx.ajax('GET', '/waiting-room/', {target: '#room', swap: 'outerHTML'})")
    expect(desk.page.get_by_role("rowheader", name="Lea Brandt")).to_be_visible()
