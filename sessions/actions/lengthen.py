"""Make a visit longer or shorter, such as by its lower edge in the calendar. The start stays."""

from dataclasses import replace
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from mesoclinic.accounts.models import User
from mesoclinic.audit.actions import record as audit
from sessions.actions.booking import current_visit
from sessions.actions.checks import BookingError, as_taken, check_fit, check_free, lock_resources
from sessions.models import Appointment
from sessions.queries.booking import slot_of, visit_of
from sessions.queries.types import visit_for
from sessions.reminders import schedule

SHORTEST, LONGEST = timedelta(minutes=5), timedelta(hours=8)
#: Here already: the visit lasts as long as it lasts, also beyond the working hours.
HERE = frozenset({Appointment.Status.ARRIVED, Appointment.Status.IN_TREATMENT})
COMING = frozenset({Appointment.Status.REQUESTED, Appointment.Status.BOOKED, Appointment.Status.CONFIRMED})


@transaction.atomic
def lengthen(
    *,
    appointment: Appointment,
    ends_at: datetime,
    by: User,
    now: datetime,
    version: int | None = None,
    reason: str = "",
) -> Appointment:
    """Let a visit end at another time; clean-up follows its new end, and longer ones are told in the same transaction.

    Raises TimeTaken when somebody or something is taken meanwhile, BookingError when hours or the state forbid it.
    """
    held = lock_resources(
        patients=[appointment.patient_id],
        practitioners=[appointment.practitioner_id],
        rooms=[appointment.room_id, appointment.prep_room_id],
        devices=[appointment.device_id],
    )
    current = current_visit(appointment, version)
    if current.status not in COMING | HERE:
        raise BookingError("Only a coming or present visit can be made longer or shorter.")
    if not SHORTEST <= ends_at - current.starts_at <= LONGEST:
        raise BookingError("A visit takes 5 minutes to 8 hours.")
    old = current.ends_at
    if ends_at == old:
        return current
    slot = replace(slot_of(current), end=ends_at)
    if ends_at > old:
        planned = current.planned_session
        if current.status in COMING:
            visit = visit_of(planned) if planned is not None else visit_for(current.needs, slot.minutes)
            check_fit([(slot, visit)], current.location, held)
        # Only what is added can be taken by others: what the visit has already stays its own.
        check_free(
            [replace(slot, start=old, prep=0, prep_room=None)], current.patient_id, leave_out=current.pk
        )
    after = current.occupied_until - old
    current.ends_at, current.occupied_until = ends_at, ends_at + after
    current.version += 1
    try:
        with transaction.atomic():
            current.save()
    except IntegrityError as error:
        raise as_taken(error) from error
    if current.status in COMING:
        schedule.lengthened(current, old, now)
    audit(
        type="appointment.lengthened" if ends_at > old else "appointment.shortened", target=current, by=by,
        patient_id=current.patient_id, old={"ends_at": old.isoformat()}, new={"ends_at": ends_at.isoformat()},
        reason=reason,
    )  # fmt: skip
    return current
