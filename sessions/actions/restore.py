"""The way back of a cancellation, while the patient has not been told."""

from datetime import datetime

from django.db import IntegrityError, transaction

from mesoclinic.accounts.models import User
from mesoclinic.audit.actions import record as audit
from sessions.actions.booking import move
from sessions.actions.checks import BookingError, TimeTaken, lock_resources
from sessions.freed import kept_after_all
from sessions.models import Appointment, Message
from sessions.queries.booking import slot_of
from sessions.reminders import schedule

#: Why visits are cancelled; the words are kept on the visit, with what was written besides.
REASONS = (
    ("ill", "The patient is ill"),
    ("time", "The time does not suit"),
    ("stops", "The patient does not want the treatment"),
    ("cost", "Costs"),
    ("clinic", "The clinic can't keep it"),
    ("other", "Another reason"),
)


def reason_words(code: str, text: str) -> str:
    """The reason as it is kept: the word of the list, and what was written. *Another reason* needs words."""
    word = dict(REASONS).get(code, "") if code != "other" else ""
    return ": ".join(part for part in (word, " ".join(text.split())) if part)[:300]


@transaction.atomic
def restore(*, appointment: Appointment, by: User, now: datetime, version: int | None = None) -> Appointment:
    """Take a cancellation back: the same time, if it is still free and the rules still allow it.

    Raises TimeTaken, BookingError.
    """
    lock_resources(
        patients=[appointment.patient_id], practitioners=[appointment.practitioner_id], rooms=[appointment.room_id],
        devices=[appointment.device_id],
    )  # fmt: skip
    current = Appointment.objects.select_for_update(of=("self",)).get(pk=appointment.pk)
    if version is not None and current.version != version:
        raise BookingError("Somebody else changed this visit meanwhile. Look at it as it is now.")
    if current.status != Appointment.Status.CANCELLED:
        raise BookingError("This visit is not cancelled.")
    news = Message.objects.select_for_update().filter(
        cause=f"cancelled:{current.pk}:{current.version}"
    )  # fmt: skip
    if any(row.state in {Message.State.SENT, Message.State.SENDING} for row in news):
        raise BookingError("The patient has been told already. Book a new visit.")
    reason = current.reason
    current.status, current.reason = Appointment.Status.BOOKED, ""
    current.version += 1
    try:
        with transaction.atomic():
            current.save()
    except IntegrityError as error:
        raise TimeTaken("This time was taken meanwhile. Book a new visit.") from error
    slot = slot_of(current)
    # The same checks as for any move, to the same time: hours, absences and distances may have changed.
    current = move(appointment=current, slot=slot, by=by, now=now, reason="Cancellation taken back")
    news.filter(state__in=[Message.State.DUE, Message.State.FAILED]).update(state=Message.State.WITHDRAWN)
    schedule.restored(current, now)
    kept_after_all(current)
    audit(
        type="appointment.restored", target=current, by=by, patient_id=current.patient_id,
        old={"status": "cancelled", "reason": reason}, new={"status": current.status},
    )  # fmt: skip
    return current
