"""TRUNCATE goes past row triggers: issued sheets get the guard of the signed records."""

from django.db import migrations

FORWARD = """
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON aftercare_issuedsheet
  FOR EACH STATEMENT EXECUTE FUNCTION mc_no_truncate();
"""
BACKWARD = "DROP TRIGGER never_truncated ON aftercare_issuedsheet;"


class Migration(migrations.Migration):
    dependencies = [
        ("aftercare", "0002_issued_sheets_are_frozen"),
        ("treatment_sessions", "0004_frozen_parts_stay_and_lots_of_corrections"),
    ]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
