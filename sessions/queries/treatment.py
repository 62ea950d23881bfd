"""What the treatment page shows: the planned session, usable lots, and what still stops the signature."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import F, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from mesoclinic.ui.formatting import decimal_trim
from patients.models import Patient
from sessions.models import Lot, SafetyCheck, TreatmentRecord

#: (code, question, help, safe answer, other answer, does the other answer forbid the session)
type Question = tuple[str, Any, Any, Any, Any, bool]

#: Asked again on the day (REFERENCE.md §11; R01-R04 and R07 forbid the session).
QUESTIONS: tuple[Question, ...] = (
    ("identity", lazy("Name and birth date"), lazy("asked, two identifiers"), lazy("Ok"), lazy("No"), True),
    (
        "pregnancy",
        lazy("Pregnant or breastfeeding"),
        lazy("asked today, R01 to R04"),
        lazy("No"),
        lazy("Yes"),
        True,
    ),
    ("medicines", lazy("New medicine"), lazy("since the plan"), lazy("No"), lazy("Yes"), False),
    ("allergy", lazy("New allergy"), lazy("to anything, plasters too"), lazy("No"), lazy("Yes"), False),
    (
        "infection",
        lazy("Infection, fever, cold sore"),
        lazy("within 2 cm of the area"),
        lazy("No"),
        lazy("Yes"),
        False,
    ),
    ("sun", lazy("Sun or tanning"), lazy("last 28 days"), lazy("No"), lazy("Yes"), False),
    (
        "procedures",
        lazy("Other procedure, vaccine, dentist"),
        lazy("since the last visit"),
        lazy("No"),
        lazy("Yes"),
        False,
    ),
    ("consent", lazy("Consent"), lazy("signed, current version"), lazy("Ok"), lazy("No"), True),
    ("photos", lazy("Photos before"), lazy("same light"), lazy("Ok"), lazy("No"), True),
)


def questions_for(patient: Patient) -> list[Question]:
    """The day's questions; pregnancy is asked of women only."""
    return [row for row in QUESTIONS if row[0] != "pregnancy" or patient.sex == Patient.Sex.FEMALE]


def usable_lots(*, agents: set[str], on: date) -> QuerySet[Lot]:
    """Lots in stock, not expired on `on`, of the products for these agents, soonest expiry first.

    Each row has `left_ml`: received less what signed and open records used.
    """
    used = Coalesce(Sum("components__volume_ml"), Decimal(0))
    return (
        Lot.objects.filter(product__agent__in=agents, status=Lot.Status.IN_STOCK, expires_on__gte=on)
        .exclude(discard_after__lt=on)
        .select_related("product")
        .annotate(left_ml=F("received_ml") - used)
        .order_by("expires_on", "pk")
    )


def last_signed(patient: Patient, *, before: TreatmentRecord) -> TreatmentRecord | None:
    """The patient's last signed record before this one."""
    return (
        TreatmentRecord.objects.filter(patient=patient, signed_at__isnull=False)
        .exclude(pk=before.pk)
        .order_by("-ended_at")
        .first()
    )


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why the record can't be signed (or the treatment not started) yet."""

    level: str  # block, todo
    text: str
    anchor: str
    rule: str = ""


def check_obstacles(record: TreatmentRecord) -> list[Obstacle]:
    """What today's questions still ask for. Sources: R01-R04, R07, "re-evaluated on the day" (REFERENCE.md §6)."""
    answers = {check.question: check for check in record.checks.all()}
    found: list[Obstacle] = []
    for code, question, _help, _ok, _other, forbids in questions_for(record.patient):
        check = answers.get(code)
        if check is None:
            found.append(
                Obstacle("todo", _("%(question)s: not asked yet.") % {"question": question}, "checks")
            )
        elif check.answer == SafetyCheck.Answer.CHANGED and forbids:
            rule = {"pregnancy": "R01", "consent": "R07", "photos": "R07"}.get(code, "")
            remedy = {
                "pregnancy": _(
                    "Postpone the course or call the physician: no session in pregnancy or breastfeeding."
                ),
                "identity": _("Stop until the person and the record are the same."),
                "consent": _("Have the consent signed first."),
                "photos": _("Take the photos first."),
            }[code]
            found.append(Obstacle("block", f"{question}. {remedy}", "checks", rule))
        elif check.answer == SafetyCheck.Answer.CHANGED and not check.detail:
            found.append(
                Obstacle(
                    "block",
                    _("%(question)s: a physician writes what was found and decided.")
                    % {"question": question},
                    "checks",
                )
            )
    return found


def dose_obstacles(record: TreatmentRecord) -> list[Obstacle]:
    """Given doses and volumes against the plan's limits (R51, R60)."""
    planned = record.appointment.planned_session
    if planned is None:
        return []
    found: list[Obstacle] = []
    limits: dict[str, Decimal] = {}
    for part in planned.content.get("parts", []):
        for component in part.get("components", []):
            if component.get("limit_mg"):
                limits[component["agent"]] = Decimal(str(component["limit_mg"]))
    given: dict[str, Decimal] = {}
    for component in record.components.all():
        if component.dose_mg is not None:
            given[component.agent] = given.get(component.agent, Decimal(0)) + component.dose_mg
    for agent, dose in given.items():
        if agent in limits and dose > limits[agent]:
            found.append(
                Obstacle(
                    "block",
                    _("%(agent)s %(dose)s mg is above %(limit)s mg for one session. Draw less.")
                    % {"agent": agent, "dose": decimal_trim(dose), "limit": decimal_trim(limits[agent])},
                    "mix",
                    "R60",
                )
            )
    return found


def sign_obstacles(record: TreatmentRecord) -> list[Obstacle]:
    """Everything that keeps the record from being signed, blocks first."""
    found = check_obstacles(record) + dose_obstacles(record)
    if record.started_at is None:
        found.append(Obstacle("todo", _("The treatment has not been started."), "points"))
    for component in record.components.all():
        if component.lot_id is None and component.volume_ml > 0:
            found.append(
                Obstacle("todo", _("%(agent)s: choose the lot.") % {"agent": component.agent}, "mix")
            )
    if record.pain_score is None:
        found.append(Obstacle("todo", _("Pain score is missing."), "after"))
    return sorted(found, key=lambda obstacle: obstacle.level != "block")


def records_with_lot(lot: Lot) -> QuerySet[TreatmentRecord]:
    """Every record that used a lot, through any component or as anaesthetic."""
    return (
        TreatmentRecord.objects.filter(Q(components__lot=lot) | Q(anaesthetic_lot=lot))
        .select_related("patient", "appointment", "operator")
        .distinct()
        .order_by("-opened_at")
    )


def planned_anaesthetic(record: TreatmentRecord) -> dict[str, Any]:
    """The session's anaesthetic as planned: the parts' own goes before the session's."""
    planned = record.appointment.planned_session
    if planned is None:
        return {}
    for part in planned.content.get("parts", []):
        if part.get("anaesthetic"):
            return dict(part["anaesthetic"])
    return dict(planned.content.get("anaesthetic") or {})
