"""Where and by whom: locations with their time zone, rooms, devices, practitioners and their hours."""

from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q
from django.utils.translation import gettext_lazy as _

#: From so many hours before a visit on, patients call to move or cancel it; each location sets its own.
LATE_HOURS = 4


class TimeRange(Func):
    """Two times of one day as a range: PostgreSQL has ranges of timestamps only, so both stand on one day."""

    template = "tsrange(DATE '2000-01-03' + %(expressions)s)"
    arg_joiner = ", DATE '2000-01-03' + "


class Location(models.Model):
    """A clinic's site. Every wall-clock time of an appointment there is in its time zone."""

    name = models.CharField(_("name"), max_length=80, unique=True)
    short_name = models.CharField(_("short name"), max_length=30)
    time_zone = models.CharField(_("time zone"), max_length=50)
    address = models.CharField(_("address"), max_length=200)
    phone = models.CharField(_("phone"), max_length=30)
    after_hours_phone = models.CharField(_("phone out of hours"), max_length=30, blank=True)
    emergency_number = models.CharField(_("emergency number"), max_length=10, default="112")
    # Whose public holidays are offered: ISO 3166 country, and the region's code in sessions.setup.holidays.
    country = models.CharField(_("country"), max_length=2, blank=True)
    subdivision = models.CharField(_("region"), max_length=20, blank=True)
    late_hours = models.PositiveSmallIntegerField(
        _("hours before a visit from which on a patient must call to move or cancel it"), default=LATE_HOURS
    )

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(subdivision="") | ~Q(country=""), name="location_region_has_its_country"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        """The location's time zone."""
        return ZoneInfo(self.time_zone)

    def on_the_wall(self, moment: datetime) -> datetime:
        """What the clock on the wall shows at that moment, by the rules of Python's time zones."""
        return moment.astimezone(self.zone).replace(tzinfo=None)


class Room(models.Model):
    """A room with what can be done in it: `consultation`, `injection`, `needling`.

    `preparation` stands alone: one chair or couch where an anaesthetic cream acts before the visit.
    """

    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="rooms")
    name = models.CharField(_("name"), max_length=40)
    capabilities = ArrayField(models.CharField(max_length=20), verbose_name=_("used for"))

    class Meta:
        ordering = ["location", "name"]
        constraints = [
            models.UniqueConstraint(fields=["location", "name"], name="room_name_once_per_location"),
            models.CheckConstraint(
                condition=~Q(capabilities__contains=["preparation"]) | Q(capabilities__len=1),
                name="preparation_room_serves_nothing_else",
                violation_error_message=_("A preparation room serves nothing else."),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Device(models.Model):
    """A device that only one session can use at a time: `needling-pen`, `jet-injector`."""

    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="devices")
    name = models.CharField(_("name"), max_length=60)
    kind = models.CharField(_("kind"), max_length=20)
    in_service = models.BooleanField(_("in service"), default=True)

    class Meta:
        ordering = ["location", "name"]
        constraints = [
            models.UniqueConstraint(fields=["location", "name"], name="device_name_once_per_location")
        ]

    def __str__(self) -> str:
        return self.name


class Practitioner(models.Model):
    """A member of staff who treats. Qualifications: `consultation`, `injection`, `needling`, `needle-free`."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="practitioner"
    )
    qualifications = ArrayField(models.CharField(max_length=20), verbose_name=_("qualified for"))

    class Meta:
        ordering = ["user__full_name", "pk"]

    def __str__(self) -> str:
        return self.user.full_name


class WorkingHours(models.Model):
    """Weekly hours of a practitioner at a location, on the wall clock of the location."""

    practitioner = models.ForeignKey(Practitioner, on_delete=models.CASCADE, related_name="hours")
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="hours")
    weekday = models.PositiveSmallIntegerField(_("weekday"), help_text=_("ISO: 1 Monday to 7 Sunday"))
    starts = models.TimeField(_("from"))
    ends = models.TimeField(_("to"))

    class Meta:
        ordering = ["practitioner", "weekday", "starts"]
        verbose_name_plural = "working hours"
        constraints = [
            models.CheckConstraint(condition=Q(starts__lt=F("ends")), name="hours_start_before_end"),
            models.CheckConstraint(condition=Q(weekday__range=(1, 7)), name="weekday_1_to_7"),
            # Across locations too: nobody works in two places at the same time.
            ExclusionConstraint(
                name="hours_do_not_overlap",
                expressions=[
                    ("practitioner", RangeOperators.EQUAL),
                    ("weekday", RangeOperators.EQUAL),
                    (TimeRange("starts", "ends"), RangeOperators.OVERLAPS),
                ],
                violation_error_message=_("These hours overlap others of the same day."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.weekday} {self.starts}-{self.ends}"


class Absence(models.Model):
    """A practitioner is away."""

    practitioner = models.ForeignKey(Practitioner, on_delete=models.PROTECT, related_name="absences")
    starts_at = models.DateTimeField(_("from"))
    ends_at = models.DateTimeField(_("to"))
    reason = models.CharField(_("reason"), max_length=120, blank=True)

    class Meta:
        ordering = ["starts_at"]
        indexes = [models.Index(fields=["starts_at", "ends_at"], name="absence_by_time")]
        constraints = [
            models.CheckConstraint(condition=Q(starts_at__lt=F("ends_at")), name="absence_start_before_end")
        ]

    def __str__(self) -> str:
        return f"{self.practitioner} {self.starts_at:%Y-%m-%d}"


class Closure(models.Model):
    """A location is closed: a holiday, works."""

    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="closures")
    starts_at = models.DateTimeField(_("from"))
    ends_at = models.DateTimeField(_("to"))
    reason = models.CharField(_("reason"), max_length=120)
    holiday = models.DateField(
        _("public holiday"), null=True, blank=True, help_text=_("The holiday that it was made for.")
    )

    class Meta:
        ordering = ["starts_at"]
        indexes = [models.Index(fields=["starts_at", "ends_at"], name="closure_by_time")]
        constraints = [
            models.CheckConstraint(condition=Q(starts_at__lt=F("ends_at")), name="closure_start_before_end"),
            # However often a year's holidays are saved, each closes the location once.
            models.UniqueConstraint(fields=["location", "holiday"], name="holiday_closes_once"),
        ]

    def __str__(self) -> str:
        return self.reason


class HolidayYear(models.Model):
    """Somebody decided on which public holidays of a year the location is closed; the days are its closures."""

    location = models.ForeignKey(Location, on_delete=models.CASCADE, related_name="holiday_years")
    year = models.PositiveSmallIntegerField(_("year"))
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="holiday_years"
    )
    decided_at = models.DateTimeField(_("decided"))

    class Meta:
        ordering = ["location", "year"]
        constraints = [models.UniqueConstraint(fields=["location", "year"], name="holidays_decided_once")]

    def __str__(self) -> str:
        return f"{self.location} {self.year}"
