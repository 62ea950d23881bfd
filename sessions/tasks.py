"""Background work of the sessions app. A task carries no data: the rows say what to do."""

from celery import shared_task
from django.utils import timezone

from sessions.reminders import outbox


@shared_task(name="sessions.tasks.deliver_due_messages")
def deliver_due_messages() -> int:
    """Deliver the messages that are due."""
    return outbox.deliver_due(timezone.now())
