"""A session names every qualification it needs: one that shares needling and injections needs both."""

import django.contrib.postgres.fields
from django.db import migrations, models

# ALTER ... USING rewrites the table without firing the triggers that keep signed plans frozen: nothing that was
# signed changes, what stood in the session's content is only said in full.
FORWARD = """
ALTER TABLE protocols_plannedsession RENAME COLUMN room_capability TO needs;
ALTER TABLE protocols_plannedsession ALTER COLUMN needs TYPE varchar(20)[] USING
  CASE WHEN jsonb_typeof(content->'parts') = 'array' AND jsonb_array_length(content->'parts') > 0 THEN array_remove(ARRAY[
    CASE WHEN content->'parts' @> '[{"modality": "syringe"}]' THEN 'injection' END,
    CASE WHEN content->'parts' @> '[{"modality": "needle-free"}]' THEN 'needle-free' END,
    CASE WHEN content->'parts' @> '[{"modality": "microneedling"}]' THEN 'needling' END], NULL)::varchar(20)[]
  ELSE ARRAY[needs] END;
"""
BACKWARD = """
ALTER TABLE protocols_plannedsession ALTER COLUMN needs TYPE varchar(20) USING
  CASE WHEN 'needling' = ANY(needs) THEN 'needling' ELSE 'injection' END;
ALTER TABLE protocols_plannedsession RENAME COLUMN needs TO room_capability;
"""


class Migration(migrations.Migration):
    dependencies = [("protocols", "0006_catalogue")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(FORWARD, BACKWARD)],
            state_operations=[
                migrations.RenameField("plannedsession", "room_capability", "needs"),
                migrations.AlterField(
                    "plannedsession",
                    "needs",
                    django.contrib.postgres.fields.ArrayField(models.CharField(max_length=20)),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="plannedsession",
            constraint=models.CheckConstraint(
                condition=models.Q(needs__len__gt=0), name="session_needs_somebody"
            ),
        ),
    ]
