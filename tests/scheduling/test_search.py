"""The course search is exact: checked against trying everything out."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import combinations
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions.scheduling import (
    CourseOption,
    Diary,
    Preferences,
    Span,
    Staff,
    Visit,
    check_move,
    expand_hours,
    find_course,
    free_spans,
    read_wish,
)  # fmt: skip
from sessions.scheduling.diary import CLEANUP, GRID, PREPARATION, SETUP
from sessions.scheduling.search import APART

MADRID, CANARY = ZoneInfo("Europe/Madrid"), ZoneInfo("Atlantic/Canary")
MONDAY = date(2026, 11, 30)
NOW = datetime(2026, 11, 29, 8, tzinfo=UTC)
WEEK = [(day, time(10), time(12)) for day in range(1, 6)]
INJECTION = frozenset({"injection"})


def at(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), tzinfo=MADRID).astimezone(UTC)


def staff(key: int = 1, hours: list[tuple[int, time, time]] | None = None, days: int = 200) -> Staff:
    spans = expand_hours(WEEK if hours is None else hours, MADRID, MONDAY, MONDAY + timedelta(days=days))
    return Staff(key, f"P{key}", frozenset({"injection"}), tuple(spans))


def visits(count: int, window: tuple[int, int, int] = (7, 14, 21), minutes: int = 30) -> list[Visit]:
    first = Visit(1, 1, 0, 0, 30, minutes, INJECTION)
    return [first] + [Visit(n, n, *window, minutes, INJECTION) for n in range(2, count + 1)]


def diary(*people: Staff, busy: dict[tuple[str, int], list[Span]] | None = None) -> Diary:
    return Diary(MADRID, people or (staff(),), ((7, frozenset({"injection"})),), (), busy or {})


def find(rows: list[Visit], book: Diary | list[Diary], wish: Preferences = Preferences(), count: int = 3):  # type: ignore[no-untyped-def]  # noqa: B008  # each test says what it expects; frozen default
    return find_course(rows, book, wish, start=MONDAY, now=NOW, count=count)


def test_an_empty_diary_gives_every_visit_on_target() -> None:
    best = find(visits(6), diary())[0]
    assert best.offsets == (0, 0, 0, 0, 0, 0)
    assert [slot.start for slot in best.slots] == [at(MONDAY + timedelta(days=14 * n), 10) for n in range(6)]


def test_a_closed_target_day_moves_one_visit_and_the_next_stays_in_its_window() -> None:
    hole = Span(at(date(2026, 12, 14), 0), at(date(2026, 12, 15), 0))
    person = staff()
    person = Staff(1, "P", person.qualifications, tuple(free_spans(person.hours, [hole])))
    best = find(visits(3), diary(person))[0]
    assert sum(abs(o) for o in best.offsets) == 1


def local_days(option: CourseOption) -> list[date]:
    return [slot.start.astimezone(MADRID).date() for slot in option.slots]


def test_the_options_differ_in_their_dates_and_are_in_order() -> None:
    options = find(visits(4), diary(staff(1), staff(2)))
    assert [o.cost for o in options] == sorted(o.cost for o in options)
    for one, two in combinations(options, 2):
        assert local_days(one)[0] != local_days(two)[0]
        assert sum(a == b for a, b in zip(local_days(one), local_days(two), strict=True)) < 2


def test_one_option_has_another_weekday_and_one_starts_a_week_later() -> None:
    best, other, later = find(visits(4), diary(staff(1), staff(2)))
    assert local_days(best)[0].isoweekday() != local_days(other)[0].isoweekday()
    assert (local_days(later)[0] - local_days(best)[0]).days >= APART


def test_every_option_keeps_the_wishes_while_such_courses_exist() -> None:
    wide = staff(1, [(day, time(9), time(20)) for day in range(1, 6)])
    options = find(visits(4), diary(wide), Preferences(weekdays=frozenset({2, 4}), time_from=time(17)))
    assert [option.misses for option in options] == [0, 0, 0]
    assert len({local_days(option)[0] for option in options}) == 3


def test_another_practitioner_on_the_same_dates_is_offered_only_when_no_other_dates_exist() -> None:
    rows = [Visit(1, 1, 0, 0, 0, 30, INJECTION), Visit(2, 2, 14, 14, 14, 30, INJECTION)]
    options = find(rows, diary(staff(1), staff(2)))
    assert [local_days(option) for option in options] == [[MONDAY, MONDAY + timedelta(days=14)]] * 2
    assert {option.slots[0].practitioner for option in options} == {1, 2}


def test_of_two_equal_courses_that_of_the_plan_s_physician_comes_first() -> None:
    for key in (1, 2):
        best = find(visits(4), diary(staff(1), staff(2)), Preferences(favourite=key))[0]
        assert best.slots[0].practitioner == key


def test_the_plan_s_physician_is_among_the_options_even_when_busy_at_first() -> None:
    busy = {("practitioner", 2): [Span(at(MONDAY, 0), at(MONDAY + timedelta(days=2), 0))]}
    options = find(visits(4), diary(staff(1), staff(2), busy=busy), Preferences(favourite=2))
    assert options[0].slots[0].practitioner == 1
    assert 2 in {option.slots[0].practitioner for option in options}


def test_a_day_the_patient_can_t_come_on_is_never_offered() -> None:
    rows = visits(4)
    for option in find(rows, diary(), Preferences(without=frozenset({1, 2}))):
        assert not {day.isoweekday() for day in local_days(option)} & {1, 2}
    wish = Preferences(day_from=date(2026, 12, 7))
    assert all(local_days(option)[0] >= date(2026, 12, 7) for option in find(rows, diary(), wish))
    assert find(rows, diary(), Preferences(day_until=date(2026, 12, 20))) == []


def test_the_wished_days_and_times_win_over_the_target_when_near() -> None:
    wide = staff(1, [(day, time(9), time(20)) for day in range(1, 6)])
    wish = Preferences(weekdays=frozenset({2, 4}), time_from=time(17))
    best = find(visits(6), diary(wide), wish)[0]
    assert best.misses == 0
    local = [slot.start.astimezone(MADRID) for slot in best.slots]
    assert all(moment.isoweekday() in {2, 4} and moment.time() >= time(17) for moment in local)


# ---- several locations --------------------------------------------------------------------------------------


def place(number: int, zone: ZoneInfo, *people: Staff) -> Diary:
    return Diary(zone, people, ((7, INJECTION),), (), {}, location=number)


def hours_at(zone: ZoneInfo, key: int, *weekdays: int, begins: int = 10) -> Staff:
    """Somebody who works two hours on some weekdays there."""
    hours = [(day, time(begins), time(begins + 2)) for day in weekdays]
    return Staff(key, f"P{key}", INJECTION, tuple(expand_hours(hours, zone, MONDAY, MONDAY + timedelta(200))))


def test_a_course_changes_its_location_only_when_that_saves_more_than_it_costs() -> None:
    # The same practitioner is on Mondays in Madrid, on Tuesdays in Las Palmas; the windows want Monday.
    books = [place(1, MADRID, hours_at(MADRID, 1, 1)), place(2, CANARY, hours_at(CANARY, 1, 2))]
    assert {slot.location for slot in find(visits(4), books)[0].slots} == {1}
    gone = Span(at(MONDAY + timedelta(days=14), 0), at(MONDAY + timedelta(days=15), 0))
    away = replace(books[0], busy={("practitioner", 1): [gone]})
    # One Monday fails: a week off the target costs 70, another location 80 and a day and a weekday as well.
    rows = visits(4)
    rows[0] = replace(rows[0], latest=0)
    best = find(rows, [away, books[1]])[0]
    assert ([slot.location for slot in best.slots], best.cost) == ([1, 1, 1, 1], 70)
    # Where the windows leave no other day the course goes there, and stays: the way back costs once more.
    narrow = visits(4, (13, 14, 15))
    narrow[0] = replace(narrow[0], latest=0)
    assert find(narrow, away) == []
    best = find(narrow, [away, books[1]])[0]
    assert ([slot.location for slot in best.slots], best.offsets) == ([1, 2, 2, 2], (0, 1, 0, 0))
    assert [slot.start for slot in best.slots[:2]] == [
        at(MONDAY, 10),
        # Ten on the wall in Las Palmas.
        at(MONDAY + timedelta(days=15), 11),
    ]


def test_of_two_equal_courses_that_at_the_patient_s_usual_location_comes_first() -> None:
    books = [place(1, MADRID, hours_at(MADRID, 1, 1)), place(2, CANARY, hours_at(CANARY, 2, 1))]
    for usual in (1, 2):
        assert {slot.location for slot in find(visits(3), books, Preferences(usual=usual))[0].slots} == {
            usual
        }


def test_a_wished_location_is_the_only_one() -> None:
    books = [place(1, MADRID, hours_at(MADRID, 1, 1)), place(2, CANARY, hours_at(CANARY, 2, 2))]
    for option in find(visits(3), books, Preferences(location=2)):
        assert {slot.location for slot in option.slots} == {2}
    assert find(visits(3), books, Preferences(location=2, practitioner=1)) == []


def test_days_and_times_are_those_of_the_wall_where_the_visit_is() -> None:
    # Nine in Auckland on Monday is Sunday evening in Madrid.
    auckland = ZoneInfo("Pacific/Auckland")
    books = [
        place(1, MADRID, hours_at(MADRID, 1, 3, begins=12)),
        place(2, auckland, hours_at(auckland, 2, 1, begins=9)),
    ]
    wish = Preferences(weekdays=frozenset({1}), time_until=time(10))
    best = find(visits(3), books, wish)[0]
    assert (best.misses, best.offsets) == (0, (0, 0, 0))
    assert best.days == tuple(MONDAY + timedelta(days=14 * n) for n in range(3))
    assert best.slots[0].start == datetime(2026, 11, 29, 20, tzinfo=UTC)


def test_nobody_qualified_or_no_room_gives_no_option() -> None:
    assert find([Visit(1, 1, 0, 0, 30, 30, frozenset({"needling"}))], diary()) == []
    assert find([Visit(1, 1, 0, 0, 30, 30, INJECTION, "needling-pen")], diary()) == []


def test_room_and_device_keep_their_set_up_and_clean_up() -> None:
    taken = [Span(at(MONDAY, 10) - SETUP, at(MONDAY, 10, 30) + CLEANUP)]
    best = find(visits(1), diary(busy={("room", 7): taken}))[0]
    assert best.slots[0].start == at(MONDAY, 10, 45)


def test_a_course_keeps_its_wall_clock_over_the_change_of_the_clock() -> None:
    march = date(2026, 3, 16)
    person = Staff(
        1, "P", frozenset({"injection"}), tuple(expand_hours(WEEK, MADRID, march, march + timedelta(60)))
    )
    found = find_course(
        visits(3), diary(person), Preferences(), start=march, now=datetime(2026, 3, 1, tzinfo=UTC)
    )
    hours = [slot.start.hour for slot in found[0].slots]
    assert hours == [9, 8, 8]  # UTC: 10:00 in Madrid before and after 29 March


@pytest.mark.parametrize(
    "zone", [MADRID, CANARY, ZoneInfo("America/Santiago"), ZoneInfo("Australia/Lord_Howe")]
)
def test_hours_are_on_the_wall_clock_on_every_day_of_the_year(zone: ZoneInfo) -> None:
    for span in expand_hours(
        [(d, time(9), time(17)) for d in range(1, 8)], zone, date(2026, 1, 1), date(2026, 12, 31)
    ):
        assert (span.start.astimezone(zone).time(), span.end.astimezone(zone).time()) == (time(9), time(17))


# ---- the optimum, by trying everything ------------------------------------------------------------------------

#: The documented prices, written down a second time: a slip in the search can't hide here.
DAY, UNWISHED, LOCATION, PRACTITIONER, WEEKDAY, TIME, FRAGMENT, STRANGER, ELSEWHERE = (
    10,
    40,
    80,
    60,
    6,
    4,
    2,
    1,
    1,
)
HOLE = timedelta(minutes=30)


def _free(book: Diary, key: tuple[str, int], start: datetime, end: datetime) -> bool:
    return not any(Span(start, end).overlaps(taken) for taken in book.busy.get(key, ()))  # type: ignore[union-attr]  # spans, as the tests write them


def _fits(book: Diary, person: Staff, row: Visit, start: datetime) -> bool:
    """Every demand on a start, one by one."""
    end, comes = start + timedelta(minutes=row.minutes), start - timedelta(minutes=row.prep)
    around = (start - SETUP, end + CLEANUP)
    devices = [key for key, kind in book.devices if kind == row.device_kind]
    chairs = [key for key, able in book.rooms if PREPARATION in able]
    return (
        row.needs <= person.qualifications
        and any(span.start <= start and end <= span.end for span in person.hours)
        and _free(book, ("practitioner", person.key), start, end)
        and _free(book, ("patient", 0), comes, end)
        and any(_free(book, ("room", key), *around) for key, able in book.rooms if row.needs <= able)
        and (not row.device_kind or any(_free(book, ("device", key), *around) for key in devices))
        and (
            not row.prep
            or (
                any(span.start <= comes < span.end for other in book.staff for span in other.hours)
                and (not chairs or any(_free(book, ("room", key), comes, start) for key in chairs))
            )
        )
    )


def _holes(free: list[Span], start: datetime, end: datetime) -> int:
    """Holes shorter than half an hour that a visit leaves in the practitioner's free time."""
    own = next(span for span in free if span.start <= start and end <= span.end)
    return sum(timedelta(0) < hole < HOLE for hole in (start - own.start, own.end - end))


def starts_of(book: Diary, wish: Preferences, row: Visit) -> list[tuple[Staff, datetime, int]]:
    """(who, wall clock, price) of every start at which the visit can be at one location."""
    found = []
    for person in book.staff:
        free = free_spans(person.hours, book.busy.get(("practitioner", person.key), ()))  # type: ignore[arg-type]  # spans, as the tests write them
        for span in person.hours if wish.practitioner in {None, person.key} else ():
            moment = span.start
            while moment < span.end:
                local = moment.astimezone(book.zone)
                if moment >= NOW and wish.allows(local.date()) and _fits(book, person, row, moment):
                    end = local + timedelta(minutes=row.minutes)
                    price = wish.misses(local, end) * UNWISHED
                    price += _holes(free, moment, moment + timedelta(minutes=row.minutes)) * FRAGMENT
                    price += STRANGER * (wish.favourite not in {None, person.key})
                    price += ELSEWHERE * (wish.usual not in {None, book.location})
                    found.append((person, local, price))
                moment += GRID
    return found


def brute(rows: list[Visit], books: list[Diary], wish: Preferences) -> int | None:
    """The least cost by trying every start of every visit with every practitioner at every location."""
    wanted = [book for book in books if wish.location in {None, book.location}]
    starts = [
        [
            (book.location, *one)
            for book in wanted
            if row.location in {None, book.location}
            for one in starts_of(book, wish, row)
        ]
        for row in rows
    ]
    best: int | None = None

    def extend(index: int, before: date, last: tuple[int, Staff, datetime] | None, cost: int) -> None:
        nonlocal best
        if best is not None and cost >= best:
            return
        if index == len(rows):
            best = cost
            return
        row = rows[index]
        for place, person, local, price in starts[index]:
            gap = (local.date() - before).days
            if row.earliest <= gap <= row.latest and local.date() >= MONDAY:
                more = price + abs(gap - row.target) * DAY
                if last is not None:
                    more += LOCATION * (place != last[0])
                    more += PRACTITIONER * (person.key != last[1].key)
                    more += WEEKDAY * (local.isoweekday() != last[2].isoweekday())
                    more += TIME * (local.time() != last[2].time())
                extend(index + 1, local.date(), (place, person, local), cost + more)

    extend(0, MONDAY, None, 0)
    return best


def _spans(days: int) -> st.SearchStrategy[list[Span]]:
    return st.lists(
        st.builds(
            lambda day, start, minutes: Span(
                at(MONDAY + timedelta(days=day), 10) + timedelta(minutes=start),
                at(MONDAY + timedelta(days=day), 10) + timedelta(minutes=start + minutes),
            ),
            st.integers(0, days), st.integers(-20, 110), st.integers(5, 200),
        ),
        max_size=8,
    )  # fmt: skip


BUSY = _spans(14)
HOURS = st.sampled_from(
    [
        WEEK,
        [(d, time(10), time(11, 15)) for d in range(1, 8)],
        [(1, time(10), time(11)), (4, time(10, 30), time(12))],
    ]
)
ABLE = st.sampled_from([INJECTION, frozenset({"needling"}), frozenset({"injection", "needling"})])
WINDOWS = st.sampled_from([(3, 4, 5), (1, 2, 4), (7, 7, 7), (5, 7, 8)])
#: (minutes, needs, device, minutes of cream)
SHAPES = st.sampled_from(
    [(30, INJECTION, "", 0), (45, frozenset({"needling"}), "pen", 0), (30, INJECTION, "", 30), (60, INJECTION, "", 0),
     (45, frozenset({"injection", "needling"}), "pen", 45)]
)  # fmt: skip


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[Visit], Diary, Preferences]:
    """A small clinic with its day half full, a course with visits of several kinds, a patient with wishes."""
    rows = [Visit(1, 1, 0, draw(st.integers(0, 2)), 4, *draw(SHAPES))]
    rows += [Visit(n, n, *draw(WINDOWS), *draw(SHAPES)) for n in range(2, draw(st.integers(2, 3)) + 1)]
    people = [
        Staff(
            key,
            f"P{key}",
            draw(ABLE),
            tuple(expand_hours(draw(HOURS), MADRID, MONDAY, MONDAY + timedelta(days=24))),
        )
        for key in (1, 2)
    ]
    chairs = draw(st.sampled_from([[], [(9, frozenset({PREPARATION}))]]))
    rooms = [(7, draw(ABLE)), (8, draw(ABLE)), *chairs]
    keys = [
        ("practitioner", 1),
        ("practitioner", 2),
        ("room", 7),
        ("room", 8),
        ("room", 9),
        ("device", 5),
        ("patient", 0),
    ]
    book = Diary(
        MADRID, tuple(people), tuple(rooms), draw(st.sampled_from([((5, "pen"),), ((5, "pen"), (6, "pen"))])),
        {key: draw(BUSY) for key in keys},
    )  # fmt: skip
    wish = Preferences(
        weekdays=draw(st.frozensets(st.integers(1, 5), max_size=2)),
        time_from=draw(st.sampled_from([None, time(10, 45)])), time_until=draw(st.sampled_from([None, time(11, 30)])),
        practitioner=draw(st.sampled_from([None, None, 2])), without=draw(st.sampled_from([frozenset(), frozenset({2})])),
        favourite=draw(st.sampled_from([None, 2])),
    )  # fmt: skip
    return rows, book, wish


@given(problems())
@settings(max_examples=1000, deadline=None)
def test_the_best_option_is_the_best_there_is(problem: tuple[list[Visit], Diary, Preferences]) -> None:
    rows, book, wish = problem
    options = find(rows, book, wish)
    expected = brute(rows, [book], wish)
    assert (options[0].cost if options else None) == expected
    for option in options:
        _holds(option, rows, [book], wish)


#: An hour behind Madrid, six behind, four and a half and thirteen ahead.
FAR = st.sampled_from(
    [CANARY, ZoneInfo("America/New_York"), ZoneInfo("Asia/Kolkata"), ZoneInfo("Pacific/Auckland")]
)


@st.composite
def problems_of_two(draw: st.DrawFn) -> tuple[list[Visit], list[Diary], Preferences]:
    """Two locations on different clocks: somebody works at both, one at either."""
    rows, here, wish = draw(problems())
    # Some visits are bound to one of them, so that courses change.
    rows = [replace(row, location=draw(st.sampled_from([None, 1, 2]))) for row in rows]
    zone, last = draw(FAR), MONDAY + timedelta(days=24)
    people = [
        Staff(key, f"P{key}", able, tuple(expand_hours(draw(HOURS), zone, MONDAY, last)))
        for key, able in ((2, here.staff[1].qualifications), (3, draw(ABLE)))
    ]
    # Time of people is taken wherever they are; rooms and devices have the same keys there and are others.
    shift = zone.utcoffset(datetime(2026, 12, 1)) - MADRID.utcoffset(datetime(2026, 12, 1))  # type: ignore[operator]  # a zone has an offset
    busy = {key: draw(BUSY) for key in (("practitioner", 3), ("room", 7), ("room", 9), ("device", 5))}
    busy = {key: [Span(one.start - shift, one.end - shift) for one in spans] for key, spans in busy.items()}
    busy |= {key: here.busy[key] for key in (("practitioner", 2), ("patient", 0))}  # type: ignore[misc]  # the same spans
    there = Diary(
        zone, tuple(people), ((7, draw(ABLE)), *draw(st.sampled_from([(), ((9, frozenset({PREPARATION})),)]))),
        draw(st.sampled_from([(), ((5, "pen"),)])), busy, location=2,
    )  # fmt: skip
    wish = replace(
        wish, location=draw(st.sampled_from([None, None, None, 2])), usual=draw(st.sampled_from([None, 1, 2]))
    )
    return rows, [replace(here, location=1), there], wish


@given(problems_of_two())
@settings(max_examples=150, deadline=None)
def test_the_best_course_at_two_locations_is_the_best_there_is(
    problem: tuple[list[Visit], list[Diary], Preferences],
) -> None:
    rows, books, wish = problem
    options = find(rows, books, wish)
    expected = brute(rows, books, wish)
    assert (options[0].cost if options else None) == expected
    for option in options:
        _holds(option, rows, books, wish)


def _holds(option: CourseOption, rows: list[Visit], books: list[Diary], wish: Preferences) -> None:
    """Inside every window, on the grid, with people, rooms and devices of the location that are fit and free."""
    before = MONDAY
    for slot, row, offset, day in zip(option.slots, rows, option.offsets, option.days, strict=True):
        book = next(book for book in books if book.location == slot.location)
        people = {person.key: person for person in book.staff}
        assert day == slot.start.astimezone(book.zone).date()
        assert row.earliest <= (day - before).days <= row.latest
        assert offset == (day - before).days - row.target
        before = day
        assert _fits(book, people[slot.practitioner], row, slot.start)
        around = (slot.start - SETUP, slot.end + CLEANUP)
        assert row.needs <= dict(book.rooms)[slot.room]
        assert _free(book, ("room", slot.room), *around)
        if row.device_kind:
            assert slot.device is not None and _free(book, ("device", slot.device), *around)
        if slot.prep_room is not None:
            assert _free(book, ("room", slot.prep_room), slot.comes, slot.start)
        local = slot.start.astimezone(book.zone)
        assert slot.misses == wish.misses(local, local + timedelta(minutes=row.minutes))
        assert wish.location in {None, slot.location}


def test_moving_a_visit_names_the_neighbours_that_leave_their_window() -> None:
    rows = visits(4)
    days = {n: MONDAY + timedelta(days=14 * (n - 1)) for n in range(1, 5)}
    assert check_move(rows, days, 2, days[2] + timedelta(days=3)) == ()
    late = check_move(rows, days, 2, days[2] + timedelta(days=9))
    assert [(row.number, row.days) for row in late] == [(2, 2), (3, -2)]


@pytest.mark.parametrize(
    ("text", "weekdays", "start", "end"),
    [
        ("tue thu after 17", {2, 4}, time(17), None),
        ("Tuesdays and Thursdays, after 17:30", {2, 4}, time(17, 30), None),
        ("mornings", set(), None, time(13)),
        ("mon 10-13", {1}, time(10), time(13)),
        ("lunes martes desde 16", {1, 2}, time(16), None),
        ("before 12", set(), None, time(12)),
        ("", set(), None, None),
    ],
)
def test_wishes_are_read_as_people_type_them(
    text: str, weekdays: set[int], start: time | None, end: time | None
) -> None:
    wish = read_wish(text)
    assert (wish.weekdays, wish.time_from, wish.time_until, wish.unknown) == (weekdays, start, end, ())


@pytest.mark.parametrize(
    ("text", "without", "left"),
    [
        ("not monday", {1}, {2, 3, 4, 5, 6, 7}),
        ("no mondays", {1}, {2, 3, 4, 5, 6, 7}),
        ("any day except friday", {5}, {1, 2, 3, 4, 6, 7}),
        ("sin lunes", {1}, {2, 3, 4, 5, 6, 7}),
        ("mon-thu, not wed", {3}, {1, 2, 4}),
        ("not monday and friday", {1, 5}, {2, 3, 4, 6, 7}),
        ("not monday but tuesday", {1}, {2}),
        ("can't do mondays", {1}, {2, 3, 4, 5, 6, 7}),
    ],
)
def test_a_day_named_as_impossible_is_excluded(text: str, without: set[int], left: set[int]) -> None:
    wish = read_wish(text)
    assert (wish.without, wish.weekdays, wish.unknown) == (without, left, ())


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("not before 10", time(10), None), ("no mornings", time(13), None), ("not after 17", None, time(17)),
        ("after 5 pm", time(17), None), ("antes de las 12", None, time(12)), ("después de las 17", time(17), None),
    ],
)  # fmt: skip
def test_a_time_turned_round_is_understood(text: str, start: time | None, end: time | None) -> None:
    wish = read_wish(text)
    assert (wish.time_from, wish.time_until, wish.unknown) == (start, end, ())


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("from 7 december", date(2026, 12, 7), None),
        ("desde el 7 de diciembre", date(2026, 12, 7), None),
        ("after december 7th", date(2026, 12, 8), None),
        ("from 7/12", date(2026, 12, 7), None),
        ("from 2027-01-07", date(2027, 1, 7), None),
        ("from 3 january", date(2027, 1, 3), None),
        ("until 20 december", None, date(2026, 12, 20)),
        ("from 7 to 12 december", date(2026, 12, 7), date(2026, 12, 12)),
    ],
)
def test_a_date_is_a_date_and_no_hour(text: str, first: date | None, last: date | None) -> None:
    wish = read_wish(text, MONDAY)
    assert (wish.day_from, wish.day_until) == (first, last)
    assert (wish.time_from, wish.time_until, wish.unknown) == (None, None, ())


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("tue fullmoon", ("fullmoon",)),
        ("after 5", ("after 5",)),
        ("17 mar", ("17 mar",)),
        ("after tuesday", ("after tuesday",)),
        ("7 december", ("7 december",)),
        ("7.12", ("7.12",)),
        ("not afternoons", ("not afternoons",)),
        ("not only mornings", ("not only", "mornings")),
        ("monday not monday", ("no weekday left",)),
        ("from 31 february", ("from 31 february",)),
    ],
)
def test_what_is_not_understood_is_said_and_never_guessed(text: str, unknown: tuple[str, ...]) -> None:
    wish = read_wish(text, MONDAY)
    assert wish.unknown == unknown
    assert (wish.time_from, wish.time_until, wish.day_from, wish.day_until, wish.without) == (
        None, None, None, None, frozenset(),
    )  # fmt: skip


@given(st.text(max_size=300))
def test_no_wish_breaks_the_reader(text: str) -> None:
    read_wish(text)
    read_wish(text, MONDAY)
