"""The worker's sign of life."""

from celery import shared_task

from mesoclinic.services.heartbeat import beat


@shared_task(name="mesoclinic.services.tasks.heartbeat", ignore_result=True)
def heartbeat() -> None:
    """Sent by the scheduler every 10 s; that it runs shows a living worker."""
    beat("worker")
