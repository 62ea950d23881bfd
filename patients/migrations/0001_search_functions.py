"""Extensions and the functions that patient columns depend on."""

from django.contrib.postgres.operations import BtreeGistExtension, TrigramExtension, UnaccentExtension
from django.db import migrations

NAME_KEY = """
CREATE FUNCTION mc_name_key(given text, family text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
  SELECT lower(public.unaccent('public.unaccent'::regdictionary, given || ' ' || family))
$$;
"""

RECORD_NUMBER = """
CREATE SEQUENCE mc_record_number_seq START 10001;
CREATE FUNCTION mc_record_number() RETURNS text
LANGUAGE sql VOLATILE AS $$ SELECT 'M-' || nextval('mc_record_number_seq') $$;
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        BtreeGistExtension(),
        TrigramExtension(),
        UnaccentExtension(),
        migrations.RunSQL(NAME_KEY, "DROP FUNCTION mc_name_key(text, text);"),
        migrations.RunSQL(
            RECORD_NUMBER, "DROP FUNCTION mc_record_number(); DROP SEQUENCE mc_record_number_seq;"
        ),
    ]
