"""Country and region of a location, closures made for public holidays, types of single visits with shipped defaults."""

from typing import Any

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.text
from babel.core import get_global
from django.conf import settings
from django.db import migrations, models

#: Name, class, colour, shape: sessions.models.types ships the same to new installations' tests and demo.
SHIPPED = (
    ("Consultation", "consultation", "petrol", "circle"),
    ("Review", "review", "blue", "square"),
    ("Emergency", "emergency", "amber", "triangle"),
)


def fill(apps: Any, schema_editor: Any) -> None:
    """The country where the time zone lies in one; the shipped types, and the single visits that stand as them."""
    location = apps.get_model("treatment_sessions", "Location")
    territories = get_global("zone_territories")
    for row in location.objects.all():
        row.country = territories.get(row.time_zone, "")[:2]
        row.save(update_fields=["country"])
    type_ = apps.get_model("treatment_sessions", "AppointmentType")
    appointment = apps.get_model("treatment_sessions", "Appointment")
    for name, kind, colour, shape in SHIPPED:
        row = type_.objects.create(name=name, kind=kind, minutes=30, colour=colour, shape=shape)
        appointment.objects.filter(kind=kind, planned_session__isnull=True).update(type=row)


class Migration(migrations.Migration):
    dependencies = [
        ("treatment_sessions", "0007_cream_has_its_time_and_room"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="AppointmentType",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=40, verbose_name="name")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("consultation", "Consultation"),
                            ("review", "Review"),
                            ("emergency", "Emergency"),
                        ],
                        default="consultation",
                        max_length=15,
                        verbose_name="counts as",
                    ),
                ),
                (
                    "minutes",
                    models.PositiveSmallIntegerField(
                        validators=[
                            django.core.validators.MinValueValidator(5),
                            django.core.validators.MaxValueValidator(480),
                        ],
                        verbose_name="usual length, minutes",
                    ),
                ),
                (
                    "qualification",
                    models.CharField(default="consultation", max_length=20, verbose_name="practitioner does"),
                ),
                (
                    "capability",
                    models.CharField(default="consultation", max_length=20, verbose_name="room fitted for"),
                ),
                ("device_kind", models.CharField(blank=True, max_length=20, verbose_name="device")),
                (
                    "colour",
                    models.CharField(
                        choices=[
                            ("petrol", "Petrol"),
                            ("blue", "Blue"),
                            ("green", "Green"),
                            ("amber", "Amber"),
                            ("violet", "Violet"),
                            ("grey", "Grey"),
                        ],
                        default="petrol",
                        max_length=10,
                        verbose_name="colour",
                    ),
                ),
                (
                    "shape",
                    models.CharField(
                        choices=[
                            ("circle", "Circle"),
                            ("square", "Square"),
                            ("triangle", "Triangle"),
                            ("diamond", "Diamond"),
                            ("hexagon", "Hexagon"),
                        ],
                        default="circle",
                        max_length=10,
                        verbose_name="shape",
                    ),
                ),
                ("active", models.BooleanField(default=True, verbose_name="active")),
            ],
            options={
                "ordering": ["name", "pk"],
            },
        ),
        migrations.CreateModel(
            name="HolidayYear",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("year", models.PositiveSmallIntegerField(verbose_name="year")),
                ("decided_at", models.DateTimeField(verbose_name="decided")),
            ],
            options={
                "ordering": ["location", "year"],
            },
        ),
        migrations.AddField(
            model_name="closure",
            name="holiday",
            field=models.DateField(
                blank=True,
                help_text="The holiday that it was made for.",
                null=True,
                verbose_name="public holiday",
            ),
        ),
        migrations.AddField(
            model_name="location",
            name="country",
            field=models.CharField(blank=True, max_length=2, verbose_name="country"),
        ),
        migrations.AddField(
            model_name="location",
            name="subdivision",
            field=models.CharField(blank=True, max_length=20, verbose_name="region"),
        ),
        migrations.AddIndex(
            model_name="closure",
            index=models.Index(fields=["starts_at", "ends_at"], name="closure_by_time"),
        ),
        migrations.AddConstraint(
            model_name="closure",
            constraint=models.UniqueConstraint(fields=("location", "holiday"), name="holiday_closes_once"),
        ),
        migrations.AddConstraint(
            model_name="location",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("subdivision", ""), models.Q(("country", ""), _negated=True), _connector="OR"
                ),
                name="location_region_has_its_country",
            ),
        ),
        migrations.AddConstraint(
            model_name="appointmenttype",
            constraint=models.UniqueConstraint(
                django.db.models.functions.text.Lower("name"), name="appointment_type_name_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="appointmenttype",
            constraint=models.CheckConstraint(
                condition=models.Q(("minutes__range", (5, 480))), name="appointment_type_minutes"
            ),
        ),
        migrations.AddField(
            model_name="appointment",
            name="type",
            field=models.ForeignKey(
                blank=True,
                help_text="What a single visit was booked as; its class stays in `kind`.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="appointments",
                to="treatment_sessions.appointmenttype",
            ),
        ),
        migrations.AddField(
            model_name="holidayyear",
            name="decided_by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="holiday_years",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="holidayyear",
            name="location",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="holiday_years",
                to="treatment_sessions.location",
            ),
        ),
        migrations.AddConstraint(
            model_name="holidayyear",
            constraint=models.UniqueConstraint(fields=("location", "year"), name="holidays_decided_once"),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
