"""The web processes' entry."""

import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application
from django.utils.http import parse_header_parameters

from mesoclinic.ui.reading import is_utf8

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mesoclinic.settings")
_django = get_wsgi_application()


def _readable(content_type: str) -> bool:
    try:
        charset = parse_header_parameters(content_type)[1].get("charset")
    except (LookupError, ValueError):
        return False
    return charset is None or is_utf8(charset)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Django, behind the one check that is too late in a middleware.

    Django decodes the address in the charset that the request names while it makes the request object, and not each
    of Python's codecs makes text: `charset=hex` would end there, before any middleware. Browsers send UTF-8.
    """
    if not _readable(environ.get("CONTENT_TYPE", "")):
        start_response("400 Bad Request", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"Only UTF-8 is understood.\n"]
    return _django(environ, start_response)
