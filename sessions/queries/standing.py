"""Reads of an act of booking, after its locks: narrow, a fixed number of queries, whatever else the diary holds."""

import json
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Model

from mesoclinic.accounts.models import User
from mesoclinic.statements import prepared
from patients.models import Patient
from protocols.models import Alert, PlannedSession, TreatmentPlan
from sessions.models import (
    Absence,
    Appointment,
    Closure,
    CourseBooking,
    Device,
    Location,
    Practitioner,
    Room,
    WorkingHours,
)
from sessions.scheduling import Slot, Span, expand_hours, free_spans
from sessions.scheduling.diary import CLEANUP, SETUP


@dataclass(frozen=True, slots=True)
class Locked:
    """Rooms and devices as they stand under the lock: location and what they are for; devices out of service are not here."""

    rooms: Mapping[int, tuple[int, frozenset[str]]]
    devices: Mapping[int, tuple[int, str]]


#: One statement, its parts in this order: patients, practitioners, rooms, devices, each by key. Everybody who makes or
#: moves a visit waits in the same queue, so nobody waits in a circle.
_LOCK = f"""
WITH patient AS MATERIALIZED (
  SELECT id FROM {Patient._meta.db_table} WHERE id = ANY(%s::bigint[]) ORDER BY id FOR NO KEY UPDATE
), practitioner AS MATERIALIZED (
  SELECT id FROM {Practitioner._meta.db_table} WHERE id = ANY(%s::bigint[]) ORDER BY id FOR NO KEY UPDATE
), room AS MATERIALIZED (
  SELECT id, location_id, capabilities::text[] AS uses FROM {Room._meta.db_table} WHERE id = ANY(%s::bigint[]) ORDER BY id
  FOR NO KEY UPDATE
), device AS MATERIALIZED (
  SELECT id, location_id, in_service, kind FROM {Device._meta.db_table} WHERE id = ANY(%s::bigint[]) ORDER BY id
  FOR NO KEY UPDATE
)
SELECT 'patient', id, 0, '{{}}'::text[] FROM patient
UNION ALL SELECT 'practitioner', id, 0, '{{}}'::text[] FROM practitioner
UNION ALL SELECT 'room', id, location_id, uses FROM room
UNION ALL SELECT 'device', id, location_id, ARRAY[kind]::text[] FROM device WHERE in_service
"""  # noqa: S608  # table names of models


def lock(
    *,
    patients: Iterable[int],
    practitioners: Iterable[int],
    rooms: Iterable[int | None],
    devices: Iterable[int | None],
) -> Locked:
    """Lock the rows that visits are made of until the transaction ends. One query."""
    keys = [
        sorted({key for key in some if key is not None}) for some in (patients, practitioners, rooms, devices)
    ]
    with prepared() as cursor:
        cursor.execute(_LOCK, keys)
        rows = cursor.fetchall()
    return Locked(
        {key: (place, frozenset(uses)) for what, key, place, uses in rows if what == "room"},
        {key: (place, uses[0]) for what, key, place, uses in rows if what == "device"},
    )


@dataclass(frozen=True, slots=True)
class StandingSession:
    """A standing visit of a planned session, with what its distance to others depends on."""

    session: int
    series: int
    course: int
    number: int
    earliest_days: int
    parts: list[dict[str, Any]]
    day: date


#: One JSON list: to ask for it with other things costs less than to ask twice.
_NEAR = f"""
SELECT json_agg(json_build_array(session.id, COALESCE(plan.root_id, plan.id), session.course, session.number,
  session.earliest_days, session.content->'parts', a.starts_at, place.time_zone))::text
FROM {Appointment._meta.db_table} a
JOIN {PlannedSession._meta.db_table} session ON session.id = a.planned_session_id
JOIN {TreatmentPlan._meta.db_table} plan ON plan.id = session.plan_id
JOIN {Location._meta.db_table} place ON place.id = a.location_id
WHERE a.patient_id = %(patient)s::bigint AND NOT (a.status IN ('no-show', 'cancelled'))
  AND a.starts_at >= %(first)s::timestamptz AND a.starts_at < %(last)s::timestamptz AND a.id <> ALL(%(leave_out)s::bigint[])
"""  # noqa: S608  # table names of models


def _standing(found: str | None) -> list[StandingSession]:
    return [
        StandingSession(
            key,
            series,
            course,
            number,
            days,
            parts,
            datetime.fromisoformat(at).astimezone(ZoneInfo(zone)).date(),
        )
        for key, series, course, number, days, parts, at, zone in json.loads(found or "[]")
    ]


def standing_sessions(
    patient: int, first: datetime, last: datetime, leave_out: Iterable[int] = ()
) -> list[StandingSession]:
    """The patient's treatments between two instants, of every course and plan. One query."""
    with prepared() as cursor:
        cursor.execute(
            _NEAR, {"patient": patient, "first": first, "last": last, "leave_out": list(leave_out)}
        )
        return _standing(cursor.fetchone()[0])


@dataclass(frozen=True, slots=True)
class Working:
    """A practitioner at a location on the days asked for."""

    name: str
    qualifications: frozenset[str]
    hours: tuple[Span, ...]


#: By location and practitioner (keys).
type People = Mapping[tuple[int, int], Working]
#: Where, who (a key) and on which day there.
type Asked = tuple[Location, int, date]


#: Hours with their people, then absences and closures that touch the stretch. One JSON list, and raw, as the others here:
#: an act of booking runs under locks, and the ORM takes longer to write this than PostgreSQL to answer it.
_WORKING = f"""
SELECT json_agg(json_build_array(place, person, name, able, weekday, starts, ends, gone_from, gone_until))::text
FROM (
  SELECT hours.location_id AS place, practitioner.id AS person, person.full_name AS name,
    practitioner.qualifications::text[] AS able, hours.weekday, hours.starts, hours.ends, NULL::timestamptz AS gone_from,
    NULL::timestamptz AS gone_until
  FROM {WorkingHours._meta.db_table} hours
  JOIN {Practitioner._meta.db_table} practitioner ON practitioner.id = hours.practitioner_id
  JOIN {User._meta.db_table} person ON person.id = practitioner.user_id
  WHERE hours.location_id = ANY(%(places)s::bigint[]) AND practitioner.id = ANY(%(people)s::bigint[]) AND person.is_active
  UNION ALL
  SELECT NULL, practitioner_id, NULL, NULL, NULL, NULL, NULL, starts_at, ends_at FROM {Absence._meta.db_table}
  WHERE practitioner_id = ANY(%(people)s::bigint[]) AND starts_at < %(until)s::timestamptz AND ends_at > %(from)s::timestamptz
  UNION ALL
  SELECT location_id, NULL, NULL, NULL, NULL, NULL, NULL, starts_at, ends_at FROM {Closure._meta.db_table}
  WHERE location_id = ANY(%(places)s::bigint[]) AND starts_at < %(until)s::timestamptz AND ends_at > %(from)s::timestamptz
) AS working
"""  # noqa: S608  # table names of models


def _of_working(asked: Sequence[Asked]) -> dict[str, Any]:
    days = [(place.zone, day) for place, _person, day in asked]
    return {
        "places": sorted({place.pk for place, _person, _day in asked}),
        "people": sorted({person for _place, person, _day in asked}),
        "from": min(datetime.combine(day, time(), tzinfo=zone) for zone, day in days),
        "until": max(datetime.combine(day + timedelta(days=1), time(), tzinfo=zone) for zone, day in days),
    }


def _people(found: str | None, asked: Sequence[Asked]) -> People:
    hours: dict[tuple[int, int], list[tuple[int, time, time]]] = defaultdict(list)
    about: dict[int, tuple[str, frozenset[str]]] = {}
    away: dict[int, list[Span]] = defaultdict(list)
    closed: dict[int, list[Span]] = defaultdict(list)
    for place, person, name, able, weekday, starts, ends, gone_from, gone_until in json.loads(found or "[]"):
        if gone_from is None:
            about[person] = name, frozenset(able)
            hours[place, person].append((weekday, time.fromisoformat(starts), time.fromisoformat(ends)))
        else:
            gone = Span(datetime.fromisoformat(gone_from), datetime.fromisoformat(gone_until))
            (away[person] if place is None else closed[place]).append(gone)
    days: dict[tuple[int, int], set[date]] = defaultdict(set)
    places = {place.pk: place for place, _person, _day in asked}
    for place, person, day in asked:
        days[place.pk, person].add(day)
    return {
        (place, person): Working(
            *about[person],
            tuple(
                free_spans(
                    [
                        span for day in sorted(days[place, person])
                        for span in expand_hours(rows, places[place].zone, day, day)
                    ],
                    [*away[person], *closed[place]],
                )
            ),
        )
        for (place, person), rows in hours.items()
    }  # fmt: skip


def working(asked: Sequence[Asked]) -> People:
    """Hours of active people at locations on some days, less absences and closures. One query."""
    with prepared() as cursor:
        cursor.execute(_WORKING, _of_working(asked))
        return _people(cursor.fetchone()[0], asked)


@dataclass(frozen=True, slots=True)
class ToBook:
    """A plan under the lock of its patient, as far as booking asks: the rest of its rows is not loaded."""

    plan: TreatmentPlan
    sessions: Mapping[int, PlannedSession]
    #: The booking that the same key has made already.
    known: int | None
    #: Where there is none: the key of the row that the booking becomes.
    booking: int
    on_hold: bool
    #: The patient's treatments about the time of these sessions, of every course and plan.
    near: list[StandingSession]
    #: Who was asked for, at the locations and on the days asked for.
    people: People


def _columns(model: type[Model], *names: str) -> tuple[str, ...]:
    """In the order of the model, as `from_db` wants them."""
    return tuple(field.attname for field in model._meta.concrete_fields if field.attname in names)


_PLAN_READ = _columns(TreatmentPlan, "id", "patient_id", "status", "version", "root_id")
_PATIENT_READ = _columns(
    Patient, "id", "given_name", "family_name", "language", "consent_messages", "channel", "phone", "email"
)
#: The last one is `content`, of which only the parts are read.
_SESSION_READ = _columns(
    PlannedSession, "id", "plan_id", "course", "number", "earliest_days", "target_days", "latest_days", "not_before",
    "duration_min", "arrive_early_min", "needs", "device_kind", "content",
)  # fmt: skip


def _names(table: str, columns: Sequence[str]) -> str:
    return ", ".join(f"{table}.{column}" for column in columns)


_TO_BOOK = f"""
SELECT (SELECT id FROM {CourseBooking._meta.db_table} WHERE key = %(key)s),
  (SELECT nextval(pg_get_serial_sequence('{CourseBooking._meta.db_table}', 'id'))),
  EXISTS (SELECT FROM {Alert._meta.db_table} alert
    WHERE alert.plan_id = plan.id AND alert.closed_at IS NULL AND alert.level = 'block'),
  ({_NEAR}), ({_WORKING}),
  {_names("plan", _PLAN_READ)}, {_names("patient", _PATIENT_READ)}, {_names("session", _SESSION_READ[:-1])},
  session.content->'parts'
FROM {TreatmentPlan._meta.db_table} plan
JOIN {Patient._meta.db_table} patient ON patient.id = plan.patient_id
LEFT JOIN {PlannedSession._meta.db_table} session ON session.plan_id = plan.id AND session.id = ANY(%(sessions)s::bigint[])
WHERE plan.id = %(plan)s
"""  # noqa: S608  # names of tables and columns


def to_book(
    plan: TreatmentPlan, sessions: Iterable[int], key: uuid.UUID, first: datetime, last: datetime, asked: Sequence[Asked]
) -> ToBook:  # fmt: skip
    """The plan as it is now, those of the wanted sessions that are in it, whether the key was used, the patient's other
    treatments between two instants, and the working time of who is asked for. One query.
    """
    with prepared() as cursor:
        cursor.execute(
            _TO_BOOK,
            {
                "plan": plan.pk, "patient": plan.patient_id, "sessions": sorted(sessions), "key": key, "first": first,
                "last": last, "leave_out": [], **_of_working(asked),
            },
        )  # fmt: skip
        rows = cursor.fetchall()
    if not rows:
        raise TreatmentPlan.DoesNotExist
    known, booking, on_hold, near, people, *values = rows[0]
    at = len(_PLAN_READ)
    found = TreatmentPlan.from_db(connection.alias, _PLAN_READ, values[:at])
    found.patient = Patient.from_db(connection.alias, _PATIENT_READ, values[at : at + len(_PATIENT_READ)])
    planned = {}
    for row in rows:
        *about, parts = row[-len(_SESSION_READ) :]
        if about[0] is None:
            continue
        about.append({"parts": json.loads(parts)})
        session = PlannedSession.from_db(connection.alias, _SESSION_READ, about)
        session.plan = found
        planned[session.pk] = session
    return ToBook(found, planned, known, booking, on_hold, _standing(near), _people(people, asked))


@dataclass(frozen=True, slots=True)
class Taken:
    """A standing visit in the way: the constraint that would refuse, and names for people."""

    constraint: str
    practitioner: str
    room: str


def _part(constraint: str, key: str, theirs: str, ours: str) -> str:
    """Standing visits of the same person or thing whose range meets the wanted one."""
    return f"""
SELECT wanted.n, '{constraint}', a.id
FROM wanted JOIN {Appointment._meta.db_table} a ON a.{key}_id = wanted.{key}
 AND tstzrange({theirs}, '[)') && tstzrange({ours}, '[)')
WHERE NOT (a.status IN ('no-show', 'cancelled')) AND a.id <> %s"""  # noqa: S608  # names of columns


def _same(first: str, last: str) -> tuple[str, str]:
    return f"a.{first}, a.{last}", f"wanted.{first}, wanted.{last}"


#: Written as the exclusion constraints are, so that their indexes answer.
_IN_THE_WAY = f"""
WITH wanted AS (
  SELECT * FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],
    %s::timestamptz[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[])
    AS wanted(n, practitioner, patient, room, device, prep_room, starts_at, ends_at, occupied_from, occupied_until, comes)
)
{_part("practitioner_not_double_booked", "practitioner", *_same("starts_at", "ends_at"))}
UNION ALL {_part("patient_not_double_booked", "patient", "COALESCE(a.prep_from, a.starts_at), a.ends_at", "wanted.comes, wanted.ends_at")}
UNION ALL {_part("room_not_double_booked", "room", *_same("occupied_from", "occupied_until"))}
UNION ALL {_part("preparation_room_not_double_booked", "prep_room", "a.prep_from, a.starts_at", "wanted.comes, wanted.starts_at")}
 AND a.prep_room_id IS NOT NULL
UNION ALL {_part("device_not_double_booked", "device", *_same("occupied_from", "occupied_until"))} AND a.device_id IS NOT NULL
ORDER BY 1 LIMIT 1
"""  # noqa: S608  # names of columns


def in_the_way(slots: Sequence[Slot], patient: int, leave_out: int | None = None) -> Taken | None:
    """The first standing visit that these slots would overlap, buffers included. One query, two when there is one."""
    columns: list[list[Any]] = [
        list(column)
        for column in zip(
            *(
                (n, slot.practitioner, patient, slot.room, slot.device, slot.prep_room, slot.start, slot.end,
                 slot.start - SETUP, slot.end + CLEANUP, slot.comes)
                for n, slot in enumerate(slots)
            ),
            strict=True,
        )
    ]  # fmt: skip
    with prepared() as cursor:
        cursor.execute(_IN_THE_WAY, [*columns, *[leave_out or 0] * 5])
        row = cursor.fetchone()
    if row is None:
        return None
    found = Appointment.objects.select_related("room", "practitioner__user").get(pk=row[2])
    return Taken(row[1], str(found.practitioner), found.room.name)
