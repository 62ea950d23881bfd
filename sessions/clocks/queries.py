"""Which visits a clock leaves behind: their promised time on the wall, and the instant at which it is shown now.

The rules are those of Python's zone data, as in the search, in messages and in calendar files. PostgreSQL has zone data
of its own, which may be older or newer: it is asked about no promise.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sessions.models import Appointment

#: A visit that is booked and to come.
COMING = (Appointment.Status.REQUESTED, Appointment.Status.BOOKED, Appointment.Status.CONFIRMED)


@dataclass(frozen=True, slots=True)
class Adrift:
    """A visit (key) that does not stand where its promised time is on the wall. `to` is None where there is no such instant."""

    visit: int
    starts_at: datetime
    promised: datetime
    to: datetime | None
    why: str = ""

    @property
    def by(self) -> timedelta:
        """How much later it has to be, earlier where negative."""
        return self.to - self.starts_at if self.to is not None else timedelta()


def promised(visit: Appointment) -> datetime:
    """What the patient was told, on the wall; the location is loaded."""
    return visit.local_start or visit.location.on_the_wall(visit.starts_at)


def instant(wall: datetime, zone: ZoneInfo) -> tuple[datetime | None, str]:
    """The only instant (UTC) at which a clock shows this; None and why where it never does, or twice."""
    runs = {
        moment
        for fold in (0, 1)
        if (moment := wall.replace(tzinfo=zone, fold=fold).astimezone(UTC))
        .astimezone(zone)
        .replace(tzinfo=None)
        == wall
    }
    if len(runs) == 1:
        return runs.pop(), ""
    says = "comes twice" if runs else "does not exist"
    return None, f"{wall:%H:%M} {says} on that day"


def where(visit: int, starts_at: datetime, told: datetime, zone: ZoneInfo) -> Adrift | None:
    """Where a visit has to be for its promise; None where it stands right."""
    if starts_at.astimezone(zone).replace(tzinfo=None) == told:
        return None
    to, why = instant(told, zone)
    return Adrift(visit, starts_at, told, to, why)


def in_order(rows: Iterable[Adrift]) -> list[Adrift]:
    """So that each finds its new place empty: who goes later from the last on, who goes earlier from the first on.

    A clock's change keeps the order of visits, so none has to pass another one.
    """
    found = sorted(rows, key=lambda row: (row.starts_at, row.visit))
    later = [row for row in found if row.by > timedelta()]
    return [*reversed(later), *(row for row in found if row.by <= timedelta())]


def adrift(now: datetime) -> list[Adrift]:
    """Coming visits that do not stand where the wall clock shows what was told, the soonest first. One query."""
    rows = Appointment.objects.filter(status__in=COMING, starts_at__gt=now, local_start__isnull=False)
    found = []
    for key, starts_at, told, zone in (
        rows.order_by("starts_at", "pk")
        .values_list("pk", "starts_at", "local_start", "location__time_zone")
        .iterator(chunk_size=5000)
    ):
        row = where(key, starts_at, told, ZoneInfo(zone)) if told is not None else None
        if row is not None:
            found.append(row)
    return found
