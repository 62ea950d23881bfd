"""The audit trail for the manager and the administrator: what was written, and which charts were opened."""

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from mesoclinic.accounts.permissions import Permission, require
from mesoclinic.audit import queries
from mesoclinic.ui import registry

PAGE = 50


def _query(request: HttpRequest) -> str:
    return request.GET.get("q", "").replace("\x00", "").strip()[:80]


@require_safe
@require(Permission.AUDIT_VIEW)
def trail(request: HttpRequest) -> HttpResponse:
    """Who did what, newest first; search by person, act or object."""
    text = _query(request)
    page = Paginator(queries.written(text), PAGE).get_page(request.GET.get("page"))
    return render(request, "ui/audit.html", {"page": page, "q": text})


@require_safe
@require(Permission.AUDIT_VIEW)
def opened(request: HttpRequest) -> HttpResponse:
    """Who opened which chart, newest first; search by person or patient."""
    text = _query(request)
    page = Paginator(queries.opened(text), PAGE).get_page(request.GET.get("page"))
    names = registry.patient_names({event.patient_id for event in page})
    rows = [{"event": event, "patient": names.get(event.patient_id, "")} for event in page]
    return render(request, "ui/opened.html", {"page": page, "rows": rows, "q": text})
