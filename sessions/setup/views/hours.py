"""Weekly hours, absences, closures. What hits booked visits is shown before it is saved."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mesoclinic.accounts.permissions import Permission, require
from sessions.models import Absence, Closure, Location, Practitioner
from sessions.places import location_of
from sessions.setup import codes, queries
from sessions.setup.actions import hours as actions
from sessions.setup.forms.hours import AbsenceForm, ClosureForm, WeekForm
from sessions.setup.views.common import (
    Outcome,
    accepted,
    attempt,
    frame,
    hit_context,
    page_of,
    searched,
    user_of,
)


def _clean_key(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else 0


@require_safe
@require(Permission.HOURS_EDIT)
def hours(request: HttpRequest) -> HttpResponse:
    """Who treats, when and where."""
    text, now = searched(request), timezone.now()
    page = page_of(request, queries.practitioners(now, text))
    rows = []
    for practitioner in page:
        by_place: dict[str, list[Any]] = {}
        for row in practitioner.hours.all():
            by_place.setdefault(row.location.short_name, []).append((row.weekday, row.starts, row.ends))
        zone = queries.zone_of(practitioner) if practitioner.coming_absences else None
        rows.append(
            {
                "practitioner": practitioner,
                "does": codes.words(practitioner.qualifications, codes.QUALIFICATIONS),
                "places": [(name, queries.week_lines(week)) for name, week in by_place.items()],
                "away": [
                    queries.span_words(gone.starts_at, gone.ends_at, zone, timezone.localdate())
                    for gone in practitioner.coming_absences[:3]
                    if zone is not None
                ],
            }
        )
    context = frame(request, "hours", page=page, rows=rows, q=text)
    return render(request, "sessions/setup/hours.html", context)


@require_http_methods(["GET", "POST"])
@require(Permission.HOURS_EDIT)
def week(request: HttpRequest, pk: int) -> HttpResponse:
    """The weekly hours of one practitioner at one location."""
    practitioner = get_object_or_404(Practitioner.objects.select_related("user"), pk=pk)
    places = list(Location.objects.all())
    wanted = _clean_key(request.POST.get("place") or request.GET.get("place"))
    location = next((place for place in places if place.pk == wanted), None)
    if location is None:
        used = practitioner.hours.values_list("location", flat=True).first()
        location = next((place for place in places if place.pk == used), None) or location_of(request)
    current = actions.week_of(practitioner, location)
    seen = actions.state(current)
    outcome: Outcome | None = None
    form = WeekForm(week=current)
    if request.method == "POST":
        seen = str(request.POST.get("seen", ""))[:32]
        form = WeekForm(request.POST, week=current)
        if request.POST.get("copy") == "1":
            form = form.with_monday_copied()
        else:
            outcome = Outcome()
            if form.is_valid():
                outcome = attempt(
                    lambda: actions.set_week(
                        practitioner=practitioner, location=location, week=form.cleaned_data["week"], seen=seen,
                        by=user_of(request), now=timezone.now(), accepted=accepted(request),
                    ),
                    form,
                )  # fmt: skip
            if outcome.saved:
                messages.success(request, f"Hours of {practitioner} in {location.short_name} are saved.")
                return redirect("sessions:setup-hours")
    context = frame(
        request, "hours", practitioner=practitioner, location=location, places=places, form=form, seen=seen,
        **hit_context(outcome.hits if outcome else []),
    )  # fmt: skip
    return render(
        request, "sessions/setup/week.html", context, status=outcome.status if outcome is not None else 200
    )


# ---- absences and closures ---------------------------------------------------------------------------------


def _span_page(
    request: HttpRequest, tab: str, form: forms.Form, outcome: Outcome | None, **context: Any
) -> HttpResponse:
    page = frame(request, tab, form=form, **context, **hit_context(outcome.hits if outcome else []))
    return render(
        request, "sessions/setup/span.html", page, status=outcome.status if outcome is not None else 200
    )


@require_safe
@require(Permission.HOURS_EDIT)
def absences(request: HttpRequest) -> HttpResponse:
    """Who is away when."""
    text, past, now = searched(request), request.GET.get("past") == "1", timezone.now()
    page = page_of(request, queries.absences(now, text, past=past))
    rows = []
    for row in page:
        zone = queries.zone_of(row.practitioner) or timezone.get_current_timezone()
        words = queries.span_words(row.starts_at, row.ends_at, zone, timezone.localdate())  # type: ignore[arg-type]  # both are time zones
        rows.append({"absence": row, "words": words, "now": row.starts_at <= now < row.ends_at})
    context = frame(request, "absences", page=page, rows=rows, q=text, past=past)
    return render(request, "sessions/setup/absences.html", context)


@require_http_methods(["GET", "POST"])
@require(Permission.HOURS_EDIT)
def absence_new(request: HttpRequest) -> HttpResponse:
    """Somebody is away; the visits that are hit are shown first."""
    location_of(request)
    now = timezone.now()
    initial = {"practitioner": _clean_key(request.GET.get("practitioner")) or None}
    form = AbsenceForm(request.POST or None, now=now, initial=initial)
    outcome: Outcome | None = None
    if request.method == "POST":
        outcome = Outcome()
        if form.is_valid():
            outcome = attempt(
                lambda: actions.add_absence(
                    practitioner=form.cleaned_data["practitioner"], by=user_of(request), now=now,
                    accepted=accepted(request), **form.values(),
                ),
                form,
            )  # fmt: skip
        if outcome.saved:
            messages.success(request, f"The absence of {outcome.made.practitioner} is saved.")
            return redirect("sessions:setup-absences")
    return _span_page(
        request, "absences", form, outcome, title="New absence",
        sub="On the clock of the place where the person works.", button="Save absence", back="sessions:setup-absences",
    )  # fmt: skip


@require_http_methods(["GET", "POST"])
@require(Permission.HOURS_EDIT)
def absence(request: HttpRequest, pk: int) -> HttpResponse:
    """Change an absence that is not over."""
    found = get_object_or_404(Absence.objects.select_related("practitioner__user"), pk=pk)
    now = timezone.now()
    zone = queries.zone_of(found.practitioner) or location_of(request).zone
    form = AbsenceForm(request.POST or None, now=now, instance=found, zone=zone)
    outcome: Outcome | None = None
    if request.method == "POST":
        outcome = Outcome()
        if form.is_valid():
            outcome = attempt(
                lambda: actions.change_absence(
                    absence=found, by=user_of(request), now=now, accepted=accepted(request), **form.values()
                ),
                form,
            )
        if outcome.saved:
            messages.success(request, f"The absence of {found.practitioner} is saved.")
            return redirect("sessions:setup-absences")
    inside = (
        actions.absence_hits(found.practitioner, found.starts_at, found.ends_at, now) if not outcome else []
    )
    return _span_page(
        request, "absences", form, outcome, title=f"Absence of {found.practitioner}",
        sub=queries.span_words(found.starts_at, found.ends_at, zone, timezone.localdate()), button="Save",
        back="sessions:setup-absences", remove="sessions:setup-absence-remove", row=found, over=found.ends_at <= now,
        inside=hit_context(inside),
    )  # fmt: skip


@require_POST
@require(Permission.HOURS_EDIT)
def absence_remove(request: HttpRequest, pk: int) -> HttpResponse:
    """The person comes after all."""
    found = get_object_or_404(Absence.objects.select_related("practitioner__user"), pk=pk)
    outcome = attempt(lambda: actions.remove_absence(absence=found, by=user_of(request), now=timezone.now()))
    if outcome.saved:
        messages.success(request, f"The absence of {found.practitioner} is removed.")
    else:
        messages.error(request, outcome.error)
    return redirect("sessions:setup-absences")


@require_safe
@require(Permission.HOURS_EDIT)
def closures(request: HttpRequest) -> HttpResponse:
    """When a location is closed."""
    text, past, now = searched(request), request.GET.get("past") == "1", timezone.now()
    page = page_of(request, queries.closures(now, text, past=past))
    rows = [
        {
            "closure": row,
            "words": queries.span_words(row.starts_at, row.ends_at, row.location.zone, timezone.localdate()),
            "now": row.starts_at <= now < row.ends_at,
        }
        for row in page
    ]
    context = frame(request, "closures", page=page, rows=rows, q=text, past=past)
    return render(request, "sessions/setup/closures.html", context)


@require_http_methods(["GET", "POST"])
@require(Permission.HOURS_EDIT)
def closure_new(request: HttpRequest) -> HttpResponse:
    """A location closes; the visits that are hit are shown first."""
    here, now = location_of(request), timezone.now()
    form = ClosureForm(request.POST or None, now=now, initial={"location": here.pk})
    outcome: Outcome | None = None
    if request.method == "POST":
        outcome = Outcome()
        if form.is_valid():
            outcome = attempt(
                lambda: actions.add_closure(
                    location=form.cleaned_data["location"], by=user_of(request), now=now,
                    accepted=accepted(request), **form.values(),
                ),
                form,
            )  # fmt: skip
        if outcome.saved:
            messages.success(request, f"The closure of {outcome.made.location} is saved.")
            return redirect("sessions:setup-closures")
    return _span_page(
        request, "closures", form, outcome, title="New closure", sub="On the clock of the location.",
        button="Save closure", back="sessions:setup-closures",
    )  # fmt: skip


@require_http_methods(["GET", "POST"])
@require(Permission.HOURS_EDIT)
def closure(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a closure that is not over."""
    found = get_object_or_404(Closure.objects.select_related("location"), pk=pk)
    now, zone = timezone.now(), found.location.zone
    form = ClosureForm(request.POST or None, now=now, instance=found, zone=zone)
    outcome: Outcome | None = None
    if request.method == "POST":
        outcome = Outcome()
        if form.is_valid():
            outcome = attempt(
                lambda: actions.change_closure(
                    closure=found, by=user_of(request), now=now, accepted=accepted(request), **form.values()
                ),
                form,
            )
        if outcome.saved:
            messages.success(request, f"The closure of {found.location} is saved.")
            return redirect("sessions:setup-closures")
    inside = actions.closure_hits(found.location, found.starts_at, found.ends_at, now) if not outcome else []
    return _span_page(
        request, "closures", form, outcome, title=f"Closure of {found.location}",
        sub=queries.span_words(found.starts_at, found.ends_at, zone, timezone.localdate()), button="Save",
        back="sessions:setup-closures", remove="sessions:setup-closure-remove", row=found, over=found.ends_at <= now,
        inside=hit_context(inside),
    )  # fmt: skip


@require_POST
@require(Permission.HOURS_EDIT)
def closure_remove(request: HttpRequest, pk: int) -> HttpResponse:
    """The location is open after all."""
    found = get_object_or_404(Closure.objects.select_related("location"), pk=pk)
    outcome = attempt(lambda: actions.remove_closure(closure=found, by=user_of(request), now=timezone.now()))
    if outcome.saved:
        messages.success(request, f"The closure of {found.location} is removed.")
    else:
        messages.error(request, outcome.error)
    return redirect("sessions:setup-closures")
