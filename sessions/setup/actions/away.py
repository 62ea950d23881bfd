"""Writes of absences and closures: one shape, whether a practitioner is away or a location is closed.

Visits that are hit are shown before anything is saved; nothing is ever moved by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NotRequired, TypedDict, Unpack, cast

from django.db import transaction

from mesoclinic.accounts.models import User
from mesoclinic.audit.actions import record
from sessions.freed import freed_hours
from sessions.models import Absence, Appointment, Closure, Location, Practitioner
from sessions.scheduling import Span
from sessions.setup import queries
from sessions.setup.actions.common import change, lock_practitioner, lock_rooms, plain
from sessions.setup.faults import SetupError, ask_about

OVER = "This time is over and stays as it was."

type Owner = Practitioner | Location
type Away = Absence | Closure


class Time(TypedDict):
    """From when until when, why, and who says so; `accepted` are the visits that person has seen."""

    starts_at: datetime
    ends_at: datetime
    reason: str
    by: User
    now: datetime
    accepted: NotRequired[str]


@dataclass(frozen=True, slots=True)
class Kind:
    """What differs between the two: the field of who or what is away, its lock, and what is refused."""

    name: str
    model: type[Absence] | type[Closure]
    owner: str
    lock: Callable[[Any], Any]
    check: Callable[[Any, datetime, datetime, int], None]


def _not_away_twice(practitioner: Practitioner, start: datetime, end: datetime, but: int) -> None:
    other = practitioner.absences.filter(starts_at__lt=end, ends_at__gt=start).exclude(pk=but).first()
    if other is not None:
        zone = queries.zone_of(practitioner) or start.tzinfo
        words = queries.span_words(other.starts_at, other.ends_at, zone, start.date())  # type: ignore[arg-type]  # both are time zones
        raise SetupError(f"{practitioner} is already away {words}. Change that absence instead.", "first_day")


def _anything_goes(location: Location, start: datetime, end: datetime, but: int) -> None:
    """Two closures may overlap: works over a holiday."""


ABSENCE = Kind("absence", Absence, "practitioner", lock_practitioner, _not_away_twice)
CLOSURE = Kind("closure", Closure, "location", lock_rooms, _anything_goes)


def kind_of(row: Away) -> Kind:
    """Which of the two it is."""
    return ABSENCE if isinstance(row, Absence) else CLOSURE


def owner_of(row: Away) -> Owner:
    """Who is away, or what is closed."""
    return row.practitioner if isinstance(row, Absence) else row.location


def hits(owner: Owner, start: datetime, end: datetime, now: datetime) -> list[Appointment]:
    """Coming visits with the practitioner, or at the location, that touch the time."""
    mine = {"practitioner": owner} if isinstance(owner, Practitioner) else {"location": owner}
    return list(queries.within(queries.coming(now).filter(**mine), start, end))


@transaction.atomic
def _add(kind: Kind, owner: Owner, **time: Unpack[Time]) -> Away:
    start, end, reason = time["starts_at"], time["ends_at"], time["reason"]
    locked = kind.lock(owner)
    kind.check(locked, start, end, 0)
    ask_about(hits(locked, start, end, time["now"]), time.get("accepted", ""))
    values = {kind.owner: locked, "starts_at": start, "ends_at": end, "reason": reason}
    row = kind.model._default_manager.create(**values)
    record(type=f"{kind.name}.added", target=row, by=time["by"], new=plain(values))
    return row


def add_absence(*, practitioner: Practitioner, **time: Unpack[Time]) -> Absence:
    """A practitioner is away. Raises VisitsHit for visits in that time, SetupError when away already."""
    return cast(Absence, _add(ABSENCE, practitioner, **time))


def add_closure(*, location: Location, **time: Unpack[Time]) -> Closure:
    """A location is closed. Raises VisitsHit for visits in that time."""
    return cast(Closure, _add(CLOSURE, location, **time))


def _locked(row: Away, now: datetime) -> Away:
    """The row as it is now, behind the lock of its owner. Raises SetupError for what is over."""
    kind = kind_of(row)
    kind.lock(owner_of(row))
    rows = kind.model._default_manager.select_for_update(of=("self",)).select_related(kind.owner)
    found = rows.get(pk=row.pk)
    if found.ends_at <= now:
        raise SetupError(OVER)
    return found


@transaction.atomic
def change_time(*, row: Away, **time: Unpack[Time]) -> Away:
    """Another time or reason. Raises VisitsHit for visits that were not hit before, SetupError."""
    start, end, now = time["starts_at"], time["ends_at"], time["now"]
    locked = _locked(row, now)
    kind, owner = kind_of(locked), owner_of(locked)
    kind.check(owner, start, end, locked.pk)
    before = {visit.pk for visit in hits(owner, locked.starts_at, locked.ends_at, now)}
    ask_about(
        [visit for visit in hits(owner, start, end, now) if visit.pk not in before], time.get("accepted", "")
    )
    values = {"starts_at": start, "ends_at": end, "reason": time["reason"]}
    was = Span(locked.starts_at, locked.ends_at)
    change(locked, values, type=f"{kind.name}.changed", by=time["by"])
    _opened(locked, was, Span(start, end), now)
    return locked


def _opened(row: Away, was: Span, still: Span | None, now: datetime) -> None:
    """Hours that are there again: the waiting list is asked."""
    if isinstance(row, Absence):
        freed_hours(was=was, still=still, cause="present", now=now, practitioner=row.practitioner)
    else:
        freed_hours(was=was, still=still, cause="opened", now=now, location=row.location)


@transaction.atomic
def remove(*, row: Away, by: User, now: datetime) -> None:
    """The practitioner comes after all, the location is open after all. What is over stays."""
    locked = _locked(row, now)
    kind = kind_of(locked)
    old = {
        kind.owner: owner_of(locked),
        "starts_at": locked.starts_at,
        "ends_at": locked.ends_at,
        "reason": locked.reason,
    }
    record(type=f"{kind.name}.removed", target=locked, by=by, old=plain(old))
    _opened(locked, Span(locked.starts_at, locked.ends_at), None, now)
    locked.delete()
