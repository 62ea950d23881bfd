"""What no person can type and no database column can hold is kept out; what was shown is kept by no browser."""

from collections.abc import Callable

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponseBase


class ReadableRequestMiddleware:
    """Runs before anything reads the request: 400 for what can't be read, unreadable cookies count as absent.

    A NUL can't be searched for in PostgreSQL; forms refuse it beside the field.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if "%00" in request.META.get("QUERY_STRING", "") or "\x00" in request.path:
            raise BadRequest("NUL in the address")
        for name in [name for name, value in request.COOKIES.items() if not value.isprintable()]:
            # Cookies may carry any byte as \ooo; a session key with a NUL would break its look-up.
            del request.COOKIES[name]
        return self.get_response(request)


class KeptByNoBrowserMiddleware:
    """After sign-out, the back button must not show a chart: pages of signed-in people are stored nowhere.

    Static files are answered before this one and may be kept for ever.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # Asked before the view as well: signing out makes somebody else of the request.
        before = request.user.is_authenticated
        response = self.get_response(request)
        if before or request.user.is_authenticated:
            response.headers["Cache-Control"] = "no-store, private"
        return response


def typed(request: HttpRequest, name: str, limit: int) -> str:
    """A short text of an answer outside of a form class: without NUL, cut at `limit`."""
    return str(request.POST.get(name, "")).replace("\x00", "")[:limit]
