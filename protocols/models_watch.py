"""The standing watch: what is to be re-checked, and what the re-checks found.

A request row is written in the transaction of the change it is for (triggers of migration 0020 see to it even where
the code forgets). An alert's words are frozen: it is acknowledged and closed, never changed or deleted.
"""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from patients.models import Patient


class RecheckRequest(models.Model):
    """All live plans of a patient are to be re-checked. One open row per patient: later causes are added to it.

    `revision` counts the causes: a check closes the row only if no further one came while it was at work.
    """

    class Priority(models.IntegerChoices):
        FACT = 0, _("A fact of this patient changed")
        EVERYBODY = 1, _("All live plans are due")

    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="rechecks")
    cause = models.CharField(max_length=300)
    priority = models.PositiveSmallIntegerField(choices=Priority, default=Priority.FACT)
    requested_at = models.DateTimeField(db_default=Now(), editable=False)
    revision = models.PositiveIntegerField(db_default=1, default=1)
    attempts = models.PositiveSmallIntegerField(db_default=0, default=0)
    leased_until = models.DateTimeField(null=True)
    error = models.CharField(max_length=500, blank=True, db_default="")
    closed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["pk"]
        indexes = [
            # The claim of protocols.watch reads only this part.
            models.Index(
                fields=["priority", "requested_at", "id"],
                condition=Q(closed_at__isnull=True),
                name="recheck_open",
            ),
            models.Index(fields=["closed_at"], name="recheck_closed_at"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["patient"], condition=Q(closed_at__isnull=True), name="one_open_recheck_per_patient"
            ),
            models.CheckConstraint(condition=~Q(cause=""), name="recheck_has_a_cause"),
        ]

    def __str__(self) -> str:
        return f"Re-check of patient {self.patient_id}: {self.cause}"


class WatchMark(models.Model):
    """What the watch has seen last: the day (`day`) and the knowledge (`knowledge`), so that no change is missed."""

    name = models.CharField(max_length=20, primary_key=True)
    value = models.CharField(max_length=80)
    seen_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.name}: {self.value}"


class AlertQuerySet(models.QuerySet["Alert"]):
    def open(self) -> "AlertQuerySet":
        """What a re-check still finds."""
        return self.filter(closed_at__isnull=True)

    def waiting(self) -> "AlertQuerySet":
        """Open alerts that nobody has acknowledged."""
        return self.open().filter(acknowledged_at__isnull=True)

    def holding(self) -> "AlertQuerySet":
        """Open alerts that hold visits: every block, and warnings nobody has answered yet."""
        return self.open().filter(Q(level="block") | Q(acknowledged_at__isnull=True))


class Alert(models.Model):
    """A block or warning that speaks against a signed plan since its signature."""

    class Level(models.TextChoices):
        BLOCK = "block", _("Block")
        WARN = "warn", _("Warning")

    plan = models.ForeignKey("protocols.TreatmentPlan", on_delete=models.PROTECT, related_name="alerts")
    finding_key = models.CharField(max_length=60)
    level = models.CharField(max_length=5, choices=Level)
    rule = models.CharField(max_length=12)
    scope = models.CharField(max_length=120)
    path = models.CharField(max_length=40, blank=True)
    message = models.TextField()
    remedy = models.TextField(blank=True)
    earliest = models.DateField(null=True)
    because = models.JSONField(default=list, blank=True)
    source = models.TextField(blank=True)
    grade = models.CharField(max_length=2, default="K")
    cause = models.CharField(max_length=300)
    knowledge_sha256 = models.CharField(max_length=64)
    raised_at = models.DateTimeField(db_default=Now(), editable=False)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="alerts_acknowledged"
    )
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_reason = models.CharField(_("reason to continue"), max_length=500, blank=True)
    closed_at = models.DateTimeField(null=True)
    closed_because = models.CharField(max_length=300, blank=True)

    objects = AlertQuerySet.as_manager()

    class Meta:
        ordering = ["level", "-raised_at", "-pk"]  # block before warn
        indexes = [
            models.Index(fields=["level", "-raised_at", "-id"], condition=Q(closed_at__isnull=True), name="alert_open"),
            models.Index(fields=["plan", "-raised_at"], name="alert_of_plan"),
        ]  # fmt: skip
        constraints = [
            models.UniqueConstraint(
                fields=["plan", "finding_key"],
                condition=Q(closed_at__isnull=True),
                name="alert_open_once_per_finding",
            ),
            models.CheckConstraint(condition=Q(level__in=["block", "warn"]), name="alert_is_serious"),
            models.CheckConstraint(
                condition=Q(
                    acknowledged_at__isnull=True, acknowledged_by__isnull=True, acknowledged_reason=""
                )
                | Q(acknowledged_at__isnull=False, acknowledged_by__isnull=False),
                name="alert_acknowledged_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(level="block") | Q(acknowledged_at__isnull=True) | ~Q(acknowledged_reason=""),
                name="warning_acknowledged_with_a_reason",
            ),
        ]

    def __str__(self) -> str:
        # Stands in the audit trail too, where people read who see no clinical facts.
        return f"{self.get_level_display()} {self.rule}"
