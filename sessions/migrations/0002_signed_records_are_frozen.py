"""A signed record is frozen with all its parts; an expired, quarantined or recalled lot can't be given."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION mc_record_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.signed_at IS NULL THEN RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END; END IF;
  RAISE EXCEPTION 'treatment record % is signed and cannot be changed', OLD.id
    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'signed_record_frozen';
END $$;
CREATE TRIGGER signed_record_frozen BEFORE UPDATE OR DELETE ON treatment_sessions_treatmentrecord
  FOR EACH ROW EXECUTE FUNCTION mc_record_frozen();

CREATE FUNCTION mc_record_part_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE signed timestamptz;
BEGIN
  SELECT signed_at INTO signed FROM treatment_sessions_treatmentrecord
    WHERE id = CASE WHEN TG_OP = 'DELETE' THEN OLD.record_id ELSE NEW.record_id END;
  IF signed IS NULL THEN RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END; END IF;
  RAISE EXCEPTION 'the treatment record is signed: its % cannot change', TG_TABLE_NAME
    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'signed_record_frozen';
END $$;
CREATE TRIGGER signed_record_frozen BEFORE INSERT OR UPDATE OR DELETE ON treatment_sessions_safetycheck
  FOR EACH ROW EXECUTE FUNCTION mc_record_part_frozen();
CREATE TRIGGER signed_record_frozen BEFORE INSERT OR UPDATE OR DELETE ON treatment_sessions_treatedarea
  FOR EACH ROW EXECUTE FUNCTION mc_record_part_frozen();
CREATE TRIGGER signed_record_frozen BEFORE INSERT OR UPDATE OR DELETE ON treatment_sessions_mixedcomponent
  FOR EACH ROW EXECUTE FUNCTION mc_record_part_frozen();

CREATE FUNCTION mc_lot_usable() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE lot record;
DECLARE given_on date;
BEGIN
  IF NEW.lot_id IS NULL THEN RETURN NEW; END IF;
  SELECT l.expires_on, l.status, l.number INTO lot FROM treatment_sessions_lot l WHERE l.id = NEW.lot_id;
  SELECT coalesce(r.started_at, r.opened_at)::date INTO given_on
    FROM treatment_sessions_treatmentrecord r WHERE r.id = NEW.record_id;
  IF lot.status <> 'in-stock' OR lot.expires_on < given_on THEN
    RAISE EXCEPTION 'lot % is expired or not released', lot.number
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'lot_usable';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER lot_usable BEFORE INSERT OR UPDATE OF lot_id ON treatment_sessions_mixedcomponent
  FOR EACH ROW EXECUTE FUNCTION mc_lot_usable();
"""
BACKWARD = """
DROP TRIGGER lot_usable ON treatment_sessions_mixedcomponent;
DROP FUNCTION mc_lot_usable();
DROP TRIGGER signed_record_frozen ON treatment_sessions_mixedcomponent;
DROP TRIGGER signed_record_frozen ON treatment_sessions_treatedarea;
DROP TRIGGER signed_record_frozen ON treatment_sessions_safetycheck;
DROP FUNCTION mc_record_part_frozen();
DROP TRIGGER signed_record_frozen ON treatment_sessions_treatmentrecord;
DROP FUNCTION mc_record_frozen();
"""


class Migration(migrations.Migration):
    dependencies = [("treatment_sessions", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
