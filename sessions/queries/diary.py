"""Load what is there and what is taken for the search: two queries, whatever the number of locations, people and days.

Times come as whole minutes and go into columns: reading them is three quarters of a search.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from types import MappingProxyType
from zoneinfo import ZoneInfo

import numpy as np
from django.db.models import Q
from numpy.typing import NDArray

from mesoclinic.accounts.models import User
from mesoclinic.statements import prepared
from patients.models import Patient
from sessions.models import Absence, Appointment, Closure, Device, Location, Practitioner, Room, WorkingHours
from sessions.scheduling import Diary, Span, Staff, Stretches, expand_hours, free_spans
from sessions.scheduling.diary import minutes_of, moment_of

LIVE = ~Q(status__in=Appointment.FREED)
#: No visit lasts longer (constraint): what touches a time has begun at most so long before.
LONGEST = timedelta(days=1)
_NONE = 0


@dataclass
class _Resources:
    hours: dict[int, list[tuple[int, time, time]]] = field(default_factory=lambda: defaultdict(list))
    people: dict[int, tuple[str, frozenset[str]]] = field(default_factory=dict)
    rooms: list[tuple[int, frozenset[str]]] = field(default_factory=list)
    devices: list[tuple[int, str]] = field(default_factory=list)


#: Raw, as all that is read here: Django takes longer to write these two than PostgreSQL to plan them.
_RESOURCES = f"""
SELECT 'staff', hours.location_id, practitioner.id, person.full_name, practitioner.qualifications::text[], hours.weekday,
  hours.starts, hours.ends
FROM {WorkingHours._meta.db_table} hours
JOIN {Practitioner._meta.db_table} practitioner ON practitioner.id = hours.practitioner_id
JOIN {User._meta.db_table} person ON person.id = practitioner.user_id
WHERE hours.location_id = ANY(%(places)s::bigint[]) AND person.is_active
UNION ALL
SELECT 'room', location_id, id, name, capabilities::text[], NULL, NULL, NULL FROM {Room._meta.db_table}
WHERE location_id = ANY(%(places)s::bigint[])
UNION ALL
SELECT 'device', location_id, id, kind, NULL, NULL, NULL, NULL FROM {Device._meta.db_table}
WHERE location_id = ANY(%(places)s::bigint[]) AND in_service
"""  # noqa: S608  # table names of models


def _resources(locations: Sequence[Location]) -> dict[int, _Resources]:
    """Who works at each location and when, its rooms and its devices in service. One query."""
    known = {place.pk: _Resources() for place in locations}
    rooms_by_name: dict[int, list[tuple[str, int, frozenset[str]]]] = {place.pk: [] for place in locations}
    with prepared() as cursor:
        cursor.execute(_RESOURCES, {"places": list(known)})
        rows = cursor.fetchall()
    for kind, place, key, name, fit, weekday, starts, ends in rows:
        found = known[place]
        if kind == "staff":
            found.people[key] = name, frozenset(fit)
            found.hours[key].append((weekday, starts, ends))
        elif kind == "room":
            rooms_by_name[place].append((name, key, frozenset(fit)))
        else:
            found.devices.append((key, name))
    for place, found in known.items():
        found.rooms = [
            (key, fit) for _name, key, fit in sorted(rooms_by_name[place], key=lambda room: room[:2])
        ]
        found.devices.sort()
    return known


_VISIT = {
    # Two keys in one number: to send a column takes longer than to add ten.
    "practitioner room": "practitioner_id << 32 | room_id",
    "device prep_room": "COALESCE(device_id, 0) << 32 | COALESCE(prep_room_id, 0)",
    # 1 for a visit of the patient asked for, 2 for one that is a planned session, 0 for all others.
    "own": "CASE WHEN patient_id = %(patient)s THEN 1 + (planned_session_id IS NOT NULL)::int ELSE 0 END::bigint",
    "starts": "starts_at", "from": "occupied_from", "comes": "COALESCE(prep_from, starts_at)", "ends": "ends_at",
    "until": "occupied_until",
}  # fmt: skip
_FROM, _UNTIL = ("starts", "from", "comes"), ("ends", "until")
_ABSENCE = {"practitioner": "practitioner_id", "starts": "starts_at", "ends": "ends_at"}
_CLOSURE = {"location": "location_id", "starts": "starts_at", "ends": "ends_at"}
#: PostgreSQL counts microseconds since 2000 in UTC: minutes from 1970 to there.
_MICROSECONDS, _MILLENNIUM = 60_000_000, minutes_of(datetime(2000, 1, 1, tzinfo=UTC))


def _packed(columns: Mapping[str, str]) -> str:
    """All rows as one value of bytes, as they lie in the table: to make objects of ten thousand takes longer than to read them."""
    sends = (
        f"{'timestamptz_send' if name in {*_FROM, *_UNTIL} else 'int8send'}({sql})" for name, sql in columns.items()
    )  # fmt: skip
    return f"string_agg({' || '.join(sends)}, ''::bytea)"


_TAKEN = f"""
SELECT
(SELECT {_packed(_VISIT)} FROM {Appointment._meta.db_table}
 WHERE NOT (status IN ('no-show', 'cancelled')) AND id <> ALL(%(leave_out)s::bigint[])
  AND (location_id = ANY(%(places)s::bigint[]) OR practitioner_id = ANY(%(people)s::bigint[]) OR patient_id = %(patient)s)
  AND starts_at >= %(day_before)s AND starts_at < %(day_after)s AND ends_at > %(day_before)s),
(SELECT {_packed(_ABSENCE)} FROM {Absence._meta.db_table}
 WHERE practitioner_id = ANY(%(people)s::bigint[]) AND starts_at < %(last)s AND ends_at > %(first)s),
(SELECT {_packed(_CLOSURE)} FROM {Closure._meta.db_table}
 WHERE location_id = ANY(%(places)s::bigint[]) AND starts_at < %(last)s AND ends_at > %(first)s)
"""  # noqa: S608  # names of columns


def _columns(packed: bytes | None, names: Iterable[str]) -> dict[str, NDArray[np.int64]]:
    """Columns of packed rows; times in minutes, seconds rounded outwards."""
    found = {}
    rows = np.frombuffer(packed or b"", ">i8").reshape(-1, len(names := list(names)))
    for name, column in zip(names, rows.T, strict=True):
        values = column.astype(np.int64)
        if " " in name:
            high, name = name.split()
            found[high], values = values >> 32, values & 0xFFFFFFFF
        elif name in _FROM:
            values = values // _MICROSECONDS + _MILLENNIUM
        elif name in _UNTIL:
            values = -(-values // _MICROSECONDS) + _MILLENNIUM
        found[name] = values
    return found


def _taken(
    locations: Sequence[Location], people: Iterable[int], patient: Patient | None, first: datetime, last: datetime,
    leave_out: Iterable[int],
) -> tuple[dict[str, NDArray[np.int64]], ...]:  # fmt: skip
    """Visits, absences and closures that touch the time, as columns. One query."""
    with prepared(binary=True) as cursor:
        cursor.execute(
            _TAKEN,
            {
                "places": [place.pk for place in locations], "people": list(people),
                "patient": patient.pk if patient is not None else 0, "leave_out": list(leave_out),
                "first": first, "last": last, "day_before": first - LONGEST, "day_after": last + LONGEST,
            },
        )  # fmt: skip
        packed = cursor.fetchone()
    kinds = zip(packed, (_VISIT, _ABSENCE, _CLOSURE), strict=True)
    return tuple(_columns(one, names) for one, names in kinds)


def _by_key(
    kind: str, keys: NDArray[np.int64], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> dict[tuple[str, int], Stretches]:
    return {
        (kind, int(key)): Stretches.of(starts[keys == key], ends[keys == key])
        for key in np.unique(keys)
        if key != _NONE
    }


def _spans(columns: Mapping[str, NDArray[np.int64]]) -> list[Span]:
    return [
        Span(moment_of(start), moment_of(end))
        for start, end in zip(columns["starts"], columns["ends"], strict=True)
    ]


def _whole_days(starts: NDArray[np.int64], location: Location) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    spans = [day_of(moment_of(minute), location) for minute in starts]
    days = Stretches.from_spans(spans)
    return days.starts, days.ends


def whole_day(day: date, location: Location) -> Span:
    """A day of the calendar there."""
    first = datetime.combine(day, time(), tzinfo=location.zone)
    return Span(first, datetime.combine(day + timedelta(days=1), time(), tzinfo=location.zone))


def day_of(start: datetime, location: Location) -> Span:
    """The whole local day of an instant."""
    return whole_day(start.astimezone(location.zone).date(), location)


def diary(
    location: Location,
    first: date,
    last: date,
    patient: Patient | None = None,
    *,
    leave_out: Iterable[int] = (),
    more: Sequence[Span] = (),
) -> Diary:
    """Hours, rooms, devices of a location and all that is taken from `first` to `last`. Two queries.

    `leave_out` are visits (keys) that count as free, such as one that is moved; `more` is further time that the
    patient does not have.
    """
    (found,) = diaries(
        [location], first, last, patient, leave_out=leave_out, more={location.pk: more}
    )  # fmt: skip
    return found


def diaries(
    locations: Sequence[Location],
    first: date,
    last: date,
    patient: Patient | None = None,
    *,
    leave_out: Iterable[int] = (),
    more: Mapping[int, Sequence[Span]] = MappingProxyType({}),
) -> list[Diary]:
    """The same of several locations, in the order given; `more` by location. Two queries, however many there are."""
    zones = [place.zone for place in locations]
    begin = min(datetime.combine(first, time(), tzinfo=zone) for zone in zones)
    end = max(datetime.combine(last + timedelta(days=1), time(), tzinfo=zone) for zone in zones)
    known = _resources(locations)
    people = {person for found in known.values() for person in found.people}
    taken, absences, closures = _taken(locations, people, patient, begin, end, leave_out)
    away: dict[int, list[Span]] = defaultdict(list)
    for person, span in zip(absences["practitioner"], _spans(absences), strict=True):
        away[int(person)].append(span)
    closed: dict[int, list[Span]] = defaultdict(list)
    for at, span in zip(closures["location"], _spans(closures), strict=True):
        closed[int(at)].append(span)

    @cache
    def spans_of(week: tuple[tuple[int, time, time], ...], zone: ZoneInfo) -> tuple[Span, ...]:
        """Many people work the same hours."""
        return tuple(expand_hours(week, zone, first, last))

    def hours_of(person: int, place: int, zone: ZoneInfo) -> tuple[Span, ...]:
        """Of people with the same hours and no absence the very same spans: they are counted in minutes once."""
        spans = spans_of(tuple(sorted(known[place].hours[person])), zone)
        out = [*away[person], *closed[place]]
        return tuple(free_spans(spans, out)) if out else spans

    busy: dict[tuple[str, int], Sequence[Span] | Stretches] = {}
    # Whom a visit takes it takes wherever it is; keys of rooms and devices are of one location each.
    busy |= _by_key("practitioner", taken["practitioner"], taken["starts"], taken["ends"])
    busy |= _by_key("room", taken["room"], taken["from"], taken["until"])
    # A preparation room serves nothing else: its key is never that of a treatment.
    busy |= _by_key("room", taken["prep_room"], taken["comes"], taken["starts"])
    busy |= _by_key("device", taken["device"], taken["from"], taken["until"])
    made = []
    for place, zone in zip(locations, zones, strict=True):
        found = known[place.pk]
        staff = tuple(
            Staff(key, name, able, hours_of(key, place.pk, zone))
            for key, (name, able) in sorted(found.people.items(), key=lambda row: (row[1][0], row[0]))
        )
        own: dict[tuple[str, int], Sequence[Span] | Stretches] = {}
        if patient is not None:
            own["patient", 0] = _of_patient(taken, place, more.get(place.pk, ()))
        made.append(
            Diary(
                zone=zone, staff=staff, rooms=tuple(found.rooms), devices=tuple(found.devices), busy=busy | own,
                location=place.pk,
            )
        )  # fmt: skip
    return made


def _of_patient(
    taken: Mapping[str, NDArray[np.int64]], location: Location, more: Sequence[Span]
) -> Stretches:
    """Two treatments never share a day: of a session the whole day is taken, of a visit its hours."""
    visit, session = taken["own"] == 1, taken["own"] == 2
    days = _whole_days(taken["starts"][session], location)
    extra = Stretches.from_spans(list(more))
    return Stretches.of(
        np.concatenate([days[0], taken["comes"][visit], extra.starts]),
        np.concatenate([days[1], taken["ends"][visit], extra.ends]),
    )
