"""Tokens of links that open without signing in: a signature and a row's number, nothing that a table would keep.

Each is made for one purpose and over one state of its row: when the state changes, it is good no longer. Earlier signing
keys stay good where the settings name them.
"""

import re
import string

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
#: 16 signs of 62 are 95 bits: nobody guesses one, and the whole link stays below 60 signs.
_SIGNATURE = 16
_FORM = re.compile(rf"[0-9A-Za-z]{{{_SIGNATURE}}}[1-9A-Za-z][0-9A-Za-z]{{0,9}}", re.ASCII)
_LARGEST = 2**63 - 1


def _in_signs(number: int) -> str:
    text = ""
    while number:
        number, rest = divmod(number, 62)
        text = _DIGITS[rest] + text
    return text


def _number(text: str) -> int:
    number = 0
    for sign in text:
        number = number * 62 + _DIGITS.index(sign)
    return number


def _signature(purpose: str, key: int, state: int | str, secret: str | bytes) -> str:
    mac = salted_hmac("sessions.selfservice", f"{purpose}:{key}:{state}", secret=secret, algorithm="sha256")
    return _in_signs(int.from_bytes(mac.digest())).rjust(43, "0")[-_SIGNATURE:]


def token_for(purpose: str, key: int, state: int | str) -> str:
    """The token of a row (its key, above 0) for a purpose, while it is in that state."""
    return _signature(purpose, key, state, settings.SECRET_KEY) + _in_signs(key)


def genuine(token: str, purpose: str, key: int, state: int | str) -> bool:
    """Whether a token was made here for this row, purpose and state."""
    return any(
        constant_time_compare(token[:_SIGNATURE], _signature(purpose, key, state, secret))
        for secret in [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    )


def key_of(token: str) -> int | None:
    """The row that a token names, if it has the form of one."""
    if not _FORM.fullmatch(token):
        return None
    key = _number(token[_SIGNATURE:])
    return key if key <= _LARGEST else None
