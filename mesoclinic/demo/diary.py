"""A diary that finds free times for the demo's visits, past and coming, without a double booking."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from sessions.models import Device, Location, Practitioner, Room

SETUP = timedelta(minutes=5)
CLEANUP = timedelta(minutes=10)
GRID = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Slot:
    """A free time with all it needs."""

    location: Location
    practitioner: Practitioner
    room: Room
    device: Device | None
    starts_at: datetime
    ends_at: datetime


@dataclass(slots=True)
class Diary:
    """Hours, rooms and devices of one location, and what is taken so far."""

    location: Location
    hours: dict[tuple[int, int], list[tuple[time, time]]] = field(default_factory=dict)
    practitioners: list[Practitioner] = field(default_factory=list)
    rooms: list[Room] = field(default_factory=list)
    devices: list[Device] = field(default_factory=list)
    away: dict[int, list[tuple[datetime, datetime]]] = field(default_factory=dict)
    closed: list[tuple[datetime, datetime]] = field(default_factory=list)
    taken: dict[tuple[str, int], list[tuple[datetime, datetime]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    @classmethod
    def load(cls, location: Location) -> "Diary":
        """Read the location's people and things."""
        diary = cls(location=location)
        rows = location.hours.select_related("practitioner__user").order_by(
            "practitioner_id", "weekday", "starts"
        )
        for row in rows:
            diary.hours.setdefault((row.practitioner_id, row.weekday), []).append((row.starts, row.ends))
            if row.practitioner not in diary.practitioners:
                diary.practitioners.append(row.practitioner)
        diary.rooms = list(location.rooms.order_by("pk"))
        diary.devices = list(location.devices.order_by("pk"))
        diary.closed = list(location.closures.values_list("starts_at", "ends_at"))
        for practitioner in diary.practitioners:
            diary.away[practitioner.pk] = list(practitioner.absences.values_list("starts_at", "ends_at"))
        return diary

    def _free(self, kind: str, pk: int, start: datetime, end: datetime) -> bool:
        return all(end <= begun or ended <= start for begun, ended in self.taken[kind, pk])

    def find(
        self,
        *,
        day: date,
        patient_id: int,
        need: str,
        device_kind: str,
        minutes: int,
        prefer: int,
        only: Iterable[str] = (),
    ) -> Slot | None:
        """The first free time of the day, beginning the search at a practitioner and hour that `prefer` picks."""
        qualified = [
            p
            for p in self.practitioners
            if need in p.qualifications and (not only or p.user.username in only)
        ]
        if not qualified:
            return None
        offset = prefer % len(qualified)
        for practitioner in qualified[offset:] + qualified[:offset]:
            spans = self.hours.get((practitioner.pk, day.isoweekday()), [])
            if prefer % 2:
                spans = spans[::-1]
            for begins, ends in spans:
                start = datetime.combine(day, begins, tzinfo=self.location.zone) + GRID * (prefer % 5)
                limit = datetime.combine(day, ends, tzinfo=self.location.zone)
                while start + timedelta(minutes=minutes) <= limit:
                    slot = self._slot(practitioner, patient_id, need, device_kind, start, minutes)
                    if slot is not None:
                        return slot
                    start += GRID
        return None

    def _slot(
        self,
        practitioner: Practitioner,
        patient_id: int,
        need: str,
        device_kind: str,
        start: datetime,
        minutes: int,
    ) -> Slot | None:
        end = start + timedelta(minutes=minutes)
        blocked = self.closed + self.away[practitioner.pk]
        if any(begun < end and start < ended for begun, ended in blocked):
            return None
        if not self._free("practitioner", practitioner.pk, start, end) or not self._free(
            "patient", patient_id, start, end
        ):
            return None
        room = next(
            (
                room
                for room in self.rooms
                if need in room.capabilities and self._free("room", room.pk, start - SETUP, end + CLEANUP)
            ),
            None,
        )
        device = None
        if device_kind:
            device = next(
                (
                    d
                    for d in self.devices
                    if d.kind == device_kind and self._free("device", d.pk, start - SETUP, end + CLEANUP)
                ),
                None,
            )
            if device is None:
                return None
        if room is None:
            return None
        self.taken["practitioner", practitioner.pk].append((start, end))
        self.taken["patient", patient_id].append((start, end))
        self.taken["room", room.pk].append((start - SETUP, end + CLEANUP))
        if device is not None:
            self.taken["device", device.pk].append((start - SETUP, end + CLEANUP))
        return Slot(self.location, practitioner, room, device, start, end)
