"""Booking whole courses: pure functions on frozen data. No Django, no clock, no I/O.

Instants are aware datetimes; days and wishes are on the wall clock of the location, so daylight-saving changes
move instants and never visits.
"""

from sessions.scheduling.diary import (
    Diary,
    Preferences,
    Slot,
    Staff,
    Stretches,
    Visit,
)
from sessions.scheduling.flow import Reflow, reflow
from sessions.scheduling.hours import Span, expand_hours, free_spans
from sessions.scheduling.moves import Deviation, check_move, outside
from sessions.scheduling.obstacles import Obstacle, Relief, why_not
from sessions.scheduling.search import (
    CourseOption,
    find_all_slots,
    find_course,
)
from sessions.scheduling.wishes import Wish, read_wish

__all__ = [
    "CourseOption",
    "Deviation",
    "Diary",
    "Obstacle",
    "Preferences",
    "Reflow",
    "Relief",
    "Slot",
    "Span",
    "Staff",
    "Stretches",
    "Visit",
    "Wish",
    "check_move",
    "expand_hours",
    "find_all_slots",
    "find_course",
    "free_spans",
    "outside",
    "read_wish",
    "reflow",
    "why_not",
]  # fmt: skip
