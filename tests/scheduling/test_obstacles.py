"""When no course fits, the front desk hears which session, when, why, and what little would help."""

from dataclasses import replace
from datetime import date, time, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from sessions.scheduling import Diary, Preferences, Relief, Span, Staff, Visit, find_course, why_not
from sessions.scheduling.diary import PREPARATION
from tests.scheduling.test_search import (
    CANARY,
    INJECTION,
    MADRID,
    MONDAY,
    NOW,
    WEEK,
    at,
    diary,
    hours_at,
    place,
    problems,
    problems_of_two,
    staff,
    visits,
)

THREE = visits(3, window=(13, 14, 15))


def asked(rows: list[Visit], book: Diary | list[Diary], wish: Preferences = Preferences()):  # type: ignore[no-untyped-def]  # noqa: B008  # each test says what it expects; frozen default
    assert find_course(rows, book, wish, start=MONDAY, now=NOW) == []
    found = why_not(rows, book, wish, start=MONDAY, now=NOW)
    assert found is not None
    return found


def whole_days(first: date, count: int) -> Span:
    return Span(at(first, 0), at(first + timedelta(days=count), 0))


def test_nothing_is_in_the_way_of_a_course_that_fits() -> None:
    assert why_not(THREE, diary(), Preferences(), start=MONDAY, now=NOW) is None


def test_a_room_taken_for_a_whole_window_is_named_with_the_day_on_which_one_more_would_do() -> None:
    # The first visit can lie on any of 31 days, the second 13 to 15 days later: the room is full from day 13 on.
    found = asked(THREE, diary(busy={("room", 7): [whole_days(MONDAY + timedelta(days=1), 90)]}))
    assert (found.number, found.first, found.last) == (
        2,
        MONDAY + timedelta(days=13),
        MONDAY + timedelta(days=15),
    )
    assert found.lacking == ("room",)
    # One day more in this window does not help: the third is in the way as well.
    assert Relief("room", MONDAY + timedelta(days=14)) not in found.reliefs
    gap = [whole_days(MONDAY + timedelta(days=1), 26), whole_days(MONDAY + timedelta(days=35), 90)]
    eased = asked(THREE, diary(busy={("room", 7): gap}))
    assert Relief("room", MONDAY + timedelta(days=14)) in eased.reliefs


def test_a_practitioner_on_holiday_is_told_apart_from_one_who_is_full() -> None:
    gone = whole_days(MONDAY + timedelta(days=2), 40)
    person = staff(1, days=200)
    away = Staff(1, "P", INJECTION, tuple(span for span in person.hours if not span.overlaps(gone)))
    assert asked(visits(2), diary(away)).lacking[0] == "hours"
    assert asked(visits(2), diary(busy={("practitioner", 1): [gone]})).lacking == ("practitioner",)


def test_nobody_qualified_is_said_plainly() -> None:
    found = asked([Visit(1, 1, 0, 0, 5, 30, frozenset({"needling"}))], diary())
    assert found.lacking[0] == "qualification"


def test_a_missing_device_is_named() -> None:
    found = asked([Visit(1, 1, 0, 0, 5, 30, INJECTION, "pen")], diary())
    assert (found.number, found.lacking) == (1, ("device",))


def test_the_days_the_patient_excluded_are_offered_back_when_that_helps() -> None:
    wish = Preferences(without=frozenset({1, 2, 3, 4, 5}))
    found = asked(THREE, diary(), wish)
    # Nobody works on the days that are left.
    assert found.lacking == ("hours", "wish")
    assert Relief("days") in found.reliefs


def test_any_practitioner_is_offered_when_the_wished_one_is_full() -> None:
    full = {("practitioner", 1): [whole_days(MONDAY, 120)]}
    found = asked(THREE, diary(staff(1), staff(2), busy=full), Preferences(practitioner=1))
    assert found.lacking == ("practitioner",)
    assert Relief("person") in found.reliefs


def test_the_fewest_days_past_the_window_are_told() -> None:
    # Nothing is free from day 10 on until day 20: session 2 needs day 7 to 9 after session 1 on Monday.
    rows = [Visit(1, 1, 0, 0, 0, 30, INJECTION), Visit(2, 2, 7, 7, 9, 30, INJECTION)]
    found = asked(rows, diary(busy={("room", 7): [whole_days(MONDAY + timedelta(days=1), 14)]}))
    assert Relief("later", MONDAY + timedelta(days=15), 6) in found.reliefs


def test_the_cream_needs_its_chair_and_somebody_who_puts_it_on() -> None:
    row = Visit(1, 1, 0, 0, 0, 30, INJECTION, "", 45)
    chairs = Diary(MADRID, (staff(),), ((7, INJECTION), (9, frozenset({PREPARATION}))), (), {})
    best = find_course([row], chairs, Preferences(), start=MONDAY, now=NOW)[0].slots[0]
    # Work begins at 10: the cream acts until 10:45.
    assert (best.comes, best.start, best.prep_room) == (at(MONDAY, 10), at(MONDAY, 10, 45), 9)
    full = Diary(chairs.zone, chairs.staff, chairs.rooms, (), {("room", 9): [whole_days(MONDAY, 1)]})
    assert asked([row], full).lacking == ("preparation",)
    one = Staff(1, "P", INJECTION, (Span(at(MONDAY, 10), at(MONDAY, 10, 40)),))
    assert asked([row], Diary(MADRID, (one,), chairs.rooms, (), {})).lacking == ("opening",)


def test_a_jet_needs_its_qualification_and_the_room_of_a_syringe() -> None:
    row = Visit(1, 1, 0, 0, 5, 30, frozenset({"needle-free"}))
    assert asked([row], diary()).lacking[0] == "qualification"
    able = Staff(2, "J", frozenset({"needle-free"}), staff(2, WEEK).hours)
    assert find_course([row], diary(able), Preferences(), start=MONDAY, now=NOW)[0].slots[0].room == 7


def test_of_two_locations_the_one_is_named_where_one_thing_more_would_do() -> None:
    books = [place(1, MADRID, hours_at(MADRID, 1, 1)), place(2, CANARY, hours_at(CANARY, 2, 2))]
    assert why_not(THREE, books, Preferences(), start=MONDAY, now=NOW) is None
    full = {("room", 7): [whole_days(MONDAY + timedelta(days=-1), 100)]}
    rows = [Visit(1, 1, 0, 0, 1, 30, INJECTION)]
    shut = [replace(book, busy=full) for book in books]
    found = asked(rows, shut)
    assert found.lacking == ("room",)
    assert Relief("room", MONDAY, location=1) in found.reliefs
    # Where the room is free nobody works: the other one is left.
    found = asked([replace(rows[0], earliest=1, target=1)], [books[0], shut[1]])
    assert found.lacking[-1] == "room"
    assert Relief("room", MONDAY + timedelta(days=1), location=2) in found.reliefs


def test_another_location_is_named_when_the_wished_one_has_no_place() -> None:
    full = {("room", 7): [whole_days(MONDAY + timedelta(days=-1), 100)]}
    here = replace(place(1, MADRID, hours_at(MADRID, 1, 1)), busy=full)
    there = place(2, CANARY, hours_at(CANARY, 2, 2))
    assert Relief("place", location=2) in asked(THREE, [here, there], Preferences(location=1)).reliefs
    # Nobody works at the wished one at all.
    empty = place(1, MADRID)
    assert asked(THREE, [empty, there], Preferences(location=1)).reliefs == (Relief("place", location=2),)
    # Neither alone is enough: each is open for half of the course.
    first, late = whole_days(MONDAY, 20), whole_days(MONDAY + timedelta(days=20), 100)
    halves = [replace(here, busy={("room", 7): [late]}), replace(there, busy={("room", 7): [first]})]
    rows = [replace(THREE[0], latest=2), *THREE[1:]]
    assert Relief("place") in asked(rows, halves, Preferences(location=1)).reliefs
    nowhere = asked(rows, [here, replace(there, busy=full)], Preferences(location=1))
    assert "place" not in {relief.kind for relief in nowhere.reliefs}


@given(st.one_of(problems(), problems_of_two()))
@settings(max_examples=300, deadline=None)
def test_a_reason_is_given_exactly_when_no_course_fits(
    problem: tuple[list[Visit], Diary | list[Diary], Preferences],
) -> None:
    rows, book, wish = problem
    options = find_course(rows, book, wish, start=MONDAY, now=NOW)
    found = why_not(rows, book, wish, start=MONDAY, now=NOW)
    assert (found is None) == bool(options)
    freed = replace(wish, without=frozenset())
    if found is not None and Relief("days") in found.reliefs:
        assert find_course(rows, book, freed, start=MONDAY, now=NOW)
    if wish.location is not None and not options:
        others = find_course(rows, book, replace(wish, location=None), start=MONDAY, now=NOW)
        assert found is not None
        assert bool(others) == any(relief.kind == "place" for relief in found.reliefs)


def test_times_outside_the_wishes_still_fit() -> None:
    assert (
        find_course(visits(1), diary(), Preferences(time_from=time(20)), start=MONDAY, now=NOW)[0].misses == 1
    )
