"""What answering by link and calendar programs need: when a visit last changed, withdrawn links, requests, feeds.

The time of the last change is written by a trigger: no path of the code, and no hand at the database, can forget it.
"""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

FORWARD = """
UPDATE treatment_sessions_appointment SET changed_at = booked_at;
CREATE FUNCTION mc_appointment_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.changed_at := clock_timestamp();
  RETURN NEW;
END $$;
CREATE TRIGGER appointment_changed BEFORE UPDATE ON treatment_sessions_appointment
  FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION mc_appointment_changed();
"""
BACKWARD = """
DROP TRIGGER appointment_changed ON treatment_sessions_appointment;
DROP FUNCTION mc_appointment_changed();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("patients", "0003_reactions_to_earlier_treatments"),
        ("treatment_sessions", "0008_holidays_and_appointment_types"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="appointment",
            name="changed_at",
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
        migrations.AddField(
            model_name="location",
            name="late_hours",
            field=models.PositiveSmallIntegerField(
                default=4,
                verbose_name="hours before a visit from which on a patient must call to move or cancel it",
            ),
        ),
        migrations.CreateModel(
            name="CalendarFeed",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("token_hash", models.CharField(max_length=64, unique=True)),
                ("made_at", models.DateTimeField()),
                (
                    "read_at",
                    models.DateTimeField(help_text="When a program last asked, to the hour.", null=True),
                ),
                (
                    "made_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "practitioner",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="calendar_feed",
                        to="treatment_sessions.practitioner",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="LinkWithdrawal",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "patient",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="link_withdrawals",
                        to="patients.patient",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="TimeRequest",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("wish", models.CharField(blank=True, max_length=300, verbose_name="wish")),
                ("asked_at", models.DateTimeField()),
                ("settled_at", models.DateTimeField(null=True)),
                (
                    "appointment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="time_requests",
                        to="treatment_sessions.appointment",
                    ),
                ),
                (
                    "settled_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["asked_at", "pk"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("settled_at__isnull", True)),
                        fields=["asked_at", "id"],
                        name="time_request_open",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("settled_at__isnull", True)),
                        fields=("appointment",),
                        name="one_open_request_per_visit",
                    )
                ],
            },
        ),
    ]
