"""What the pages of booking share: slots as signed text, names, the clock on the wall."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.core import signing
from django.http import Http404, HttpRequest

from patients.models import Patient
from sessions.models import Device, Location, Practitioner, Room
from sessions.scheduling import Slot

#: Another one for another shape of the rows: a page from before answers 404, as one that is older than a day.
SALT = "sessions.slots.2"


def pack(slots: tuple[Slot, ...] | list[Slot], **more: Any) -> str:
    """Slots as a signed text for a form: nobody can write a time of their own into it."""
    rows = [
        [s.visit, s.number, s.start.isoformat(), s.end.isoformat(), s.practitioner, s.room, s.device, s.prep, s.prep_room,
         s.location]
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
        Slot(v, n, datetime.fromisoformat(s), datetime.fromisoformat(e), p, r, d, 0, early, chair, place)
        for v, n, s, e, p, r, d, early, chair, place in data["slots"]
    ]
    return data


def called(request: HttpRequest, patient: Patient) -> str:
    """The patient in a note after an act: by initials while names are hidden."""
    return patient.initials if request.session.get("hide_names") else patient.full_name


def names_of(*locations: Location) -> dict[str, dict[int, str]]:
    """Names of practitioners, and of rooms and devices of these locations, by key. Three queries."""
    return {
        "practitioner": {p.pk: str(p) for p in Practitioner.objects.select_related("user")},
        "room": {room.pk: room.name for room in Room.objects.filter(location__in=locations)},
        "device": {device.pk: device.name for device in Device.objects.filter(location__in=locations)},
    }


def where(slots: Iterable[Slot], names: dict[str, dict[int, str]], places: Mapping[int, Location]) -> str:
    """Rooms and devices of some times; of several locations behind the name of each."""
    found: dict[int, tuple[set[str], set[str]]] = {}
    for slot in slots:
        rooms, devices = found.setdefault(slot.location, (set(), set()))
        rooms.add(names["room"].get(slot.room, ""))
        devices.add(names["device"].get(slot.device or 0, ""))
    words = {
        place: ", ".join(filter(None, [*sorted(rooms), *sorted(devices)]))
        for place, (rooms, devices) in found.items()
    }
    if len(places) == 1:
        return "".join(words.values())
    return "; ".join(f"{places[place].short_name}: {text}" for place, text in words.items())


def wall_clock(moment: datetime, zone: ZoneInfo) -> datetime:
    """The time on the wall there, without a zone: a template would bring an aware one into the reader's zone."""
    return moment.astimezone(zone).replace(tzinfo=None)
