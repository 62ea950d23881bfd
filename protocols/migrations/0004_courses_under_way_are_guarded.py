"""Parts can't be moved out of a signed plan; reviews and adverse events stay as written, an event may be resolved."""

from django.db import migrations

FORWARD = """
CREATE OR REPLACE FUNCTION mc_plan_part_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE frozen bigint;
BEGIN
  SELECT id INTO frozen FROM protocols_treatmentplan
    WHERE status <> 'draft'
      AND id IN (CASE WHEN TG_OP <> 'INSERT' THEN OLD.plan_id END, CASE WHEN TG_OP <> 'DELETE' THEN NEW.plan_id END)
    LIMIT 1;
  IF frozen IS NULL THEN RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END; END IF;
  RAISE EXCEPTION 'plan % is signed: its % cannot change', frozen, TG_TABLE_NAME
    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'signed_plan_frozen';
END $$;

CREATE OR REPLACE FUNCTION mc_plan_dose_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (
    SELECT 1 FROM protocols_treatmentplan p JOIN protocols_plannedsession s ON s.plan_id = p.id
    WHERE p.status <> 'draft'
      AND s.id IN (CASE WHEN TG_OP <> 'INSERT' THEN OLD.session_id END, CASE WHEN TG_OP <> 'DELETE' THEN NEW.session_id END)
  ) THEN RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END; END IF;
  RAISE EXCEPTION 'a signed plan''s doses cannot change'
    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'signed_plan_frozen';
END $$;

CREATE FUNCTION mc_course_record_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'protocols_adverseevent'
     AND (to_jsonb(NEW) - 'resolved_on') IS NOT DISTINCT FROM (to_jsonb(OLD) - 'resolved_on') THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'a row of % is kept as it was written', TG_TABLE_NAME
    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'course_record_kept';
END $$;
CREATE TRIGGER course_record_kept BEFORE UPDATE OR DELETE ON protocols_review
  FOR EACH ROW EXECUTE FUNCTION mc_course_record_kept();
CREATE TRIGGER course_record_kept BEFORE UPDATE OR DELETE ON protocols_adverseevent
  FOR EACH ROW EXECUTE FUNCTION mc_course_record_kept();
ALTER TABLE protocols_treatmentplan ADD CONSTRAINT plan_status_is_one_of_the_list
  CHECK (status IN ('draft', 'signed', 'active', 'completed', 'stopped', 'superseded'));
"""
BACKWARD = """
ALTER TABLE protocols_treatmentplan DROP CONSTRAINT plan_status_is_one_of_the_list;
DROP TRIGGER course_record_kept ON protocols_adverseevent;
DROP TRIGGER course_record_kept ON protocols_review;
DROP FUNCTION mc_course_record_kept();
"""


class Migration(migrations.Migration):
    dependencies = [("protocols", "0003_courses_under_way")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
