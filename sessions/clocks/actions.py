"""Writes that let visits follow the wall clock: after new rules of a zone, and when a location gets another clock."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from django.db import IntegrityError, connection, transaction

from mesoclinic.accounts.models import User
from mesoclinic.audit.actions import record as audit
from sessions.actions.booking import current_visit
from sessions.actions.checks import TAKEN, BookingError, lock_resources
from sessions.clocks.queries import COMING, Adrift, adrift, in_order, promised, where
from sessions.models import Absence, Appointment, Closure, FreedTime, Location, Offer
from sessions.reminders import schedule

log = logging.getLogger(__name__)

_TABLE = Appointment._meta.db_table
#: All ends of a visit by as much; the promise stays. The trigger empties it behind a moved start, so it is written after.
_MOVE = f"""
UPDATE {_TABLE} a SET status = told.status, version = a.version + 1, starts_at = a.starts_at + told.by,
  ends_at = a.ends_at + told.by, occupied_from = a.occupied_from + told.by,
  occupied_until = a.occupied_until + told.by, prep_from = a.prep_from + told.by
FROM unnest(%s::bigint[], %s::text[], %s::interval[]) AS told(id, status, by) WHERE a.id = told.id
"""  # noqa: S608  # the name of the table
_PROMISE = f"""
UPDATE {_TABLE} a SET local_start = told.at FROM unnest(%s::bigint[], %s::timestamp[]) AS told(id, at)
WHERE a.id = told.id
"""  # noqa: S608  # the name of the table
#: What is in the way of a visit that has to follow its clock, by the constraint that refuses.
_IN_THE_WAY = {
    "practitioner_not_double_booked": "the practitioner has another visit then",
    "patient_not_double_booked": "the patient has another visit then",
    "room_not_double_booked": "the room is taken then",
    "preparation_room_not_double_booked": "the place for the cream is taken then",
    "device_not_double_booked": "the device is taken then",
}


def _move(rows: Sequence[Adrift], states: Mapping[int, str]) -> None:
    """Raises IntegrityError where a visit that stays is in the way."""
    keys = [row.visit for row in rows]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_MOVE, [keys, [states[key] for key in keys], [row.by for row in rows]])
        cursor.execute(_PROMISE, [keys, [row.promised for row in rows]])


def _reason(error: IntegrityError) -> str:
    name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", "") or ""
    if name not in TAKEN:
        raise error
    return _IN_THE_WAY[name]


# ---- new rules of a zone -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Followed:
    """How many visits were put where their clock shows the promised time, and how many could not be."""

    moved: int
    left: int


def follow(now: datetime) -> Followed:
    """Put coming visits where the wall shows what was told, each in a transaction of its own; doing it twice is harmless.

    What is in somebody's way, or has no such instant, stays and stands on the list *Not possible as booked*.
    """
    _fill(now)
    moved = left = 0
    for row in in_order(adrift(now)):
        try:
            done = _follow(row.visit, now)
        except BookingError as error:
            left += 1
            log.warning("visit %s stays where its clock does not show what was told: %s", row.visit, error)
        else:
            moved += done
    return Followed(moved, left)


def _fill(now: datetime) -> None:
    """Promises of coming visits that nobody wrote are what stands there now."""
    rows = Appointment.objects.filter(local_start=None, starts_at__gt=now).select_related("location")
    found = [(row.pk, row.location.on_the_wall(row.starts_at)) for row in rows.iterator(chunk_size=2000)]
    if found:
        with connection.cursor() as cursor:
            cursor.execute(
                _PROMISE + " AND a.local_start IS NULL",
                [[key for key, _at in found], [at for _key, at in found]],
            )


@transaction.atomic
def _follow(key: int, now: datetime) -> bool:
    """One visit. False when it stands right meanwhile. Raises BookingError when it can't go there."""
    seen = Appointment.objects.get(pk=key)
    lock_resources(
        patients=[seen.patient_id], practitioners=[seen.practitioner_id], rooms=[seen.room_id, seen.prep_room_id],
        devices=[seen.device_id],
    )  # fmt: skip
    visit = current_visit(seen, seen.version)
    if visit.status not in COMING or visit.local_start is None:
        return False
    row = where(visit.pk, visit.starts_at, visit.local_start, visit.location.zone)
    if row is None:
        return False
    if row.to is None:
        raise BookingError(row.why)
    if row.to <= now:
        raise BookingError("its time is past")
    try:
        _move([row], {key: visit.status})
    except IntegrityError as error:
        raise BookingError(_reason(error)) from error
    _told(visit, row, visit.location.zone, None, "The rules of the time zone changed")
    return True


def _told(visit: Appointment, row: Adrift, zone: ZoneInfo, by: User | None, reason: str) -> None:
    """The reminder at its hour, the row of the trail. The patient was told the time on the wall, and that is still true."""
    assert row.to is not None
    schedule.followed_the_clock(visit, row.to, zone)
    audit(
        type="appointment.followed-its-clock", target=visit, by=by, patient_id=visit.patient_id,
        old={"starts_at": row.starts_at.isoformat()}, new={"starts_at": row.to.isoformat()}, reason=reason,
    )  # fmt: skip


# ---- a location gets another clock -------------------------------------------------------------------------


class CannotFollow(Exception):
    """Visits (keys) that can't keep their time on the wall, and why."""

    def __init__(self, why: Mapping[int, str]) -> None:
        super().__init__(f"{len(why)} visits can't keep their time")
        self.why = dict(why)


def keep_on_the_wall(
    *, location: Location, visits: Sequence[Appointment], zone: ZoneInfo, by: User, now: datetime
) -> None:
    """Let the visits keep their time on the wall while the location's clock becomes that of `zone`.

    Part of the caller's transaction, which holds the locks of all that these visits are made of and then writes the new
    zone. The location's closures, freed times and the absences written on its clock keep to the wall as well. Raises
    CannotFollow, and then the whole act has to be taken back.
    """
    rows = [
        row
        for visit in visits
        if (row := where(visit.pk, visit.starts_at, promised(visit), zone)) is not None
    ]
    known = {visit.pk: visit for visit in visits}
    held = set(
        Offer.objects.filter(hold__in=list(known), state=Offer.State.OPEN).values_list("hold_id", flat=True)
    )
    why = {row.visit: said for row in rows if (said := _why_not(known[row.visit], row, held, now))}
    if why:
        raise CannotFollow(why)
    states = {key: visit.status for key, visit in known.items()}
    # While they are on their way none takes a time, so none is in the way of another (as in sessions.reflow.actions).
    Appointment.objects.filter(pk__in=[row.visit for row in rows]).update(status=Appointment.Status.CANCELLED)
    try:
        _move(rows, states)
    except IntegrityError:
        raise CannotFollow(_one_by_one(rows, states)) from None
    for row in rows:
        _told(
            known[row.visit], row, zone, by, f"The clock of {location.short_name} is that of {zone.key} now"
        )
    _stretches(location, zone, now)


def _why_not(visit: Appointment, row: Adrift, held: set[int], now: datetime) -> str:
    if visit.status not in COMING or visit.starts_at <= now:
        return "the patient is here"
    if visit.pk in held:
        return "offered from the waiting list: end the offer first"
    if row.to is None:
        return row.why
    return "would be past" if row.to <= now else ""


def _one_by_one(rows: Sequence[Adrift], states: Mapping[int, str]) -> dict[int, str]:
    """Which of them have somebody in their way: another visit, at another location."""
    why = {}
    for row in rows:
        try:
            _move([row], states)
        except IntegrityError as error:
            why[row.visit] = _reason(error)
    return why


def _stretches(location: Location, zone: ZoneInfo, now: datetime) -> None:
    """Closures, absences and freed times from 14:00 to 18:00 stay from 14:00 to 18:00."""
    at_first = Absence.objects.filter(practitioner__hours__location=location).distinct()
    rows: list[Closure | Absence | FreedTime] = [
        *Closure.objects.filter(location=location, ends_at__gt=now),
        *(row for row in at_first.filter(ends_at__gt=now) if _writes_on(row, location)),
        *FreedTime.objects.filter(
            location=location, ends_at__gt=now, state__in=[FreedTime.State.WAITING, FreedTime.State.IDLE]
        ),
    ]
    for stretch in rows:
        # Of a time that the new clock skips the moment of the change, of one that it shows twice the first.
        starts, ends = (
            location.on_the_wall(end).replace(tzinfo=zone).astimezone(UTC)
            for end in (stretch.starts_at, stretch.ends_at)
        )
        if starts < ends:
            stretch.starts_at, stretch.ends_at = starts, ends
            stretch.save(update_fields=["starts_at", "ends_at"])


def _writes_on(absence: Absence, location: Location) -> bool:
    """Whether the absence was written on this location's clock."""
    hours = absence.practitioner.hours.first()
    return hours is not None and hours.location_id == location.pk
