"""The start page and the error pages."""

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from mesoclinic.ui import registry


def start(request: HttpRequest) -> HttpResponseBase:
    """What the person's role begins the day with; a plain welcome while no app offers a page for it."""
    page = registry.start_pages.get(getattr(request.user, "role", ""))
    if page is not None:
        return page(request)
    return render(request, "start/welcome.html")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form that came without its token: most often a page left open over a sign-out."""
    return render(request, "ui/csrf.html", {"reason": reason}, status=403)
