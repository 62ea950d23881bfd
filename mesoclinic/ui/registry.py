"""What the upper apps hang into the shell: counts, start pages and places.

The shell may not import the apps above it, so each of them fills these in its `AppConfig.ready`.
"""

from collections.abc import Callable, Sequence
from typing import NotRequired, TypedDict

from django.http import HttpRequest, HttpResponseBase

type Count = Callable[[HttpRequest], int]
type View = Callable[[HttpRequest], HttpResponseBase]


class Place(TypedDict):
    """One of the clinic's locations, as the web session keeps it."""

    id: int
    name: str
    time_zone: str
    language: NotRequired[str]
    #: The person works here: they start here.
    own: NotRequired[bool]


type Places = Callable[[HttpRequest], Sequence[Place]]

#: By navigation key (`tasks`, `courses-to-book` ...): how many wait there. Called once per page that shows it.
nav_counts: dict[str, Count] = {}

#: By role (`physician`, `nurse` ...): the view behind `/`.
start_pages: dict[str, View] = {}

_places: list[Places] = []


def set_places(places: Places) -> None:
    """Say how the places a person may choose from are listed."""
    _places[:] = [places]


def places(request: HttpRequest) -> list[Place]:
    """The clinic's places, in the order of the location switcher."""
    return list(_places[0](request)) if _places else []
