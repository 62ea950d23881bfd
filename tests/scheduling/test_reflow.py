"""A course that left its windows is put back with the fewest moves: checked against trying everything."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import product

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sessions.scheduling import Diary, Preferences, Slot, Span, Visit, reflow
from tests.scheduling.test_search import (
    CANARY,
    INJECTION,
    MADRID,
    MONDAY,
    NOW,
    at,
    diary,
    hours_at,
    place,
    problems,
    problems_of_two,
    starts_of,
)

DAYS = timedelta(days=1)


def slot(row: Visit, start: datetime, practitioner: int = 1, room: int = 7) -> Slot:
    return Slot(
        row.key, row.number, start, start + timedelta(minutes=row.minutes), practitioner, room, None, 0
    )


def course(count: int, window: tuple[int, int, int] = (13, 14, 15)) -> list[Visit]:
    return [Visit(n, n, *window, 30, INJECTION) for n in range(2, count + 1)]


def put(rows: list[Visit], standing: dict[int, Slot], before: date, book: Diary | None = None):  # type: ignore[no-untyped-def]  # each test says what it expects
    return reflow(rows, book or diary(), Preferences(), standing, start=MONDAY, now=NOW, before=before)


def test_a_course_inside_its_windows_stays_as_it_stands() -> None:
    rows = course(4)
    standing = {row.key: slot(row, at(MONDAY + (row.number - 1) * 14 * DAYS, 10)) for row in rows}
    found = put(rows, standing, MONDAY)
    assert found.moved == frozenset()
    assert list(found.slots) == list(standing.values())


def test_only_the_first_of_the_later_visits_moves_when_that_is_enough() -> None:
    # Session 1 came three days late: session 2 is 11 days after it, 3 and 4 may stay if 2 gives way by two.
    rows = course(4, (13, 14, 18))
    standing = {row.key: slot(row, at(MONDAY + (row.number - 1) * 14 * DAYS, 10)) for row in rows}
    late = MONDAY + 3 * DAYS
    found = put(rows, standing, late)
    assert found.moved == frozenset({2, 3}) or len(found.moved) <= 2
    days = [one.start.astimezone(MADRID).date() for one in found.slots]
    gaps = [(b - a).days for a, b in zip([late, *days], days, strict=False)]
    assert all(13 <= gap <= 18 for gap in gaps)


def test_a_missed_visit_gets_a_place_and_the_others_stay_where_they_can() -> None:
    rows = [Visit(2, 2, 7, 14, 21, 30, INJECTION), Visit(3, 3, 7, 14, 21, 30, INJECTION)]
    standing = {3: slot(rows[1], at(MONDAY + 28 * DAYS, 10))}
    found = put(rows, standing, MONDAY)
    assert found.moved == frozenset()
    assert found.slots[1] == standing[3]
    assert found.slots[0].start.astimezone(MADRID).date() == MONDAY + 14 * DAYS


def test_a_visit_outside_the_hours_of_now_stays_when_nothing_forces_it() -> None:
    rows = course(2)
    evening = slot(rows[0], at(MONDAY + 14 * DAYS, 20, 7))
    assert put(rows, {2: evening}, MONDAY).slots == (evening,)


def test_without_a_place_there_is_no_proposal() -> None:
    rows = course(3)
    full = diary(busy={("room", 7): [Span(at(MONDAY, 0), at(MONDAY + 90 * DAYS, 0))]})
    assert put(rows, {}, MONDAY, full) is None


def test_a_visit_that_moves_stays_at_its_location() -> None:
    # Session 2 of Las Palmas came too late there; in Madrid the very day would be free.
    books = [place(1, MADRID, hours_at(MADRID, 1, 1, 2, 3, 4, 5)), place(2, CANARY, hours_at(CANARY, 2, 3))]
    rows = [replace(row, location=number) for row, number in zip(course(3, (7, 14, 21)), (2, 1), strict=True)]
    standing = {
        2: replace(slot(rows[0], at(MONDAY + 23 * DAYS, 11), 2), location=2),
        3: replace(slot(rows[1], at(MONDAY + 28 * DAYS, 10)), location=1),
    }
    found = reflow(rows, books, Preferences(), standing, start=MONDAY, now=NOW, before=MONDAY)
    assert found is not None
    assert [one.location for one in found.slots] == [2, 1]
    assert found.moved == frozenset({2})
    assert found.slots[0].start == at(MONDAY + 16 * DAYS, 11)


def test_a_visit_without_a_date_goes_where_the_one_before_it_is() -> None:
    # The same practitioner, on the same days, an hour later there: only the price of the way speaks for either.
    books = [place(number, zone, hours_at(zone, 1, 1)) for number, zone in ((1, MADRID), (2, CANARY))]
    rows = course(3)
    for number, hour in ((1, 10), (2, 11)):
        standing = {2: replace(slot(rows[0], at(MONDAY + 14 * DAYS, hour)), location=number)}
        found = reflow(rows, books, Preferences(), standing, start=MONDAY, now=NOW, before=MONDAY)
        assert found is not None
        assert [one.location for one in found.slots] == [number, number]


PICKS = st.lists(st.integers(0, 200), min_size=3, max_size=3)


@given(problems(), PICKS)
@settings(max_examples=120, deadline=None)
def test_no_way_has_fewer_moves(problem: tuple[list[Visit], Diary, Preferences], picks: list[int]) -> None:
    rows, book, wish = problem
    fewest_moves(rows, [book], wish, picks)


@given(problems_of_two(), PICKS)
@settings(max_examples=50, deadline=None)
def test_no_way_has_fewer_moves_when_every_visit_keeps_its_location(
    problem: tuple[list[Visit], list[Diary], Preferences], picks: list[int]
) -> None:
    rows, books, wish = problem
    rows = [
        replace(row, location=1 + pick % 2) if pick % 7 else row
        for row, pick in zip(rows, picks, strict=False)
    ]
    fewest_moves(rows, books, replace(wish, location=None), picks)


def fewest_moves(rows: list[Visit], books: list[Diary], wish: Preferences, picks: list[int]) -> None:
    """Every combination of staying and moving is tried."""
    free = [
        [
            (book, *one)
            for book in books
            if row.location in {None, book.location}
            for one in starts_of(book, wish, row)
        ]
        for row in rows
    ]
    assume(all(free))
    standing = {}
    for row, own, pick in zip(rows, free, picks, strict=False):
        book, person, local, _price = own[pick % len(own)]
        if pick % 5:
            length = timedelta(minutes=row.minutes)
            standing[row.key] = Slot(
                row.key, row.number, local, local + length, person.key, 7, None, 0, location=book.location
            )
    found = reflow(rows, books, wish, standing, start=MONDAY, now=NOW)
    fewest: int | None = None
    zones = {book.location: book.zone for book in books}
    days = [sorted({local.date() for _book, _who, local, _price in own}) for own in free]
    choices = [
        [(True, one.start.astimezone(zones[one.location]).date()) for one in [standing.get(row.key)] if one]
        + [(False, day) for day in own]
        for row, own in zip(rows, days, strict=True)
    ]
    for way in product(*choices):
        before, fits = MONDAY, True
        for row, (_stays, day) in zip(rows, way, strict=True):
            fits = fits and row.earliest <= (day - before).days <= row.latest
            before = day
        if fits:
            moves = sum(
                not stays and row.key in standing for row, (stays, _day) in zip(rows, way, strict=True)
            )
            fewest = moves if fewest is None else min(fewest, moves)
    assert (len(found.moved) if found else None) == fewest
    for row, one in zip(rows, found.slots if found else (), strict=False):
        assert row.location in {None, one.location}
