"""The clinic's context of a request: locked or not, where the person works, which clock and language hold."""

import time
import zoneinfo
from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone, translation

from mesoclinic.accounts.models import User
from mesoclinic.ui import registry

#: Views that answer while the screen is locked, or while a first password waits to be changed.
OPEN_WHILE_LOCKED = frozenset({"accounts:lock", "accounts:unlock", "accounts:sign-out"})
OPEN_BEFORE_NEW_PASSWORD = OPEN_WHILE_LOCKED | {"accounts:password", "accounts:hide-names", "accounts:place"}

IDLE_MINUTES = 15
# The browser locks first and keeps the page; this is the guarantee for a browser that does not.
GRACE_SECONDS = 60
# One session write a minute is enough to know when somebody was last here.
SEEN_EVERY_SECONDS = 60


class ClinicContextMiddleware:
    """Runs after sign-in is known and before any view."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        self._enter_place(request)
        try:
            return self._for_htmx(request, self.get_response(request))
        finally:
            timezone.deactivate()

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponseBase], args: object, kwargs: object
    ) -> HttpResponseBase | None:
        if not request.user.is_authenticated or not getattr(view, "login_required", True):
            return None
        assert isinstance(request.user, User)
        name = request.resolver_match.view_name if request.resolver_match else ""
        self._lock_when_idle(request)
        if request.session.get("locked") and name not in OPEN_WHILE_LOCKED:
            return self._go(request, "accounts:lock", back=self._page(request))
        if request.user.must_change_password and name not in OPEN_BEFORE_NEW_PASSWORD:
            return self._go(request, "accounts:password", back=self._page(request))
        return None

    @staticmethod
    def _enter_place(request: HttpRequest) -> None:
        """Clock and language of the place the person works at; the clinic's own while there is none."""
        place: registry.Place | None = request.session.get("place")
        if place is None and request.user.is_authenticated:
            choices = registry.places(request)
            if choices:
                place = next((one for one in choices if one.get("own")), choices[0])
                request.session["place"] = dict(place)
        zone = place["time_zone"] if place else settings.TIME_ZONE
        try:
            timezone.activate(zoneinfo.ZoneInfo(zone))
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            timezone.deactivate()
        # Staff pages speak the clinic's language whatever the browser asks for: half a translation misleads.
        translation.activate((place.get("language") if place else "") or settings.LANGUAGE_CODE)
        request.LANGUAGE_CODE = translation.get_language()

    @staticmethod
    def _lock_when_idle(request: HttpRequest) -> None:
        now = int(time.time())
        seen = request.session.get("seen_at")
        if isinstance(seen, int) and now - seen > IDLE_MINUTES * 60 + GRACE_SECONDS:
            request.session["locked"] = True
        if request.headers.get("X-Unattended"):
            # The calendar looks for news by itself: with nobody at the screen that is no use of it.
            return
        if not isinstance(seen, int) or now - seen >= SEEN_EVERY_SECONDS:
            request.session["seen_at"] = now

    @staticmethod
    def _page(request: HttpRequest) -> str:
        """The page to come back to: for a part of a page or a form, the page it stands on."""
        if request.method == "GET" and not request.headers.get("HX-Request"):
            return request.get_full_path()
        source = request.headers.get("HX-Current-URL") or request.headers.get("Referer") or ""
        parts = urlsplit(source)
        if parts.netloc != request.get_host():
            return "/"
        return f"{parts.path}?{parts.query}" if parts.query else parts.path or "/"

    @staticmethod
    def _go(request: HttpRequest, name: str, *, back: str) -> HttpResponse:
        return HttpResponseRedirect(f"{reverse(name)}?{urlencode({'next': back})}")

    def _for_htmx(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Send the whole browser to sign-in, lock or password page: htmx would swap it into a part of the page."""
        if not request.headers.get("HX-Request") or response.status_code not in {301, 302, 303, 307}:
            return response
        target = response.headers.get("Location", "")
        path = urlsplit(target).path
        if path == reverse("accounts:sign-in"):
            # LoginRequiredMiddleware wrote the part's own address into `next`.
            target = f"{path}?{urlencode({'next': self._page(request)})}"
        elif path not in {reverse("accounts:lock"), reverse("accounts:password")}:
            return response
        return HttpResponse(status=204, headers={"HX-Redirect": target})
