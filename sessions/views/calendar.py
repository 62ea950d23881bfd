"""Calendar, the lists of the front desk, the start pages, messages."""

from datetime import date, timedelta
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST, require_safe

from mesoclinic.accounts.models import User
from mesoclinic.accounts.permissions import Permission, has_permission, require
from mesoclinic.audit.actions import record as audit
from mesoclinic.audit.actions import record_access
from mesoclinic.ui import formatting
from mesoclinic.ui.templatetags.ui import status_class, status_word
from patients.queries import with_name
from sessions.models import (
    Appointment,
    AppointmentType,
    CalendarSettings,
    Location,
    Message,
    Practitioner,
    TreatmentRecord,
)
from sessions.places import location_of
from sessions.queries import booking as booking_queries
from sessions.queries import calendar as queries
from sessions.queries.calendar_feed import SERVICES
from sessions.views.calendar_live import COLUMNS, Asked, asked_of, day_of, feed_of, settings_of

#: Who has not confirmed a visit within this time is called.
SOON = timedelta(days=2)


#: What each state and kind of service is drawn with: class, word.
def _legend() -> dict[str, dict[str, list[str]]]:
    return {
        "status": {code: [status_class(code), str(status_word(code))] for code in Appointment.Status.values},
        "service": {code: [f"sv-{code}", str(word)] for code, word in SERVICES},
    }


@require_safe
@require(Permission.CALENDAR_VIEW)
def calendar(request: HttpRequest) -> HttpResponse:
    """The calendar by day, week or month, or the list of a day's visits.

    The page brings its first data along; its script draws them and asks for what others change.
    """
    location, settings = location_of(request), settings_of(request.user)
    asked = asked_of(request, settings)
    context: dict[str, Any] = {
        "location": location, "asked": asked, "view": asked.view, "day": asked.day, "first": asked.first,
        "today": timezone.localdate(), "before": asked.step(-1), "after": asked.step(1), "filters": asked.filters,
        "states": Appointment.Status.choices, "services": SERVICES,
        "filtered": sum(
            1 for name in ("room", "device", "status", "service") if getattr(asked.filters, name) not in {None, ""}
        ),
    }  # fmt: skip
    if asked.view == "list":
        return render(request, "sessions/calendar/list.html", context | _list_context(location, asked))
    data = feed_of(request, location, asked, settings)
    groups = {name: [row for row in data["resources"] if row["group"] == name] for name in COLUMNS[1:]}
    context |= {
        "data": data, "groups": groups, "columns_shown": asked.columns, "settings": settings,
        "zooms": CalendarSettings.ZOOMS, "slots": CalendarSettings.SLOTS, "colours": CalendarSettings.Colours.choices,
        "closed": [
            f"Closed {_told(row['s'])} to {_told(row['e'])}: {row['reason']}" for row in data["closures"]
        ],
        "plain_rows": _plain_rows(data), "types": AppointmentType.objects.filter(active=True),
        "page": {"config": _config(request, location, asked, settings, data), "feed": data},
    }  # fmt: skip
    return render(request, "sessions/calendar/page.html", context)


def _told(wall: str) -> str:
    """`Tue 1 Dec, 10:00` of a time as the feed writes it."""
    return f"{formatting.day(date.fromisoformat(wall[:10]), timezone.localdate())}, {wall[11:]}"


def _plain_rows(data: dict[str, Any]) -> SafeString:
    """The visits as rows of a table, for a browser without scripts. Joined here: a template loop costs ten times that."""
    names = {row["id"]: row["title"] for row in data["resources"]}
    # Looked up once, not once a visit: words in the reader's language, days, the shape of an address.
    words = {code: str(status_word(code)) for code in Appointment.Status.values}
    days = {row["s"][:10]: _told(row["s"])[:-5] for row in data["visits"]}
    address = reverse("sessions:appointment", args=[0])
    return format_html_join(
        "",
        '<tr><td class="nowrap"><a href="{}">{}{} to {}</a></td><th scope="row">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>',
        (
            (
                address.replace("/0/", f"/{row['id']}/"), days[row["s"][:10]], row["s"][11:], row["e"][11:], row["name"],
                row["what"], row["who_treats"], names.get(f"r{row['r']}", ""), words[row["st"]],
            )
            for row in data["visits"]
        ),
    )  # fmt: skip


def _list_context(location: Location, asked: Asked) -> dict[str, Any]:
    """Visits of a day with what must be known of each, cancelled and missed ones too."""
    everything = list(queries.appointments(location, asked.day))
    rows = [row for row in everything if asked.filters.shows(queries.filterable(row))]
    people = Practitioner.objects.filter(hours__location=location).select_related("user").distinct()
    return {
        "rows": queries.day_rows(rows, timezone.now()), "count": len(rows), "hidden": len(everything) - len(rows),
        "closures": queries.closures(location, asked.day),
        "groups": {
            "staff": [{"key": one.pk, "title": str(one)} for one in people],
            "rooms": [{"key": room.pk, "title": room.name} for room in location.rooms.all()],
            "devices": [{"key": device.pk, "title": device.name} for device in location.devices.all()],
        },
    }  # fmt: skip


def _config(
    request: HttpRequest, location: Location, asked: Asked, settings: CalendarSettings, data: dict[str, Any]
) -> dict[str, Any]:
    """What the page's script needs besides the data: addresses, rights, words."""
    may_book = has_permission(request.user, Permission.BOOKING_EDIT)
    watch = {"place": location.pk, "from": data["range"][0], "to": data["range"][1]}
    query = request.GET.copy()
    query["view"], query["day"] = asked.view, asked.day.isoformat()
    return {
        "view": asked.view, "day": asked.day.isoformat(), "zone": location.time_zone, "columns": asked.columns,
        "zoom": settings.zoom, "slot": settings.slot_min, "colours": settings.colours, "legend": _legend(),
        "savedView": settings.view, "savedColumns": settings.columns, "order": settings.order, "mayBook": may_book,
        "feed": f"{reverse('sessions:calendar-feed')}?{query.urlencode()}",
        "changes": f"{reverse('sessions:calendar-changes')}?{urlencode(watch)}",
        "place": reverse("sessions:calendar-place"), "settings": reverse("sessions:calendar-settings"),
        "card": reverse("sessions:appointment", args=[0]), "page": reverse("sessions:calendar"),
        "new": reverse("sessions:appointment-new"),
    }  # fmt: skip


@require_safe
@require(Permission.BOOKING_EDIT)
def courses_to_book(request: HttpRequest) -> HttpResponse:
    """Signed plans that wait for dates."""
    text = request.GET.get("q", "").strip()[:80]
    page = Paginator(booking_queries.to_book(text), 25).get_page(request.GET.get("page"))
    rows = booking_queries.course_lines(list(page.object_list), timezone.localdate())
    return render(request, "sessions/booking/to_book.html", {"page": page, "rows": rows, "q": text})


@require_safe
@require(Permission.BOOKING_EDIT)
def not_confirmed(request: HttpRequest) -> HttpResponse:
    """Coming visits that nobody has confirmed: of the next two days, as the side bar counts, or all."""
    text, now = request.GET.get("q", "").strip()[:80], timezone.now()
    everything = request.GET.get("when") == "all"
    rows = booking_queries.not_confirmed(now, text)
    soon = rows.filter(starts_at__lt=now + SOON)
    page = Paginator(rows if everything else soon, 25).get_page(request.GET.get("page"))
    context = {"page": page, "q": text, "everything": everything, "soon": soon.count(), "all": rows.count()}
    return render(request, "sessions/booking/not_confirmed.html", context)


# ---- start pages -------------------------------------------------------------------------------------------


def _today_rows(request: HttpRequest, practitioner: int | None = None) -> tuple[Any, list[dict[str, Any]]]:
    location, day = location_of(request), day_of(request.GET.get("day"))
    rows = [row for row in queries.appointments(location, day) if row.status != Appointment.Status.CANCELLED]
    if practitioner is not None:
        rows = [row for row in rows if row.practitioner_id == practitioner]
    return location, queries.day_rows(rows, timezone.now())


def _day_context(request: HttpRequest, practitioner: int | None = None) -> dict[str, Any]:
    day = day_of(request.GET.get("day"))
    location, rows = _today_rows(request, practitioner)
    present = {Appointment.Status.ARRIVED, Appointment.Status.IN_TREATMENT}
    up = next((row for row in rows if row["appointment"].status in present), None)
    coming = {Appointment.Status.BOOKED, Appointment.Status.CONFIRMED}
    up = up or next(
        (r for r in rows if r["appointment"].status in coming and r["appointment"].ends_at > timezone.now()),
        None,
    )
    return {
        "rows": rows, "location": location, "day": day, "today": timezone.localdate(), "up": up,
        "before": day - timedelta(days=1), "after": day + timedelta(days=1),
        "done": sum(1 for row in rows if row["appointment"].status == Appointment.Status.DONE),
        "waiting": sum(1 for row in rows if row["appointment"].status == Appointment.Status.ARRIVED),
    }  # fmt: skip


def my_day(request: HttpRequest) -> HttpResponse:
    """The physician's day: who is next, all patients, drafts to sign."""
    practitioner = (
        Practitioner.objects.filter(user_id=request.user.pk or 0).values_list("pk", flat=True).first()
    )
    return render(
        request, "sessions/start/day.html", _day_context(request, practitioner or 0) | {"mine": True}
    )


def day_by_room(request: HttpRequest) -> HttpResponse:
    """The nurse's day: all visits of the location, by time, with their rooms."""
    return render(request, "sessions/start/day.html", _day_context(request) | {"mine": False})


def overview(request: HttpRequest) -> HttpResponse:
    """The manager's start: what today holds, and what is stuck."""
    now, location = timezone.now(), location_of(request)
    start, end = queries.bounds(timezone.localdate(), location)
    week_start, week_end = queries.bounds(
        timezone.localdate() - timedelta(days=timezone.localdate().weekday()), location, 7
    )
    states = dict(
        Appointment.objects.filter(location=location, starts_at__gte=start, starts_at__lt=end)
        .values_list("status").annotate(n=Count("pk")).order_by()
    )  # fmt: skip
    week = Appointment.objects.filter(location=location, starts_at__gte=week_start, starts_at__lt=week_end)
    context = {
        "location": location, "states": [(s, states.get(s, 0)) for s in Appointment.Status.values if states.get(s)],
        "to_book": booking_queries.to_book().count(),
        "unconfirmed": booking_queries.not_confirmed(now).filter(starts_at__lt=now + timedelta(days=2)).count(),
        "dead": Message.objects.filter(state=Message.State.DEAD).count(),
        "unsigned": TreatmentRecord.objects.filter(signed_at__isnull=True, opened_at__lt=start).count(),
        "week": week.exclude(status__in=Appointment.FREED).count(), "missed": week.filter(status="no-show").count(),
        "today": timezone.localdate(),
    }  # fmt: skip
    return render(request, "sessions/start/overview.html", context)


def desk_start(request: HttpRequest) -> HttpResponse:
    """The front desk begins in the calendar."""
    return redirect("sessions:calendar")


@require_safe
@require(Permission.TREATMENT_VIEW)
def in_treatment(request: HttpRequest) -> HttpResponse:
    """Who is here now: arrived and in treatment."""
    location, rows = _today_rows(request)
    present = {Appointment.Status.ARRIVED, Appointment.Status.IN_TREATMENT}
    context = {"rows": [row for row in rows if row["appointment"].status in present], "location": location}
    return render(request, "sessions/start/in_treatment.html", context)


@require_safe
@require(Permission.STAFF_VIEW)
def staff(request: HttpRequest) -> HttpResponse:
    """Who works when, and who is away."""
    people = (
        Practitioner.objects.filter(user__is_active=True)
        .select_related("user")
        .prefetch_related("hours__location", "absences")
    )
    return render(request, "sessions/start/staff.html", {"people": people, "now": timezone.now()})


# ---- messages ----------------------------------------------------------------------------------------------


@require_safe
@require(Permission.MESSAGE_VIEW)
def message_list(request: HttpRequest) -> HttpResponse:
    """What left the clinic and what still will."""
    text, state = request.GET.get("q", "").strip()[:80], request.GET.get("state", "")
    # What asks for a person first: failed, then what leaves next, then what has left.
    rows = booking_queries.messages_by_need()
    if state in Message.State.values:
        rows = rows.filter(state=state)
    if text:
        rows = rows.filter(Q(patient__in=with_name(text)) | Q(recipient__icontains=text))
    page = Paginator(rows, 25).get_page(request.GET.get("page"))
    context = {"page": page, "q": text, "state": state, "states": Message.State.choices}
    return render(request, "sessions/messages/list.html", context)


@require_safe
@require(Permission.MESSAGE_VIEW)
def message(request: HttpRequest, pk: int) -> HttpResponse:
    """One message as the patient gets it, with every try."""
    found = get_object_or_404(
        Message.objects.select_related("patient", "location", "appointment__location"), pk=pk
    )
    record_access(by=cast(User, request.user), patient_id=found.patient_id, what="message")
    can_send = has_permission(request.user, Permission.MESSAGE_SEND) and found.state in {
        Message.State.DEAD, Message.State.SENT, Message.State.FAILED,
    }  # fmt: skip
    return render(
        request,
        "sessions/messages/message.html",
        {"message": found, "tries": found.tries.all(), "can_send": can_send},
    )


@require_safe
@require(Permission.MESSAGE_VIEW)
def message_calendar(request: HttpRequest, pk: int) -> HttpResponse:
    """The calendar file of a message."""
    found = get_object_or_404(Message, pk=pk)
    if not found.calendar:
        raise Http404
    record_access(by=cast(User, request.user), patient_id=found.patient_id, what="message")
    return HttpResponse(
        found.calendar, content_type="text/calendar; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="appointments.ics"'},
    )  # fmt: skip


@require_POST
@require(Permission.MESSAGE_SEND)
def message_again(request: HttpRequest, pk: int) -> HttpResponse:
    """Send once more, such as after the address was put right."""
    with transaction.atomic():
        found = get_object_or_404(Message.objects.select_for_update(), pk=pk)
        if found.state not in {Message.State.DEAD, Message.State.SENT, Message.State.FAILED}:
            messages.error(request, "This message is on its way or withdrawn.")
            return redirect("sessions:message", pk)
        found.state, found.attempts, found.error = Message.State.DUE, 0, ""
        found.send_at = timezone.now()
        email = found.channel == "email"
        found.recipient = (found.patient.email if email else found.patient.phone) or found.recipient
        found.save()
        by = request.user
        assert isinstance(by, User)
        audit(type="message.sent-again", target=found, by=by, patient_id=found.patient_id)
    to = "the patient" if request.session.get("hide_names") else found.recipient
    messages.success(request, f"The message leaves within a minute to {to}.")
    return redirect("sessions:message", pk)
