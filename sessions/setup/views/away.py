"""Absences and closures: one list and one form each, and what differs between them in words."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mesoclinic.accounts.permissions import Permission, require
from mesoclinic.ui.reading import row_id
from mesoclinic.ui.toasts import toast
from sessions.models import Absence, Closure
from sessions.places import location_of
from sessions.reflow.last import last_for
from sessions.setup import queries
from sessions.setup.actions import away as actions
from sessions.setup.forms.hours import AbsenceForm, ClosureForm, SpanForm
from sessions.setup.views.common import (
    accepted,
    attempt,
    form_page,
    frame,
    page_of,
    searched,
    told_or_reflow,
    user_of,
    visit_lines,
)


@dataclass(frozen=True, slots=True)
class Pages:
    """What differs between the pages of absences and those of closures."""

    kind: actions.Kind
    add: Callable[..., Any]
    form: type[SpanForm]
    rows: Callable[..., QuerySet[Any]]
    who: str
    clock: str
    searched_by: str
    nobody: str

    @property
    def name(self) -> str:
        return self.kind.name

    @property
    def tab(self) -> str:
        return f"{self.name}s"

    @property
    def list_view(self) -> str:
        return f"sessions:setup-{self.name}s"


ABSENCES = Pages(
    actions.ABSENCE, actions.add_absence, AbsenceForm, queries.absences, who="Who", searched_by="name or reason",
    clock="On the clock of the place where the person works.", nobody="Nobody is away.",
)  # fmt: skip
CLOSURES = Pages(
    actions.CLOSURE, actions.add_closure, ClosureForm, queries.closures, who="Location",
    searched_by="location or reason", clock="On the clock of the location.", nobody="No location is closed.",
)  # fmt: skip


def _zone(request: HttpRequest, row: Absence | Closure) -> ZoneInfo:
    """The clock that a row is written on."""
    if isinstance(row, Closure):
        return row.location.zone
    return queries.zone_of(row.practitioner) or location_of(request).zone


def _list(request: HttpRequest, pages: Pages, **more: Any) -> HttpResponse:
    text, past, now = searched(request), request.GET.get("past") == "1", timezone.now()
    page = page_of(request, pages.rows(now, text, past=past))
    rows = [
        {
            "row": row,
            "owner": actions.owner_of(row),
            "words": queries.span_words(
                row.starts_at, row.ends_at, _zone(request, row), timezone.localdate()
            ),
            "now": row.starts_at <= now < row.ends_at,
            "url": reverse(f"sessions:setup-{pages.name}", args=[row.pk]),
        }
        for row in page
    ]
    context = frame(
        request, pages.tab, pages=pages, page=page, rows=rows, q=text, past=past,
        new_url=reverse(f"sessions:setup-{pages.name}-new"), **more,
    )  # fmt: skip
    return render(request, "sessions/setup/away.html", context)


def _saved(request: HttpRequest, pages: Pages, form: SpanForm, row: Absence | Closure) -> HttpResponse:
    for note in form.told:
        messages.info(request, note)
    sentence = f"The {pages.name} of {actions.owner_of(row)} is saved."
    return told_or_reflow(request, sentence, pages.name, row.pk, pages.list_view)


def _new(request: HttpRequest, pages: Pages, initial: dict[str, Any]) -> HttpResponse:
    now = timezone.now()
    form = pages.form(request.POST or None, now=now, initial=initial)
    return form_page(
        request, pages.tab, form,
        lambda: pages.add(
            **{pages.kind.owner: form.cleaned_data[pages.kind.owner]}, by=user_of(request), now=now,
            accepted=accepted(request), **form.values(),
        ),
        lambda made: _saved(request, pages, form, made),
        title=f"New {pages.name}", sub=pages.clock, button=f"Save {pages.name}", back=reverse(pages.list_view),
    )  # fmt: skip


def _change(request: HttpRequest, pages: Pages, pk: int) -> HttpResponse:
    row = get_object_or_404(pages.rows(timezone.now(), every=True), pk=pk)
    now, zone = timezone.now(), _zone(request, row)
    form = pages.form(request.POST or None, now=now, instance=row, zone=zone)
    inside: dict[str, Any] = {}
    if request.method == "GET":
        visits = actions.hits(actions.owner_of(row), row.starts_at, row.ends_at, now)
        lines, page = visit_lines(request, visits)
        inside = {
            "hits": lines, "page": page, "count": len(visits),
            "reflow": reverse("sessions:reflow-cause", args=[pages.name, pk]),
        }  # fmt: skip
    return form_page(
        request, pages.tab, form,
        lambda: actions.change_time(
            row=row, by=user_of(request), now=now, accepted=accepted(request), **form.values()
        ),
        lambda made: _saved(request, pages, form, made),
        title=f"{pages.name.capitalize()} of {actions.owner_of(row)}",
        sub=queries.span_words(row.starts_at, row.ends_at, zone, timezone.localdate()), button="Save",
        back=reverse(pages.list_view), remove=reverse(f"sessions:setup-{pages.name}-remove", args=[pk]),
        over=row.ends_at <= now, inside=inside,
    )  # fmt: skip


def _remove(request: HttpRequest, pages: Pages, pk: int) -> HttpResponse:
    row = get_object_or_404(pages.rows(timezone.now(), every=True), pk=pk)
    outcome = attempt(lambda: actions.remove(row=row, by=user_of(request), now=timezone.now()))
    if outcome.saved:
        messages.success(request, f"The {pages.name} of {actions.owner_of(row)} is removed.")
        # Who moved visits because of it, and only now hears that it was a mistake, gets them back.
        done = last_for(request, pages.name, pk)
        if done is not None:
            toast(request, f"Visits of {done.patients} patient{'s' if done.patients != 1 else ''} were moved for it.",
                  undo_url=done.url)  # fmt: skip
    else:
        messages.error(request, outcome.error)
    return redirect(pages.list_view)


@require_safe
@require(Permission.ABSENCE_EDIT)
def absences(request: HttpRequest) -> HttpResponse:
    """Who is away when."""
    return _list(request, ABSENCES)


@require_http_methods(["GET", "POST"])
@require(Permission.ABSENCE_EDIT)
def absence_new(request: HttpRequest) -> HttpResponse:
    """Somebody is away; the visits that are hit are shown first."""
    location_of(request)
    return _new(request, ABSENCES, {"practitioner": row_id(request.GET.get("practitioner"))})


@require_http_methods(["GET", "POST"])
@require(Permission.ABSENCE_EDIT)
def absence(request: HttpRequest, pk: int) -> HttpResponse:
    """Change an absence that is not over."""
    return _change(request, ABSENCES, pk)


@require_POST
@require(Permission.ABSENCE_EDIT)
def absence_remove(request: HttpRequest, pk: int) -> HttpResponse:
    """The person comes after all."""
    return _remove(request, ABSENCES, pk)


@require_safe
@require(Permission.HOURS_EDIT)
def closures(request: HttpRequest) -> HttpResponse:
    """When a location is closed, and whether somebody decided on public holidays."""
    return _list(
        request, CLOSURES, undecided=queries.undecided_years(timezone.now()), here=location_of(request)
    )


@require_http_methods(["GET", "POST"])
@require(Permission.HOURS_EDIT)
def closure_new(request: HttpRequest) -> HttpResponse:
    """A location closes; the visits that are hit are shown first."""
    return _new(request, CLOSURES, {"location": location_of(request).pk})


@require_http_methods(["GET", "POST"])
@require(Permission.HOURS_EDIT)
def closure(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a closure that is not over."""
    return _change(request, CLOSURES, pk)


@require_POST
@require(Permission.HOURS_EDIT)
def closure_remove(request: HttpRequest, pk: int) -> HttpResponse:
    """The location is open after all."""
    return _remove(request, CLOSURES, pk)
