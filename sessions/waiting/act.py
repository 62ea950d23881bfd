"""Writes of the waiting room: cream on, called in, a walk-in. One transaction each, audited."""

from datetime import datetime

from django.db import transaction

from mesoclinic.accounts.models import User
from mesoclinic.audit.actions import record as audit
from patients.models import Patient
from protocols.models import PlannedSession
from sessions.actions.booking import book_single, change_status
from sessions.actions.checks import BookingError
from sessions.models import Appointment, Location, Message, Stay
from sessions.scheduling import Slot
from sessions.scheduling.diary import GRID
from sessions.waiting.queries import planned_cream


class WaitingError(Exception):
    """Why it can't be done; the text says what to do."""


def _here(visit: Appointment) -> tuple[Appointment, Stay]:
    """The visit, locked, and its stay. The opening of a treatment locks the same row."""
    current = (
        Appointment.objects.select_for_update(of=("self",)).select_related("planned_session").get(pk=visit.pk)
    )
    if current.status != Appointment.Status.ARRIVED:
        raise WaitingError(
            "The treatment has begun: change the time in its record."
            if current.status == Appointment.Status.IN_TREATMENT
            else "Check the patient in first."
        )
    return current, Stay.objects.get_or_create(appointment=current)[0]


@transaction.atomic
def put_cream_on(*, visit: Appointment, by: User, now: datetime) -> Stay:
    """The numbing cream is on the skin from now. A second tap changes nothing."""
    current, stay = _here(visit)
    if planned_cream(current.planned_session) is None:
        raise WaitingError("This session is planned without cream.")
    if current.records.exists():
        raise WaitingError("The treatment has begun: change the time in its record.")
    if stay.cream_on_at is None:
        stay.cream_on_at, stay.cream_by = now, by
        stay.save(update_fields=["cream_on_at", "cream_by"])
        audit(
            type="stay.cream-on", target=current, by=by, patient_id=current.patient_id,
            new={"cream_on_at": now.isoformat()},
        )  # fmt: skip
    return stay


@transaction.atomic
def take_cream_back(*, visit: Appointment, by: User, now: datetime) -> Stay:
    """The tap was a slip: no cream is on."""
    current, stay = _here(visit)
    if stay.cream_on_at is not None:
        old = stay.cream_on_at
        stay.cream_on_at = stay.cream_by = None
        stay.save(update_fields=["cream_on_at", "cream_by"])
        audit(
            type="stay.cream-taken-back", target=current, by=by, patient_id=current.patient_id,
            old={"cream_on_at": old.isoformat()},
        )  # fmt: skip
    return stay


@transaction.atomic
def call_in(*, visit: Appointment, by: User, now: datetime) -> Stay:
    """The room is ready: the patient is called. A second tap takes it back."""
    current, stay = _here(visit)
    called = stay.called_at is None
    stay.called_at, stay.called_by = (now, by) if called else (None, None)
    stay.save(update_fields=["called_at", "called_by"])
    audit(
        type="stay.called" if called else "stay.call-taken-back", target=current, by=by,
        patient_id=current.patient_id,
    )  # fmt: skip
    return stay


def hand_over(visit: Appointment) -> datetime | None:
    """The time of the cream for the treatment's record, which keeps it from now on. The visit is locked."""
    stay = Stay.objects.filter(appointment=visit, cream_on_at__isnull=False).first()
    if stay is None:
        return None
    on = stay.cream_on_at
    stay.cream_on_at = None
    stay.save(update_fields=["cream_on_at"])
    return on


@transaction.atomic
def walk_in(
    *, patient: Patient, location: Location, slot: Slot, kind: str, by: User, now: datetime, note: str = "",
    planned: PlannedSession | None = None,
) -> Appointment:  # fmt: skip
    """Book the next free time for a patient who stands at the desk, and check the patient in. All or nothing.

    A time that began while the page was open is still taken. Raises TimeTaken, BookingError.
    """
    zone = location.zone
    if slot.start.astimezone(zone).date() != now.astimezone(zone).date():
        raise BookingError("A walk-in is for today. Book a visit for another day.")
    made = book_single(
        patient=patient, location=location, slot=slot, kind=kind, by=by,
        now=slot.start if slot.start <= now < slot.start + GRID else now, note=note,
        planned=planned,
    )  # fmt: skip
    # Who is here needs no message about being here.
    Message.objects.filter(appointment=made, state=Message.State.DUE).update(
        state=Message.State.WITHDRAWN, error="Walk-in: told at the desk."
    )
    return change_status(appointment=made, to=Appointment.Status.ARRIVED, by=by, now=now)
