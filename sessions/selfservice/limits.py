"""How often pages that need no sign-in may be asked for: against loads of requests, not against guessing.

A signature of 95 bits needs no such help. Without Redis nobody is refused: a confirmation is worth more than the limit.
"""

import hashlib
import logging

from django.http import HttpRequest
from redis.exceptions import RedisError

from mesoclinic.accounts.rate_limit import client_address, count_up

logger = logging.getLogger(__name__)
WINDOW_SECONDS = 60
#: A waiting room shares one address; one link is in one or two hands.
PER_ADDRESS, PER_LINK = 240, 40


def _count(name: str, what: str) -> int:
    # Hashed, so that neither a link nor an address stands in Redis.
    key = f"open-pages:{name}:{hashlib.sha256(what.encode()).hexdigest()}"
    return count_up(key, WINDOW_SECONDS)


def too_many(request: HttpRequest, token: str) -> bool:
    """Count this request; whether there were too many of this link or from this address in a minute."""
    try:
        link, address = _count("link", token), _count("address", client_address(request))
    except RedisError:
        logger.warning("requests of open pages are not counted: Redis does not answer")
        return False
    return link > PER_LINK or address > PER_ADDRESS
