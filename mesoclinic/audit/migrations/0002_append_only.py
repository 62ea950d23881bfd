"""The trail can't be altered: every update and delete of a row is refused."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION mc_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation',
    CONSTRAINT = 'append_only';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_auditevent
  FOR EACH ROW EXECUTE FUNCTION mc_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_accessevent
  FOR EACH ROW EXECUTE FUNCTION mc_append_only();
"""
BACKWARD = """
DROP TRIGGER append_only ON audit_accessevent;
DROP TRIGGER append_only ON audit_auditevent;
DROP FUNCTION mc_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
