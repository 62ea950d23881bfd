"""What the pages of the set-up share: one way to save, one way to show what a change would hit."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from django import forms
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from mesoclinic.accounts.models import User
from mesoclinic.accounts.permissions import Permission, has_permission
from sessions.models import Appointment
from sessions.setup.faults import SetupError, VisitsHit, fingerprint

PAGE = 25
#: More lines than this are counted, not drawn.
SHOWN = 60


@dataclass(slots=True)
class Outcome:
    """What came of a save: the thing made, or visits to look at, or errors that stand in the form."""

    made: Any = None
    saved: bool = False
    hits: list[Appointment] = field(default_factory=list)
    error: str = ""

    @property
    def status(self) -> int:
        """409 for a question or an act that is not possible, 422 for a field to correct."""
        return 409 if self.hits or self.error else 422


def user_of(request: HttpRequest) -> User:
    return cast(User, request.user)


def accepted(request: HttpRequest) -> str:
    """Which visits the person has seen and leaves as they are."""
    return str(request.POST.get("accepted", ""))[:64]


def attempt(act: Callable[[], Any], form: forms.Form | None = None) -> Outcome:
    """Do it. What the action refuses lands beside its field, or above the form."""
    try:
        return Outcome(made=act(), saved=True)
    except VisitsHit as hit:
        return Outcome(hits=hit.visits)
    except SetupError as error:
        if form is None:
            return Outcome(error=str(error))
        name = error.field or ""
        find = getattr(form, "field_for", None)
        name = find(name) if find is not None else name
        form.add_error(name if name in form.fields else None, str(error))
        return Outcome()


def hit_context(hits: list[Appointment]) -> dict[str, Any]:
    """The lines of `sessions/setup/_hits.html`, each on the wall clock of its location."""
    return {
        "hits": [
            {
                "visit": visit,
                "starts": visit.starts_at.astimezone(visit.location.zone).replace(tzinfo=None),
                "ends": visit.ends_at.astimezone(visit.location.zone).replace(tzinfo=None),
            }
            for visit in hits[:SHOWN]
        ],
        "hit_count": len(hits),
        "hits_more": max(len(hits) - SHOWN, 0),
        "hits_seen": fingerprint(hits) if hits else "",
    }


def searched(request: HttpRequest) -> str:
    """What was typed into the search field of a list."""
    return request.GET.get("q", "").replace("\x00", "").strip()[:80]


def page_of(request: HttpRequest, rows: QuerySet[Any]) -> Page[Any]:
    return Paginator(rows, PAGE).get_page(request.GET.get("page"))


#: Tabs of the set-up: name in `request.resolver_match.view_name`, word, view, permission.
TABS = (
    ("steps", "First steps", "sessions:setup", Permission.PLACES_EDIT),
    ("places", "Places", "sessions:setup-places", Permission.PLACES_EDIT),
    ("people", "People", "sessions:setup-people", Permission.STAFF_EDIT),
    ("hours", "Working hours", "sessions:setup-hours", Permission.HOURS_EDIT),
    ("absences", "Absences", "sessions:setup-absences", Permission.HOURS_EDIT),
    ("closures", "Closures", "sessions:setup-closures", Permission.HOURS_EDIT),
    ("products", "Products and lots", "sessions:stock-products", Permission.STOCK_EDIT),
)


def frame(request: HttpRequest, tab: str, **context: Any) -> dict[str, Any]:
    """Context of every page of the set-up: the tabs that the person may open."""
    tabs = [
        {"word": word, "url": reverse(view), "current": key == tab}
        for key, word, view, permission in TABS
        if has_permission(request.user, permission)
    ]
    # One tab is no choice: a nurse comes from the stock page and sees no set-up.
    return {"setup_tabs": tabs if len(tabs) > 1 else [], "today": timezone.localdate(), **context}
