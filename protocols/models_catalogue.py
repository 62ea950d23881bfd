"""The catalogue that the clinic owns: versions of the knowledge, trials of drafts, the formulary, favourites.

A version that was published is frozen by a trigger (migration 0010); only `published` may still become `retired`.
"""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class CatalogueVersion(models.Model):
    """All knowledge documents at one time: as drafted, as published, as it was."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")
        PUBLISHED = "published", _("Published")
        RETIRED = "retired", _("Retired")

    number = models.PositiveIntegerField(_("number"), unique=True)
    name = models.CharField(_("name"), max_length=40)  # what plans keep as their knowledge version
    status = models.CharField(max_length=10, choices=Status, default=Status.DRAFT)
    # The text of each file by its name without `.json`: text, so that check sum and export are those of the files.
    documents = models.JSONField()
    sha256 = models.CharField(max_length=64)
    # The check sum of the shipped files that the version came from, so that they are offered once.
    shipped_sha256 = models.CharField(max_length=64, blank=True)
    based_on = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="followers")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="catalogue_drafts"
    )
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    revision = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    saved_at = models.DateTimeField(auto_now=True)
    published_at = models.DateTimeField(null=True)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="catalogue_published"
    )

    class Meta:
        ordering = ["-number"]
        indexes = [models.Index(fields=["sha256"], name="catalogue_by_sha256")]
        constraints = [
            # Also the index of the look that every request takes at what is published.
            models.UniqueConstraint(
                fields=["status"],
                condition=Q(status="published"),
                name="one_published_catalogue",
                violation_error_message=_("Another version was published at the same moment."),
            ),
            models.UniqueConstraint(
                fields=["name"],
                condition=Q(published_at__isnull=False),
                name="published_catalogue_name_once",
            ),
            models.CheckConstraint(
                condition=Q(status="draft", published_at__isnull=True)
                | Q(status="published", published_at__isnull=False)
                | Q(status="retired"),
                name="catalogue_published_has_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"Catalogue version {self.number}"

    @property
    def discarded(self) -> bool:
        """A draft that was put away without ever being used."""
        return self.status == self.Status.RETIRED and self.published_at is None


class CatalogueTrial(models.Model):
    """What a draft would change: in the case library and in every live plan. Filled batch by batch."""

    class Status(models.TextChoices):
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    version = models.ForeignKey(CatalogueVersion, on_delete=models.PROTECT, related_name="trials")
    # The draft's and the published version's check sums at the start: a trial speaks of these two and no others.
    sha256 = models.CharField(max_length=64)
    against_sha256 = models.CharField(max_length=64)
    status = models.CharField(max_length=8, choices=Status, default=Status.RUNNING)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="catalogue_trials"
    )
    started_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True)
    cases_done = models.PositiveIntegerField(default=0)
    cases_total = models.PositiveIntegerField(default=0)
    plans_done = models.PositiveIntegerField(default=0)
    plans_total = models.PositiveIntegerField(default=0)
    last_plan = models.BigIntegerField(default=0)  # plans are taken in order of their key
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"Trial {self.pk} of {self.version}"

    @property
    def share(self) -> int:
        """Percent done."""
        total = self.cases_total + self.plans_total
        return 100 if not total else (self.cases_done + self.plans_done) * 100 // total


class TrialChange(models.Model):
    """One case or one live plan that would come out differently."""

    trial = models.ForeignKey(CatalogueTrial, on_delete=models.CASCADE, related_name="changes")
    case = models.CharField(max_length=120, blank=True)
    plan = models.ForeignKey(
        "protocols.TreatmentPlan", on_delete=models.CASCADE, null=True, related_name="trial_changes"
    )
    changes = models.JSONField()  # [{"what": "dose", "old": "...", "new": "..."}]
    severe = models.BooleanField(default=False)  # the outcome changes, a block comes, or the engine failed

    class Meta:
        ordering = ["-severe", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["trial", "plan"], name="trial_names_a_plan_once"),
            models.CheckConstraint(
                condition=~Q(case="", plan__isnull=True), name="trial_change_of_something"
            ),
        ]

    def __str__(self) -> str:
        return self.case or f"Plan {self.plan_id}"


class Formulary(models.Model):
    """Whether the engine is held to what the clinic has, and the modalities that are in house. One row."""

    applies = models.BooleanField(_("propose only what is in house"), default=False)
    modalities = ArrayField(
        models.CharField(max_length=20), verbose_name=_("modalities"), default=list, blank=True
    )
    devices = models.CharField(_("devices"), max_length=300, blank=True)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="formulary_changes"
    )
    saved_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_formulary")]

    def __str__(self) -> str:
        return "Formulary"


class FormularyProduct(models.Model):
    """A product that stands for an agent of the catalogue."""

    agent = models.CharField(_("agent"), max_length=40)
    brand = models.CharField(_("brand"), max_length=80)
    manufacturer = models.CharField(_("manufacturer"), max_length=80, blank=True)
    concentration_mg_per_ml = models.DecimalField(
        _("concentration"), max_digits=9, decimal_places=4, null=True, blank=True
    )
    pack_ml = models.DecimalField(_("pack"), max_digits=7, decimal_places=2, null=True, blank=True)
    in_house = models.BooleanField(_("in house"), default=True)
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="formulary_products"
    )
    saved_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["agent", "brand", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "brand", "concentration_mg_per_ml", "pack_ml"],
                nulls_distinct=False,
                name="formulary_product_once",
                violation_error_message=_("This product is in the formulary already."),
            ),
            models.CheckConstraint(
                condition=Q(concentration_mg_per_ml__isnull=True) | Q(concentration_mg_per_ml__gt=0),
                name="formulary_concentration_above_0",
            ),
            models.CheckConstraint(
                condition=Q(pack_ml__isnull=True) | Q(pack_ml__gt=0), name="formulary_pack_above_0"
            ),
        ]

    def __str__(self) -> str:
        return self.brand


class Favourite(models.Model):
    """A physician's own protocol for a concern, inside the limits: a choice and edits relative to that concern."""

    name = models.CharField(_("name"), max_length=80)
    indication = models.CharField(_("indication"), max_length=20)
    area = models.CharField(_("area"), max_length=20)
    # {"choice": [modality, cocktail], "sessions": 5 | null, "windows": {"1": [7, 14, 21]},
    #  "values": {"0": {"volume_ml": "3.5"}}}: sessions count from 0, values are those of the concern's part.
    edits = models.JSONField()
    note = models.CharField(_("note"), max_length=200, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="favourites")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    removed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["name", "pk"]
        indexes = [models.Index(fields=["indication", "area"], name="favourite_of_concern")]
        constraints = [
            models.UniqueConstraint(
                fields=["name"],
                condition=Q(removed_at__isnull=True),
                name="favourite_name_once",
                violation_error_message=_("A favourite has this name already."),
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def concern(self) -> str:
        """`indication/area`, as in the engine's answer."""
        return f"{self.indication}/{self.area}"
