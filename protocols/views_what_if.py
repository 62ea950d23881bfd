"""What if: a panel of the plan page."""

from typing import Any, cast

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from mesoclinic.accounts.models import User
from mesoclinic.accounts.permissions import Permission, has_permission, require
from mesoclinic.ui.middleware import typed
from patients.actions import PatientError
from protocols import what_if
from protocols.actions import PlanError
from protocols.engine import CaseFaults
from protocols.models import TreatmentPlan


def _plan(pk: int) -> TreatmentPlan:
    return get_object_or_404(TreatmentPlan.objects.select_related("patient", "assessment"), pk=pk)


def _panel(request: HttpRequest, plan: TreatmentPlan, **context: Any) -> HttpResponse:
    rows = what_if.flips(plan.patient)
    code = request.GET.get("what") or request.POST.get("what") or ""
    known: dict[str, Any] = {
        "plan": plan, "patient": plan.patient, "flips": rows.values(), "flip": rows.get(code),
        "may_keep": plan.status == TreatmentPlan.Status.DRAFT and has_permission(request.user, Permission.PLAN_EDIT),
        "value": request.GET.get("value") or request.POST.get("value") or "",
    }  # fmt: skip
    return render(
        request, "protocols/what_if/_panel.html", known | context, status=422 if context.get("fault") else 200
    )


@require_safe
@require(Permission.PROFILE_VIEW)
def panel(request: HttpRequest, pk: int) -> HttpResponse:
    """Choose what to change; with a value, see what would change with it."""
    plan = _plan(pk)
    flip = what_if.flips(plan.patient).get(request.GET.get("what", ""))
    value = request.GET.get("value", "").replace("\x00", "")[:60]
    if flip is None or not value or request.GET.get("try") is None:
        return _panel(request, plan)
    try:
        rows = what_if.what_if(plan, flip, value)
    except what_if.WhatIfFault as error:
        return _panel(request, plan, fault=str(error))
    except CaseFaults as error:
        return _panel(request, plan, fault="; ".join(text for _path, text in error.faults))
    return _panel(request, plan, rows=rows, tried=True)


@require_POST
@require(Permission.PLAN_EDIT)
def keep(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep the change: it is recorded where it belongs, and the draft is proposed again."""
    plan = _plan(pk)
    try:
        what_if.keep(
            plan=plan, code=typed(request, "what", 40), text=typed(request, "value", 60),
            by=cast(User, request.user), today=timezone.localdate(),
        )  # fmt: skip
    except (what_if.WhatIfFault, PlanError, PatientError) as error:
        return _panel(request, plan, fault=str(error))
    except CaseFaults as error:
        return _panel(request, plan, fault="; ".join(text for _path, text in error.faults))
    return redirect("protocols:plan", pk)
