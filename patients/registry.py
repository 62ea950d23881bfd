"""What the upper apps hang into the chart: panels, buttons and lines of the timeline."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest

from patients.models import Patient


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One line of a patient's history. `clinical` lines are for clinical people only."""

    at: datetime
    icon: str
    title: str
    text: str = ""
    url: str = ""
    clinical: bool = True
    #: What was done part by part, each with whether it is there: `(True, "Checks")`.
    parts: Sequence[tuple[bool, str]] = ()
    #: More to read without leaving the chart, as (name, value).
    details: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Button:
    """A button of the chart's head."""

    label: str
    url: str
    icon: str
    primary: bool = False


type Source = Callable[[Patient, int], Iterable[TimelineEntry]]
type Buttons = Callable[[HttpRequest, Patient], Iterable[Button]]
#: A panel: (template, context), or None when it has nothing to show this person.
type Panel = Callable[[HttpRequest, Patient], tuple[str, dict[str, Any]] | None]


@dataclass(frozen=True, slots=True)
class BannerNote:
    """One line under a patient's banner: level (`block`, `warn`, `info`), text, and where it leads.

    `word` stands first, in place of the level's own word.
    """

    level: str
    text: str
    url: str = ""
    word: str = ""


type Notes = Callable[[HttpRequest, Patient], Iterable[BannerNote]]
#: Called inside the transaction of a change of clinical facts, with the patient's key and the cause in words.
type FactListener = Callable[[int, str], None]

timeline_sources: list[Source] = []
chart_buttons: list[Buttons] = []
chart_panels: list[Panel] = []
banner_notes: list[Notes] = []
fact_listeners: list[FactListener] = []
