"""Real PostgreSQL and Redis for every test. `bin/test` has them ready; bare pytest starts them itself."""

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher

# Other tests run on the same cores: how long an example takes on the wall says nothing of the product.
hypothesis.settings.register_profile(
    "shared", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("shared")

# Each guess costs a thief a tenth of a second; nobody steals the passwords of these tests. The same hashing, cheap.
Argon2PasswordHasher.time_cost, Argon2PasswordHasher.memory_cost, Argon2PasswordHasher.parallelism = 1, 8, 1

#: Minutes together. A long test that begins last has the other cores wait for its end.
_LONG = ("tests/browser/", "tests/platform/test_supervisor.py", "tests/sessions/test_killed.py")

_NUMBERS = itertools.count()
ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long tests in the middle: of two processes, the second begins with them.

    Never before the tests that roll back, which pytest-django puts first: browser tests empty the tables, and with
    them what the migrations shipped.
    """
    long = [item for item in items if item.nodeid.startswith(_LONG)]
    if long:
        rest = [item for item in items if not item.nodeid.startswith(_LONG)]
        at = max(items.index(long[0]), len(items) // 2)
        items[:] = [*rest[:at], *long, *rest[at:]]


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """A test database of its own per process, so that two runs from one checkout do not meet.

    Its connections may empty the tables of signed records between tests; nobody else's may (trigger never_truncated).
    """
    from django.conf import settings

    database = settings.DATABASES["default"]
    database.setdefault("TEST", {})["NAME"] = f"test_mesoclinic_{os.getpid()}"
    options = database.setdefault("OPTIONS", {})
    options["options"] = f"{options.get('options', '')} -c mesoclinic.truncate=allowed".strip()


@pytest.fixture(autouse=True)
def _own_cache() -> Iterator[None]:
    """Keys of one test never meet another's, and rate limits start empty."""
    from django.core.cache import cache

    cache.key_prefix = f"test-{os.getpid()}-{next(_NUMBERS)}"
    yield


@contextmanager
def celery_worker() -> Iterator[subprocess.Popen[bytes]]:
    """A real Celery worker in a process of its own, on the test database and a queue of its own."""
    from django.conf import settings

    from mesoclinic.celery import app

    queue = settings.CELERY_TASK_DEFAULT_QUEUE
    name = str(settings.DATABASES["default"]["NAME"])
    url = os.environ["DATABASE_URL"].replace("/mesoclinic?", f"/{name}?")
    log = Path(os.environ["MESOCLINIC_STATE"]) / "log" / "test-worker.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "mesoclinic", "worker", "-Q", queue, "-c", "1", "-P", "solo",
             "--without-gossip", "--without-mingle", "-n", f"{queue}@localhost"],
            cwd=ROOT, env={**os.environ, "DATABASE_URL": url}, stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 30
        while not app.control.ping(destination=[f"{queue}@localhost"], timeout=0.5):
            assert process.poll() is None, f"the worker ended; see {log}"
            assert time.monotonic() < deadline, f"the worker did not answer; see {log}"
        yield process
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture
def celery_worker_process(transactional_db: None) -> Iterator[subprocess.Popen[bytes]]:
    """Needs committed rows: the worker has connections of its own."""
    with celery_worker() as process:
        yield process
