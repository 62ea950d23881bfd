"""The clinic's locations, and the one a person works at."""

from typing import Any

from django.db.models import Count
from django.http import Http404, HttpRequest

from mesoclinic.ui.registry import Place
from sessions.models import Location


class NoLocation(Http404):
    """The clinic has no location yet: the first steps are shown instead (sessions.setup.views.first_steps)."""


def places(request: HttpRequest) -> list[Place]:
    """All locations, for the switcher in the top bar. `own` marks where this person works most days of the week."""
    own = (
        None
        if request.session.get("place")
        else (
            Location.objects.filter(hours__practitioner__user=request.user.pk or 0)
            .annotate(days=Count("hours"))
            .order_by("-days", "pk")
            .values_list("pk", flat=True)
            .first()
        )
    )
    return [
        {"id": row.pk, "name": row.short_name, "time_zone": row.time_zone, "own": row.pk == own}
        for row in every_location(request)
    ]


def every_location(request: HttpRequest) -> list[Location]:
    """All locations in their order: one query a request, however many ask."""
    kept: Any = request
    if not hasattr(kept, "_every_location"):
        kept._every_location = list(Location.objects.all())
    found: list[Location] = kept._every_location
    return found


def location_of(request: HttpRequest) -> Location:
    """The location chosen in the top bar. Raises NoLocation while the clinic has none."""
    place, every = request.session.get("place") or {}, every_location(request)
    if not every:
        raise NoLocation("no location yet")
    return next((row for row in every if row.pk == place.get("id", 0)), every[0])
