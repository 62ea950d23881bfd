"""Reads of the trail."""

from django.db.models import Q, QuerySet

from mesoclinic.accounts.models import User
from mesoclinic.audit.models import AccessEvent, AuditEvent
from mesoclinic.audit.presenters import codes_named
from mesoclinic.ui import registry


def written(text: str) -> QuerySet[AuditEvent]:
    """Acts, newest first; `text` finds person, act or object, whatever the accents."""
    events = AuditEvent.objects.all()
    if text:
        events = events.filter(
            Q(actor_name__unaccent__icontains=text)
            | Q(type__icontains=text)
            | Q(type__in=codes_named(text))
            | Q(target_label__unaccent__icontains=text)
        )
    return events


def opened(text: str) -> QuerySet[AccessEvent]:
    """Opened charts, newest first; `text` finds the person who opened or the patient.

    Names are looked up first, among few rows; the events are then found by key, for which there are indexes.
    """
    events = AccessEvent.objects.all()
    if text:
        staff = User.objects.filter(Q(full_name__unaccent__icontains=text) | Q(username__iexact=text))
        events = events.filter(
            Q(actor_id__in=list(staff.order_by().values_list("pk", flat=True)[:200]))
            | Q(patient_id__in=registry.find_patients(text))
        )
    return events
