"""Close the ways around the guards of 0002.

A part can neither leave a signed record nor enter one, and nothing empties a frozen table by TRUNCATE. A correction
may keep the lot of the version that it corrects, whatever became of the lot since; a save that leaves a lot alone
is not asked about it; "expired" is judged on the location's day; the anaesthetic's lot is guarded like the others.

TRUNCATE is allowed where `mesoclinic.truncate` is `allowed`: only the test suite sets it, on its own connections
(tests/conftest.py), because it empties the tables between tests with several connections.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION mc_refuse_if_signed(record_key bigint, part text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  -- The lock first: a change that meets a signature waits for it, and the second query then sees it.
  PERFORM 1 FROM treatment_sessions_treatmentrecord WHERE id = record_key FOR SHARE;
  PERFORM 1 FROM treatment_sessions_treatmentrecord WHERE id = record_key AND signed_at IS NOT NULL;
  IF FOUND THEN
    RAISE EXCEPTION 'the treatment record is signed: its % cannot change', part
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'signed_record_frozen';
  END IF;
END $$;
CREATE OR REPLACE FUNCTION mc_record_part_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN PERFORM mc_refuse_if_signed(OLD.record_id, TG_TABLE_NAME); END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  PERFORM mc_refuse_if_signed(NEW.record_id, TG_TABLE_NAME);
  RETURN NEW;
END $$;
CREATE TRIGGER signed_record_frozen BEFORE INSERT OR UPDATE OR DELETE ON treatment_sessions_daydecision
  FOR EACH ROW EXECUTE FUNCTION mc_record_part_frozen();

CREATE FUNCTION mc_no_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('mesoclinic.truncate', true) = 'allowed' THEN RETURN NULL; END IF;
  RAISE EXCEPTION '% is never emptied: it holds signed records', TG_TABLE_NAME
    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'never_truncated';
END $$;
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON treatment_sessions_treatmentrecord
  FOR EACH STATEMENT EXECUTE FUNCTION mc_no_truncate();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON treatment_sessions_safetycheck
  FOR EACH STATEMENT EXECUTE FUNCTION mc_no_truncate();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON treatment_sessions_daydecision
  FOR EACH STATEMENT EXECUTE FUNCTION mc_no_truncate();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON treatment_sessions_treatedarea
  FOR EACH STATEMENT EXECUTE FUNCTION mc_no_truncate();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON treatment_sessions_mixedcomponent
  FOR EACH STATEMENT EXECUTE FUNCTION mc_no_truncate();

CREATE FUNCTION mc_check_lot(wanted bigint, given_on date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE lot record;
BEGIN
  SELECT l.expires_on, l.status, l.number INTO lot FROM treatment_sessions_lot l WHERE l.id = wanted;
  IF lot.status <> 'in-stock' OR lot.expires_on < given_on THEN
    RAISE EXCEPTION 'lot % is expired or not released', lot.number
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'lot_usable';
  END IF;
END $$;

CREATE OR REPLACE FUNCTION mc_lot_usable() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE given_on date;
BEGIN
  IF NEW.lot_id IS NULL THEN RETURN NEW; END IF;
  IF TG_OP = 'UPDATE' AND NEW.lot_id IS NOT DISTINCT FROM OLD.lot_id AND NEW.record_id = OLD.record_id THEN
    RETURN NEW;
  END IF;
  PERFORM 1 FROM treatment_sessions_treatmentrecord r
    JOIN treatment_sessions_mixedcomponent c ON c.record_id = r.supersedes_id
    WHERE r.id = NEW.record_id AND c.lot_id = NEW.lot_id AND c.agent = NEW.agent AND c.concern = NEW.concern;
  IF FOUND THEN RETURN NEW; END IF;
  SELECT (coalesce(r.started_at, r.opened_at) AT TIME ZONE l.time_zone)::date INTO given_on
    FROM treatment_sessions_treatmentrecord r
    JOIN treatment_sessions_appointment a ON a.id = r.appointment_id
    JOIN treatment_sessions_location l ON l.id = a.location_id
    WHERE r.id = NEW.record_id;
  PERFORM mc_check_lot(NEW.lot_id, given_on);
  RETURN NEW;
END $$;

CREATE FUNCTION mc_anaesthetic_lot_usable() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE given_on date;
BEGIN
  IF NEW.anaesthetic_lot_id IS NULL THEN RETURN NEW; END IF;
  IF TG_OP = 'UPDATE' AND NEW.anaesthetic_lot_id IS NOT DISTINCT FROM OLD.anaesthetic_lot_id THEN
    RETURN NEW;
  END IF;
  PERFORM 1 FROM treatment_sessions_treatmentrecord r
    WHERE r.id = NEW.supersedes_id AND r.anaesthetic_lot_id = NEW.anaesthetic_lot_id;
  IF FOUND THEN RETURN NEW; END IF;
  SELECT (coalesce(NEW.started_at, NEW.opened_at) AT TIME ZONE l.time_zone)::date INTO given_on
    FROM treatment_sessions_appointment a JOIN treatment_sessions_location l ON l.id = a.location_id
    WHERE a.id = NEW.appointment_id;
  PERFORM mc_check_lot(NEW.anaesthetic_lot_id, given_on);
  RETURN NEW;
END $$;
CREATE TRIGGER lot_usable BEFORE INSERT OR UPDATE OF anaesthetic_lot_id ON treatment_sessions_treatmentrecord
  FOR EACH ROW EXECUTE FUNCTION mc_anaesthetic_lot_usable();
"""
#: Back to the functions of 0002, word for word.
BACKWARD = """
DROP TRIGGER lot_usable ON treatment_sessions_treatmentrecord;
DROP FUNCTION mc_anaesthetic_lot_usable();
CREATE OR REPLACE FUNCTION mc_lot_usable() RETURNS trigger LANGUAGE plpgsql AS $$
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
DROP FUNCTION mc_check_lot(bigint, date);
DROP TRIGGER never_truncated ON treatment_sessions_mixedcomponent;
DROP TRIGGER never_truncated ON treatment_sessions_treatedarea;
DROP TRIGGER never_truncated ON treatment_sessions_daydecision;
DROP TRIGGER never_truncated ON treatment_sessions_safetycheck;
DROP TRIGGER never_truncated ON treatment_sessions_treatmentrecord;
DROP FUNCTION mc_no_truncate();
DROP TRIGGER signed_record_frozen ON treatment_sessions_daydecision;
CREATE OR REPLACE FUNCTION mc_record_part_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE signed timestamptz;
BEGIN
  SELECT signed_at INTO signed FROM treatment_sessions_treatmentrecord
    WHERE id = CASE WHEN TG_OP = 'DELETE' THEN OLD.record_id ELSE NEW.record_id END;
  IF signed IS NULL THEN RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END; END IF;
  RAISE EXCEPTION 'the treatment record is signed: its % cannot change', TG_TABLE_NAME
    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'signed_record_frozen';
END $$;
DROP FUNCTION mc_refuse_if_signed(bigint, text);
"""


class Migration(migrations.Migration):
    dependencies = [("treatment_sessions", "0003_decisions_and_last_save")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
