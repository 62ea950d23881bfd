"""The manager ticks the public holidays on which a location is closed; booked visits are told first."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from mesoclinic.audit.models import AuditEvent
from sessions.models import Closure, HolidayYear
from sessions.queries.diary import diary
from sessions.setup import holidays, queries
from tests.clinic import Clinic

pytestmark = pytest.mark.django_db
TODAY = date(2026, 12, 1)
#: What stays on 2026's list of Madrid after today.
CONSTITUTION, IMMACULATE, CHRISTMAS = "2026-12-07", "2026-12-08", "2026-12-25"


@pytest.fixture
def clinic() -> Iterator[Clinic]:
    with time_machine.travel("2026-12-01T07:00:00Z", tick=False):
        made = Clinic(today=TODAY)
        made.location.country, made.location.subdivision = "ES", "MD"
        made.location.save()
        yield made


@pytest.fixture
def manager(clinic: Clinic) -> Client:
    client = Client()
    client.force_login(clinic.ortiz)
    return client


@pytest.fixture
def url(clinic: Clinic) -> str:
    return f"/setup/places/{clinic.location.pk}/holidays/"


def text(response: Any) -> str:
    return str(response.content.decode())


def ticked(response: Any) -> set[str]:
    return set(response.context["form"].ticked)


def closed_days(clinic: Clinic) -> list[str]:
    return [row.holiday.isoformat() for row in clinic.location.closures.all() if row.holiday]


def test_all_public_holidays_are_ticked_until_somebody_decides(manager: Client, url: str) -> None:
    page = manager.get(url, {"year": "2027"})
    assert "Not decided yet" in text(page)
    assert "holidays of Madrid, Spain" in text(page)
    assert {"2027-01-06", "2027-05-03", "2027-12-25"} <= ticked(page)
    assert "Epiphany" in text(page)


def test_the_clinic_closes_on_the_days_ticked_and_is_not_booked_then(
    clinic: Clinic, manager: Client, url: str
) -> None:
    answer = manager.post(url, {"year": "2026", "closed": [IMMACULATE, CHRISTMAS]})
    assert answer["Location"] == f"{url}?year=2026"
    assert closed_days(clinic) == [IMMACULATE, CHRISTMAS]
    row = Closure.objects.get(holiday=CHRISTMAS)
    assert (row.starts_at, row.ends_at) == (
        clinic.at(0, day=date(2026, 12, 25)), clinic.at(0, day=date(2026, 12, 26)),
    )  # fmt: skip
    assert row.reason == "Christmas Day"
    book = diary(clinic.location, date(2026, 12, 25), date(2026, 12, 25))
    assert all(not person.hours for person in book.staff)
    page = manager.get(url, {"year": "2026"})
    assert "Decided by Elena Ortiz" in text(page)
    assert {IMMACULATE, CHRISTMAS} == ticked(page)
    event = AuditEvent.objects.get(type="holidays.decided")
    assert event.new["closed"] == [IMMACULATE, CHRISTMAS]


def test_saying_it_twice_changes_nothing_and_unticking_opens_again(
    clinic: Clinic, manager: Client, url: str
) -> None:
    both = {"year": "2026", "closed": [IMMACULATE, CHRISTMAS]}
    manager.post(url, both)
    keys = set(Closure.objects.values_list("pk", flat=True))
    assert manager.post(url, both).status_code == 302
    assert set(Closure.objects.values_list("pk", flat=True)) == keys
    assert AuditEvent.objects.filter(type="holidays.decided").count() == 1
    manager.post(url, {"year": "2026", "closed": [CHRISTMAS]})
    assert closed_days(clinic) == [CHRISTMAS]
    # Removed on the page of closures: no longer ticked, though it is public.
    manager.post(f"/setup/closures/{Closure.objects.get().pk}/remove/")
    assert ticked(manager.get(url, {"year": "2026"})) == set()
    with pytest.raises(IntegrityError, match="holiday_closes_once"), transaction.atomic():
        for _twice in range(2):
            Closure.objects.create(
                location=clinic.location, holiday=CHRISTMAS, reason="x", starts_at=clinic.at(9), ends_at=clinic.at(10)
            )  # fmt: skip


def test_booked_visits_on_a_holiday_are_told_before_it_is_saved(
    clinic: Clinic, manager: Client, url: str
) -> None:
    visit = clinic.appointment(starts_at=clinic.at(10, day=date(2026, 12, 8)))
    clinic.appointment(starts_at=clinic.at(10, day=date(2026, 12, 9)), patient=clinic.patient("Eva", "Ruiz"))
    page = manager.get(url)
    assert [row["visits"] for row in page.context["rows"] if row["key"] == IMMACULATE] == [1]
    typed = {"year": "2026", "closed": [IMMACULATE]}
    page = manager.post(url, typed)
    assert page.status_code == 409
    assert [row["visit"] for row in page.context["hits"]] == [visit]
    assert not Closure.objects.exists()
    assert not HolidayYear.objects.exists()
    assert ticked(page) == {IMMACULATE}
    assert manager.post(url, typed | {"accepted": page.context["hits_seen"]}).status_code == 302
    assert closed_days(clinic) == [IMMACULATE]
    # What was accepted once is not asked about again.
    assert manager.post(url, typed | {"closed": [IMMACULATE, CHRISTMAS]}).status_code == 302


def test_a_day_that_is_no_holiday_any_more_is_unticked_and_opens(
    clinic: Clinic, manager: Client, url: str
) -> None:
    manager.post(url, {"year": "2027", "closed": ["2027-05-03", "2027-12-25"]})
    clinic.location.subdivision = "CN"
    clinic.location.save()
    page = manager.get(url, {"year": "2027"})
    assert "no public holiday here any more" in text(page)
    assert ticked(page) == {"2027-12-25"}
    manager.post(url, {"year": "2027", "closed": sorted(ticked(page))})
    assert closed_days(clinic) == ["2027-12-25"]


def test_what_is_over_stays_as_it_was(clinic: Clinic, manager: Client, url: str) -> None:
    Closure.objects.create(
        location=clinic.location, holiday=date(2026, 11, 2), reason="All Saints' Day",
        starts_at=clinic.at(0, day=date(2026, 11, 2)), ends_at=clinic.at(0, day=date(2026, 11, 3)),
    )  # fmt: skip
    # Neither is one of the past made, nor the past one opened.
    manager.post(url, {"year": "2026", "closed": ["2026-10-12", CHRISTMAS]})
    assert closed_days(clinic) == ["2026-11-02", CHRISTMAS]


def test_a_day_that_is_not_on_the_list_is_refused(clinic: Clinic, manager: Client, url: str) -> None:
    for day in ("2026-12-24", "never", ""):
        page = manager.post(url, {"year": "2026", "closed": [day, CHRISTMAS]})
        assert page.status_code == 422
        assert "not on the list" in text(page)
    assert not Closure.objects.exists()


def test_without_a_country_the_way_to_choose_one_is_shown(clinic: Clinic, manager: Client, url: str) -> None:
    clinic.location.country = clinic.location.subdivision = ""
    clinic.location.save()
    assert f"/setup/places/{clinic.location.pk}/edit/" in text(manager.get(url))


def test_the_manager_is_reminded_while_visits_are_booked_into_an_undecided_year(
    clinic: Clinic, manager: Client, url: str
) -> None:
    assert queries.undecided_years(clinic.at(9)) == []
    clinic.appointment(starts_at=clinic.at(10, day=date(2027, 1, 11)))
    for path in ("/setup/", "/setup/closures/"):
        page = text(manager.get(path))
        assert "Public holidays are not decided" in page
        assert f'href="{url}?year=2027"' in page
        assert "1 visit booked" in page
    manager.post(url, {"year": "2027", "closed": ["2027-01-06"]})
    assert "not decided" not in text(manager.get("/setup/"))


def test_the_page_costs_the_same_however_many_visits_are_booked(
    clinic: Clinic, manager: Client, url: str
) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert manager.get(url).status_code == 200
        return len(captured)

    cost()
    before = cost()
    for hour in range(9, 15):
        clinic.appointment(
            starts_at=clinic.at(hour, day=date(2026, 12, 8)), patient=clinic.patient(f"A{hour}", "Gil")
        )
    assert cost() == before


def test_holidays_are_named_in_the_readers_language_where_offered() -> None:
    christmas = date(2027, 12, 25)

    def name(language: str, country: str = "ES") -> str:
        with translation.override(language):
            return next(row.name for row in holidays.of_year(country, "", 2027) if row.day == christmas)

    assert name("en") == "Christmas Day"
    assert name("es") == "Natividad del Señor"
    # Not offered: the country's own language.
    assert name("ar") == "Natividad del Señor"
    assert name("en", "DE") == "Christmas Day"


def test_other_kinds_of_days_are_offered_and_not_ticked() -> None:
    rows = {row.day: row for row in holidays.of_year("DE", "BY", 2027)}
    assert rows[date(2027, 12, 25)].public
    others = [row for row in rows.values() if not row.public]
    assert others
    assert {row.kind for row in others} == {"catholic"}


def test_regions_and_countries_come_from_the_library() -> None:
    assert ("ES", "Spain") in holidays.countries()
    assert ("MD", "Madrid") in holidays.regions("ES")
    assert holidays.regions("XX") == []
    assert holidays.country_of("Atlantic/Canary") == "ES"
    assert holidays.country_of("UTC") == ""
    assert holidays.of_year("XX", "", 2027) == []
