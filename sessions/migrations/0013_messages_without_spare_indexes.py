"""Two indexes of the outbox that serve nothing: a pattern index beside the unique one, and one that begins another.

Each message is written into every index of its table, under the locks of the booking.
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("treatment_sessions", "0012_visits_keep_their_time_on_the_wall")]

    operations = [
        migrations.AddConstraint(
            model_name="message",
            constraint=models.UniqueConstraint(fields=("cause",), name="message_once"),
        ),
        migrations.AlterField(
            model_name="message", name="cause", field=models.CharField(max_length=120)
        ),
        migrations.AlterField(
            model_name="message",
            name="patient",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="messages",
                to="patients.patient",
            ),
        ),
    ]  # fmt: skip
