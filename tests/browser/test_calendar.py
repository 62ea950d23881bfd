"""The calendar at the screen: drag, draw longer, keyboard, what others change, filters, looks; axe and no refused style."""

import re
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from patients.models import Allergy
from sessions.actions import booking
from sessions.models import Appointment, CalendarSettings, Closure, Room
from tests.browser.conftest import Person
from tests.browser.test_booking_pages import box, next_tuesday
from tests.clinic import Clinic

pytestmark = pytest.mark.django_db(transaction=True)
#: Pixels of five minutes, unless somebody chose another height.
ROW = 6


@pytest.fixture
def clinic(transactional_db: None) -> Clinic:
    return Clinic(today=date.today())


def calendar(who: Person, day: date, **asked: Any) -> Page:
    """Open the calendar; it is drawn when its region is ready."""
    more = "".join(f"&{name}={value}" for name, value in ({"view": "day"} | asked).items())
    who.go(f"/calendar/?day={day.isoformat()}{more}")
    expect(who.page.locator("#calendar[data-ready]")).to_be_visible()
    return who.page


def card(page: Page, visit: Appointment, column: str = "staff") -> Locator:
    return page.locator(f'.ev[data-visit="{visit.pk}"][data-col="{column}"]').first


def time_at(page: Page, hour: float, column: int = 0) -> tuple[float, float]:
    """Where a time lies in a column, just below its line."""
    cell = box(page.locator(".ec-body .ec-day").nth(column))
    return cell["x"] + 60, cell["y"] + (hour - 8) * 12 * ROW + 2


def hold(page: Page, visit: Appointment, hour: float, column: int = 0, by: str = "staff") -> None:
    """Take a visit by its upper edge to a time, and do not let go."""
    place = box(card(page, visit, by))
    to = time_at(page, hour, column)
    page.mouse.move(place["x"] + 60, place["y"] + 4)
    page.mouse.down()
    page.mouse.move(place["x"] + 62, place["y"] + 20, steps=3)
    page.mouse.move(*to, steps=6)


def drag(page: Page, visit: Appointment, hour: float, column: int = 0) -> None:
    hold(page, visit, hour, column)
    page.mouse.up()


def start_of(visit: Appointment) -> datetime:
    visit.refresh_from_db()
    return visit.starts_at


# ---- drag and draw -----------------------------------------------------------------------------------------


def test_a_visit_is_dragged_to_another_time_and_practitioner_and_taken_back(
    person: Any, clinic: Clinic
) -> None:
    day = next_tuesday()
    visit = clinic.appointment(starts_at=clinic.at(10, day=day), kind="consultation")
    page = calendar(person().sign_in("marta"), day)
    # Five minutes are six pixels.
    assert box(card(page, visit))["height"] == pytest.approx(36, abs=1)
    hold(page, visit, 12, column=1)
    expect(page.locator("#calendar")).to_have_attribute("data-verdict", "yes")
    expect(page.locator("#cal-live")).to_contain_text("12:00 to 12:30")
    page.mouse.up()
    toast = page.locator(".toast-x")
    expect(toast).to_contain_text("Lea Brandt moved to")
    expect(toast).to_contain_text("12:00, Inés Roca. The patient is told in 3 minutes.")
    assert start_of(visit) == clinic.at(12, day=day)
    assert visit.practitioner == clinic.nurse
    toast.get_by_role("button", name="Undo").click()
    expect(page.locator(".toast-x")).to_contain_text("back at the time before")
    assert start_of(visit) == clinic.at(10, day=day)


def test_a_visit_is_red_where_it_can_not_go_and_stays_where_it_was(person: Any, clinic: Clinic) -> None:
    day = next_tuesday()
    visit = clinic.appointment(starts_at=clinic.at(10, day=day), kind="consultation")
    clinic.appointment(
        starts_at=clinic.at(13, day=day), patient=clinic.patient("Ana", "Segura"), room=clinic.other_room
    )
    page = calendar(person().sign_in("marta"), day)
    for hour, why in (
        (13, "Dr. Nadia Amari has another visit then."),
        (8.25, "Dr. Nadia Amari does not work then."),
    ):
        hold(page, visit, hour)
        expect(page.locator("#calendar")).to_have_attribute("data-verdict", "no")
        expect(page.locator("#cal-live")).to_contain_text(why)
        ghost = page.locator(".ev.ec-preview").first
        assert ghost.evaluate("e => getComputedStyle(e).outlineStyle") == "dashed"
        page.mouse.up()
        expect(page.locator("#cal-note")).to_have_text(f"{why} Nothing was changed.")
        expect(page.locator(".ev.ec-preview")).to_have_count(0)
    assert start_of(visit) == clinic.at(10, day=day)


def test_the_room_follows_a_practitioner_s_column_and_stays_in_its_own(person: Any, clinic: Clinic) -> None:
    day = next_tuesday()
    visit = clinic.appointment(starts_at=clinic.at(10, day=day), kind="consultation")
    Room.objects.create(location=clinic.location, name="Room 9", capabilities=["consultation"])
    clinic.appointment(
        starts_at=clinic.at(13, day=day), patient=clinic.patient("Ana", "Segura"), practitioner=clinic.nurse
    )
    page = calendar(person().sign_in("marta"), day)
    hold(page, visit, 13, column=2, by="rooms")
    expect(page.locator("#cal-live")).to_contain_text("Room 2 is taken then.")
    page.mouse.up()
    expect(page.locator("#cal-note")).to_contain_text("Nothing was changed.")
    hold(page, visit, 13)
    expect(page.locator("#cal-live")).to_contain_text("13:00 to 13:30, Room 9")
    page.mouse.up()
    expect(page.locator(".toast-x")).to_contain_text("13:00, Room 9.")
    assert start_of(visit) == clinic.at(13, day=day)
    assert visit.room.name == "Room 9"


def test_what_leaves_its_window_is_asked_before_it_is_moved(person: Any, clinic: Clinic) -> None:
    first = next_tuesday()
    day = first + timedelta(days=21)
    sessions = clinic.signed_plan().planned_sessions.order_by("number")
    clinic.appointment(starts_at=clinic.at(10, day=first), planned_session=sessions[0])
    visit = clinic.appointment(starts_at=clinic.at(10, day=day), planned_session=sessions[1])
    page = calendar(person().sign_in("marta"), day, view="week")
    for answer in ("Back", "Move all the same"):
        # Wednesday is the third column: 22 days after the first session, 21 are the most.
        drag(page, visit, 10, column=2)
        dialog = page.get_by_role("dialog", name="Outside the window")
        expect(dialog).to_contain_text("Session 2 would come 1 day too late: 22 days after session 1")
        assert start_of(visit) == clinic.at(10, day=day)
        dialog.get_by_role("button", name=answer).click()
    expect(page.locator(".toast-x")).to_contain_text("Lea Brandt moved to")
    assert start_of(visit) == clinic.at(10, day=day + timedelta(days=1))
    # Session 3 a week later: on Thursday, session 2 would be too near to it. The whole course can move; by keyboard, too.
    clinic.appointment(starts_at=clinic.at(10, day=day + timedelta(days=8)), planned_session=sessions[2])
    page = calendar(person().sign_in("marta"), day, view="week")
    drag(page, visit, 10, column=3)
    dialog = page.get_by_role("dialog", name="Outside the window")
    expect(dialog).to_contain_text("Session 3 would come 1 day too soon")
    expect(dialog).to_contain_text("possible only with the whole course")
    expect(dialog.get_by_role("button", name="Move all the same")).to_be_hidden()
    page.keyboard.press("Tab")
    expect(dialog.get_by_role("button", name="Move with the whole course")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Change 2 visits")).to_be_visible()
    expect(page.locator("main")).to_contain_text(f"{day + timedelta(days=2):%a}")
    assert start_of(visit) == clinic.at(10, day=day + timedelta(days=1))


def test_a_visit_is_drawn_longer_by_its_lower_edge(person: Any, clinic: Clinic) -> None:
    day = next_tuesday()
    visit = clinic.appointment(starts_at=clinic.at(10, day=day), kind="consultation")
    page = calendar(person().sign_in("marta"), day)
    place = box(card(page, visit))
    page.mouse.move(place["x"] + 60, place["y"] + place["height"] - 3)
    page.mouse.down()
    page.mouse.move(place["x"] + 60, place["y"] + place["height"] + 2.5 * 3 * ROW, steps=6)
    expect(page.locator("#cal-live")).to_contain_text("10:00 to 11:15")
    page.mouse.up()
    expect(page.locator(".toast-x")).to_contain_text("Lea Brandt now until 11:15.")
    visit.refresh_from_db()
    assert visit.ends_at == clinic.at(11, 15, day=day)
    page.locator(".toast-x").get_by_role("button", name="Undo").click()
    expect(page.locator(".toast-x")).to_contain_text("ends as before")
    visit.refresh_from_db()
    assert visit.ends_at == clinic.at(10, 30, day=day)


def test_set_up_and_clean_up_are_drawn_around_a_visit_in_its_room(person: Any, clinic: Clinic) -> None:
    day = next_tuesday()
    visit = clinic.appointment(starts_at=clinic.at(10, day=day), device=clinic.pen)
    page = calendar(person().sign_in("marta"), day)
    heights = "e => ['::before', '::after'].map(p => getComputedStyle(e, p).height)"
    assert card(page, visit, "rooms").evaluate(heights) == ["6px", "12px"]
    assert card(page, visit, "devices").evaluate(heights) == ["6px", "12px"]
    expect(page.locator("[data-first]").first).to_contain_text("Room 2")


def test_who_may_not_book_drags_nothing(person: Any, clinic: Clinic) -> None:
    day = next_tuesday()
    visit = clinic.appointment(starts_at=clinic.at(10, day=day), kind="consultation")
    page = calendar(person().sign_in("admin"), day)
    drag(page, visit, 12)
    expect(page.locator(".ev.ec-preview")).to_have_count(0)
    assert start_of(visit) == clinic.at(10, day=day)


# ---- what others change ------------------------------------------------------------------------------------


def test_what_others_do_appears_within_seconds_without_a_reload(person: Any, clinic: Clinic) -> None:
    day = next_tuesday()
    visit = clinic.appointment(starts_at=clinic.at(10, day=day), kind="consultation")
    one, other = person().sign_in("marta"), person().sign_in("roca")
    page, theirs = calendar(one, day), calendar(other, day)
    page.evaluate("window.sameGround = true")
    before = box(card(page, visit))["y"]
    card(page, visit).focus()
    drag(theirs, visit, 15)
    expect(theirs.locator(".toast-x")).to_contain_text("moved to")
    expect(card(page, visit)).to_have_accessible_name(re.compile("15:00 to 15:30"), timeout=5000)
    assert box(card(page, visit))["y"] == pytest.approx(before + 5 * 12 * ROW, abs=2)
    # Who is on it with the keyboard stays on it.
    expect(card(page, visit)).to_be_focused()
    # Booked, confirmed and cancelled by others too; what is cancelled leaves the day and is counted.
    ana = clinic.appointment(starts_at=clinic.at(17, day=day), patient=clinic.patient("Ana", "Segura"))
    visit.refresh_from_db()
    booking.change_status(
        appointment=visit, to="cancelled", by=clinic.amari, now=clinic.at(8), reason="On a journey"
    )
    expect(card(page, ana)).to_be_visible(timeout=5000)
    expect(card(page, visit)).to_have_count(0, timeout=5000)
    expect(page.locator("#cal-freed")).to_contain_text("1 cancelled or missed")
    assert page.evaluate("window.sameGround")


def test_a_hidden_page_asks_for_nothing(person: Any, clinic: Clinic) -> None:
    desk = person().sign_in("marta")
    desk.page.clock.install()
    page = calendar(desk, next_tuesday())
    looks = re.compile("/calendar/changes/")
    with page.expect_request(looks):
        page.clock.run_for(3500)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("() => Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    page.clock.run_for(20_000)
    assert not [url for url in asked if "/calendar/" in url]
    # Somebody comes back: it looks at once.
    with page.expect_request(looks):
        page.evaluate(
            "() => { Object.defineProperty(document, 'hidden', {value: false, configurable: true});"
            "document.dispatchEvent(new Event('visibilitychange')); }"
        )


# ---- keyboard, filters, looks ------------------------------------------------------------------------------


def test_the_keyboard_leads_everywhere(person: Any, clinic: Clinic) -> None:
    day = next_tuesday()
    early = clinic.appointment(starts_at=clinic.at(10, day=day), kind="consultation")
    late = clinic.appointment(starts_at=clinic.at(12, day=day), kind="consultation")
    desk = person().sign_in("marta")
    desk.page.add_init_script("window.printed = 0; window.print = () => { window.printed += 1; };")
    page = calendar(desk, day)
    card(page, early).focus()
    page.keyboard.press("ArrowDown")
    expect(card(page, late)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Lea Brandt")).to_be_visible()
    page.keyboard.press("Escape")
    expect(card(page, late)).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.wait_for_url(re.compile(f"day={day + timedelta(days=1)}"))
    page.keyboard.press("w")
    expect(page.locator('#calendar[data-view="week"][data-ready]')).to_be_visible()
    page.keyboard.press("d")
    expect(page.locator('#calendar[data-view="day"][data-ready]')).to_be_visible()
    page.keyboard.press("t")
    page.wait_for_url(lambda url: "day=" not in url)
    page.keyboard.press("/")
    expect(page.locator("#search-anywhere")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("p")
    page.wait_for_url(re.compile("print=1"))
    assert page.evaluate("() => window.printed") == 1
    page.keyboard.press("n")
    page.wait_for_url(re.compile("/appointments/new/"))


def test_of_many_columns_tab_reaches_every_visit_and_a_far_one_is_up_to_date(
    person: Any, clinic: Clinic
) -> None:
    day = next_tuesday()
    people = [clinic.practise(clinic.user(f"p{n}", f"P{n:02}", "physician")) for n in range(20)]
    rooms = [
        Room.objects.create(location=clinic.location, name=f"Q{n:02}", capabilities=["consultation"])
        for n in range(20)
    ]
    visits = [
        [
            clinic.appointment(
                starts_at=clinic.at(9, day=day) + timedelta(minutes=45 * k), practitioner=who, room=room, patient=patient,
                kind="review",
            )
            for k in range(5)
        ]
        for who, room, patient in zip(
            people, rooms, (clinic.patient(f"G{n}", f"F{n}") for n in range(20)), strict=True
        )
    ]  # fmt: skip
    page = calendar(person(820, 1180).sign_in("marta"), day)
    far = visits[-1][-1]
    expect(card(page, far)).to_have_count(0)
    booking.change_status(appointment=far, to="confirmed", by=clinic.amari, now=clinic.at(8, day=day))
    card(page, visits[0][0]).focus()
    for column in visits:
        for visit in column:
            expect(card(page, visit)).to_be_focused()
            if visit is column[-1] and visit is not far:
                expect(card(page, visits[visits.index(column) + 1][0])).to_be_attached()
            page.keyboard.press("Tab")
    expect(card(page, far)).to_have_accessible_name(re.compile("Confirmed"))
    expect(card(page, visits[0][0])).to_have_count(0)


def test_filters_say_what_they_hide_and_show_it_again(person: Any, clinic: Clinic) -> None:
    day = next_tuesday()
    visit = clinic.appointment(starts_at=clinic.at(10, day=day))
    clinic.appointment(
        starts_at=clinic.at(10, day=day), patient=clinic.patient("Ana", "Segura"), practitioner=clinic.nurse,
        room=clinic.other_room, status="confirmed",
    )  # fmt: skip
    page = calendar(person().sign_in("marta"), day)
    page.locator("summary", has_text="Filter").click()
    page.select_option("#cal-status", "booked")
    expect(page.locator("#cal-hidden")).to_contain_text("1 hidden by filter")
    expect(page.locator(".ev[data-visit]:not(.is-booked)")).to_have_count(0)
    # Hidden, and still in the way.
    hold(page, visit, 10, column=1)
    expect(page.locator("#cal-live")).to_contain_text("Inés Roca has another visit then.")
    page.keyboard.press("Escape")
    page.mouse.up()
    page.get_by_role("link", name="Show all").click()
    expect(page.locator("#cal-hidden")).to_be_hidden()
    expect(page.locator(".ev.is-confirmed").first).to_be_visible()


def test_the_looks_are_kept_zoom_slots_colours_and_order(person: Any, clinic: Clinic) -> None:
    day = next_tuesday()
    visit = clinic.appointment(starts_at=clinic.at(10, day=day), kind="consultation")
    desk = person().sign_in("marta")
    page = calendar(desk, day)
    page.locator("summary", has_text="View").click()
    for button in ("Highest", "5", "By kind of service"):
        with page.expect_response(re.compile("/calendar/settings/")):
            page.locator(".cal-menu").get_by_role("button", name=button, exact=True).click()
    desk.accessible()
    with page.expect_response(re.compile("/calendar/settings/")):
        page.get_by_role("button", name="Inés Roca: one place before").click()
    page = calendar(desk, day)
    expect(page.locator(".ec-col-head:not(.ec-col-group)").first).to_contain_text("Inés Roca")
    assert box(card(page, visit))["height"] == pytest.approx(72, abs=1)
    expect(card(page, visit)).to_have_class(re.compile("sv-consultation"))
    kept = CalendarSettings.objects.get(user=clinic.marta)
    assert (kept.zoom, kept.slot_min, kept.colours) == (12, 5, "service")


def test_an_empty_time_leads_to_a_visit_at_that_time(person: Any, clinic: Clinic) -> None:
    day = next_tuesday()
    page = calendar(person().sign_in("marta"), day)
    page.mouse.click(*time_at(page, 11.25, column=1))
    page.wait_for_url(re.compile("/appointments/new/"))
    page.locator("#who-q").press_sequentially("bran")
    page.locator("#who-results").get_by_role("link", name="Lea Brandt").click()
    expect(page.locator("[data-chosen]")).to_contain_text("11:15, Inés Roca")
    page.get_by_role("button", name="Book visit").click()
    expect(page.locator("#calendar[data-ready]")).to_be_visible()
    assert Appointment.objects.get().starts_at == clinic.at(11, 15, day=day)


def test_the_day_can_be_read_without_scripts(chromium: Browser, live_server: Any, clinic: Clinic) -> None:
    day = next_tuesday()
    clinic.appointment(starts_at=clinic.at(10, day=day))
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    who = Person(page, live_server.url).sign_in_at_the_form("marta")
    who.go(f"/calendar/?day={day.isoformat()}")
    row = page.get_by_role("row").filter(has_text="Lea Brandt")
    expect(row).to_contain_text("10:00 to 10:30")
    expect(page.get_by_role("button", name="Show")).to_be_visible()
    context.close()


@pytest.mark.parametrize(("width", "height"), [(1440, 1000), (820, 1180)])
def test_every_view_is_accessible_and_breaks_no_rule_of_the_page(
    person: Any, clinic: Clinic, width: int, height: int
) -> None:
    day = next_tuesday()
    Allergy.objects.create(patient=clinic.lea, recorded_by=clinic.amari, substance="lidocaine")
    Closure.objects.create(
        location=clinic.location,
        starts_at=clinic.at(17, day=day),
        ends_at=clinic.at(18, day=day),
        reason="Works",
    )
    states = ["requested", "booked", "confirmed", "arrived", "in-treatment", "done"]
    for number, status in enumerate(states):
        clinic.appointment(starts_at=clinic.at(9 + number, day=day), status=status)
    roca = person(width, height).sign_in("roca")
    for view in ("day", "week", "month"):
        page = calendar(roca, day, view=view)
        # A month's cell has room for a few; the rest is behind "+4 more".
        for status in states[:1] if view == "month" else states:
            expect(
                page.get_by_role(
                    "button", name=re.compile(f"Lea Brandt, {status.replace('-', ' ')}", re.I)
                ).first
            ).to_be_attached()
        roca.accessible()
    page = calendar(roca, day)
    expect(page.get_by_role("button", name=re.compile("Allergy: Lidocaine")).first).to_be_attached()
    page.locator("summary", has_text="Legend").click()
    roca.accessible()
