"""Deliver what is due. The rows are the truth: a worker claims with a lease, every try is kept, failures back off."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Q

from sessions.models import Message, MessageAttempt

logger = logging.getLogger(__name__)
LEASE = timedelta(minutes=5)
#: Waiting time after the first, second ... failure; after the last one the message is dead.
BACKOFF = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2))
WAITING = (Message.State.DUE, Message.State.FAILED)


class DeliveryError(Exception):
    """The outside world did not take the message."""


@transaction.atomic
def claim(now: datetime, limit: int = 20) -> Sequence[Message]:
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


def _send(message: Message) -> None:
    if settings.MESSAGE_DELIVERY == "mailbox":
        # The row itself is the mailbox: the Messages page shows it.
        return
    if message.channel != "email":
        raise DeliveryError("No SMS gateway is set up: call the patient.")
    mail = EmailMessage(message.subject, message.body, to=[message.recipient])
    if message.calendar:
        mail.attach("appointment.ics", message.calendar, "text/calendar")
    try:
        mail.send()
    except OSError as error:
        raise DeliveryError(str(error)[:500]) from error


def deliver(message: Message, now: datetime) -> bool:
    """Try one claimed message and write down what came of it."""
    error = ""
    try:
        _send(message)
    except DeliveryError as failure:
        error = str(failure)
    except Exception as failure:
        logger.exception("message %s could not be delivered", message.pk)
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


def deliver_due(now: datetime) -> int:
    """Deliver everything that is due now; how many were tried."""
    tried = 0
    while rows := claim(now):
        for row in rows:
            deliver(row, now)
        tried += len(rows)
    return tried
