"""A time that became free. One row in the transaction of the act: nothing is lost when a worker dies."""

from datetime import datetime, timedelta

from sessions.models import Appointment, FreedTime, Location, Practitioner, WorkingHours
from sessions.reminders.schedule import GRACE
from sessions.scheduling import Span, expand_hours, free_spans

#: What is left of a time must be at least this long to be offered.
SHORTEST = timedelta(minutes=15)


def freed(
    *, location_id: int, practitioner_id: int, starts_at: datetime, ends_at: datetime, cause: str, now: datetime,
    appointment: Appointment | None = None,
) -> FreedTime | None:  # fmt: skip
    """Note that a practitioner's time is free again. Call it inside the transaction that frees it.

    It is offered to the waiting list after the time in which the act can be undone. None when it is over.
    """
    if ends_at - max(starts_at, now) < SHORTEST:
        return None
    return FreedTime.objects.create(
        location_id=location_id, practitioner_id=practitioner_id, starts_at=starts_at, ends_at=ends_at, cause=cause,
        appointment=appointment, due_at=now + GRACE,
    )  # fmt: skip


def freed_visit(appointment: Appointment, cause: str, now: datetime) -> FreedTime | None:
    """The time of a visit that will not take place."""
    return freed(
        location_id=appointment.location_id, practitioner_id=appointment.practitioner_id,
        starts_at=appointment.starts_at, ends_at=appointment.ends_at, cause=cause, now=now, appointment=appointment,
    )  # fmt: skip


def kept_after_all(appointment: Appointment) -> None:
    """The act was undone: its time is not offered any more."""
    FreedTime.objects.filter(
        appointment=appointment, state__in=[FreedTime.State.WAITING, FreedTime.State.IDLE]
    ).update(state=FreedTime.State.CLOSED, closed_reason="Taken back")


#: Of a long absence or closure that is taken back, so much is offered: what lies later is simply bookable.
AHEAD = timedelta(days=92)


def freed_hours(
    *, was: Span, still: Span | None, cause: str, now: datetime, practitioner: Practitioner | None = None,
    location: Location | None = None,
) -> None:  # fmt: skip
    """Working hours that an absence or closure covered (`was`) and does no longer (`still`), one row each day."""
    hours = WorkingHours.objects.select_related("location")
    if practitioner is not None:
        hours = hours.filter(practitioner=practitioner)
    if location is not None:
        hours = hours.filter(location=location)
    begin, end = max(was.start, now), min(was.end, now + AHEAD)
    for row in hours.order_by("pk") if begin < end else ():
        zone = row.location.zone
        days = begin.astimezone(zone).date(), end.astimezone(zone).date()
        for span in expand_hours([(row.weekday, row.starts, row.ends)], zone, *days):
            inside = Span(max(span.start, begin), min(span.end, end))
            if inside.start >= inside.end:
                continue
            for left in free_spans([inside], [still] if still else []):
                freed(
                    location_id=row.location_id, practitioner_id=row.practitioner_id, starts_at=left.start,
                    ends_at=left.end, cause=cause, now=now,
                )  # fmt: skip
