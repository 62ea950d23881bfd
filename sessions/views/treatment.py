"""The treatment day on the tablet, and the lots that were used."""

from typing import cast

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Prefetch, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

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
        "supersedes",
    ).prefetch_related(
        "areas",
        Prefetch("components"),
        "components__lot__product",
        "checks__by",
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
    request: HttpRequest, record: TreatmentRecord, form: TreatmentForm, *, error: str = "", status: int = 200
) -> HttpResponse:
    obstacles = sign_obstacles(record)
    planned = record.appointment.planned_session
    planned_total = planned.plan.planned_sessions.filter(course=planned.course).count() if planned else 0
    context = {
        "record": record,
        "form": form,
        "error": error,
        "banner": banner_for(request, record.patient),
        "planned": planned,
        "planned_total": planned_total,
        "obstacles": obstacles,
        "blocks": [obstacle for obstacle in obstacles if obstacle.level == "block"],
        "checked": sum(1 for row in form.check_rows if row["value"]),
        "given_ml": sum((area.volume_ml for area in form.areas), start=type(form.areas[0].volume_ml)(0))
        if form.areas
        else None,
    }
    template = "sessions/treatment/page.html"
    if request.htmx and request.method == "POST" and status == 200:  # type: ignore[attr-defined]
        template = "sessions/treatment/page.html#saved"
    return render(request, template, context, status=status)


@require(Permission.TREATMENT_VIEW)
def treatment(request: HttpRequest, pk: int) -> HttpResponse:
    """The record: editable and saved as it is entered until signed, then read-only."""
    record = _record(pk)
    user = cast(User, request.user)
    if record.signed_at is not None:
        if request.method == "POST":
            messages.error(request, _("This record is signed. Correct it as a new version."))
            return redirect("sessions:treatment", pk)
        record_access(by=user, patient_id=record.patient_id, what="treatment record")
        context = {
            "record": record,
            "banner": banner_for(request, record.patient),
            "correction": CorrectionForm(),
            "newer": record.successors.first(),
            "sheet": record.sheets.first(),
        }
        return render(request, "sessions/treatment/signed.html", context)
    if not has_permission(user, Permission.TREATMENT_RECORD):
        return redirect("patients:chart", record.patient_id)
    today = timezone.localdate()
    if request.method == "POST":
        form = TreatmentForm(request.POST, record=record, today=today)
        valid = form.is_valid()
        actions.save_record(record=record, data=form.save_data(), by=user, now=timezone.now())
        record = _record(pk)
        if valid:
            form = TreatmentForm(record=record, today=today)
        return _page(request, record, form)
    record_access(by=user, patient_id=record.patient_id, what="treatment record")
    return _page(request, record, TreatmentForm(record=record, today=today))


def _save_posted(request: HttpRequest, pk: int) -> tuple[TreatmentRecord, TreatmentForm, bool]:
    """Save what the page holds before an act, so that nothing typed is lost when the act is refused."""
    record = _record(pk)
    form = TreatmentForm(request.POST, record=record, today=timezone.localdate())
    valid = form.is_valid()
    if record.signed_at is None:
        actions.save_record(
            record=record, data=form.save_data(), by=cast(User, request.user), now=timezone.now()
        )
    return _record(pk), form, valid


@require_POST
@require(Permission.TREATMENT_RECORD)
def start(request: HttpRequest, pk: int) -> HttpResponse:
    """Start the treatment once today's checks allow it."""
    record, form, valid = _save_posted(request, pk)
    if not valid:
        return _page(request, record, form, status=422)
    try:
        actions.start_treatment(record=record, by=cast(User, request.user), now=timezone.now())
    except actions.TreatmentError as error:
        record = _record(pk)
        form = TreatmentForm(record=record, today=timezone.localdate())
        return _page(request, record, form, error=str(error), status=409)
    return redirect("sessions:treatment", pk)


@require_POST
@require(Permission.TREATMENT_SIGN)
def sign(request: HttpRequest, pk: int) -> HttpResponse:
    """Sign the record; it is frozen from then on."""
    record, form, valid = _save_posted(request, pk)
    if not valid:
        return _page(request, record, form, status=422)
    try:
        actions.sign_record(record=record, by=cast(User, request.user), now=timezone.now())
    except actions.TreatmentError as error:
        record = _record(pk)
        form = TreatmentForm(record=record, today=timezone.localdate())
        return _page(request, record, form, error=str(error), status=409)
    messages.success(request, _("Record signed. The aftercare sheet is ready to print."))
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


@require_GET
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


@require_GET
@require(Permission.STOCK_VIEW)
def lot(request: HttpRequest, pk: int) -> HttpResponse:
    """One lot and every record that used it."""
    found = get_object_or_404(Lot.objects.select_related("product"), pk=pk)
    may_see = has_permission(request.user, Permission.TREATMENT_VIEW)
    page = Paginator(records_with_lot(found), 25).get_page(request.GET.get("page"))
    return render(request, "sessions/treatment/lot.html", {"lot": found, "page": page, "may_see": may_see})
