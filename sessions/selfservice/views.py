"""A patient's pages behind a signed link. No sign-in, no cookie, no script; a GET never changes anything.

Link previews and mail scanners open every link they see: only a button's POST confirms, moves or cancels. These POSTs
carry no CSRF token on purpose. It protects what a browser would send by itself, a session's cookie; here all authority
lies in the address, which nobody else knows and which is never passed on (no-referrer, so browsers send no origin
that could be compared either). What a page shows is nobody's name and no treatment: a link may be forwarded.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mesoclinic.ui.formatting import phone as phone_text
from mesoclinic.ui.middleware import typed
from mesoclinic.ui.reading import row_id
from sessions.actions.checks import BookingError, TimeTaken
from sessions.ics.patients import calendar_of
from sessions.models import Appointment, Location
from sessions.reminders.texts import language_of, when
from sessions.selfservice import actions, links
from sessions.selfservice.limits import too_many
from sessions.selfservice.queries import Offers, booked_anew, offers, standing
from sessions.selfservice.texts import day, direction, language_of_browser, texts

type View = Callable[..., HttpResponse]
#: Notes that an answer may ask the next page to show.
NOTES = ("confirmed", "moved", "booked", "cancelled", "asked", "kept")
#: Days shown at once: all of a window of two weeks.
DAYS = 15


def _private(response: HttpResponse) -> HttpResponse:
    """Kept by nobody on the way, found by no search engine, told to no other site."""
    response.headers["Cache-Control"] = "no-store, private"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    return response


def _page(
    request: HttpRequest, name: str, language: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    words = texts()[language]
    frame = {"words": words, "language": language, "direction": direction(language)}
    response = render(request, f"sessions/selfservice/{name}.html", frame | context, status=status)
    response.headers["Content-Language"] = language
    return response


def _dead(request: HttpRequest, status: int) -> HttpResponse:
    """For a link that opens nothing: the clinic's public phone numbers, and not a word on anybody."""
    language = language_of_browser(request)
    places = list(Location.objects.all()[:6]) if status != 429 else []
    kind = "busy" if status == 429 else "dead"
    return _page(request, "dead", language, {"kind": kind, "places": places}, status)


def _open(view: View) -> View:
    """Every view here: open to all, limited, private."""

    @wraps(view)
    def guarded(request: HttpRequest, token: str) -> HttpResponse:
        if too_many(request, token):
            return _private(_dead(request, 429))
        return _private(view(request, token))

    # No sign-in and no cookie stands behind these pages: the address alone is the right to act, so a forged request
    # would have to know it; and with `no-referrer` browsers send no origin that a check could hold on to.
    return login_not_required(csrf_exempt(guarded))


def _visit(token: str, now: datetime) -> Appointment | int:
    """The visit of a link, or the status of its refusal: 404 not ours or withdrawn, 410 of the past."""
    found = links.find_visit(token)
    if found is None:
        return 404
    return 410 if links.expired(found.ends_at, now) else found


def _of_visit(view: Callable[[HttpRequest, str, Appointment], HttpResponse]) -> View:
    """A view of one visit: a link that opens none is answered here."""

    @wraps(view)
    def found(request: HttpRequest, token: str) -> HttpResponse:
        visit = _visit(token, timezone.now())
        return _dead(request, visit) if isinstance(visit, int) else view(request, token, visit)

    return _open(found)


def _context(appointment: Appointment, token: str, now: datetime) -> dict[str, Any]:
    language = language_of(appointment)
    location, planned = appointment.location, appointment.planned_session
    early = planned.arrive_early_min if planned else 0
    words = texts()[language]
    return {
        "token": token, "appointment": appointment, "location": location, "stands": standing(appointment, now),
        "when": when(appointment.starts_at, location, language), "phone": phone_text(location.phone),
        "early": words["early"].format(minutes=early) if early else "",
        "call": words["call"].format(phone=f"\u2066{phone_text(location.phone)}\u2069"),
        "status": words["state"][appointment.status],
    }  # fmt: skip


def _note(request: HttpRequest) -> str:
    said = request.GET.get("said", "")
    return f"said_{said}" if said in NOTES else ""


def _show(
    request: HttpRequest, appointment: Appointment, token: str, *, note: str = "", fault: str = "", status: int = 200
) -> HttpResponse:  # fmt: skip
    language = language_of(appointment)
    context = _context(appointment, token, timezone.now())
    words = texts()[language]
    context |= {
        "note": words.get(note, ""),
        "fault": words.get(fault, ""),
        # Said already by the note.
        "told": "" if note == "said_cancelled" else words[context["stands"].state.value],
    }
    return _page(request, "visit", language, context, status)


def _again(appointment: Appointment) -> Appointment:
    return links.visits().get(pk=appointment.pk)


def _to(name: str, token: str, said: str) -> HttpResponse:
    return HttpResponseRedirect(f"{reverse(f'selfservice:{name}', args=[token])}?said={said}")


@_of_visit
@require_safe
def visit(request: HttpRequest, token: str, found: Appointment) -> HttpResponse:
    """The visit as it stands, with what its patient may do."""
    return _show(request, found, token, note=_note(request))


@_of_visit
@require_POST
def confirm(request: HttpRequest, token: str, found: Appointment) -> HttpResponse:
    """The one tap."""
    now = timezone.now()
    try:
        if found.status != Appointment.Status.CONFIRMED:
            actions.confirm(appointment=found, version=row_id(request.POST.get("version", "")) or 0, now=now)
    except BookingError:
        found = _again(found)
        # A double tap: the first one has done it.
        if found.status != Appointment.Status.CONFIRMED:
            return _show(request, found, token, fault="changed", status=409)
    return _to("visit", token, "confirmed")


@_of_visit
@require_http_methods(["GET", "HEAD", "POST"])
def cancel(request: HttpRequest, token: str, found: Appointment) -> HttpResponse:
    """Asked once; then new times are offered."""
    now = timezone.now()
    if request.method == "POST":
        try:
            if found.status != Appointment.Status.CANCELLED:
                actions.cancel(
                    appointment=found, version=row_id(request.POST.get("version", "")) or 0, now=now,
                    reason=typed(request, "reason", 200),
                )  # fmt: skip
        except BookingError:
            found = _again(found)
            if found.status != Appointment.Status.CANCELLED:
                return _show(request, found, token, fault="changed", status=409)
        found = _again(found)
        return _to("times" if standing(found, now).rebook else "visit", token, "cancelled")
    context = _context(found, token, now)
    if not context["stands"].cancel:
        return _show(request, found, token)
    return _page(request, "cancel", language_of(found), context)


def _days(offered: Offers, appointment: Appointment, first: str) -> tuple[list[dict[str, Any]], str, bool]:
    """The days to show from `first` on, the first of the next page, and whether there are days before."""
    language, zone = language_of(appointment), appointment.location.zone
    days = sorted(offered.days)
    begin = next((n for n, one in enumerate(days) if one.isoformat() >= first), 0) if first else 0
    page = days[begin : begin + DAYS]
    present = appointment.starts_at.astimezone(zone).date()
    nearest = min(page, key=lambda one: abs(one - present), default=None)
    shown = [
        {
            "open": one == nearest,
            "day": day(one, language),
            "times": [
                {"start": slot.start.astimezone(UTC).isoformat(), "clock": f"{slot.start.astimezone(zone):%H:%M}"}
                for slot in offered.days[one]
            ],
        }
        for one in page
    ]  # fmt: skip
    return shown, days[begin + DAYS].isoformat() if len(days) > begin + DAYS else "", begin > 0


def _instant(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


@_of_visit
@require_http_methods(["GET", "HEAD", "POST"])
def times(request: HttpRequest, token: str, found: Appointment) -> HttpResponse:
    """Free times inside the window. Choosing one moves the visit, or books a cancelled session anew, at once."""
    now = timezone.now()
    fault = ""
    if request.method == "POST":
        start = _instant(str(request.POST.get("start", ""))[:40])
        version = row_id(request.POST.get("version", "")) or 0
        try:
            if start is None:
                raise TimeTaken("not a time")
            made = actions.choose(appointment=found, version=version, start=start, now=now)
            if made.pk != found.pk:
                return _to("visit", links.visit_token(made), "booked")
            return _to("visit", token, "moved")
        except TimeTaken:
            fault = "taken"
        except actions.NotAllowed:
            fault = "changed"
        except BookingError:
            fault = "failed"
        found = _again(found)
        # A double tap: the first one has done it.
        if start is not None and found.starts_at == start and found.version == version + 1:
            return _to("visit", token, "moved")
        if start is not None and (anew := booked_anew(found, start)) is not None:
            return _to("visit", links.visit_token(anew), "booked")
        if fault == "failed" and found.version != version:
            fault = "changed"
    context = _context(found, token, now)
    stands = context["stands"]
    if not stands.move and not stands.rebook:
        return _show(request, found, token, note=_note(request), fault=fault, status=409 if fault else 200)
    language = language_of(found)
    offered = offers(found, now)
    days, later, sooner = _days(offered, found, str(request.GET.get("from", ""))[:10])
    words = texts()[language]
    context |= {
        "days": days, "later": later, "sooner": sooner, "somebody_else": offered.somebody_else,
        "note": words.get(_note(request), ""), "fault": words.get(fault, ""),
        "lead": words["rebook_lead"] if stands.rebook else words["move_lead"].format(when=context["when"]),
        "heading": words["rebook_title"] if stands.rebook else words["move_title"],
    }  # fmt: skip
    return _page(request, "times", language, context, 409 if fault else 200)


@_of_visit
@require_POST
def ask(request: HttpRequest, token: str, found: Appointment) -> HttpResponse:
    """Nothing fits: the front desk calls."""
    now = timezone.now()
    try:
        actions.ask(appointment=found, wish=typed(request, "wish", 300), now=now)
    except BookingError:
        return _show(request, _again(found), token, fault="changed", status=409)
    return _to("visit", token, "asked")


def _file(text: str) -> HttpResponse:
    # Shown inline, an iPhone offers to add it; other programs download it by its name all the same.
    return HttpResponse(
        text, content_type="text/calendar; charset=utf-8",
        headers={"Content-Disposition": 'inline; filename="appointment.ics"'},
    )  # fmt: skip


@_of_visit
@require_safe
def visit_calendar(request: HttpRequest, token: str, found: Appointment) -> HttpResponse:
    """The visit for the patient's calendar, as it is now."""
    return _file(calendar_of([found]))


def _course(token: str, now: datetime) -> list[Appointment] | int:
    rows = links.find_course(token)
    if not rows:
        return 404
    return 410 if links.expired(max(row.ends_at for row in rows), now) else rows


def _number_of(row: Appointment) -> int:
    return row.planned_session.number if row.planned_session else 0


@_open
@require_safe
def course(request: HttpRequest, token: str) -> HttpResponse:
    """All visits of a course; each leads to its own page while its own link holds."""
    now = timezone.now()
    rows = _course(token, now)
    if isinstance(rows, int):
        return _dead(request, rows)
    language = language_of(rows[0])
    words = texts()[language]
    standing_now = {_number_of(row) for row in rows if row.status not in Appointment.FREED}
    # A cancelled visit that was booked anew is told once, at its new time.
    rows = [row for row in rows if row.status not in Appointment.FREED or _number_of(row) not in standing_now]
    places = list(dict.fromkeys(row.location for row in rows))
    visits = [
        {
            "when": (at := when(row.starts_at, row.location, language)),
            "place": row.location.name if len(places) > 1 else "",
            "status": words["state"][row.status],
            "kind": row.status,
            "token": "" if links.expired(row.ends_at, now) else one,
            "label": words["details"].format(when=at),
        }
        for row, one in zip(rows, links.visit_tokens(rows), strict=True)
    ]
    context = {
        "token": token, "visits": visits, "location": rows[0].location, "places": places,
        "phone": phone_text(rows[0].location.phone),
        "call": words["call"].format(phone=f"\u2066{phone_text(rows[0].location.phone)}\u2069"),
        "coming": any(row.starts_at > now and row.status not in Appointment.FREED for row in rows),
    }  # fmt: skip
    return _page(request, "course", language, context)


@_open
@require_safe
def course_calendar(request: HttpRequest, token: str) -> HttpResponse:
    """All visits of a course for the patient's calendar."""
    now = timezone.now()
    rows = _course(token, now)
    if isinstance(rows, int):
        return _dead(request, rows)
    # What is long past needs no entry; cancelled ones are named so that they vanish.
    recent = [row for row in rows if row.ends_at > now - timedelta(days=30)] or rows
    return _file(calendar_of(recent))
