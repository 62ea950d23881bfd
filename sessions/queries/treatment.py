"""What the treatment page shows: the planned session, usable lots, and what still stops the signature."""

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import F, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from patients.models import Patient
from protocols.catalogue import knowledge
from sessions.models import Lot, SafetyCheck, TreatmentRecord
from sessions.queries.limits import limit_obstacles
from sessions.queries.obstacles import LEVELS, Obstacle, key_of
from sessions.queries.today import evaluate


class Question(NamedTuple):
    """One question of the day. `forbids`: the other answer ends the session, under `rule`. `alone`: never answered
    by "nothing else new", each by a tap of its own."""

    code: str
    question: Any
    help: Any
    safe: Any
    other: Any
    forbids: bool
    rule: str = ""
    alone: bool = False


_NO, _YES, _OK = lazy("No"), lazy("Yes"), lazy("Ok")

#: Asked again on the day (REFERENCE.md §11; R01-R04, R07 and R10 forbid the session).
QUESTIONS: tuple[Question, ...] = (
    Question(
        "identity", lazy("Name and birth date"), lazy("asked, two identifiers"), _OK, _NO, True, alone=True
    ),
    Question(
        "pregnancy", lazy("Pregnant or breastfeeding"), lazy("asked today, R01 to R04"), _NO, _YES, True,
        "R01", alone=True,
    ),
    Question("medicines", lazy("New medicine"), lazy("since the plan"), _NO, _YES, False),
    Question("allergy", lazy("New allergy"), lazy("to anything, plasters too"), _NO, _YES, False, "R48"),
    Question(
        "infection", lazy("Infection, fever, cold sore"), lazy("within 2 cm of the area"), _NO, _YES, True, "R10"
    ),
    Question("sun", lazy("Sun or tanning"), lazy("last 28 days"), _NO, _YES, False, "R30"),
    Question(
        "procedures", lazy("Other procedure, vaccine, dentist"), lazy("since the last visit"), _NO, _YES, False,
        "R54",
    ),
    Question("consent", lazy("Consent"), lazy("signed, current version"), _OK, _NO, True, "R07", alone=True),
    Question("photos", lazy("Photos before"), lazy("same light"), _OK, _NO, True, "R07", alone=True),
)  # fmt: skip


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


def unusable(lot: Lot, on: date) -> str:
    """Why a lot must not be given on a day, in a word; empty when it may."""
    if lot.status != Lot.Status.IN_STOCK:
        return str(lot.get_status_display()).lower()
    return _("expired") if lot.expires_on < on else ""


def _remedy(code: str, rule: str) -> str:
    """What helps when an answer forbids the session; the engine's own words where it has a rule."""
    own = {
        "identity": _("Stop until the person and the record are the same."),
        "pregnancy": _(
            "Postpone the course or call the physician: no session in pregnancy or breastfeeding."
        ),
        "consent": _("Have the consent signed first."),
        "photos": _("Take the photos first."),
    }
    if code in own:
        return own[code]
    return " ".join(dict.fromkeys(str(clause["remedy"]) for clause in knowledge().rules[rule]["clauses"]))


def check_obstacles(record: TreatmentRecord) -> list[Obstacle]:
    """What today's questions still ask for. Sources: R01-R04, R07, R10, "re-evaluated on the day" (REFERENCE.md §6)."""
    answers = {check.question: check for check in record.checks.all()}
    found: list[Obstacle] = []
    for row in questions_for(record.patient):
        check, place = answers.get(row.code), f"check-{row.code}"
        source = knowledge().rule_source(row.rule)[0] if row.rule else ""
        if check is None:
            text = _("%(question)s: not asked yet.") % {"question": row.question}
            found.append(Obstacle("todo", text, "checks", place=place))
        elif check.answer == SafetyCheck.Answer.CHANGED and row.forbids:
            text = f"{row.question}. {_remedy(row.code, row.rule)}"
            found.append(Obstacle("block", text, "checks", row.rule, source, place))
        elif check.answer == SafetyCheck.Answer.CHANGED:
            said = f" “{check.detail}”" if check.detail else ""
            text = _("%(question)s: yes.%(said)s A physician writes what was decided.")
            found.append(
                Obstacle(
                    "decide", text % {"question": row.question, "said": said}, "checks", row.rule, source, place,
                    key_of(place, check.detail),
                )
            )  # fmt: skip
    return found


def lot_obstacles(record: TreatmentRecord, on: date) -> list[Obstacle]:
    """Lots that must not be given (any more). What is given already can only be decided on; a correction keeps it."""
    kept: set[int | None] = set()
    if record.supersedes is not None:
        kept = {part.lot_id for part in record.supersedes.components.all()}
        kept.add(record.supersedes.anaesthetic_lot_id)
    rows = [(part.lot, f"component-{part.pk}", "mix") for part in record.components.all()]
    rows.append((record.anaesthetic_lot, "anaesthetic_lot", "comfort"))
    found = []
    for lot, place, anchor in rows:
        if lot is None or lot.pk in kept or not unusable(lot, on):
            continue
        if record.started_at is None:
            text = _("Lot %(lot)s is %(state)s. Choose another lot.")
            level, key = "block", ""
        else:
            text = _(
                "Lot %(lot)s is %(state)s now and was chosen before. A physician writes what was decided."
            )
            level, key = "decide", key_of(place, lot.number, unusable(lot, on))
        words = {"lot": lot.number, "state": unusable(lot, on)}
        found.append(Obstacle(level, text % words, anchor, place=place, key=key))
    return found


def _decided(record: TreatmentRecord, found: list[Obstacle]) -> list[Obstacle]:
    """Without those that a physician has decided on. A correction tells what was done: it can't be forbidden any
    more, so its blocks ask for a decision too."""
    decided = {decision.key for decision in record.decisions.all()}
    kept = []
    for obstacle in found:
        if record.supersedes_id is not None and obstacle.level == "block":
            text = _("%(text)s It was done so: a physician writes what was decided.") % {
                "text": obstacle.text
            }
            key = key_of("done", obstacle.rule, obstacle.place, obstacle.text)
            obstacle = replace(obstacle, level="decide", text=text, key=key)
        if obstacle.level != "decide" or obstacle.key not in decided:
            kept.append(obstacle)
    return sorted(kept, key=lambda obstacle: LEVELS.index(obstacle.level))


def location_day(record: TreatmentRecord, now: datetime | None = None) -> date:
    """Today on the wall clock of the record's location."""
    return (now or timezone.now()).astimezone(record.appointment.location.zone).date()


def start_obstacles(record: TreatmentRecord, today: date | None = None) -> list[Obstacle]:
    """What forbids the first needle: today's answers, the rules on today's facts, every limit, the lots.

    A correction is judged on the treatment's own day, and by its limits only: the chart of today says nothing about
    a session that was.
    """
    on = record.day if record.supersedes_id is not None else today or location_day(record)
    found = evaluate(record, on)
    past = record.supersedes_id is not None and found.case is not None
    rules = [] if past else list(found.obstacles)
    return _decided(
        record,
        [*check_obstacles(record), *rules, *limit_obstacles(record, found), *lot_obstacles(record, on)],
    )


def sign_obstacles(record: TreatmentRecord, today: date | None = None) -> list[Obstacle]:
    """Everything that keeps the record from being signed, blocks first."""
    found = start_obstacles(record, today)
    if record.started_at is None:
        found.append(Obstacle("todo", _("The treatment has not been started."), "points"))
    for component in record.components.all():
        if component.lot_id is None and component.volume_ml > 0:
            text = _("%(agent)s: choose the lot.") % {"agent": knowledge().label(component.agent)}
            found.append(Obstacle("todo", text, "mix", place=f"component-{component.pk}"))
    if record.pain_score is None:
        found.append(Obstacle("todo", _("Pain score is missing."), "after"))
    return found


def records_with_lot(lot: Lot) -> QuerySet[TreatmentRecord]:
    """Every record that used a lot, through any component or as anaesthetic."""
    return (
        TreatmentRecord.objects.filter(Q(components__lot=lot) | Q(anaesthetic_lot=lot))
        .select_related("patient", "appointment", "operator")
        .distinct()
        .order_by("-opened_at")
    )


def planned_anaesthetic(record: TreatmentRecord) -> dict[str, Any]:
    """The session's anaesthetic as planned: `product` and `amount` (g of cream, mL of wheals).

    The parts' own go before the session's; cream of the same product on several parts is one amount.
    """
    planned = record.appointment.planned_session
    if planned is None:
        return {}
    own = [part["anaesthetic"] for part in planned.content.get("parts", []) if part.get("anaesthetic")]
    rows = own or [planned.content.get("anaesthetic") or {}]
    amounts: dict[str, Decimal] = {}
    for row in rows:
        product = row.get("product") or "none"
        amount = Decimal(str(row.get("grams") or row.get("volume_ml") or 0))
        amounts[product] = amounts.get(product, Decimal(0)) + amount
    product = max(amounts, key=lambda name: amounts[name])
    return {"product": product, "amount": amounts[product] or None}
