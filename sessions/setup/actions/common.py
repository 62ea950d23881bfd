"""What the acts of the set-up share."""

from collections.abc import Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from django.db.models import Model

from mesoclinic.accounts.models import User
from mesoclinic.audit.actions import record
from sessions.models import Location, Practitioner


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """Values as the audit trail keeps them."""

    def one(value: Any) -> Any:
        if isinstance(value, Decimal):
            return format(value, "f")
        if isinstance(value, date | datetime | time):
            return value.isoformat()
        if isinstance(value, Model):
            return str(value)
        return list(value) if isinstance(value, list | tuple) else value

    return {name: one(value) for name, value in values.items()}


def change(row: Model, values: dict[str, Any], *, type: str, by: User, more: Sequence[str] = ()) -> bool:
    """Write what differs, with its audit row of old and new. False when nothing differs."""
    old = {name: getattr(row, name) for name in values}
    new = {name: value for name, value in values.items() if old[name] != value}
    if not new:
        return False
    for name, value in new.items():
        setattr(row, name, value)
    row.save(update_fields=[*new, *more])
    record(type=type, target=row, by=by, old=plain({name: old[name] for name in new}), new=plain(new))
    return True


def lock_practitioner(practitioner: Practitioner) -> Practitioner:
    """Bookings lock the same row: a visit is either seen here, or sees the new times."""
    return Practitioner.objects.select_for_update(no_key=True, of=("self",)).get(pk=practitioner.pk)


def lock_rooms(location: Location) -> Location:
    """Every booking locks its room: with all of a location's rooms locked, none slips in."""
    list(location.rooms.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
    return location
