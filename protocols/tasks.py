"""Background work of the protocols app. A task carries an id or nothing: the rows say what to do."""

from celery import shared_task
from django.utils import timezone

from protocols import trials, watch


@shared_task(name="protocols.tasks.watch_plans")
def watch_plans() -> int:
    """Notice a new day or new knowledge, then re-check what is open."""
    watch.notice(today=timezone.localdate())
    return watch.check_open()


@shared_task(name="protocols.tasks.go_on")
def go_on(trial_id: int) -> None:
    """The next batch of a trial, and a nudge for the one after it: other work gets its turn in between."""
    if trials.run_batch(trial_id):
        go_on.delay(trial_id)
