"""The audit trail for the manager and the administrator."""

from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from mesoclinic.accounts.permissions import Permission, require
from mesoclinic.audit.models import AuditEvent
from mesoclinic.audit.presenters import codes_named


@require_GET
@require(Permission.AUDIT_VIEW)
def trail(request: HttpRequest) -> HttpResponse:
    """Who did what, newest first; search by person, act or object."""
    text = request.GET.get("q", "").replace("\x00", "").strip()[:80]
    events = AuditEvent.objects.all()
    if text:
        events = events.filter(
            Q(actor_name__icontains=text)
            | Q(type__icontains=text)
            | Q(type__in=codes_named(text))
            | Q(target_label__icontains=text)
        )
    page = Paginator(events, 50).get_page(request.GET.get("page"))
    return render(request, "ui/audit.html", {"page": page, "q": text})
