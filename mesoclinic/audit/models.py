"""Append-only records of writes and of opened charts.

No foreign keys, on purpose: the trail never blocks live data and outlives what it names. Triggers
(migration 0002) refuse every update and delete.
"""

from django.db import models
from django.db.models.functions import Now


class AuditEvent(models.Model):
    """One business act: who, when, what, on which object, old and new values, why."""

    at = models.DateTimeField(db_default=Now(), editable=False)
    actor_id = models.BigIntegerField(null=True)
    actor_name = models.CharField(max_length=120)
    type = models.CharField(max_length=60)
    target_type = models.CharField(max_length=60)
    target_id = models.CharField(max_length=40)
    target_label = models.CharField(max_length=200, blank=True)
    patient_id = models.BigIntegerField(null=True)
    old = models.JSONField(default=dict)
    new = models.JSONField(default=dict)
    reason = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["patient_id", "-id"], name="audit_by_patient"),
            models.Index(fields=["target_type", "target_id", "-id"], name="audit_by_target"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.target_type} {self.target_id}"


class AccessEvent(models.Model):
    """A chart or a part of it was opened."""

    at = models.DateTimeField(db_default=Now(), editable=False)
    actor_id = models.BigIntegerField()
    actor_name = models.CharField(max_length=120)
    patient_id = models.BigIntegerField()
    what = models.CharField(max_length=60)
    why = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            # The page of opened charts searches by patient or by person, newest first.
            models.Index(fields=["patient_id", "-id"], name="access_by_patient"),
            models.Index(fields=["actor_id", "-id"], name="access_by_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.what} of patient {self.patient_id}"
