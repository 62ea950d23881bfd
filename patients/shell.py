"""The patient's banner as the signed-in person may see it."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from mesoclinic.accounts.permissions import Permission, has_permission
from patients import queries
from patients.models import Patient
from patients.registry import banner_notes


def banner_for(request: HttpRequest, patient: Patient) -> dict[str, Any]:
    """Who it is, and for clinical people what endangers them."""
    facts = queries.banner(patient, timezone.localdate())
    if not has_permission(request.user, Permission.PROFILE_VIEW):
        # The front desk books and greets: clinical facts are not theirs to read.
        facts |= {"alerts": [], "weight_kg": None, "phototype": None}
    facts["notes"] = [note for source in banner_notes for note in source(request, patient)]
    return facts
