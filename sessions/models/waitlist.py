"""Waiting for a time: entries of the list, times that became free, offers with their hold, and the waiting room."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from patients.models import Patient
from protocols.models import PlannedSession
from sessions.models.appointments import Appointment
from sessions.models.places import Device, Location, Practitioner, Room


class WaitlistEntry(models.Model):
    """A patient waits for a time: for a planned session, or for a single visit of some length.

    The wishes are kept as they were typed and as they were understood; all of them are conditions here, since an
    offer outside them would only be declined.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        OFFERED = "offered", _("Asked now")
        BOOKED = "booked", _("Booked")
        WITHDRAWN = "withdrawn", _("Withdrawn")
        EXPIRED = "expired", _("Expired")

    class Priority(models.IntegerChoices):
        URGENT = 1, _("Urgent")
        SOON = 2, _("Soon")
        NORMAL = 3, _("Normal")

    #: Entries that still wait.
    OPEN = (State.WAITING, State.OFFERED)

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="waitlist_entries")
    kind = models.CharField(_("visit"), max_length=15, choices=Appointment.Kind)
    planned_session = models.ForeignKey(
        PlannedSession, on_delete=models.PROTECT, null=True, blank=True, related_name="waitlist_entries"
    )
    minutes = models.PositiveSmallIntegerField(_("length, minutes"))
    earlier = models.BooleanField(
        _("only earlier"), default=False, help_text=_("Only times before the visit that is booked.")
    )
    locations = models.ManyToManyField(Location, verbose_name=_("where"), related_name="waitlist_entries")
    practitioner = models.ForeignKey(
        Practitioner, on_delete=models.PROTECT, null=True, blank=True, related_name="waitlist_entries"
    )
    wish = models.CharField(_("days and times"), max_length=200, blank=True)
    weekdays = ArrayField(models.PositiveSmallIntegerField(), default=list, blank=True)
    time_from = models.TimeField(null=True, blank=True)
    time_until = models.TimeField(null=True, blank=True)
    day_from = models.DateField(_("from day"), null=True, blank=True)
    day_until = models.DateField(_("until day"), null=True, blank=True)
    notice_hours = models.PositiveSmallIntegerField(_("notice needed, hours"), default=24)
    priority = models.PositiveSmallIntegerField(_("priority"), choices=Priority, default=Priority.NORMAL)
    note = models.CharField(_("note"), max_length=300, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    closed_reason = models.CharField(max_length=300, blank=True)
    closed_at = models.DateTimeField(null=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="waitlist_entries"
    )
    created_at = models.DateTimeField()
    version = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ["priority", "created_at", "pk"]
        verbose_name_plural = "waitlist entries"
        indexes = [
            models.Index(fields=["state", "priority", "created_at", "id"], name="waitlist_by_need"),
            models.Index(fields=["patient", "state"], name="waitlist_of_patient"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["planned_session"], condition=Q(state__in=["waiting", "offered"]),
                name="planned_session_waits_once",
            ),
            models.CheckConstraint(
                condition=Q(kind="session", planned_session__isnull=False)
                | (~Q(kind="session") & Q(planned_session__isnull=True)),
                name="waiting_session_is_planned",
            ),
            models.CheckConstraint(condition=Q(minutes__range=(5, 480)), name="waiting_minutes_5_to_480"),
            models.CheckConstraint(condition=Q(priority__range=(1, 3)), name="waiting_priority_1_to_3"),
            models.CheckConstraint(
                condition=Q(day_from__isnull=True) | Q(day_until__isnull=True) | Q(day_from__lte=F("day_until")),
                name="waiting_days_in_order",
            ),
            models.CheckConstraint(
                condition=Q(time_from__isnull=True) | Q(time_until__isnull=True) | Q(time_from__lt=F("time_until")),
                name="waiting_times_in_order",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"Waiting: {self.what}"

    @property
    def what(self) -> str:
        """`Session 3`, `Consultation`."""
        if self.planned_session is not None:
            return f"{self.get_kind_display()} {self.planned_session.number}"
        return str(self.get_kind_display())

    @property
    def length(self) -> int:
        """Minutes of the visit: a planned session's own, as the plan stands now."""
        return self.planned_session.duration_min if self.planned_session else self.minutes


class FreedTime(models.Model):
    """A practitioner's time that became free, and what came of it. The row is the truth; workers only carry it on.

    `idle`: nobody on the list fits now; a change of the list wakes it.
    """

    class Cause(models.TextChoices):
        CANCELLED = "cancelled", _("Cancelled")
        NO_SHOW = "no-show", _("Did not come")
        MOVED = "moved", _("Moved away")
        PRESENT = "present", _("Absence taken back")
        OPENED = "opened", _("Closure taken back")

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        OFFERED = "offered", _("Offered")
        IDLE = "idle", _("Nobody fits")
        CLOSED = "closed", _("Closed")

    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="freed_times")
    practitioner = models.ForeignKey(Practitioner, on_delete=models.PROTECT, related_name="freed_times")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    cause = models.CharField(max_length=10, choices=Cause)
    appointment = models.ForeignKey(
        Appointment, on_delete=models.PROTECT, null=True, blank=True, related_name="freed_times"
    )
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    due_at = models.DateTimeField(help_text=_("Not offered before: the way back of the act comes first."))
    closed_reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["pk"]
        indexes = [
            models.Index(fields=["due_at", "id"], condition=Q(state="waiting"), name="freed_time_due"),
            models.Index(
                fields=["location", "ends_at"], condition=Q(state__in=["waiting", "idle"]), name="freed_time_open"
            ),
        ]  # fmt: skip
        constraints = [
            models.CheckConstraint(condition=Q(starts_at__lt=F("ends_at")), name="freed_start_before_end")
        ]

    def __str__(self) -> str:
        return f"{self.get_cause_display()} {self.starts_at:%Y-%m-%d %H:%M}"


class Offer(models.Model):
    """A freed time offered to one patient. While it is open, `hold` keeps the time in the database.

    The hold is an appointment of that patient in state `requested`: exclusion constraints hold inside one table only,
    so nothing else could keep practitioner, room, device and patient against every other booking. It is no visit
    yet: when the offer ends it is deleted, and the offer keeps what it was.
    """

    class State(models.TextChoices):
        OPEN = "open", _("Asked")
        ACCEPTED = "accepted", _("Accepted")
        DECLINED = "declined", _("Declined")
        EXPIRED = "expired", _("No answer")
        PASSED_ON = "passed-on", _("Passed on")
        ENDED = "ended", _("Ended by the clinic")
        GONE = "gone", _("No longer possible")

    entry = models.ForeignKey(WaitlistEntry, on_delete=models.PROTECT, related_name="offers")
    freed = models.ForeignKey(FreedTime, on_delete=models.PROTECT, related_name="offers")
    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="offers")
    hold = models.OneToOneField(Appointment, on_delete=models.SET_NULL, null=True, related_name="offer")
    appointment = models.ForeignKey(
        Appointment, on_delete=models.PROTECT, null=True, related_name="accepted_offers"
    )
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="offers")
    practitioner = models.ForeignKey(Practitioner, on_delete=models.PROTECT, related_name="offers")
    room = models.ForeignKey(Room, on_delete=models.PROTECT, related_name="offers")
    device = models.ForeignKey(Device, on_delete=models.PROTECT, null=True, related_name="offers")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    by_phone = models.BooleanField(
        default=False, help_text=_("No address for messages: the front desk calls.")
    )
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="offers_answered"
    )
    link_key = models.CharField(
        max_length=32, help_text=_("Part of the link's signature: changing it revokes.")
    )

    class Meta:
        ordering = ["-made_at", "-pk"]
        indexes = [
            models.Index(fields=["expires_at", "id"], condition=Q(state="open"), name="offer_open"),
            models.Index(fields=["entry", "-made_at"], name="offer_of_entry"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["freed"], condition=Q(state="open"), name="freed_time_offered_once"
            ),
            models.UniqueConstraint(fields=["patient"], condition=Q(state="open"), name="patient_asked_once"),
            models.CheckConstraint(
                condition=~Q(state="open") | Q(hold__isnull=False), name="open_offer_is_held"
            ),
        ]

    def __str__(self) -> str:
        return f"Offer {self.starts_at:%Y-%m-%d %H:%M}"


class Stay(models.Model):
    """What happens to an arrived patient before the treatment: cream on, called in.

    The time of the cream stands here only until the treatment's record is opened: it moves there, so that there is
    one place to read it from (`sessions.waiting.queries.cream_on`).
    """

    appointment = models.OneToOneField(Appointment, on_delete=models.PROTECT, related_name="stay")
    cream_on_at = models.DateTimeField(null=True)
    cream_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    called_at = models.DateTimeField(null=True)
    called_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )

    def __str__(self) -> str:
        return f"Stay {self.appointment_id}"
