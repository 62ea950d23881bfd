"""What the pages of the set-up share: one way to save, one way to show what a change would hit."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from mesoclinic.accounts.models import User
from mesoclinic.accounts.permissions import Permission, has_permission
from sessions.models import Appointment
from sessions.queries.slack import days_to_spare, most_urgent_first
from sessions.setup.faults import SetupError, VisitsHit, fingerprint

PAGE = 25
#: Buttons of a form that go on with typing: a break more, Monday copied, back from the visits that are hit.
STILL_TYPING = ("edit", "copy", "more")


@dataclass(slots=True)
class Outcome:
    """What came of a save: the thing made, or visits to look at, or errors that stand in the form."""

    made: Any = None
    saved: bool = False
    hits: list[Appointment] = field(default_factory=list)
    #: Why it can't be saved while these visits stand; empty when a person may save in spite of them.
    refusal: str = ""
    #: What is the matter with each of them, by key; and what was asked besides.
    why: dict[int, str] = field(default_factory=dict)
    about: str = ""
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
        return Outcome(hits=hit.visits, refusal=hit.refusal, why=hit.why, about=hit.about)
    except SetupError as error:
        if form is None:
            return Outcome(error=str(error))
        name = error.field or ""
        find = getattr(form, "field_for", None)
        name = find(name) if find is not None else name
        form.add_error(name if name in form.fields else None, str(error))
        return Outcome()


def visit_lines(
    request: HttpRequest, visits: list[Appointment], clock: ZoneInfo | None = None
) -> tuple[list[dict[str, Any]], Page[Any]]:
    """A page of the lines of `sessions/setup/_visits.html`, most urgent first, and its paging.

    Each is on the wall clock of its location; `becomes` is the time on another `clock`, of which no visit leaves its window.
    """
    spare = days_to_spare(visits) if clock is None else {}
    page = Paginator(most_urgent_first(visits, spare) if clock is None else visits, PAGE).get_page(
        request.POST.get("hits_page") or request.GET.get("page")
    )
    lines = [
        {
            "visit": visit,
            "starts": visit.starts_at.astimezone(visit.location.zone).replace(tzinfo=None),
            "ends": visit.ends_at.astimezone(visit.location.zone).replace(tzinfo=None),
            "spare": spare.get(visit.pk),
            "over": -spare.get(visit.pk, 0),
            "becomes": visit.starts_at.astimezone(clock).replace(tzinfo=None) if clock else None,
        }
        for visit in page
    ]
    return lines, page


def hit_context(
    request: HttpRequest, outcome: Outcome | None, clock: ZoneInfo | None = None
) -> dict[str, Any]:
    """What `sessions/setup/_hits.html` draws: visits that stop a save until they were seen."""
    hits = outcome.hits if outcome is not None else []
    lines, page = visit_lines(request, hits, clock)
    why = outcome.why if outcome is not None else {}
    for line in lines:
        line["why"] = why.get(line["visit"].pk, "")
    return {
        "hits": lines, "hits_page": page, "hit_count": len(hits),
        "hits_seen": fingerprint(hits, outcome.about) if outcome is not None and hits else "",
        "hits_refusal": outcome.refusal if outcome is not None else "", "hits_clock": clock,
    }  # fmt: skip


def still_typing(request: HttpRequest) -> bool:
    """A button was pressed that keeps what is typed and saves nothing."""
    return any(name in request.POST for name in STILL_TYPING)


def form_page(
    request: HttpRequest, tab: str, form: forms.Form, act: Callable[[], Any], done: Callable[[Any], HttpResponse], *,
    template: str = "sessions/setup/form.html", clock: Callable[[], ZoneInfo] | None = None, **words: Any,
) -> HttpResponse:  # fmt: skip
    """Every page with one form: show, check, ask about visits, save. `act` gets a valid form, `done` what it made."""
    outcome: Outcome | None = None
    if request.method == "POST" and not still_typing(request):
        outcome = attempt(act, form) if form.is_valid() else Outcome()
        if outcome.saved:
            return done(outcome.made)
    hit = outcome is not None and bool(outcome.hits)
    context = frame(
        request, tab, form=form, **words, **hit_context(request, outcome, clock() if clock and hit else None)
    )
    return render(request, template, context, status=outcome.status if outcome is not None else 200)


def told(request: HttpRequest, sentence: str, view: str, *keys: Any) -> HttpResponse:
    """It is saved: say so on the next page."""
    messages.success(request, sentence)
    return redirect(view, *keys)


def told_or_reflow(
    request: HttpRequest, sentence: str, kind: str, key: int, view: str, *keys: Any
) -> HttpResponse:
    """It is saved; where visits are hit, what would put them in order is seen next (sessions.reflow)."""
    if accepted(request):
        return told(request, sentence, "sessions:reflow-cause", kind, key)
    return told(request, sentence, view, *keys)


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
    ("absences", "Absences", "sessions:setup-absences", Permission.ABSENCE_EDIT),
    ("closures", "Closures", "sessions:setup-closures", Permission.HOURS_EDIT),
    ("types", "Visit types", "sessions:setup-types", Permission.PLACES_EDIT),
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
