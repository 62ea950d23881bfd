"""Writes of self-service. What a patient does by link is the same act as the front desk's, under another name.

Whether it is still allowed is looked at again here, not only when the page was drawn. Everything that the acts of
sessions.actions.booking check and do (locks, windows, messages, audit) holds for patients too.
"""

from datetime import datetime

from django.db import transaction

from mesoclinic.accounts.models import User
from mesoclinic.audit.actions import PATIENT_BY_LINK
from mesoclinic.audit.actions import record as audit
from patients.models import Patient
from sessions.actions import booking
from sessions.models import Appointment, LinkWithdrawal, TimeRequest
from sessions.selfservice.queries import offers, standing

BY_LINK = "By the patient's link"


class NotAllowed(booking.BookingError):
    """The visit no longer stands as the page showed it."""


@transaction.atomic
def confirm(*, appointment: Appointment, version: int, now: datetime) -> Appointment:
    """The patient will come. Raises BookingError when the visit changed since `version` or can't be confirmed."""
    if not standing(appointment, now).confirm:
        raise NotAllowed("This visit can't be confirmed by link.")
    return booking.change_status(
        appointment=appointment, to=Appointment.Status.CONFIRMED, by=PATIENT_BY_LINK, now=now, version=version
    )


@transaction.atomic
def cancel(*, appointment: Appointment, version: int, now: datetime, reason: str = "") -> Appointment:
    """The patient will not come. The reason is free; the front desk reads whose act it was."""
    if not standing(appointment, now).cancel:
        raise NotAllowed("This visit can't be cancelled by link.")
    typed = reason.strip()
    return booking.change_status(
        appointment=appointment, to=Appointment.Status.CANCELLED, by=PATIENT_BY_LINK, now=now, version=version,
        reason=f"{BY_LINK}: {typed}" if typed else BY_LINK,
    )  # fmt: skip


@transaction.atomic
def choose(*, appointment: Appointment, version: int, start: datetime, now: datetime) -> Appointment:
    """Move the visit to an offered time, or book a cancelled session anew at one.

    `start` is looked up among what is free and inside the windows now: no other time can be asked for. Raises TimeTaken
    when it is not free any more, BookingError when the visit changed since `version`.
    """
    stands = standing(appointment, now)
    if not stands.move and not stands.rebook:
        raise NotAllowed("This visit can't be moved by link.")
    found = offers(appointment, now)
    slot = found.at(start)
    if slot is None:
        raise booking.TimeTaken("This time is not free any more.")
    if stands.rebook:
        assert found.planned is not None
        made = booking.book_single(
            patient=appointment.patient, location=appointment.location, slot=slot,
            kind=Appointment.Kind.SESSION, by=PATIENT_BY_LINK, now=now,
            planned=found.planned,
        )  # fmt: skip
    else:
        made = booking.move(
            appointment=appointment, slot=slot, by=PATIENT_BY_LINK, now=now, version=version, reason=BY_LINK
        )
    for request in TimeRequest.objects.select_for_update().filter(
        appointment=appointment, settled_at__isnull=True
    ):
        # The patient has helped themselves after all.
        _settle(request, by=None, now=now)
    return made


@transaction.atomic
def ask(*, appointment: Appointment, wish: str, now: datetime) -> TimeRequest:
    """Nothing fits: leave it to the front desk. Asked again, the wish is renewed; there is one request per visit."""
    stands = standing(appointment, now)
    if not stands.move and appointment.status != Appointment.Status.CANCELLED:
        raise NotAllowed("Another time can't be asked for by link.")
    # Two taps at once: the second one waits for the first, and finds its request.
    Appointment.objects.select_for_update(of=("self",)).get(pk=appointment.pk)
    request = TimeRequest.objects.filter(appointment=appointment, settled_at__isnull=True).first()
    if request is None:
        request = TimeRequest(appointment=appointment, asked_at=now)
    request.wish = wish.strip()[:300] or request.wish
    request.save()
    audit(
        type="time-request.asked", target=request, by=PATIENT_BY_LINK, patient_id=appointment.patient_id,
        new={"appointment": appointment.pk, "wish": request.wish},
    )  # fmt: skip
    return request


def _settle(request: TimeRequest, *, by: User | None, now: datetime) -> None:
    request.settled_at, request.settled_by = now, by
    request.save(update_fields=["settled_at", "settled_by"])
    audit(
        type="time-request.settled", target=request, by=by or PATIENT_BY_LINK,
        patient_id=request.appointment.patient_id, new={"appointment": request.appointment_id},
    )  # fmt: skip


@transaction.atomic
def settle(*, request: TimeRequest, by: User, now: datetime) -> TimeRequest:
    """The front desk has spoken with the patient. Settling twice is once."""
    current = (
        TimeRequest.objects.select_for_update(of=("self",)).select_related("appointment").get(pk=request.pk)
    )
    if current.settled_at is None:
        _settle(current, by=by, now=now)
    return current


@transaction.atomic
def withdraw_links(*, patient: Patient, by: User) -> LinkWithdrawal:
    """No link that this patient was sent works any more; messages that still wait will carry new ones."""
    withdrawal = LinkWithdrawal.objects.create(patient=patient, by=by)
    audit(type="links.withdrawn", target=patient, by=by, patient_id=patient.pk)
    return withdrawal
