"""What was really done. A signed record is frozen (triggers, migration 0002); a correction is a new version."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from patients.models import Patient
from sessions.models.appointments import Appointment
from sessions.models.stock import Lot


class TreatmentRecord(models.Model):
    """The record of one session: checks, anaesthetic, cocktail as mixed, areas, reactions, signature."""

    appointment = models.ForeignKey(Appointment, on_delete=models.PROTECT, related_name="records")
    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="records")
    version = models.PositiveSmallIntegerField(default=1)
    supersedes = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="successors")
    correction_reason = models.CharField(max_length=300, blank=True)
    operator = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="records_operated"
    )
    opened_at = models.DateTimeField(db_default=Now(), editable=False)
    started_at = models.DateTimeField(_("start"), null=True, blank=True)
    ended_at = models.DateTimeField(_("end"), null=True, blank=True)
    anaesthetic = models.CharField(_("anaesthetic"), max_length=40, blank=True)
    anaesthetic_grams = models.DecimalField(_("grams"), max_digits=5, decimal_places=1, null=True, blank=True)
    anaesthetic_lot = models.ForeignKey(
        Lot, on_delete=models.PROTECT, null=True, blank=True, related_name="anaesthetic_records"
    )
    anaesthetic_on = models.DateTimeField(_("cream on"), null=True, blank=True)
    anaesthetic_off = models.DateTimeField(_("cream off"), null=True, blank=True)
    pain_score = models.PositiveSmallIntegerField(
        _("pain during the session, 0 to 10"), null=True, blank=True
    )
    reactions = ArrayField(
        models.CharField(max_length=30), verbose_name=_("reactions seen"), default=list, blank=True
    )
    reaction_note = models.CharField(_("reactions in words"), max_length=1000, blank=True)
    watched_min = models.PositiveSmallIntegerField(_("watched, minutes"), null=True, blank=True)
    note = models.TextField(_("note"), max_length=4000, blank=True)
    revision = models.PositiveIntegerField(default=1)
    signed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="records_signed"
    )
    signed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-opened_at", "-pk"]
        indexes = [models.Index(fields=["patient", "-opened_at"], name="record_of_patient")]
        constraints = [
            models.UniqueConstraint(fields=["appointment", "version"], name="record_version_once"),
            models.CheckConstraint(
                condition=Q(pain_score__isnull=True) | Q(pain_score__range=(0, 10)), name="pain_score_0_to_10"
            ),
            models.CheckConstraint(
                condition=Q(anaesthetic_grams__isnull=True) | Q(anaesthetic_grams__gte=0),
                name="anaesthetic_grams_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(signed_at__isnull=True, signed_by__isnull=True)
                | Q(
                    signed_at__isnull=False,
                    signed_by__isnull=False,
                    started_at__isnull=False,
                    ended_at__isnull=False,
                ),
                name="signed_record_has_signer_and_times",
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(started_at__lte=F("ended_at")),
                name="record_start_before_end",
            ),
        ]

    def __str__(self) -> str:
        return f"Treatment record {self.pk}"


class SafetyCheck(models.Model):
    """One of the questions asked again on the day, with its answer."""

    class Answer(models.TextChoices):
        CLEAR = "clear", _("Clear")
        CHANGED = "changed", _("Something changed")

    record = models.ForeignKey(TreatmentRecord, on_delete=models.CASCADE, related_name="checks")
    question = models.CharField(
        max_length=30
    )  # identity, pregnancy, allergy, medicines, infection, sun, procedures
    answer = models.CharField(max_length=10, choices=Answer)
    detail = models.CharField(max_length=500, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["record", "question"], name="question_once_per_record")
        ]

    def __str__(self) -> str:
        return f"{self.question}: {self.answer}"


class TreatedArea(models.Model):
    """What was done in one area: technique, points, volume, depth."""

    record = models.ForeignKey(TreatmentRecord, on_delete=models.CASCADE, related_name="areas")
    concern = models.CharField(max_length=40)
    area = models.CharField(_("area"), max_length=20)
    modality = models.CharField(_("modality"), max_length=20)
    technique = models.CharField(_("technique"), max_length=30, blank=True)
    cocktail = models.CharField(max_length=20)
    points = models.PositiveSmallIntegerField(_("points"), null=True, blank=True)
    volume_ml = models.DecimalField(_("volume, mL"), max_digits=6, decimal_places=2)
    depth_mm = models.DecimalField(_("depth, mm"), max_digits=4, decimal_places=2, null=True, blank=True)
    map_points = models.JSONField(default=list, blank=True)  # [{"x": 0.41, "y": 0.3, "zone": "forehead"}]

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(condition=Q(volume_ml__gte=0), name="given_volume_not_negative"),
            models.CheckConstraint(
                condition=Q(depth_mm__isnull=True) | Q(depth_mm__gte=0), name="depth_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.concern} {self.cocktail}"


class MixedComponent(models.Model):
    """A component of the cocktail as mixed: how much of which lot."""

    record = models.ForeignKey(TreatmentRecord, on_delete=models.CASCADE, related_name="components")
    concern = models.CharField(max_length=40)
    cocktail = models.CharField(max_length=20)
    agent = models.CharField(max_length=40)
    lot = models.ForeignKey(Lot, on_delete=models.PROTECT, null=True, related_name="components")
    volume_ml = models.DecimalField(max_digits=8, decimal_places=4)
    dose_mg = models.DecimalField(max_digits=10, decimal_places=4, null=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(condition=Q(volume_ml__gte=0), name="mixed_volume_not_negative"),
            models.CheckConstraint(
                condition=Q(dose_mg__isnull=True) | Q(dose_mg__gte=0), name="mixed_dose_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.agent} {self.volume_ml} mL"
