"""What the sessions app tells of a course under way, and what it does when the plan moves on."""

from datetime import datetime
from typing import Any

from mesoclinic.accounts.models import User
from mesoclinic.audit.actions import record as audit
from protocols.models import PlannedSession, TreatmentPlan
from sessions.freed import freed_visit
from sessions.models import Appointment
from sessions.reminders import schedule

_COMING = (Appointment.Status.REQUESTED, Appointment.Status.BOOKED, Appointment.Status.CONFIRMED)


def _of_series(plan: TreatmentPlan) -> Any:
    root = plan.root_pk
    return Appointment.objects.filter(planned_session__plan__in=[root]) | Appointment.objects.filter(
        planned_session__plan__root=root
    )


def done_and_missed(plan: TreatmentPlan) -> dict[str, list[dict[str, Any]]]:
    """Sessions with a signed record, and visits that nobody came to, of all versions of a course. Two queries."""
    rows = _of_series(plan).select_related("planned_session", "location")
    done: dict[tuple[int, int], dict[str, Any]] = {}
    for visit in rows.filter(records__signed_at__isnull=False).distinct().order_by("starts_at"):
        planned = visit.planned_session
        day = visit.starts_at.astimezone(visit.location.zone).date().isoformat()
        done.setdefault(
            (planned.course, planned.number),
            {"course": planned.course, "number": planned.number, "date": day},
        )
    missed = [
        {"course": visit.planned_session.course, "number": visit.planned_session.number,
         "date": visit.starts_at.astimezone(visit.location.zone).date().isoformat(), "reason": "no-show"}
        for visit in rows.filter(status=Appointment.Status.NO_SHOW).order_by("starts_at")
    ]  # fmt: skip
    return {"done": list(done.values()), "missed": missed}


def follow_version(old: TreatmentPlan, new: TreatmentPlan, by: User, _now: datetime) -> None:
    """Booked visits stay booked for the same session of the new version; what it no longer has is called off.

    Whether a kept visit still fits its window is shown to the front desk where it moves visits.
    """
    planned = {(row.course, row.number): row for row in PlannedSession.objects.filter(plan=new)}
    for visit in (
        Appointment.objects.select_for_update(of=("self",))
        .filter(planned_session__plan=old, status__in=_COMING)
        .select_related("planned_session", "patient", "location")
        .order_by("pk")
    ):
        assert visit.planned_session is not None
        same = planned.get((visit.planned_session.course, visit.planned_session.number))
        fits = same is not None and _demands(same) == _demands(visit.planned_session)
        if fits:
            visit.planned_session = same
            visit.version += 1
            visit.save(update_fields=["planned_session", "version"])
        else:
            _call_off(visit, "The plan changed: this session is booked anew.", by, _now)


def _demands(planned: PlannedSession) -> tuple[object, ...]:
    """What a booked time was chosen for."""
    return planned.needs, planned.device_kind, planned.duration_min, planned.arrive_early_min


def _call_off(visit: Appointment, reason: str, by: User, now: datetime) -> None:
    old = visit.status
    visit.status, visit.reason = Appointment.Status.CANCELLED, reason[:300]
    visit.version += 1
    visit.save()
    schedule.cancelled(visit, now)
    freed_visit(visit, visit.status, now)
    audit(
        type="appointment.cancelled", target=visit, by=by, patient_id=visit.patient_id, old={"status": old},
        new={"status": visit.status}, reason=visit.reason,
    )  # fmt: skip


def call_off(plan: TreatmentPlan, reason: str, by: User, now: datetime) -> None:
    """The course ended: visits to come are cancelled, their patients told in the same transaction."""
    for visit in (
        _of_series(plan)
        .filter(status__in=_COMING, starts_at__gt=now)
        .select_related("patient", "location")
        .order_by("pk")
    ):
        _call_off(visit, f"The course ended: {reason}", by, now)
