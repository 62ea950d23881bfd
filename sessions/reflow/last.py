"""The last re-flow of many patients that somebody made, in their session: what it takes to undo it."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest
from django.urls import reverse

_KEY = "last-reflow"


@dataclass(frozen=True, slots=True)
class Last:
    """For which cause it was, when, and the way back of each patient in the order in which they were changed."""

    key: str
    kind: str
    cause: int
    at: datetime
    ways_back: tuple[str, ...]

    @property
    def patients(self) -> int:
        """How many have a way back."""
        return len(self.ways_back)

    @property
    def url(self) -> str:
        """Post here to undo it."""
        return reverse("sessions:reflow-undo-all", args=[self.key])


def remember(request: HttpRequest, kind: str, cause: int, at: datetime, ways_back: list[str]) -> Last:
    """Keep it until the next one or the end of the session."""
    last = Last(uuid.uuid4().hex, kind, cause, at, tuple(ways_back))
    _keep(request, last)
    return last


def _keep(request: HttpRequest, last: Last) -> None:
    request.session[_KEY] = [last.key, last.kind, last.cause, last.at.isoformat(), list(last.ways_back)]


def last(request: HttpRequest) -> Last | None:
    """None where there is none to undo."""
    kept = request.session.get(_KEY)
    if kept is None:
        return None
    key, kind, cause, at, ways_back = kept
    return Last(key, kind, cause, datetime.fromisoformat(at), tuple(ways_back))


def last_for(request: HttpRequest, kind: str, cause: int) -> Last | None:
    """The last one, where it was made for this cause."""
    found = last(request)
    return found if found is not None and (found.kind, found.cause) == (kind, cause) else None


def left(request: HttpRequest, old: Last, ways_back: list[str]) -> None:
    """Who could not go back may be tried again, once nothing is in the way."""
    if ways_back:
        _keep(request, Last(old.key, old.kind, old.cause, old.at, tuple(ways_back)))
    else:
        del request.session[_KEY]
