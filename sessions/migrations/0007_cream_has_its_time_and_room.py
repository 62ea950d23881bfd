"""The anaesthetic cream has its time and its room; a visit ends within a day."""

import datetime

import django.contrib.postgres.constraints
import django.contrib.postgres.fields.ranges
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.comparison
from django.conf import settings
from django.db import migrations, models

import sessions.models.appointments


class Migration(migrations.Migration):
    dependencies = [
        ("patients", "0003_reactions_to_earlier_treatments"),
        ("protocols", "0007_what_a_session_needs"),
        ("treatment_sessions", "0006_opened_lots_are_discarded"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="appointment",
            name="patient_not_double_booked",
        ),
        migrations.AddField(
            model_name="appointment",
            name="prep_from",
            field=models.DateTimeField(
                blank=True, help_text="From here the patient is there and the cream acts.", null=True
            ),
        ),
        migrations.AddField(
            model_name="appointment",
            name="prep_room",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="preparations",
                to="treatment_sessions.room",
            ),
        ),
        migrations.AddConstraint(
            model_name="appointment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "ends_at__lte",
                        django.db.models.expressions.CombinedExpression(
                            models.F("starts_at"), "+", models.Value(datetime.timedelta(days=1))
                        ),
                    )
                ),
                name="appointment_within_a_day",
            ),
        ),
        migrations.AddConstraint(
            model_name="appointment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("prep_from__isnull", True), ("prep_room__isnull", True)),
                    ("prep_from__lt", models.F("starts_at")),
                    _connector="OR",
                ),
                name="appointment_preparation_before_start",
            ),
        ),
        migrations.AddConstraint(
            model_name="appointment",
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                condition=models.Q(("status__in", ["no-show", "cancelled"]), _negated=True),
                expressions=[
                    ("patient", "="),
                    (
                        sessions.models.appointments.TsTzRange(
                            django.db.models.functions.comparison.Coalesce("prep_from", "starts_at"),
                            "ends_at",
                            django.contrib.postgres.fields.ranges.RangeBoundary(),
                        ),
                        "&&",
                    ),
                ],
                name="patient_not_double_booked",
                violation_error_message="This patient already has an appointment at that time.",
            ),
        ),
        migrations.AddConstraint(
            model_name="appointment",
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                condition=models.Q(
                    models.Q(("status__in", ["no-show", "cancelled"]), _negated=True),
                    ("prep_room__isnull", False),
                ),
                expressions=[
                    ("prep_room", "="),
                    (
                        sessions.models.appointments.TsTzRange(
                            "prep_from", "starts_at", django.contrib.postgres.fields.ranges.RangeBoundary()
                        ),
                        "&&",
                    ),
                ],
                name="preparation_room_not_double_booked",
                violation_error_message="This preparation room is taken at that time.",
            ),
        ),
        migrations.AddConstraint(
            model_name="room",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("capabilities__contains", ["preparation"]), _negated=True),
                    ("capabilities__len", 1),
                    _connector="OR",
                ),
                name="preparation_room_serves_nothing_else",
                violation_error_message="A preparation room serves nothing else.",
            ),
        ),
    ]
