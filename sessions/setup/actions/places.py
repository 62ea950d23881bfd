"""Writes of places: locations, rooms, devices. Each leaves its audit row."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.db.models import Q

from mesoclinic.accounts.models import User
from mesoclinic.audit.actions import record
from sessions.models import Device, Location, Room
from sessions.setup import holidays, queries
from sessions.setup.actions.common import change, lock_rooms, plain
from sessions.setup.faults import SetupError, VisitsHit, ask_about, broken

LOCATION_TAKEN = ("Another location has this name already. Choose another one.", "name")
ROOM_TAKEN = ("This location has a room of this name already. Choose another one.", "name")
DEVICE_TAKEN = ("This location has a device of this name already. Choose another one.", "name")
CLOCK = (
    "Patients were told these times on the clock of {zone}, so it stays while they are booked. Move the visits to "
    "another location or cancel them first, or keep the time zone."
)
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


@transaction.atomic
def change_location(*, location: Location, by: User, now: datetime, **values: Any) -> Location:
    """Change a location. Its clock stays while a booked visit would stand at another time on the wall.

    Raises VisitsHit with a refusal then: patients were told the time on the wall, so no way of saving is right.
    """
    locked = Location.objects.select_for_update().get(pk=location.pk)
    # Bookings lock a room each: with all rooms locked none can slip in between the look and the new clock.
    lock_rooms(locked)
    _taken(Location.objects.exclude(pk=locked.pk), values["name"], LOCATION_TAKEN)
    _check_region(**values)
    if values["time_zone"] != locked.time_zone:
        shifted = queries.on_another_clock(locked, ZoneInfo(values["time_zone"]), now)
        if shifted:
            raise VisitsHit(shifted, CLOCK.format(zone=locked.time_zone))
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
