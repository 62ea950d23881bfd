"""The wall clock holds: over both clock changes, in zones with different rules and in ones that change theirs."""

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sessions.scheduling import (
    Diary,
    Preferences,
    Span,
    Staff,
    Visit,
    expand_hours,
    find_all_slots,
    find_course,
)

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Dubai", "Africa/Casablanca")
#: Zones that gave up, took up or shifted their rule, and ones whose change lies on midnight.
RESTLESS = ("Europe/Istanbul", "America/Mexico_City", "Asia/Almaty", "Africa/Cairo", "America/Santiago")
#: Days on which the clock of a zone changes, forward and back. Dubai never does: two ordinary days.
CHANGES = {
    "Europe/Berlin": (date(2027, 3, 28), date(2027, 10, 31)),
    "America/New_York": (date(2027, 3, 14), date(2027, 11, 7)),
    "Australia/Lord_Howe": (date(2027, 10, 3), date(2027, 4, 4)),
    "Asia/Dubai": (date(2027, 3, 28), date(2027, 10, 31)),
    # The clock went back for Ramadan and forward after it, until the rule was given up in September 2026.
    "Africa/Casablanca": (date(2026, 3, 22), date(2026, 2, 15), date(2026, 9, 20)),
}
NIGHT = [(day, time(0), time(6)) for day in range(1, 8)]
DAYTIME = [(day, time(9), time(17)) for day in range(1, 8)]
EVERY_CHANGE = [(zone, day) for zone, days in CHANGES.items() for day in days]


def minutes_of(day: date, zone: ZoneInfo) -> list[tuple[datetime, time]]:
    """Every minute that a local day really has, with what the wall shows: an independent, slow count."""
    at = datetime.combine(day, time(), tzinfo=UTC) - timedelta(hours=15)
    found = []
    for n in range(54 * 60):
        moment = at + timedelta(minutes=n)
        local = moment.astimezone(zone)
        if local.date() == day:
            found.append((moment, local.time()))
    return found


def plain(zone: ZoneInfo, day: date, begins: time, ends: time) -> set[datetime]:
    """The minutes of the day between two times on the wall that the wall shows exactly once."""
    rows = minutes_of(day, zone)
    shown = Counter(wall for _moment, wall in rows)
    return {moment for moment, wall in rows if begins <= wall < ends and shown[wall] == 1}


def whole_minutes(spans: list[Span]) -> set[datetime]:
    return {
        span.start + timedelta(minutes=n)
        for span in spans
        for n in range(int((span.end - span.start).total_seconds() // 60))
    }


QUARTERS = st.builds(lambda n: time(n // 4, n % 4 * 15), st.integers(0, 95))


@given(
    zone=st.sampled_from(ZONES + RESTLESS), day=st.dates(date(2015, 1, 1), date(2035, 12, 31)),
    begins=QUARTERS, ends=QUARTERS,
)  # fmt: skip
@example("Europe/Berlin", date(2027, 3, 28), time(2, 30), time(9))
@example("Europe/Berlin", date(2027, 3, 28), time(1), time(2, 30))
@example("Europe/Berlin", date(2027, 3, 28), time(2), time(3))
@example("Europe/Berlin", date(2027, 10, 31), time(2, 30), time(9))
@example("Europe/Berlin", date(2027, 10, 31), time(0), time(2, 30))
@example("Australia/Lord_Howe", date(2027, 10, 3), time(2, 15), time(4))
@example("Australia/Lord_Howe", date(2027, 4, 4), time(1, 45), time(4))
@example("Africa/Casablanca", date(2026, 2, 15), time(0), time(5))
@example("Africa/Casablanca", date(2026, 3, 22), time(2, 45), time(5))
@example("Africa/Cairo", date(2027, 4, 30), time(0, 30), time(5))
@example("America/Santiago", date(2027, 4, 3), time(22), time(23, 45))
@example("America/Santiago", date(2027, 9, 5), time(0, 15), time(9))
@settings(max_examples=60, deadline=None)
def test_hours_are_the_minutes_that_the_wall_shows_once_on_any_day_anywhere(
    zone: str, day: date, begins: time, ends: time
) -> None:
    here = ZoneInfo(zone)
    spans = expand_hours([(day.isoweekday(), begins, ends)], here, day, day)
    assert whole_minutes(spans) == plain(here, day, begins, ends)
    assert all(span.start < span.end for span in spans)


@pytest.mark.parametrize(("zone", "day"), EVERY_CHANGE)
def test_hours_on_the_day_of_a_change_are_the_same_in_a_long_and_in_a_short_look(
    zone: str, day: date
) -> None:
    here = ZoneInfo(zone)
    for hours in (NIGHT, DAYTIME):
        long = expand_hours(hours, here, day - timedelta(days=200), day + timedelta(days=200))
        short = expand_hours(hours, here, day, day)
        assert [span for span in long if span.start.astimezone(here).date() == day] == short
        assert whole_minutes(short) == plain(here, day, hours[0][1], hours[0][2])


def test_a_day_that_a_place_left_out_has_no_hours() -> None:
    """Samoa went over the date line: 30 December 2011 was never there."""
    apia = ZoneInfo("Pacific/Apia")
    days = expand_hours(DAYTIME, apia, date(2011, 12, 29), date(2011, 12, 31))
    assert [span.start.astimezone(apia).date().day for span in days] == [29, 31]


def diary_of(zone: str, hours: list[tuple[int, time, time]], first: date, days: int) -> Diary:
    here = ZoneInfo(zone)
    spans = tuple(expand_hours(hours, here, first, first + timedelta(days=days)))
    return Diary(
        here, (Staff(1, "P", frozenset({"injection"}), spans),), ((7, frozenset({"injection"})),), ()
    )


@pytest.mark.parametrize(("zone", "day"), EVERY_CHANGE)
@pytest.mark.parametrize("minutes", [15, 30, 60])
def test_no_offered_time_is_missing_or_repeated_on_the_wall(zone: str, day: date, minutes: int) -> None:
    here = ZoneInfo(zone)
    whole_day = [(weekday, time(0), time(23, 45)) for weekday in range(1, 8)]
    book = diary_of(zone, whole_day, day - timedelta(days=1), 2)
    now = datetime.combine(day, time(), tzinfo=UTC) - timedelta(days=3)
    visit = Visit(1, 1, 0, 0, 0, minutes, frozenset({"injection"}))
    offered = find_all_slots(visit, book, day, day, now)[day]
    walls = [slot.start.astimezone(here).replace(tzinfo=None) for slot in offered]
    shown = Counter(wall for _moment, wall in minutes_of(day, here))
    assert len(walls) > 60
    assert len(set(walls)) == len(walls), "the same time stands on the page twice"
    for slot, wall in zip(offered, walls, strict=True):
        assert wall.date() == day
        assert shown[wall.time()] == 1, wall
        assert slot.end - slot.start == timedelta(minutes=minutes)
        # Nor does a visit run into a stretch that comes twice.
        last = (slot.end - timedelta(minutes=1)).astimezone(here)
        assert last.date() != day or shown[last.time()] == 1, last


@given(
    change=st.sampled_from(EVERY_CHANGE),
    back=st.integers(1, 60),
    gap=st.integers(5, 28),
    hour=st.integers(7, 16),
)
@settings(max_examples=40, deadline=None)
def test_a_course_over_a_change_keeps_its_days_and_its_time_on_the_wall(
    change: tuple[str, date], back: int, gap: int, hour: int
) -> None:
    zone, day = change
    here, start = ZoneInfo(zone), day - timedelta(days=back)
    hours = [(weekday, time(hour), time(hour + 1)) for weekday in range(1, 8)]
    book = diary_of(zone, hours, start, 6 * 28)
    visits = [
        Visit(1, 1, 0, 0, 7, 60, frozenset({"injection"})),
        *(Visit(n, n, gap, gap, gap, 60, frozenset({"injection"})) for n in range(2, 6)),
    ]
    now = datetime.combine(start, time(), tzinfo=here) - timedelta(days=1)
    best = find_course(visits, book, Preferences(), start=start, now=now)[0]
    local = [slot.start.astimezone(here) for slot in best.slots]
    assert [(at.date(), at.time()) for at in local] == [
        (start + timedelta(days=gap * n), time(hour)) for n in range(5)
    ]


@pytest.mark.parametrize(("zone", "day"), EVERY_CHANGE)
def test_a_wish_for_a_time_means_the_wall_on_both_sides_of_a_change(zone: str, day: date) -> None:
    here, start = ZoneInfo(zone), day - timedelta(days=7)
    visits = [
        Visit(1, 1, 0, 0, 0, 30, frozenset({"injection"})),
        *(Visit(n, n, 7, 7, 7, 30, frozenset({"injection"})) for n in (2, 3)),
    ]
    book = diary_of(zone, DAYTIME, start, 20)
    wish = Preferences(time_from=time(15), time_until=time(15, 30))
    now = datetime.combine(start, time(), tzinfo=UTC) - timedelta(days=3)
    best = find_course(visits, book, wish, start=start, now=now)[0]
    assert best.misses == 0
    assert {slot.start.astimezone(here).time() for slot in best.slots} == {time(15)}
