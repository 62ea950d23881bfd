"""What the pages of booking share: slots as signed text, names, the clock on the wall."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.core import signing
from django.http import Http404, HttpRequest

from patients.models import Patient
from sessions.models import Location, Practitioner
from sessions.scheduling import Slot

SALT = "sessions.slots"


def pack(slots: tuple[Slot, ...] | list[Slot], **more: Any) -> str:
    """Slots as a signed text for a form: nobody can write a time of their own into it."""
    rows = [
        [s.visit, s.number, s.start.isoformat(), s.end.isoformat(), s.practitioner, s.room, s.device, s.prep, s.prep_room]
        for s in slots
    ]  # fmt: skip
    return signing.dumps({"slots": rows, **more}, salt=SALT, compress=True)


def unpack(text: str) -> dict[str, Any]:
    """Read a packed text; 404 for one that is none or older than a day."""
    try:
        data: dict[str, Any] = signing.loads(text[:20000], salt=SALT, max_age=86400)
    except signing.BadSignature as error:
        raise Http404("no such options") from error
    data["slots"] = [
        Slot(v, n, datetime.fromisoformat(s), datetime.fromisoformat(e), p, r, d, 0, early, chair)
        for v, n, s, e, p, r, d, early, chair in data["slots"]
    ]
    return data


def called(request: HttpRequest, patient: Patient) -> str:
    """The patient in a note after an act: by initials while names are hidden."""
    return patient.initials if request.session.get("hide_names") else patient.full_name


def names_of(location: Location) -> dict[str, dict[int, str]]:
    """Names of practitioners, rooms and devices by key. Three queries."""
    return {
        "practitioner": {p.pk: str(p) for p in Practitioner.objects.select_related("user")},
        "room": {room.pk: room.name for room in location.rooms.all()},
        "device": {device.pk: device.name for device in location.devices.all()},
    }


def wall_clock(moment: datetime, zone: ZoneInfo) -> datetime:
    """The time on the wall there, without a zone: a template would bring an aware one into the reader's zone."""
    return moment.astimezone(zone).replace(tzinfo=None)
