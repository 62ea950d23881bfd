"""Writes of the types of single visits. Each leaves its audit row."""

from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from mesoclinic.accounts.models import User
from mesoclinic.audit.actions import record
from sessions.models import Appointment, AppointmentType, Needs
from sessions.models.types import LONGEST_MIN, SHORTEST_MIN
from sessions.setup import queries
from sessions.setup.actions.common import change as write
from sessions.setup.actions.common import plain
from sessions.setup.faults import SetupError, ask_about, broken

LENGTH = f"Enter {SHORTEST_MIN} to {LONGEST_MIN} minutes."
TAKEN = ("Another type has this name already. Choose another one.", "name")
RULES = {"appointment_type_name_once": TAKEN, "appointment_type_minutes": (LENGTH, "minutes")}


def _check(name: str, minutes: int, but: int = 0) -> None:
    if AppointmentType.objects.filter(name__iexact=name).exclude(pk=but).exists():
        raise SetupError(*TAKEN)
    if not SHORTEST_MIN <= minutes <= LONGEST_MIN:
        raise SetupError(LENGTH, "minutes")


@transaction.atomic
def add(*, by: User, **values: Any) -> AppointmentType:
    """A new type. `values` are fields of AppointmentType."""
    _check(values["name"], values["minutes"])
    try:
        with transaction.atomic():
            made = AppointmentType.objects.create(**values)
    except IntegrityError as error:
        raise broken(error, RULES) from error
    record(type="visit-type.added", target=made, by=by, new=plain(values))
    return made


def _meets(visit: Appointment, needs: Needs) -> bool:
    """Whether the visit's practitioner, room and device are what is asked for."""
    return (
        needs.qualifications <= set(visit.practitioner.qualifications)
        and needs.capabilities <= set(visit.room.capabilities)
        and (not needs.device_kind or (visit.device is not None and visit.device.kind == needs.device_kind))
    )


def _locked(type: AppointmentType) -> AppointmentType:
    """A booking's foreign key holds the row: its visit is either seen here, or waits for the new type."""
    return AppointmentType.objects.select_for_update().get(pk=type.pk)


@transaction.atomic
def change(
    *, type: AppointmentType, by: User, now: datetime, accepted: str = "", **values: Any
) -> AppointmentType:
    """Change a type. Raises VisitsHit for coming visits that had what it asked for and lack what it will ask for."""
    locked = _locked(type)
    _check(values["name"], values["minutes"], locked.pk)
    after = Needs(
        frozenset({values["qualification"]}), frozenset({values["capability"]}), values["device_kind"]
    )
    if after != locked.needs:
        visits = queries.coming(now).filter(type=locked, planned_session__isnull=True)
        ask_about([row for row in visits if _meets(row, locked.needs) and not _meets(row, after)], accepted)
    try:
        with transaction.atomic():
            write(locked, values, type="visit-type.changed", by=by)
    except IntegrityError as error:
        raise broken(error, RULES) from error
    return locked


@transaction.atomic
def offer(*, type: AppointmentType, active: bool, by: User) -> AppointmentType:
    """Offer a type for booking, or no longer. Visits that are booked keep it."""
    locked = _locked(type)
    write(locked, {"active": active}, type="visit-type.offered" if active else "visit-type.closed", by=by)
    return locked
