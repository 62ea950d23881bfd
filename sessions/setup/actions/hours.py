"""Writes of times: weekly hours, absences, closures. Visits that are hit are shown before anything is saved."""

import hashlib
from collections import defaultdict
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from mesoclinic.accounts.models import User
from mesoclinic.audit.actions import record
from sessions.freed import freed_hours
from sessions.models import Absence, Appointment, Closure, Location, Practitioner, Room, WorkingHours
from sessions.scheduling import Span
from sessions.setup import queries
from sessions.setup.actions.common import change, plain
from sessions.setup.faults import SetupError, ask_about, broken
from sessions.setup.queries import DAYS, Week

STALE = "Somebody else changed these hours meanwhile. Load the page again and look at them first."
OVERLAP = "Two times of one day overlap. Let the second begin when the first ends, or later."


def week_of(practitioner: Practitioner, location: Location) -> list[tuple[int, Any, Any]]:
    """The weekly hours as they stand."""
    rows = WorkingHours.objects.filter(practitioner=practitioner, location=location)
    return list(rows.order_by("weekday", "starts").values_list("weekday", "starts", "ends"))


def state(week: Week) -> str:
    """Which week a page was drawn from."""
    text = "|".join(f"{weekday} {starts} {ends}" for weekday, starts, ends in sorted(week))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _words(week: Week) -> list[str]:
    return [f"{DAYS[weekday - 1]} {starts:%H:%M} to {ends:%H:%M}" for weekday, starts, ends in sorted(week)]


def _lock(practitioner: Practitioner) -> Practitioner:
    """Bookings lock the same row: a visit is either seen here, or sees the new times."""
    return Practitioner.objects.select_for_update(no_key=True, of=("self",)).get(pk=practitioner.pk)


@transaction.atomic
def set_week(
    *, practitioner: Practitioner, location: Location, week: Week, seen: str, by: User, now: datetime, accepted: str = ""
) -> None:  # fmt: skip
    """Replace the weekly hours at a location. Overlaps are refused, also with hours at other locations.

    `seen` is the `state` of the week that the person looked at. Raises SetupError, VisitsHit.
    """
    locked = _lock(practitioner)
    old = week_of(locked, location)
    if state(old) != seen:
        raise SetupError(STALE)
    taken: dict[int, list[tuple[Any, Any, str]]] = defaultdict(list)
    elsewhere = WorkingHours.objects.filter(practitioner=locked).exclude(location=location)
    for row in elsewhere.select_related("location"):
        taken[row.weekday].append((row.starts, row.ends, row.location.short_name))
    for weekday, starts, ends in week:
        for begins, until, where in taken[weekday]:
            if starts < until and begins < ends:
                day = DAYS[weekday - 1]
                raise SetupError(
                    f"{day}: works {begins:%H:%M} to {until:%H:%M} in {where} at that time."
                    if where
                    else f"{day}: {starts:%H:%M} to {ends:%H:%M} overlaps {begins:%H:%M} to {until:%H:%M}.",
                    f"{weekday} {starts:%H:%M}",
                )
        taken[weekday].append((starts, ends, ""))
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


# ---- absences ----------------------------------------------------------------------------------------------


def _free_of_absence(practitioner: Practitioner, start: datetime, end: datetime, but: int = 0) -> None:
    other = practitioner.absences.filter(starts_at__lt=end, ends_at__gt=start).exclude(pk=but).first()
    if other is not None:
        zone = queries.zone_of(practitioner) or start.tzinfo
        words = queries.span_words(other.starts_at, other.ends_at, zone, start.date())  # type: ignore[arg-type]  # both are time zones
        raise SetupError(f"{practitioner} is already away {words}. Change that absence instead.", "first_day")


def absence_hits(
    practitioner: Practitioner, start: datetime, end: datetime, now: datetime
) -> list[Appointment]:
    """Visits with the practitioner in that time."""
    return list(queries.within(queries.coming(now).filter(practitioner=practitioner), start, end))


@transaction.atomic
def add_absence(
    *, practitioner: Practitioner, starts_at: datetime, ends_at: datetime, reason: str, by: User, now: datetime,
    accepted: str = "",
) -> Absence:  # fmt: skip
    """A practitioner is away. Raises VisitsHit for visits in that time."""
    locked = _lock(practitioner)
    _free_of_absence(locked, starts_at, ends_at)
    ask_about(absence_hits(locked, starts_at, ends_at, now), accepted)
    absence = Absence.objects.create(practitioner=locked, starts_at=starts_at, ends_at=ends_at, reason=reason)
    record(
        type="absence.added", target=absence, by=by,
        new=plain({"practitioner": locked, "starts_at": starts_at, "ends_at": ends_at, "reason": reason}),
    )  # fmt: skip
    return absence


def _not_over(row: Absence | Closure, now: datetime) -> None:
    if row.ends_at <= now:
        raise SetupError("This time is over and stays as it was.")


@transaction.atomic
def change_absence(
    *, absence: Absence, starts_at: datetime, ends_at: datetime, reason: str, by: User, now: datetime, accepted: str = ""
) -> Absence:  # fmt: skip
    """Other days or another reason. Raises VisitsHit for visits that were not hit before."""
    practitioner = _lock(absence.practitioner)
    locked = Absence.objects.select_for_update(of=("self",)).get(pk=absence.pk)
    _not_over(locked, now)
    _free_of_absence(practitioner, starts_at, ends_at, locked.pk)
    before = {row.pk for row in absence_hits(practitioner, locked.starts_at, locked.ends_at, now)}
    hits = [row for row in absence_hits(practitioner, starts_at, ends_at, now) if row.pk not in before]
    ask_about(hits, accepted)
    values = {"starts_at": starts_at, "ends_at": ends_at, "reason": reason}
    was = Span(locked.starts_at, locked.ends_at)
    change(locked, values, type="absence.changed", by=by)
    freed_hours(was=was, still=Span(starts_at, ends_at), cause="present", now=now, practitioner=practitioner)
    return locked


@transaction.atomic
def remove_absence(*, absence: Absence, by: User, now: datetime) -> None:
    """The practitioner comes after all. What is over stays."""
    _lock(absence.practitioner)
    locked = Absence.objects.select_for_update(of=("self",)).select_related("practitioner").get(pk=absence.pk)
    _not_over(locked, now)
    record(
        type="absence.removed", target=locked, by=by,
        old=plain({"practitioner": locked.practitioner, "starts_at": locked.starts_at, "ends_at": locked.ends_at,
                   "reason": locked.reason}),
    )  # fmt: skip
    was = Span(locked.starts_at, locked.ends_at)
    locked.delete()
    freed_hours(was=was, still=None, cause="present", now=now, practitioner=absence.practitioner)


# ---- closures ----------------------------------------------------------------------------------------------


def closure_hits(location: Location, start: datetime, end: datetime, now: datetime) -> list[Appointment]:
    """Visits at the location in that time."""
    return list(queries.within(queries.coming(now).filter(location=location), start, end))


def _lock_rooms(location: Location) -> None:
    """Every booking locks its room: with all of a location's rooms locked, none slips in."""
    rooms = Room.objects.select_for_update(no_key=True).filter(location=location).order_by("pk")
    list(rooms.values_list("pk", flat=True))


@transaction.atomic
def add_closure(
    *, location: Location, starts_at: datetime, ends_at: datetime, reason: str, by: User, now: datetime, accepted: str = ""
) -> Closure:  # fmt: skip
    """A location is closed. Raises VisitsHit for visits in that time."""
    _lock_rooms(location)
    ask_about(closure_hits(location, starts_at, ends_at, now), accepted)
    closure = Closure.objects.create(location=location, starts_at=starts_at, ends_at=ends_at, reason=reason)
    record(
        type="closure.added", target=closure, by=by,
        new=plain({"location": location, "starts_at": starts_at, "ends_at": ends_at, "reason": reason}),
    )  # fmt: skip
    return closure


@transaction.atomic
def change_closure(
    *, closure: Closure, starts_at: datetime, ends_at: datetime, reason: str, by: User, now: datetime, accepted: str = ""
) -> Closure:  # fmt: skip
    """Other days or another reason. Raises VisitsHit for visits that were not hit before."""
    _lock_rooms(closure.location)
    locked = Closure.objects.select_for_update(of=("self",)).get(pk=closure.pk)
    _not_over(locked, now)
    before = {row.pk for row in closure_hits(closure.location, locked.starts_at, locked.ends_at, now)}
    hits = [row for row in closure_hits(closure.location, starts_at, ends_at, now) if row.pk not in before]
    ask_about(hits, accepted)
    was = Span(locked.starts_at, locked.ends_at)
    change(
        locked,
        {"starts_at": starts_at, "ends_at": ends_at, "reason": reason},
        type="closure.changed",
        by=by,
    )
    freed_hours(was=was, still=Span(starts_at, ends_at), cause="opened", now=now, location=closure.location)
    return locked


@transaction.atomic
def remove_closure(*, closure: Closure, by: User, now: datetime) -> None:
    """The location is open after all. What is over stays."""
    _lock_rooms(closure.location)
    locked = Closure.objects.select_for_update(of=("self",)).select_related("location").get(pk=closure.pk)
    _not_over(locked, now)
    record(
        type="closure.removed", target=locked, by=by,
        old=plain({"location": locked.location, "starts_at": locked.starts_at, "ends_at": locked.ends_at,
                   "reason": locked.reason}),
    )  # fmt: skip
    was = Span(locked.starts_at, locked.ends_at)
    locked.delete()
    freed_hours(was=was, still=None, cause="opened", now=now, location=closure.location)
