"""Pages of booking and calendar: what the front desk sees is what is booked, on the right clock, for the right patient."""

import re
import uuid
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import combinations
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from patients.models import Allergy, Condition, Medication
from sessions.actions import booking as actions
from sessions.models import Appointment, Location, Message, Practitioner
from sessions.queries.booking import options_for
from sessions.scheduling import Preferences
from tests.clinic import Clinic

pytestmark = pytest.mark.django_db
TODAY = date(2026, 12, 1)


@pytest.fixture
def clinic() -> Iterator[Clinic]:
    with time_machine.travel("2026-12-01T07:00:00Z", tick=False):
        yield Clinic(today=TODAY)


@pytest.fixture
def palmas(clinic: Clinic) -> Location:
    return clinic.elsewhere()


def at(clinic: Clinic, username: str) -> Client:
    client = Client()
    client.force_login(clinic.users[username])
    return client


def text(response: Any) -> str:
    """The words of a page without tags, on one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def there(clinic: Clinic, place: Location, **values: Any) -> Appointment:
    """A visit of Lea in Las Palmas at 12:15 on the wall there, 13:15 in Madrid."""
    return clinic.appointment(
        location=place, room=place.rooms.get(), practitioner=Practitioner.objects.get(user__username="yaiza"),
        starts_at=clinic.at(13, 15, day=date(2026, 12, 2)), kind="consultation", **values,
    )  # fmt: skip


def slot_of(page: Any, when: str) -> str:
    """The signed value behind a free time, by what its radio says, such as "Wed 2 Dec, 10:00"."""
    for value, said in re.findall(
        r'name="slot" value="([^"]+)" required data-say="([^"]+)"', page.content.decode()
    ):
        if said.startswith(when):
            return str(value)
    raise AssertionError(f"no free time {when}")


# ---- clocks ------------------------------------------------------------------------------------------------


def test_a_visit_elsewhere_is_told_on_the_clock_of_that_place_which_is_named(
    clinic: Clinic, palmas: Location
) -> None:
    visit, desk = there(clinic, palmas), at(clinic, "marta")
    for path in (
        "/not-confirmed/", f"/patients/{clinic.lea.pk}/", f"/appointments/{visit.pk}/", f"/appointments/{visit.pk}/move/",
    ):  # fmt: skip
        page = text(desk.get(path))
        assert "Wed 2 Dec, 12:15" in page, path
        assert "Las Palmas time" in page, path
        assert "Wed 2 Dec, 13:15" not in page, path


def test_free_times_elsewhere_are_offered_on_the_clock_of_that_place(
    clinic: Clinic, palmas: Location
) -> None:
    visit = there(clinic, palmas)
    page = at(clinic, "marta").get(f"/appointments/{visit.pk}/move/?day=2026-12-03")
    said = re.findall(r'data-say="([^"]+)"', page.content.decode())
    # Hours there are 9 to 17.
    assert said[0] == "Thu 3 Dec, 09:00, Yaiza Cabrera, Room 1"
    assert "Thu 3 Dec, 16:30, Yaiza Cabrera, Room 1" in said


def test_a_message_tells_its_visit_on_the_clock_of_its_place(clinic: Clinic, palmas: Location) -> None:
    visit = there(clinic, palmas)
    message = Message.objects.create(
        kind="reminder", cause="x", patient=clinic.lea, appointment=visit, location=palmas, recipient="lea@example.org",
        language="en", subject="Reminder", body="...", send_at=clinic.at(19),
    )  # fmt: skip
    page = text(at(clinic, "marta").get(f"/messages/{message.pk}/"))
    assert "Wed 2 Dec, 12:15 Las Palmas time" in page
    assert "leaves Tue 1 Dec, 18:00 Las Palmas time" in page


def test_people_of_another_location_start_there(clinic: Clinic, palmas: Location) -> None:
    for username, place in (("yaiza", "Las Palmas"), ("roca", "Madrid"), ("marta", "Madrid")):
        client = at(clinic, username)
        client.get("/")
        assert client.session["place"]["name"] == place


# ---- a single visit ----------------------------------------------------------------------------------------


def test_the_visit_booked_is_the_visit_shown_with_the_note_typed(clinic: Clinic) -> None:
    desk = at(clinic, "marta")
    shown = {
        "patient": clinic.lea.pk,
        "kind": "review",
        "minutes": "45",
        "day": "2026-12-02",
        "practitioner": "",
    }
    page = desk.get("/appointments/new/", shown)
    answer = desk.post(
        "/appointments/new/", shown | {"slot": slot_of(page, "Wed 2 Dec, 10:00"), "note": "Comes by taxi"}
    )
    assert answer.status_code == 302
    visit = Appointment.objects.get()
    assert (visit.kind, visit.ends_at - visit.starts_at) == ("review", timedelta(minutes=45))
    assert visit.note == "Comes by taxi"


@pytest.mark.parametrize(
    "changed",
    [{"kind": "review"}, {"minutes": "60"}, {"day": "2026-12-09"}, {"practitioner": "other"}, {"kind": ""}],
)
def test_a_time_shown_for_another_choice_books_nothing_and_keeps_the_note(
    clinic: Clinic, changed: dict[str, str]
) -> None:
    desk = at(clinic, "marta")
    shown = {
        "patient": str(clinic.lea.pk), "kind": "consultation", "minutes": "30", "day": "2026-12-02",
        "practitioner": str(clinic.practitioner.pk),
    }  # fmt: skip
    slot = slot_of(desk.get("/appointments/new/", shown), "Wed 2 Dec, 10:00")
    if changed.get("practitioner"):
        changed = {"practitioner": str(clinic.nurse.pk)}
    answer = desk.post("/appointments/new/", shown | changed | {"slot": slot, "note": "Comes by taxi"})
    assert answer.status_code == 409
    assert not Appointment.objects.exists()
    assert 'value="Comes by taxi"' in answer.content.decode()


def test_the_free_times_follow_the_choice_without_a_new_page(clinic: Clinic) -> None:
    page = at(clinic, "marta").get(
        "/appointments/new/",
        {"patient": clinic.lea.pk, "kind": "review", "minutes": "60", "day": "2026-12-02", "practitioner": clinic.nurse.pk},
        headers={"HX-Request": "true"},
    )  # fmt: skip
    html = page.content.decode()
    assert "<html" not in html
    assert "Inés Roca, Room 2" in html
    assert "Dr. Nadia Amari" not in html.split("<select")[0]
    # The list of practitioners stays as it is: whoever looks at it is not interrupted.
    assert 'hx-swap-oob="true"' not in html


def test_free_times_are_grouped_by_the_part_of_the_day_with_practitioner_and_room(clinic: Clinic) -> None:
    page = text(at(clinic, "marta").get(f"/appointments/new/?patient={clinic.lea.pk}&day=2026-12-02"))
    assert page.index("Morning") < page.index("Afternoon") < page.index("Evening")
    assert "10:00 Dr. Nadia Amari, Room 2" in page


def test_a_visit_is_confirmed_by_a_line_with_the_patient_s_name_and_birth_date(clinic: Clinic) -> None:
    page = text(at(clinic, "marta").get(f"/appointments/new/?patient={clinic.lea.pk}"))
    assert "Book for Lea Brandt , 14 May 1988: choose a time" in page


def test_a_new_visit_begins_with_a_search_for_the_patient(clinic: Clinic) -> None:
    clinic.patient("Ana", "Segura")
    desk = at(clinic, "marta")
    found = text(desk.get("/appointments/new/?q=segu", headers={"HX-Request": "true"}))
    assert "Ana Segura" in found
    assert "Lea Brandt" not in found
    assert "Nobody found" in text(desk.get("/appointments/new/?q=zzzz"))


# ---- moving ------------------------------------------------------------------------------------------------


def test_moving_offers_the_present_practitioner_first_and_the_others_on_request(clinic: Clinic) -> None:
    visit, desk = clinic.appointment(kind="consultation", starts_at=clinic.at(12)), at(clinic, "marta")
    assert "Inés Roca, Room" not in text(desk.get(f"/appointments/{visit.pk}/move/"))
    page = text(desk.get(f"/appointments/{visit.pk}/move/?practitioner={clinic.nurse.pk}"))
    assert "Inés Roca, Room" in page
    assert "Move Lea Brandt , 14 May 1988" in page


def test_a_move_can_be_undone_and_then_nobody_is_told(clinic: Clinic) -> None:
    old = clinic.at(12)
    visit, desk = (
        clinic.appointment(kind="consultation", starts_at=old, status="confirmed"),
        at(clinic, "marta"),
    )
    page = desk.get(f"/appointments/{visit.pk}/move/?day=2026-12-03")
    moved = desk.post(
        f"/appointments/{visit.pk}/move/", {"slot": slot_of(page, "Thu 3 Dec, 10:00")}, follow=True
    )
    visit.refresh_from_db()
    assert visit.starts_at == clinic.at(10, day=date(2026, 12, 3))
    undo = re.search(r'<form method="post" action="([^"]+undo=[^"]+)"', moved.content.decode())
    assert undo is not None
    desk.post(undo.group(1).replace("&amp;", "&"))
    visit.refresh_from_db()
    assert (visit.starts_at, visit.status) == (old, "confirmed")
    assert not Message.objects.filter(kind="moved", state="due").exists()


def test_an_undo_after_the_news_has_left_tells_the_patient_again(clinic: Clinic) -> None:
    visit, desk = clinic.appointment(kind="consultation", starts_at=clinic.at(12)), at(clinic, "marta")
    page = desk.get(f"/appointments/{visit.pk}/move/?day=2026-12-03")
    moved = desk.post(
        f"/appointments/{visit.pk}/move/", {"slot": slot_of(page, "Thu 3 Dec, 10:00")}, follow=True
    )
    Message.objects.filter(kind="moved").update(state="sent")
    undo = re.search(r'action="([^"]+undo=[^"]+)"', moved.content.decode())
    assert undo is not None
    desk.post(undo.group(1))
    assert Message.objects.filter(kind="moved", state="due").count() == 1


def test_an_undo_does_not_overwrite_what_somebody_else_did_since(clinic: Clinic) -> None:
    visit, desk = clinic.appointment(kind="consultation", starts_at=clinic.at(12)), at(clinic, "marta")
    page = desk.get(f"/appointments/{visit.pk}/move/?day=2026-12-03")
    moved = desk.post(
        f"/appointments/{visit.pk}/move/", {"slot": slot_of(page, "Thu 3 Dec, 10:00")}, follow=True
    )
    Appointment.objects.filter(pk=visit.pk).update(version=9)
    undo = re.search(r'action="([^"]+undo=[^"]+)"', moved.content.decode())
    assert undo is not None
    assert desk.post(undo.group(1)).status_code == 409
    visit.refresh_from_db()
    assert visit.starts_at == clinic.at(10, day=date(2026, 12, 3))


# ---- courses -----------------------------------------------------------------------------------------------


def book(clinic: Clinic, plan: Any, count: int | None = None) -> list[Appointment]:
    _planned, options = options_for(plan, clinic.location, Preferences(), now=clinic.at(8))
    slots = options[0].slots[:count]
    made = actions.book_course(
        plan=plan, location=clinic.location, slots=slots, key=uuid.uuid4(), by=clinic.marta, now=clinic.at(8)
    )
    return list(made.appointments.order_by("starts_at"))


def test_after_booking_the_chart_lists_the_dates_and_the_messages_that_will_leave(clinic: Clinic) -> None:
    plan, desk = clinic.signed_plan(), at(clinic, "marta")
    html = desk.get(f"/plans/{plan.pk}/book/").content.decode()
    option = re.search(r'name="option" value="([^"]+)"', html)
    key = re.search(r'name="key" value="([^"]+)"', html)
    assert option is not None
    assert key is not None
    answer = desk.post(
        f"/plans/{plan.pk}/book/0/", {"option": option.group(1), "key": key.group(1)}, follow=True
    )
    assert answer.redirect_chain[-1][0] == f"/patients/{clinic.lea.pk}/"
    page = text(answer)
    assert "4 sessions booked for Lea Brandt." in page
    for visit in Appointment.objects.all():
        local = visit.starts_at.astimezone(clinic.location.zone)
        assert f"{local:%H:%M}" in page
    assert "Booking confirmation" in page
    assert page.count("Reminder") == 3


def test_the_options_say_who_made_the_plan_and_the_summary_names_the_patient(clinic: Clinic) -> None:
    plan, desk = clinic.signed_plan(), at(clinic, "marta")
    page = text(desk.get(f"/plans/{plan.pk}/book/"))
    assert "With Dr. Nadia Amari, who made the plan" in page
    assert "Option A, 4 sessions for Lea Brandt , 14 May 1988" in page
    other = text(desk.get(f"/plans/{plan.pk}/book/", {"wish": "", "practitioner": clinic.nurse.pk}))
    assert "Inés Roca instead of Dr. Nadia Amari" in other


def test_a_course_at_any_location_names_the_place_of_each_visit_and_is_booked_there(
    clinic: Clinic, palmas: Location
) -> None:
    clinic.open_in_turn(palmas)
    plan, desk = clinic.signed_plan(sessions=2), at(clinic, "marta")
    shut = text(desk.get(f"/plans/{plan.pk}/book/"))
    assert "No whole course fits." in shut
    assert "With visits at any location, the course fits." in shut
    response = desk.get(f"/plans/{plan.pk}/book/", {"wish": "", "place": "any"})
    rows = response.context["options"][0]["rows"]
    assert [row["place"] for row in rows] == ["Madrid", "Las Palmas"]
    page = text(response)
    # Nine on the wall there, not in Madrid; Yaiza's hours begin then.
    assert "Tue 15 Dec 09:00 Las Palmas" in page
    assert "Madrid: Room 2; Las Palmas: Room 1" in page
    assert "Not every visit with Dr. Nadia Amari" in page
    # Closed is what is closed at both. Las Palmas is open from the 15th until midnight in Madrid, 23:00 on the 19th there.
    assert [shut["day"].day for shut in response.context["strip"]["closed"]] == [3, 19]
    html = response.content.decode()
    assert 'name="place" value="any"' in html
    sent = {name: re.findall(f'name="{name}" value="([^"]+)"', html)[0] for name in ("option", "key")}
    answer = desk.post(f"/plans/{plan.pk}/book/0/", sent, follow=True)
    assert "2 sessions booked for Lea Brandt." in text(answer)
    visits = list(Appointment.objects.order_by("starts_at"))
    assert [visit.location for visit in visits] == [clinic.location, palmas]
    assert [visit.room.location for visit in visits] == [clinic.location, palmas]
    assert visits[1].starts_at == clinic.at(10, day=date(2026, 12, 15))
    told = Message.objects.get(kind="confirmation").body
    assert "Tuesday 15 December 2026, 09:00, mesoclinic Las Palmas" in told
    assert "Calle de Ejemplo 14; mesoclinic Las Palmas, Calle Muestra 3" in told


def test_one_location_is_searched_unless_the_desk_asks_for_more_and_a_clinic_with_one_is_not_asked(
    clinic: Clinic,
) -> None:
    plan, desk = clinic.signed_plan(), at(clinic, "marta")
    alone = desk.get(f"/plans/{plan.pk}/book/", {"wish": "", "place": "any"})
    assert 'name="place"' not in alone.content.decode()
    assert {row["place"] for option in alone.context["options"] for row in option["rows"]} == {""}
    there = clinic.elsewhere()
    for place, names, place_shown in (
        ("", {"Dr. Nadia Amari", "Inés Roca"}, "Madrid"),
        (str(there.pk), {"Yaiza Cabrera"}, "Las Palmas"),
        ("999", {"Dr. Nadia Amari", "Inés Roca"}, "Madrid"),
        ("any", {"Dr. Nadia Amari", "Inés Roca", "Yaiza Cabrera"}, ""),
    ):
        page = desk.get(f"/plans/{plan.pk}/book/", {"wish": "", "place": place})
        assert set(page.context["practitioners"].values()) == names
        shown = page.context["location"]
        assert (shown.short_name if shown else "") == place_shown
        assert len(page.context["options"]) == 3
    # Of equal courses the one where the desk is comes first.
    assert {slot["place"] for slot in page.context["options"][0]["rows"]} == {"Madrid"}


def test_a_wish_is_told_back_as_understood_and_a_day_excluded_is_not_offered(clinic: Clinic) -> None:
    plan, desk = clinic.signed_plan(), at(clinic, "marta")
    response = desk.get(f"/plans/{plan.pk}/book/", {"wish": "not tuesday from 7 december fullmoon"})
    page = text(response)
    assert "not Tuesday" in page
    assert "from Mon 7 Dec" in page
    assert "Not understood: fullmoon" in page
    for option in response.context["options"]:
        assert {row["local"].isoweekday() for row in option["rows"]} & {2} == set()
        assert option["rows"][0]["local"].date() >= date(2026, 12, 7)


def test_windows_that_touch_stay_apart_and_closures_are_drawn(clinic: Clinic) -> None:
    clinic.location.closures.create(
        starts_at=clinic.at(0, day=date(2026, 12, 8)),
        ends_at=clinic.at(0, day=date(2026, 12, 9)),
        reason="Holiday",
    )
    response = at(clinic, "marta").get(f"/plans/{clinic.signed_plan().pk}/book/")
    strip = response.context["strip"]
    assert [shut["reason"] for shut in strip["closed"]] == ["Holiday"]
    for row in strip["rows"]:
        for one, two in combinations(row["marks"], 2):
            ends = float(one["left"]) + float(one["width"])
            assert one["y"] != two["y"] or ends < float(two["left"])
        assert all(float(mark["x"]) < strip["width"] for mark in row["marks"])


def test_the_front_desk_sees_what_of_a_plan_is_booked_and_books_the_rest(clinic: Clinic) -> None:
    plan = clinic.signed_plan()
    visits, desk = book(clinic, plan), at(clinic, "marta")
    actions.change_status(
        appointment=visits[3], to="cancelled", by=clinic.marta, now=clinic.at(8), reason="On a journey"
    )
    response = desk.get(f"/plans/{plan.pk}/")
    page = text(response)
    assert "1 of 4 visits to book" in page
    assert f'href="/plans/{plan.pk}/book/0/"' in response.content.decode()
    assert "2026-12-01" not in page


def test_courses_to_book_say_what_where_and_until_when(clinic: Clinic) -> None:
    plan = clinic.signed_plan()
    page = text(at(clinic, "marta").get("/courses-to-book/"))
    assert "Pigment, face 4 of 4 sessions to book, 30 min" in page
    assert "Thu 31 Dec" in page
    visits = book(clinic, plan)
    actions.change_status(
        appointment=visits[3], to="cancelled", by=clinic.marta, now=clinic.at(8), reason="On a journey"
    )
    page = text(at(clinic, "marta").get("/courses-to-book/"))
    assert "1 of 4 sessions to book, 30 min Madrid" in page


# ---- calendar ----------------------------------------------------------------------------------------------


def test_the_quick_card_leads_back_to_the_calendar_as_it_stands(clinic: Clinic) -> None:
    visit = clinic.appointment()
    html = at(clinic, "marta").get(
        f"/appointments/{visit.pk}/",
        headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/calendar/?view=week&day=2026-12-01"},
    ).content.decode()  # fmt: skip
    assert 'id="quick"' in html
    assert 'role="dialog"' in html
    assert 'name="next" value="/calendar/?view=week&amp;day=2026-12-01"' in html


def test_the_page_of_a_visit_has_a_title(clinic: Clinic) -> None:
    visit = clinic.appointment(kind="consultation")
    assert "<h1>Consultation</h1>" in at(clinic, "marta").get(f"/appointments/{visit.pk}/").content.decode()


# ---- states ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("username", ["marta", "roca", "amari"])
@pytest.mark.parametrize("to", ["in-treatment", "done"])
def test_a_session_is_not_treated_or_done_without_its_record(clinic: Clinic, username: str, to: str) -> None:
    book(clinic, clinic.signed_plan())
    visit = Appointment.objects.order_by("starts_at")[0]
    Appointment.objects.filter(pk=visit.pk).update(status="arrived")
    client = at(clinic, username)
    assert f'value="{to}"' not in client.get(f"/appointments/{visit.pk}/").content.decode()
    answer = client.post(f"/appointments/{visit.pk}/status/", {"to": to})
    assert answer.status_code == 409
    assert "treatment record" in text(answer)
    visit.refresh_from_db()
    assert visit.status == "arrived"


def test_a_consultation_is_done_by_hand(clinic: Clinic) -> None:
    visit = clinic.appointment(kind="consultation", status="arrived")
    at(clinic, "marta").post(f"/appointments/{visit.pk}/status/", {"to": "done"})
    visit.refresh_from_db()
    assert visit.status == "done"


# ---- lists -------------------------------------------------------------------------------------------------


def test_not_confirmed_shows_the_two_days_that_the_side_bar_counts_and_all_on_request(clinic: Clinic) -> None:
    clinic.appointment(starts_at=clinic.at(12))
    clinic.appointment(
        starts_at=clinic.at(12, day=date(2026, 12, 9)), patient=clinic.patient("Ana", "Segura")
    )
    desk = at(clinic, "marta")
    page = text(desk.get("/not-confirmed/"))
    assert "1 in the next 2 days, 2 in all" in page
    assert "Ana Segura" not in page
    assert "Ana Segura" in text(desk.get("/not-confirmed/?when=all"))


def test_messages_begin_with_what_failed_then_what_leaves_next(clinic: Clinic) -> None:
    for number, (state, day) in enumerate(
        [("sent", 1), ("due", 9), ("dead", 1), ("due", 3), ("withdrawn", 20)]
    ):
        Message.objects.create(
            kind="reminder", cause=f"{number}", patient=clinic.lea, location=clinic.location, recipient="lea@example.org",
            language="en", subject=f"number {number}", body="...", state=state, send_at=clinic.at(9, day=date(2026, 12, day)),
        )  # fmt: skip
    page = text(at(clinic, "marta").get("/messages/"))
    assert re.findall(r"number (\d)", page) == ["2", "3", "1", "4", "0"]


def test_the_day_names_what_endangers_the_patient_and_shows_the_present_before_the_finished(
    clinic: Clinic,
) -> None:
    facts = {"patient": clinic.lea, "recorded_by": clinic.amari}
    Allergy.objects.create(substance="lidocaine", reaction="urticaria", **facts)
    Allergy.objects.create(
        substance="latex",
        retracted_at=timezone.now(),
        retracted_by=clinic.amari,
        retracted_reason="wrong",
        **facts,
    )
    Medication.objects.create(code="warfarin", current=True, **facts)
    Medication.objects.create(code="levothyroxine", current=True, **facts)
    Medication.objects.create(code="isotretinoin-oral", current=False, last_dose=date(2026, 10, 1), **facts)
    Condition.objects.create(code="epilepsy", **facts)
    clinic.lea.pregnancy_asked_on = date(2026, 11, 20)
    clinic.lea.save()
    clinic.appointment(
        starts_at=clinic.at(8, 30),
        status="done",
        patient=clinic.patient("Ana", "Segura"),
        kind="consultation",
    )
    clinic.appointment(starts_at=clinic.at(10), status="arrived")
    roca = at(clinic, "roca")
    page = text(roca.get("/"))
    for words in (
        "Allergy: Lidocaine",
        "Warfarin",
        "Isotretinoin by mouth, last 1 Oct 2026",
        "Epilepsy",
        "Pregnancy: ask today",
    ):
        assert words in page, words
    for words in ("Latex", "Levothyroxine"):
        assert words not in page, words
    table = page[page.index("All visits") :]
    assert table.index("Lea Brandt") < table.index("Ana Segura")
    # The next patient's card: the treatment is the main act, for a session only.
    assert '<button class="btn btn-primary">' in roca.get("/").content.decode()


def test_clinical_facts_are_not_on_the_front_desk_s_pages(clinic: Clinic) -> None:
    Allergy.objects.create(patient=clinic.lea, recorded_by=clinic.amari, substance="lidocaine")
    visit, desk = clinic.appointment(), at(clinic, "marta")
    for path in ("/calendar/?day=2026-12-01&view=list", f"/appointments/{visit.pk}/"):
        assert "idocaine" not in desk.get(path).content.decode()


def test_hidden_names_are_hidden_in_lists_titles_notes_and_addresses(clinic: Clinic) -> None:
    plan = clinic.signed_plan()
    visits, desk = book(clinic, plan), at(clinic, "marta")
    actions.change_status(
        appointment=visits[3], to="cancelled", by=clinic.marta, now=clinic.at(8), reason="On a journey"
    )
    message = Message.objects.filter(state="due").first()
    assert message is not None
    desk.post("/hide-names/", {"next": "/"})
    said = desk.post(
        f"/appointments/{visits[1].pk}/status/", {"to": "confirmed", "next": "/not-confirmed/"}, follow=True
    )
    pages = [said] + [
        desk.get(path)
        for path in (
            "/calendar/?day=2026-12-01", "/calendar/?day=2026-12-01&view=week", "/calendar/?day=2026-12-01&view=list",
            "/courses-to-book/", "/not-confirmed/?when=all", "/messages/", f"/messages/{message.pk}/",
            f"/appointments/{visits[1].pk}/", f"/appointments/{visits[1].pk}/move/", f"/plans/{plan.pk}/book/",
            f"/plans/{plan.pk}/", "/appointments/new/", f"/appointments/new/?patient={clinic.lea.pk}",
        )
    ]  # fmt: skip
    for page in pages:
        html = page.content.decode()
        for words in ("Brandt", "14 May 1988", "lea@example.org", "+34600555001"):
            assert words not in html, (page.request["PATH_INFO"], words)
