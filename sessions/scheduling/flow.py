"""Put a course back into its windows with the fewest moves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sessions.scheduling.diary import Diary, Preferences, Slot, Staff, Visit
from sessions.scheduling.search import Course, CourseOption, Diaries, people_for, searched


@dataclass(frozen=True, slots=True)
class Reflow:
    """A course in order again: a slot for each visit, those that stay as they stand. `moved` are visit keys."""

    slots: tuple[Slot, ...]
    offsets: tuple[int, ...]
    moved: frozenset[int]


def _people(
    visits: Sequence[Visit], diary: Diary, wish: Preferences, standing: Mapping[int, Slot]
) -> list[Staff]:
    """Who can do a visit at the location, and whoever has one there that stands."""
    people = people_for(visits, diary, wish)
    known = {staff.key for staff in people}
    here = {slot.practitioner for slot in standing.values() if slot.location == diary.location}
    return [*people, *(staff for staff in diary.staff if staff.key in here - known)]


def reflow(
    visits: Sequence[Visit],
    diaries: Diaries,
    preferences: Preferences,
    standing: Mapping[int, Slot],
    *,
    start: date,
    now: datetime,
    before: date | None = None,
) -> Reflow | None:
    """The course with as few of its standing visits moved as can be, then by the cost of the search; None: impossible.

    `standing` holds by visit key where visits are booked and may stay; a visit that is not in it has to be placed
    (missed, or its practitioner or device is gone). The diaries count the standing visits themselves as free.
    """
    books = searched(diaries, preferences)
    people = [_people(visits, diary, preferences, standing) for diary in books]
    if not visits or not any(people):
        return None
    course = Course(
        visits, books, preferences, people, start=start, now=now, base=before or start, standing=standing
    )
    if course.empty or not len(course.entries[0]):
        return None
    costs, who, days = course.entries
    best: CourseOption = course.unroll(int(who[0]), int(days[0]), int(costs[0]))
    moved = frozenset(
        slot.visit for slot in best.slots if slot.visit in standing and slot != standing[slot.visit]
    )
    return Reflow(best.slots, best.offsets, moved)
