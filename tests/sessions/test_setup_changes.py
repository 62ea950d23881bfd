"""A change of the set-up says which booked visits it hits, who must be moved first; bad times are told and not saved."""

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from sessions.models import Absence, Appointment, Closure, Device, Location, WorkingHours
from sessions.setup import wall
from sessions.setup.actions import hours
from tests.clinic import Clinic

pytestmark = pytest.mark.django_db
TODAY = date(2026, 12, 1)
#: Somebody at the clinic on every day of the tests.
DAYS = [date(2026, 12, day) for day in (2, 3, 4, 7, 8, 9, 10, 11, 14, 15)]


@pytest.fixture
def clinic() -> Iterator[Clinic]:
    with time_machine.travel("2026-12-01T07:00:00Z", tick=False):
        yield Clinic(today=TODAY)


@pytest.fixture
def manager(clinic: Clinic) -> Client:
    client = Client()
    client.force_login(clinic.admin)
    return client


def text(response: Any) -> str:
    return str(response.content.decode())


def visits(clinic: Clinic, count: int, **values: Any) -> list[Appointment]:
    """Visits of different people, three a day."""
    return [
        clinic.appointment(
            patient=clinic.patient(f"Ana{number:02d}", "Gil"),
            starts_at=clinic.at(9 + number % 3, day=DAYS[number // 3]), **values,
        )
        for number in range(count)
    ]  # fmt: skip


def course(clinic: Clinic, name: str, days: list[date], hour: int = 12) -> list[Appointment]:
    """A booked course of somebody: 7 to 21 days apart."""
    plan = clinic.signed_plan(clinic.patient(name, "Curso"), sessions=len(days))
    return [
        clinic.appointment(
            patient=plan.patient, planned_session=planned, kind="session", starts_at=clinic.at(hour, day=day)
        )
        for planned, day in zip(plan.planned_sessions.order_by("number"), days, strict=True)
    ]


# ---- each change asks first --------------------------------------------------------------------------------


def changes(clinic: Clinic) -> dict[str, tuple[str, dict[str, Any], Callable[[], Any]]]:
    """Every change of the set-up that can hit a visit: address, what is typed, and what stands afterwards."""
    day = DAYS[0].isoformat()
    week = {f"{n}-1-from": "15:00" for n in range(1, 6)} | {f"{n}-1-to": "20:00" for n in range(1, 6)}
    seen = hours.state(hours.week_of(clinic.practitioner, clinic.location))
    type_ = clinic.types["consultation"]
    person = {
        "full_name": "Dr. Nadia Amari",
        "email": "n@example.org",
        "role": "physician",
        "medical_director": "on",
    }

    def fresh(row: Any, name: str) -> Callable[[], Any]:
        return lambda: getattr(type(row).objects.get(pk=row.pk), name)

    return {
        "hours": (f"/setup/hours/{clinic.practitioner.pk}/", week | {"place": clinic.location.pk, "seen": seen},
                  lambda: WorkingHours.objects.filter(practitioner=clinic.practitioner, starts=time(15)).count()),
        "absence": ("/setup/absences/new/", {"practitioner": clinic.practitioner.pk, "first_day": day, "reason": "Flu"},
                    Absence.objects.count),
        "closure": ("/setup/closures/new/", {"location": clinic.location.pk, "first_day": day, "reason": "Works"},
                    Closure.objects.count),
        "room": (f"/setup/rooms/{clinic.room.pk}/", {"name": "Blue room", "capabilities": ["preparation"]},
                 fresh(clinic.room, "capabilities")),
        "device": (f"/setup/devices/{clinic.pen.pk}/", {"name": "Pen X", "kind": "needling-pen"},
                   fresh(clinic.pen, "in_service")),
        "qualification": (f"/setup/people/{clinic.amari.pk}/", person | {"qualifications": ["needling"]},
                          fresh(clinic.practitioner, "qualifications")),
        "account": (f"/setup/people/{clinic.amari.pk}/deactivate/", {}, fresh(clinic.amari, "is_active")),
        "type": (f"/setup/types/{type_.pk}/",
                 {"name": "Consultation", "kind": "consultation", "minutes": "30", "qualification": "consultation",
                  "capability": "consultation", "device_kind": "jet-injector", "colour": "petrol", "shape": "circle"},
                 fresh(type_, "device_kind")),
    }  # fmt: skip


#: What then stands in the way of the visit.
WHY = {
    "hours": "outside the hours of Dr. Nadia Amari",
    "absence": "Dr. Nadia Amari is away",
    "closure": "Madrid is closed",
    "room": "Blue room is not fitted for it",
    "device": "Pen X can't be used",
    "qualification": "Dr. Nadia Amari does not do this",
    "account": "Dr. Nadia Amari works here no more",
    "type": "Needling pen A can't be used",
}


@pytest.mark.parametrize("what", list(WHY))
def test_every_change_names_the_visits_it_hits_before_it_is_saved(
    clinic: Clinic, manager: Client, what: str
) -> None:
    visit = clinic.appointment(
        kind="consultation", starts_at=clinic.at(10, day=DAYS[0]), device=clinic.pen, type=clinic.types["consultation"]
    )  # fmt: skip
    url, typed, state = changes(clinic)[what]
    before = state()
    page = manager.post(url, typed)
    assert page.status_code == 409
    assert [row["visit"] for row in page.context["hits"]] == [visit]
    assert "Lea Brandt" in text(page)
    assert "Wed 2 Dec" in text(page)
    assert state() == before
    # The way back keeps what was typed and saves nothing.
    if what != "account":
        back = manager.post(url, typed | {"edit": "1"})
        assert back.status_code == 200
        assert not back.context["hits"]
        form = back.context["form"]
        assert form.fields.keys() & typed.keys()
        for name in form.fields.keys() & typed.keys():
            assert str(form[name].value()) in {str(typed[name]), "True"}
        assert state() == before
    assert "Every booked visit can take place as booked" in text(manager.get("/not-possible/"))
    answer = manager.post(url, typed | {"accepted": page.context["hits_seen"]})
    assert answer.status_code == 302
    assert state() != before
    visit.refresh_from_db()
    assert (visit.status, visit.starts_at) == ("booked", clinic.at(10, day=DAYS[0]))
    # It stands on the list until it is put in order, and what would do so is the next page.
    listed = manager.get("/not-possible/")
    assert [row["why"] for row in listed.context["rows"]] == [[WHY[what]]]
    preview = manager.get(answer["Location"])
    assert preview.context["hits"] == 1
    assert "Lea Brandt" in text(preview)
    ticked = re.findall(r'name="proposal" value="([^"]+)"', text(preview))
    if what in {"type", "room"}:
        assert not ticked, "no jet injector, no other room: the patient must be called"
        return
    manager.post(answer["Location"], {"proposal": ticked})
    assert "Every booked visit can take place as booked" in text(manager.get("/not-possible/"))
    visit.refresh_from_db()
    assert (visit.status, visit.version) == ("booked", 2)


def test_names_stay_hidden_in_the_list_of_visits(clinic: Clinic, manager: Client) -> None:
    clinic.appointment(starts_at=clinic.at(10, day=DAYS[0]))
    session = manager.session
    session["hide_names"] = True
    session.save()
    url, typed, _state = changes(clinic)["absence"]
    page = manager.post(url, typed)
    assert page.status_code == 409
    assert "Lea Brandt" not in text(page)


def test_who_has_the_fewest_days_to_spare_stands_first(clinic: Clinic, manager: Client) -> None:
    # The second session of Eva may be 4 days later at most, of Ida 11, of Una it is 2 days late already.
    eva = course(clinic, "Eva", [date(2026, 11, 16), date(2026, 12, 3)])[1]
    ida = course(clinic, "Ida", [date(2026, 11, 23), date(2026, 12, 3)], 14)[1]
    una = course(clinic, "Una", [date(2026, 11, 10), date(2026, 12, 3)], 16)[1]
    single = clinic.appointment(starts_at=clinic.at(9, day=date(2026, 12, 3)))
    data = {"practitioner": clinic.practitioner.pk, "first_day": "2026-12-03"}
    page = manager.post("/setup/absences/new/", data)
    assert [(row["visit"], row["spare"]) for row in page.context["hits"]] == [
        (una, -2), (eva, 4), (ida, 11), (single, None),
    ]  # fmt: skip
    assert "2 days late" in text(page)
    assert "no window" in text(page)


def test_many_visits_are_paged_without_losing_what_was_typed(clinic: Clinic, manager: Client) -> None:
    every = visits(clinic, 30)
    data = {
        "practitioner": clinic.practitioner.pk, "first_day": "2026-12-02", "last_day": "2026-12-31", "reason": "Leave",
    }  # fmt: skip
    first = manager.post("/setup/absences/new/", data)
    assert first.context["hit_count"] == 30
    assert "1 to 25 of 30" in text(first)
    second = manager.post("/setup/absences/new/", data | {"hits_page": "2"})
    assert second.status_code == 409
    assert 'value="Leave"' in text(second)
    shown = [row["visit"] for page in (first, second) for row in page.context["hits"]]
    assert sorted(row.pk for row in shown) == sorted(row.pk for row in every)
    # What is accepted are all of them, from whichever page.
    assert second.context["hits_seen"] == first.context["hits_seen"]
    data["accepted"] = second.context["hits_seen"]
    assert manager.post("/setup/absences/new/", data).status_code == 302
    found = Absence.objects.get()
    assert "26 to 30 of 30" in text(manager.get(f"/setup/absences/{found.pk}/?page=2"))


def test_the_list_costs_the_same_however_many_visits_are_hit(clinic: Clinic, manager: Client) -> None:
    data = {
        "location": clinic.location.pk,
        "first_day": "2026-12-02",
        "last_day": "2026-12-31",
        "reason": "Works",
    }

    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert manager.post("/setup/closures/new/", data).status_code == 409
        return len(captured)

    course(clinic, "Eva", [date(2026, 11, 20), date(2026, 12, 2)])
    cost()
    before = cost()
    visits(clinic, 12)
    course(clinic, "Ida", [date(2026, 11, 20), date(2026, 12, 2)], 14)
    assert cost() == before


# ---- breaks ------------------------------------------------------------------------------------------------


def test_a_day_has_as_many_breaks_as_it_needs(clinic: Clinic, manager: Client) -> None:
    url = f"/setup/hours/{clinic.practitioner.pk}/"
    seen = hours.state(hours.week_of(clinic.practitioner, clinic.location))
    typed = {
        "place": clinic.location.pk, "seen": seen, "1-1-from": "08:00", "1-1-to": "10:00", "1-2-from": "10:30",
        "1-2-to": "14:00",
    }  # fmt: skip
    page = manager.post(url, typed | {"more": "1"})
    assert page.status_code == 200
    assert 'name="1-3-from"' in text(page)
    assert 'value="10:30"' in text(page)
    third = {"1-3-from": "15:00", "1-3-to": "19:00"}
    assert manager.post(url, typed | third).status_code == 302
    found = hours.week_of(clinic.practitioner, clinic.location)
    assert found == [(1, time(8), time(10)), (1, time(10, 30), time(14)), (1, time(15), time(19))]
    assert "Mon 08:00 to 10:00, 10:30 to 14:00, 15:00 to 19:00" in text(manager.get("/setup/hours/"))


def test_a_visit_in_a_new_break_is_hit(clinic: Clinic, manager: Client) -> None:
    visit = clinic.appointment(starts_at=clinic.at(14, 15, day=DAYS[0]))
    seen = hours.state(hours.week_of(clinic.practitioner, clinic.location))
    week: dict[str, Any] = {"place": clinic.location.pk, "seen": seen}
    for day in range(1, 6):
        week |= {
            f"{day}-1-from": "09:00",
            f"{day}-1-to": "14:00",
            f"{day}-2-from": "15:00",
            f"{day}-2-to": "20:00",
        }
    page = manager.post(f"/setup/hours/{clinic.practitioner.pk}/", week)
    assert [row["visit"] for row in page.context["hits"]] == [visit]


# ---- times that can't be -----------------------------------------------------------------------------------


def test_hours_at_places_with_different_clocks_do_not_overlap_in_truth(
    clinic: Clinic, manager: Client
) -> None:
    """20:00 in Madrid is 19:00 in Las Palmas: on the wall the hours below only touch."""
    palmas = Location.objects.create(
        name="Las Palmas", short_name="Palmas", time_zone="Atlantic/Canary", phone="1", address="x"
    )
    url = f"/setup/hours/{clinic.practitioner.pk}/"
    data = {"place": palmas.pk, "seen": hours.state([]), "2-1-from": "08:30", "2-1-to": "09:00"}
    page = manager.post(url, data)
    assert page.status_code == 422
    assert "works 09:00 to 20:00 in Madrid, by the clock there" in str(
        page.context["form"].errors["2-1-from"]
    )
    assert 'value="08:30"' in text(page)
    assert not WorkingHours.objects.filter(location=palmas).exists()
    assert manager.post(url, data | {"2-1-from": "07:00", "2-1-to": "08:00"}).status_code == 302


SPAN = {"first_day": "", "first_time": "", "last_day": "", "last_time": ""}


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"first_day": "2026-11-20"}, "first_day", "over already"),
        ({"first_day": "2026-11-20", "last_day": "2026-11-30"}, "last_day", "over already"),
        ({"first_day": "2026-12-10", "last_day": "2026-12-09"}, "last_day", "before the first"),
        ({"first_day": "2026-12-10", "first_time": "12:00", "last_time": "12:00"}, "last_time", "later than the start"),
        ({"first_day": "2027-03-28", "first_time": "02:30"}, "first_time",
         "02:30 does not exist on 28 March 2027 in Europe/Madrid: the clocks go forward over it."),
        ({"first_day": "2027-03-27", "last_day": "2027-03-28", "last_time": "02:00"}, "last_time", "does not exist"),
        ({"first_day": "31 Feb"}, "first_day", "Enter a"),
        ({"first_day": "2026-12-10", "first_time": "noonish"}, "first_time", "time"),
    ],
)  # fmt: skip
def test_an_absence_that_can_not_be_is_told_beside_the_field_and_stays_typed(
    clinic: Clinic, manager: Client, values: dict[str, str], field: str, words: str
) -> None:
    data = SPAN | {"practitioner": str(clinic.practitioner.pk), "reason": "Congress in Rome"} | values
    page = manager.post("/setup/absences/new/", data)
    assert page.status_code == 422
    assert words in str(page.context["form"].errors[field])
    assert f'id="id_{field}_error"' in text(page)
    for name in values:
        assert page.context["form"][name].value() == values[name]
    assert 'value="Congress in Rome"' in text(page)
    assert not Absence.objects.exists()


def test_a_time_that_comes_twice_is_the_first_and_told(clinic: Clinic, manager: Client) -> None:
    data = {
        "practitioner": clinic.practitioner.pk, "first_day": "2027-10-31", "first_time": "02:30", "last_time": "04:00",
    }  # fmt: skip
    page = manager.post("/setup/absences/new/", data, follow=True)
    assert "02:30 comes twice on 31 October 2027" in text(page)
    # Summer time, two hours before UTC: the first of the two.
    assert Absence.objects.get().starts_at == datetime(2027, 10, 31, 0, 30, tzinfo=ZoneInfo("UTC"))


def test_an_hour_that_comes_twice_is_longer_than_the_clock_says(clinic: Clinic, manager: Client) -> None:
    """From the first 02:30 to the 02:15 before it: on the wall earlier, and truly earlier too."""
    data = {
        "practitioner": clinic.practitioner.pk, "first_day": "2027-10-31", "first_time": "02:30", "last_time": "02:15",
    }  # fmt: skip
    page = manager.post("/setup/absences/new/", data)
    assert "later than the start" in str(page.context["form"].errors["last_time"])
    assert not Absence.objects.exists()


@pytest.mark.parametrize(
    ("zone", "day", "skipped", "twice"),
    [
        ("Europe/Berlin", (date(2027, 3, 28), date(2027, 10, 31)), time(2, 30), time(2, 30)),
        ("America/New_York", (date(2027, 3, 14), date(2027, 11, 7)), time(2, 30), time(1, 30)),
        ("Australia/Lord_Howe", (date(2027, 10, 3), date(2027, 4, 4)), time(2, 15), time(1, 45)),
    ],
)
def test_what_the_wall_clock_skips_or_repeats_is_known_in_every_zone(
    zone: str, day: tuple[date, date], skipped: time, twice: time
) -> None:
    forward, back = day
    with pytest.raises(wall.Skipped, match="does not exist"):
        wall.moment(forward, skipped, ZoneInfo(zone))
    assert "comes twice" in wall.moment(back, twice, ZoneInfo(zone))[1]
    assert wall.moment(forward, time(12), ZoneInfo(zone))[1] == ""


@pytest.mark.parametrize("zone", ["Asia/Dubai", "Africa/Casablanca"])
def test_a_zone_without_a_change_that_day_skips_nothing(zone: str) -> None:
    for minute in range(0, 24 * 60, 15):
        at = time(minute // 60, minute % 60)
        assert wall.moment(date(2027, 7, 1), at, ZoneInfo(zone)) == (
            datetime.combine(date(2027, 7, 1), at, tzinfo=ZoneInfo(zone)), "",
        )  # fmt: skip


# ---- places ------------------------------------------------------------------------------------------------


def place_data(**values: Any) -> dict[str, Any]:
    return {
        "name": "mesoclinic Sur", "short_name": "Sur", "address": "Calle 1", "time_zone": "Atlantic/Canary",
        "phone": "+34 928 555 003", "after_hours_phone": "", "emergency_number": "112", "country": "ES", "subdivision": "",
    } | values  # fmt: skip


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"time_zone": "Mars/Olympus"}, "time_zone", "Not a time zone"),
        ({"country": "XX"}, "country", "Not a country whose holidays are known"),
        ({"subdivision": "BY"}, "subdivision", "Not a region of Spain"),
        ({"country": "DE", "subdivision": "MD"}, "subdivision", "Not a region of Germany"),
    ],
)
def test_a_country_and_a_region_that_do_not_fit_are_told_beside_the_field(
    clinic: Clinic, manager: Client, values: dict[str, str], field: str, words: str
) -> None:
    for url in ("/setup/places/new/", f"/setup/places/{clinic.location.pk}/edit/"):
        page = manager.post(url, place_data(**values))
        assert page.status_code == 422
        assert words in str(page.context["form"].errors[field])
        assert 'value="mesoclinic Sur"' in text(page)
    assert Location.objects.get().name == "mesoclinic Madrid"


def test_a_new_location_takes_the_country_of_its_clock(clinic: Clinic, manager: Client) -> None:
    assert 'value="ES" selected' in text(manager.get("/setup/places/new/"))
    manager.post("/setup/places/new/", place_data(country="", time_zone="Europe/Berlin"))
    assert Location.objects.get(name="mesoclinic Sur").country == "DE"


def test_the_regions_follow_the_country(manager: Client) -> None:
    assert '<option value="MD">Madrid</option>' in text(manager.get("/setup/regions/?country=ES"))
    assert text(manager.get("/setup/regions/?country=%3Cb")) == '<option value="">None</option>'


def test_a_chair_for_the_cream_is_a_room_of_its_own(clinic: Clinic, manager: Client) -> None:
    page = manager.get(f"/setup/places/{clinic.location.pk}/rooms/new/")
    assert "one row per chair" in text(page)
    data = {"name": "Chair 1", "capabilities": ["preparation"]}
    assert manager.post(f"/setup/places/{clinic.location.pk}/rooms/new/", data).status_code == 302
    assert "Preparation" in text(manager.get(f"/setup/places/{clinic.location.pk}/"))


def test_a_device_taken_out_on_the_places_page_can_be_left_in(clinic: Clinic, manager: Client) -> None:
    clinic.appointment(starts_at=clinic.at(10, day=DAYS[0]), device=clinic.pen)
    page = manager.post(f"/setup/devices/{clinic.pen.pk}/service/", {"to": "out"})
    assert f'<a class="btn btn-quiet" href="/setup/places/{clinic.location.pk}/">Cancel</a>' in text(page)
    assert Device.objects.get().in_service


def test_a_visit_moved_while_it_is_looked_at_is_shown_again(clinic: Clinic, manager: Client) -> None:
    visit = clinic.appointment(starts_at=clinic.at(10, day=DAYS[0]))
    url, typed, _state = changes(clinic)["closure"]
    page = manager.post(url, typed)
    visit.starts_at += timedelta(hours=1)
    visit.ends_at += timedelta(hours=1)
    visit.occupied_until = visit.ends_at
    visit.version += 1
    visit.save()
    again = manager.post(url, typed | {"accepted": page.context["hits_seen"]})
    assert again.status_code == 409
    assert not Closure.objects.exists()
