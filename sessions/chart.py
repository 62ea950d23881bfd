"""What a patient's chart shows of treatments."""

from collections.abc import Iterator

from django.urls import reverse

from patients.models import Patient
from patients.registry import TimelineEntry
from sessions.models import TreatmentRecord


def treatments(patient: Patient, limit: int) -> Iterator[TimelineEntry]:
    """Treatment records, newest first."""
    for record in TreatmentRecord.objects.filter(patient=patient).select_related("signed_by")[:limit]:
        said = f"signed by {record.signed_by}" if record.signed_by else "not signed yet"
        yield TimelineEntry(
            record.opened_at, "syringe", "Treatment", f"version {record.version}, {said}",
            reverse("sessions:treatment", args=[record.pk]),
        )  # fmt: skip
