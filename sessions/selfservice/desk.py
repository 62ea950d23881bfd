"""The front desk's side of self-service: who waits for another time, and links that must not work any more."""

from typing import cast

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from mesoclinic.accounts.models import User
from mesoclinic.accounts.permissions import Permission, require
from sessions.models import Appointment, TimeRequest
from sessions.selfservice import actions, queries


@require_safe
@require(Permission.BOOKING_EDIT)
def requests(request: HttpRequest) -> HttpResponse:
    """Patients who found no fitting time by link, the longest waiting first."""
    text = request.GET.get("q", "").strip()[:80]
    page = Paginator(queries.open_requests(text), 25).get_page(request.GET.get("page"))
    return render(request, "sessions/selfservice/desk/requests.html", {"page": page, "q": text})


@require_POST
@require(Permission.BOOKING_EDIT)
def request_settle(request: HttpRequest, pk: int) -> HttpResponse:
    """The patient has been called."""
    found = get_object_or_404(TimeRequest, pk=pk)
    actions.settle(request=found, by=cast(User, request.user), now=timezone.now())
    messages.success(request, "The request is settled.")
    return redirect("sessions:requests")


@require_POST
@require(Permission.BOOKING_EDIT)
def links_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """No link sent to this visit's patient before works any more."""
    found = get_object_or_404(Appointment.objects.select_related("patient"), pk=pk)
    actions.withdraw_links(patient=found.patient, by=cast(User, request.user))
    messages.success(request, "No link sent before works any more. Messages to come carry new ones.")
    return redirect("sessions:appointment", pk)
