"""The treatment day on the tablet, and the lots that were used."""

import uuid
from collections.abc import Mapping
from typing import cast

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Prefetch, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from mesoclinic.accounts.models import User
from mesoclinic.accounts.permissions import Permission, has_permission, require
from mesoclinic.audit.actions import record_access
from patients.shell import banner_for
from sessions.actions import treatment as actions
from sessions.forms.treatment import CorrectionForm, TreatmentForm
from sessions.models import Appointment, Lot, TreatmentRecord
from sessions.queries.treatment import records_with_lot, sign_obstacles


def _record(pk: int) -> TreatmentRecord:
    records = TreatmentRecord.objects.select_related(
        "patient",
        "operator",
        "signed_by",
        "anaesthetic_lot",
        "appointment__location",
        "appointment__room",
        "appointment__device",
        "appointment__practitioner__user",
        "appointment__planned_session__plan",
        "saved_by",
        "supersedes",
    ).prefetch_related(
        "areas",
        Prefetch("components"),
        "components__lot__product",
        "checks__by",
        "decisions__by",
        "supersedes__components",
        "supersedes__areas",
        "successors",
        "sheets",
    )
    return get_object_or_404(records, pk=pk)


@require_POST
@require(Permission.TREATMENT_RECORD)
def open_treatment(request: HttpRequest, pk: int) -> HttpResponse:
    """Begin (or go on with) the record of an arrived patient's session."""
    appointment = get_object_or_404(Appointment, pk=pk)
    try:
        record = actions.open_record(appointment=appointment, by=cast(User, request.user), now=timezone.now())
    except actions.TreatmentError as error:
        messages.error(request, str(error))
        return redirect("patients:chart", appointment.patient_id)
    return redirect("sessions:treatment", record.pk)


def _page(
    request: HttpRequest,
    record: TreatmentRecord,
    *,
    bound: bool = False,
    error: str = "",
    refused: Mapping[str, str] | None = None,
    stale: int | None = None,
    decision: Mapping[str, str] | None = None,
    status: int = 200,
) -> HttpResponse:
    """The page as it is stored, or as it is typed (`bound`). `stale`: the revision that the page was drawn from."""
    obstacles = sign_obstacles(record)
    form = TreatmentForm(request.POST if bound else None, record=record, obstacles=obstacles)
    if bound:
        form.is_valid()
    for place, text in (refused or {}).items():
        form.said.setdefault(place, []).insert(0, text)
    planned = record.appointment.planned_session
    planned_total = planned.plan.planned_sessions.filter(course=planned.course).count() if planned else 0
    posted = request.POST.get("page", "")
    context = {
        "record": record,
        "form": form,
        "error": error,
        "banner": banner_for(request, record.patient),
        "planned": planned,
        "planned_total": planned_total,
        "obstacles": obstacles,
        "blocks": [obstacle for obstacle in obstacles if obstacle.level == "block"],
        "to_decide": [obstacle for obstacle in obstacles if obstacle.level == "decide"],
        "decision": decision or {},
        "may_decide": has_permission(request.user, Permission.PLAN_SIGN),
        "checked": sum(1 for row in form.check_rows if row["value"]),
        "revision": record.revision if stale is None else stale,
        "differences": form.differences() if stale is not None else [],
        "stale": stale is not None,
        "page_token": posted if posted.isalnum() and len(posted) == 32 else uuid.uuid4().hex,
    }
    template = "sessions/treatment/page.html"
    if request.htmx and request.method == "POST":  # type: ignore[attr-defined]  # set by the htmx middleware
        template, context["swap"] = "sessions/treatment/page.html#saved", True
    return render(request, template, context, status=status)


def _signed_page(request: HttpRequest, record: TreatmentRecord, *, error: str = "") -> HttpResponse:
    """The frozen record. With `error`, what was sent came after the signature."""
    context = {
        "record": record,
        "error": error,
        "banner": banner_for(request, record.patient),
        "correction": CorrectionForm(),
        "newer": record.successors.first(),
        "sheet": record.sheets.first(),
    }
    template = "sessions/treatment/signed.html"
    if request.htmx and error:  # type: ignore[attr-defined]  # set by the htmx middleware
        template = "sessions/treatment/signed.html#late"
    return render(request, template, context, status=409 if error else 200)


def _revision(request: HttpRequest) -> int:
    """The revision that the page was drawn from, or that its user chose to write over; -1 when it is none."""
    text = request.POST.get("over") or request.POST.get("revision", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1


def _save_posted(request: HttpRequest, pk: int) -> HttpResponse | None:
    """Save what the page holds. Answers with a page where that is not all of it: nothing typed is lost."""
    record = _record(pk)
    if record.signed_at is not None:
        return _signed_page(request, record, error=actions.signed_words(record))
    form = TreatmentForm(request.POST, record=record)
    valid = form.is_valid()
    try:
        actions.save_record(
            record=record,
            data=form.save_data(),
            by=cast(User, request.user),
            now=timezone.now(),
            revision=_revision(request),
            page=request.POST.get("page", "")[:32],
        )
    except actions.Stale as error:
        shown = -1 if _revision(request) < 0 else _revision(request)
        return _page(request, _record(pk), bound=True, error=str(error), stale=shown, status=409)
    except actions.LotRefused as error:
        return _page(request, _record(pk), bound=True, refused=error.rows, error=str(error), status=409)
    except actions.TreatmentError as error:
        return _refused(request, pk, str(error), bound=True)
    if not valid:
        return _page(request, _record(pk), bound=True, status=422)
    return None


def _refused(request: HttpRequest, pk: int, error: str, *, bound: bool = False) -> HttpResponse:
    """An act was refused: the page says why; when somebody signed meanwhile, who and when."""
    record = _record(pk)
    if record.signed_at is not None:
        return _signed_page(request, record, error=actions.signed_words(record))
    return _page(request, record, bound=bound, error=error, status=409)


@require(Permission.TREATMENT_VIEW)
def treatment(request: HttpRequest, pk: int) -> HttpResponse:
    """The record: editable and saved as it is entered until signed, then read-only."""
    record = _record(pk)
    user = cast(User, request.user)
    may_record = has_permission(user, Permission.TREATMENT_RECORD)
    if request.method == "POST" and may_record:
        answer = _save_posted(request, pk)
        if answer is None:
            return _page(request, _record(pk))
        # Faults in single fields are told, the rest is saved.
        answer.status_code = 200 if answer.status_code == 422 else answer.status_code
        return answer
    if record.signed_at is None and not may_record:
        return redirect("patients:chart", record.patient_id)
    record_access(by=user, patient_id=record.patient_id, what="treatment record")
    return _signed_page(request, record) if record.signed_at is not None else _page(request, record)


@require_POST
@require(Permission.TREATMENT_RECORD)
def start(request: HttpRequest, pk: int) -> HttpResponse:
    """Start the treatment once today's checks allow it."""
    answer = _save_posted(request, pk)
    if answer is not None:
        return answer
    try:
        actions.start_treatment(record=_record(pk), by=cast(User, request.user), now=timezone.now())
    except actions.TreatmentError as error:
        return _refused(request, pk, str(error))
    return redirect("sessions:treatment", pk)


@require_POST
@require(Permission.TREATMENT_SIGN)
def sign(request: HttpRequest, pk: int) -> HttpResponse:
    """Sign the record; it is frozen from then on."""
    answer = _save_posted(request, pk)
    if answer is not None:
        return answer
    try:
        actions.sign_record(record=_record(pk), by=cast(User, request.user), now=timezone.now())
    except actions.TreatmentError as error:
        return _refused(request, pk, str(error))
    messages.success(request, _("Record signed. The aftercare sheet is ready to print."))
    return redirect("sessions:treatment", pk)


@require_POST
@require(Permission.PLAN_SIGN)
def decide(request: HttpRequest, pk: int) -> HttpResponse:
    """A physician writes the decision on something found today."""
    key = request.POST.get("key", "").replace("\x00", "")[:120]
    reason = request.POST.get("reason", "").replace("\x00", "")
    record = _record(pk)
    try:
        actions.decide(record=record, key=key, reason=reason, by=cast(User, request.user), now=timezone.now())
    except actions.TreatmentError as error:
        record = _record(pk)
        if record.signed_at is not None:
            return _signed_page(request, record, error=actions.signed_words(record))
        said = {"key": key, "reason": reason[:600], "error": str(error)}
        return _page(request, record, error=str(error), decision=said, status=422)
    return redirect("sessions:treatment", pk)


@require_POST
@require(Permission.TREATMENT_SIGN)
def correct(request: HttpRequest, pk: int) -> HttpResponse:
    """Open a new version of a signed record."""
    record = get_object_or_404(TreatmentRecord, pk=pk)
    form = CorrectionForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Write why the record is corrected."))
        return redirect("sessions:treatment", pk)
    try:
        new = actions.correct_record(
            record=record, reason=form.cleaned_data["reason"], by=cast(User, request.user), now=timezone.now()
        )
    except actions.TreatmentError as error:
        messages.error(request, str(error))
        return redirect("sessions:treatment", pk)
    return redirect("sessions:treatment", new.pk)


@require_safe
@require(Permission.STOCK_VIEW)
def stock(request: HttpRequest) -> HttpResponse:
    """All lots, soonest expiry first, with search by product, lot number or agent."""
    text = request.GET.get("q", "").replace("\x00", "").strip()[:80]
    lots = Lot.objects.select_related("product").order_by("expires_on", "pk")
    if text:
        lots = lots.filter(
            Q(number__icontains=text) | Q(product__name__icontains=text) | Q(product__agent__icontains=text)
        )
    page = Paginator(lots, 25).get_page(request.GET.get("page"))
    today = timezone.localdate()
    rows = [
        {
            "lot": lot,
            "days": (lot.expires_on - today).days,
            "discard": lot.discard_after is not None and lot.discard_after < today,
        }
        for lot in page
    ]
    return render(request, "sessions/treatment/stock.html", {"page": page, "rows": rows, "q": text})


@require_safe
@require(Permission.STOCK_VIEW)
def lot(request: HttpRequest, pk: int) -> HttpResponse:
    """One lot and every record that used it."""
    found = get_object_or_404(Lot.objects.select_related("product"), pk=pk)
    may_see = has_permission(request.user, Permission.TREATMENT_VIEW)
    page = Paginator(records_with_lot(found), 25).get_page(request.GET.get("page"))
    return render(request, "sessions/treatment/lot.html", {"lot": found, "page": page, "may_see": may_see})
