"""The standing watch: requests, alerts, and the triggers that see to it that no change of facts is missed."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

#: One open request per patient with a live plan. A later cause counts the revision up, so that a check at work on
#: the facts of before does not close it; the words of the last guard give way to better ones.
FUNCTIONS = """
CREATE FUNCTION mc_request_recheck(patient bigint, why text, urgency integer) RETURNS void LANGUAGE sql AS $$
  INSERT INTO protocols_recheckrequest AS open (patient_id, cause, priority)
  SELECT patient, left(why, 300), urgency
  WHERE EXISTS (SELECT FROM protocols_treatmentplan p WHERE p.patient_id = patient AND p.status IN ('signed', 'active'))
  ON CONFLICT (patient_id) WHERE closed_at IS NULL DO UPDATE SET
    revision = open.revision + 1,
    priority = LEAST(open.priority, EXCLUDED.priority),
    attempts = 0,
    leased_until = NULL,
    cause = CASE
      WHEN open.cause = 'Facts changed' OR open.priority > EXCLUDED.priority THEN EXCLUDED.cause
      WHEN EXCLUDED.cause = 'Facts changed' OR EXCLUDED.priority > open.priority
        OR position(EXCLUDED.cause IN open.cause) > 0 THEN open.cause
      ELSE left(open.cause || '; ' || EXCLUDED.cause, 300)
    END
$$;

CREATE FUNCTION mc_watch_fact() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN PERFORM mc_request_recheck(OLD.patient_id, 'Facts changed', 0); END IF;
  IF TG_OP <> 'DELETE' THEN PERFORM mc_request_recheck(NEW.patient_id, 'Facts changed', 0); END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION mc_watch_patient() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE contact text[] := ARRAY['given_name', 'family_name', 'phone', 'phone_other', 'email', 'language', 'channel',
  'consent_messages', 'note', 'version', 'name_key'];
BEGIN
  IF to_jsonb(NEW) - contact IS DISTINCT FROM to_jsonb(OLD) - contact THEN
    PERFORM mc_request_recheck(NEW.id, 'Facts changed', 0);
  END IF;
  RETURN NULL;
END $$;

-- A plan that is no longer followed has its alerts closed by one more check.
CREATE FUNCTION mc_watch_plan() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.status IN ('signed', 'active') AND NEW.status NOT IN ('signed', 'active')
     AND EXISTS (SELECT FROM protocols_alert a WHERE a.plan_id = NEW.id AND a.closed_at IS NULL) THEN
    INSERT INTO protocols_recheckrequest AS open (patient_id, cause, priority)
    VALUES (NEW.patient_id, 'The plan is ' || NEW.status, 0)
    ON CONFLICT (patient_id) WHERE closed_at IS NULL DO UPDATE SET
      revision = open.revision + 1, priority = 0, attempts = 0, leased_until = NULL;
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION mc_watch_course() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM mc_request_recheck(p.patient_id, TG_ARGV[0], 0) FROM protocols_treatmentplan p WHERE p.id = NEW.plan_id;
  RETURN NULL;
END $$;

CREATE FUNCTION mc_alert_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE later text[] := ARRAY['acknowledged_by_id', 'acknowledged_at', 'acknowledged_reason', 'closed_at',
  'closed_because'];
BEGIN
  IF TG_OP = 'DELETE' OR to_jsonb(NEW) - later IS DISTINCT FROM to_jsonb(OLD) - later
     OR (OLD.acknowledged_at IS NOT NULL AND (NEW.acknowledged_at, NEW.acknowledged_by_id, NEW.acknowledged_reason)
       IS DISTINCT FROM (OLD.acknowledged_at, OLD.acknowledged_by_id, OLD.acknowledged_reason))
     OR (OLD.closed_at IS NOT NULL AND NEW.closed_at IS DISTINCT FROM OLD.closed_at) THEN
    RAISE EXCEPTION 'alert % is a record: it is acknowledged and closed, never changed', OLD.id
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'alert_frozen';
  END IF;
  RETURN NEW;
END $$;
"""
FACTS = ("allergy", "condition", "medication", "procedure", "labvalue", "sunexposure", "reaction")
TRIGGERS = (
    "".join(
        f"CREATE TRIGGER standing_watch AFTER INSERT OR UPDATE OR DELETE ON patients_{name}"
        " FOR EACH ROW EXECUTE FUNCTION mc_watch_fact();\n"
        for name in FACTS
    )
    + """
CREATE TRIGGER standing_watch AFTER UPDATE ON patients_patient FOR EACH ROW EXECUTE FUNCTION mc_watch_patient();
CREATE TRIGGER standing_watch AFTER UPDATE OF status ON protocols_treatmentplan
  FOR EACH ROW EXECUTE FUNCTION mc_watch_plan();
CREATE TRIGGER standing_watch AFTER INSERT OR UPDATE ON protocols_adverseevent
  FOR EACH ROW EXECUTE FUNCTION mc_watch_course('Adverse event');
CREATE TRIGGER standing_watch AFTER INSERT ON protocols_review
  FOR EACH ROW EXECUTE FUNCTION mc_watch_course('Review');
CREATE TRIGGER alert_frozen BEFORE UPDATE OR DELETE ON protocols_alert
  FOR EACH ROW EXECUTE FUNCTION mc_alert_frozen();
"""
)
BACKWARD = (
    "".join(f"DROP TRIGGER standing_watch ON patients_{name};\n" for name in (*FACTS, "patient"))
    + """
DROP TRIGGER standing_watch ON protocols_treatmentplan;
DROP TRIGGER standing_watch ON protocols_adverseevent;
DROP TRIGGER standing_watch ON protocols_review;
DROP TRIGGER alert_frozen ON protocols_alert;
DROP FUNCTION mc_alert_frozen();
DROP FUNCTION mc_watch_course();
DROP FUNCTION mc_watch_plan();
DROP FUNCTION mc_watch_patient();
DROP FUNCTION mc_watch_fact();
DROP FUNCTION mc_request_recheck(bigint, text, integer);
"""
)


class Migration(migrations.Migration):
    dependencies = [
        ("patients", "0003_reactions_to_earlier_treatments"),
        ("protocols", "0004_courses_under_way_are_guarded"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="WatchMark",
            fields=[
                ("name", models.CharField(max_length=20, primary_key=True, serialize=False)),
                ("value", models.CharField(max_length=80)),
                ("seen_at", models.DateTimeField(auto_now=True)),
            ],
        ),
        migrations.CreateModel(
            name="Alert",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("finding_key", models.CharField(max_length=60)),
                ("level", models.CharField(choices=[("block", "Block"), ("warn", "Warning")], max_length=5)),
                ("rule", models.CharField(max_length=12)),
                ("scope", models.CharField(max_length=120)),
                ("path", models.CharField(blank=True, max_length=40)),
                ("message", models.TextField()),
                ("remedy", models.TextField(blank=True)),
                ("earliest", models.DateField(null=True)),
                ("because", models.JSONField(blank=True, default=list)),
                ("source", models.TextField(blank=True)),
                ("grade", models.CharField(default="K", max_length=2)),
                ("cause", models.CharField(max_length=300)),
                ("knowledge_sha256", models.CharField(max_length=64)),
                (
                    "raised_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                ("acknowledged_at", models.DateTimeField(null=True)),
                (
                    "acknowledged_reason",
                    models.CharField(blank=True, max_length=500, verbose_name="reason to continue"),
                ),
                ("closed_at", models.DateTimeField(null=True)),
                ("closed_because", models.CharField(blank=True, max_length=300)),
                (
                    "acknowledged_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="alerts_acknowledged",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "plan",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="alerts",
                        to="protocols.treatmentplan",
                    ),
                ),
            ],
            options={
                "ordering": ["level", "-raised_at", "-pk"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("closed_at__isnull", True)),
                        fields=["level", "-raised_at", "-id"],
                        name="alert_open",
                    ),
                    models.Index(fields=["plan", "-raised_at"], name="alert_of_plan"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("closed_at__isnull", True)),
                        fields=("plan", "finding_key"),
                        name="alert_open_once_per_finding",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("level__in", ["block", "warn"])), name="alert_is_serious"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("acknowledged_at__isnull", True),
                                ("acknowledged_by__isnull", True),
                                ("acknowledged_reason", ""),
                            ),
                            models.Q(("acknowledged_at__isnull", False), ("acknowledged_by__isnull", False)),
                            _connector="OR",
                        ),
                        name="alert_acknowledged_by_somebody",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("level", "block"),
                            ("acknowledged_at__isnull", True),
                            models.Q(("acknowledged_reason", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="warning_acknowledged_with_a_reason",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RecheckRequest",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("cause", models.CharField(max_length=300)),
                (
                    "priority",
                    models.PositiveSmallIntegerField(
                        choices=[(0, "A fact of this patient changed"), (1, "All live plans are due")],
                        default=0,
                    ),
                ),
                (
                    "requested_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                ("revision", models.PositiveIntegerField(db_default=1, default=1)),
                ("attempts", models.PositiveSmallIntegerField(db_default=0, default=0)),
                ("leased_until", models.DateTimeField(null=True)),
                ("error", models.CharField(blank=True, db_default="", max_length=500)),
                ("closed_at", models.DateTimeField(null=True)),
                (
                    "patient",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rechecks",
                        to="patients.patient",
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("closed_at__isnull", True)),
                        fields=["priority", "requested_at", "id"],
                        name="recheck_open",
                    ),
                    models.Index(fields=["closed_at"], name="recheck_closed_at"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("closed_at__isnull", True)),
                        fields=("patient",),
                        name="one_open_recheck_per_patient",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("cause", ""), _negated=True), name="recheck_has_a_cause"
                    ),
                ],
            },
        ),
        migrations.RunSQL(FUNCTIONS + TRIGGERS, BACKWARD),
    ]
