"""How somebody likes the calendar: kept with the account, so that it holds at every desk."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class CalendarSettings(models.Model):
    """One person's calendar: height of the rows, length of a slot, order of the columns, colouring, last view."""

    ZOOMS = (4, 6, 9, 12)
    SLOTS = (5, 10, 15, 30)

    class Colours(models.TextChoices):
        STATUS = "status", _("By status")
        SERVICE = "service", _("By kind of service")

    class View(models.TextChoices):
        DAY = "day", _("Day")
        WEEK = "week", _("Week")
        MONTH = "month", _("Month")

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="calendar_settings"
    )
    zoom = models.PositiveSmallIntegerField(default=6, help_text=_("Pixels of five minutes."))
    slot_min = models.PositiveSmallIntegerField(
        default=15, help_text=_("Minutes from line to line; dragging snaps to them.")
    )
    colours = models.CharField(max_length=10, choices=Colours, default=Colours.STATUS)
    view = models.CharField(max_length=10, choices=View, default=View.DAY)
    columns = models.CharField(max_length=10, default="all")
    order = ArrayField(models.CharField(max_length=24), default=list, blank=True)

    class Meta:
        verbose_name_plural = "calendar settings"
        constraints = [
            models.CheckConstraint(condition=Q(zoom__in=(4, 6, 9, 12)), name="calendar_zoom_is_offered"),
            models.CheckConstraint(
                condition=Q(slot_min__in=(5, 10, 15, 30)), name="calendar_slot_is_offered"
            ),
        ]

    def __str__(self) -> str:
        return f"Calendar of {self.user_id}"
