"""What was really done. A signed record is frozen (triggers, migrations 0002 and 0004); a correction is a new version."""

from datetime import date

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
    # The page that saved last, so that its own late request is no conflict; who and when, for the others' message.
    saved_from = models.CharField(max_length=32, blank=True)
    saved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    saved_at = models.DateTimeField(null=True)
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

    @property
    def day(self) -> date:
        """The treatment's own day on the location's wall clock, also while an old record is corrected."""
        moment = self.started_at or self.opened_at
        return moment.astimezone(self.appointment.location.zone).date()


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


class DayDecision(models.Model):
    """A physician's written decision to go on despite something found on the day. The key names these very words."""

    record = models.ForeignKey(TreatmentRecord, on_delete=models.CASCADE, related_name="decisions")
    key = models.CharField(max_length=120)
    rule = models.CharField(max_length=12, blank=True)
    found = models.CharField(max_length=1000)  # what was decided on, as it was shown
    reason = models.CharField(_("decision"), max_length=500)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="day_decisions")
    at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["record", "key"], name="one_decision_per_finding"),
            models.CheckConstraint(condition=~Q(reason=""), name="decision_has_a_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.rule or self.key}: {self.reason}"


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
