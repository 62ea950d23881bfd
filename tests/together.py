"""Acts at the same moment, on connections of their own."""

import threading
import time
from collections.abc import Callable
from subprocess import Popen
from typing import Any

from django.db import connection, connections


def together(*acts: Callable[[], Any]) -> list[Any]:
    """Run the acts at the same moment, each on a connection of its own; what each gave or raised."""
    barrier = threading.Barrier(len(acts))
    results: list[Any] = [None] * len(acts)

    def run(index: int, act: Callable[[], Any]) -> None:
        connection.ensure_connection()
        barrier.wait(timeout=20)
        try:
            results[index] = act()
        except Exception as error:
            results[index] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(i, act)) for i, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return results


def wait_for(what: Callable[[], Any], process: "Popen[bytes] | None" = None, seconds: float = 40) -> Any:
    """Ask until it is there; at once an error when the process that should bring it has ended."""
    ready = threading.Event()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        assert process is None or process.poll() is None, "the worker ended"
        ready.wait(0.1)
    raise AssertionError("it never came")
