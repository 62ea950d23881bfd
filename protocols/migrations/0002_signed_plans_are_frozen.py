"""A signed plan is frozen: content, sessions, doses and answers. Only its status may move on."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION mc_plan_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF OLD.status = 'draft' THEN RETURN OLD; END IF;
    RAISE EXCEPTION 'plan % is signed and cannot be deleted', OLD.id
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'signed_plan_frozen';
  END IF;
  IF OLD.status = 'draft' THEN RETURN NEW; END IF;
  IF NEW.status = 'draft'
     OR (to_jsonb(NEW) - 'status' - 'saved_at') IS DISTINCT FROM (to_jsonb(OLD) - 'status' - 'saved_at') THEN
    RAISE EXCEPTION 'plan % is signed and cannot be changed', OLD.id
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'signed_plan_frozen';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER signed_plan_frozen BEFORE UPDATE OR DELETE ON protocols_treatmentplan
  FOR EACH ROW EXECUTE FUNCTION mc_plan_frozen();

CREATE FUNCTION mc_plan_part_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE plan_status text;
DECLARE row_plan bigint;
BEGIN
  row_plan := CASE WHEN TG_OP = 'DELETE' THEN OLD.plan_id ELSE NEW.plan_id END;
  SELECT status INTO plan_status FROM protocols_treatmentplan WHERE id = row_plan;
  IF plan_status = 'draft' THEN RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END; END IF;
  RAISE EXCEPTION 'plan % is signed: its % cannot change', row_plan, TG_TABLE_NAME
    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'signed_plan_frozen';
END $$;
CREATE TRIGGER signed_plan_frozen BEFORE INSERT OR UPDATE OR DELETE ON protocols_plannedsession
  FOR EACH ROW EXECUTE FUNCTION mc_plan_part_frozen();
CREATE TRIGGER signed_plan_frozen BEFORE INSERT OR UPDATE OR DELETE ON protocols_findinganswer
  FOR EACH ROW EXECUTE FUNCTION mc_plan_part_frozen();

CREATE FUNCTION mc_plan_dose_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE plan_status text;
BEGIN
  SELECT p.status INTO plan_status FROM protocols_treatmentplan p
    JOIN protocols_plannedsession s ON s.plan_id = p.id
    WHERE s.id = CASE WHEN TG_OP = 'DELETE' THEN OLD.session_id ELSE NEW.session_id END;
  IF plan_status = 'draft' THEN RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END; END IF;
  RAISE EXCEPTION 'a signed plan''s doses cannot change'
    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'signed_plan_frozen';
END $$;
CREATE TRIGGER signed_plan_frozen BEFORE INSERT OR UPDATE OR DELETE ON protocols_planneddose
  FOR EACH ROW EXECUTE FUNCTION mc_plan_dose_frozen();
"""
BACKWARD = """
DROP TRIGGER signed_plan_frozen ON protocols_planneddose;
DROP TRIGGER signed_plan_frozen ON protocols_findinganswer;
DROP TRIGGER signed_plan_frozen ON protocols_plannedsession;
DROP TRIGGER signed_plan_frozen ON protocols_treatmentplan;
DROP FUNCTION mc_plan_dose_frozen();
DROP FUNCTION mc_plan_part_frozen();
DROP FUNCTION mc_plan_frozen();
"""


class Migration(migrations.Migration):
    dependencies = [("protocols", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
