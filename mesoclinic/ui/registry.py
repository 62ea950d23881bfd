"""What the upper apps hang into the shell: counts, start pages and places.

The shell may not import the apps above it, so each of them fills these in its `AppConfig.ready`.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
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
_patients: list["PatientNames"] = []


@dataclass(frozen=True, slots=True)
class PatientNames:
    """How pages below the patients' app find patients and name them."""

    find: Callable[[str], list[int]]
    names: Callable[[Collection[int]], dict[int, str]]


def set_patients(patients: PatientNames) -> None:
    """Say how patients are found and named."""
    _patients[:] = [patients]


def find_patients(text: str) -> list[int]:
    """Keys of the patients that a search finds."""
    return _patients[0].find(text) if _patients else []


def patient_names(keys: Collection[int]) -> dict[int, str]:
    """Names with record numbers by key, in one query."""
    return _patients[0].names(keys) if _patients and keys else {}


def set_places(places: Places) -> None:
    """Say how the places a person may choose from are listed."""
    _places[:] = [places]


def places(request: HttpRequest) -> list[Place]:
    """The clinic's places, in the order of the location switcher."""
    return list(_places[0](request)) if _places else []
