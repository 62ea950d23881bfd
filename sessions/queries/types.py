"""Reads of the types of single visits: which are offered, and what one asks for."""

from sessions.models import AppointmentType, Needs
from sessions.scheduling import Visit


def offered() -> dict[int, AppointmentType]:
    """Types that can be booked now by key: consultations first, as they are most often meant. One query."""
    order = {kind: place for place, kind in enumerate(AppointmentType.Kind.values)}
    rows = AppointmentType.objects.filter(active=True)
    return {row.pk: row for row in sorted(rows, key=lambda row: (order[row.kind], row.name.casefold()))}


def visit_for(needs: Needs, minutes: int) -> Visit:
    """A single visit as the search sees it, any day."""
    return Visit(0, 0, 0, 0, 0, minutes, needs.qualifications, needs.device_kind, fittings=needs.capabilities)
