"""How often somebody may try a password in a quarter of an hour: ten failures per name and address, and sixty per
address whatever the names, so that one password can't be tried on everybody."""

import hashlib
import logging

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

LIMIT = 10
#: A whole clinic may stand behind one address: well above what a day of typing errors gives.
ADDRESS_LIMIT = 60
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


def _address_key(address: str) -> str:
    return f"sign-in-failures-of:{hashlib.sha256(address.encode()).hexdigest()}"


def tries_left(username: str, address: str) -> int:
    """How many more failures are allowed now."""
    try:
        pair, whole = _key(username, address), _address_key(address)
        known = cache.get_many([pair, whole])
        return max(min(LIMIT - int(known.get(pair, 0)), ADDRESS_LIMIT - int(known.get(whole, 0))), 0)
    except RedisError:
        # Without Redis the password still guards; /readyz reports the outage.
        logger.warning("sign-in failures are not counted: Redis does not answer")
        return LIMIT


def count_up(key: str, seconds: int) -> int:
    """Count one more under a key whose window of so many seconds began with the first. Raises RedisError."""
    cache.add(key, 0, seconds)
    try:
        return int(cache.incr(key))
    except ValueError:
        # The window ended between the two calls.
        return 0


def count_failure(username: str, address: str) -> int:
    """Note a failure and return the tries left. The window starts with the first failure."""
    try:
        return max(
            min(
                LIMIT - count_up(_key(username, address), WINDOW_SECONDS),
                ADDRESS_LIMIT - count_up(_address_key(address), WINDOW_SECONDS),
            ),
            0,
        )
    except RedisError:
        logger.warning("sign-in failures are not counted: Redis does not answer")
        return LIMIT


def forget_failures(username: str, address: str) -> None:
    """Start afresh after a right password. The address keeps its count: one's own account must not reset it."""
    try:
        cache.delete(_key(username, address))
    except RedisError:
        logger.warning("sign-in failures are not counted: Redis does not answer")
