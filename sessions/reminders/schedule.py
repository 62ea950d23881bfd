"""Rows of the outbox for what happens to appointments. Called inside the transaction of the act itself."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Q

from mesoclinic.statements import fresh, insert
from patients.models import Patient
from sessions.ics.patients import calendar_of
from sessions.models import Appointment, CourseBooking, Message
from sessions.reminders.texts import write

#: A move or cancellation is told after this time, so that *Undo* comes first.
GRACE = timedelta(minutes=3)
REMIND_AT = time(18, 0)
#: Who confirms a visit this near needs no reminder of it any more; who confirmed weeks ago still gets a plain one.
ANSWERED = timedelta(days=3)


def reminder_time(starts_at: datetime, zone: ZoneInfo) -> datetime:
    """18:00 on the wall clock of the location, the day before; holds over a change of the clock."""
    day = starts_at.astimezone(zone).date() - timedelta(days=1)
    return datetime.combine(day, REMIND_AT, tzinfo=zone)


def address_of(patient: Patient) -> tuple[str, str] | None:
    """(channel, recipient); None when the patient wants no messages or there is nowhere to send them."""
    if not patient.consent_messages:
        return None
    if patient.channel == Patient.Channel.SMS and patient.phone:
        return "sms", patient.phone
    if patient.channel != Patient.Channel.PHONE and patient.email:
        return "email", patient.email
    return None


def _message(
    kind: str, text: str, appointments: Sequence[Appointment], *, cause: str, send_at: datetime,
    old: datetime | None = None, calendar: str = "", olds: Sequence[datetime | None] = (),
) -> Message | None:  # fmt: skip
    """The message, not stored yet; None for a patient who gets none."""
    first = appointments[0]
    address = address_of(first.patient)
    if address is None:
        return None
    language, subject, body = write(text, appointments, old=old, olds=olds)
    return fresh(
        Message, kind=kind, cause=cause, patient_id=first.patient_id, appointment_id=first.pk, location_id=first.location_id,
        channel=address[0], recipient=address[1], language=language, subject=subject, body=body, calendar=calendar, send_at=send_at,
    )  # fmt: skip


def _reminder(appointment: Appointment, now: datetime) -> Message | None:
    at = reminder_time(appointment.starts_at, appointment.location.zone)
    if at <= now:
        return None
    return _message(
        Message.Kind.REMINDER, "reminder", [appointment], send_at=at,
        cause=f"reminder:{appointment.pk}:{appointment.version}",
    )  # fmt: skip


def _queue(*messages: Message | None) -> None:
    """Store the messages that there are, in one query. A cause that has its message already makes no second one."""
    insert([message for message in messages if message is not None], ignore_conflicts=True)


def _withdraw(appointment: Appointment) -> None:
    """Nothing that tells an old time may leave any more: reminders, and news of earlier moves."""
    waiting = Message.objects.filter(
        appointment=appointment, state__in=[Message.State.DUE, Message.State.FAILED]
    ).exclude(kind=Message.Kind.CONFIRMATION)
    waiting.update(state=Message.State.WITHDRAWN)


def of_booking(
    appointments: Sequence[Appointment], now: datetime, booking: CourseBooking | None = None
) -> list[Message]:
    """One confirmation with a calendar file for all, and a reminder each: not stored yet."""
    cause = f"booked:course:{booking.pk}" if booking else f"booked:{appointments[0].pk}"
    confirmation = _message(
        Message.Kind.CONFIRMATION, "booked", appointments, cause=cause, send_at=now,
        calendar=calendar_of(appointments),
    )  # fmt: skip
    reminders = (_reminder(appointment, now) for appointment in appointments)
    return [message for message in (confirmation, *reminders) if message is not None]


def booked(appointments: Sequence[Appointment], now: datetime) -> None:
    """The messages of a booking, stored."""
    _queue(*of_booking(appointments, now))


def moved(appointment: Appointment, old: datetime, now: datetime) -> None:
    """The old reminder is withdrawn, the new time told once, a new reminder made."""
    _withdraw(appointment)
    news = _message(
        Message.Kind.MOVED, "moved", [appointment], cause=f"moved:{appointment.pk}:{appointment.version}",
        send_at=now + GRACE, old=old, calendar=calendar_of([appointment]),
    )  # fmt: skip
    _queue(news, _reminder(appointment, now))


def taken_back(appointment: Appointment, *, before: int) -> None:
    """A move was undone (call after `moved`): where news of it had not left, nobody needs to hear of either.

    `before` is the version that the undone move had made.
    """
    news = Message.objects.filter(cause=f"moved:{appointment.pk}:{before}")
    if news.filter(state__in=[Message.State.DUE, Message.State.WITHDRAWN, Message.State.FAILED]).exists():
        Message.objects.filter(
            cause=f"moved:{appointment.pk}:{appointment.version}", state=Message.State.DUE
        ).update(state=Message.State.WITHDRAWN)


def rescheduled(
    appointments: Sequence[Appointment], olds: Sequence[datetime | None], now: datetime, key: str
) -> None:
    """One message for all visits of a course that moved, and for those that it got anew (`olds` is None there)."""
    changed = [
        (row, old) for row, old in zip(appointments, olds, strict=True) if old is None or old != row.starts_at
    ]
    if not changed:
        # Another room or practitioner at the same time: nothing that the patient was told is wrong.
        return
    rows = [row for row, _old in changed]
    for row in rows:
        _withdraw(row)
    news = _message(
        Message.Kind.MOVED, "rescheduled", rows, cause=f"course:{key}", send_at=now + GRACE,
        olds=[old for _row, old in changed], calendar=calendar_of(rows),
    )  # fmt: skip
    _queue(news, *(_reminder(row, now) for row in rows))


def never_mind(done: str, undone: str, added: Sequence[int]) -> None:
    """A re-flow was undone (call after it): where its news had not left, nobody needs to hear of either."""
    news = Message.objects.filter(cause=f"course:{done}")
    if news.exclude(state__in=[Message.State.DUE, Message.State.WITHDRAWN, Message.State.FAILED]).exists():
        return
    waiting = Q(cause__in=[f"course:{done}", f"course:{undone}"]) | Q(
        appointment__in=list(added), kind=Message.Kind.CANCELLED
    )
    Message.objects.filter(waiting, state__in=[Message.State.DUE, Message.State.FAILED]).update(
        state=Message.State.WITHDRAWN
    )


def lengthened(appointment: Appointment, old_end: datetime, now: datetime) -> None:
    """The patient is told when a coming visit takes longer than was said; of a shorter one nobody needs to hear.

    News that still waits is withdrawn: of two changes in a row the last one counts, and *Undo* leaves nothing.
    """
    cause = f"lengthened:{appointment.pk}:"
    Message.objects.filter(
        appointment=appointment, cause__startswith=cause, state__in=[Message.State.DUE, Message.State.FAILED]
    ).update(state=Message.State.WITHDRAWN)
    if appointment.ends_at > old_end and appointment.starts_at > now:
        news = _message(
            Message.Kind.MOVED, "lengthened", [appointment], cause=f"{cause}{appointment.version}",
            send_at=now + GRACE, calendar=calendar_of([appointment]),
        )  # fmt: skip
        _queue(news)


def cancelled(appointment: Appointment, now: datetime) -> None:
    """No reminder leaves any more; the cancellation is told unless the visit is past."""
    _withdraw(appointment)
    if appointment.starts_at > now:
        news = _message(
            Message.Kind.CANCELLED, "cancelled", [appointment],
            cause=f"cancelled:{appointment.pk}:{appointment.version}", send_at=now + GRACE,
            calendar=calendar_of([appointment]),
        )  # fmt: skip
        _queue(news)


def _withdraw_reminders(appointment: Appointment) -> None:
    Message.objects.filter(
        appointment=appointment,
        kind=Message.Kind.REMINDER,
        state__in=[Message.State.DUE, Message.State.FAILED],
    ).update(state=Message.State.WITHDRAWN)


def confirmed(appointment: Appointment, now: datetime) -> None:
    """Nobody is asked to confirm twice; a visit still far away is recalled the day before without asking."""
    _withdraw_reminders(appointment)
    at = reminder_time(appointment.starts_at, appointment.location.zone)
    if appointment.starts_at - now > ANSWERED and at > now:
        plain = _message(
            Message.Kind.REMINDER, "expected", [appointment], send_at=at,
            cause=f"reminder:{appointment.pk}:{appointment.version}",
        )  # fmt: skip
        _queue(plain)


def unconfirmed(appointment: Appointment, now: datetime) -> None:
    """A visit that stands again without an answer is asked about again."""
    _withdraw_reminders(appointment)
    _queue(_reminder(appointment, now))


def missed(appointment: Appointment) -> None:
    """A visit that was missed needs no reminder."""
    _withdraw(appointment)


def followed_the_clock(appointment: Appointment, starts_at: datetime, zone: ZoneInfo) -> None:
    """A visit keeps its time on the wall while the clock changes: so does its reminder, and nobody hears of it."""
    Message.objects.filter(
        appointment=appointment, kind=Message.Kind.REMINDER, state=Message.State.DUE
    ).update(send_at=reminder_time(starts_at, zone))


def restored(appointment: Appointment, now: datetime) -> None:
    """A cancellation was taken back before it was told: its reminder is made anew."""
    _queue(_reminder(appointment, now))
