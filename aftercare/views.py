"""Issue, show and print aftercare sheets."""

from typing import cast

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from aftercare import actions
from aftercare.models import IssuedSheet
from mesoclinic.accounts.models import User
from mesoclinic.accounts.permissions import Permission, require
from mesoclinic.audit.actions import record_access
from mesoclinic.ui.reading import row_id
from patients.queries import with_name
from patients.shell import banner_for
from sessions.models import TreatmentRecord


@require_POST
@require(Permission.SHEET_PRINT)
def issue(request: HttpRequest, pk: int) -> HttpResponse:
    """Compose the sheet for this very treatment and freeze it; the newest one is shown when nothing changed."""
    record = get_object_or_404(TreatmentRecord, pk=pk)
    try:
        sheet = actions.issue(
            record=record,
            by=cast(User, request.user),
            now=timezone.now(),
            language=request.POST.get("language") or None,
            large_print=request.POST.get("large_print") == "1",
            paper="Letter" if request.POST.get("paper") == "Letter" else "A4",
        )
    except actions.SheetError as error:
        messages.error(request, str(error))
        return redirect("sessions:treatment", pk)
    return redirect("aftercare:sheet", sheet.number)


@require_safe
@require(Permission.SHEET_VIEW)
def sheet(request: HttpRequest, number: int) -> HttpResponse:
    """The sheet as a page, with the PDF one click away."""
    found = get_object_or_404(
        IssuedSheet.objects.defer("pdf").select_related("patient", "issued_by", "record__appointment"),
        number=number,
    )
    record_access(by=cast(User, request.user), patient_id=found.patient_id, what="aftercare sheet")
    context = {
        "issued": found,
        "sheet": found.content,
        "banner": banner_for(request, found.patient),
        "languages": actions.languages(),
    }
    return render(request, "aftercare/issued.html", context)


@require_safe
@require(Permission.SHEET_VIEW)
def pdf(request: HttpRequest, number: int) -> HttpResponse:
    """The stored bytes, the same every time."""
    found = get_object_or_404(IssuedSheet, number=number)
    record_access(by=cast(User, request.user), patient_id=found.patient_id, what="aftercare sheet PDF")
    response = HttpResponse(bytes(found.pdf), content_type="application/pdf")
    response["Content-Disposition"] = f'inline; filename="aftercare-{found.number}.pdf"'
    response["Cache-Control"] = "no-store"
    return response


@require_safe
@require(Permission.SHEET_VIEW)
def sheets(request: HttpRequest) -> HttpResponse:
    """All issued sheets, newest first, with search by patient or number."""
    text = request.GET.get("q", "").replace("\x00", "").strip()[:80]
    found = IssuedSheet.objects.defer("pdf", "html", "content").select_related("patient", "issued_by")
    if text:
        match = Q(patient__in=with_name(text)) | Q(patient__record_number__iexact=text)
        number = row_id(text)
        if number is not None:
            match |= Q(number=number)
        found = found.filter(match)
    page = Paginator(found, 25).get_page(request.GET.get("page"))
    return render(request, "aftercare/list.html", {"page": page, "q": text})
