"""What the calendar draws of some days at a location, as plain data for its component.

A fixed number of queries, whatever is booked: rows come as tuples, because three quarters of such a page would else go
into model objects. Times are on the wall clock of the location, without a zone: what is drawn at 10:00 is at 10:00 there.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db.models import Count, F, Sum
from django.db.models.functions import TruncDate

from mesoclinic.ui import formatting
from patients import vocabulary
from patients.models import Allergy, Patient
from sessions.models import Absence, Appointment, Closure, Device, Location, Room, WorkingHours
from sessions.queries.calendar import bounds, service_of
from sessions.queries.diary import LONGEST
from sessions.scheduling import Span, expand_hours, free_spans
from sessions.scheduling.diary import CLEANUP, SETUP, fittings_for
from sessions.setup.codes import QUALIFICATIONS, ROOM_USES, words

#: Six weeks of a month's page are the most that anybody looks at.
MOST_DAYS = 42
#: A month with more visits is drawn as numbers of each day: nobody reads so many names, no browser needs to hold them.
MOST_IN_A_MONTH = 600

#: Kinds of service: what the second colouring and the filter tell apart.
SERVICES = (*QUALIFICATIONS, ("review", "Review"), ("emergency", "Emergency"), ("session", "Other session"))
_FIELDS = (
    "pk", "version", "starts_at", "ends_at", "occupied_from", "occupied_until", "status", "kind", "practitioner_id",
    "room_id", "device_id", "patient_id", "patient__given_name", "patient__family_name", "patient__birth_date",
    "patient__pregnancy", "practitioner__user__full_name", "planned_session__number",
    "planned_session__needs", "planned_session__device_kind", "type__name", "type__qualification", "type__capability",
    "type__device_kind", "type_id", "type__colour", "type__shape", "prep_room_id", "prep_from",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Filters:
    """What is to be seen; None and empty mean everything. What they hide still takes its time."""

    practitioner: int | None = None
    room: int | None = None
    device: int | None = None
    status: str = ""
    service: str = ""

    def shows(self, row: Mapping[str, Any]) -> bool:
        """Whether a visit passes."""
        return (
            self.practitioner in {None, row["p"]}
            and self.room in {None, row["r"]}
            and self.device in {None, row["d"]}
            and self.status in {"", row["st"]}
            and self.service in {"", row["service"]}
        )


@dataclass(frozen=True, slots=True)
class Reader:
    """Who looks: names may be hidden, clinical facts are for clinical people."""

    hide_names: bool
    clinical: bool


def _within(location_id: int, start: datetime, end: datetime) -> Any:
    return Appointment.objects.filter(
        location_id=location_id, starts_at__gte=start - LONGEST, starts_at__lt=end
    )


def tag_of(location_id: int, start: datetime, end: datetime) -> str:
    """A mark that changes with every visit of the range: one query, no row leaves the database.

    Each act on a visit raises its version, so number, versions and keys by versions together are another after any
    act, also when one visit leaves the range and another enters it.
    """
    found = _within(location_id, start, end).aggregate(
        count=Count("pk"), versions=Sum("version"), keys=Sum(F("pk") * F("version"))
    )
    return f"{found['count']}-{found['versions'] or 0}-{found['keys'] or 0}"


def _minutes(span: timedelta) -> int:
    return int(span.total_seconds() // 60)


class _Clock:
    """Instants as the wall clock of a location writes them."""

    def __init__(self, location: Location) -> None:
        self.zone = location.zone

    def __call__(self, moment: datetime) -> str:
        return moment.astimezone(self.zone).replace(tzinfo=None).isoformat(" ", "minutes")

    def both(self, start: datetime, end: datetime) -> tuple[str, str]:
        """Start and end of something: when the clock is put back between them, the end is as much later as in truth."""
        local = start.astimezone(self.zone).replace(tzinfo=None)
        wall = end.astimezone(self.zone).replace(tzinfo=None)
        until = wall if wall > local else local + (end - start)
        return local.isoformat(" ", "minutes"), until.isoformat(" ", "minutes")


def _name(given: str, family: str, born: date | None, reader: Reader, today: date) -> str:
    if not reader.hide_names:
        return f"{given} {family}"
    age = formatting.age(born, today)
    return f"{formatting.initials(f'{given} {family}')}{f', {age}' if age else ''}"


def _visit(
    values: tuple[Any, ...], clock: _Clock, reader: Reader, today: date, kinds: Mapping[str, str]
) -> dict[str, Any]:
    row = dict(zip(_FIELDS, values, strict=True))
    start, end = row["starts_at"], row["ends_at"]
    on_wall, until = clock.both(start, end)
    number = row["planned_session__number"]
    kind = row["type__name"] or kinds[row["kind"]]
    able = frozenset(row["planned_session__needs"] or [row["type__qualification"] or "consultation"])
    fitted = fittings_for(able) if number else frozenset({row["type__capability"] or "consultation"})
    found = {
        "id": row["pk"], "v": row["version"], "s": on_wall, "e": until,
        "before": _minutes(start - row["occupied_from"]), "after": _minutes(row["occupied_until"] - end),
        "p": row["practitioner_id"], "r": row["room_id"], "d": row["device_id"], "who": row["patient_id"],
        "name": _name(
            row["patient__given_name"], row["patient__family_name"], row["patient__birth_date"], reader, today
        ),
        "st": row["status"], "service": service_of(row["kind"], row["planned_session__needs"]),
        "what": f"S{number}" if number else kind, "need": sorted(able), "fit": sorted(fitted),
        "tool": row["planned_session__device_kind"] or row["type__device_kind"] or "", "who_treats": row["practitioner__user__full_name"],
        "pregnancy": row["patient__pregnancy"],
    }  # fmt: skip
    if row["type_id"]:
        found["type"] = [row["type__colour"], row["type__shape"]]
    if row["prep_from"]:
        found["cream"] = {"r": row["prep_room_id"], "s": clock(row["prep_from"])}
    return found


def _warn(visits: Iterable[dict[str, Any]], reader: Reader) -> None:
    """Allergies and pregnancy on the card itself, for clinical people. One query for them, none for the others."""
    rows = list(visits)
    told: dict[int, list[str]] = defaultdict(list)
    if reader.clinical and rows:
        standing = Allergy.objects.filter(patient__in={row["who"] for row in rows}, retracted_at__isnull=True)
        for patient, substance in standing.values_list("patient_id", "substance").order_by("pk"):
            told[patient].append(f"Allergy: {vocabulary.label('allergens', substance)}")
    for row in rows:
        state = row.pop("pregnancy")
        if not reader.clinical:
            continue
        warnings = list(told[row["who"]])
        if state in {Patient.Pregnancy.PREGNANT, Patient.Pregnancy.BREASTFEEDING}:
            warnings.append(str(Patient.Pregnancy(state).label))
        if warnings:
            row["warn"] = ", ".join(warnings)


_TAKES = ("p", "r", "d", "who", "s", "e", "before", "after", "cream")


def _taken(row: Mapping[str, Any]) -> dict[str, Any]:
    """A visit that a filter hides, without a word on who and what: its time is taken all the same."""
    return {key: row[key] for key in _TAKES if key in row}


def _staff(
    location: Location, first: date, days: int, away: list[Span], visits: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Practitioners who work in these days or have visits in them, with their free working time. Two queries."""
    last = first + timedelta(days=days - 1)
    start, end = bounds(first, location, days)
    clock = _Clock(location)
    weekly: dict[int, list[Any]] = defaultdict(list)
    people: dict[int, tuple[str, list[str]]] = {}
    rows = WorkingHours.objects.filter(location=location, practitioner__user__is_active=True).values_list(
        "practitioner_id", "weekday", "starts", "ends", "practitioner__user__full_name", "practitioner__qualifications"
    )  # fmt: skip
    for who, weekday, begins, ends, name, able in rows:
        weekly[who].append((weekday, begins, ends))
        people[who] = name, able
    gone: dict[int, list[Span]] = defaultdict(list)
    away_then = Absence.objects.filter(starts_at__lt=end, ends_at__gt=start)
    for who, since, until in away_then.values_list("practitioner_id", "starts_at", "ends_at"):
        gone[who].append(Span(since, until))
    busy = {row["p"]: row["who_treats"] for row in visits}
    found = []
    for key in weekly.keys() | busy.keys():
        spans = free_spans(expand_hours(weekly[key], location.zone, first, last), [*gone[key], *away])
        if not spans and key not in busy:
            continue
        title, able = people.get(key) or (busy[key], [])
        hours = [list(clock.both(span.start, span.end)) for span in spans]
        text = ", ".join(f"{start[11:]} to {end[11:]}" for start, end in hours) if days == 1 else ""
        found.append(
            {
                "id": f"p{key}", "key": key, "group": "staff", "hours": hours,
                "title": title, "text": text or ("away" if days == 1 else ""), "able": list(able),
            }
        )  # fmt: skip
    return sorted(found, key=lambda row: row["title"])


def _places(location: Location) -> list[dict[str, Any]]:
    """Rooms, then devices. Two queries."""
    rooms = [
        {"id": f"r{room.pk}", "key": room.pk, "group": "rooms", "title": room.name, "able": room.capabilities,
         "text": words(room.capabilities, ROOM_USES)}
        for room in Room.objects.filter(location=location)
    ]  # fmt: skip
    devices = [
        {"id": f"d{device.pk}", "key": device.pk, "group": "devices", "title": device.name,
         "able": [device.kind] if device.in_service else [], "text": "Device" if device.in_service else "Out of service"}
        for device in Device.objects.filter(location=location)
    ]  # fmt: skip
    return [*rooms, *devices]


def in_order(resources: list[dict[str, Any]], order: list[str]) -> list[dict[str, Any]]:
    """Columns as somebody has put them: practitioners stay before rooms, rooms before devices."""
    place = {key: number for number, key in enumerate(order)}
    groups = {"staff": 0, "rooms": 1, "devices": 2}
    return sorted(resources, key=lambda row: (groups[row["group"]], place.get(row["id"], len(place))))


def _numbers(location: Location, start: datetime, end: datetime) -> list[dict[str, Any]]:
    """Standing visits of each day by state, counted in the database."""
    rows = (
        _within(location.pk, start, end)
        .filter(starts_at__gte=start)
        .exclude(status__in=Appointment.FREED)
        .annotate(day=TruncDate("starts_at", tzinfo=location.zone))
        .values_list("day", "status")
        .annotate(count=Count("pk"))
        .order_by("day")
    )
    days: dict[date, dict[str, int]] = defaultdict(dict)
    for day, status, count in rows:
        days[day][status] = count
    return [
        {"day": day.isoformat(), "n": sum(states.values()), "states": states} for day, states in days.items()
    ]


def _drawn_hours(visits: Iterable[Mapping[str, Any]], staff: Iterable[Mapping[str, Any]]) -> list[str]:
    """First and last hour of the page: 8 to 20, and more where somebody works or is booked outside of it."""
    first, last = 8 * 60, 20 * 60
    spans = [(row["s"], row["e"]) for row in visits]
    spans += [(start, end) for row in staff for start, end in row["hours"]]
    for start, end in spans:
        first = min(first, int(start[11:13]) * 60)
        minute = int(end[11:13]) * 60 + int(end[14:16])
        # Over midnight, or until it: the day is drawn to its end.
        last = max(last, -(-minute // 60) * 60 if end[:10] == start[:10] else 24 * 60)
    return [f"{first // 60:02d}:00", f"{last // 60:02d}:00"]


def feed(
    location: Location,
    first: date,
    days: int,
    filters: Filters,
    reader: Reader,
    *,
    now: datetime,
    order: list[str] | None = None,
) -> dict[str, Any]:
    """Everything that is drawn of `days` local days from `first`. At most ten queries.

    `visits` are those that the filters show, `taken` the times of the others, `resources` the columns with working
    hours, `numbers` (of a full month only) the visits of each day. Raises ValueError for more days than a month's page.
    """
    if not 1 <= days <= MOST_DAYS:
        raise ValueError(f"1 to {MOST_DAYS} days")
    start, end = bounds(first, location, days)
    clock, today = _Clock(location), now.astimezone(location.zone).date()
    # Before the rows are read: what changes meanwhile is then fetched once more, never missed.
    tag = tag_of(location.pk, start, end)
    rows = _within(location.pk, start, end).filter(ends_at__gt=start).order_by("starts_at", "pk")
    most = MOST_IN_A_MONTH + 1 if days > 7 else None
    kinds = {kind.value: str(kind.label) for kind in Appointment.Kind}
    everything = [_visit(values, clock, reader, today, kinds) for values in rows.values_list(*_FIELDS)[:most]]
    full = most is not None and len(everything) == most
    if full:
        everything = []
    freed = sum(1 for row in everything if row["st"] in Appointment.FREED)
    standing = [row for row in everything if row["st"] not in Appointment.FREED]
    shown = [row for row in standing if filters.shows(row)]
    seen = {row["id"] for row in shown}
    _warn(standing, reader)
    closures = list(Closure.objects.filter(location=location, starts_at__lt=end, ends_at__gt=start))
    staff = _staff(location, first, days, [Span(row.starts_at, row.ends_at) for row in closures], standing)
    return {
        "tag": tag,
        "place": location.pk,
        "first": first.isoformat(),
        "days": days,
        "now": clock(now),
        "range": [start.astimezone(UTC).isoformat(), end.astimezone(UTC).isoformat()],
        "hours": _drawn_hours(standing, staff),
        "buffers": [_minutes(SETUP), _minutes(CLEANUP)],
        "resources": in_order([*staff, *_places(location)], order or []),
        "closures": [
            dict(zip("se", clock.both(row.starts_at, row.ends_at), strict=True)) | {"reason": row.reason}
            for row in closures
        ],
        "visits": shown,
        "taken": [_taken(row) for row in standing if row["id"] not in seen],
        "hidden": len(standing) - len(shown),
        "freed": freed,
        "full": full,
        "numbers": _numbers(location, start, end) if full else [],
    }  # fmt: skip
