"""Booked visits that can't take place as they are booked, since the set-up changed around them, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from mesoclinic.accounts.models import User
from protocols.models import PlannedSession, TreatmentPlan
from sessions.models import (
    Absence,
    Appointment,
    AppointmentType,
    Closure,
    Device,
    Location,
    Offer,
    Practitioner,
    Room,
    WorkingHours,
)

#: Each reason with its words, in the order of the columns below.
REASONS = (
    ("hours", "outside the working hours"),
    ("gone", "the account is closed"),
    ("away", "away"),
    ("closed", "closed"),
    ("able", "does not do this"),
    ("room", "the room is not fitted for it"),
    ("cream", "the place for the cream is none any more"),
    ("device", "the device is missing"),
)
WORDS = dict(REASONS)


@dataclass(frozen=True, slots=True)
class Unfit:
    """A visit (key), when it is, and what is in its way: codes of REASONS."""

    visit: int
    starts_at: datetime
    reasons: tuple[str, ...]


def _name(model: type) -> str:
    return str(model._meta.db_table)  # type: ignore[attr-defined]  # of every model


#: What Appointment.needs and checks.check_fit ask, for all coming visits in one statement. Hours lie on the wall, so the
#: promised time is held against them; of a visit without one PostgreSQL's zones answer.
_UNFIT = f"""
SELECT * FROM (
  SELECT a.id, a.starts_at,
    NOT EXISTS (
      SELECT FROM {_name(WorkingHours)} h WHERE h.practitioner_id = a.practitioner_id AND h.location_id = a.location_id
        AND h.weekday = extract(isodow FROM wall.starts) AND wall.starts::date = wall.ends::date
        AND h.starts <= wall.starts::time AND wall.ends::time <= h.ends
    ) AS hours,
    NOT person.is_active AS gone,
    EXISTS (SELECT FROM {_name(Absence)} x WHERE x.practitioner_id = a.practitioner_id
      AND x.starts_at < a.ends_at AND x.ends_at > a.starts_at) AS away,
    EXISTS (SELECT FROM {_name(Closure)} x WHERE x.location_id = a.location_id
      AND x.starts_at < a.ends_at AND x.ends_at > a.starts_at) AS closed,
    NOT who.qualifications::text[] @> asks.able AS able,
    NOT room.capabilities::text[] @> asks.fitted AS room,
    COALESCE(NOT prep.capabilities::text[] @> ARRAY['preparation'], false) AS cream,
    CASE WHEN d.id IS NULL THEN asks.device <> ''
      ELSE NOT d.in_service OR (asks.device <> '' AND d.kind <> asks.device) END AS device
  FROM {_name(Appointment)} a
  JOIN {_name(Location)} place ON place.id = a.location_id
  JOIN {_name(Practitioner)} who ON who.id = a.practitioner_id
  JOIN {_name(User)} person ON person.id = who.user_id
  JOIN {_name(Room)} room ON room.id = a.room_id
  LEFT JOIN {_name(Room)} prep ON prep.id = a.prep_room_id
  LEFT JOIN {_name(Device)} d ON d.id = a.device_id
  LEFT JOIN {_name(PlannedSession)} s ON s.id = a.planned_session_id
  LEFT JOIN {_name(AppointmentType)} t ON t.id = a.type_id
  CROSS JOIN LATERAL (
    SELECT COALESCE(a.local_start, a.starts_at AT TIME ZONE place.time_zone) AS starts
  ) told
  CROSS JOIN LATERAL (SELECT told.starts, told.starts + (a.ends_at - a.starts_at) AS ends) wall
  CROSS JOIN LATERAL (
    SELECT
      CASE WHEN s.id IS NOT NULL THEN s.needs::text[] WHEN t.id IS NOT NULL THEN ARRAY[t.qualification]::text[]
        ELSE ARRAY['consultation'] END AS able,
      CASE WHEN s.id IS NOT NULL THEN array_replace(s.needs::text[], 'needle-free', 'injection')
        WHEN t.id IS NOT NULL THEN ARRAY[t.capability]::text[] ELSE ARRAY['consultation'] END AS fitted,
      COALESCE(s.device_kind, t.device_kind, '') AS device
  ) asks
  WHERE a.status IN ('requested', 'booked', 'confirmed') AND a.starts_at > %(now)s
    AND NOT (a.status = 'requested' AND EXISTS (
      SELECT FROM {_name(Offer)} o WHERE o.hold_id = a.id AND o.state = 'open'))
    AND (%(practitioner)s::bigint IS NULL OR a.practitioner_id = %(practitioner)s)
    AND (%(room)s::bigint IS NULL OR %(room)s IN (a.room_id, a.prep_room_id))
    AND (%(device)s::bigint IS NULL OR a.device_id = %(device)s)
    AND (%(type)s::bigint IS NULL OR (a.type_id = %(type)s AND a.planned_session_id IS NULL))
    AND (%(plan)s::bigint IS NULL OR s.plan_id IN (
      SELECT p.id FROM {_name(TreatmentPlan)} p WHERE %(plan)s IN (p.id, p.root_id)))
) found
WHERE {" OR ".join(code for code, _words in REASONS)}
ORDER BY starts_at, id
"""  # noqa: S608  # names of tables and columns

#: What of a visit is the affair of whom.
_CONCERNS: dict[type, tuple[str, frozenset[str]]] = {
    Practitioner: ("practitioner", frozenset({"hours", "gone", "away", "able"})),
    Room: ("room", frozenset({"room", "cream"})),
    Device: ("device", frozenset({"device"})),
    AppointmentType: ("type", frozenset({"able", "room", "device"})),
}

type Changed = Practitioner | Room | Device | AppointmentType

_ANY: Mapping[str, int | None] = {
    "practitioner": None,
    "room": None,
    "device": None,
    "type": None,
    "plan": None,
}


def unfit(now: datetime, **of: int) -> list[Unfit]:
    """Coming visits that can't take place as booked, the soonest first. One query.

    `of` narrows it down: keys of `practitioner`, `room`, `device`, `type`, or the first version of a `plan`.
    """
    with connection.cursor() as cursor:
        cursor.execute(_UNFIT, {**_ANY, **of, "now": now})
        return [
            Unfit(
                key, starts_at, tuple(code for (code, _words), hit in zip(REASONS, hits, strict=True) if hit)
            )
            for key, starts_at, *hits in cursor.fetchall()
        ]


def unfit_by(changed: Changed, now: datetime) -> list[int]:
    """Keys of the coming visits that can't take place because of this person, room, device or type. One query."""
    name, concerns = _CONCERNS[type(changed)]
    return [row.visit for row in unfit(now, **{name: changed.pk}) if concerns.intersection(row.reasons)]


def words_of(row: Unfit, visit: Appointment) -> list[str]:
    """What is in a visit's way, with the names of those concerned. Its practitioner, room, device and place are loaded."""
    names = {
        "hours": f"outside the hours of {visit.practitioner}",
        "gone": f"{visit.practitioner} works here no more",
        "away": f"{visit.practitioner} is away",
        "closed": f"{visit.location.short_name} is closed",
        "able": f"{visit.practitioner} does not do this",
        "room": f"{visit.room.name} is not fitted for it",
        "device": f"{visit.device.name} can't be used" if visit.device is not None else "needs a device",
    }
    return [names.get(code, WORDS[code]) for code in row.reasons]
