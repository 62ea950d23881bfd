"""Why no course fits: which visit, which window, what is missing, and the smallest things that would help."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np

from sessions.scheduling.diary import Diary, Preferences, Visit
from sessions.scheduling.grid import Flags, Places
from sessions.scheduling.search import Course, Diaries, people_for, searched

#: How many days past its window a visit is looked for.
FURTHER = 28


@dataclass(frozen=True, slots=True)
class Relief:
    """One thing that alone lets the whole course fit.

    `kind`: `days` (the days that the patient can't come), `person` (any practitioner), `place` (another `location` than the
    wished one, any of them where it is None), `later` (the visit `days` days past its window, on `day`), or a resource
    (`practitioner`, `room`, `device`, `preparation`, `patient`) that would have to be free on `day`; of several locations at
    `location`.
    """

    kind: str
    day: date | None = None
    days: int = 0
    location: int | None = None


@dataclass(frozen=True, slots=True)
class Obstacle:
    """The first visit that can't be placed, its window by what lies before it, and what is missing there.

    `lacking`: each of these alone is in the way (`qualification`, `hours`, `practitioner`, `room`, `device`,
    `preparation`, `patient`, `wish`, `opening`, `past`); empty where only several together are. Of several locations
    searched together one where nothing else is missing is enough.
    """

    number: int
    first: date
    last: date
    lacking: tuple[str, ...]
    reliefs: tuple[Relief, ...]


def _open_days(places: Places, without: Iterable[str] = ()) -> Flags:
    """Days with a cell where all is there, but for what is left out."""
    met = np.ones(places.works.shape, bool)
    for one in places.requirements:
        if one.kind not in without:
            met &= one.met
    return np.asarray(met.any(axis=(0, 2)))


def _places(course: Course, visit: Visit) -> list[Places]:
    """Where the visit is looked for, location by location."""
    return [site.places[visit.shape] for site in course.sites if visit.shape in site.places]


def _open(course: Course, visit: Visit, without: Iterable[str] = ()) -> Flags:
    """Days on which the visit can be at one location or another."""
    found = np.zeros(course.days, bool)
    for places in _places(course, visit):
        found |= _open_days(places, without)
    return found


def _fits(course: Course, without: Iterable[str] = ()) -> bool:
    """Whether the whole course has a chain of days."""
    return _reach(course, [_open(course, visit, without) for visit in course.visits])[0] == len(course.visits)


def _window(course: Course, index: int, before: Flags | None) -> Flags:
    """Days inside the window of a visit, after any of the days before."""
    visit, found = course.visits[index], np.zeros(course.days, bool)
    if before is None:
        found[max(0, course.base + visit.earliest) : max(0, course.base + visit.latest + 1)] = True
        return found
    for day in np.flatnonzero(before):
        found[day + visit.earliest : day + visit.latest + 1] = True
    return found


def _reach(course: Course, open_days: Sequence[Flags]) -> tuple[int, Flags]:
    """(how many visits can be placed, the window in which the next one can't or the days of the last)."""
    before: Flags | None = None
    for index in range(len(course.visits)):
        window = _window(course, index, before)
        before = window & open_days[index]
        if not before.any():
            return index, window
    assert before is not None
    return len(course.visits), before


def _lacking(course: Course, visit: Visit, window: Flags) -> tuple[str, ...]:
    """What alone is in the way in the window."""
    every = _places(course, visit)
    kinds = dict.fromkeys(one.kind for places in every for one in places.requirements)
    found = [kind for kind in kinds if (_open(course, visit, [kind]) & window).any()]

    def somewhere(*met: Flags) -> bool:
        return any(bool((one.any(axis=(0, 2)) & window).any()) for one in met)

    if "practitioner" in found or not somewhere(*(places.works for places in every)):
        # Nobody can do it, nobody works then, or all who do are taken.
        if not any(places.able.any() for places in every):
            kind = "qualification"
        elif not somewhere(*(places.on_duty & places.common for places in every)):
            kind = "hours"
        else:
            kind = "practitioner"
        found = [kind, *(name for name in found if name != "practitioner")]
    return tuple(found)


def _course(
    visits: Sequence[Visit], diaries: Diaries, wish: Preferences, *, start: date, now: datetime, base: date
) -> Course | None:
    """The search; where nobody is able, the wished one or anybody stands for all: what is missing is said of them."""
    books = searched(diaries, wish)
    people = [people_for(visits, diary, wish) for diary in books]
    if not any(people):
        people = [
            [staff for staff in diary.staff if wish.practitioner in {None, staff.key}][:1] for diary in books
        ]
    if not any(people):
        return None
    return Course(visits, books, wish, people, start=start, now=now, base=base)


def why_not(
    visits: Sequence[Visit],
    diaries: Diaries,
    preferences: Preferences,
    *,
    start: date,
    now: datetime,
    before: date | None = None,
) -> Obstacle | None:
    """Why `find_course` with the same arguments finds nothing; None where it finds a course.

    The diaries must be loaded for `FURTHER` days more than the windows need: later dates are looked at too. Those of
    locations that are not wished are looked at for what another location would help.
    """
    if not visits:
        return None
    base = before or start
    if (base - start).days + sum(visit.latest for visit in visits) < 0:
        return Obstacle(visits[0].number, base, base, ("past",), ())
    course = _course(visits, diaries, preferences, start=start, now=now, base=base)
    if course is None:
        return Obstacle(
            visits[0].number, base, base, ("hours",), tuple(_elsewhere(visits, diaries, preferences, start, now, base))
        )  # fmt: skip
    open_days = [_open(course, visit) for visit in visits]
    index, window = _reach(course, open_days)
    if index == len(visits):
        return None
    days = np.flatnonzero(window)
    if not len(days):
        return Obstacle(visits[index].number, base, base, ("past",), ())
    lacking = _lacking(course, visits[index], window)
    reliefs = [
        *_of_wishes(course, diaries),
        *_elsewhere(visits, diaries, preferences, start, now, base),
        *_of_resources(course, open_days, index, window, lacking),
    ]
    return Obstacle(visits[index].number, course.day(days[0]), course.day(days[-1]), lacking, tuple(reliefs))


def _of_wishes(course: Course, diaries: Diaries) -> Iterable[Relief]:
    """Days that the patient excluded, the practitioner that is wished."""
    wish = course.wish
    if wish != replace(wish, without=frozenset(), day_from=None, day_until=None) and _fits(course, ["wish"]):
        yield Relief("days")
    if wish.practitioner is not None:
        anybody = replace(wish, practitioner=None)
        other = _course(
            course.visits, diaries, anybody, start=course.first, now=course.now, base=course.base_day
        )
        if other is not None and _fits(other):
            yield Relief("person")


def _elsewhere(
    visits: Sequence[Visit], diaries: Diaries, wish: Preferences, start: date, now: datetime, base: date
) -> Iterable[Relief]:
    """Another location, or where no single one is enough all together."""
    if wish.location is None or isinstance(diaries, Diary):
        return
    found = False
    for place in (diary.location for diary in diaries if diary.location != wish.location):
        other = _course(visits, diaries, replace(wish, location=place), start=start, now=now, base=base)
        if other is not None and _fits(other):
            found = True
            yield Relief("place", location=place)
    every = _course(visits, diaries, replace(wish, location=None), start=start, now=now, base=base)
    if not found and every is not None and _fits(every):
        yield Relief("place")


def _of_resources(
    course: Course, open_days: Sequence[Flags], index: int, window: Flags, lacking: Sequence[str]
) -> Iterable[Relief]:
    """The visit a little later, or one resource more on one day."""
    later = _later(course, index)
    if later is not None:
        yield later
    target = _target(course, index, window)
    visit = course.visits[index]
    for kind in lacking:
        resource = "practitioner" if kind in {"hours", "practitioner"} else kind
        if resource in {"wish", "past", "qualification", "opening"}:
            continue
        could = _open(course, visit, [resource]) & window
        for day in sorted(np.flatnonzero(could), key=lambda one: (abs(one - target), one)):
            helped = [flags.copy() for flags in open_days]
            helped[index][day] = True
            if _reach(course, helped)[0] == len(course.visits):
                here = next(
                    site.diary.location
                    for site in course.sites
                    if visit.shape in site.places and _open_days(site.places[visit.shape], [resource])[day]
                )
                several = len(course.sites) > 1
                yield Relief(resource, course.day(int(day)), location=here if several else None)
                break


def _target(course: Course, index: int, window: Flags) -> int:
    """The day of the window that lies as far in as the target of the visit."""
    visit = course.visits[index]
    return int(np.flatnonzero(window)[0]) + visit.target - visit.earliest


def _later(course: Course, index: int) -> Relief | None:
    """The fewest days past its window on which the visit, and then the whole course, fits."""
    late = replace(course.visits[index], latest=course.visits[index].latest + FURTHER)
    visits = [late if number == index else visit for number, visit in enumerate(course.visits)]
    longer = Course(
        visits, [site.diary for site in course.sites], course.wish, [site.people for site in course.sites],
        start=course.first, now=course.now, base=course.base_day,
    )  # fmt: skip
    open_days = [_open(longer, visit) for visit in visits]
    for days in range(1, FURTHER + 1):
        longer.visits = [
            replace(late, latest=late.latest - FURTHER + days) if number == index else visit
            for number, visit in enumerate(visits)
        ]
        reached, _last = _reach(longer, open_days)
        if reached == len(visits):
            before = None
            for number in range(index):
                before = _window(longer, number, before) & open_days[number]
            day = np.flatnonzero(_window(longer, index, before) & open_days[index])[-1]
            return Relief("later", longer.day(day), days)
    return None
