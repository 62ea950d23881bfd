"""Booking a course, a single visit, moving, states."""

import uuid
from datetime import date, datetime, timedelta
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.core import signing
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mesoclinic.accounts.models import User
from mesoclinic.accounts.permissions import Permission, require
from mesoclinic.audit.actions import record_access
from mesoclinic.ui.forms import Col, DateInput, PickWidget, grid_helper
from mesoclinic.ui.middleware import typed
from mesoclinic.ui.reading import row_id
from patients.models import Patient
from patients.shell import banner_for
from protocols.models import PlannedSession, TreatmentPlan
from sessions.actions import booking as actions
from sessions.models import Appointment, Location, Practitioner
from sessions.places import location_of
from sessions.queries.booking import diary, options_for, visit_of
from sessions.scheduling import Preferences, Slot, Visit, check_move, read_wish
from sessions.scheduling.search import CourseOption, Diary, find_all_slots

SALT = "sessions.slots"


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)


def pack(slots: tuple[Slot, ...] | list[Slot], **more: Any) -> str:
    """Slots as a signed text for a form: nobody can write a time of their own into it."""
    rows = [
        [s.visit, s.number, s.start.isoformat(), s.end.isoformat(), s.practitioner, s.room, s.device]
        for s in slots
    ]
    return signing.dumps({"slots": rows, **more}, salt=SALT, compress=True)


def unpack(text: str) -> dict[str, Any]:
    """Read a packed text; 404 for one that is none or older than a day."""
    try:
        data: dict[str, Any] = signing.loads(text[:20000], salt=SALT, max_age=86400)
    except signing.BadSignature as error:
        raise Http404("no such options") from error
    data["slots"] = [
        Slot(v, n, datetime.fromisoformat(s), datetime.fromisoformat(e), p, r, d, 0)
        for v, n, s, e, p, r, d in data["slots"]
    ]
    return data


def _wish_of(
    plan: TreatmentPlan, text: str | None, practitioner: str
) -> tuple[str, Preferences, tuple[str, ...]]:
    """(text shown, preferences, words not understood). Without a text the assessment's wishes count."""
    assessment = plan.assessment
    if text is None:
        names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
        words = [names[day - 1] for day in assessment.weekdays]
        if assessment.time_from:
            words.append(f"after {assessment.time_from:%H:%M}")
        if assessment.time_until:
            words.append(f"before {assessment.time_until:%H:%M}")
        text = " ".join(words)
    wish = read_wish(text)
    key = row_id(practitioner)
    return text[:200], Preferences(wish.weekdays, wish.time_from, wish.time_until, key), wish.unknown


def _names(location: Location) -> dict[str, dict[int, str]]:
    return {
        "practitioner": {p.pk: str(p) for p in Practitioner.objects.select_related("user")},
        "room": {room.pk: room.name for room in location.rooms.all()},
        "device": {device.pk: device.name for device in location.devices.all()},
    }


def _told(
    option: CourseOption, index: int, location: Location, plan: TreatmentPlan, names: Any
) -> dict[str, Any]:
    """An option as its card shows it."""
    rooms = sorted({names["room"].get(s.room, "") for s in option.slots})
    devices = sorted({names["device"].get(s.device, "") for s in option.slots if s.device})
    return {
        "name": "ABCDEF"[index],
        "rows": [
            {
                "slot": slot,
                "offset": offset,
                "far": abs(offset) >= 5,
                "local": slot.start.astimezone(location.zone),
            }
            for slot, offset in zip(option.slots, option.offsets, strict=True)
        ],
        "deviation": option.deviation_days,
        "misses": option.misses,
        "who": names["practitioner"].get(option.slots[0].practitioner, ""),
        "where": ", ".join([*rooms, *devices]),
        "packed": pack(option.slots, plan=plan.pk, location=location.pk),
    }


def _strip(
    options: list[CourseOption], planned: list[PlannedSession], location: Location, start: date
) -> dict[str, Any] | None:
    """Windows, targets and dates of all options along one time line."""
    if not options:
        return None
    zone = location.zone
    last = max(o.slots[-1].start.astimezone(zone).date() for o in options)
    first = min(start, *(o.slots[0].start.astimezone(zone).date() for o in options))
    days = max((last - first).days + 7, 14)

    def x(day: date) -> str:
        return f"{92 + (day - first).days * 1030 / days:.1f}"

    rows = []
    for index, option in enumerate(options):
        before, marks = None, []
        for row, slot, offset in zip(planned, option.slots, option.offsets, strict=True):
            day = slot.start.astimezone(zone).date()
            target = day - timedelta(days=offset)
            base = before if before is not None else target - timedelta(days=row.target_days)
            begin, end = base + timedelta(days=row.earliest_days), base + timedelta(days=row.latest_days)
            left, right = float(x(max(begin, first))), float(x(min(end, first + timedelta(days=days))))
            marks.append(
                {"x": x(day), "target": x(max(target, first)), "left": f"{left:.1f}",
                 "width": f"{max(right - left, 2):.1f}", "number": row.number}
            )  # fmt: skip
            before = day
        y = 38 + index * 44
        rows.append(
            {"name": "ABCDEF"[index], "marks": marks, "y": y, "mid": y + 12, "base": y + 16, "end": y + 24}
        )
    weeks = []
    monday = first - timedelta(days=first.weekday())
    step = 7 if days <= 112 else 14
    while monday <= first + timedelta(days=days):
        if monday >= first:
            weeks.append({"x": x(monday), "day": monday})
        monday += timedelta(days=step)
    return {"rows": rows, "weeks": weeks, "height": 44 + len(options) * 44, "bottom": 30 + len(options) * 44}


def _course_context(request: HttpRequest, plan: TreatmentPlan, course: int, data: Any) -> dict[str, Any]:
    location, now = location_of(request), timezone.now()
    text, wish, unknown = _wish_of(plan, data.get("wish"), str(data.get("practitioner", "")))
    planned, options = options_for(plan, location, wish, now=now, course=course)
    names = _names(location)
    can = {
        p.pk: str(p)
        for p in Practitioner.objects.filter(hours__location=location).select_related("user").distinct()
    }
    return {
        "plan": plan, "patient": plan.patient, "banner": banner_for(request, plan.patient), "course": course,
        "location": location, "wish_text": text, "unknown": unknown, "understood": _understood(wish), "planned": planned,
        "options": [_told(option, i, location, plan, names) for i, option in enumerate(options)],
        "strip": _strip(options, planned, location, timezone.localdate()), "key": uuid.uuid4(),
        "practitioners": can, "practitioner": wish.practitioner, "total": plan.planned_sessions.filter(course=course).count(),
    }  # fmt: skip


def _understood(wish: Preferences) -> list[str]:
    days = [date_format(date(2026, 11, 29) + timedelta(days=day), "l") for day in sorted(wish.weekdays)]
    words = [", ".join(days)] if days else []
    if wish.time_from:
        words.append(f"from {wish.time_from:%H:%M}")
    if wish.time_until:
        words.append(f"until {wish.time_until:%H:%M}")
    return words


@require_http_methods(["GET", "HEAD", "POST"])
@require(Permission.BOOKING_EDIT)
def course_book(request: HttpRequest, pk: int, course: int = 0) -> HttpResponse:
    """Options for a whole course; confirming books them all or none."""
    plans = TreatmentPlan.objects.select_related("patient", "assessment", "signed_by")
    plan = get_object_or_404(plans, pk=pk, status__in=TreatmentPlan.LIVE)
    taken, status = "", 200
    if request.method == "POST":
        data = unpack(str(request.POST.get("option", "")))
        try:
            key = uuid.UUID(str(request.POST.get("key", "")))
        except ValueError as error:
            raise Http404("no key") from error
        if data.get("plan") != plan.pk:
            raise Http404("options of another plan")
        location = get_object_or_404(Location, pk=data.get("location"))
        try:
            booking = actions.book_course(
                plan=plan,
                location=location,
                slots=data["slots"],
                key=key,
                by=_user(request),
                now=timezone.now(),
            )
        except actions.BookingError as error:
            taken, status = str(error), 409
        else:
            count = booking.appointments.count()
            messages.success(
                request, f"{count} session{'s' if count != 1 else ''} booked for {plan.patient.full_name}."
            )
            first = booking.appointments.order_by("starts_at").first()
            day = first.starts_at.astimezone(location.zone).date() if first else timezone.localdate()
            return redirect(f"{reverse('sessions:calendar')}?day={day.isoformat()}")
    context = _course_context(request, plan, course, request.POST if taken else request.GET) | {
        "taken": taken
    }
    template = (
        "sessions/booking/_options.html"
        if getattr(request, "htmx", False)
        else "sessions/booking/course.html"
    )
    return render(request, template, context, status=status)


# ---- one visit ---------------------------------------------------------------------------------------------


class SingleForm(forms.Form):
    """A single visit: for whom, what, from which day."""

    kind = forms.ChoiceField(
        label="Kind",
        choices=[c for c in Appointment.Kind.choices if c[0] != "session"],
        widget=PickWidget,
        initial="consultation",
    )
    day = forms.DateField(label="From day", widget=DateInput)
    minutes = forms.TypedChoiceField(
        label="Length",
        coerce=int,
        choices=[(n, f"{n} min") for n in (15, 30, 45, 60)],
        widget=PickWidget,
        initial=30,
    )
    note = forms.CharField(label="Note for the team", required=False, max_length=300)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = grid_helper(Col("kind", 6), Col("minutes", 6), Col("day", 4), Col("note", 8))

    def clean_day(self) -> date:
        day: date = self.cleaned_data["day"]
        if not timezone.localdate() <= day <= timezone.localdate() + timedelta(days=730):
            raise forms.ValidationError("Choose a day from today on, within two years.")
        return day


def slots_by_day(
    visit: Visit,
    book: Diary,
    first: date,
    days: int,
    names: Any,
    *,
    practitioner: int | None = None,
    **more: Any,
) -> list[dict[str, Any]]:
    """Free times of some days, each with the first practitioner who can."""
    found = find_all_slots(visit, book, first, first + timedelta(days=days - 1), timezone.now(), practitioner)
    return [
        {
            "day": day,
            "slots": [
                {"slot": slot, "local": slot.start.astimezone(book.zone), "packed": pack([slot], **more),
                 "who": names["practitioner"].get(slot.practitioner, ""), "room": names["room"].get(slot.room, "")}
                for slot in slots
            ],
        }
        for day, slots in found.items()
    ]  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@require(Permission.BOOKING_EDIT)
def appointment_new(request: HttpRequest) -> HttpResponse:
    """Book a consultation, a review or an emergency for a patient."""
    location = location_of(request)
    key = row_id(request.GET.get("patient") or request.POST.get("patient"))
    patient = get_object_or_404(Patient, pk=key) if key is not None else None
    fault = ""
    if request.method == "POST" and patient is not None:
        data = unpack(str(request.POST.get("slot", "")))
        if data.get("patient") != patient.pk:
            raise Http404("times of another patient")
        note = typed(request, "note", 300)
        kind = str(data.get("kind"))
        try:
            made = actions.book_single(
                patient=patient, location=location, slot=data["slots"][0], kind=kind, by=_user(request),
                now=timezone.now(), note=note,
            )  # fmt: skip
        except actions.BookingError as error:
            fault = str(error)
        else:
            messages.success(request, f"{made.get_kind_display()} booked for {patient.full_name}.")
            day = made.starts_at.astimezone(location.zone).date()
            return redirect(f"{reverse('sessions:calendar')}?day={day.isoformat()}")
    wanted = request.GET.copy()
    wanted.setdefault("kind", "consultation")
    wanted.setdefault("day", timezone.localdate().isoformat())
    wanted.setdefault("minutes", "30")
    form = SingleForm(wanted)
    days: list[dict[str, Any]] = []
    if patient is not None and form.is_valid():
        first = form.cleaned_data["day"]
        visit = Visit(0, 0, 0, 0, 0, form.cleaned_data["minutes"], "consultation")
        book = diary(location, first, first + timedelta(days=6), patient)
        days = slots_by_day(
            visit, book, first, 7, _names(location), patient=patient.pk, kind=form.cleaned_data["kind"]
        )
    context = {
        "patient": patient, "form": form, "days": days, "fault": fault, "location": location,
        "banner": banner_for(request, patient) if patient else None,
        "recent": Patient.objects.order_by("-pk")[:8] if patient is None else [],
    }  # fmt: skip
    return render(request, "sessions/booking/single.html", context, status=409 if fault else 200)


def _appointments() -> QuerySet[Appointment]:
    return Appointment.objects.select_related(
        "patient", "location", "practitioner__user", "room", "device", "planned_session__plan", "booked_by"
    )


@require_safe
@require(Permission.CALENDAR_VIEW)
def appointment(request: HttpRequest, pk: int) -> HttpResponse:
    """One visit with its next acts; as a quick card inside the calendar, as a page by its address."""
    found = get_object_or_404(_appointments(), pk=pk)
    return _appointment_page(request, found)


def _appointment_page(
    request: HttpRequest, found: Appointment, fault: str = "", status: int = 200
) -> HttpResponse:
    record_access(by=_user(request), patient_id=found.patient_id, what="appointment")
    planned = found.planned_session
    context: dict[str, Any] = {
        "appointment": found, "planned": planned, "patient": found.patient, "fault": fault,
        "total": planned.plan.planned_sessions.filter(course=planned.course).count() if planned else 0,
        "next": Appointment.ALLOWED.get(found.status, frozenset()),
        "messages_of": found.messages.order_by("-send_at")[:6],
        "today": found.starts_at.astimezone(found.location.zone).date()
        == timezone.now().astimezone(found.location.zone).date(),
        "coming": found.starts_at > timezone.now(),
        "record": found.records.order_by("-version").first(),
    }  # fmt: skip
    htmx = getattr(request, "htmx", False)
    template = "sessions/booking/_appointment.html" if htmx else "sessions/booking/appointment.html"
    if not htmx:
        context["banner"] = banner_for(request, found.patient)
    return render(request, template, context, status=status)


@require_POST
@require(Permission.CHECK_IN)
def appointment_status(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a visit to another state: confirm, check in, missed, cancel, back."""
    found = get_object_or_404(_appointments(), pk=pk)
    to, version = str(request.POST.get("to", "")), str(request.POST.get("version", ""))
    if to not in Appointment.Status.values:
        raise Http404
    try:
        actions.change_status(
            appointment=found, to=to, by=_user(request), now=timezone.now(),
            version=row_id(version),
            reason=typed(request, "reason", 300),
        )  # fmt: skip
    except actions.BookingError as error:
        return _appointment_page(request, get_object_or_404(_appointments(), pk=pk), str(error), 409)
    changed = get_object_or_404(_appointments(), pk=pk)
    said = f"{changed.patient.full_name}: {changed.get_status_display().lower()}."
    back = str(request.POST.get("next", ""))
    messages.success(request, said)
    if back.startswith("/") and not back.startswith("//") and "\\" not in back:
        return redirect(back)
    return redirect("sessions:appointment", pk)


@require_http_methods(["GET", "HEAD", "POST"])
@require(Permission.BOOKING_EDIT)
def appointment_move(request: HttpRequest, pk: int) -> HttpResponse:
    """Another time for a visit. What leaves its window is told before it is saved."""
    found = get_object_or_404(_appointments(), pk=pk)
    location, fault = found.location, ""
    if request.method == "POST":
        data = unpack(str(request.POST.get("slot", "")))
        if data.get("appointment") != found.pk:
            raise Http404("times of another visit")
        try:
            moved = actions.move(
                appointment=found, slot=data["slots"][0], by=_user(request), now=timezone.now(),
                version=data.get("version"), reason=typed(request, "reason", 300),
            )  # fmt: skip
        except actions.BookingError as error:
            fault = str(error)
        else:
            messages.success(request, f"{found.patient.full_name}: moved. The patient is told in 3 minutes.")
            day = moved.starts_at.astimezone(location.zone).date()
            return redirect(f"{reverse('sessions:calendar')}?day={day.isoformat()}")
    found = get_object_or_404(_appointments(), pk=pk)
    day = _day(request.GET.get("day")) or max(
        found.starts_at.astimezone(location.zone).date(), timezone.localdate()
    )
    planned = found.planned_session
    visit = (
        visit_of(planned)
        if planned
        else Visit(
            0, 0, 0, 0, 0, int((found.ends_at - found.starts_at).total_seconds() // 60), "consultation"
        )
    )
    book = diary(location, day, day + timedelta(days=6), found.patient, leave_out=[found.pk])
    days = slots_by_day(visit, book, day, 7, _names(location), appointment=found.pk, version=found.version)
    others = actions.neighbours(found)
    placed = {n: row.starts_at.astimezone(location.zone).date() for n, row in others.items()}
    visits = [visit_of(row.planned_session) for row in others.values() if row.planned_session]
    for row in days:
        row["leaving"] = check_move(visits, placed, planned.number, row["day"]) if planned else ()
        row["blocked"] = any(one.days < 0 for one in row["leaving"])
    context = {
        "appointment": found, "patient": found.patient, "days": days, "fault": fault, "day": day,
        "earlier": max(day - timedelta(days=7), timezone.localdate()), "later": day + timedelta(days=7),
        "banner": banner_for(request, found.patient), "location": location,
    }  # fmt: skip
    return render(request, "sessions/booking/move.html", context, status=409 if fault else 200)


def _day(text: str | None) -> date | None:
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        return None
    return day if date(2000, 1, 1) <= day <= date(2100, 1, 1) else None
