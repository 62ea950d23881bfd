"""What a patient was given stays as it was."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION mc_sheet_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'sheet % was issued and cannot be changed', OLD.number
    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'issued_sheet_frozen';
END $$;
CREATE TRIGGER issued_sheet_frozen BEFORE UPDATE OR DELETE ON aftercare_issuedsheet
  FOR EACH ROW EXECUTE FUNCTION mc_sheet_frozen();
CREATE SEQUENCE mc_sheet_number_seq START 1001;
"""
BACKWARD = """
DROP SEQUENCE mc_sheet_number_seq;
DROP TRIGGER issued_sheet_frozen ON aftercare_issuedsheet;
DROP FUNCTION mc_sheet_frozen();
"""


class Migration(migrations.Migration):
    dependencies = [("aftercare", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
