"""Pages of the waiting room, walk-ins, and the list of missed and cancelled visits."""

from datetime import datetime
from typing import Any, cast

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mesoclinic.accounts.models import User
from mesoclinic.accounts.permissions import Permission, require
from mesoclinic.ui.middleware import typed
from mesoclinic.ui.reading import row_id
from patients import actions as patient_actions
from patients import queries as patient_queries
from patients.forms import ContactForm
from patients.models import Patient
from patients.shell import banner_for
from protocols.models import PlannedSession
from sessions.actions.checks import BookingError
from sessions.actions.restore import restore
from sessions.models import Appointment, Location
from sessions.models.types import CONSULTATION
from sessions.places import location_of
from sessions.queries.booking import visit_of
from sessions.queries.types import visit_for
from sessions.scheduling import Slot, Visit
from sessions.views.shared import called, pack, unpack, wall_clock
from sessions.waiting import act, queries


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)


def _today(location: Location, now: datetime) -> Any:
    return now.astimezone(location.zone).date()


@require_safe
@require(Permission.CHECK_IN)
def waiting_room(request: HttpRequest) -> HttpResponse:
    """Who is here and since when; the part with the patients loads itself anew."""
    location, now = location_of(request), timezone.now()
    context = queries.room(location, _today(location, now), now) | {"location": location, "now": now}
    part = getattr(request, "htmx", False)
    return render(request, "sessions/waiting/_room.html" if part else "sessions/waiting/room.html", context)


@require_POST
@require(Permission.CHECK_IN)
def stay(request: HttpRequest, pk: int) -> HttpResponse:
    """One tap: cream on, cream taken back, called in."""
    visit = get_object_or_404(Appointment.objects.select_related("patient"), pk=pk)
    acts = {"cream": act.put_cream_on, "no-cream": act.take_cream_back, "call": act.call_in}
    chosen = acts.get(request.POST.get("act", ""))
    if chosen is None:
        raise Http404("no such act")
    try:
        chosen(visit=visit, by=_user(request), now=timezone.now())
    except act.WaitingError as error:
        messages.error(request, f"{called(request, visit.patient)}: {error}")
    return redirect("sessions:waiting-room")


# ---- walk-in -----------------------------------------------------------------------------------------------


def _who(request: HttpRequest) -> HttpResponse:
    text = patient_queries.clean_query(request.GET.get("q", ""))
    context = {
        "q": text, "found": patient_queries.search_anywhere(text, limit=12) if text else [],
        "recent": [] if text else Patient.objects.order_by("-pk")[:8],
        "action": reverse("sessions:walk-in"), "title": "Walk-in", "register": reverse("sessions:walk-in-new"),
    }  # fmt: skip
    htmx = getattr(request, "htmx", False)
    return render(request, "sessions/waitlist/_who.html" if htmx else "sessions/waitlist/who.html", context)


def _kinds(planned: PlannedSession | None) -> list[tuple[str, str]]:
    kinds = [(str(kind), str(kind.label)) for kind in queries.WALK_IN_MINUTES]
    return [("session", f"Session {planned.number}"), *kinds] if planned else kinds


def _visit(kind: str, planned: PlannedSession | None) -> Visit:
    if kind == Appointment.Kind.SESSION and planned is not None:
        return visit_of(planned)
    minutes = queries.WALK_IN_MINUTES[Appointment.Kind(kind)]
    return visit_for(CONSULTATION, minutes)


def _rows(
    slots: Any, location: Location, names: dict[str, dict[int, str]], **more: Any
) -> list[dict[str, Any]]:
    return [
        {
            "slot": slot, "local": wall_clock(slot.start, location.zone), "packed": pack([slot], **more),
            "who": names["people"].get(slot.practitioner, ""), "room": names["rooms"].get(slot.room, ""),
        }
        for slot in slots
    ]  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@require(Permission.BOOKING_EDIT)
def walk_in(request: HttpRequest) -> HttpResponse:
    """A patient stands at the desk: who, what, the next free time, checked in at once."""
    key = row_id(request.POST.get("patient") or request.GET.get("patient"))
    if key is None:
        return _who(request)
    patient = get_object_or_404(Patient, pk=key)
    location, now = location_of(request), timezone.now()
    today = _today(location, now)
    planned = queries.session_for_today(patient, location, today)
    kinds = _kinds(planned)
    kind = str(request.POST.get("kind") or request.GET.get("kind") or kinds[0][0])
    if kind not in dict(kinds):
        kind = kinds[0][0]
    fault = ""
    if request.method == "POST" and "show" not in request.POST:
        made = _check_in(request, patient, location, planned, kind, now)
        if isinstance(made, Appointment):
            local = wall_clock(made.starts_at, location.zone)
            messages.success(
                request,
                f"{called(request, patient)} is checked in for {local:%H:%M}, {made.practitioner}, {made.room}.",
            )
            return redirect("sessions:waiting-room")
        fault = made
    slots = queries.next_free(location, patient, _visit(kind, planned), today, now)
    names = {
        "people": queries.people_of(slots),
        "rooms": {room.pk: room.name for room in location.rooms.all()},
    }
    context = {
        "patient": patient, "banner": banner_for(request, patient), "kinds": kinds, "kind": kind, "fault": fault,
        "rows": _rows(slots, location, names, patient=patient.pk, kind=kind, planned=planned.pk if planned else 0),
        "location": location, "coming": queries.coming_today(patient, location, today, now),
        "note": typed(request, "note", 300),
    }  # fmt: skip
    htmx = getattr(request, "htmx", False)
    template = "sessions/waiting/_times.html" if htmx else "sessions/waiting/walk_in.html"
    return render(request, template, context, status=409 if fault else 200)


def _check_in(
    request: HttpRequest, patient: Patient, location: Location, planned: PlannedSession | None, kind: str,
    now: datetime,
) -> Appointment | str:  # fmt: skip
    """The visit, checked in, or why not."""
    if not request.POST.get("slot"):
        return "Choose a time."
    data = unpack(str(request.POST["slot"]))
    if data.get("patient") != patient.pk:
        raise Http404("times of another patient")
    session = planned if kind == Appointment.Kind.SESSION else None
    if data.get("kind") != kind or (session is not None and data.get("planned") != session.pk):
        return "The visit was changed after these times were shown."
    slot: Slot = data["slots"][0]
    try:
        return act.walk_in(
            patient=patient, location=location, slot=slot, kind=kind, by=_user(request), now=now,
            note=typed(request, "note", 300), planned=session,
        )  # fmt: skip
    except BookingError as error:
        return str(error)


@require_http_methods(["GET", "HEAD", "POST"])
@require(Permission.PATIENT_REGISTER)
def walk_in_new(request: HttpRequest) -> HttpResponse:
    """A walk-in whom nobody knows yet: registered here, then on with the visit."""
    form = ContactForm(request.POST or None, today=timezone.localdate())
    alike: list[Patient] = []
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        alike = patient_queries.possible_duplicates(
            given_name=values["given_name"], family_name=values["family_name"], birth_date=values["birth_date"],
            phone=values["phone"],
        )  # fmt: skip
        if not alike or request.POST.get("different") == "1":
            try:
                patient = patient_actions.register(by=_user(request), **values)
            except patient_actions.PatientError as error:
                form.add_error(None, str(error))
            else:
                return redirect(f"{reverse('sessions:walk-in')}?patient={patient.pk}")
    status = 422 if request.method == "POST" and form.errors else 200
    return render(request, "patients/register.html", {"form": form, "alike": alike}, status=status)


# ---- missed and cancelled ----------------------------------------------------------------------------------


@require_safe
@require(Permission.BOOKING_EDIT)
def missed(request: HttpRequest) -> HttpResponse:
    """Who did not come and who cancelled, with the reason and the way to a new visit."""
    location, now = location_of(request), timezone.now()
    text = patient_queries.clean_query(request.GET.get("q", ""))
    status = request.GET.get("status", "")
    status = status if status in Appointment.FREED else ""
    page = Paginator(queries.missed(location, now, text=text, status=status), 25).get_page(
        request.GET.get("page")
    )
    told = queries.told(page.object_list)
    rows = [
        {
            "visit": row,
            "undo": row.starts_at > now and row.pk not in told
            if row.status == Appointment.Status.CANCELLED
            else True,
        }
        for row in page.object_list
    ]
    context = {"page": page, "rows": rows, "q": text, "status": status, "location": location}
    return render(request, "sessions/waiting/missed.html", context)


@require_POST
@require(Permission.BOOKING_EDIT)
def appointment_restore(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a cancellation back while the patient has not been told."""
    visit = get_object_or_404(Appointment.objects.select_related("patient"), pk=pk)
    try:
        restore(
            appointment=visit, by=_user(request), now=timezone.now(),
            version=row_id(request.POST.get("version") or request.GET.get("version")),
        )  # fmt: skip
    except BookingError as error:
        messages.error(request, f"{called(request, visit.patient)}: {error}")
    else:
        messages.success(request, f"{called(request, visit.patient)}: booked as before.")
    return redirect("sessions:appointment", pk)
