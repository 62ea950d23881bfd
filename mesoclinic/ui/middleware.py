"""What no person can type and no database column can hold is kept out."""

from collections.abc import Callable

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponseBase


class NoNulMiddleware:
    """400 for a NUL character in an address: PostgreSQL can't search for it. Forms refuse it beside the field."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if "%00" in request.META.get("QUERY_STRING", "") or "\x00" in request.path:
            raise BadRequest("NUL in the address")
        return self.get_response(request)


def typed(request: HttpRequest, name: str, limit: int) -> str:
    """A short text of an answer outside of a form class: without NUL, cut at `limit`."""
    return str(request.POST.get(name, "")).replace("\x00", "")[:limit]
