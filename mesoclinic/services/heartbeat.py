"""When worker and scheduler were last seen alive, kept in Redis with an expiry."""

import time

from django.core.cache import cache

#: Three missed beats of 10 s.
ALIVE_FOR_S = 35


def beat(part: str) -> None:
    """Note that `part` (`worker` or `beat`) is alive now."""
    cache.set(f"heartbeat:{part}", time.time(), timeout=ALIVE_FOR_S)


def is_alive(part: str) -> bool:
    """Whether `part` was seen within the last 35 s."""
    return cache.get(f"heartbeat:{part}") is not None
