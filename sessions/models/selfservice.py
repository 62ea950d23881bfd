"""What patients' links and practitioners' calendar feeds leave in the database: never a usable address."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from patients.models import Patient
from sessions.models.appointments import Appointment
from sessions.models.places import Practitioner


class LinkWithdrawal(models.Model):
    """From here on no link sent to this patient before works: a lost phone, a mistyped address.

    Links are signed over the number of these rows (sessions.selfservice.links), so no link is ever stored.
    """

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="link_withdrawals")
    at = models.DateTimeField(db_default=Now(), editable=False)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"Links withdrawn {self.at:%Y-%m-%d %H:%M}"


class TimeRequest(models.Model):
    """A patient found no fitting time by link and asks the front desk for one."""

    appointment = models.ForeignKey(Appointment, on_delete=models.PROTECT, related_name="time_requests")
    wish = models.CharField(_("wish"), max_length=300, blank=True)
    asked_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    settled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )

    class Meta:
        ordering = ["asked_at", "pk"]
        indexes = [
            # The front desk's list and its count in the side bar read only these.
            models.Index(
                fields=["asked_at", "id"], condition=Q(settled_at__isnull=True), name="time_request_open"
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["appointment"],
                condition=Q(settled_at__isnull=True),
                name="one_open_request_per_visit",
            ),
        ]

    def __str__(self) -> str:
        return f"Request of {self.asked_at:%Y-%m-%d %H:%M}"


class CalendarFeed(models.Model):
    """The secret address under which a practitioner's calendar program reads the visits. Only its hash is kept."""

    practitioner = models.OneToOneField(Practitioner, on_delete=models.PROTECT, related_name="calendar_feed")
    token_hash = models.CharField(max_length=64, unique=True)
    made_at = models.DateTimeField()
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    read_at = models.DateTimeField(null=True, help_text=_("When a program last asked, to the hour."))

    def __str__(self) -> str:
        return f"Calendar feed of {self.practitioner}"
