"""What the standing watch adds to the shell, to the patient's banner and to changes of facts."""

from collections.abc import Iterator

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from mesoclinic.accounts.permissions import Permission, has_permission
from patients.models import Patient
from patients.registry import BannerNote
from protocols import queries_watch, watch


def fact_changed(patient_id: int, cause: str) -> None:
    """A clinical fact of a patient changed: in the same transaction, ask for a re-check."""
    watch.request_recheck(patient_id=patient_id, cause=cause)


def waiting_alerts(request: HttpRequest) -> int:
    """Alerts of the signed-in physician's plans that nobody has acknowledged."""
    return queries_watch.waiting_count(request.user.pk) if request.user.pk else 0


def held_visits(_request: HttpRequest) -> int:
    """Coming visits that a physician must look at first."""
    return len(queries_watch.visits_on_hold(timezone.now()))


def notes(request: HttpRequest, patient: Patient) -> Iterator[BannerNote]:
    """One line under the banner while an alert holds a course. The front desk reads no reason."""
    alerts = list(queries_watch.alerts_of_patient(patient.pk))
    if not alerts:
        return
    blocked = any(alert.level == "block" for alert in alerts)
    level, url = "block" if blocked else "warn", reverse("protocols:plan", args=[alerts[0].plan_id])
    if has_permission(request.user, Permission.PROFILE_VIEW):
        one = len(alerts) == 1
        text = f"Signed course: {alerts[0].message}" if one else f"Signed course: {len(alerts)} new alerts"
        yield BannerNote(level, text, url)
    elif has_permission(request.user, Permission.PLAN_VIEW):
        yield BannerNote(level, f"{queries_watch.ON_HOLD}.", url, "On hold")
