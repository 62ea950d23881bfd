"""What the sessions app adds to a patient's chart, to the navigation and to the engine's cases."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from mesoclinic.accounts.permissions import Permission, has_permission
from patients.models import Patient
from patients.registry import Button, TimelineEntry
from sessions.models import Appointment, Message, TreatmentRecord, WaitlistEntry
from sessions.places import NoLocation, location_of
from sessions.queries.booking import LIVE, not_confirmed, to_book
from sessions.queries.calendar import bounds
from sessions.queries.given import given_in


def treatments(patient: Patient, limit: int) -> Iterator[TimelineEntry]:
    """Treatment records, newest first."""
    for record in TreatmentRecord.objects.filter(patient=patient).select_related("signed_by")[:limit]:
        said = f"signed by {record.signed_by}" if record.signed_by else "not signed yet"
        yield TimelineEntry(
            record.opened_at, "syringe", "Treatment", f"version {record.version}, {said}",
            reverse("sessions:treatment", args=[record.pk]),
        )  # fmt: skip


def visits(patient: Patient, limit: int) -> Iterator[TimelineEntry]:
    """Past visits and missed ones; coming ones have a panel of their own."""
    rows = Appointment.objects.filter(patient=patient, starts_at__lt=timezone.now()).select_related(
        "location", "type"
    )
    for row in rows.order_by("-starts_at")[:limit]:
        text = f"{row.get_status_display().lower()}, {row.location.short_name}"
        yield TimelineEntry(
            row.starts_at, "calendar-days", row.what, text,
            reverse("sessions:appointment", args=[row.pk]), clinical=False,
        )  # fmt: skip


def buttons(request: HttpRequest, patient: Patient) -> Iterator[Button]:
    """Book the open course, or a single visit."""
    if not has_permission(request.user, Permission.BOOKING_EDIT):
        return
    plan = to_book().filter(patient=patient).first()
    desk = not has_permission(request.user, Permission.ASSESSMENT_EDIT)
    if plan is not None:
        yield Button(
            "Book course", reverse("sessions:course-book", args=[plan.pk]), "calendar-plus", primary=desk
        )
    yield Button("New visit", f"{reverse('sessions:appointment-new')}?patient={patient.pk}", "plus")
    yield Button("Waiting list", f"{reverse('sessions:waitlist-new')}?patient={patient.pk}", "hourglass")


def coming(request: HttpRequest, patient: Patient) -> tuple[str, dict[str, Any]] | None:
    """Coming visits and those of today."""
    if not has_permission(request.user, Permission.CALENDAR_VIEW):
        return None
    rows = list(
        Appointment.objects.filter(LIVE, patient=patient, starts_at__gte=timezone.now() - timedelta(hours=14))
        .select_related("location", "practitioner__user", "room", "device", "type", "planned_session")
        .order_by("starts_at")[:20]
    )
    waiting = [Message.State.DUE, Message.State.SENDING, Message.State.FAILED, Message.State.DEAD]
    queued = list(
        Message.objects.filter(patient=patient, state__in=waiting)
        .select_related("location")
        .order_by("send_at")[:12]
    )
    if not rows and not queued:
        return None
    return "sessions/_chart_panel.html", {"rows": rows, "messages": queued}


def waiting_courses(_request: HttpRequest) -> int:
    """Courses that nobody has booked."""
    return to_book().count()


def waiting_confirmations(_request: HttpRequest) -> int:
    """Visits of the next two days that are not confirmed."""
    now = timezone.now()
    return not_confirmed(now).filter(starts_at__lt=now + timedelta(days=2)).count()


def present(request: HttpRequest) -> int:
    """Patients in the house."""
    try:
        start, end = bounds(timezone.localdate(), location_of(request))
    except NoLocation:
        return 0
    states = [Appointment.Status.ARRIVED, Appointment.Status.IN_TREATMENT]
    return Appointment.objects.filter(status__in=states, starts_at__gte=start, starts_at__lt=end).count()


def in_waiting_room(request: HttpRequest) -> int:
    """Patients who have arrived and wait."""
    try:
        start, end = bounds(timezone.localdate(), location_of(request))
    except NoLocation:
        return 0
    return Appointment.objects.filter(
        status=Appointment.Status.ARRIVED, starts_at__gte=start, starts_at__lt=end
    ).count()


def waiting_patients(_request: HttpRequest) -> int:
    """Entries of the waiting list."""
    return WaitlistEntry.objects.filter(state__in=WaitlistEntry.OPEN).count()


def given(patient: Patient) -> dict[str, list[dict[str, Any]]]:
    """What signed treatments gave, as the engine counts it: agents with doses, and the procedure itself.

    Of a corrected record only the newest signed version counts.
    """
    return given_in(
        TreatmentRecord.objects.filter(patient=patient, signed_at__isnull=False)
        .exclude(successors__signed_at__isnull=False)
        .select_related("appointment__location")
        .prefetch_related("components", "areas")
    )
