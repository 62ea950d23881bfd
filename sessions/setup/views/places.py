"""Locations, rooms and devices."""

from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mesoclinic.accounts.permissions import Permission, require
from sessions.models import Device, Location, Room
from sessions.models.places import LATE_HOURS
from sessions.setup import codes, queries
from sessions.setup.actions import places as actions
from sessions.setup.forms.places import DeviceForm, LocationForm, RoomForm, region_choices
from sessions.setup.holidays import country_of, place_words
from sessions.setup.views.common import (
    Outcome,
    accepted,
    attempt,
    form_page,
    frame,
    hit_context,
    page_of,
    told,
    told_or_reflow,
    user_of,
)

LOCATION_FIELDS = (
    "name", "short_name", "address", "time_zone", "phone", "after_hours_phone", "emergency_number", "country",
    "subdivision", "late_hours",
)  # fmt: skip


@require_safe
@require(Permission.PLACES_EDIT)
def places(request: HttpRequest) -> HttpResponse:
    """All locations with what they have."""
    page = page_of(request, queries.locations())
    return render(request, "sessions/setup/places.html", frame(request, "places", page=page))


@require_http_methods(["GET", "POST"])
@require(Permission.PLACES_EDIT)
def place_new(request: HttpRequest) -> HttpResponse:
    """Open a location."""
    form = LocationForm(
        request.POST or None,
        initial={
            "time_zone": settings.TIME_ZONE, "emergency_number": "112", "country": country_of(settings.TIME_ZONE),
            "late_hours": LATE_HOURS,
        },
    )  # fmt: skip
    return form_page(
        request, "places", form, lambda: actions.add_location(by=user_of(request), **form.cleaned_data),
        lambda made: told(
            request, f"{made.name} is added. Its rooms come next.", "sessions:setup-place", made.pk
        ),
        title="New location", sub="Where patients come to. Rooms and devices follow on its page.",
        button="Add location", back=reverse("sessions:setup-places"),
    )  # fmt: skip


@require_safe
@require(Permission.PLACES_EDIT)
def regions(request: HttpRequest) -> HttpResponse:
    """The regions of a country, for the field beside it."""
    rows = region_choices(request.GET.get("country", "")[:2])
    return HttpResponse(format_html_join("", '<option value="{}">{}</option>', rows))


@require_safe
@require(Permission.PLACES_EDIT)
def place(request: HttpRequest, pk: int) -> HttpResponse:
    """One location: facts, rooms, devices."""
    location = get_object_or_404(Location, pk=pk)
    return _place_page(request, location)


def _place_page(
    request: HttpRequest, location: Location, outcome: Outcome | None = None, device: Device | None = None
) -> HttpResponse:
    kinds = dict(codes.DEVICE_KINDS)
    context = frame(
        request, "places", location=location, asked=device,
        holidays=place_words(location.country, location.subdivision),
        rooms=[{"room": room, "uses": codes.words(room.capabilities, codes.ROOM_USES)} for room in location.rooms.all()],
        devices=[{"device": row, "kind": kinds.get(row.kind, row.kind)} for row in queries.devices_of(location)],
        error=outcome.error if outcome else "", **hit_context(request, outcome),
    )  # fmt: skip
    return render(
        request, "sessions/setup/place.html", context, status=outcome.status if outcome is not None else 200
    )


@require_http_methods(["GET", "POST"])
@require(Permission.PLACES_EDIT)
def place_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a location."""
    location = get_object_or_404(Location, pk=pk)
    form = LocationForm(
        request.POST or None, initial={name: getattr(location, name) for name in LOCATION_FIELDS}
    )

    seen = str(request.POST.get("seen", ""))[:32] if request.method == "POST" else actions.state(location)

    def done(made: Location) -> HttpResponse:
        if (request.session.get("place") or {}).get("id") == made.pk:
            # The web session keeps a copy; without this its owner would go on reading the old name.
            request.session["place"] = {"id": made.pk, "name": made.short_name, "time_zone": made.time_zone}
        kept = " Every visit keeps its time on the wall." if accepted(request) else ""
        return told(request, f"{made.name} is saved.{kept}", "sessions:setup-place", made.pk)

    return form_page(
        request, "places", form,
        lambda: actions.change_location(
            location=location, by=user_of(request), now=timezone.now(), seen=seen, accepted=accepted(request),
            **form.cleaned_data,
        ),
        done, clock=lambda: ZoneInfo(form.cleaned_data["time_zone"]), title=location.name, sub="Letters and sheets that were issued keep the old words.",
        button="Save", back=reverse("sessions:setup-place", args=[pk]), seen=seen,
    )  # fmt: skip


@require_http_methods(["GET", "POST"])
@require(Permission.PLACES_EDIT)
def room_new(request: HttpRequest, pk: int) -> HttpResponse:
    """Add a room to a location."""
    location = get_object_or_404(Location, pk=pk)
    form = RoomForm(request.POST or None)

    return form_page(
        request, "places", form, lambda: actions.add_room(location=location, by=user_of(request), **form.cleaned_data),
        lambda made: told(request, f"{made.name} is added.", "sessions:setup-place", pk),
        title="New room", sub=location.name, button="Add room", back=reverse("sessions:setup-place", args=[pk]),
    )  # fmt: skip


@require_http_methods(["GET", "POST"])
@require(Permission.PLACES_EDIT)
def room(request: HttpRequest, pk: int) -> HttpResponse:
    """Rename a room or change what it is fitted for."""
    found = get_object_or_404(Room.objects.select_related("location"), pk=pk)
    form = RoomForm(request.POST or None, initial={"name": found.name, "capabilities": found.capabilities})

    return form_page(
        request, "places", form,
        lambda: actions.change_room(
            room=found, by=user_of(request), now=timezone.now(), accepted=accepted(request), **form.cleaned_data
        ),
        lambda made: told_or_reflow(
            request, f"{made.name} is saved.", "room", found.pk, "sessions:setup-place", found.location_id
        ),
        title=found.name, sub=found.location.name, button="Save",
        back=reverse("sessions:setup-place", args=[found.location_id]),
    )  # fmt: skip


@require_http_methods(["GET", "POST"])
@require(Permission.PLACES_EDIT)
def device_new(request: HttpRequest, pk: int) -> HttpResponse:
    """Add a device to a location."""
    location = get_object_or_404(Location, pk=pk)
    form = DeviceForm(request.POST or None)

    return form_page(
        request, "places", form, lambda: actions.add_device(location=location, by=user_of(request), **form.cleaned_data),
        lambda made: told(request, f"{made.name} is added.", "sessions:setup-place", pk),
        title="New device", sub=location.name, button="Add device",
        back=reverse("sessions:setup-place", args=[pk]),
    )  # fmt: skip


@require_http_methods(["GET", "POST"])
@require(Permission.PLACES_EDIT)
def device(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a device."""
    found = get_object_or_404(Device.objects.select_related("location"), pk=pk)
    form = DeviceForm(
        request.POST or None,
        initial={"name": found.name, "kind": found.kind, "in_service": found.in_service},
    )

    return form_page(
        request, "places", form,
        lambda: actions.change_device(
            device=found, by=user_of(request), now=timezone.now(), accepted=accepted(request), **form.cleaned_data
        ),
        lambda made: told_or_reflow(
            request, f"{made.name} is saved.", "device", found.pk, "sessions:setup-place", found.location_id
        ),
        title=found.name, sub=found.location.name, button="Save",
        back=reverse("sessions:setup-place", args=[found.location_id]),
    )  # fmt: skip


@require_POST
@require(Permission.PLACES_EDIT)
def device_service(request: HttpRequest, pk: int) -> HttpResponse:
    """The switch on the location's page: into service, out of service."""
    found = get_object_or_404(Device.objects.select_related("location"), pk=pk)
    on = request.POST.get("to") == "in"
    outcome = attempt(
        lambda: actions.change_device(
            device=found, by=user_of(request), name=found.name, kind=found.kind, in_service=on,
            now=timezone.now(), accepted=accepted(request),
        )
    )  # fmt: skip
    if not outcome.saved:
        return _place_page(request, found.location, outcome, found)
    state = "in service" if on else "out of service"
    return told_or_reflow(
        request, f"{found.name} is {state}.", "device", found.pk, "sessions:setup-place", found.location_id
    )
