"""Writes of weekly hours. Visits that are hit are shown before anything is saved; absences are in `away`."""

import hashlib
from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction

from mesoclinic.accounts.models import User
from mesoclinic.audit.actions import record
from sessions.models import Location, Practitioner, WorkingHours
from sessions.setup import queries
from sessions.setup.actions.common import lock_practitioner
from sessions.setup.faults import SetupError, ask_about, broken
from sessions.setup.queries import DAYS, Week

STALE = "Somebody else changed these hours meanwhile. Load the page again and look at them first."
OVERLAP = "Two times of one day overlap. Let the second begin when the first ends, or later."


def week_of(practitioner: Practitioner, location: Location) -> list[tuple[int, time, time]]:
    """The weekly hours as they stand."""
    rows = WorkingHours.objects.filter(practitioner=practitioner, location=location)
    return list(rows.order_by("weekday", "starts").values_list("weekday", "starts", "ends"))


def state(week: Week) -> str:
    """Which week a page was drawn from."""
    text = "|".join(f"{weekday} {starts} {ends}" for weekday, starts, ends in sorted(week))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _words(week: Week) -> list[str]:
    return [f"{DAYS[weekday - 1]} {starts:%H:%M} to {ends:%H:%M}" for weekday, starts, ends in sorted(week)]


#: A week of winter and one of summer: clocks of two places may differ in one of them only.
_SAMPLE_WEEKS = (date(2026, 1, 5), date(2026, 7, 6))


def _instants(
    weekday: int, starts: time, ends: time, zone: ZoneInfo, monday: date
) -> tuple[datetime, datetime]:
    day = monday + timedelta(days=weekday - 1)
    return datetime.combine(day, starts, zone).astimezone(UTC), datetime.combine(day, ends, zone).astimezone(
        UTC
    )


def _at_once(span: tuple[int, time, time], here: ZoneInfo, other: WorkingHours) -> bool:
    """Whether hours here and those at a place with another clock are ever at the same moment."""
    there = other.location.zone
    for monday in _SAMPLE_WEEKS:
        start, end = _instants(*span, here, monday)
        # Sunday evening in one place is Monday morning in another: the weeks beside it too.
        for week in (-7, 0, 7):
            begins, until = _instants(
                other.weekday, other.starts, other.ends, there, monday + timedelta(days=week)
            )
            if start < until and begins < end:
                return True
    return False


def _refuse_overlaps(week: Week, location: Location, elsewhere: list[WorkingHours]) -> None:
    """Nobody works twice at a time: not here, not by the wall clock of another place, not at its very moments."""
    taken: dict[int, list[tuple[time, time]]] = defaultdict(list)
    for weekday, starts, ends in week:
        day, field = DAYS[weekday - 1], f"{weekday} {starts:%H:%M}"
        for begins, until in taken[weekday]:
            if starts < until and begins < ends:
                raise SetupError(
                    f"{day}: {starts:%H:%M} to {ends:%H:%M} overlaps {begins:%H:%M} to {until:%H:%M}.", field
                )
        taken[weekday].append((starts, ends))
        for row in elsewhere:
            same_day = row.weekday == weekday and starts < row.ends and row.starts < ends
            other_clock = row.location.time_zone != location.time_zone
            if same_day or (other_clock and _at_once((weekday, starts, ends), location.zone, row)):
                words = f"{DAYS[row.weekday - 1]}: works {row.starts:%H:%M} to {row.ends:%H:%M} in {row.location.short_name}"
                raise SetupError(
                    f"{words}, by the clock there, at that time."
                    if other_clock
                    else f"{words} at that time.",
                    field,
                )


@transaction.atomic
def set_week(
    *, practitioner: Practitioner, location: Location, week: Week, seen: str, by: User, now: datetime, accepted: str = ""
) -> None:  # fmt: skip
    """Replace the weekly hours at a location. Overlaps are refused, also with hours at other locations.

    `seen` is the `state` of the week that the person looked at. Raises SetupError, VisitsHit.
    """
    locked = lock_practitioner(practitioner)
    old = week_of(locked, location)
    if state(old) != seen:
        raise SetupError(STALE)
    elsewhere = WorkingHours.objects.filter(practitioner=locked).exclude(location=location)
    _refuse_overlaps(week, location, list(elsewhere.select_related("location")))
    ask_about(queries.outside_new_week(locked, location, old, week, now), accepted)
    if sorted(old) == sorted(week):
        return
    WorkingHours.objects.filter(practitioner=locked, location=location).delete()
    try:
        with transaction.atomic():
            WorkingHours.objects.bulk_create(
                WorkingHours(
                    practitioner=locked, location=location, weekday=weekday, starts=starts, ends=ends
                )
                for weekday, starts, ends in week
            )
    except IntegrityError as error:
        raise broken(error, {"hours_do_not_overlap": (OVERLAP, "")}) from error
    record(
        type="hours.changed", target=locked, by=by,
        old={"location": location.name, "hours": _words(old)}, new={"location": location.name, "hours": _words(week)},
    )  # fmt: skip
