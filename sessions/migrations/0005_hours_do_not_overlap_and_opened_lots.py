"""Nobody works in two places at once; a lot knows since when it stands open, and why it is blocked."""

import django.contrib.postgres.constraints
from django.db import migrations, models

import sessions.models.places


class Migration(migrations.Migration):
    dependencies = [("treatment_sessions", "0004_frozen_parts_stay_and_lots_of_corrections")]

    operations = [
        migrations.AddField(
            model_name="lot",
            name="discard_after",
            field=models.DateField(blank=True, null=True, verbose_name="discard after"),
        ),
        migrations.AddField(
            model_name="lot",
            name="opened_on",
            field=models.DateField(blank=True, null=True, verbose_name="opened on"),
        ),
        migrations.AddField(
            model_name="lot",
            name="status_reason",
            field=models.CharField(blank=True, max_length=300, verbose_name="reason"),
        ),
        migrations.AddConstraint(
            model_name="lot",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("discard_after__isnull", True),
                    models.Q(("discard_after__gte", models.F("opened_on")), ("opened_on__isnull", False)),
                    _connector="OR",
                ),
                name="lot_discarded_after_it_was_opened",
            ),
        ),
        migrations.AddConstraint(
            model_name="product",
            constraint=models.CheckConstraint(
                condition=models.Q(("pack_ml__gt", 0)), name="product_pack_more_than_zero"
            ),
        ),
        migrations.AddConstraint(
            model_name="workinghours",
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                expressions=[
                    ("practitioner", "="),
                    ("weekday", "="),
                    (sessions.models.places.TimeRange("starts", "ends"), "&&"),
                ],
                name="hours_do_not_overlap",
                violation_error_message="These hours overlap others of the same day.",
            ),
        ),
    ]
