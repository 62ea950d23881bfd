"""Types of single visits: list, new, change, offer no longer."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mesoclinic.accounts.permissions import Permission, require
from sessions.models import AppointmentType
from sessions.setup import codes, queries
from sessions.setup.actions import types as actions
from sessions.setup.forms.types import TypeForm
from sessions.setup.views.common import (
    accepted,
    form_page,
    frame,
    page_of,
    searched,
    told,
    told_or_reflow,
    user_of,
)

LIST = "sessions:setup-types"


@require_safe
@require(Permission.PLACES_EDIT)
def types(request: HttpRequest) -> HttpResponse:
    """What single visits are booked as; those no longer offered on a list of their own."""
    text, closed = searched(request), request.GET.get("closed") == "1"
    page = page_of(request, queries.types(text, closed=closed))
    does, uses, devices = dict(codes.QUALIFICATIONS), dict(codes.ROOM_USES), dict(codes.DEVICE_KINDS)
    rows = [
        {
            "type": row,
            "does": does.get(row.qualification, row.qualification),
            "room": uses.get(row.capability, row.capability),
            "device": devices.get(row.device_kind, row.device_kind),
        }
        for row in page
    ]
    context = frame(request, "types", page=page, rows=rows, q=text, closed=closed)
    return render(request, "sessions/setup/types.html", context)


@require_http_methods(["GET", "POST"])
@require(Permission.PLACES_EDIT)
def type_new(request: HttpRequest) -> HttpResponse:
    """A new type."""
    form = TypeForm(request.POST or None)
    return form_page(
        request, "types", form, lambda: actions.add(by=user_of(request), **form.cleaned_data),
        lambda made: told(request, f"{made.name} can be booked.", LIST),
        title="New visit type", sub="What the front desk can book as a single visit.", button="Add type",
        back=reverse(LIST),
    )  # fmt: skip


@require_http_methods(["GET", "POST"])
@require(Permission.PLACES_EDIT)
def type_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a type; visits that would lack what it asks for are shown first."""
    found = get_object_or_404(AppointmentType, pk=pk)
    form = TypeForm(request.POST or None, instance=found)
    return form_page(
        request, "types", form,
        lambda: actions.change(
            type=found, by=user_of(request), now=timezone.now(), accepted=accepted(request), **form.cleaned_data
        ),
        lambda made: told_or_reflow(request, f"{made.name} is saved.", "type", found.pk, LIST),
        title=found.name, sub="Visits that are booked keep their length.", button="Save", back=reverse(LIST),
        type=found, template="sessions/setup/type.html",
    )  # fmt: skip


@require_POST
@require(Permission.PLACES_EDIT)
def type_offer(request: HttpRequest, pk: int) -> HttpResponse:
    """Offer a type for booking, or no longer."""
    found = get_object_or_404(AppointmentType, pk=pk)
    active = request.POST.get("to") == "on"
    actions.offer(type=found, active=active, by=user_of(request))
    return told(request, f"{found.name} is {'offered again' if active else 'no longer offered'}.", LIST)
