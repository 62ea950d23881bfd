"""Alerts for physicians, visits on hold for the front desk."""

from typing import cast

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from mesoclinic.accounts.models import User
from mesoclinic.accounts.permissions import Permission, require
from mesoclinic.audit.actions import record_access
from mesoclinic.ui.middleware import typed
from protocols import queries_watch, watch
from protocols.models import Alert

SHOWN = {"open": "To acknowledge", "seen": "Acknowledged, still standing", "closed": "Closed"}


def _page(
    request: HttpRequest, *, failed: int = 0, reason: str = "", error: str = "", status: int = 200
) -> HttpResponse:
    user = cast(User, request.user)
    whose = "all" if request.GET.get("whose") == "all" else "mine"
    show = request.GET.get("show", "open")
    show = show if show in SHOWN else "open"
    text = request.GET.get("q", "").strip()[:80]
    rows = queries_watch.alerts_for(None if whose == "all" else user.pk, show=show, text=text)
    page = Paginator(rows, 20).get_page(request.GET.get("page"))
    context = {"page": page, "whose": whose, "show": show, "shown": SHOWN, "q": text, "failed": failed,
               "typed_reason": reason, "error": error,
               # An alert that somebody dealt with meanwhile is on no row of this list.
               "gone": bool(error) and failed not in {alert.pk for alert in page}}  # fmt: skip
    return render(request, "protocols/watch/alerts.html", context, status=status)


@require_safe
@require(Permission.PROFILE_VIEW)
def alerts(request: HttpRequest) -> HttpResponse:
    """What came up against signed plans since their signature: the own ones, or everybody's."""
    return _page(request)


@require_POST
@require(Permission.PLAN_SIGN)
def acknowledge(request: HttpRequest, pk: int) -> HttpResponse:
    """Say that a physician has seen an alert; a warning needs the reason to go on."""
    alert = get_object_or_404(Alert.objects.select_related("plan"), pk=pk)
    user, reason = cast(User, request.user), typed(request, "reason", 600)
    from_plan = request.POST.get("back") == "plan"
    record_access(by=user, patient_id=alert.plan.patient_id, what="alert")
    try:
        watch.acknowledge(alert=alert, by=user, reason=reason, now=timezone.now())
    except watch.WatchError as error:
        if not from_plan:
            return _page(request, failed=pk, reason=reason[:600], error=str(error), status=422)
        messages.error(request, str(error))
    else:
        messages.success(request, "Acknowledged.")
    if from_plan:
        return redirect("protocols:plan", alert.plan_id)
    return redirect(f"{reverse('protocols:alerts')}?{request.GET.urlencode()}")


@require_safe
@require(Permission.BOOKING_EDIT)
def visits_on_hold(request: HttpRequest) -> HttpResponse:
    """Coming visits that a physician must look at first: patient, time, physician. Nothing clinical."""
    text = request.GET.get("q", "").strip()[:80]
    page = Paginator(queries_watch.visits_on_hold(timezone.now(), text), 25).get_page(request.GET.get("page"))
    context = {"page": page, "q": text, "on_hold": queries_watch.ON_HOLD}
    return render(request, "protocols/watch/visits_on_hold.html", context)
