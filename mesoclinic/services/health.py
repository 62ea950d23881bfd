"""Is it alive, is it ready: for the supervisor, the reverse proxy and the operator."""

from collections.abc import Callable

from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from mesoclinic.services.heartbeat import is_alive


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return "ok"


def _migrations() -> str:
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return f"{len(waiting)} to apply: run bin/manage migrate" if waiting else "ok"


def _redis() -> str:
    cache.get("readyz")
    return "ok"


def _part(part: str) -> Callable[[], str]:
    def check() -> str:
        return "ok" if is_alive(part) else "no heartbeat for 35 s"

    return check


CHECKS: dict[str, Callable[[], str]] = {
    "database": _database,
    "migrations": _migrations,
    "redis": _redis,
    "worker": _part("worker"),
    "beat": _part("beat"),
}


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The web process answers."""
    return HttpResponse("ok\n", content_type="text/plain")


@login_not_required
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Each part with its state; 503 unless all are ok. States never carry addresses or passwords."""
    states: dict[str, str] = {}
    for name, check in CHECKS.items():
        try:
            states[name] = check()
        except Exception as error:
            # Whatever went wrong, the page itself must answer; the kind of error is enough for the operator.
            states[name] = f"failed: {type(error).__name__}"
    ready = all(state == "ok" for state in states.values())
    return JsonResponse({"ready": ready, **states}, status=200 if ready else 503)
