"""Background work of the sessions app. A task carries no data: the rows say what to do."""

from celery import shared_task
from django.utils import timezone

from sessions.clocks import actions as clocks
from sessions.reminders import outbox
from sessions.waitlist import work


@shared_task(name="sessions.tasks.deliver_due_messages")
def deliver_due_messages() -> int:
    """Deliver the messages that are due."""
    return outbox.deliver_due(timezone.now())


@shared_task(name="sessions.tasks.run_waitlist")
def run_waitlist() -> int:
    """End offers whose time is up, and offer freed times to those who wait."""
    return work.run(timezone.now())


@shared_task(name="sessions.tasks.close_waitlist")
def close_waitlist() -> int:
    """Take entries off the waiting list that have nothing left to wait for."""
    return work.close_entries(timezone.now())


@shared_task(name="sessions.tasks.follow_clocks")
def follow_clocks() -> int:
    """Put visits that their wall clock left behind where it shows what was told."""
    return clocks.follow(timezone.now()).moved
