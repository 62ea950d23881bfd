"""The first day: what is still missing, or whom to ask. Instead of a 404 while there is no location."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from mesoclinic.accounts.permissions import Permission, has_permission, require
from sessions.models import Location
from sessions.places import NoLocation
from sessions.setup import queries
from sessions.setup.views.common import frame


def _steps(request: HttpRequest, missing: queries.Missing) -> list[dict[str, Any]]:
    may_people = has_permission(request.user, Permission.STAFF_EDIT)
    place = None if missing.location else Location.objects.first()
    rooms = reverse("sessions:setup-room-new", args=[place.pk]) if place else ""
    steps = [
        ("Location", "Name, address, phones and the time zone that all visits follow.", missing.location,
         reverse("sessions:setup-place-new"), "Add a location", ""),
        ("Room", "At least one, with what it is fitted for. Devices can follow.", missing.room, rooms, "Add a room",
         "" if rooms else "Needs a location first."),
        ("Somebody who treats", "A physician or nurse with what they do. They get a one-time password.",
         missing.practitioner, reverse("sessions:setup-person-new") if may_people else "", "Add a person",
         "" if may_people else "An administrator adds people."),
        ("Working hours", "When they work and where: visits are booked only then.", missing.hours,
         "" if missing.practitioner or missing.location else reverse("sessions:setup-hours"), "Enter hours",
         "Needs a location and somebody who treats first." if missing.practitioner or missing.location else ""),
        ("Product", "What is on the shelf, with its lots: nothing is given without a lot.", missing.product,
         reverse("sessions:stock-product-new"), "Add a product", ""),
    ]  # fmt: skip
    rows = [
        {"title": title, "text": text, "done": not open_, "url": url, "button": button, "wait": wait}
        for title, text, open_, url, button, wait in steps
    ]
    # One solid button: the first thing that can be done now.
    for row in rows:
        if not row["done"] and row["url"]:
            row["next"] = True
            break
    return rows


def page(request: HttpRequest, missing: queries.Missing | None = None) -> HttpResponse:
    """The checklist for those who set up, whom to ask for everybody else."""
    missing = missing or queries.missing()
    status = 200 if request.method == "GET" else 409
    if not has_permission(request.user, Permission.PLACES_EDIT):
        context = {"missing": missing, "people": queries.whom_to_ask()}
        return render(request, "sessions/setup/ask.html", context, status=status)
    steps = _steps(request, missing)
    done = sum(1 for step in steps if step["done"])
    undecided = [] if missing.anything else queries.undecided_years(timezone.now())
    context = frame(request, "steps", steps=steps, done=done, missing=missing, undecided=undecided)
    return render(request, "sessions/setup/first_steps.html", context, status=status)


@require_safe
@require(Permission.PLACES_EDIT)
def first_steps(request: HttpRequest) -> HttpResponse:
    """What the clinic has and what it lacks."""
    return page(request)


def ready_or_first_steps(
    view: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """A start page that gives way to the first steps: for managers while anything, for others while booking lacks."""

    @wraps(view)
    def start(request: HttpRequest) -> HttpResponseBase:
        missing = queries.missing()
        sets_up = has_permission(request.user, Permission.PLACES_EDIT)
        if missing.anything if sets_up else not missing.bookable:
            return page(request, missing)
        return view(request)

    return start


class FirstStepsMiddleware:
    """Whatever page asks for a location while there is none: the first steps, or whom to ask."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return page(request) if isinstance(exception, NoLocation) else None
