"""Appointments: one row per visit, always.

Exclusion constraints on practitioner, room, device and patient are the guarantee against double booking;
ranges are half-open, room and device include set-up and clean-up, the patient's begins with the cream, cancelled and
missed visits are left out.
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeBoundary, RangeOperators
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext_lazy as _

from patients.models import Patient
from protocols.models import PlannedSession, TreatmentPlan
from sessions.models.places import Device, Location, Practitioner, Room
from sessions.models.types import CONSULTATION, AppointmentType, Needs
from sessions.scheduling.diary import fittings_for


class TsTzRange(Func):
    function = "TSTZRANGE"
    output_field = DateTimeRangeField()


class WallTime(models.Field):  # type: ignore[type-arg]  # Field takes no parameters at run time
    """A time on a wall clock, of no zone: what was said, whatever becomes of the zone's rules."""

    def db_type(self, connection: Any) -> str:
        return "timestamp without time zone"

    def to_python(self, value: Any) -> datetime | None:
        return datetime.fromisoformat(value) if isinstance(value, str) else value


class CourseBooking(models.Model):
    """One act of booking a whole course. The key makes a double click book once."""

    plan = models.ForeignKey(TreatmentPlan, on_delete=models.PROTECT, related_name="bookings")
    key = models.UUIDField(unique=True)
    booked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="courses_booked"
    )
    booked_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-booked_at"]

    def __str__(self) -> str:
        return f"Booking of {self.plan}"


class Appointment(models.Model):
    """A visit of a patient at a location with a practitioner in a room, perhaps with a device."""

    class Kind(models.TextChoices):
        SESSION = "session", _("Session")
        CONSULTATION = "consultation", _("Consultation")
        REVIEW = "review", _("Review")
        EMERGENCY = "emergency", _("Emergency")

    class Status(models.TextChoices):
        REQUESTED = "requested", _("Requested")
        BOOKED = "booked", _("Booked")
        CONFIRMED = "confirmed", _("Confirmed")
        ARRIVED = "arrived", _("Arrived")
        IN_TREATMENT = "in-treatment", _("In treatment")
        DONE = "done", _("Done")
        NO_SHOW = "no-show", _("No-show")
        CANCELLED = "cancelled", _("Cancelled")

    #: Which state may follow which; the way back of one step is allowed and recorded.
    ALLOWED: dict[str, frozenset[str]] = {
        Status.REQUESTED: frozenset({Status.BOOKED, Status.CANCELLED}),
        Status.BOOKED: frozenset({Status.CONFIRMED, Status.ARRIVED, Status.NO_SHOW, Status.CANCELLED}),
        Status.CONFIRMED: frozenset({Status.BOOKED, Status.ARRIVED, Status.NO_SHOW, Status.CANCELLED}),
        Status.ARRIVED: frozenset({Status.CONFIRMED, Status.IN_TREATMENT, Status.DONE, Status.CANCELLED}),
        Status.IN_TREATMENT: frozenset({Status.ARRIVED, Status.DONE}),
        Status.DONE: frozenset(),
        Status.NO_SHOW: frozenset({Status.BOOKED}),
        Status.CANCELLED: frozenset(),
    }
    FREED = (Status.NO_SHOW, Status.CANCELLED)

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="appointments")
    kind = models.CharField(max_length=15, choices=Kind, default=Kind.SESSION)
    type = models.ForeignKey(
        AppointmentType, on_delete=models.PROTECT, null=True, blank=True, related_name="appointments",
        help_text=_("What a single visit was booked as; its class stays in `kind`."),
    )  # fmt: skip
    planned_session = models.ForeignKey(
        PlannedSession, on_delete=models.PROTECT, null=True, blank=True, related_name="appointments"
    )
    booking = models.ForeignKey(
        CourseBooking, on_delete=models.PROTECT, null=True, blank=True, related_name="appointments"
    )
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="appointments")
    practitioner = models.ForeignKey(Practitioner, on_delete=models.PROTECT, related_name="appointments")
    room = models.ForeignKey(Room, on_delete=models.PROTECT, related_name="appointments")
    device = models.ForeignKey(
        Device, on_delete=models.PROTECT, null=True, blank=True, related_name="appointments"
    )
    starts_at = models.DateTimeField()
    #: The promise: what the patient was told, on the wall clock of the location by the rules of that day. When the rules
    #: change, `starts_at` follows it (sessions.clocks). Who moves a visit writes both; a trigger empties it behind a hand
    #: that moves `starts_at` alone, and an empty one is filled by the rules of the next look.
    local_start = WallTime(null=True, editable=False)
    ends_at = models.DateTimeField()
    occupied_from = models.DateTimeField(
        help_text=_("Start with set-up: room and device are taken from here.")
    )
    occupied_until = models.DateTimeField(help_text=_("End with clean-up."))
    prep_from = models.DateTimeField(
        null=True, blank=True, help_text=_("From here the patient is there and the cream acts.")
    )
    prep_room = models.ForeignKey(
        Room, on_delete=models.PROTECT, null=True, blank=True, related_name="preparations"
    )
    status = models.CharField(max_length=15, choices=Status, default=Status.BOOKED)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    note = models.CharField(_("note"), max_length=300, blank=True)
    arrived_at = models.DateTimeField(null=True)
    booked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="appointments_booked"
    )
    booked_at = models.DateTimeField(db_default=Now(), editable=False)
    version = models.PositiveIntegerField(default=1)
    #: Written by a trigger at every change (migration 0007): calendar programs ask for it.
    changed_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["starts_at", "pk"]
        indexes = [
            models.Index(fields=["location", "starts_at"], name="appointment_calendar"),
            models.Index(fields=["patient", "-starts_at"], name="appointment_of_patient"),
            models.Index(fields=["practitioner", "starts_at"], name="appointment_of_practitioner"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(occupied_from__lte=F("starts_at"), ends_at__lte=F("occupied_until")),
                name="appointment_inside_its_buffers",
            ),
            models.CheckConstraint(
                condition=Q(starts_at__lt=F("ends_at")), name="appointment_start_before_end"
            ),
            # What touches a time has begun at most a day before: reading a range uses the indexes by start.
            models.CheckConstraint(
                condition=Q(ends_at__lte=F("starts_at") + timedelta(days=1)), name="appointment_within_a_day"
            ),
            models.CheckConstraint(
                condition=Q(prep_from__isnull=True, prep_room__isnull=True) | Q(prep_from__lt=F("starts_at")),
                name="appointment_preparation_before_start",
            ),
            models.UniqueConstraint(
                fields=["planned_session"],
                condition=~Q(status__in=["no-show", "cancelled"]),
                name="planned_session_booked_once",
            ),
            ExclusionConstraint(
                name="practitioner_not_double_booked",
                expressions=[
                    ("practitioner", RangeOperators.EQUAL),
                    (TsTzRange("starts_at", "ends_at", RangeBoundary()), RangeOperators.OVERLAPS),
                ],
                condition=~Q(status__in=["no-show", "cancelled"]),
                violation_error_message=_("This practitioner already has a patient at that time."),
            ),
            ExclusionConstraint(
                name="patient_not_double_booked",
                expressions=[
                    ("patient", RangeOperators.EQUAL),
                    (
                        TsTzRange(Coalesce("prep_from", "starts_at"), "ends_at", RangeBoundary()),
                        RangeOperators.OVERLAPS,
                    ),
                ],
                condition=~Q(status__in=["no-show", "cancelled"]),
                violation_error_message=_("This patient already has an appointment at that time."),
            ),
            ExclusionConstraint(
                name="room_not_double_booked",
                expressions=[
                    ("room", RangeOperators.EQUAL),
                    (TsTzRange("occupied_from", "occupied_until", RangeBoundary()), RangeOperators.OVERLAPS),
                ],
                condition=~Q(status__in=["no-show", "cancelled"]),
                violation_error_message=_("This room is taken at that time."),
            ),
            # Preparation rooms serve nothing else (Room), so this range and that of the treatment never meet.
            ExclusionConstraint(
                name="preparation_room_not_double_booked",
                expressions=[
                    ("prep_room", RangeOperators.EQUAL),
                    (TsTzRange("prep_from", "starts_at", RangeBoundary()), RangeOperators.OVERLAPS),
                ],
                condition=~Q(status__in=["no-show", "cancelled"]) & Q(prep_room__isnull=False),
                violation_error_message=_("This preparation room is taken at that time."),
            ),
            ExclusionConstraint(
                name="device_not_double_booked",
                expressions=[
                    ("device", RangeOperators.EQUAL),
                    (TsTzRange("occupied_from", "occupied_until", RangeBoundary()), RangeOperators.OVERLAPS),
                ],
                condition=~Q(status__in=["no-show", "cancelled"]) & Q(device__isnull=False),
                violation_error_message=_("This device is taken at that time."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.starts_at:%Y-%m-%d %H:%M}"

    @property
    def what(self) -> str:
        """What it was booked as, in the clinic's words."""
        return self.type.name if self.type is not None else str(self.get_kind_display())

    @property
    def needs(self) -> Needs:
        """What the visit asks of its practitioner, room and device: by its plan, else by its type."""
        planned = self.planned_session
        if planned is not None:
            able = frozenset(planned.needs)
            return Needs(able, fittings_for(able), planned.device_kind)
        return self.type.needs if self.type is not None else CONSULTATION
