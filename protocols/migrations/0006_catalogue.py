"""The catalogue in the database: versions (frozen once published), trials, formulary, favourites.

The shipped files become version 1 after migrating (protocols.apps), not here: they change with the program.
"""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

FORWARD = """
CREATE FUNCTION mc_catalogue_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.status = 'draft' THEN
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    RETURN NEW;
  END IF;
  IF TG_OP = 'UPDATE'
     AND (NEW.status = OLD.status OR (OLD.status = 'published' AND NEW.status = 'retired'))
     AND (to_jsonb(NEW) - 'status' - 'saved_at') IS NOT DISTINCT FROM (to_jsonb(OLD) - 'status' - 'saved_at') THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'catalogue version % is published and cannot be changed', OLD.number
    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'published_catalogue_frozen';
END $$;
CREATE TRIGGER published_catalogue_frozen BEFORE UPDATE OR DELETE ON protocols_catalogueversion
  FOR EACH ROW EXECUTE FUNCTION mc_catalogue_frozen();
"""
BACKWARD = """
DROP TRIGGER published_catalogue_frozen ON protocols_catalogueversion;
DROP FUNCTION mc_catalogue_frozen();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("protocols", "0005_watch"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="CatalogueVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField(unique=True, verbose_name="number")),
                ("name", models.CharField(max_length=40, verbose_name="name")),
                (
                    "status",
                    models.CharField(
                        choices=[("draft", "Draft"), ("published", "Published"), ("retired", "Retired")],
                        default="draft",
                        max_length=10,
                    ),
                ),
                ("documents", models.JSONField()),
                ("sha256", models.CharField(max_length=64)),
                ("shipped_sha256", models.CharField(blank=True, max_length=64)),
                ("reason", models.CharField(blank=True, max_length=500, verbose_name="reason")),
                ("revision", models.PositiveIntegerField(default=1)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                ("saved_at", models.DateTimeField(auto_now=True)),
                ("published_at", models.DateTimeField(null=True)),
                (
                    "author",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="catalogue_drafts",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "based_on",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="followers",
                        to="protocols.catalogueversion",
                    ),
                ),
                (
                    "published_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="catalogue_published",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-number"],
            },
        ),
        migrations.CreateModel(
            name="CatalogueTrial",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("sha256", models.CharField(max_length=64)),
                ("against_sha256", models.CharField(max_length=64)),
                (
                    "status",
                    models.CharField(
                        choices=[("running", "Running"), ("done", "Done"), ("failed", "Failed")],
                        default="running",
                        max_length=8,
                    ),
                ),
                (
                    "started_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                ("finished_at", models.DateTimeField(null=True)),
                ("cases_done", models.PositiveIntegerField(default=0)),
                ("cases_total", models.PositiveIntegerField(default=0)),
                ("plans_done", models.PositiveIntegerField(default=0)),
                ("plans_total", models.PositiveIntegerField(default=0)),
                ("last_plan", models.BigIntegerField(default=0)),
                ("error", models.CharField(blank=True, max_length=500)),
                (
                    "started_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="catalogue_trials",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="trials",
                        to="protocols.catalogueversion",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="Favourite",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=80, verbose_name="name")),
                ("indication", models.CharField(max_length=20, verbose_name="indication")),
                ("area", models.CharField(max_length=20, verbose_name="area")),
                ("edits", models.JSONField()),
                ("note", models.CharField(blank=True, max_length=200, verbose_name="note")),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                ("removed_at", models.DateTimeField(null=True)),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="favourites",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["name", "pk"],
            },
        ),
        migrations.CreateModel(
            name="Formulary",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("applies", models.BooleanField(default=False, verbose_name="propose only what is in house")),
                (
                    "modalities",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=20),
                        blank=True,
                        default=list,
                        verbose_name="modalities",
                    ),
                ),
                ("devices", models.CharField(blank=True, max_length=300, verbose_name="devices")),
                ("saved_at", models.DateTimeField(auto_now=True)),
                (
                    "changed_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="formulary_changes",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="FormularyProduct",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("agent", models.CharField(max_length=40, verbose_name="agent")),
                ("brand", models.CharField(max_length=80, verbose_name="brand")),
                ("manufacturer", models.CharField(blank=True, max_length=80, verbose_name="manufacturer")),
                (
                    "concentration_mg_per_ml",
                    models.DecimalField(
                        blank=True, decimal_places=4, max_digits=9, null=True, verbose_name="concentration"
                    ),
                ),
                (
                    "pack_ml",
                    models.DecimalField(
                        blank=True, decimal_places=2, max_digits=7, null=True, verbose_name="pack"
                    ),
                ),
                ("in_house", models.BooleanField(default=True, verbose_name="in house")),
                ("saved_at", models.DateTimeField(auto_now=True)),
                (
                    "added_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="formulary_products",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["agent", "brand", "pk"],
            },
        ),
        migrations.CreateModel(
            name="TrialChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("case", models.CharField(blank=True, max_length=120)),
                ("changes", models.JSONField()),
                ("severe", models.BooleanField(default=False)),
                (
                    "plan",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="trial_changes",
                        to="protocols.treatmentplan",
                    ),
                ),
                (
                    "trial",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="changes",
                        to="protocols.cataloguetrial",
                    ),
                ),
            ],
            options={
                "ordering": ["-severe", "pk"],
            },
        ),
        migrations.AddIndex(
            model_name="catalogueversion",
            index=models.Index(fields=["sha256"], name="catalogue_by_sha256"),
        ),
        migrations.AddConstraint(
            model_name="catalogueversion",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "published")),
                fields=("status",),
                name="one_published_catalogue",
                violation_error_message="Another version was published at the same moment.",
            ),
        ),
        migrations.AddConstraint(
            model_name="catalogueversion",
            constraint=models.UniqueConstraint(
                condition=models.Q(("published_at__isnull", False)),
                fields=("name",),
                name="published_catalogue_name_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="catalogueversion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("published_at__isnull", True), ("status", "draft")),
                    models.Q(("published_at__isnull", False), ("status", "published")),
                    ("status", "retired"),
                    _connector="OR",
                ),
                name="catalogue_published_has_a_time",
            ),
        ),
        migrations.AddIndex(
            model_name="favourite",
            index=models.Index(fields=["indication", "area"], name="favourite_of_concern"),
        ),
        migrations.AddConstraint(
            model_name="favourite",
            constraint=models.UniqueConstraint(
                condition=models.Q(("removed_at__isnull", True)),
                fields=("name",),
                name="favourite_name_once",
                violation_error_message="A favourite has this name already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="formulary",
            constraint=models.CheckConstraint(condition=models.Q(("id", 1)), name="one_formulary"),
        ),
        migrations.AddConstraint(
            model_name="formularyproduct",
            constraint=models.UniqueConstraint(
                fields=("agent", "brand", "concentration_mg_per_ml", "pack_ml"),
                name="formulary_product_once",
                nulls_distinct=False,
                violation_error_message="This product is in the formulary already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="formularyproduct",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("concentration_mg_per_ml__isnull", True),
                    ("concentration_mg_per_ml__gt", 0),
                    _connector="OR",
                ),
                name="formulary_concentration_above_0",
            ),
        ),
        migrations.AddConstraint(
            model_name="formularyproduct",
            constraint=models.CheckConstraint(
                condition=models.Q(("pack_ml__isnull", True), ("pack_ml__gt", 0), _connector="OR"),
                name="formulary_pack_above_0",
            ),
        ),
        migrations.AddConstraint(
            model_name="trialchange",
            constraint=models.UniqueConstraint(fields=("trial", "plan"), name="trial_names_a_plan_once"),
        ),
        migrations.AddConstraint(
            model_name="trialchange",
            constraint=models.CheckConstraint(
                condition=models.Q(("case", ""), ("plan__isnull", True), _negated=True),
                name="trial_change_of_something",
            ),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
