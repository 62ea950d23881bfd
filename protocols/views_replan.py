"""Pages of a course under way: how it goes, review, adverse events, the next version."""

from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mesoclinic.accounts.forms import UnlockForm
from mesoclinic.accounts.models import User
from mesoclinic.accounts.permissions import Permission, require
from mesoclinic.audit.actions import record_access
from mesoclinic.ui.middleware import typed
from patients.shell import banner_for
from protocols import actions_replan, queries_replan
from protocols.actions import PlanError
from protocols.engine import CaseFaults
from protocols.forms_replan import AdverseEventForm, ReviewForm
from protocols.models import AdverseEvent, TreatmentPlan


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)


def _signed(pk: int) -> TreatmentPlan:
    plans = TreatmentPlan.objects.select_related("patient", "assessment", "signed_by").exclude(
        status=TreatmentPlan.Status.DRAFT
    )
    return get_object_or_404(plans, pk=pk)


def _page(
    request: HttpRequest, plan: TreatmentPlan, *, review: ReviewForm | None = None,
    event: AdverseEventForm | None = None, fault: str = "", status: int = 200,
) -> HttpResponse:  # fmt: skip
    today = timezone.localdate()
    rows = queries_replan.course_progress(plan)
    for row in rows:
        row["form"] = (
            review
            if review is not None and review.concern.pk == row["concern"].pk
            else ReviewForm(None, concern=row["concern"])
        )
    series = list(queries_replan.series_of(plan).select_related("signed_by"))
    context: dict[str, Any] = {
        "plan": plan, "patient": plan.patient, "banner": banner_for(request, plan.patient), "rows": rows,
        "events": list(queries_replan.events_of(plan)), "event_form": event or AdverseEventForm(plan=plan, today=today, prefix="ae"),
        "event_open": event is not None, "series": series, "today": today, "fault": fault,
        "in_force": plan.status in TreatmentPlan.LIVE,
        "draft": next((one for one in series if one.status == TreatmentPlan.Status.DRAFT), None),
    }  # fmt: skip
    return render(request, "protocols/replan/course.html", context, status=status)


@require_safe
@require(Permission.PROFILE_VIEW)
def course(request: HttpRequest, pk: int) -> HttpResponse:
    """How a signed course goes: scores, adverse events, versions."""
    plan = _signed(pk)
    record_access(by=_user(request), patient_id=plan.patient_id, what="course")
    return _page(request, plan)


@require_POST
@require(Permission.ASSESSMENT_EDIT)
def review(request: HttpRequest, pk: int, concern: int) -> HttpResponse:
    """Record the response of one concern."""
    plan = _signed(pk)
    row = get_object_or_404(plan.assessment.concerns, pk=concern)
    form = ReviewForm(request.POST, concern=row)
    if not form.is_valid():
        return _page(
            request,
            plan,
            review=form,
            fault="The review was not saved: look at the marked fields.",
            status=422,
        )
    try:
        actions_replan.record_review(
            plan=plan, concern=row, by=_user(request), today=timezone.localdate(), **form.values()
        )
    except PlanError as error:
        return _page(request, plan, review=form, fault=str(error), status=422)
    messages.success(request, "Review saved. Re-plan to see what follows from it.")
    return redirect("protocols:course", pk)


@require_POST
@require(Permission.PROFILE_EDIT)
def adverse_event(request: HttpRequest, pk: int) -> HttpResponse:
    """Record an adverse event of this course."""
    plan = _signed(pk)
    form = AdverseEventForm(request.POST, plan=plan, today=timezone.localdate(), prefix="ae")
    if not form.is_valid():
        return _page(
            request, plan, event=form, fault="The event was not saved: look at the marked fields.", status=422
        )
    actions_replan.record_adverse_event(plan=plan, by=_user(request), **form.cleaned_data)
    messages.success(request, "Adverse event saved. Re-plan before the next session.")
    return redirect("protocols:course", pk)


@require_POST
@require(Permission.PROFILE_EDIT)
def event_resolved(request: HttpRequest, pk: int, event: int) -> HttpResponse:
    """An adverse event is over since today."""
    plan = _signed(pk)
    row = get_object_or_404(AdverseEvent.objects.filter(plan__in=queries_replan.series_of(plan)), pk=event)
    try:
        actions_replan.resolve_adverse_event(event=row, by=_user(request), on=timezone.localdate())
    except PlanError as error:
        return _page(request, plan, fault=str(error), status=422)
    return redirect("protocols:course", pk)


@require_POST
@require(Permission.PLAN_EDIT)
def replan(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask the engine how to go on: the draft of the next version."""
    plan = _signed(pk)
    try:
        draft = actions_replan.propose_version(plan=plan, by=_user(request), today=timezone.localdate())
    except PlanError as error:
        return _page(request, plan, fault=str(error), status=409)
    except CaseFaults as error:
        told = "; ".join(text for _path, text in error.faults)
        return _page(request, plan, fault=f"The facts contradict themselves: {told}", status=422)
    return redirect("protocols:plan", draft.pk)


@sensitive_post_parameters("password")
@require_http_methods(["POST"])
@require(Permission.PLAN_SIGN)
def end(request: HttpRequest, pk: int) -> HttpResponse:
    """End the course as the draft says, with reason and password."""
    draft = get_object_or_404(TreatmentPlan.objects.select_related("patient", "supersedes"), pk=pk)
    form = UnlockForm(request.POST, request=request)
    if not form.is_valid():
        messages.error(request, "The password is not right. The course is not ended.")
        return redirect("protocols:plan", pk)
    try:
        actions_replan.end_course(
            draft=draft, by=_user(request), now=timezone.now(), today=timezone.localdate(),
            reason=typed(request, "reason", 300),
        )  # fmt: skip
    except (PlanError, CaseFaults) as error:
        messages.error(request, str(error))
        return redirect("protocols:plan", pk)
    messages.success(request, "The course is ended. Visits to come are cancelled.")
    return redirect("patients:chart", draft.patient_id)
