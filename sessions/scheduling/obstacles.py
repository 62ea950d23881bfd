"""Why no course fits: which visit, which window, what is missing, and the smallest things that would help."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np

from sessions.scheduling.diary import Diary, Preferences, Visit
from sessions.scheduling.grid import Flags, Places
from sessions.scheduling.search import Course, people_for

#: How many days past its window a visit is looked for.
FURTHER = 28


@dataclass(frozen=True, slots=True)
class Relief:
    """One thing that alone lets the whole course fit.

    `kind`: `days` (the days that the patient can't come), `person` (any practitioner), `later` (the visit `days` days
    past its window, on `day`), or a resource (`practitioner`, `room`, `device`, `preparation`, `patient`) that would
    have to be free on `day`.
    """

    kind: str
    day: date | None = None
    days: int = 0


@dataclass(frozen=True, slots=True)
class Obstacle:
    """The first visit that can't be placed, its window by what lies before it, and what is missing there.

    `lacking`: each of these alone is in the way (`qualification`, `hours`, `practitioner`, `room`, `device`,
    `preparation`, `patient`, `wish`, `opening`, `past`); empty where only several together are.
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


def _window(course: Course, index: int, before: Flags | None) -> Flags:
    """Days inside the window of a visit, after any of the days before."""
    visit, found = course.visits[index], np.zeros(course.grid.days, bool)
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


def _lacking(places: Places, window: Flags) -> tuple[str, ...]:
    """What alone is in the way in the window."""
    found = []
    for one in places.requirements:
        if (_open_days(places, [one.kind]) & window).any():
            found.append(one.kind)
    if "practitioner" in found or not (places.works.any(axis=(0, 2)) & window).any():
        # Nobody can do it, nobody works then, or all who do are taken.
        if not places.able.any():
            kind = "qualification"
        elif not ((places.on_duty & places.common).any(axis=(0, 2)) & window).any():
            kind = "hours"
        else:
            kind = "practitioner"
        found = [kind, *(name for name in found if name != "practitioner")]
    return tuple(found)


def why_not(
    visits: Sequence[Visit],
    diary: Diary,
    preferences: Preferences,
    *,
    start: date,
    now: datetime,
    before: date | None = None,
) -> Obstacle | None:
    """Why `find_course` with the same arguments finds nothing; None where it finds a course.

    The diary must be loaded for `FURTHER` days more than the windows need: later dates are looked at too.
    """
    if not visits:
        return None
    # Where nobody is able, the wished one or anybody stands for all: what is missing is said of them.
    wished = [staff for staff in diary.staff if preferences.practitioner in {None, staff.key}]
    people = people_for(visits, diary, preferences) or wished[:1]
    base = before or start
    if not people or (base - start).days + sum(visit.latest for visit in visits) < 0:
        kind = "hours" if not people else "past"
        return Obstacle(visits[0].number, base, base, (kind,), ())
    course = Course(visits, diary, preferences, people, start=start, now=now, base=base)
    open_days = [_open_days(course.places[visit.shape]) for visit in visits]
    index, window = _reach(course, open_days)
    if index == len(visits):
        return None
    days = np.flatnonzero(window)
    if not len(days):
        return Obstacle(visits[index].number, base, base, ("past",), ())
    places = course.places[visits[index].shape]
    lacking = _lacking(places, window)
    reliefs = _reliefs(course, open_days, index, window, lacking)
    return Obstacle(
        visits[index].number, course.grid.day(days[0]), course.grid.day(days[-1]), lacking, tuple(reliefs)
    )


def _reliefs(
    course: Course, open_days: Sequence[Flags], index: int, window: Flags, lacking: Sequence[str]
) -> list[Relief]:
    found = []
    wish, visits = course.wish, course.visits
    if wish != replace(wish, without=frozenset(), day_from=None, day_until=None):
        freed = [_open_days(course.places[visit.shape], ["wish"]) for visit in visits]
        if _reach(course, freed)[0] == len(visits):
            found.append(Relief("days"))
    if wish.practitioner is not None:
        anybody = replace(wish, practitioner=None)
        other = Course(
            visits, course.diary, anybody, people_for(visits, course.diary, anybody) or course.people,
            start=course.grid.first, now=course.now, base=course.base_day,
        )  # fmt: skip
        if _reach(other, [_open_days(other.places[visit.shape]) for visit in visits])[0] == len(visits):
            found.append(Relief("person"))
    later = _later(course, index)
    if later is not None:
        found.append(later)
    target = _target(course, index, window)
    for kind in lacking:
        resource = "practitioner" if kind in {"hours", "practitioner"} else kind
        if resource in {"wish", "past", "qualification", "opening"}:
            continue
        could = _open_days(course.places[visits[index].shape], [resource]) & window
        for day in sorted(np.flatnonzero(could), key=lambda one: (abs(one - target), one)):
            helped = [flags.copy() for flags in open_days]
            helped[index][day] = True
            if _reach(course, helped)[0] == len(visits):
                found.append(Relief(resource, course.grid.day(int(day))))
                break
    return found


def _target(course: Course, index: int, window: Flags) -> int:
    """The day of the window that lies as far in as the target of the visit."""
    visit = course.visits[index]
    return int(np.flatnonzero(window)[0]) + visit.target - visit.earliest


def _later(course: Course, index: int) -> Relief | None:
    """The fewest days past its window on which the visit, and then the whole course, fits."""
    late = replace(course.visits[index], latest=course.visits[index].latest + FURTHER)
    visits = [late if number == index else visit for number, visit in enumerate(course.visits)]
    longer = Course(
        visits, course.diary, course.wish, course.people, start=course.grid.first, now=course.now,
        base=course.base_day,
    )  # fmt: skip
    open_days = [_open_days(longer.places[visit.shape]) for visit in visits]
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
            return Relief("later", longer.grid.day(day), days)
    return None
