"""The page of opened charts is searched by person: one index for it. Reversible; no rows change."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_append_only")]
    operations = [
        migrations.AddIndex(
            model_name="accessevent", index=models.Index(fields=["actor_id", "-id"], name="access_by_actor")
        )
    ]
