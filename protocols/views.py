"""Assessment, plan and the physician's open work. The catalogue: views_catalogue.py."""

from typing import Any, cast

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mesoclinic.accounts.forms import UnlockForm
from mesoclinic.accounts.models import User
from mesoclinic.accounts.permissions import Permission, has_permission, require
from mesoclinic.audit.actions import record_access
from mesoclinic.ui.middleware import typed
from patients.actions import PatientError
from patients.actions import asked_none as mark_asked
from patients.models import Patient
from patients.queries import with_name
from patients.shell import banner_for
from patients.views import fact_lists
from protocols import actions, queries
from protocols.actions_replan import ending
from protocols.catalogue import knowledge
from protocols.engine import CaseFaults
from protocols.engine.recheck import EditFault
from protocols.forms import (
    MAX_CONCERNS,
    ConcernForm,
    PreferencesForm,
    SafetyForm,
    concern_forms,
    concern_prefixes,
    unblamed,
)
from protocols.models import TreatmentPlan
from protocols.queries_replan import version_difference


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)


def _whole(text: str | None) -> int:
    """A number from a request; anything else is 0, which no version or revision is."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else 0


@require_http_methods(["GET", "POST"])
@require(Permission.ASSESSMENT_EDIT)
def assess(request: HttpRequest, pk: int) -> HttpResponse:
    """Assess a patient: concerns with scores, facts, preferences. Sending it proposes a plan."""
    patient, today = get_object_or_404(Patient, pk=pk), timezone.localdate()
    data = request.POST or None
    facts = SafetyForm(data, instance=Patient.objects.get(pk=pk), today=today)
    wishes = PreferencesForm(data, prefix="wish", today=today)
    concerns = concern_forms(data, patient, today)
    fault = ""
    if request.method == "POST" and request.GET.get("restore"):
        # A draft drawn again: what is still missing is not an error yet.
        for form in (*concerns, facts, wishes):
            unblamed(form)
    elif request.method == "POST":
        valid = [form.is_valid() for form in (*concerns, facts, wishes)]
        pairs = [(form.indication, form.area) for form in concerns]
        if len(set(pairs)) < len(pairs):
            fault = "The same concern stands twice. Take one of them out."
        elif all(valid):
            try:
                plan = actions.assess_and_propose(
                    patient=patient, by=_user(request), today=today, version=_whole(request.POST.get("version")),
                    facts=facts.cleaned_data, preferences=wishes.values(),
                    concerns=[form.values() for form in concerns],
                )  # fmt: skip
            except PatientError as error:
                fault = str(error)
            except CaseFaults as error:
                fault = "The facts contradict themselves: " + "; ".join(text for _path, text in error.faults)
            else:
                return redirect("protocols:plan", plan.pk)
        else:
            fault = "Some answers need another look. They are marked below."
    else:
        record_access(by=_user(request), patient_id=pk, what="assessment")
    context = _asked(patient) | {
        "patient": patient, "banner": banner_for(request, patient), "facts": facts, "wishes": wishes,
        "concerns": concerns, "fault": fault, "today": today,
        "more": len(concerns) < MAX_CONCERNS,
        "version": request.POST.get("version") or patient.version,
    }  # fmt: skip
    return render(request, "protocols/assess.html", context, status=422 if fault else 200)


def _asked(patient: Patient) -> dict[str, Any]:
    """The coded lists, and which of them nobody has asked for yet."""
    lists = fact_lists(patient)
    return {"lists": lists, "unasked": [row["title"].lower() for row in lists if row["asked"] is None]}


@require_POST
@require(Permission.PROFILE_EDIT)
def asked_none(request: HttpRequest, pk: int) -> HttpResponse:
    """Everything that was not asked yet is asked now, and there is nothing."""
    patient, today = get_object_or_404(Patient, pk=pk), timezone.localdate()
    with transaction.atomic():
        for row in fact_lists(patient):
            if row["asked"] is None:
                mark_asked(patient=patient, kind=row["kind"], by=_user(request), today=today)
    patient.refresh_from_db()
    if not getattr(request, "htmx", False):
        return redirect("patients:profile", pk)
    return render(request, "protocols/_lists.html", _asked(patient) | {"patient": patient})


def _posted(request: HttpRequest, name: str) -> str:
    prefix = request.GET.get("prefix", "")
    if prefix not in {f"c{n}" for n in range(MAX_CONCERNS)} or name not in {"concern", "score"}:
        raise Http404
    return prefix


@require_POST
@require(Permission.ASSESSMENT_EDIT)
def concern(request: HttpRequest, pk: int) -> HttpResponse:
    """The card of one concern again, after its indication, area or scale changed. Values stay."""
    patient = get_object_or_404(Patient, pk=pk)
    prefix = _posted(request, "concern")
    form = ConcernForm(request.POST, prefix=prefix, sex=patient.sex, today=timezone.localdate())
    return render(request, "protocols/_concern.html", {"concern": unblamed(form), "patient": patient})


@require_POST
@require(Permission.ASSESSMENT_EDIT)
def concern_add(request: HttpRequest, pk: int) -> HttpResponse:
    """One more concern, or no more room."""
    patient = get_object_or_404(Patient, pk=pk)
    used = set(concern_prefixes(request.POST))
    free = [f"c{n}" for n in range(MAX_CONCERNS) if f"c{n}" not in used]
    if not free:
        return HttpResponse(status=204)
    form = ConcernForm(None, prefix=free[0], sex=patient.sex, today=timezone.localdate())
    return render(request, "protocols/_concern.html", {"concern": unblamed(form), "patient": patient})


@require_POST
@require(Permission.ASSESSMENT_EDIT)
def score(request: HttpRequest, pk: int) -> HttpResponse:
    """The score of one concern by the engine's own code, while its items are entered."""
    patient = get_object_or_404(Patient, pk=pk)
    prefix = _posted(request, "score")
    form = ConcernForm(request.POST, prefix=prefix, sex=patient.sex, today=timezone.localdate())
    return render(request, "protocols/_score.html", {"concern": form, "swap": True})


# ---- the plan ----------------------------------------------------------------------------------------------


def _plan(pk: int) -> TreatmentPlan:
    plans = TreatmentPlan.objects.select_related(
        "patient", "created_by", "signed_by", "assessment__author", "supersedes"
    )
    return get_object_or_404(plans, pk=pk)


def _plan_page(
    request: HttpRequest, plan: TreatmentPlan, *, fault: str = "", fault_path: str = "", typed: str = "",
    sign_error: str = "", reason: dict[str, str] | None = None, status: int = 200,
) -> HttpResponse:  # fmt: skip
    may_edit = has_permission(request.user, Permission.PLAN_EDIT)
    context = queries.plan_page(plan) | {
        "plan": plan, "patient": plan.patient, "banner": banner_for(request, plan.patient),
        "editable": plan.status == TreatmentPlan.Status.DRAFT and may_edit, "fault": fault,
        "fault_path": fault_path, "typed": typed, "sign_error": sign_error, "reason": reason or {},
    }  # fmt: skip
    if plan.follows and plan.supersedes_id:
        context |= {
            "version_rows": version_difference(plan), "ending": ending(plan),
            "decisions": plan.content.get("courses", []),
        }  # fmt: skip
    if not has_permission(request.user, Permission.PROFILE_VIEW):
        template = "protocols/plan_windows.html"
    elif getattr(request, "htmx", False):
        template = "protocols/_plan.html"
    else:
        template = "protocols/plan.html"
    return render(request, template, context, status=status)


@require_safe
@require(Permission.PLAN_VIEW)
def plan(request: HttpRequest, pk: int) -> HttpResponse:
    """The plan: course, limits, findings, reasons. The front desk sees windows and lengths."""
    found = _plan(pk)
    if found.status == TreatmentPlan.Status.DRAFT and not has_permission(
        request.user, Permission.PROFILE_VIEW
    ):
        raise Http404  # a draft is the physician's own
    record_access(by=_user(request), patient_id=found.patient_id, what="plan")
    return _plan_page(request, found)


def _small(text: str) -> int | None:
    """A whole number of at most three digits as typed; None for anything else."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else None


def _changes(data: QueryDict, plan: TreatmentPlan) -> dict[str, Any]:
    """Edits of a request: `values.0.1.0.volume_ml`, `sessions.0`, `window.0.1.latest`, `choice`."""
    changes: dict[str, Any] = {}
    windows: dict[str, dict[str, int]] = {}
    for key, text in data.items():
        text = str(text)
        kind, _dot, rest = key.partition(".")
        if kind == "values" and rest.count(".") == 3:
            path, _dot, name = rest.rpartition(".")
            changes.setdefault("values", {}).setdefault(path, {})[name] = text
        elif kind == "sessions" and _small(rest) is not None:
            count = _small(text)
            if count is None:
                raise EditFault(key, "Enter a whole number of sessions")
            changes.setdefault("sessions", {})[rest] = count
        elif kind == "window" and rest.count(".") == 2:
            path, _dot, name = rest.rpartition(".")
            numbers = path.split(".")
            if name not in {"earliest", "target", "latest"} or any(_small(n) is None for n in numbers):
                raise EditFault(key, "Unknown value")
            count = _small(text)
            if count is None:
                raise EditFault(key, "Enter whole days")
            windows.setdefault(path, {})[name] = count
    for path, days in windows.items():
        if len(days) == 3:
            row = [days["earliest"], days["target"], days["latest"]]
            changes.setdefault("windows", {})[path] = row
    if data.get("choice"):
        concern_code, _bar, rest = str(data["choice"]).partition("|")
        modality, _bar, cocktail = rest.partition("|")
        known = {code for course in plan.content.get("courses", ()) for code in course["concerns"]}
        modalities = {row["code"] for row in knowledge().vocabulary["modalities"]}
        if concern_code not in known or modality not in modalities or cocktail not in knowledge().cocktails:
            raise EditFault("choice", "This choice is not in the plan")
        changes["choice"] = {concern_code: [modality, cocktail]}
    return changes


@require_POST
@require(Permission.PLAN_EDIT)
def plan_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change values of a draft; the answer is the whole plan, checked again."""
    found = _plan(pk)
    try:
        changes = _changes(request.POST, found)
        if not changes:
            raise EditFault("", "Nothing was changed")
        actions.edit_plan(
            plan=found, by=_user(request), revision=_whole(request.POST.get("revision")), changes=changes,
            today=timezone.localdate(),
        )  # fmt: skip
    except EditFault as error:
        return _plan_page(
            request, _plan(pk), fault=str(error), fault_path=error.path.removeprefix("values."),
            typed=str(request.POST.get(error.path, "")), status=422,
        )  # fmt: skip
    except actions.PlanError as error:
        return _plan_page(request, _plan(pk), fault=str(error), status=409)
    if getattr(request, "htmx", False):
        return _plan_page(request, _plan(pk))
    return redirect("protocols:plan", pk)


@require_POST
@require(Permission.PLAN_EDIT)
def plan_answer(request: HttpRequest, pk: int) -> HttpResponse:
    """Write the reason to go on despite a warning."""
    found = _plan(pk)
    key, reason = typed(request, "key", 200), typed(request, "reason", 600)
    try:
        actions.answer_finding(plan=found, key=key, reason=reason, by=_user(request))
    except actions.PlanError as error:
        said = {"key": key, "text": reason[:600], "error": str(error)}
        return _plan_page(request, _plan(pk), reason=said, status=422)
    if getattr(request, "htmx", False):
        return _plan_page(request, _plan(pk))
    return redirect("protocols:plan", pk)


@require_POST
@require(Permission.PLAN_EDIT)
def plan_again(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask the engine again with today's facts."""
    try:
        actions.propose_again(plan=_plan(pk), by=_user(request), today=timezone.localdate())
    except (actions.PlanError, CaseFaults) as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "Proposed again with the facts of now.")
    return redirect("protocols:plan", pk)


@sensitive_post_parameters("password")
@require_POST
@require(Permission.PLAN_SIGN)
def plan_sign(request: HttpRequest, pk: int) -> HttpResponse:
    """Sign with the own password. Freezes the plan and asks the front desk to book it."""
    found, user = _plan(pk), _user(request)
    form = UnlockForm(request.POST, request=request)
    if not form.is_valid():
        said = " ".join(str(text) for errors in form.errors.values() for text in errors)
        return _plan_page(request, found, sign_error=f"{said} The plan is not signed.", status=422)
    try:
        actions.sign_plan(
            plan=found, by=user, revision=_whole(request.POST.get("revision")), now=timezone.now(),
            today=timezone.localdate(),
        )  # fmt: skip
    except (actions.PlanError, CaseFaults) as error:
        return _plan_page(request, _plan(pk), sign_error=str(error), status=409)
    messages.success(request, "Signed. The front desk sees the course under Courses to book.")
    return redirect("protocols:plan", pk)


@require_POST
@require(Permission.PLAN_EDIT)
def plan_discard(request: HttpRequest, pk: int) -> HttpResponse:
    """Throw a draft away."""
    found = _plan(pk)
    try:
        actions.discard_plan(plan=found, by=_user(request))
    except actions.PlanError as error:
        messages.error(request, str(error))
        return redirect("protocols:plan", pk)
    messages.success(request, "Draft discarded. The assessment stays in the history.")
    return redirect("patients:chart", found.patient_id)


@require_safe
@require(Permission.PLAN_EDIT)
def tasks(request: HttpRequest) -> HttpResponse:
    """Plans that wait for a signature: the own ones, or everybody's."""
    whose = "all" if request.GET.get("whose") == "all" else "mine"
    rows = queries.drafts(None if whose == "all" else _user(request).pk)
    text = request.GET.get("q", "").strip()[:80]
    if text:
        rows = rows.filter(patient__in=with_name(text))
    page = Paginator(rows, 25).get_page(request.GET.get("page"))
    for draft in page:
        levels = [f["level"] for f in draft.findings]
        draft.blocks, draft.warnings = levels.count("block"), levels.count("warn")  # type: ignore[attr-defined]
    return render(request, "protocols/tasks.html", {"page": page, "whose": whose, "q": text})
