"""What the calendar draws: each visit in its columns, on the clock of the place, for the eyes that may see it."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from patients.models import Allergy
from sessions.actions import booking as actions
from sessions.models import (
    Absence,
    Appointment,
    AppointmentType,
    CalendarSettings,
    Closure,
    Location,
    Practitioner,
    Room,
    WorkingHours,
)
from sessions.queries import calendar_feed
from tests.clinic import Clinic

pytestmark = pytest.mark.django_db
DAY = date(2026, 12, 1)


@pytest.fixture
def clinic() -> Iterator[Clinic]:
    with time_machine.travel("2026-12-01T07:00:00Z", tick=False):
        yield Clinic(today=DAY)


def at(clinic: Clinic, username: str) -> Client:
    client = Client()
    client.force_login(clinic.users[username])
    return client


def feed(client: Client, day: date = DAY, **asked: Any) -> dict[str, Any]:
    response = client.get("/calendar/feed/", {"view": "day", "day": day.isoformat()} | asked)
    assert response.status_code == 200
    data: dict[str, Any] = response.json()
    return data


def titles(data: dict[str, Any]) -> list[str]:
    return [row["title"] for row in data["resources"]]


# ---- what is drawn -----------------------------------------------------------------------------------------


def test_a_visit_lies_in_the_columns_of_its_practitioner_room_and_device(clinic: Clinic) -> None:
    clinic.appointment(device=clinic.pen, kind="review")
    data = feed(at(clinic, "marta"))
    assert titles(data) == ["Dr. Nadia Amari", "Inés Roca", "Room 2", "Room 3", "Needling pen A"]
    assert data["resources"][0]["text"] == "09:00 to 20:00"
    visit = data["visits"][0]
    assert (visit["p"], visit["r"], visit["d"]) == (clinic.practitioner.pk, clinic.room.pk, clinic.pen.pk)
    assert (visit["s"], visit["e"], visit["before"], visit["after"]) == (
        "2026-12-01 10:00", "2026-12-01 10:30", 5, 10,
    )  # fmt: skip
    assert (visit["name"], visit["what"], visit["st"]) == ("Lea Brandt", "Review", "booked")


def test_a_single_visit_is_drawn_as_the_manager_drew_its_type_a_session_is_not(clinic: Clinic) -> None:
    second = AppointmentType.objects.create(
        name="Second opinion", kind="consultation", minutes=30, colour="violet", shape="hexagon"
    )
    clinic.appointment(type=second)
    session = clinic.signed_plan().planned_sessions.order_by("number")[0]
    clinic.appointment(starts_at=clinic.at(12), planned_session=session)
    single, treatment = feed(at(clinic, "marta"))["visits"]
    assert (single["what"], single["type"]) == ("Second opinion", ["violet", "hexagon"])
    assert "type" not in treatment
    page = at(clinic, "marta").get("/calendar/?day=2026-12-01").content.decode()
    assert 'tone-violet shape-hexagon"></i>Second opinion' in page


def test_the_hours_of_a_column_leave_out_absences_and_closures(clinic: Clinic) -> None:
    Absence.objects.create(
        practitioner=clinic.practitioner, starts_at=clinic.at(12), ends_at=clinic.at(14), reason="Course"
    )
    Closure.objects.create(
        location=clinic.location, starts_at=clinic.at(18), ends_at=clinic.at(22), reason="Works"
    )
    data = feed(at(clinic, "marta"))
    spans = [(start[11:], end[11:]) for start, end in data["resources"][0]["hours"]]
    assert spans == [("09:00", "12:00"), ("14:00", "18:00")]
    page = at(clinic, "marta").get("/calendar/?day=2026-12-01").content.decode()
    assert "Closed Tue 1 Dec, 18:00 to Tue 1 Dec, 22:00: Works" in page


def test_the_day_is_drawn_from_its_first_visit_to_its_last(clinic: Clinic) -> None:
    assert feed(at(clinic, "marta"))["hours"] == ["08:00", "20:00"]
    clinic.appointment(starts_at=clinic.at(7, 30))
    clinic.appointment(starts_at=clinic.at(19, 45), patient=clinic.patient("Ana", "Segura"))
    assert feed(at(clinic, "marta"))["hours"] == ["07:00", "21:00"]


def test_cancelled_and_missed_visits_leave_the_day_but_stay_in_the_list(clinic: Clinic) -> None:
    clinic.appointment(status="cancelled")
    clinic.appointment(status="no-show", starts_at=clinic.at(12))
    desk = at(clinic, "marta")
    data = feed(desk)
    assert (data["visits"], data["freed"]) == ([], 2)
    page = desk.get("/calendar/?day=2026-12-01&view=list").content.decode()
    assert page.count("Lea Brandt") >= 2


def test_times_are_those_on_the_wall_of_the_location(clinic: Clinic) -> None:
    place = Location.objects.create(
        name="mesoclinic Las Palmas", short_name="Las Palmas", time_zone="Atlantic/Canary", address="Calle Muestra 3",
        phone="+34 928 555 003",
    )  # fmt: skip
    room = Room.objects.create(location=place, name="Room 1", capabilities=["consultation"])
    yaiza = Practitioner.objects.create(
        user=clinic.user("yaiza", "Yaiza", "nurse"), qualifications=["consultation"]
    )
    WorkingHours.objects.create(practitioner=yaiza, location=place, weekday=2, starts=time(9), ends=time(17))
    clinic.appointment(location=place, room=room, practitioner=yaiza, starts_at=clinic.at(13, 15))
    desk = at(clinic, "marta")
    assert feed(desk)["visits"] == []
    desk.post("/place/", {"place": place.pk, "next": "/"})
    data = feed(desk)
    assert [visit["s"] for visit in data["visits"]] == ["2026-12-01 12:15"]
    assert data["resources"][0]["hours"] == [["2026-12-01 09:00", "2026-12-01 17:00"]]


@pytest.mark.parametrize("day", [date(2027, 3, 28), date(2027, 10, 31)])
def test_the_wall_clock_holds_on_both_days_of_the_clock_change(clinic: Clinic, day: date) -> None:
    WorkingHours.objects.create(
        practitioner=clinic.practitioner, location=clinic.location, weekday=7, starts=time(9), ends=time(13)
    )
    clinic.appointment(starts_at=clinic.at(10, day=day))
    data = feed(at(clinic, "marta"), day)
    assert data["visits"][0]["s"] == f"{day} 10:00"
    assert data["resources"][0]["hours"] == [[f"{day} 09:00", f"{day} 13:00"]]
    # A visit through the night of the change still ends after it begins.
    night = clinic.at(2, 30, day=day).astimezone(UTC)
    clinic.appointment(starts_at=night, ends_at=night + timedelta(minutes=45))
    assert all(visit["s"] < visit["e"] for visit in feed(at(clinic, "marta"), day)["visits"])


def test_cream_in_a_preparation_room_is_told_with_its_time(clinic: Clinic) -> None:
    chair = Room.objects.create(location=clinic.location, name="Chair", capabilities=["preparation"])
    visit = clinic.appointment()
    visit.prep_from, visit.prep_room = visit.starts_at - timedelta(minutes=45), chair
    visit.save()
    row = feed(at(clinic, "marta"))["visits"][0]
    assert row["cream"] == {"r": chair.pk, "s": "2026-12-01 09:15"}


# ---- filters -----------------------------------------------------------------------------------------------


def test_a_filter_hides_names_but_not_that_the_time_is_taken(clinic: Clinic) -> None:
    clinic.appointment()
    clinic.appointment(
        patient=clinic.patient("Ana", "Segura"), practitioner=clinic.nurse, room=clinic.other_room,
        status="confirmed", kind="review", device=clinic.pen,
    )  # fmt: skip
    desk = at(clinic, "marta")
    for asked in (
        {"practitioner": clinic.practitioner.pk}, {"room": clinic.room.pk}, {"status": "booked"},
        {"service": "session"},
    ):  # fmt: skip
        data = feed(desk, **asked)
        assert [visit["name"] for visit in data["visits"]] == ["Lea Brandt"], asked
        assert data["hidden"] == 1
        assert data["taken"][0]["p"] == clinic.nurse.pk
        assert "Segura" not in json.dumps(data)
        page = desk.get("/calendar/", {"day": "2026-12-01", "view": "day"} | asked).content.decode()
        assert re.search(r'id="cal-hidden">.*<b data-count>1</b> hidden by filter', page)
        listed = desk.get("/calendar/", {"day": "2026-12-01", "view": "list"} | asked).content.decode()
        assert "1 hidden by filter" in listed
        assert "Ana Segura" not in listed
    assert [visit["name"] for visit in feed(desk, device=clinic.pen.pk)["visits"]] == ["Ana Segura"]
    assert feed(desk, service="nonsense", status="<b>", practitioner="²")["hidden"] == 0


def test_nothing_says_that_something_is_hidden_when_nothing_is(clinic: Clinic) -> None:
    clinic.appointment()
    page = at(clinic, "marta").get("/calendar/?day=2026-12-01").content.decode()
    assert 'id="cal-hidden" hidden>' in page


# ---- whose eyes --------------------------------------------------------------------------------------------


def test_hidden_names_are_hidden_in_page_and_feed(clinic: Clinic) -> None:
    clinic.appointment()
    desk = at(clinic, "marta")
    desk.post("/hide-names/", {"next": "/"})
    assert feed(desk)["visits"][0]["name"] == "LB, 38 y"
    for view in ("day", "week", "month", "list"):
        assert "Brandt" not in desk.get(f"/calendar/?day=2026-12-01&view={view}").content.decode(), view


def test_only_clinical_people_see_an_allergy_on_the_card(clinic: Clinic) -> None:
    Allergy.objects.create(patient=clinic.lea, recorded_by=clinic.amari, substance="lidocaine")
    clinic.lea.pregnancy = "pregnant"
    clinic.lea.save()
    clinic.appointment()
    assert feed(at(clinic, "roca"))["visits"][0]["warn"] == "Allergy: Lidocaine, Pregnant"
    for who in ("marta", "ortiz", "admin"):
        data = feed(at(clinic, who))
        assert "warn" not in data["visits"][0]
        assert "regnan" not in json.dumps(data)


def test_a_stranger_gets_no_feed(clinic: Clinic) -> None:
    assert Client().get("/calendar/feed/").status_code == 302


# ---- cost --------------------------------------------------------------------------------------------------


def many(clinic: Clinic, count: int) -> None:
    rooms = Room.objects.bulk_create(
        Room(location=clinic.location, name=f"R{count}-{n}", capabilities=["consultation"])
        for n in range(count)
    )
    for n in range(count):
        clinic.appointment(
            patient=clinic.patient(f"Eva{count}", f"Cuenta{n}"), room=rooms[n],
            practitioner=clinic.practise(clinic.user(f"p{count}-{n}", f"Dr. {n}", "physician")),
        )  # fmt: skip


@pytest.mark.parametrize("view", ["day", "week", "month"])
def test_feed_and_page_ask_the_database_as_often_whatever_is_booked(clinic: Clinic, view: str) -> None:
    client = at(clinic, "amari")

    def cost(path: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(path, {"view": view, "day": "2026-12-01"}).status_code == 200
        return len(queries)

    clinic.appointment()
    cost("/calendar/")
    before = cost("/calendar/feed/"), cost("/calendar/")
    # Session, person, place and settings, then what is drawn.
    assert before[0] <= 4 + 10
    many(clinic, 5)
    assert (cost("/calendar/feed/"), cost("/calendar/")) == before


def test_a_full_month_is_drawn_as_numbers(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calendar_feed, "MOST_IN_A_MONTH", 3)
    many(clinic, 3)
    desk = at(clinic, "marta")
    assert (feed(desk, view="month")["full"], len(feed(desk, view="month")["visits"])) == (False, 3)
    clinic.appointment(status="confirmed", starts_at=clinic.at(0, 15))
    clinic.appointment(status="cancelled", starts_at=clinic.at(12))
    data = feed(desk, view="month")
    assert data["visits"] == []
    assert data["numbers"] == [{"day": "2026-12-01", "n": 4, "states": {"booked": 3, "confirmed": 1}}]
    assert "More visits than a month can show" in desk.get("/calendar/?view=month").content.decode()


def test_a_month_s_page_has_whole_weeks(clinic: Clinic) -> None:
    desk = at(clinic, "marta")
    for day, first, days in ((DAY, "2026-11-30", 35), (date(2027, 2, 9), "2027-02-01", 28),
                             (date(2026, 8, 9), "2026-07-27", 42)):  # fmt: skip
        data = feed(desk, day, view="month")
        assert (data["first"], data["days"]) == (first, days)


def test_a_range_longer_than_a_month_s_page_is_refused(clinic: Clinic) -> None:
    with pytest.raises(ValueError, match="42"):
        calendar_feed.feed(
            clinic.location, DAY, 43, calendar_feed.Filters(), calendar_feed.Reader(False, False),
            now=clinic.at(8),
        )  # fmt: skip


# ---- what others change ------------------------------------------------------------------------------------


def watch(client: Client, clinic: Clinic, tag: str, **changed: Any) -> Any:
    asked = {
        "place": clinic.location.pk,
        "from": clinic.at(0).isoformat(),
        "to": clinic.at(0, day=DAY + timedelta(days=1)).isoformat(),
    } | changed
    return client.get("/calendar/changes/", asked, headers={"If-None-Match": f'"{tag}"'})


def test_a_look_for_changes_costs_one_query_when_there_are_none(clinic: Clinic) -> None:
    many(clinic, 3)
    desk = at(clinic, "marta")
    tag = feed(desk)["tag"]
    with CaptureQueriesContext(connection) as queries:
        response = watch(desk, clinic, tag)
    assert (response.status_code, response.content) == (304, b"")
    own = [
        row["sql"]
        for row in queries
        if "django_session" not in row["sql"] and '"accounts_user"' not in row["sql"]
    ]
    assert len(own) == 1


def test_every_act_on_a_visit_is_a_change(clinic: Clinic) -> None:
    desk, visit = at(clinic, "marta"), clinic.appointment(kind="consultation")
    other = clinic.appointment(starts_at=clinic.at(10, day=DAY + timedelta(days=1)), version=1)

    def act(name: str) -> None:
        if name == "confirm":
            actions.change_status(appointment=visit, to="confirmed", by=clinic.marta, now=clinic.at(8))
        elif name == "book":
            clinic.appointment(starts_at=clinic.at(15))
        elif name == "one leaves, another comes":
            # Number and versions of the day are the same before and after.
            Appointment.objects.filter(pk=visit.pk).update(
                starts_at=clinic.at(10, day=DAY + timedelta(days=2)),
                ends_at=clinic.at(11, day=DAY + timedelta(days=2)),
                occupied_from=clinic.at(9, day=DAY + timedelta(days=2)),
                occupied_until=clinic.at(12, day=DAY + timedelta(days=2)),
            )
            Appointment.objects.filter(pk=other.pk).update(
                starts_at=clinic.at(10), ends_at=clinic.at(11), occupied_from=clinic.at(9),
                occupied_until=clinic.at(12), version=2,
            )  # fmt: skip

    for name in ("confirm", "book", "one leaves, another comes"):
        tag = feed(desk)["tag"]
        act(name)
        response = watch(desk, clinic, tag)
        assert response.status_code == 204, name
        assert response["ETag"] == f'"{feed(desk)["tag"]}"'


@pytest.mark.parametrize(
    "changed",
    [{"place": "x"}, {"from": "yesterday"}, {"to": "2026-12-01T00:00:00"}, {"to": "2027-12-01T00:00:00+01:00"},
     {"to": "2026-11-01T00:00:00+01:00"}, {"from": ""}],
)  # fmt: skip
def test_a_look_at_no_range_of_the_calendar_finds_nothing(clinic: Clinic, changed: dict[str, str]) -> None:
    assert watch(at(clinic, "marta"), clinic, "", **changed).status_code == 404


def test_a_page_left_alone_does_not_keep_itself_unlocked(clinic: Clinic) -> None:
    desk = at(clinic, "marta")
    desk.get("/calendar/")
    start = datetime.fromisoformat("2026-12-01T07:00:00+00:00")
    for minute in range(1, 16):
        with time_machine.travel(start + timedelta(minutes=minute), tick=False):
            asked = desk.get("/calendar/feed/", {"day": "2026-12-01"}, headers={"X-Unattended": "yes"})
            assert asked.status_code == 200
    with time_machine.travel(start + timedelta(minutes=17), tick=False):
        assert desk.get("/calendar/feed/", headers={"X-Unattended": "yes"}).status_code == 302
        assert "lock" in desk.get("/calendar/")["Location"]


# ---- the page ----------------------------------------------------------------------------------------------


def test_the_page_without_scripts_lists_the_visits(clinic: Clinic) -> None:
    visit = clinic.appointment(patient=clinic.patient("Ana", "<b>Segura"))
    page = at(clinic, "marta").get("/calendar/?day=2026-12-01").content.decode()
    found = re.search(r"<noscript><section.*</noscript>", page, re.S)
    assert found is not None
    for words in ("Ana &lt;b&gt;Segura", "Tue 1 Dec, 10:00 to 10:30", "Dr. Nadia Amari", "Room 2", "Booked",
                  f'href="/appointments/{visit.pk}/"'):  # fmt: skip
        assert words in found.group(0), words
    assert "<b>Segura" not in page


def test_the_legend_names_states_and_services_and_the_keys_are_there(clinic: Clinic) -> None:
    page = at(clinic, "marta").get("/calendar/?day=2026-12-01").content.decode()
    legend = re.search(r'aria-label="Legend">(.*?)</details>', page, re.S)
    assert legend is not None
    for word in ("Requested", "Booked", "Confirmed", "Arrived", "In treatment", "Done", "No-show", "Cancelled",
                 "Consultation", "Micro-needling", "Review", "Emergency", "Set-up, clean-up, cream"):  # fmt: skip
        assert word in legend.group(1), word
    for key in ("n", "/", "t", "arrowleft", "arrowright", "d", "w", "p"):
        assert f'data-key="{key}"' in page, key


def test_who_may_not_book_gets_a_calendar_without_new_visit(clinic: Clinic) -> None:
    response = at(clinic, "admin").get("/calendar/?day=2026-12-01")
    assert response.context["page"]["config"]["mayBook"] is False
    assert "New visit" not in response.content.decode()


def test_a_time_clicked_in_the_calendar_stays_chosen_until_it_is_booked(clinic: Clinic) -> None:
    desk = at(clinic, "marta")
    asked = {"day": "2026-12-02", "time": "11:15", "practitioner": clinic.nurse.pk}
    who = desk.get(reverse("sessions:appointment-new"), asked).content.decode()
    link = re.search(rf'href="([^"]*patient={clinic.lea.pk}[^"]*)"', who)
    assert link is not None
    page = desk.get(link.group(1).replace("&amp;", "&")).content.decode()
    checked = re.findall(r'name="slot"[^>]* checked data-say="([^"]+)"', page)
    assert checked == ["Wed 2 Dec, 11:15, Inés Roca, Room 2"]


# ---- as somebody likes it ----------------------------------------------------------------------------------


def test_the_looks_are_kept_with_the_account(clinic: Clinic) -> None:
    desk = at(clinic, "marta")
    order = f"p{clinic.nurse.pk},p{clinic.practitioner.pk},r{clinic.other_room.pk}"
    for sent in ({"zoom": "9"}, {"slot_min": "5", "colours": "service"}, {"view": "week"}, {"order": order}):
        assert desk.post("/calendar/settings/", sent).status_code == 200
    kept = CalendarSettings.objects.get(user=clinic.marta)
    assert (kept.zoom, kept.slot_min, kept.colours, kept.view) == (9, 5, "service", "week")
    # At another desk, and nobody else's.
    assert at(clinic, "marta").get("/calendar/").context["view"] == "week"
    assert titles(feed(at(clinic, "marta"))) == [
        "Inés Roca", "Dr. Nadia Amari", "Room 3", "Room 2", "Needling pen A",
    ]  # fmt: skip
    assert at(clinic, "roca").get("/calendar/").context["view"] == "day"


@pytest.mark.parametrize(
    "sent",
    [{"zoom": "7"}, {"zoom": "x"}, {"slot_min": "0"}, {"colours": "red"}, {"view": "year"}, {"order": "p" * 30},
     {"order": ",".join(["p1"] * 300)}, {"columns": "walls"}],
)  # fmt: skip
def test_looks_that_do_not_exist_are_refused_and_change_nothing(clinic: Clinic, sent: dict[str, str]) -> None:
    assert at(clinic, "marta").post("/calendar/settings/", sent).status_code == 422
    assert not CalendarSettings.objects.exists()
