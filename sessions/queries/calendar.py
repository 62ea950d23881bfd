"""Reads of the calendar and the day lists: a fixed number of queries, whatever is booked."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import Prefetch, QuerySet

from mesoclinic.ui import formatting
from patients import vocabulary
from patients.models import Patient
from protocols.catalogue import knowledge
from protocols.engine.rules import add_months
from sessions.models import Appointment, Closure, Device, Location, Room, TreatmentRecord
from sessions.queries.booking import diary
from sessions.scheduling import Span
from sessions.scheduling.diary import CLEANUP, SETUP

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
            "patient__conditions",
            "patient__medications",
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


def outside(grid: Day, rows: Sequence[Appointment], days: int = 1) -> int:
    """Visits that begin before or end after the hours drawn: they are told, never lost."""
    first, last = time(grid.hour), grid.hour * 60 + ROWS * 5
    count = 0
    for row in rows:
        start, end = row.starts_at.astimezone(grid.location.zone), row.ends_at.astimezone(grid.location.zone)
        late = (end.date() - start.date()).days * 1440 + end.hour * 60 + end.minute > last
        count += int(start.time() < first or late)
    return count


def _with_visits(
    column: Column,
    grid: Day,
    rows: Sequence[Appointment],
    words: Callable[[Appointment], str],
    *,
    buffers: bool,
) -> Column:
    for row in rows:
        if buffers:
            _buffers(column, grid, row)
        _event(column, grid, row, words(row))
    return column


def day_columns(
    location: Location, day: date, show: str = "all", practitioner: int | None = None
) -> tuple[Day, list[Column], list[Appointment], int]:
    """Columns of a day, its visits, and how many visits the filter hides.

    Practitioners who work or have visits, then rooms, then devices. `show`: all, staff, rooms or devices.
    """
    everything = list(appointments(location, day))
    rows = [row for row in everything if practitioner in {None, row.practitioner_id}]
    standing = [row for row in rows if row.status not in Appointment.FREED]
    hidden = sum(1 for row in everything if row.status not in Appointment.FREED) - len(standing)
    book = diary(location, day, day)
    grid = Day(day, location)
    working = {staff.key for staff in book.staff if staff.hours}
    busy = {row.practitioner_id: row.practitioner.user.full_name for row in rows}
    names = {staff.key: staff.name for staff in book.staff} | busy
    columns: list[Column] = []
    if show in {"all", "staff"}:
        keys = {key for key in working | set(busy) if practitioner in {None, key}}
        for key in sorted(keys, key=lambda key: names[key]):
            hours = next((staff.hours for staff in book.staff if staff.key == key), ())
            local = [(s.start.astimezone(location.zone), s.end.astimezone(location.zone)) for s in hours]
            text = ", ".join(f"{start:%H:%M} to {end:%H:%M}" for start, end in local) or "away"
            column = Column(len(columns) + 2, names[key], text)
            _off(column, grid, hours)
            own = [row for row in standing if row.practitioner_id == key]
            columns.append(_with_visits(column, grid, own, lambda row: row.room.name, buffers=False))
    if show in {"all", "rooms"}:
        for number, room in enumerate(Room.objects.filter(location=location)):
            text = ", ".join(room.capabilities).capitalize()
            column = Column(len(columns) + 2, room.name, text, number == 0 and bool(columns))
            own = [row for row in standing if row.room_id == room.pk]
            columns.append(
                _with_visits(column, grid, own, lambda row: row.practitioner.user.full_name, buffers=True)
            )
    if show in {"all", "devices"}:
        for number, device in enumerate(Device.objects.filter(location=location)):
            text = "Device" if device.in_service else "Out of service"
            column = Column(len(columns) + 2, device.name, text, number == 0 and bool(columns))
            own = [row for row in standing if row.device_id == device.pk]
            columns.append(_with_visits(column, grid, own, lambda row: row.room.name, buffers=True))
    return grid, columns, rows, hidden


def week_columns(
    location: Location, monday: date, practitioner: int | None = None
) -> tuple[Day, list[Column], int, int]:
    """Seven day columns (Sunday only when something is booked), visits hidden by the filter, and outside the hours."""
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
    return Day(monday, location), columns, hidden, outside(Day(monday, location), rows)


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


#: Classes of medicines that change what is done on the day (bleeding, healing, immunity, heart), and single ones.
_RISKY = frozenset(
    {
        "anticoagulant", "antiplatelet", "nsaid", "supplement-bleeding", "isotretinoin-oral", "immunosuppressant",
        "biologic", "corticosteroid", "antiarrhythmic-1", "antiarrhythmic-3", "methaemoglobin-former",
    }
)  # fmt: skip
#: Red: these forbid or move a treatment.
_GRAVE = frozenset({"anticoagulant", "isotretinoin-oral"})


@dataclass(frozen=True, slots=True)
class Caution:
    """Something to know before the visit begins. `level`: block or warn."""

    level: str
    text: str
    icon: str = "triangle-alert"


def _standing(rows: Iterable[Any]) -> list[Any]:
    """Facts not taken back; filtered here because they are prefetched."""
    return [row for row in rows if row.retracted_at is None]


def _medicines(patient: Patient, today: date) -> list[Caution]:
    classes, found = knowledge().medication_classes, []
    for row in _standing(patient.medications.all()):
        risky = classes.get(row.code, frozenset({row.code})) & _RISKY
        stopped = row.current is False or (row.last_dose is not None and row.last_dose < today)
        recent = row.code == "isotretinoin-oral" and (
            # Healing is impaired for some months after the last dose.
            row.last_dose is None or today < add_months(row.last_dose, knowledge().months_back("R15"))
        )
        if risky and (not stopped or recent):
            words = vocabulary.label("medications", row.code)
            if stopped and row.last_dose:
                words += f", last {formatting.full_date(row.last_dose)}"
            found.append(Caution("block" if risky & _GRAVE else "warn", words, "pill"))
    return found


def warnings_of(patient: Patient, today: date) -> list[Caution]:
    """What somebody must see before the visit begins, the gravest first; the lists are prefetched."""
    words = [
        Caution("block", f"Allergy: {vocabulary.label('allergens', row.substance)}", "shield-alert")
        for row in _standing(patient.allergies.all())
    ]
    if patient.pregnancy in {Patient.Pregnancy.PREGNANT, Patient.Pregnancy.BREASTFEEDING}:
        words.append(Caution("block", str(patient.get_pregnancy_display()), "baby"))
    words += _medicines(patient, today)
    words += [
        Caution("warn", vocabulary.label("conditions", row.code), "heart-pulse")
        for row in _standing(patient.conditions.all())
        if row.cleared_on is None
    ]
    if (
        patient.sex == Patient.Sex.FEMALE
        and patient.pregnancy not in {Patient.Pregnancy.PREGNANT, Patient.Pregnancy.BREASTFEEDING}
        and patient.pregnancy_asked_on != today
    ):
        words.append(Caution("warn", "Pregnancy: ask today", "baby"))
    if patient.consent_signed_on is None:
        words.append(Caution("warn", "No consent", "file-pen-line"))
    if patient.baseline_photos_on is None:
        words.append(Caution("warn", "No baseline photos", "camera"))
    return sorted(words, key=lambda one: one.level != "block")


def day_rows(rows: Sequence[Appointment], now: datetime) -> list[dict[str, Any]]:
    """Lines of a day list with the next act of each: who is here and who comes, then what is over."""
    found = []
    for row in rows:
        planned = row.planned_session
        found.append(
            {
                "appointment": row,
                "title": f"Session {planned.number}" if planned else row.get_kind_display(),
                "text": planned.summary if planned else row.note,
                "warnings": warnings_of(row.patient, now.astimezone(row.location.zone).date()),
                "past": row.status == Appointment.Status.DONE or row.status in Appointment.FREED,
                "now": row.starts_at <= now < row.ends_at,
                "record": next(iter(row.records.all()), None),
            }
        )
    return sorted(found, key=lambda line: line["past"])
