"""Days, ages and numbers as the clinic writes them (design/README.md, section 11)."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from mesoclinic.ui import formatting

TODAY = date(2026, 12, 1)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (date(2026, 12, 1), "Tue 1 Dec"),
        (date(2027, 2, 9), "Tue 9 Feb 2027"),
        (date(2026, 9, 9), "Wed 9 Sep"),
        (None, ""),
    ],
)
def test_day_names_the_year_only_when_it_is_another(value: date | None, text: str) -> None:
    assert formatting.day(value, TODAY) == text


def test_a_moment_is_read_on_the_clock_of_the_place() -> None:
    late = datetime(2026, 12, 1, 23, 30, tzinfo=UTC)
    with timezone.override(ZoneInfo("Europe/Madrid")):
        assert (formatting.day(late, TODAY), formatting.clock(late)) == ("Wed 2 Dec", "00:30")
    with timezone.override(ZoneInfo("Atlantic/Canary")):
        assert (formatting.day(late, TODAY), formatting.clock(late)) == ("Tue 1 Dec", "23:30")


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        (date(2026, 12, 1), date(2026, 12, 15), "1 to 15 Dec"),
        (date(2026, 12, 29), date(2027, 1, 5), "29 Dec to 5 Jan"),
        (date(2026, 12, 1), date(2026, 12, 1), "1 Dec"),
        (date(2028, 1, 3), date(2028, 1, 9), "3 to 9 Jan 2028"),
    ],
)
def test_ranges_say_to(start: date, end: date, text: str) -> None:
    assert formatting.date_range(start, end, TODAY) == text


@pytest.mark.parametrize(
    ("born", "text"),
    [
        (date(1988, 5, 14), "38 y"),
        (date(1988, 12, 2), "37 y"),
        (date(1988, 12, 1), "38 y"),
        (date(2025, 9, 30), "14 mo"),
        (None, ""),
    ],
)
def test_age_in_completed_years(born: date | None, text: str) -> None:
    assert formatting.age(born, TODAY) == text


@given(st.dates(date(1900, 1, 1), TODAY), st.integers(0, 400))
def test_nobody_grows_younger(born: date, days: int) -> None:
    assert formatting.age_in_years(born, TODAY + timedelta(days)) >= formatting.age_in_years(born, TODAY) >= 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("12.50"), "12.5"),
        (Decimal(100), "100"),
        (Decimal("1E+2"), "100"),
        (Decimal("-0.0"), "0"),
        ("x", "x"),
        (None, ""),
    ],
)
def test_trailing_zeros_go(value: object, text: str) -> None:
    assert formatting.decimal_trim(value) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**6), max_value=10**6, places=4))
def test_trimming_keeps_the_number(value: Decimal) -> None:
    assert Decimal(formatting.decimal_trim(value)) == value


@pytest.mark.parametrize(
    ("name", "letters"),
    [("Dr. Nadia Amari", "NA"), ("Lucía Ferrer Vidal", "LF"), ("Cher", "C"), ("", ""), ("Dr.", "D")],
)
def test_initials_leave_titles_out(name: str, letters: str) -> None:
    assert formatting.initials(name) == letters
