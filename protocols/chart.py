"""What a patient's chart shows of assessments and plans."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from mesoclinic.accounts.permissions import Permission, has_permission
from mesoclinic.ui import formatting, typed
from patients.models import Patient
from patients.registry import Button, TimelineEntry
from protocols.catalogue import knowledge
from protocols.forms import item_words
from protocols.labels import concern_label, concerns_label, score_words
from protocols.models import Assessment, TreatmentPlan
from protocols.queries import drafts, plans_of


def history(patient: Patient, limit: int) -> Iterator[TimelineEntry]:
    """Assessments and plans, newest first."""
    rows = Assessment.objects.filter(patient=patient).select_related("author").prefetch_related("concerns")
    for assessment in rows[:limit]:
        words = ", ".join(
            concern_label(c.code)
            + (f" ({score_words(c.scale, _plain(c.score))})" if c.score is not None else "")
            for c in assessment.concerns.all()
        )
        yield TimelineEntry(
            assessment.created_at,
            "clipboard-list",
            "Assessment",
            f"{words}, by {assessment.author}",
            details=tuple(_read(assessment)),
        )
    for plan in TreatmentPlan.objects.filter(patient=patient).select_related("signed_by")[:limit]:
        said = f"signed by {plan.signed_by}" if plan.signed_by else "not signed yet"
        yield TimelineEntry(
            plan.signed_at or plan.created_at, "file-pen-line", "Plan", f"{_treats(plan)}, {said}",
            reverse("protocols:plan", args=[plan.pk]),
        )  # fmt: skip


def _plain(score: Decimal) -> str:
    return f"{score.normalize():f}"


def _treats(plan: TreatmentPlan) -> str:
    codes = [code for course in plan.content.get("courses", []) for code in course["concerns"]]
    return concerns_label(codes) or "no course proposed"


def _read(assessment: Assessment) -> Iterator[tuple[str, str]]:
    """An assessment to read: severity with its items, then what the patient wants. What was not asked is left out."""
    known = knowledge()
    for concern in assessment.concerns.all():
        if concern.scale and concern.score is not None:
            yield (
                concern_label(concern.code),
                f"{score_words(concern.scale, _plain(concern.score))}, {concern.band}",
            )
            items = {item["code"]: item_words(item)[0] for item in known.scales[concern.scale]["items"]}
            if len(concern.items) > 1:
                yield (
                    "Items",
                    "; ".join(f"{items.get(code, code)} {value}" for code, value in concern.items.items()),
                )
        else:
            grades = {1: "mild", 2: "moderate", 3: "severe"}
            yield concern_label(concern.code), f"{grades.get(concern.grade or 0, 'not graded')} by eye"
        for name, value in concern.details.items():
            if name in _DETAILS:
                listed = value if isinstance(value, list) else [value]
                said = ", ".join(_value(one) for one in listed) or "looked for, none"
                yield _DETAILS[name], said
    wishes = (
        ("Goals", assessment.goals), ("Modality", assessment.get_modality_display()),
        ("Accepts downtime", assessment.max_downtime_days is not None and f"{assessment.max_downtime_days} days"),
        ("Sensitivity to pain", assessment.pain is not None and f"{assessment.pain} of 10"),
        ("Most visits", assessment.max_sessions is not None and str(assessment.max_sessions)),
        ("Afraid of needles", {True: "yes", False: "no"}.get(assessment.needle_fear or False) if assessment.needle_fear is not None else ""),
    )  # fmt: skip
    yield from ((name, str(value)) for name, value in wishes if value)


#: Details of a concern that are worth reading, by their words.
_DETAILS = {"red_flags": "Red flags", "goal": "Goal", "onset": "Began", "hair_pattern": "Pattern of loss",
            "pigment_type": "Kind of pigment", "pigment_depth": "Depth of pigment", "lesion_cm2": "Surface, cm²",
            "field_cm2": "Field, cm²", "smslg_grade": "Skin laxity (SMSLG)",
            "weight_stable_3_months": "Weight stable for 3 months"}  # fmt: skip


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    day = typed.day(str(value))
    return formatting.full_date(day) if day else str(value).replace("-", " ")


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
