"""Assessment and treatment plan.

A signed plan is frozen: triggers (migration 0002) refuse any change to its content, its sessions, doses
and answers; only its later life (status) may move on.
"""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from patients.models import Patient
from protocols import models_catalogue  # noqa: F401  (the catalogue's tables)
from protocols.models_watch import Alert, RecheckRequest, WatchMark  # noqa: F401  (the watch's tables)


class Assessment(models.Model):
    """One physician's assessment of one patient on one day, with concerns and preferences."""

    class Modality(models.TextChoices):
        ANY = "any", _("Any")
        SYRINGE = "syringe", _("Syringe")
        NEEDLE_FREE = "needle-free", _("Needle-free")
        MICRONEEDLING = "microneedling", _("Micro-needling")

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="assessments")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="assessments")
    assessed_on = models.DateField(_("date"))
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    saved_at = models.DateTimeField(auto_now=True)
    goals = models.TextField(_("goals in the patient's words"), blank=True, max_length=2000)
    modality = models.CharField(_("modality"), max_length=20, choices=Modality, default=Modality.ANY)
    max_downtime_days = models.PositiveSmallIntegerField(_("accepted downtime, days"), null=True, blank=True)
    pain = models.PositiveSmallIntegerField(
        _("sensitivity to pain"), null=True, blank=True, help_text=_("0 none, 10 extreme")
    )
    needle_fear = models.BooleanField(_("afraid of needles"), null=True, blank=True)
    max_sessions = models.PositiveSmallIntegerField(_("most visits wanted"), null=True, blank=True)
    decline_anaesthetic = models.BooleanField(_("declines anaesthetic"), default=False)
    weekdays = ArrayField(
        models.PositiveSmallIntegerField(), verbose_name=_("weekdays"), default=list, blank=True
    )
    time_from = models.TimeField(_("not before"), null=True, blank=True)
    time_until = models.TimeField(_("not after"), null=True, blank=True)
    events = models.JSONField(default=list, blank=True)  # [{"kind": "important-event", "date": "2026-12-24"}]

    class Meta:
        ordering = ["-assessed_on", "-pk"]
        indexes = [models.Index(fields=["patient", "-assessed_on", "-id"], name="assessment_of_patient")]
        constraints = [
            models.CheckConstraint(
                condition=Q(pain__isnull=True) | Q(pain__range=(0, 10)), name="pain_0_to_10"
            ),
            models.CheckConstraint(
                condition=Q(max_downtime_days__isnull=True) | Q(max_downtime_days__range=(0, 60)),
                name="downtime_0_to_60_days",
            ),
        ]

    def __str__(self) -> str:
        return f"Assessment of {self.assessed_on}"


class Concern(models.Model):
    """An indication in an area with its severity: scale items (score computed) or a grade by eye."""

    assessment = models.ForeignKey(Assessment, on_delete=models.CASCADE, related_name="concerns")
    position = models.PositiveSmallIntegerField(default=1)
    indication = models.CharField(_("indication"), max_length=20)
    area = models.CharField(_("area"), max_length=20)
    scale = models.CharField(_("scale"), max_length=30, blank=True)
    items = models.JSONField(default=dict, blank=True)
    grade = models.PositiveSmallIntegerField(_("severity by eye"), null=True, blank=True)
    score = models.DecimalField(max_digits=5, decimal_places=2, null=True, blank=True)
    band = models.CharField(max_length=12, blank=True)
    details = models.JSONField(
        default=dict, blank=True
    )  # goal, red_flags, onset, hair_pattern, lesion_cm2 ...

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["assessment", "indication", "area"], name="concern_once_per_assessment"
            ),
            models.CheckConstraint(
                condition=Q(grade__isnull=True) | Q(grade__range=(1, 3)), name="grade_1_to_3"
            ),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def code(self) -> str:
        """`indication/area`, as in the engine's answer."""
        return f"{self.indication}/{self.area}"


class TreatmentPlan(models.Model):
    """A proposal of the engine, edited and signed by a physician."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")
        SIGNED = "signed", _("Signed")
        ACTIVE = "active", _("Active")
        COMPLETED = "completed", _("Completed")
        STOPPED = "stopped", _("Stopped")
        SUPERSEDED = "superseded", _("Superseded")

    LIVE = (Status.SIGNED, Status.ACTIVE)

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="plans")
    assessment = models.ForeignKey(Assessment, on_delete=models.PROTECT, related_name="plans")
    status = models.CharField(max_length=12, choices=Status, default=Status.DRAFT)
    version = models.PositiveSmallIntegerField(default=1)
    supersedes = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="successors")
    # The first version of the course; null there. All versions of a course are one series.
    root = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="series")
    case = models.JSONField(help_text=_("The facts as given to the engine."))
    proposal = models.JSONField(help_text=_("The engine's answer, untouched."))
    content = models.JSONField(help_text=_("The plan as the physician edited it, rechecked."))
    findings = models.JSONField(default=list)
    knowledge_version = models.CharField(max_length=40)
    knowledge_sha256 = models.CharField(max_length=64)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="plans_drafted"
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    saved_at = models.DateTimeField(auto_now=True)
    revision = models.PositiveIntegerField(default=1)
    signed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="plans_signed"
    )
    signed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index(fields=["patient", "-created_at"], name="plan_of_patient"),
            models.Index(fields=["signed_at"], condition=Q(status="signed"), name="plan_to_book"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status="draft", signed_at__isnull=True, signed_by__isnull=True)
                | (~Q(status="draft") & Q(signed_at__isnull=False, signed_by__isnull=False)),
                name="plan_signed_has_signer_and_time",
            )
        ]

    def __str__(self) -> str:
        return f"Plan {self.pk} version {self.version}"

    @property
    def root_pk(self) -> int:
        """The key that all versions of this course share."""
        return self.root_id or self.pk

    @property
    def follows(self) -> bool:
        """Whether this version continues a course that is under way."""
        return "plan" in self.case

    @property
    def title(self) -> str:
        """What the plan treats: `pigment, face`."""
        concerns = [code for course in self.content.get("courses", []) for code in course["concerns"]]
        return " + ".join(code.replace("/", ", ") for code in concerns)


class FindingAnswer(models.Model):
    """The physician's written reason for going on despite a warning."""

    plan = models.ForeignKey(TreatmentPlan, on_delete=models.CASCADE, related_name="answers")
    finding_key = models.CharField(max_length=120)
    rule = models.CharField(max_length=12)
    reason = models.CharField(_("reason to continue"), max_length=500)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="finding_answers")
    at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["plan", "finding_key"], name="one_answer_per_finding"),
            models.CheckConstraint(condition=~Q(reason=""), name="answer_has_a_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.rule}: {self.reason}"


class PlannedSession(models.Model):
    """One visit of a signed plan: its window counts from the session before (number 1: from signing)."""

    plan = models.ForeignKey(TreatmentPlan, on_delete=models.PROTECT, related_name="planned_sessions")
    course = models.PositiveSmallIntegerField(default=0)
    number = models.PositiveSmallIntegerField()
    earliest_days = models.PositiveSmallIntegerField()
    target_days = models.PositiveSmallIntegerField()
    latest_days = models.PositiveSmallIntegerField()
    not_before = models.DateField(null=True)  # only session 1: the course's earliest start
    duration_min = models.PositiveSmallIntegerField()
    arrive_early_min = models.PositiveSmallIntegerField(default=0)  # anaesthetic cream before the session
    #: What practitioner and room must be fit for: `injection`, `needling`, `needle-free`; several where concerns share it.
    needs = ArrayField(models.CharField(max_length=20))
    device_kind = models.CharField(max_length=20, blank=True)
    summary = models.CharField(max_length=200)  # "Face, CK-PIG-1, papule 1.5 mm"
    volume_ml = models.DecimalField(max_digits=6, decimal_places=2)
    content = models.JSONField()  # the session of the plan's content, whole

    class Meta:
        ordering = ["plan", "course", "number"]
        constraints = [
            models.UniqueConstraint(fields=["plan", "course", "number"], name="planned_session_once"),
            models.CheckConstraint(
                condition=Q(
                    earliest_days__lte=models.F("target_days"), target_days__lte=models.F("latest_days")
                ),
                name="window_in_order",
            ),
            models.CheckConstraint(condition=Q(duration_min__gt=0), name="session_takes_time"),
            models.CheckConstraint(condition=Q(needs__len__gt=0), name="session_needs_somebody"),
            models.CheckConstraint(condition=Q(volume_ml__gte=0), name="session_volume_not_negative"),
        ]

    def __str__(self) -> str:
        return f"Session {self.number}"


class PlannedDose(models.Model):
    """One component of one part of a planned session, in mL and (where it has mass) mg."""

    session = models.ForeignKey(PlannedSession, on_delete=models.PROTECT, related_name="doses")
    concern = models.CharField(max_length=40)
    cocktail = models.CharField(max_length=20)
    agent = models.CharField(max_length=40)
    concentration_mg_per_ml = models.DecimalField(max_digits=9, decimal_places=4, null=True)
    volume_ml = models.DecimalField(max_digits=8, decimal_places=4)
    dose_mg = models.DecimalField(max_digits=10, decimal_places=4, null=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(condition=Q(volume_ml__gte=0), name="planned_volume_not_negative"),
            models.CheckConstraint(
                condition=Q(dose_mg__isnull=True) | Q(dose_mg__gte=0), name="planned_dose_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.agent} {self.volume_ml} mL"


from protocols.models_course import AdverseEvent, Review  # noqa: E402  (they refer to the plan above)

__all__ = [
    "AdverseEvent",
    "Assessment",
    "Concern",
    "FindingAnswer",
    "PlannedDose",
    "PlannedSession",
    "Review",
    "TreatmentPlan",
]
