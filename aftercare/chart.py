"""What a patient's chart shows of treatments and sheets."""

from collections.abc import Iterator

from django.urls import reverse

from aftercare.models import IssuedSheet
from mesoclinic.ui import formatting
from patients.models import Patient
from patients.registry import TimelineEntry


def sheets(patient: Patient, limit: int) -> Iterator[TimelineEntry]:
    """Issued sheets, newest first."""
    for sheet in IssuedSheet.objects.filter(patient=patient).defer("pdf", "html", "content")[:limit]:
        yield TimelineEntry(
            sheet.issued_at,
            "file-text",
            f"Aftercare sheet {sheet.number}",
            formatting.language_name(sheet.language),
            reverse("aftercare:sheet", args=[sheet.number]),
        )
