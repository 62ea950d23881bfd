"""Public holidays of a location and a year: which of them it is closed on."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from mesoclinic.accounts.permissions import Permission, require
from mesoclinic.ui.reading import row_id
from sessions.models import HolidayYear, Location
from sessions.setup import holidays as calendar
from sessions.setup.actions import holidays as actions
from sessions.setup.forms.holidays import HolidaysForm
from sessions.setup.views.common import accepted, form_page, user_of

#: Visits are booked up to two years ahead.
YEARS_AHEAD = 2


@require_http_methods(["GET", "POST"])
@require(Permission.HOURS_EDIT)
def holidays(request: HttpRequest, pk: int) -> HttpResponse:
    """Tick the holidays on which the location is closed; the visits that are hit are shown first."""
    location, now = get_object_or_404(Location, pk=pk), timezone.now()
    today = now.astimezone(location.zone).date()
    years = [today.year + ahead for ahead in range(YEARS_AHEAD + 1)]
    wanted = row_id(request.POST.get("year") or request.GET.get("year"))
    year = wanted if wanted in years else today.year
    listed = calendar.of_year(location.country, location.subdivision, year)
    standing = actions.closures_of(location, year)
    decided = HolidayYear.objects.filter(location=location, year=year).select_related("decided_by").first()
    ticked = set(standing) if decided else {row.day for row in listed if row.public}
    known = {row.day: row for row in listed}
    # What it was closed for and is no holiday any more: shown unticked, so that saving opens it.
    dropped = [
        calendar.Holiday(day, row.reason, kind="no longer listed")
        for day, row in standing.items()
        if day not in known
    ]
    rows = sorted([*listed, *dropped], key=lambda row: row.day)
    form = HolidaysForm(
        request.POST or None, days=[row.day for row in rows], ticked=ticked - {row.day for row in dropped}
    )

    def done(_made: Any) -> HttpResponse:
        messages.success(request, f"Public holidays of {year} in {location.short_name} are saved.")
        if accepted(request):
            # Several days may hit visits: they stand on one list.
            return redirect("sessions:not-possible")
        return redirect(f"{reverse('sessions:setup-holidays', args=[pk])}?year={year}")

    visits = actions.visits_by_day(location, [row.day for row in rows], now)
    return form_page(
        request, "closures", form,
        lambda: actions.decide(
            location=location, year=year, closed=form.cleaned_data["closed"], by=user_of(request), now=now,
            accepted=accepted(request),
        ),
        done, template="sessions/setup/holidays.html", location=location, year=year, years=years, decided=decided,
        where=calendar.place_words(location.country, location.subdivision),
        rows=[
            {"holiday": row, "key": row.day.isoformat(), "over": row.day < today, "closed": row.day in standing,
             "visits": len(visits[row.day]), "dropped": row in dropped}
            for row in rows
        ],
    )  # fmt: skip
