"""Writes of places: locations, rooms, devices. Each leaves its audit row."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.db.models import Q

from mesoclinic.accounts.models import User
from mesoclinic.audit.actions import record
from sessions.clocks import actions as clocks
from sessions.models import Appointment, Device, Location, Room
from sessions.queries.standing import lock
from sessions.setup import holidays, queries
from sessions.setup.actions.common import change, plain
from sessions.setup.faults import SetupError, VisitsHit, ask_about, broken

LOCATION_TAKEN = ("Another location has this name already. Choose another one.", "name")
ROOM_TAKEN = ("This location has a room of this name already. Choose another one.", "name")
DEVICE_TAKEN = ("This location has a device of this name already. Choose another one.", "name")
NO_WAY = (
    "Patients were told these times on the wall, and on the new clock they can't be kept. Move or cancel these visits "
    "first, or keep the time zone."
)
STALE = "Somebody else changed this location meanwhile. Load the page again and look at it first."
NAMES = {
    "location_region_has_its_country": ("Choose the country of this region.", "country"),
    "treatment_sessions_location_name": LOCATION_TAKEN,
    "room_name_once_per_location": ROOM_TAKEN,
    "device_name_once_per_location": DEVICE_TAKEN,
}


def _taken(rows: Any, name: str, sentence: tuple[str, str]) -> None:
    if rows.filter(name__iexact=name).exists():
        raise SetupError(*sentence)


def _check_region(*, country: str = "", subdivision: str = "", **_others: Any) -> None:
    fault = holidays.fault(country, subdivision)
    if fault is not None:
        field, text = fault
        raise SetupError(text, field)


@transaction.atomic
def add_location(*, by: User, **values: Any) -> Location:
    """Open a location. `values` are fields of Location; without a country that of the time zone counts."""
    _taken(Location.objects.all(), values["name"], LOCATION_TAKEN)
    values["country"] = values.get("country") or holidays.country_of(values["time_zone"])
    _check_region(**values)
    try:
        with transaction.atomic():
            location = Location.objects.create(**values)
    except IntegrityError as error:
        raise broken(error, NAMES) from error
    record(type="location.added", target=location, by=by, new=plain(values))
    return location


def state(location: Location) -> str:
    """Which location a page was drawn from."""
    fields = (field.attname for field in Location._meta.concrete_fields)
    return hashlib.sha256("|".join(str(getattr(location, name)) for name in fields).encode()).hexdigest()[:16]


def _lock_visits(location: Location, visits: Sequence[Appointment]) -> None:
    """All that these visits are made of and every room of the location: whoever books waits in the same queue, and then
    finds the new clock."""
    rooms = location.rooms.values_list("pk", flat=True)
    lock(
        patients=[visit.patient_id for visit in visits], practitioners=[visit.practitioner_id for visit in visits],
        rooms=rooms, devices=[visit.device_id for visit in visits],
    )  # fmt: skip


@transaction.atomic
def change_location(
    *, location: Location, by: User, now: datetime, seen: str = "", accepted: str = "", **values: Any
) -> Location:
    """Change a location. With another clock its coming visits keep their time on the wall, all of them or none.

    `seen` is the `state` of the location that the person looked at. Raises VisitsHit for visits that are at another
    moment on the new clock, with a refusal where one can't keep its time; SetupError.
    """
    zone = ZoneInfo(values["time_zone"])
    visits: list[Appointment] = []
    if zone.key != location.time_zone:
        _lock_visits(location, queries.on_another_clock(location, zone, now))
        # As they are behind the locks; one that was booked meanwhile has not been seen and is asked about below.
        visits = queries.on_another_clock(location, zone, now)
    # After the visits' own: bookings hold those when they come for this one.
    locked = Location.objects.select_for_update(no_key=True).get(pk=location.pk)
    if locked.time_zone != location.time_zone or (seen and state(locked) != seen):
        raise SetupError(STALE)
    _taken(Location.objects.exclude(pk=locked.pk), values["name"], LOCATION_TAKEN)
    _check_region(**values)
    if visits:
        ask_about(visits, accepted, f"{locked.time_zone} to {zone.key}")
        try:
            clocks.keep_on_the_wall(location=locked, visits=visits, zone=zone, by=by, now=now)
        except clocks.CannotFollow as error:
            raise VisitsHit([row for row in visits if row.pk in error.why], NO_WAY, error.why) from error
    try:
        with transaction.atomic():
            change(locked, values, type="location.changed", by=by)
    except IntegrityError as error:
        raise broken(error, NAMES) from error
    return locked


@transaction.atomic
def add_room(*, location: Location, by: User, name: str, capabilities: Sequence[str]) -> Room:
    """Add a room with what it is fitted for."""
    _taken(location.rooms.all(), name, ROOM_TAKEN)
    try:
        with transaction.atomic():
            room = Room.objects.create(location=location, name=name, capabilities=list(capabilities))
    except IntegrityError as error:
        raise broken(error, NAMES) from error
    record(
        type="room.added", target=room, by=by,
        new={"location": location.name, "name": name, "capabilities": list(capabilities)},
    )  # fmt: skip
    return room


@transaction.atomic
def change_room(
    *, room: Room, by: User, name: str, capabilities: Sequence[str], now: datetime, accepted: str = ""
) -> Room:
    """Rename a room or change what it is fitted for. Raises VisitsHit for visits that ask for what is taken away."""
    locked = Room.objects.select_for_update(no_key=True).get(pk=room.pk)
    _taken(Room.objects.filter(location=locked.location_id).exclude(pk=locked.pk), name, ROOM_TAKEN)
    lost = set(locked.capabilities) - set(capabilities)
    if lost:
        visits = queries.coming(now).filter(Q(room=locked) | Q(prep_room=locked))
        ask_about([visit for visit in visits if queries.asked_of(locked, visit) & lost], accepted)
    try:
        with transaction.atomic():
            change(locked, {"name": name, "capabilities": list(capabilities)}, type="room.changed", by=by)
    except IntegrityError as error:
        raise broken(error, NAMES) from error
    return locked


@transaction.atomic
def add_device(*, location: Location, by: User, name: str, kind: str, in_service: bool) -> Device:
    """Add a device."""
    _taken(location.devices.all(), name, DEVICE_TAKEN)
    try:
        with transaction.atomic():
            device = Device.objects.create(location=location, name=name, kind=kind, in_service=in_service)
    except IntegrityError as error:
        raise broken(error, NAMES) from error
    record(
        type="device.added", target=device, by=by,
        new={"location": location.name, "name": name, "kind": kind, "in_service": in_service},
    )  # fmt: skip
    return device


@transaction.atomic
def change_device(
    *, device: Device, by: User, name: str, kind: str, in_service: bool, now: datetime, accepted: str = ""
) -> Device:
    """Change a device or take it out of service. Raises VisitsHit while visits are booked with it."""
    locked = Device.objects.select_for_update(no_key=True).get(pk=device.pk)
    _taken(Device.objects.filter(location=locked.location_id).exclude(pk=locked.pk), name, DEVICE_TAKEN)
    if kind != locked.kind or (locked.in_service and not in_service):
        ask_about(list(queries.coming(now).filter(device=locked)), accepted)
    try:
        with transaction.atomic():
            change(
                locked, {"name": name, "kind": kind, "in_service": in_service}, type="device.changed", by=by
            )
    except IntegrityError as error:
        raise broken(error, NAMES) from error
    return locked
