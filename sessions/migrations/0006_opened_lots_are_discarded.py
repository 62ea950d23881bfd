"""What stands open past its day can't be recorded as given, like an expired lot (trigger lot_usable, 0002)."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION mc_lot_not_discarded() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE lot record;
DECLARE given_on date;
BEGIN
  IF NEW.lot_id IS NULL THEN RETURN NEW; END IF;
  SELECT l.discard_after, l.number INTO lot FROM treatment_sessions_lot l WHERE l.id = NEW.lot_id;
  SELECT coalesce(r.started_at, r.opened_at)::date INTO given_on
    FROM treatment_sessions_treatmentrecord r WHERE r.id = NEW.record_id;
  IF lot.discard_after < given_on THEN
    RAISE EXCEPTION 'lot %: the open container is past its day', lot.number
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'lot_not_discarded';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER lot_not_discarded BEFORE INSERT OR UPDATE OF lot_id ON treatment_sessions_mixedcomponent
  FOR EACH ROW EXECUTE FUNCTION mc_lot_not_discarded();
"""
BACKWARD = """
DROP TRIGGER lot_not_discarded ON treatment_sessions_mixedcomponent;
DROP FUNCTION mc_lot_not_discarded();
"""


class Migration(migrations.Migration):
    dependencies = [("treatment_sessions", "0005_hours_do_not_overlap_and_opened_lots")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
