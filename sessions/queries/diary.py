"""Load what is there and what is taken for the search: two queries, whatever the number of locations, people and days.

Times come as whole minutes and go into columns: reading them is three quarters of a search.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from django.contrib.postgres.fields import ArrayField
from django.db import connection
from django.db.models import BigIntegerField, CharField, F, IntegerField, Q, TimeField, Value
from django.db.models.functions import Coalesce
from numpy.typing import NDArray

from patients.models import Patient
from sessions.models import Absence, Appointment, Closure, Device, Location, Room, WorkingHours
from sessions.scheduling import Diary, Span, Staff, Stretches, expand_hours, free_spans
from sessions.scheduling.diary import minutes_of, moment_of

LIVE = ~Q(status__in=Appointment.FREED)
#: No visit lasts longer (constraint): what touches a time has begun at most so long before.
LONGEST = timedelta(days=1)
_NONE = 0


def _number(value: int) -> Value:
    return Value(value, BigIntegerField())


@dataclass
class _Resources:
    hours: dict[int, list[tuple[int, time, time]]] = field(default_factory=lambda: defaultdict(list))
    people: dict[int, tuple[str, frozenset[str]]] = field(default_factory=dict)
    rooms: list[tuple[int, frozenset[str]]] = field(default_factory=list)
    devices: list[tuple[int, str]] = field(default_factory=list)


def _resources(locations: Sequence[Location]) -> dict[int, _Resources]:
    """Who works at each location and when, its rooms and its devices in service. One query."""
    codes: Any = ArrayField(CharField())
    hours = (
        WorkingHours.objects.filter(location__in=locations, practitioner__user__is_active=True)
        .order_by()
        .values_list(
            Value("staff"), "location_id", "practitioner_id", "practitioner__user__full_name",
            "practitioner__qualifications", "weekday", "starts", "ends",
        )
    )  # fmt: skip
    nothing = (Value(0, IntegerField()), Value(None, TimeField()), Value(None, TimeField()))
    rooms = (
        Room.objects.filter(location__in=locations)
        .order_by()
        .values_list(Value("room"), "location_id", "pk", "name", "capabilities", *nothing)
    )
    devices = (
        Device.objects.filter(location__in=locations, in_service=True)
        .order_by()
        .values_list(Value("device"), "location_id", "pk", "kind", Value([], codes), *nothing)
    )
    known = {place.pk: _Resources() for place in locations}
    rooms_by_name: dict[int, list[tuple[str, int, frozenset[str]]]] = {place.pk: [] for place in locations}
    for kind, place, key, name, fit, weekday, starts, ends in hours.union(
        rooms, devices, all=True
    ).order_by():
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


_KEYS = ("kind", "practitioner", "room", "device", "prep_room", "patient", "session")
_FROM, _UNTIL = ("starts", "from", "comes"), ("ends", "until")
_COLUMNS = (*_KEYS, *_FROM, *_UNTIL)
#: PostgreSQL counts microseconds since 2000 in UTC: minutes from 1970 to there.
_MICROSECONDS, _MILLENNIUM = 60_000_000, minutes_of(datetime(2000, 1, 1, tzinfo=UTC))


def _taken(
    locations: Sequence[Location], people: Iterable[int], patient: Patient | None, first: datetime, last: datetime,
    leave_out: Iterable[int],
) -> NDArray[np.int64]:  # fmt: skip
    """Visits, absences and closures that touch the time, a row each by `_COLUMNS`. One query.

    A closure has its location where the others have their practitioner.
    """
    here = Q(location__in=locations) | Q(practitioner__in=list(people))
    if patient is not None:
        here |= Q(patient=patient)
    visits = (
        Appointment.objects.filter(
            LIVE, here, starts_at__gte=first - LONGEST, starts_at__lt=last + LONGEST, ends_at__gt=first - LONGEST
        )
        .exclude(pk__in=list(leave_out))
        .order_by()
        .values_list(
            _number(0), "practitioner_id", "room_id", Coalesce("device_id", _NONE), Coalesce("prep_room_id", _NONE),
            "patient_id", Coalesce("planned_session_id", _NONE), "starts_at", "occupied_from",
            Coalesce("prep_from", "starts_at"), "ends_at", "occupied_until",
        )
    )  # fmt: skip
    touches = Q(starts_at__lt=last, ends_at__gt=first)
    none = [_number(0)] * 5
    span = (F("starts_at"), F("starts_at"), F("starts_at"), F("ends_at"), F("ends_at"))
    away = Absence.objects.filter(touches, practitioner__in=list(people)).order_by()
    closed = Closure.objects.filter(touches, location__in=locations).order_by()
    rows = visits.union(
        away.values_list(_number(1), F("practitioner_id"), *none, *span),
        closed.values_list(_number(2), F("location_id"), *none, *span),
        all=True,
    ).order_by()
    # The rows come as one value of bytes, as they lie in the table: ten thousand of them take longer to become objects, or
    # numbers with decimals, than to be read.
    sql, parameters = rows.query.sql_with_params()
    names = [f"c{number}" for number in range(len(_COLUMNS))]
    sends = ["int8send"] * len(_KEYS) + ["timestamptz_send"] * (len(_FROM) + len(_UNTIL))
    bytes_of = " || ".join(f"{send}({name})" for send, name in zip(sends, names, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT string_agg({bytes_of}, ''::bytea) FROM ({sql}) AS taken({', '.join(names)})",  # noqa: S608  # Django's own SQL
            parameters,
        )
        packed = cursor.fetchone()[0]
    found = np.frombuffer(packed or b"", ">i8").astype(np.int64).reshape(-1, len(_COLUMNS))
    # Seconds are rounded outwards.
    begins, ends = slice(len(_KEYS), len(_KEYS) + len(_FROM)), slice(-len(_UNTIL), None)
    found[:, begins] = found[:, begins] // _MICROSECONDS + _MILLENNIUM
    found[:, ends] = -(-found[:, ends] // _MICROSECONDS) + _MILLENNIUM
    return found


def _by_key(
    kind: str, keys: NDArray[np.int64], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> dict[tuple[str, int], Stretches]:
    return {
        (kind, int(key)): Stretches.of(starts[keys == key], ends[keys == key])
        for key in np.unique(keys)
        if key != _NONE
    }


def _spans(rows: NDArray[np.int64]) -> list[Span]:
    starts, ends = _COLUMNS.index("starts"), _COLUMNS.index("ends")
    return [Span(moment_of(row[starts]), moment_of(row[ends])) for row in rows]


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
    rows = _taken(locations, people, patient, begin, end, leave_out)
    column = dict(zip(_COLUMNS, rows.T, strict=True))
    visits, absences, closed = (rows[column["kind"] == kind] for kind in (0, 1, 2))
    away: dict[int, list[Span]] = defaultdict(list)
    for person, span in zip(absences[:, 1], _spans(absences), strict=True):
        away[int(person)].append(span)

    @cache
    def spans_of(week: tuple[tuple[int, time, time], ...], zone: ZoneInfo) -> list[Span]:
        """Many people work the same hours."""
        return expand_hours(week, zone, first, last)

    taken = dict(zip(_COLUMNS, visits.T, strict=True))
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
        shut = _spans(closed[closed[:, 1] == place.pk])
        staff = tuple(
            Staff(
                key, name, able,
                tuple(free_spans(spans_of(tuple(sorted(found.hours[key])), zone), [*away[key], *shut])),
            )
            for key, (name, able) in sorted(found.people.items(), key=lambda row: (row[1][0], row[0]))
        )  # fmt: skip
        own: dict[tuple[str, int], Sequence[Span] | Stretches] = {}
        if patient is not None:
            own["patient", 0] = _of_patient(taken, patient, place, more.get(place.pk, ()))
        made.append(
            Diary(
                zone=zone, staff=staff, rooms=tuple(found.rooms), devices=tuple(found.devices), busy=busy | own,
                location=place.pk,
            )
        )  # fmt: skip
    return made


def _of_patient(
    taken: dict[str, NDArray[np.int64]], patient: Patient, location: Location, more: Sequence[Span]
) -> Stretches:
    """Two treatments never share a day: of a session the whole day is taken, of a visit its hours."""
    own = taken["patient"] == patient.pk
    session = own & (taken["session"] != _NONE)
    visit = own & (taken["session"] == _NONE)
    days = _whole_days(taken["starts"][session], location)
    extra = Stretches.from_spans(list(more))
    return Stretches.of(
        np.concatenate([days[0], taken["comes"][visit], extra.starts]),
        np.concatenate([days[1], taken["ends"][visit], extra.ends]),
    )
