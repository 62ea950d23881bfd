"""The clinic's locations, and the one a person works at."""

from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from mesoclinic.ui.registry import Place
from sessions.models import Location


def places(_request: HttpRequest) -> list[Place]:
    """All locations, for the switcher in the top bar."""
    return [
        {"id": row.pk, "name": row.short_name, "time_zone": row.time_zone} for row in Location.objects.all()
    ]


def location_of(request: HttpRequest) -> Location:
    """The location chosen in the top bar. 404 while the clinic has none."""
    place = request.session.get("place") or {}
    chosen = Location.objects.filter(pk=place.get("id", 0)).first() or Location.objects.first()
    return chosen if chosen is not None else get_object_or_404(Location)
