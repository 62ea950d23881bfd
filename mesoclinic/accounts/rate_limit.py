"""How often somebody may try a password: ten failures in a quarter of an hour per name and address."""

import hashlib
import logging

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

LIMIT = 10
WINDOW_SECONDS = 15 * 60


def client_address(request: HttpRequest) -> str:
    """The caller's address. The forwarded one counts only behind our own proxy, which appends it last."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    if settings.SECURE_PROXY_SSL_HEADER and forwarded:
        return forwarded.rsplit(",", 1)[-1].strip()
    return request.META.get("REMOTE_ADDR", "")


def _key(username: str, address: str) -> str:
    # Hashed, so that a mistyped password in the name field does not stand in Redis.
    who = f"{username.strip().casefold()}\n{address}".encode()
    return f"sign-in-failures:{hashlib.sha256(who).hexdigest()}"


def tries_left(username: str, address: str) -> int:
    """How many more failures are allowed now."""
    try:
        return max(LIMIT - int(cache.get(_key(username, address), 0)), 0)
    except RedisError:
        # Without Redis the password still guards; /readyz reports the outage.
        logger.warning("sign-in failures are not counted: Redis does not answer")
        return LIMIT


def count_failure(username: str, address: str) -> int:
    """Note a failure and return the tries left. The window starts with the first failure."""
    key = _key(username, address)
    try:
        cache.add(key, 0, WINDOW_SECONDS)
        return max(LIMIT - cache.incr(key), 0)
    except ValueError:
        # The window ended between the two calls.
        return LIMIT
    except RedisError:
        logger.warning("sign-in failures are not counted: Redis does not answer")
        return LIMIT


def forget_failures(username: str, address: str) -> None:
    """Start afresh after a right password."""
    try:
        cache.delete(_key(username, address))
    except RedisError:
        logger.warning("sign-in failures are not counted: Redis does not answer")
