"""Weekly hours. What hits booked visits is shown before it is saved."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from mesoclinic.accounts.permissions import Permission, require
from mesoclinic.ui.reading import row_id
from sessions.models import Location, Practitioner
from sessions.places import location_of
from sessions.setup import codes, queries
from sessions.setup.actions import hours as actions
from sessions.setup.forms.hours import WeekForm
from sessions.setup.views.common import (
    accepted,
    form_page,
    frame,
    page_of,
    searched,
    told_or_reflow,
    user_of,
)


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
    wanted = row_id(request.POST.get("place") or request.GET.get("place"))
    location = next((place for place in places if place.pk == wanted), None)
    if location is None:
        used = practitioner.hours.values_list("location", flat=True).first()
        location = next((place for place in places if place.pk == used), None) or location_of(request)
    current = actions.week_of(practitioner, location)
    form = WeekForm(request.POST or None, week=current)
    if "copy" in request.POST:
        form = form.with_monday_copied()
    elif "more" in request.POST:
        form = form.with_another_break()
    seen = str(request.POST.get("seen", ""))[:32] if request.method == "POST" else actions.state(current)

    def save() -> None:
        actions.set_week(
            practitioner=practitioner, location=location, week=form.cleaned_data["week"], seen=seen,
            by=user_of(request), now=timezone.now(), accepted=accepted(request),
        )  # fmt: skip

    return form_page(
        request, "hours", form, save,
        lambda _made: told_or_reflow(
            request, f"Hours of {practitioner} in {location.short_name} are saved.", "practitioner", practitioner.pk,
            "sessions:setup-hours",
        ),
        template="sessions/setup/week.html", practitioner=practitioner, location=location, places=places, seen=seen,
    )  # fmt: skip
