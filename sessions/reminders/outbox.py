"""Deliver what is due. The rows are the truth: a worker claims with a lease, every try is kept, failures back off."""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from email.utils import parseaddr

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Q

from patients.models import Patient
from sessions.ics.patients import attachment
from sessions.models import Message, MessageAttempt
from sessions.reminders.schedule import address_of
from sessions.selfservice.links import with_links

logger = logging.getLogger(__name__)
#: Well above the worst sending of one claim: a dozen answers of the SMTP server, each up to 10 s (settings.MAILERS).
LEASE = timedelta(minutes=5)
#: Rows that one claim takes. The lease runs for all of them at once, so the last one must still be sent within it.
BATCH = 1
#: A run ends here and the next one, 15 s later, goes on: the worker's time limit must not fall into a sending.
LONGEST_RUN_S = 60
#: Waiting time after the first, second ... failure; after the last one the message is dead.
BACKOFF = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2))
WAITING = (Message.State.DUE, Message.State.FAILED)


class DeliveryError(Exception):
    """The outside world did not take the message."""


@transaction.atomic
def claim(now: datetime, limit: int = BATCH) -> Sequence[Message]:
    """Take due rows for this worker; rows of others are skipped, rows of dead workers come back after the lease."""
    due = Q(state__in=WAITING, send_at__lte=now)
    left_behind = Q(state=Message.State.SENDING, leased_until__lt=now)
    rows = list(
        Message.objects.select_for_update(skip_locked=True)
        .filter(due | left_behind, state__in=[*WAITING, Message.State.SENDING])
        .order_by("send_at", "pk")[:limit]
    )
    for row in rows:
        row.state, row.leased_until, row.attempts = Message.State.SENDING, now + LEASE, row.attempts + 1
    Message.objects.bulk_update(rows, ["state", "leased_until", "attempts"])
    return rows


def message_id(message: Message) -> str:
    """The same for every try, so that a mail which arrives twice after all is shown once.

    *Send again* after a delivery is meant to arrive: it counts as another mail.
    """
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    delivered = message.tries.filter(delivered=True).count()
    return f"<message-{message.pk}-{message.created_at:%Y%m%d%H%M%S}-{delivered}@{domain}>"


def _address(message: Message) -> str:
    """Write today's address into the row; a reason when the patient must or can get no message any more."""
    patient = Patient.objects.get(pk=message.patient_id)
    address = address_of(patient)
    if address is not None:
        if address != (message.channel, message.recipient):
            message.channel, message.recipient = address
            message.save(update_fields=["channel", "recipient"])
        return ""
    if not patient.consent_messages:
        return "The patient no longer agrees to receive messages."
    if patient.channel == Patient.Channel.PHONE:
        return "The patient wants to be called now."
    return "The patient has no address for messages any more: call."


def _send(message: Message) -> None:
    if settings.MESSAGE_DELIVERY == "mailbox":
        # The row itself is the mailbox: the Messages page shows it.
        return
    if message.channel != "email":
        raise DeliveryError("No SMS gateway is set up: call the patient.")
    mail = EmailMessage(
        message.subject,
        with_links(message),
        to=[message.recipient],
        headers={"Message-ID": message_id(message)},
    )
    if message.calendar:
        mail.attach(attachment(message.calendar, message.recipient))
    try:
        mail.send()
    except OSError as error:
        raise DeliveryError(str(error)[:500]) from error


def deliver(message: Message, now: datetime) -> bool:
    """Try one claimed message and write down what came of it. Who gets it, and whether, is decided now."""
    reason = _address(message)
    if reason:
        Message.objects.filter(pk=message.pk, state=Message.State.SENDING, attempts=message.attempts).update(
            state=Message.State.WITHDRAWN, leased_until=None, error=reason
        )
        return False
    error = ""
    try:
        _send(message)
    except DeliveryError as failure:
        error = str(failure)
    except Exception as failure:
        # The text may name the patient's address: it stands on the row, not in the log.
        logger.error("message %s could not be delivered: %s", message.pk, type(failure).__name__)
        error = f"{type(failure).__name__}: {failure}"[:500]
    with transaction.atomic():
        mine = Message.objects.filter(pk=message.pk, state=Message.State.SENDING, attempts=message.attempts)
        MessageAttempt.objects.create(message=message, delivered=not error, error=error)
        if not error:
            mine.update(state=Message.State.SENT, sent_at=now, leased_until=None, error="")
        elif message.attempts > len(BACKOFF):
            mine.update(state=Message.State.DEAD, leased_until=None, error=error)
        else:
            again = now + BACKOFF[message.attempts - 1]
            mine.update(state=Message.State.FAILED, leased_until=None, error=error, send_at=again)
    return not error


def deliver_due(now: datetime, *, seconds: Callable[[], float] = time.monotonic) -> int:
    """Deliver what is due; how many rows were tried. `now` is the start: time that sending takes counts on top.

    Each claim has a time of its own. With the time of the start, a lease given out after minutes of slow sending
    would be over already, and a second worker would send the same rows.
    """
    tried, begun = 0, seconds()
    while (passed := seconds() - begun) < LONGEST_RUN_S:
        moment = now + timedelta(seconds=passed)
        rows = claim(moment)
        if not rows:
            break
        for row in rows:
            deliver(row, moment)
        tried += len(rows)
    return tried
