"""Background work. Rows in the database are the truth; a task only carries an id or a nudge."""

import os
from typing import Any

from celery import Celery
from celery.signals import beat_init, before_task_publish, worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mesoclinic.settings")

app = Celery("mesoclinic")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["mesoclinic.services"])


@worker_ready.connect
def _worker_is_ready(**_kwargs: Any) -> None:
    from mesoclinic.services.heartbeat import beat

    beat("worker")


@beat_init.connect
def _beat_is_ready(**_kwargs: Any) -> None:
    from mesoclinic.services.heartbeat import beat

    beat("beat")
    # Only in the scheduler's process: each task it sends shows that it is alive.
    before_task_publish.connect(_beat_published, weak=False)


def _beat_published(**_kwargs: Any) -> None:
    from mesoclinic.services.heartbeat import beat

    beat("beat")
