"""Reads of an act of booking, after its locks: narrow, a fixed number of queries, whatever else the diary holds."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import BigIntegerField, F, Q, Value

from patients.models import Patient
from sessions.models import Absence, Appointment, Closure, Device, Location, Practitioner, Room, WorkingHours
from sessions.scheduling import Slot, Span, expand_hours, free_spans
from sessions.scheduling.search import CLEANUP, SETUP


@dataclass(frozen=True, slots=True)
class Locked:
    """Rooms and devices as they stand under the lock: location and what they are for; devices out of service are not here."""

    rooms: Mapping[int, tuple[int, frozenset[str]]]
    devices: Mapping[int, tuple[int, str]]


#: One statement, its parts in this order: patients, practitioners, rooms, devices, each by key. Everybody who makes or
#: moves a visit waits in the same queue, so nobody waits in a circle.
_LOCK = f"""
WITH patient AS MATERIALIZED (
  SELECT id FROM {Patient._meta.db_table} WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE
), practitioner AS MATERIALIZED (
  SELECT id FROM {Practitioner._meta.db_table} WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE
), room AS MATERIALIZED (
  SELECT id, location_id, capabilities::text[] AS uses FROM {Room._meta.db_table} WHERE id = ANY(%s) ORDER BY id
  FOR NO KEY UPDATE
), device AS MATERIALIZED (
  SELECT id, location_id, in_service, kind FROM {Device._meta.db_table} WHERE id = ANY(%s) ORDER BY id
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
    rooms: Iterable[int],
    devices: Iterable[int | None],
) -> Locked:
    """Lock the rows that visits are made of until the transaction ends. One query."""
    keys = [
        sorted({key for key in some if key is not None}) for some in (patients, practitioners, rooms, devices)
    ]
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, keys)
        rows = cursor.fetchall()
    return Locked(
        {key: (place, frozenset(uses)) for what, key, place, uses in rows if what == "room"},
        {key: (place, uses[0]) for what, key, place, uses in rows if what == "device"},
    )


@dataclass(frozen=True, slots=True)
class Working:
    """A practitioner on the days asked for."""

    name: str
    qualifications: frozenset[str]
    hours: tuple[Span, ...]


def working(location: Location, practitioners: Iterable[int], days: Iterable[date]) -> dict[int, Working]:
    """Hours of active people at a location on some days, less absences and closures. Two queries."""
    wanted = sorted(set(days))
    rows: dict[int, list[tuple[int, time, time]]] = defaultdict(list)
    about: dict[int, tuple[str, list[str]]] = {}
    for key, name, able, *hours in WorkingHours.objects.filter(
        location=location, practitioner__in=set(practitioners), practitioner__user__is_active=True,
    ).order_by().values_list(
        "practitioner", "practitioner__user__full_name", "practitioner__qualifications", "weekday", "starts", "ends"
    ):  # fmt: skip
        about[key] = name, able
        rows[key].append(tuple(hours))  # type: ignore[arg-type]  # weekday, from, to
    spans = {
        key: [s for day in wanted for s in expand_hours(rows[key], location.zone, day, day)] for key in about
    }
    away = _away(location, about, [span for found in spans.values() for span in found])
    return {
        key: Working(name, frozenset(able), tuple(free_spans(spans[key], [*away[key], *away[None]])))
        for key, (name, able) in about.items()
    }


def _away(location: Location, people: Iterable[int], spans: Sequence[Span]) -> dict[int | None, list[Span]]:
    """Absences by practitioner, and closures under None, that touch the stretch of these spans. One query."""
    found: dict[int | None, list[Span]] = defaultdict(list)
    if spans:
        near = Q(starts_at__lt=max(span.end for span in spans), ends_at__gt=min(span.start for span in spans))
        closed = Closure.objects.filter(near, location=location).order_by()
        gone = Absence.objects.filter(near, practitioner__in=list(people)).order_by()
        for key, start, end in gone.values_list(F("practitioner_id"), "starts_at", "ends_at").union(
            closed.values_list(Value(None, output_field=BigIntegerField()), "starts_at", "ends_at"), all=True
        ):
            found[key].append(Span(start, end))
    return found


@dataclass(frozen=True, slots=True)
class Taken:
    """A standing visit in the way: the constraint that would refuse, and names for people."""

    constraint: str
    practitioner: str
    room: str


def _part(constraint: str, key: str, ranges: tuple[str, str], wanted: str) -> str:
    return f"""
SELECT wanted.n, '{constraint}', a.id
FROM wanted JOIN {Appointment._meta.db_table} a ON a.{key} = wanted.{wanted}
 AND tstzrange(a.{ranges[0]}, a.{ranges[1]}, '[)') && tstzrange(wanted.{ranges[0]}, wanted.{ranges[1]}, '[)')
WHERE NOT (a.status IN ('no-show', 'cancelled')) AND a.id <> %s"""  # noqa: S608  # names of columns


_VISIT, _OCCUPIED = ("starts_at", "ends_at"), ("occupied_from", "occupied_until")
#: Written as the exclusion constraints are, so that their indexes answer.
_IN_THE_WAY = f"""
WITH wanted AS (
  SELECT * FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::timestamptz[],
    %s::timestamptz[], %s::timestamptz[], %s::timestamptz[])
    AS wanted(n, practitioner, patient, room, device, starts_at, ends_at, occupied_from, occupied_until)
)
{_part("practitioner_not_double_booked", "practitioner_id", _VISIT, "practitioner")}
UNION ALL {_part("patient_not_double_booked", "patient_id", _VISIT, "patient")}
UNION ALL {_part("room_not_double_booked", "room_id", _OCCUPIED, "room")}
UNION ALL {_part("device_not_double_booked", "device_id", _OCCUPIED, "device")} AND a.device_id IS NOT NULL
ORDER BY 1 LIMIT 1
"""  # noqa: S608  # names of columns


def in_the_way(slots: Sequence[Slot], patient: int, leave_out: int | None = None) -> Taken | None:
    """The first standing visit that these slots would overlap, buffers included. One query, two when there is one."""
    columns: list[list[Any]] = [
        list(column)
        for column in zip(
            *(
                (n, slot.practitioner, patient, slot.room, slot.device, slot.start, slot.end, slot.start - SETUP, slot.end + CLEANUP)
                for n, slot in enumerate(slots)
            ),
            strict=True,
        )
    ]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_IN_THE_WAY, [*columns, *[leave_out or 0] * 4])
        row = cursor.fetchone()
    if row is None:
        return None
    found = Appointment.objects.select_related("room", "practitioner__user").get(pk=row[2])
    return Taken(row[1], str(found.practitioner), found.room.name)


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


def standing_sessions(
    patient: int, first: datetime, last: datetime, leave_out: Iterable[int] = ()
) -> list[StandingSession]:
    """The patient's treatments between two instants, of every course and plan. One query."""
    live = ~Q(status__in=Appointment.FREED)
    rows = Appointment.objects.filter(
        live, patient=patient, planned_session__isnull=False, starts_at__gte=first, starts_at__lt=last
    ).exclude(pk__in=list(leave_out))
    return [
        StandingSession(session, root or plan, course, number, earliest, content["parts"], at.astimezone(ZoneInfo(zone)).date())
        for session, plan, root, course, number, earliest, content, at, zone in rows.order_by().values_list(
            "planned_session", "planned_session__plan", "planned_session__plan__root", "planned_session__course",
            "planned_session__number", "planned_session__earliest_days", "planned_session__content", "starts_at",
            "location__time_zone",
        )
    ]  # fmt: skip
