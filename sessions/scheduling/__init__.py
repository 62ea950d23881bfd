"""Booking whole courses: pure functions on frozen data. No Django, no clock, no I/O.

Instants are aware datetimes; days and wishes are on the wall clock of the location, so daylight-saving changes
move instants and never visits.
"""

from sessions.scheduling.hours import Span, expand_hours, free_spans
from sessions.scheduling.moves import Deviation, check_move
from sessions.scheduling.search import (
    CourseOption,
    Diary,
    Preferences,
    Slot,
    Staff,
    Visit,
    find_all_slots,
    find_course,
    find_slots,
)
from sessions.scheduling.wishes import Wish, read_wish

__all__ = [
    "CourseOption", "Deviation", "Diary", "Preferences", "Slot", "Span", "Staff", "Visit", "Wish", "check_move",
    "expand_hours", "find_all_slots", "find_course", "find_slots", "free_spans", "read_wish",
]  # fmt: skip
