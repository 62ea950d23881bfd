"""The patient, and the clinical facts the protocol engine needs.

Facts that nobody has asked for are unknown, never "no" (DESIGN.md §5): each list has its `*_asked_on`
date. Clinical facts are never deleted; a wrong one is retracted with author, time and reason.
"""

from typing import Any

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class NameKey(Func):
    """`mc_name_key(given, family)`: lower case, no accents; the searchable form of a name."""

    function = "mc_name_key"
    arity = 2


class Patient(models.Model):
    """A person under treatment: identity, contact, and the single-valued clinical facts."""

    class Sex(models.TextChoices):
        FEMALE = "female", _("Female")
        MALE = "male", _("Male")

    class Channel(models.TextChoices):
        EMAIL = "email", _("E-mail")
        SMS = "sms", _("SMS")
        PHONE = "phone", _("Phone call")

    class Pregnancy(models.TextChoices):
        NONE = "none", _("Not pregnant, not breastfeeding, not planning")
        PREGNANT = "pregnant", _("Pregnant")
        BREASTFEEDING = "breastfeeding", _("Breastfeeding")
        PLANNING = "planning", _("Planning a pregnancy")
        UNKNOWN = "unknown", _("Not known")

    record_number = models.CharField(
        _("record number"),
        max_length=12,
        unique=True,
        editable=False,
        db_default=Func(function="mc_record_number"),
    )
    given_name = models.CharField(_("given name"), max_length=80)
    family_name = models.CharField(_("family name"), max_length=120)
    birth_date = models.DateField(_("date of birth"))
    sex = models.CharField(_("sex"), max_length=10, choices=Sex)
    phone = models.CharField(_("phone"), max_length=20, blank=True, help_text=_("E.164, with country code"))
    phone_other = models.CharField(_("other phone"), max_length=20, blank=True)
    email = models.EmailField(_("e-mail"), blank=True)
    language = models.CharField(_("language"), max_length=8, default="en")
    channel = models.CharField(_("preferred channel"), max_length=10, choices=Channel, default=Channel.EMAIL)
    consent_messages = models.BooleanField(_("agrees to receive messages"), default=False)
    note = models.TextField(_("note for the team"), blank=True, max_length=2000)

    phototype = models.PositiveSmallIntegerField(_("Fitzpatrick phototype"), null=True, blank=True)
    weight_kg = models.DecimalField(_("weight, kg"), max_digits=4, decimal_places=1, null=True, blank=True)
    height_cm = models.DecimalField(_("height, cm"), max_digits=4, decimal_places=1, null=True, blank=True)
    pregnancy = models.CharField(_("pregnancy"), max_length=15, choices=Pregnancy, default=Pregnancy.UNKNOWN)
    pregnancy_asked_on = models.DateField(_("asked on"), null=True, blank=True)
    menopausal_status = models.CharField(max_length=20, blank=True)
    sterilised = models.BooleanField(null=True, blank=True)
    smoking_per_day = models.PositiveSmallIntegerField(_("cigarettes per day"), null=True, blank=True)
    sunscreen_daily = models.BooleanField(_("sunscreen every day"), null=True, blank=True)
    bdd_screen = models.CharField(_("body dysmorphic disorder screen"), max_length=10, blank=True)
    systolic = models.PositiveSmallIntegerField(_("systolic, mmHg"), null=True, blank=True)
    diastolic = models.PositiveSmallIntegerField(_("diastolic, mmHg"), null=True, blank=True)
    blood_pressure_on = models.DateField(null=True, blank=True)
    consent_signed_on = models.DateField(_("consent signed on"), null=True, blank=True)
    baseline_photos_on = models.DateField(_("baseline photos taken on"), null=True, blank=True)
    allergies_asked_on = models.DateField(null=True, blank=True)
    conditions_asked_on = models.DateField(null=True, blank=True)
    medications_asked_on = models.DateField(null=True, blank=True)
    procedures_asked_on = models.DateField(null=True, blank=True)
    labs_asked_on = models.DateField(null=True, blank=True)
    sun_asked_on = models.DateField(null=True, blank=True)
    reactions_asked_on = models.DateField(null=True, blank=True)

    created_at = models.DateTimeField(db_default=Now(), editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="patients_registered"
    )
    version = models.PositiveIntegerField(default=1)
    name_key = models.GeneratedField(
        expression=NameKey(F("given_name"), F("family_name")),
        output_field=models.TextField(),
        db_persist=True,
    )

    class Meta:
        ordering = ["family_name", "given_name", "pk"]
        indexes = [
            models.Index(fields=["family_name", "given_name", "id"], name="patient_list_order"),
            models.Index(fields=["birth_date"], name="patient_by_birth_date"),
            GinIndex(OpClass(F("name_key"), name="gin_trgm_ops"), name="patient_name_trigram"),
            GinIndex(OpClass(F("phone"), name="gin_trgm_ops"), name="patient_phone_trigram"),
            GinIndex(OpClass(F("phone_other"), name="gin_trgm_ops"), name="patient_phone_other_trigram"),
            GinIndex(OpClass(F("record_number"), name="gin_trgm_ops"), name="patient_record_trigram"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(phototype__isnull=True) | Q(phototype__range=(1, 6)), name="phototype_1_to_6"
            ),
            models.CheckConstraint(
                condition=Q(weight_kg__isnull=True) | Q(weight_kg__range=(20, 300)),
                name="weight_20_to_300_kg",
            ),
            models.CheckConstraint(
                condition=Q(height_cm__isnull=True) | Q(height_cm__range=(100, 250)),
                name="height_100_to_250_cm",
            ),
            models.CheckConstraint(
                condition=Q(phone="") | Q(phone__regex=r"^\+[1-9][0-9]{6,14}$"), name="phone_e164"
            ),
            models.CheckConstraint(
                condition=Q(phone_other="") | Q(phone_other__regex=r"^\+[1-9][0-9]{6,14}$"),
                name="phone_other_e164",
            ),
            models.CheckConstraint(condition=Q(sex__in=["female", "male"]), name="sex_known"),
            models.CheckConstraint(
                condition=Q(pregnancy="unknown") | Q(pregnancy_asked_on__isnull=False),
                name="pregnancy_answer_has_a_date",
            ),
            models.CheckConstraint(
                condition=~Q(given_name="") & ~Q(family_name=""), name="patient_has_a_name"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.full_name} ({self.record_number})"

    @property
    def full_name(self) -> str:
        """Given and family name."""
        return f"{self.given_name} {self.family_name}"

    @property
    def initials(self) -> str:
        """Two letters for the avatar and for the privacy toggle."""
        return f"{self.given_name[:1]}{self.family_name[:1]}".upper()


class ClinicalFactQuerySet(models.QuerySet[Any]):
    def standing(self) -> "ClinicalFactQuerySet":
        """Facts that have not been retracted."""
        return self.filter(retracted_at__isnull=True)


class ClinicalFact(models.Model):
    """What all coded facts share. A fact is retracted, never deleted or overwritten."""

    recorded_at = models.DateTimeField(db_default=Now(), editable=False)
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    retracted_at = models.DateTimeField(null=True, editable=False)
    retracted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    retracted_reason = models.CharField(max_length=300, blank=True)
    detail = models.CharField(_("detail"), max_length=2000, blank=True)

    objects = ClinicalFactQuerySet.as_manager()

    class Meta:
        abstract = True


class Allergy(ClinicalFact):
    """An allergy or intolerance to a substance or a class (vocabulary: allergens)."""

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="allergies")
    substance = models.CharField(_("substance"), max_length=40)
    reaction = models.CharField(_("reaction"), max_length=30, blank=True)
    severity = models.CharField(_("severity"), max_length=20, blank=True)
    verified = models.BooleanField(_("verified by test or document"), null=True, blank=True)
    occurred_on = models.DateField(_("date of the reaction"), null=True, blank=True)

    class Meta:
        ordering = ["pk"]
        verbose_name_plural = "allergies"
        constraints = [
            models.UniqueConstraint(
                fields=["patient", "substance"], condition=Q(retracted_at__isnull=True), name="allergy_once"
            )
        ]

    def __str__(self) -> str:
        return self.substance


class Condition(ClinicalFact):
    """A condition, present or past (vocabulary: conditions)."""

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="conditions")
    code = models.CharField(_("condition"), max_length=40)
    status = models.CharField(_("status"), max_length=12, default="active")
    since = models.DateField(_("onset or last episode"), null=True, blank=True)
    cleared_on = models.DateField(_("cleared on"), null=True, blank=True)
    area = models.CharField(_("area"), max_length=20, blank=True)
    controlled = models.BooleanField(_("under control"), null=True, blank=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.code


class Medication(ClinicalFact):
    """A medicine or supplement (vocabulary: medications)."""

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="medications")
    code = models.CharField(_("medicine"), max_length=40)
    current = models.BooleanField(_("taken now"), null=True, blank=True)
    prescribed = models.BooleanField(_("prescribed"), null=True, blank=True)
    started = models.DateField(_("first day"), null=True, blank=True)
    last_dose = models.DateField(_("last dose"), null=True, blank=True)
    dose_mg_per_day = models.DecimalField(
        _("mg per day"), max_digits=9, decimal_places=3, null=True, blank=True
    )
    area = models.CharField(_("area"), max_length=20, blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(dose_mg_per_day__isnull=True) | Q(dose_mg_per_day__gte=0),
                name="medication_dose_not_negative",
            )
        ]

    def __str__(self) -> str:
        return self.code


class Procedure(ClinicalFact):
    """A procedure done elsewhere or earlier (vocabulary: procedures)."""

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="procedures")
    code = models.CharField(_("procedure"), max_length=40)
    area = models.CharField(_("area"), max_length=20, blank=True)
    done_on = models.DateField(_("date"))
    count = models.PositiveSmallIntegerField(_("sessions so far"), null=True, blank=True)

    class Meta:
        ordering = ["-done_on", "pk"]

    def __str__(self) -> str:
        return self.code


class LabValue(ClinicalFact):
    """A laboratory value in the one unit of the vocabulary (vocabulary: labs)."""

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="labs")
    code = models.CharField(_("value"), max_length=20)
    value = models.DecimalField(_("result"), max_digits=9, decimal_places=3)
    unit = models.CharField(max_length=12)
    taken_on = models.DateField(_("date of the sample"))

    class Meta:
        ordering = ["-taken_on", "pk"]
        constraints = [models.CheckConstraint(condition=Q(value__gte=0), name="lab_value_not_negative")]

    def __str__(self) -> str:
        return self.code


class SunExposure(ClinicalFact):
    """A tan, strong UV or a sunburn."""

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="sun")
    kind = models.CharField(_("kind"), max_length=12)  # tan, strong-uv, sunburn
    area = models.CharField(_("area"), max_length=20, blank=True)
    on = models.DateField(_("last day"))
    healed_on = models.DateField(_("healed on"), null=True, blank=True)

    class Meta:
        ordering = ["-on", "pk"]

    def __str__(self) -> str:
        return self.kind


class Reaction(ClinicalFact):
    """A reaction to an earlier treatment, here or elsewhere (vocabulary: adverse_events), graded after CTCAE."""

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="reactions")
    event = models.CharField(_("reaction"), max_length=40)
    grade = models.PositiveSmallIntegerField(_("grade"))
    agent = models.CharField(_("agent held responsible"), max_length=40, blank=True)
    area = models.CharField(_("area"), max_length=20, blank=True)
    occurred_on = models.DateField(_("date"), null=True, blank=True)

    class Meta:
        ordering = ["-occurred_on", "pk"]
        constraints = [models.CheckConstraint(condition=Q(grade__range=(1, 5)), name="reaction_grade_1_to_5")]

    def __str__(self) -> str:
        return self.event
