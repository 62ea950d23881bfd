"""Where a visit that is dragged in the calendar would lie, and what that does to its course."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from django.db.models import QuerySet

from sessions.models import Appointment, Device, Room
from sessions.queries.booking import neighbours, slot_of, visit_of
from sessions.queries.diary import LIVE
from sessions.scheduling import Deviation, Slot, check_move
from sessions.scheduling.diary import CLEANUP, PREPARATION, SETUP


def slot_at(
    appointment: Appointment,
    start: datetime,
    *,
    practitioner: int | None = None,
    room: int | None = None,
    device: int | None = None,
) -> Slot:
    """The visit at another time, as long as it is now. What is not named stays while it is free, else a like one serves.

    Dragging in a practitioner's column says nothing about the room: the visit takes its own, or the next free one that
    is fitted for it. Where none is free its own is kept, and booking says that it is taken.
    """
    end = start + (appointment.ends_at - appointment.starts_at)
    needs, prep = appointment.needs, slot_of(appointment).prep
    others = Appointment.objects.filter(LIVE, location=appointment.location_id).exclude(pk=appointment.pk)
    taken = list(
        others.filter(
            occupied_from__lt=end + CLEANUP, occupied_until__gt=start - SETUP
        ).values_list("room_id", "device_id")
    )  # fmt: skip
    fitted = Room.objects.filter(
        location=appointment.location_id, capabilities__contains=sorted(needs.capabilities)
    ).values_list("pk", flat=True)
    if room is None:
        room = _own_or_like(appointment.room_id, list(fitted), {key for key, _device in taken})
    if device is None and appointment.device_id is not None:
        alike = Device.objects.filter(
            location=appointment.location_id, in_service=True, kind=needs.device_kind
        ).values_list("pk", flat=True)
        device = _own_or_like(
            appointment.device_id, list(alike), {key for _room, key in taken if key is not None}
        )
    return Slot(
        appointment.planned_session_id or 0, 0, start, end, practitioner or appointment.practitioner_id, room, device, 0,
        prep, _chair(appointment, others, start - timedelta(minutes=prep), start) if prep else None,
        appointment.location_id,
    )  # fmt: skip


def _chair(
    appointment: Appointment, others: QuerySet[Appointment], comes: datetime, start: datetime
) -> int | None:
    """The place for the cream: its own while that is free, else a like one; None where the location has none."""
    chairs = list(
        Room.objects.filter(location=appointment.location_id, capabilities__contains=[PREPARATION])
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    if not chairs:
        return None
    taken = set(
        others.filter(prep_from__lt=start, starts_at__gt=comes, prep_room__isnull=False)
        .values_list("prep_room_id", flat=True)
    )  # fmt: skip
    return _own_or_like(appointment.prep_room_id or chairs[0], chairs, {key for key in taken if key})


def _own_or_like(own: int, alike: list[int], taken: set[int]) -> int:
    if own not in taken:
        return own
    return next((key for key in alike if key not in taken), own)


def out_of_window(appointment: Appointment, to: date) -> tuple[Deviation, ...]:
    """Sessions of the course that leave their window once this visit is on day `to`; empty when none does."""
    planned = appointment.planned_session
    if planned is None:
        return ()
    others = neighbours(appointment)
    days = {n: row.starts_at.astimezone(row.location.zone).date() for n, row in others.items()}
    visits = [visit_of(row.planned_session) for row in others.values() if row.planned_session]
    return check_move(visits, days, planned.number, to)


def in_words(one: Deviation) -> str:
    """A session out of its window, as the front desk is told."""
    return (
        f"Session {one.number} would come {abs(one.days)} day{'s' if abs(one.days) != 1 else ''} too "
        f"{'soon' if one.days < 0 else 'late'}: {one.gap} days after session {one.number - 1}, "
        f"{one.earliest} to {one.latest} are planned."
    )


def course_can_follow(appointment: Appointment, leaving: Iterable[Deviation]) -> bool:
    """Whether the rest of the course may be laid out around this visit: it is a later session that leaves its window.

    Too soon after the visit before stays too soon, however the later ones move.
    """
    planned = appointment.planned_session
    if planned is None:
        return False
    rows = list(leaving)
    return any(one.number > planned.number for one in rows) and not any(
        one.number == planned.number and one.days < 0 for one in rows
    )
