"""Reads of the calendar and the day lists: a fixed number of queries, whatever is booked."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import Prefetch, QuerySet

from patients.models import Patient
from sessions.models import Appointment, Closure, Device, Location, Room, TreatmentRecord
from sessions.queries.booking import diary
from sessions.scheduling import Span
from sessions.scheduling.search import CLEANUP, SETUP

ROWS, ROW = 144, timedelta(minutes=5)


@dataclass(slots=True)
class Item:
    """Something drawn in a column: first row of five minutes and rows spanned."""

    row: int
    span: int
    kind: str  # event, off, buffer
    appointment: Appointment | None = None
    text: str = ""
    lane: int = 1
    lanes: int = 1


@dataclass(slots=True)
class Column:
    """A practitioner, a room or a day."""

    number: int
    title: str
    text: str
    first_room: bool = False
    items: list[Item] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Day:
    """A day's bounds on the wall clock of a location."""

    day: date
    location: Location
    hour: int = 8

    @property
    def start(self) -> datetime:
        return datetime.combine(self.day, time(self.hour), tzinfo=self.location.zone)

    def rows(self, start: datetime, end: datetime) -> tuple[int, int] | None:
        """(first row from 1, rows) inside the drawn day; None when outside it."""
        zone = self.location.zone

        def minutes(moment: datetime) -> int:
            local = moment.astimezone(zone)
            return (local.date() - self.day).days * 1440 + local.hour * 60 + local.minute - self.hour * 60

        first, last = max(minutes(start) // 5, 0), min(-(-minutes(end) // 5), ROWS)
        return (first + 1, last - first) if last > first else None


def bounds(day: date, location: Location, days: int = 1) -> tuple[datetime, datetime]:
    """The instants between which local days lie."""
    start = datetime.combine(day, time(), tzinfo=location.zone)
    return start, datetime.combine(day + timedelta(days=days), time(), tzinfo=location.zone)


def appointments(location: Location, day: date, days: int = 1) -> QuerySet[Appointment]:
    """Appointments of local days with all that a line of them shows."""
    start, end = bounds(day, location, days)
    return (
        Appointment.objects.filter(location=location, starts_at__lt=end, ends_at__gt=start)
        .select_related(
            "patient", "practitioner__user", "room", "device", "planned_session__plan", "location"
        )
        .prefetch_related(
            Prefetch("records", queryset=TreatmentRecord.objects.order_by("-version")),
            "patient__allergies",
        )
        .order_by("starts_at", "pk")
    )


def closures(location: Location, day: date, days: int = 1) -> list[Closure]:
    """Closures that touch the days."""
    start, end = bounds(day, location, days)
    return list(Closure.objects.filter(location=location, starts_at__lt=end, ends_at__gt=start))


def _off(column: Column, day: Day, free: Sequence[Span]) -> None:
    """Grey where nobody works."""
    at = 1
    for span in sorted(free):
        placed = day.rows(span.start, span.end)
        if placed is None:
            continue
        if placed[0] > at:
            column.items.append(Item(at, placed[0] - at, "off"))
        at = placed[0] + placed[1]
    if at <= ROWS:
        column.items.append(Item(at, ROWS - at + 1, "off"))


def _event(column: Column, day: Day, row: Appointment, text: str = "") -> None:
    placed = day.rows(row.starts_at, row.ends_at)
    if placed:
        column.items.append(Item(*placed, "event", row, text))


def _buffers(column: Column, day: Day, row: Appointment) -> None:
    for start, end, words in (
        (row.starts_at - SETUP, row.starts_at, "Set-up"), (row.ends_at, row.ends_at + CLEANUP, "Clean-up"),
    ):  # fmt: skip
        placed = day.rows(start, end)
        if placed:
            column.items.append(Item(*placed, "buffer", None, words))


def day_columns(
    location: Location, day: date, show: str = "all"
) -> tuple[Day, list[Column], list[Appointment]]:
    """Columns of a day: practitioners who work or have visits, then rooms. `show`: all, staff or rooms."""
    rows = list(appointments(location, day))
    standing = [row for row in rows if row.status not in Appointment.FREED]
    book = diary(location, day, day)
    grid = Day(day, location)
    working = {staff.key for staff in book.staff if staff.hours}
    busy = {row.practitioner_id: row.practitioner.user.full_name for row in rows}
    names = {staff.key: staff.name for staff in book.staff} | busy
    columns: list[Column] = []
    if show != "rooms":
        for key in sorted(working | set(busy), key=lambda key: names[key]):
            hours = next((staff.hours for staff in book.staff if staff.key == key), ())
            local = [(s.start.astimezone(location.zone), s.end.astimezone(location.zone)) for s in hours]
            text = ", ".join(f"{start:%H:%M} to {end:%H:%M}" for start, end in local) or "away"
            column = Column(len(columns) + 2, names[key], text)
            _off(column, grid, hours)
            for row in standing:
                if row.practitioner_id == key:
                    _event(column, grid, row, row.room.name)
            columns.append(column)
    if show != "staff":
        devices = {device.pk: device.name for device in Device.objects.filter(location=location)}
        for number, room in enumerate(Room.objects.filter(location=location)):
            column = Column(
                len(columns) + 2,
                room.name,
                ", ".join(room.capabilities).capitalize(),
                number == 0 and bool(columns),
            )
            for row in standing:
                if row.room_id == room.pk:
                    _buffers(column, grid, row)
                    device = devices.get(row.device_id or 0, "")
                    _event(
                        column,
                        grid,
                        row,
                        ", ".join(x for x in (row.practitioner.user.full_name, device) if x),
                    )
            columns.append(column)
    return grid, columns, rows


def week_columns(
    location: Location, monday: date, practitioner: int | None = None
) -> tuple[Day, list[Column], int]:
    """Seven day columns (Sunday only when something is booked), and how many visits the filter hides."""
    rows = [row for row in appointments(location, monday, 7) if row.status not in Appointment.FREED]
    hidden = 0
    if practitioner is not None:
        hidden = sum(1 for row in rows if row.practitioner_id != practitioner)
        rows = [row for row in rows if row.practitioner_id == practitioner]
    book = diary(location, monday, monday + timedelta(days=6))
    columns: list[Column] = []
    for offset in range(7):
        day = monday + timedelta(days=offset)
        own = [row for row in rows if row.starts_at.astimezone(location.zone).date() == day]
        if offset == 6 and not own:
            continue
        grid = Day(day, location)
        column = Column(len(columns) + 2, day.isoformat(), f"{len(own)}")
        spans = [
            span for staff in book.staff for span in staff.hours
            if span.start.astimezone(location.zone).date() == day and practitioner in {None, staff.key}
        ]  # fmt: skip
        _off(column, grid, _merged(spans))
        for row in own:
            _event(column, grid, row, row.practitioner.user.full_name)
        _side_by_side(column)
        columns.append(column)
    return Day(monday, location), columns, hidden


def _side_by_side(column: Column) -> None:
    """Visits of one column that overlap get lanes, four at most; what is more lies in the fourth."""
    group: list[Item] = []
    end = 0

    def close() -> None:
        width = min(max((item.lane for item in group), default=1), 4)
        for item in group:
            item.lane, item.lanes = min(item.lane, 4), width

    for item in sorted((i for i in column.items if i.kind == "event"), key=lambda i: (i.row, -i.span)):
        if item.row >= end:
            close()
            group = []
        taken = {other.lane for other in group if other.row + other.span > item.row}
        item.lane = next(lane for lane in range(1, len(group) + 2) if lane not in taken)
        group.append(item)
        end = max(end, item.row + item.span)
    close()


def _merged(spans: Sequence[Span]) -> list[Span]:
    found: list[Span] = []
    for span in sorted(spans):
        if found and span.start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return found


def warnings_of(patient: Patient) -> list[str]:
    """What somebody must see before the visit begins; allergies are prefetched."""
    words = []
    if any(row.retracted_at is None for row in patient.allergies.all()):
        words.append("Allergy")
    if patient.pregnancy in {Patient.Pregnancy.PREGNANT, Patient.Pregnancy.BREASTFEEDING}:
        words.append(str(patient.get_pregnancy_display()))
    if patient.consent_signed_on is None:
        words.append("No consent")
    if patient.baseline_photos_on is None:
        words.append("No baseline photos")
    return words


def day_rows(rows: Sequence[Appointment], now: datetime) -> list[dict[str, Any]]:
    """Lines of a day list with the next act of each."""
    found = []
    for row in rows:
        planned = row.planned_session
        found.append(
            {
                "appointment": row,
                "title": f"Session {planned.number}" if planned else row.get_kind_display(),
                "text": planned.summary if planned else row.note,
                "warnings": warnings_of(row.patient),
                "past": row.status == Appointment.Status.DONE or row.status in Appointment.FREED,
                "now": row.starts_at <= now < row.ends_at,
                "record": next(iter(row.records.all()), None),
            }
        )
    return found
