"""Each visit keeps the time on the wall that the patient was told: a zone's rules may change after the booking.

A trigger empties it when `starts_at` or the location is changed by itself: a stale promise would move the visit back.
"""

import zoneinfo
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import batched
from typing import Any

from django.db import migrations

import sessions.models.appointments

_TABLE = "treatment_sessions_appointment"
_FILL = f"""
UPDATE {_TABLE} a SET local_start = told.at
FROM unnest(%s::bigint[], %s::timestamp[]) AS told(id, at) WHERE a.id = told.id
"""
GUARD = f"""
CREATE FUNCTION mc_appointment_promise() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.local_start := NULL;
  RETURN NEW;
END $$;
CREATE TRIGGER appointment_promise BEFORE UPDATE OF starts_at, location_id ON {_TABLE}
  FOR EACH ROW WHEN (
    (NEW.starts_at IS DISTINCT FROM OLD.starts_at OR NEW.location_id IS DISTINCT FROM OLD.location_id)
    AND NEW.local_start IS NOT DISTINCT FROM OLD.local_start
  ) EXECUTE FUNCTION mc_appointment_promise();
"""
UNGUARD = f"""
DROP TRIGGER appointment_promise ON {_TABLE};
DROP FUNCTION mc_appointment_promise();
"""


@contextmanager
def _rules_until_now() -> Iterator[None]:
    """Zone data as it was used before this version: that of the machine, where it has any (see mesoclinic.settings)."""
    pinned = zoneinfo.TZPATH
    zoneinfo.reset_tzpath()
    try:
        yield
    finally:
        zoneinfo.reset_tzpath(pinned)


def _told(connection: Any) -> Iterator[tuple[int, datetime]]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT a.id, a.starts_at, place.time_zone FROM {_TABLE} a "
            "JOIN treatment_sessions_location place ON place.id = a.location_id WHERE a.local_start IS NULL"
        )
        rows = cursor.fetchall()
    with _rules_until_now():
        zones = {key: zoneinfo.ZoneInfo.no_cache(key) for key in {zone for _id, _at, zone in rows}}
    for key, starts_at, zone in rows:
        yield key, starts_at.astimezone(zones[zone]).replace(tzinfo=None)


def fill(_apps: Any, schema_editor: Any) -> None:
    """Where the wall clock showed a visit until now is what was told. New rules are followed at the start after this."""
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        # Nothing of these visits changes: their calendar entries need no new stamp.
        cursor.execute(f"ALTER TABLE {_TABLE} DISABLE TRIGGER appointment_changed")
        for rows in batched(_told(connection), 5000):
            cursor.execute(_FILL, [[key for key, _at in rows], [at for _key, at in rows]])
        cursor.execute(f"ALTER TABLE {_TABLE} ENABLE TRIGGER appointment_changed")


class Migration(migrations.Migration):
    dependencies = [("treatment_sessions", "0011_calendar_settings")]

    operations = [
        migrations.AddField(
            model_name="appointment",
            name="local_start",
            field=sessions.models.appointments.WallTime(editable=False, null=True),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.RunSQL(GUARD, UNGUARD),
    ]
