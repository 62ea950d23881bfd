"""Issued aftercare sheets, frozen: what a patient was given can be printed again, byte for byte."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from patients.models import Patient
from sessions.models import TreatmentRecord


class IssuedSheet(models.Model):
    """A sheet as given to the patient. No update, no delete (trigger, migration 0002)."""

    record = models.ForeignKey(TreatmentRecord, on_delete=models.PROTECT, related_name="sheets")
    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="sheets")
    number = models.PositiveIntegerField(unique=True)
    language = models.CharField(max_length=8)
    paper = models.CharField(max_length=8)
    large_print = models.BooleanField(default=False)
    content = models.JSONField()
    html = models.TextField()
    pdf = models.BinaryField()
    pdf_sha256 = models.CharField(max_length=64)
    issued_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="sheets_issued"
    )
    issued_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-issued_at", "-pk"]
        indexes = [
            models.Index(fields=["patient", "-issued_at"], name="sheet_of_patient"),
            models.Index(fields=["-issued_at", "-id"], name="sheet_list_order"),
        ]

    def __str__(self) -> str:
        return f"Sheet {self.number}"
