"""The outbox. Its rows are the truth; Celery and Redis only carry work."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from patients.models import Patient
from sessions.models.appointments import Appointment
from sessions.models.places import Location


class Message(models.Model):
    """A message to a patient. `cause` is unique: one event never sends twice."""

    class Kind(models.TextChoices):
        CONFIRMATION = "confirmation", _("Booking confirmation")
        REMINDER = "reminder", _("Reminder")
        MOVED = "moved", _("Appointment moved")
        CANCELLED = "cancelled", _("Appointment cancelled")
        OFFER = "offer", _("A freed time is offered")

    class State(models.TextChoices):
        DUE = "due", _("Waiting")
        SENDING = "sending", _("Sending")
        SENT = "sent", _("Sent")
        FAILED = "failed", _("Failed, will retry")
        DEAD = "dead", _("Could not be delivered")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    kind = models.CharField(max_length=15, choices=Kind)
    cause = models.CharField(max_length=120)
    # Its index is `message_of_patient`.
    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="messages", db_index=False)
    appointment = models.ForeignKey(Appointment, on_delete=models.PROTECT, null=True, related_name="messages")
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="messages")
    channel = models.CharField(max_length=10, default="email")
    recipient = models.CharField(max_length=254)
    language = models.CharField(max_length=8)
    subject = models.CharField(max_length=200)
    body = models.TextField()
    calendar = models.TextField(blank=True, help_text=_("The attached .ics, if any."))
    send_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State, default=State.DUE)
    attempts = models.PositiveSmallIntegerField(default=0)
    leased_until = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-send_at", "-pk"]
        indexes = [
            # The claim of sessions.reminders.outbox reads only this part.
            models.Index(
                fields=["send_at"], condition=Q(state__in=["due", "failed", "sending"]), name="message_due"
            ),
            models.Index(fields=["-send_at", "-id"], name="message_list_order"),
            models.Index(fields=["patient", "-send_at"], name="message_of_patient"),
        ]
        constraints = [models.UniqueConstraint(fields=["cause"], name="message_once")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} to {self.recipient}"


class MessageAttempt(models.Model):
    """One try at delivering a message, kept whatever came of it."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="tries")
    at = models.DateTimeField(db_default=Now(), editable=False)
    delivered = models.BooleanField()
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return "delivered" if self.delivered else self.error
