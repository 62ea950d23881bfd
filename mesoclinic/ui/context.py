"""The frame around every page: navigation by role, place, privacy toggle."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from mesoclinic.ui import registry


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the side bar. `within` names further pages that light it up, as view-name prefixes."""

    key: str
    label: Any
    icon: str
    view: str
    within: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NavItem:
    """An entry that resolves, ready to draw."""

    key: str
    label: Any
    icon: str
    url: str
    count: int
    current: bool


CALENDAR = Entry("calendar", _("Calendar"), "calendar-days", "sessions:calendar")
PATIENTS = Entry("patients", _("Patients"), "users", "patients:list", ("patients:",))
TASKS = Entry("tasks", _("Tasks"), "list-checks", "protocols:tasks")
ALERTS = Entry("alerts", _("Alerts"), "shield-alert", "protocols:alerts", ("protocols:alert",))
ON_HOLD = Entry("visits-on-hold", _("Visits on hold"), "octagon-alert", "protocols:visits-on-hold")
CATALOGUE = Entry("catalogue", _("Catalogue"), "book-open", "protocols:catalogue", ("protocols:catalogue",))
TODAY = Entry("today", _("In treatment"), "syringe", "sessions:today")
STOCK = Entry("stock", _("Stock and lots"), "test-tube", "sessions:stock", ("sessions:stock", "sessions:lot"))
COURSES = Entry(
    "courses-to-book",
    _("Courses to book"),
    "calendar-plus",
    "sessions:courses-to-book",
    ("sessions:courses-to-book", "sessions:out-of-window", "sessions:not-possible", "sessions:course-reflow"),
)
NOT_CONFIRMED = Entry("not-confirmed", _("Not confirmed"), "clock-alert", "sessions:not-confirmed")
REQUESTS = Entry("requests", _("Requests"), "phone", "sessions:requests")
WAITLIST = Entry(
    "waitlist", _("Waiting list"), "hourglass", "sessions:waitlist", ("sessions:waitlist", "sessions:missed")
)
WAITING_ROOM = Entry(
    "waiting-room", _("Waiting room"), "armchair", "sessions:waiting-room", ("sessions:walk-in",)
)
MESSAGES = Entry("messages", _("Messages"), "message-square", "sessions:messages", ("sessions:message",))
SHEETS = Entry("sheets", _("Aftercare sheets"), "file-text", "aftercare:list", ("aftercare:",))
STAFF = Entry("staff", _("Staff and hours"), "users", "sessions:staff", ("sessions:staff",))
SETUP = Entry("setup", _("Set-up"), "sliders-horizontal", "sessions:setup", ("sessions:setup",))
REPORTS = Entry("reports", _("Reports"), "activity", "sessions:reports")
AUDIT = Entry("audit", pgettext_lazy("navigation", "Audit"), "history", "audit:list", ("audit:",))


def _start(label: Any, icon: str) -> Entry:
    return Entry("start", label, icon, "start")


#: design/README.md, section 7.
NAVIGATION: dict[str, tuple[Entry, ...]] = {
    "physician": (_start(_("My day"), "sun"), CALENDAR, PATIENTS, ALERTS, TASKS, CATALOGUE),
    "nurse": (_start(_("Today"), "sun"), WAITING_ROOM, TODAY, STOCK, PATIENTS),
    "front-desk": (
        CALENDAR, WAITING_ROOM, PATIENTS, COURSES, NOT_CONFIRMED, REQUESTS, ON_HOLD, WAITLIST, MESSAGES, SHEETS,
    ),
    "manager": (_start(_("Overview"), "activity"), CALENDAR, STAFF, CATALOGUE, STOCK, REPORTS, AUDIT, SETUP),
    "administrator": (
        _start(_("Overview"), "activity"), CALENDAR, PATIENTS, STAFF, CATALOGUE, STOCK, MESSAGES, REPORTS, AUDIT,
        SETUP,
    ),
}  # fmt: skip


@lru_cache(maxsize=256)
def _resolved(view: str) -> str:
    return reverse(view)


def url_or_none(view: str) -> str | None:
    """The address of a page without arguments, or None while nobody serves it."""
    try:
        # Failures are not cached: a page may arrive with an app that is set up later.
        return _resolved(view)
    except NoReverseMatch:
        return None


class Chrome:
    """Everything the shell shows, computed only when a template asks: partials pay nothing."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @property
    def role(self) -> str:
        return getattr(getattr(self._request, "user", None), "role", "")

    @cached_property
    def nav(self) -> list[NavItem]:
        """The side bar of the signed-in person's role: only pages that exist."""
        return list(self._items())

    def _items(self) -> Iterator[NavItem]:
        entries = [
            (entry, url) for entry in NAVIGATION.get(self.role, ()) if (url := url_or_none(entry.view))
        ]
        lit = self._lit([entry for entry, _url in entries])
        for entry, url in entries:
            counter = registry.nav_counts.get(entry.key)
            yield NavItem(
                key=entry.key,
                label=entry.label,
                icon=entry.icon,
                url=url,
                count=counter(self._request) if counter else 0,
                current=entry is lit,
            )

    def _lit(self, entries: list[Entry]) -> Entry | None:
        match = getattr(self._request, "resolver_match", None)
        name = match.view_name if match else ""
        # A view may say where it belongs: `request.nav_key = "patients"`.
        chosen = getattr(self._request, "nav_key", None)
        for entry in entries:
            if entry.key == chosen or (chosen is None and entry.view == name):
                return entry
        for entry in entries:
            if chosen is None and any(name.startswith(prefix) for prefix in entry.within):
                return entry
        return None

    @cached_property
    def places(self) -> list[registry.Place]:
        """The locations to choose from."""
        return registry.places(self._request)

    @property
    def place(self) -> registry.Place | None:
        """Where this person works now."""
        session = getattr(self._request, "session", None)
        return session.get("place") if session is not None else None

    @property
    def search_url(self) -> str | None:
        return url_or_none("patients:search")

    @property
    def calendar_link_url(self) -> str | None:
        return url_or_none("sessions:calendar-links")

    @property
    def walk_in_url(self) -> str | None:
        return url_or_none("sessions:walk-in")

    @property
    def start_url(self) -> str:
        return url_or_none("start") or "/"


def chrome(request: HttpRequest) -> dict[str, Any]:
    """Template context: `chrome` (navigation, place) and `hide_names`."""
    session = getattr(request, "session", None)
    return {
        "chrome": Chrome(request),
        "hide_names": bool(session.get("hide_names")) if session is not None else False,
    }
