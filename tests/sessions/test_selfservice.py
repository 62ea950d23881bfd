"""What a patient does by a signed link, what a forwarded, old or tampered one shows, and what the front desk hears."""

import logging
import re
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from icalendar import Calendar
from redis.exceptions import RedisError

from mesoclinic.audit.models import AuditEvent
from mesoclinic.services.logs import WithoutRows
from patients.models import Patient
from sessions.actions import booking
from sessions.models import Appointment, FreedTime, Message, TimeRequest
from sessions.reminders import outbox
from sessions.selfservice import actions, limits, links
from sessions.selfservice.queries import State, offers, standing
from sessions.selfservice.urls import urlpatterns
from sessions.selfservice.window import allowed_days
from sessions.tokens import token_for
from tests.clinic import Clinic
from tests.sessions.test_booking import book, moved_slot
from tests.together import together

pytestmark = pytest.mark.django_db
MONDAY = date(2026, 11, 30)


@pytest.fixture
def clinic() -> Iterator[Clinic]:
    made = Clinic(today=MONDAY)
    with time_machine.travel(made.at(8), tick=False):
        yield made


@pytest.fixture
def visits(clinic: Clinic) -> list[Appointment]:
    """Lea's course of four: Mondays, two weeks apart, the first one today."""
    return list(book(clinic).appointments.select_related("location", "patient").order_by("starts_at"))


@pytest.fixture
def phone() -> Client:
    """A browser without cookies that insists on CSRF tokens, as a real one would be treated."""
    return Client(enforce_csrf_checks=True)


def link(visit: Appointment, name: str = "visit") -> str:
    return reverse(f"selfservice:{name}", args=[links.visit_token(visit)])


def text(response: Any) -> str:
    return str(response.content.decode())


def fresh(visit: Appointment) -> Appointment:
    return Appointment.objects.select_related("location", "patient", "planned_session__plan").get(pk=visit.pk)


# ---- the link ----------------------------------------------------------------------------------------------


def test_the_reminder_that_leaves_carries_a_link_short_enough_for_an_sms(
    clinic: Clinic, visits: list[Appointment], settings: Any
) -> None:
    settings.MESSAGE_DELIVERY, settings.BASE_URL = "smtp", "https://clinic.example"
    reminder = Message.objects.get(appointment=visits[1], kind="reminder")
    assert "http" not in reminder.body
    with time_machine.travel(reminder.send_at, tick=False):
        outbox.deliver_due(reminder.send_at)
    sent = next(one for one in mail.outbox if one.subject == reminder.subject)
    (address,) = re.findall(r"https://\S+", sent.body)
    assert address == f"https://clinic.example{link(visits[1])}"
    assert len(address) < 60


def test_no_link_stands_in_the_database(clinic: Clinic, visits: list[Appointment]) -> None:
    outbox.deliver_due(clinic.at(8))
    token = links.visit_token(visits[0])
    for message in Message.objects.all():
        assert token not in message.body
        assert "/v/" not in message.body


def test_staff_read_the_link_only_where_the_page_is_the_mailbox(
    clinic: Clinic, visits: list[Appointment], settings: Any
) -> None:
    message = Message.objects.get(appointment=visits[1], kind="reminder")
    desk = Client()
    desk.force_login(clinic.marta)
    page = reverse("sessions:message", args=[message.pk])
    assert link(visits[1]) in text(desk.get(page))
    settings.MESSAGE_DELIVERY = "smtp"
    assert links.visit_token(visits[1]) not in text(desk.get(page))


def test_a_forwarded_link_shows_time_and_place_and_nothing_personal(
    clinic: Clinic, visits: list[Appointment], phone: Client
) -> None:
    Patient.objects.filter(pk=clinic.lea.pk).update(note="Secret note")
    booking_link = reverse("selfservice:course", args=[token_for("course", visits[0].booking_id or 0, 0)])
    addresses = [link(visits[1], name) for name in ("visit", "cancel", "times")] + [booking_link]
    for address in addresses:
        answer = phone.get(address)
        assert answer.status_code == 200
        for word in ("Lea", "Brandt", "1988", "CK-PIG", "papule", "Amari", "pigment", "Session", "P-0", "+34600", "Secret", "lea@"):  # fmt: skip
            assert word not in text(answer), (address, word)
        assert "Monday 14 December 2026, 09:00" in text(answer)
    calendar = text(phone.get(link(visits[1], "visit-calendar")))
    assert not re.search("Lea|Brandt|Amari|CK-PIG", calendar)


def test_pages_by_link_are_kept_by_nobody_and_told_to_no_other_site(
    visits: list[Appointment], phone: Client
) -> None:
    for answer in (phone.get(link(visits[1])), phone.get("/v/x/"), phone.post(link(visits[1], "confirm"))):
        assert answer["Cache-Control"] == "no-store, private"
        assert answer["Referrer-Policy"] == "no-referrer"
        assert "noindex" in answer["X-Robots-Tag"]
        assert not answer.cookies
    page = text(phone.get(link(visits[1])))
    assert "<script" not in page
    assert "style=" not in page


def _tampered(token: str) -> Iterator[str]:
    yield from (
        "x",
        "0" * 17,
        token[:-1],
        token + "0",
        token[:16] + "zzzzzzzzzz",
        "A" * 16 + "1",
        "%00",
        "é" * 17,
    )
    for at in (0, 7, 15):
        yield token[:at] + ("0" if token[at] != "0" else "1") + token[at + 1 :]


def test_tampered_and_made_up_links_open_nothing_and_change_nothing(
    visits: list[Appointment], phone: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PER_ADDRESS", 10_000)
    before = list(Appointment.objects.order_by("pk").values())
    good, other = links.visit_token(visits[1]), links.visit_token(visits[2])
    swapped = good[:16] + other[16:]
    course = token_for("course", visits[1].pk, 0)
    for token in [*_tampered(good), swapped, course]:
        for pattern in urlpatterns:
            address = "/" + str(pattern.pattern).replace("<str:token>", token)
            if address.startswith("/c/") and token == course:
                continue
            for method in (phone.get, phone.post):
                answer = method(address)
                assert answer.status_code in {400, 404, 405}, (address, answer.status_code)
                assert not re.search("Lea|Brandt|09:00|December", text(answer))
    assert list(Appointment.objects.order_by("pk").values()) == before
    assert not TimeRequest.objects.exists()


def test_a_dead_link_says_whom_to_call_in_the_browser_s_language(phone: Client, clinic: Clinic) -> None:
    answer = phone.get("/v/AAAAAAAAAAAAAAAA1/", headers={"Accept-Language": "ar,en;q=0.5"})
    assert answer.status_code == 404
    assert 'lang="ar" dir="rtl"' in text(answer)
    assert "+34 910 555 014" in text(answer)


def test_a_link_ends_a_day_after_the_visit(visits: list[Appointment], phone: Client) -> None:
    visit = visits[1]
    with time_machine.travel(visit.ends_at + timedelta(hours=23), tick=False):
        assert "This appointment is over" in text(phone.get(link(visit)))
    with time_machine.travel(visit.ends_at + timedelta(hours=25), tick=False):
        for name in ("visit", "times", "cancel", "visit-calendar"):
            answer = phone.get(link(visit, name))
            assert answer.status_code == 410
            assert "December" not in text(answer)
        assert phone.post(link(visit, "confirm")).status_code == 410


def test_withdrawn_links_open_nothing_and_waiting_messages_carry_new_ones(
    clinic: Clinic, visits: list[Appointment], phone: Client
) -> None:
    visit, course = visits[1], visits[1].booking
    assert course is not None
    old, old_course = link(visit), links.course_link(course, visit.patient_id)
    desk = Client()
    desk.force_login(clinic.marta)
    answer = desk.post(reverse("sessions:links-withdraw", args=[visit.pk]))
    assert answer.status_code == 302
    assert phone.get(old).status_code == 404
    assert phone.get(old_course.removeprefix("http://localhost:8000")).status_code == 404
    assert phone.get(link(visit)).status_code == 200
    assert link(visit) in links.with_links(Message.objects.get(appointment=visit, kind="reminder"))
    assert AuditEvent.objects.filter(type="links.withdrawn", actor_name="Marta Solé").count() == 1


def test_a_new_signing_key_keeps_links_that_the_fallback_still_knows(
    visits: list[Appointment], phone: Client, settings: Any
) -> None:
    old, before = link(visits[1]), settings.SECRET_KEY
    settings.SECRET_KEY = "another-key-of-a-decent-length-for-tests"
    assert phone.get(old).status_code == 404
    settings.SECRET_KEY_FALLBACKS = [before]
    assert phone.get(old).status_code == 200


def test_neither_logs_nor_their_tracebacks_hold_a_link(visits: list[Appointment]) -> None:
    address = link(visits[1], "confirm")
    try:
        raise ValueError(address)
    except ValueError:
        record = logging.LogRecord("django.request", 30, "", 1, "Conflict: %s", (address,), sys.exc_info())
    line = WithoutRows().format(record)
    assert "Conflict: /v/.../confirm/" in line
    assert links.visit_token(visits[1]) not in line


def test_too_many_requests_are_told_to_wait(
    visits: list[Appointment], phone: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PER_LINK", 3)
    answers = [phone.get(link(visits[1])).status_code for _n in range(4)]
    assert answers == [200, 200, 200, 429]
    assert phone.get(link(visits[2])).status_code == 200
    monkeypatch.setattr(limits, "PER_ADDRESS", 3)
    assert phone.get(link(visits[2])).status_code == 429


def test_without_redis_a_patient_can_still_confirm(
    visits: list[Appointment], phone: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_args: Any) -> None:
        raise RedisError("no connection")

    monkeypatch.setattr("mesoclinic.accounts.rate_limit.cache.add", gone)
    assert phone.post(link(visits[1], "confirm"), {"version": visits[1].version}).status_code == 302
    assert fresh(visits[1]).status == "confirmed"


# ---- confirm -----------------------------------------------------------------------------------------------


def confirm(phone: Client, visit: Appointment) -> Any:
    return phone.post(link(visit, "confirm"), {"version": fresh(visit).version}, follow=True)


def test_one_tap_the_evening_before_confirms_and_no_further_reminder_leaves(
    clinic: Clinic, visits: list[Appointment], phone: Client
) -> None:
    visit = visits[1]
    evening = clinic.at(17, day=visit.starts_at.date() - timedelta(days=1))
    with time_machine.travel(evening, tick=False):
        page = phone.get(link(visit))
        assert fresh(visit).status == "booked"
        assert "Confirm appointment" in text(page)
        answer = confirm(phone, visit)
    assert "Thank you. We expect you." in text(answer)
    assert fresh(visit).status == "confirmed"
    assert not Message.objects.filter(
        appointment=visit, kind="reminder", state__in=["due", "failed"]
    ).exists()
    event = AuditEvent.objects.get(type="appointment.confirmed")
    assert (event.actor_name, event.actor_id, event.patient_id) == ("Patient, by link", None, clinic.lea.pk)


def test_who_confirms_weeks_before_is_recalled_the_day_before_but_not_asked_again(
    visits: list[Appointment], phone: Client
) -> None:
    confirm(phone, visits[2])
    (waiting,) = Message.objects.filter(appointment=visits[2], kind="reminder", state="due")
    assert "you have confirmed" in waiting.body


def test_taking_a_confirmation_back_asks_again(
    clinic: Clinic, visits: list[Appointment], phone: Client
) -> None:
    confirm(phone, visits[2])
    booking.change_status(appointment=visits[2], to="booked", by=clinic.marta, now=clinic.at(8))
    (waiting,) = Message.objects.filter(appointment=visits[2], kind="reminder", state="due")
    assert "Confirm, move or cancel" in waiting.body


def test_a_double_tap_confirms_once(visits: list[Appointment], phone: Client) -> None:
    version = visits[1].version
    for _tap in range(2):
        answer = phone.post(link(visits[1], "confirm"), {"version": version})
        assert answer.status_code == 302
    assert AuditEvent.objects.filter(type="appointment.confirmed").count() == 1


def test_looking_changes_nothing(visits: list[Appointment], phone: Client) -> None:
    before = list(Appointment.objects.order_by("pk").values())
    told = Message.objects.count()
    for pattern in urlpatterns[:-1]:
        token = links.visit_token(visits[1])
        if "c/" in str(pattern.pattern)[:2]:
            token = token_for("course", visits[1].booking_id or 0, 0)
        address = "/" + str(pattern.pattern).replace("<str:token>", token)
        for method in (phone.get, phone.head, phone.options):
            assert method(address).status_code in {200, 405}
    assert list(Appointment.objects.order_by("pk").values()) == before
    assert Message.objects.count() == told
    assert not TimeRequest.objects.exists()


def test_a_time_that_moved_meanwhile_is_shown_before_it_can_be_confirmed(
    clinic: Clinic, visits: list[Appointment], phone: Client
) -> None:
    version = visits[1].version
    booking.move(appointment=visits[1], slot=moved_slot(visits[1], 1), by=clinic.marta, now=clinic.at(8))
    answer = phone.post(link(visits[1], "confirm"), {"version": version})
    assert answer.status_code == 409
    assert "has changed meanwhile" in text(answer)
    assert "Tuesday 15 December" in text(answer)
    assert fresh(visits[1]).status == "booked"
    assert "Thank you" in text(confirm(phone, visits[1]))


@pytest.mark.parametrize("version", ["", "x", "-1", "99999999999999999999", "1.5"])
def test_a_confirmation_without_a_readable_version_changes_nothing(
    visits: list[Appointment], phone: Client, version: str
) -> None:
    answer = phone.post(link(visits[1], "confirm"), {"version": version})
    assert answer.status_code == 409
    assert fresh(visits[1]).status == "booked"


# ---- cancel ------------------------------------------------------------------------------------------------


def test_cancelling_is_asked_once_then_new_dates_inside_the_window_are_offered(
    clinic: Clinic, visits: list[Appointment], phone: Client
) -> None:
    visit = visits[1]
    asked = phone.get(link(visit, "cancel"))
    assert "Cancel this appointment?" in text(asked)
    assert fresh(visit).status == "booked"
    answer = phone.post(
        link(visit, "cancel"), {"version": visit.version, "reason": "On a journey"}, follow=True
    )
    cancelled = fresh(visit)
    assert (cancelled.status, cancelled.reason) == ("cancelled", "By the patient's link: On a journey")
    assert "Your appointment is cancelled." in text(answer)
    assert answer.request["PATH_INFO"] == link(visit, "times")
    offered = re.findall(r'value="(2026-12-[0-9T:+]+)"', text(answer))
    days = {datetime.fromisoformat(one).date() for one in offered}
    # Session 1 is on 30 Nov, session 3 stays on 28 Dec: 7 to 21 days from both.
    assert days
    assert all(date(2026, 12, 7) <= day <= date(2026, 12, 21) for day in days)
    assert not Message.objects.filter(appointment=visit, kind="reminder", state="due").exists()
    assert Message.objects.get(appointment=visit, kind="cancelled").state == "due"
    # The waiting list may have the time.
    assert FreedTime.objects.get(cause="cancelled").starts_at == visit.starts_at
    # One tap books the session anew, under a link of its own.
    new = phone.post(link(visit, "times"), {"start": offered[0], "version": cancelled.version}, follow=True)
    assert "This is your new appointment" in text(new)
    made = Appointment.objects.get(planned_session=visit.planned_session_id, status="booked")
    assert made.starts_at == datetime.fromisoformat(offered[0])
    assert new.request["PATH_INFO"] == link(made)
    assert AuditEvent.objects.get(type="appointment.booked").actor_name == "Patient, by link"
    assert made.booked_by is None
    # The course's page and file know it too; of the cancelled one the file says that it is gone.
    course = links.course_link(visits[0].booking, clinic.lea.pk).removeprefix("http://localhost:8000")  # type: ignore[arg-type]
    assert [link(one) in text(phone.get(course)) for one in (visits[0], made, visit)] == [True, True, False]
    file = Calendar.from_ical(phone.get(f"{course}appointments.ics").content)
    assert sorted(str(event["STATUS"]) for event in file.walk("VEVENT")) == ["CANCELLED", *["CONFIRMED"] * 4]
    # A second tap of the same button finds what the first one made.
    twice = phone.post(link(visit, "times"), {"start": offered[0], "version": cancelled.version}, follow=True)
    assert twice.request["PATH_INFO"] == link(made)
    assert Appointment.objects.exclude(status="cancelled").count() == 4
    # The old link says what became of it, and offers nothing any more.
    assert "This appointment is cancelled." in text(phone.get(link(visit)))
    assert "Choose a new time" not in text(phone.get(link(visit)))


def test_a_reason_is_not_asked_of_a_patient_and_a_double_tap_cancels_once(
    visits: list[Appointment], phone: Client
) -> None:
    for _tap in range(2):
        answer = phone.post(link(visits[1], "cancel"), {"version": visits[1].version})
        assert answer.status_code == 302
    assert fresh(visits[1]).reason == "By the patient's link"
    assert AuditEvent.objects.filter(type="appointment.cancelled").count() == 1


def test_a_cancelled_consultation_can_be_asked_for_anew(clinic: Clinic, phone: Client) -> None:
    visit = clinic.appointment(kind="consultation", starts_at=clinic.at(11, day=MONDAY + timedelta(days=3)))
    answer = phone.post(link(visit, "cancel"), {"version": 1}, follow=True)
    assert "Ask the clinic to call me" in text(answer)
    assert "We have your request" in text(phone.post(link(visit, "ask"), {"wish": "mornings"}, follow=True))
    assert TimeRequest.objects.get().wish == "mornings"


# ---- another time ------------------------------------------------------------------------------------------


def test_only_free_times_inside_all_windows_are_offered(
    clinic: Clinic, visits: list[Appointment], phone: Client
) -> None:
    visit = visits[1]
    taken = clinic.at(10, day=date(2026, 12, 15))
    clinic.appointment(patient=clinic.patient("Ana", "Otra"), starts_at=taken)
    found = offers(fresh(visit), clinic.at(8))
    assert min(found.days) == date(2026, 12, 7)
    assert max(found.days) == date(2026, 12, 21)
    starts = {slot.start for slots in found.days.values() for slot in slots}
    assert taken not in starts
    assert visit.starts_at not in starts
    assert clinic.at(11, day=date(2026, 12, 15)) in starts
    assert {slot.practitioner for slots in found.days.values() for slot in slots} == {visit.practitioner_id}
    assert not any(start.astimezone(clinic.location.zone).isoweekday() > 5 for start in starts)


def test_choosing_a_time_moves_the_visit_at_once(
    clinic: Clinic, visits: list[Appointment], phone: Client
) -> None:
    visit, to = visits[1], clinic.at(12, day=date(2026, 12, 16))
    for _tap in range(2):
        answer = phone.post(
            link(visit, "times"), {"start": to.isoformat(), "version": visit.version}, follow=True
        )
        assert "Done. This is your new time." in text(answer)
        assert "Wednesday 16 December 2026, 12:00" in text(answer)
    assert fresh(visit).starts_at == to
    assert FreedTime.objects.get(cause="moved").starts_at == visit.starts_at
    event = AuditEvent.objects.get(type="appointment.moved")
    assert (event.actor_name, event.reason) == ("Patient, by link", "By the patient's link")
    assert Message.objects.filter(appointment=visit, kind="moved", state="due").count() == 1


@pytest.mark.parametrize(
    "start",
    [
        "2026-12-05T10:00:00+01:00", "2026-12-22T10:00:00+01:00", "2026-12-15T22:00:00+01:00", "2026-12-15T10:01:00+01:00",
        "2026-12-15T10:00:00", "2020-01-01T10:00:00+01:00", "", "x", "9999-12-31T23:59:59-14:00",
    ],
)  # fmt: skip
def test_no_time_but_an_offered_one_can_be_sent(visits: list[Appointment], phone: Client, start: str) -> None:
    answer = phone.post(link(visits[1], "times"), {"start": start, "version": visits[1].version})
    assert answer.status_code == 409
    assert "That time was taken a moment ago" in text(answer)
    assert fresh(visits[1]).starts_at == visits[1].starts_at


def test_a_time_that_somebody_took_meanwhile_gives_fresh_ones(
    clinic: Clinic, visits: list[Appointment], phone: Client
) -> None:
    to = clinic.at(12, day=date(2026, 12, 16))
    page = text(phone.get(link(visits[1], "times")))
    assert "2026-12-16T11:00:00+00:00" in page
    clinic.appointment(patient=clinic.patient("Ana", "Otra"), starts_at=to)
    answer = phone.post(link(visits[1], "times"), {"start": to.isoformat(), "version": visits[1].version})
    assert answer.status_code == 409
    assert "That time was taken a moment ago" in text(answer)
    assert "2026-12-16T11:00:00+00:00" not in text(answer)


def test_where_the_same_practitioner_has_nothing_a_colleague_s_times_are_offered_and_named_so(
    clinic: Clinic, visits: list[Appointment], phone: Client
) -> None:
    visit = visits[1]
    assert visit.practitioner_id == clinic.practitioner.pk
    clinic.practitioner.absences.create(
        starts_at=clinic.at(0, day=date(2026, 12, 1)), ends_at=clinic.at(0, day=date(2026, 12, 25))
    )
    page = text(phone.get(link(visit, "times")))
    assert "with a colleague of the person" in page
    found = offers(fresh(visit), clinic.at(8))
    assert {slot.practitioner for slots in found.days.values() for slot in slots} == {clinic.nurse.pk}


def test_when_nothing_fits_the_front_desk_gets_a_request_and_settles_it(
    clinic: Clinic, visits: list[Appointment], phone: Client
) -> None:
    visit = visits[1]
    for one in (clinic.practitioner, clinic.nurse):
        one.absences.create(
            starts_at=clinic.at(0, day=date(2026, 12, 1)), ends_at=clinic.at(0, day=date(2026, 12, 25))
        )
    assert "No free time fits" in text(phone.get(link(visit, "times")))
    for wish in ("Thursdays", "Thursdays after 17"):
        answer = phone.post(link(visit, "ask"), {"wish": wish}, follow=True)
        assert "We have your request" in text(answer)
    desk = Client()
    desk.force_login(clinic.marta)
    page = text(desk.get(reverse("sessions:requests")))
    assert "Lea Brandt" in page
    assert "Thursdays after 17" in page
    assert TimeRequest.objects.count() == 1
    answer = desk.post(reverse("sessions:request-settle", args=[TimeRequest.objects.get().pk]), follow=True)
    assert "No patient waits" in text(answer)
    assert TimeRequest.objects.get().settled_by == clinic.marta
    assert AuditEvent.objects.filter(type="time-request.asked").first().actor_name == "Patient, by link"  # type: ignore[union-attr]


def test_the_list_of_requests_hides_names_and_costs_the_same_however_long_it_is(
    clinic: Clinic, visits: list[Appointment], phone: Client
) -> None:
    desk, url = Client(), reverse("sessions:requests")
    desk.force_login(clinic.marta)
    phone.post(link(visits[1], "ask"))

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert desk.get(url).status_code == 200
        return len(queries)

    cost()
    before = cost()
    for visit in visits[2:]:
        phone.post(link(visit, "ask"))
    assert cost() == before
    assert "Nobody" not in text(desk.get(url, {"q": "Brandt"}))
    assert "No request under this name" in text(desk.get(url, {"q": "Nobody"}))
    desk.post(reverse("accounts:hide-names"))
    assert not re.search("Lea Brandt|600 55 50 01", text(desk.get(url)))


def test_a_request_settles_itself_when_the_patient_finds_a_time_after_all(
    clinic: Clinic, visits: list[Appointment], phone: Client
) -> None:
    phone.post(link(visits[1], "ask"))
    to = clinic.at(12, day=date(2026, 12, 16))
    phone.post(link(visits[1], "times"), {"start": to.isoformat(), "version": visits[1].version})
    assert TimeRequest.objects.get().settled_at is not None


def test_offers_cost_the_same_however_full_the_calendar_is(
    clinic: Clinic, visits: list[Appointment], phone: Client
) -> None:
    address = link(visits[1], "times")
    phone.get(address)

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert phone.get(address).status_code == 200
        return len(queries)

    before = cost()
    for hour in range(9, 16):
        clinic.appointment(
            patient=clinic.patient(f"Ana{hour}", "Otra"), starts_at=clinic.at(hour, day=date(2026, 12, 15)),
            room=clinic.other_room, practitioner=clinic.nurse,
        )  # fmt: skip
    assert cost() == before


def test_windows_of_neighbours_that_have_no_date_add_up() -> None:
    from sessions.scheduling import Visit

    rows = {
        n: Visit(n, n, 7 if n > 1 else 0, 14 if n > 1 else 0, 21 if n > 1 else 30, 30, "injection")
        for n in range(1, 5)
    }
    day = date(2026, 12, 1)
    start = date(2026, 11, 1)
    assert allowed_days(rows, {}, 1, start=start) == (start, date(2026, 12, 1))
    assert allowed_days(rows, {1: day}, 2, start=start) == (date(2026, 12, 8), date(2026, 12, 22))
    # Session 2 is cancelled and will lie between.
    assert allowed_days(rows, {1: day}, 3, start=start) == (date(2026, 12, 15), date(2027, 1, 12))
    assert allowed_days(rows, {1: day, 4: date(2027, 1, 12)}, 3, start=start) == (
        date(2026, 12, 22), date(2027, 1, 5),
    )  # fmt: skip
    # Both neighbours stand too near to each other for any day between.
    assert allowed_days(rows, {1: day, 3: date(2026, 12, 10)}, 2, start=start) is None


# ---- how a visit stands ------------------------------------------------------------------------------------


def test_late_the_link_asks_to_call_but_still_confirms(
    clinic: Clinic, visits: list[Appointment], phone: Client
) -> None:
    visit = visits[1]
    clinic.location.late_hours = 12
    clinic.location.save()
    with time_machine.travel(visit.starts_at - timedelta(hours=11), tick=False):
        page = text(phone.get(link(visit)))
        assert "call us now" in page
        assert 'href="tel:+34910555014"' in page
        assert link(visit, "times") not in page
        assert link(visit, "cancel") not in page
        for name in ("cancel", "times"):
            start = clinic.at(12, day=date(2026, 12, 16)).isoformat()
            answer = phone.post(link(visit, name), {"version": visit.version, "start": start})
            assert answer.status_code == 409
            assert "call us now" in text(answer)
        assert fresh(visit).status == "booked"
        assert "Thank you" in text(confirm(phone, visit))
    with time_machine.travel(visit.starts_at - timedelta(hours=13), tick=False):
        assert standing(fresh(visit), visit.starts_at - timedelta(hours=13)).cancel


def test_no_offered_time_lies_so_near_that_it_could_not_be_changed_any_more(
    clinic: Clinic, visits: list[Appointment]
) -> None:
    now = clinic.at(8, day=date(2026, 12, 9))
    found = offers(fresh(visits[1]), now)
    assert min(slot.start for slots in found.days.values() for slot in slots) >= now + timedelta(hours=4)


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("arrived", "You are checked in"), ("in-treatment", "You are checked in"), ("done", "This appointment is over"),
        ("no-show", "You did not come"), ("cancelled", "This appointment is cancelled"),
        ("requested", "has not accepted this appointment yet"),
    ],
)  # fmt: skip
def test_every_state_says_what_it_is_and_offers_only_what_it_allows(
    visits: list[Appointment], phone: Client, status: str, sentence: str
) -> None:
    visit = visits[1]
    Appointment.objects.filter(pk=visit.pk).update(status=status)
    assert sentence in text(phone.get(link(visit)))
    answer = phone.post(link(visit, "confirm"), {"version": visit.version})
    assert answer.status_code == 409
    assert sentence in text(answer)
    assert fresh(visit).status == status


def test_a_visit_on_hold_asks_to_call_and_says_nothing_of_why(
    clinic: Clinic, visits: list[Appointment], phone: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessions.selfservice.queries.open_blocks", lambda plans: {plans[0]: "pregnant"})
    page = text(phone.get(link(visits[1])))
    assert "We need to speak with you before this appointment" in page
    assert "pregnan" not in page
    assert link(visits[1], "times") not in page
    assert phone.post(link(visits[1], "confirm"), {"version": visits[1].version}).status_code == 409
    assert standing(fresh(visits[1]), clinic.at(8)).state is State.HELD


def test_no_new_date_is_offered_for_a_course_that_ended(visits: list[Appointment], phone: Client) -> None:
    phone.post(link(visits[1], "cancel"), {"version": visits[1].version})
    plan = visits[1].planned_session.plan  # type: ignore[union-attr]
    plan.status = "stopped"
    plan.save()
    assert "Choose a new time" not in text(phone.get(link(visits[1])))
    assert phone.post(link(visits[1], "times"), {"start": "2026-12-16T11:00:00+00:00"}).status_code == 409


@pytest.mark.parametrize(("typed", "kept"), [("24", 24), ("0", 0), ("", 4)])
def test_the_manager_sets_the_hours_per_location(clinic: Clinic, typed: str, kept: int) -> None:
    manager, place = Client(), clinic.location
    manager.force_login(clinic.ortiz)
    names = ("name", "short_name", "address", "time_zone", "phone", "emergency_number")
    form = {name: getattr(place, name) for name in names}
    answer = manager.post(reverse("sessions:setup-place-edit", args=[place.pk]), form | {"late_hours": typed})
    assert answer.status_code == 302, text(answer)
    place.refresh_from_db()
    assert place.late_hours == kept
    refused = manager.post(
        reverse("sessions:setup-place-edit", args=[place.pk]), form | {"late_hours": "169"}
    )
    assert refused.status_code == 422
    assert "168" in text(refused)


# ---- languages, calendar -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("es", "lunes, 14 de diciembre de 2026, 09:00"), ("de", "Montag, 14. Dezember 2026, 09:00"),
        ("fr", "lundi 14 décembre 2026, 09:00"), ("ar", "الاثنين 14 ديسمبر 2026، 09:00"), ("xx", "Monday 14 December 2026, 09:00"),
    ],
)  # fmt: skip
def test_pages_speak_the_patient_s_language(
    clinic: Clinic, visits: list[Appointment], phone: Client, language: str, words: str
) -> None:
    Patient.objects.filter(pk=clinic.lea.pk).update(language=language)
    for name in ("visit", "cancel", "times"):
        page = text(phone.get(link(visits[1], name)))
        assert words in page
        known = language if language != "xx" else "en"
        assert f'lang="{known}" dir="{"rtl" if language == "ar" else "ltr"}"' in page


def test_the_calendar_file_follows_the_visit_under_one_uid_with_rising_sequence(
    clinic: Clinic, visits: list[Appointment], phone: Client
) -> None:
    visit = visits[1]

    def event() -> Any:
        answer = phone.get(link(visit, "visit-calendar"))
        assert answer["Content-Type"] == "text/calendar; charset=utf-8"
        calendar = Calendar.from_ical(answer.content)
        (one,) = calendar.walk("VEVENT")
        return calendar["METHOD"], one

    method, first = event()
    assert (method, str(first["STATUS"])) == ("PUBLISH", "CONFIRMED")
    assert first["DTSTART"].dt == visit.starts_at
    booking.move(appointment=visit, slot=moved_slot(visit, 2), by=clinic.marta, now=clinic.at(8))
    _method, second = event()
    phone.post(link(visit, "cancel"), {"version": fresh(visit).version})
    method, third = event()
    assert (method, str(third["STATUS"])) == ("CANCEL", "CANCELLED")
    assert first["UID"] == second["UID"] == third["UID"]
    assert first["SEQUENCE"] < second["SEQUENCE"] < third["SEQUENCE"]
    assert second["DTSTART"].dt == visit.starts_at + timedelta(days=2)
    assert first["DTSTAMP"].dt <= second["DTSTAMP"].dt <= third["DTSTAMP"].dt


def test_the_course_s_page_lists_every_visit_and_leads_to_each(
    visits: list[Appointment], phone: Client
) -> None:
    body = links.with_links(Message.objects.get(kind="confirmation"))
    (address,) = re.findall(r"http://localhost:8000(/c/\S+)", body)
    page = text(phone.get(address))
    for visit in visits:
        assert link(visit) in page
    calendar = Calendar.from_ical(phone.get(f"{address}appointments.ics").content)
    assert len(calendar.walk("VEVENT")) == 4


def test_the_course_s_page_names_the_place_of_each_visit_where_there_are_two(
    clinic: Clinic, visits: list[Appointment], phone: Client
) -> None:
    address = (
        links.with_links(Message.objects.get(kind="confirmation"))
        .split("http://localhost:8000")[1]
        .split()[0]
    )
    assert "mesoclinic Madrid</bdi>" not in text(phone.get(address))
    there = clinic.elsewhere()
    Appointment.objects.filter(pk=visits[3].pk).update(location=there, room=there.rooms.get())
    page = text(phone.get(address))
    assert page.count("<bdi>mesoclinic Madrid</bdi></span>") == 3
    assert page.count("<bdi>mesoclinic Las Palmas</bdi></span>") == 1
    assert "Calle Muestra 3" in page


def test_mails_about_one_visit_are_invitations_that_replace_each_other(
    clinic: Clinic, visits: list[Appointment], settings: Any
) -> None:
    settings.MESSAGE_DELIVERY = "smtp"
    booking.move(appointment=visits[1], slot=moved_slot(visits[1], 1), by=clinic.marta, now=clinic.at(8))
    booking.change_status(
        appointment=visits[2], to="cancelled", by=clinic.marta, now=clinic.at(8), reason="On a journey"
    )
    outbox.deliver_due(clinic.at(9))
    methods = {}
    for one in mail.outbox:
        (part,) = [p for p in one.message().walk() if p.get_content_type() == "text/calendar"]
        calendar = Calendar.from_ical(part.get_content())
        assert part.get_param("method") == str(calendar["METHOD"])
        methods[one.subject] = str(calendar["METHOD"])
        if len(calendar.walk("VEVENT")) == 1:
            (event,) = calendar.walk("VEVENT")
            assert str(event["ATTENDEE"]) == "mailto:lea@example.org"
            assert str(event["ORGANIZER"]) == "mailto:clinic@localhost"
    assert methods == {
        "Your appointments at mesoclinic Madrid": "PUBLISH",
        "Your appointment has moved": "REQUEST",
        "Your appointment is cancelled": "CANCEL",
    }


# ---- at once -----------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_patients_who_tap_the_same_time_at_once_get_it_once(transactional_db: None) -> None:
    clinic = Clinic(today=MONDAY)
    start = clinic.at(12, day=date(2026, 12, 16))
    with time_machine.travel(clinic.at(8), tick=False):
        first = list(book(clinic).appointments.order_by("starts_at"))[1]
        other = clinic.signed_plan(clinic.patient("Ana", "Otra"))
        second = list(book(clinic, other).appointments.order_by("starts_at"))[1]
        clinic.nurse.hours.all().delete()
        Appointment.objects.filter(pk=second.pk).update(practitioner=clinic.practitioner)
        chosen = [fresh(first), fresh(second)]

        def act(visit: Appointment) -> Appointment:
            return actions.choose(appointment=visit, version=visit.version, start=start, now=clinic.at(8))

        results = together(lambda: act(chosen[0]), lambda: act(chosen[1]))
    won = [row for row in results if isinstance(row, Appointment)]
    lost = [row for row in results if isinstance(row, booking.TimeTaken)]
    assert (len(won), len(lost)) == (1, 1), results
