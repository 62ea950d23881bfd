"""What a patient's chart shows of assessments and plans."""

from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from mesoclinic.accounts.permissions import Permission, has_permission
from patients.models import Patient
from patients.registry import Button, TimelineEntry
from protocols.labels import concern_label
from protocols.models import Assessment, TreatmentPlan
from protocols.queries import drafts, plans_of


def history(patient: Patient, limit: int) -> Iterator[TimelineEntry]:
    """Assessments and plans, newest first."""
    rows = Assessment.objects.filter(patient=patient).select_related("author").prefetch_related("concerns")
    for assessment in rows[:limit]:
        words = ", ".join(
            concern_label(c.code) + (f" ({c.scale} {c.score.normalize():f})" if c.score is not None else "")
            for c in assessment.concerns.all()
        )
        yield TimelineEntry(
            assessment.created_at, "clipboard-list", "Assessment", f"{words}, by {assessment.author}"
        )
    for plan in TreatmentPlan.objects.filter(patient=patient).select_related("signed_by")[:limit]:
        said = f"signed by {plan.signed_by}" if plan.signed_by else "not signed yet"
        yield TimelineEntry(
            plan.signed_at or plan.created_at, "file-pen-line", "Plan", f"{plan.title}, {said}",
            reverse("protocols:plan", args=[plan.pk]),
        )  # fmt: skip


def buttons(request: HttpRequest, patient: Patient) -> Iterator[Button]:
    """A physician assesses from the chart."""
    if has_permission(request.user, Permission.ASSESSMENT_EDIT):
        yield Button("Assess", reverse("protocols:assess", args=[patient.pk]), "clipboard-list", primary=True)


def plans(request: HttpRequest, patient: Patient) -> tuple[str, dict[str, Any]] | None:
    """Plans with their state, for who may see them."""
    if not has_permission(request.user, Permission.PLAN_VIEW):
        return None
    rows = list(plans_of(patient)[:10])
    if not has_permission(request.user, Permission.PROFILE_VIEW):
        rows = [plan for plan in rows if plan.status != TreatmentPlan.Status.DRAFT]
    return ("protocols/_chart_panel.html", {"plans": rows}) if rows else None


def waiting_drafts(request: HttpRequest) -> int:
    """The signed-in physician's drafts."""
    return drafts(request.user.pk).count()
