"""How many days a booked session has to spare before it leaves its window: who must be moved first."""

from collections.abc import Iterable
from datetime import timedelta

from sessions.models import Appointment


def days_to_spare(visits: Iterable[Appointment]) -> dict[int, int]:
    """Days from each visit to the last day of its window, by key; negative where it is past. One query.

    The window counts from the visit before it in the course. A single visit, and the first session that is booked,
    have none. `visits` carry their `planned_session__plan` and `location`.
    """
    sessions = [visit for visit in visits if visit.planned_session is not None]
    if not sessions:
        return {}
    courses = {_course(visit) for visit in sessions}
    roots = {root for root, _course in courses}
    standing = Appointment.objects.filter(
        planned_session__isnull=False, planned_session__plan__patient__in={v.patient_id for v in sessions}
    ).exclude(status__in=Appointment.FREED)
    days = {
        (*_course(row), row.planned_session.number): row.starts_at.astimezone(row.location.zone).date()
        for row in standing.select_related("planned_session__plan", "location")
        if row.planned_session is not None and _course(row)[0] in roots
    }
    spare = {}
    for visit in sessions:
        planned = visit.planned_session
        assert planned is not None
        before = days.get((*_course(visit), planned.number - 1))
        if before is not None:
            latest = before + timedelta(days=planned.latest_days)
            spare[visit.pk] = (latest - visit.starts_at.astimezone(visit.location.zone).date()).days
    return spare


def _course(visit: Appointment) -> tuple[int, int]:
    """Which course it is of, whatever the version of the plan."""
    planned = visit.planned_session
    assert planned is not None
    return planned.plan.root_pk, planned.course


def most_urgent_first(visits: Iterable[Appointment], spare: dict[int, int]) -> list[Appointment]:
    """Fewest days to spare first; those without a window after them, by date."""
    return sorted(visits, key=lambda row: (row.pk not in spare, spare.get(row.pk, 0), row.starts_at, row.pk))
