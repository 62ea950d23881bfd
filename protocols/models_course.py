"""What happens while a course is under way: reviews by scale, adverse events."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Review(models.Model):
    """The response of one concern on a day: scale items (score computed), GAIS, what both sides say."""

    plan = models.ForeignKey("protocols.TreatmentPlan", on_delete=models.PROTECT, related_name="reviews")
    concern = models.CharField(max_length=40)
    reviewed_on = models.DateField(_("date"))
    after_session = models.PositiveSmallIntegerField(_("sessions done"))
    scale = models.CharField(max_length=30, blank=True)
    items = models.JSONField(default=dict, blank=True)
    score = models.DecimalField(max_digits=5, decimal_places=2, null=True, blank=True)
    gais = models.SmallIntegerField(_("global improvement"), null=True, blank=True)
    goal_met = models.BooleanField(_("goal met"), default=False)
    wants_more = models.BooleanField(_("both want more"), default=False)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reviews")
    at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["reviewed_on", "pk"]
        indexes = [models.Index(fields=["plan", "reviewed_on"], name="review_of_plan")]
        constraints = [
            models.CheckConstraint(
                condition=Q(gais__isnull=True) | Q(gais__range=(-1, 3)), name="gais_minus_1_to_3"
            )
        ]

    def __str__(self) -> str:
        return f"Review of {self.concern}, {self.reviewed_on}"


class AdverseEvent(models.Model):
    """An adverse event in a course, graded after CTCAE. It is never deleted; it is resolved."""

    plan = models.ForeignKey(
        "protocols.TreatmentPlan", on_delete=models.PROTECT, related_name="adverse_events"
    )
    event = models.CharField(_("event"), max_length=40)
    grade = models.PositiveSmallIntegerField(_("grade"))
    onset = models.DateField(_("onset"))
    area = models.CharField(_("area"), max_length=20, blank=True)
    agent = models.CharField(_("agent held responsible"), max_length=40, blank=True)
    after_session = models.PositiveSmallIntegerField(_("after session"), null=True, blank=True)
    detail = models.TextField(_("what was seen and done"), blank=True, max_length=2000)
    resolved_on = models.DateField(_("resolved on"), null=True, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="adverse_events")
    at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-onset", "-pk"]
        indexes = [models.Index(fields=["plan", "-onset"], name="adverse_event_of_plan")]
        constraints = [
            models.CheckConstraint(condition=Q(grade__range=(1, 5)), name="adverse_event_grade_1_to_5"),
            models.CheckConstraint(
                condition=Q(resolved_on__isnull=True) | Q(resolved_on__gte=F("onset")),
                name="adverse_event_resolved_after_onset",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} grade {self.grade}, {self.onset}"
