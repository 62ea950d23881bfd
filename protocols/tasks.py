"""Background work of the protocols app. A task carries no data: the rows say what to do."""

from celery import shared_task
from django.utils import timezone

from protocols import watch


@shared_task(name="protocols.tasks.watch_plans")
def watch_plans() -> int:
    """Notice a new day or new knowledge, then re-check what is open."""
    watch.notice(today=timezone.localdate())
    return watch.check_open()
