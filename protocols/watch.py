"""The standing watch: every change of a fact re-checks the patient's live plans; what is new becomes an alert.

1. A request row is written in the transaction of the change (`request_recheck`; triggers are the last guard).
2. A worker claims open rows with a lease, facts first; rows of dead workers come back after the lease.
3. The batch is read with a constant number of queries and checked by the pure core, outside any transaction.
4. One transaction writes alerts and closes the requests, but only those that nobody touched meanwhile: a fact that
   came in during the check has counted the request's revision up, and it is checked again.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Q
from django.utils import timezone

from mesoclinic.accounts.models import User
from mesoclinic.audit.actions import record, record_many
from protocols import catalogue
from protocols.catalogue import knowledge
from protocols.engine import CaseFaults, Knowledge, parse_follow_up
from protocols.engine.watching import Change, Seen, Standing, compare, speaking
from protocols.models import Alert, RecheckRequest, TreatmentPlan, WatchMark
from protocols.queries_replan import signed_courses
from protocols.queries_watch import follow_ups_of, live_plans, seen_of

logger = logging.getLogger(__name__)
LEASE = timedelta(minutes=2)
#: Patients of one claim: the lever of the rate, and the bound of the memory.
BATCH = 50
#: A check that breaks waits that long, then is tried again; after the last try the physician is told.
BACKOFF = (timedelta(seconds=30), timedelta(minutes=5), timedelta(minutes=30))
#: Closed requests are kept that long, to answer what was checked when.
KEPT = timedelta(days=30)
NOT_CHECKED = "CHECK"


class WatchError(Exception):
    """Why it can't be done; the text says what to do."""


# --- asking for a check -----------------------------------------------------------------------------------------------


def request_recheck(*, patient_id: int, cause: str) -> None:
    """Have a patient's live plans re-checked because of a change. Call it inside the transaction of the change.

    Without a live plan it does nothing. `cause` is what the physician reads: "Allergy, Lidocaine: added".
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT mc_request_recheck(%s, %s, %s)", [patient_id, cause, RecheckRequest.Priority.FACT]
        )


def request_all(*, cause: str) -> int:
    """Have all live plans re-checked: a new day, new knowledge. One statement; how many patients are waiting for it."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO protocols_recheckrequest AS open (patient_id, cause, priority)
            SELECT DISTINCT patient_id, left(%s, 300), %s::int FROM protocols_treatmentplan
              WHERE status IN ('signed', 'active') ORDER BY patient_id
            ON CONFLICT (patient_id) WHERE closed_at IS NULL
              DO UPDATE SET revision = open.revision + 1, attempts = 0, leased_until = NULL
            """,
            [cause, RecheckRequest.Priority.EVERYBODY],
        )
        return cursor.rowcount


@transaction.atomic
def notice(*, today: date) -> None:
    """Ask for all plans once on every new day and for every new version of the knowledge. Safe to call at any time."""
    known = knowledge()
    changes = {
        "day": (today.isoformat(), f"A new day, {today}: dates pass limits"),
        "knowledge": (known.sha256, f"New knowledge, version {known.version}"),
    }
    marks = {mark.name: mark.value for mark in WatchMark.objects.filter(name__in=changes)}
    for name, (value, cause) in changes.items():
        if marks.get(name) == value:
            continue
        WatchMark.objects.get_or_create(name=name, defaults={"value": ""})
        # Of several workers that notice it at once, one finds the old value under the lock.
        mark = WatchMark.objects.select_for_update().get(name=name)
        if mark.value == value or (name == "day" and mark.value > value):
            continue
        mark.value = value
        mark.save()
        request_all(cause=cause)
        if name == "day":
            RecheckRequest.objects.filter(closed_at__lt=timezone.now() - KEPT).delete()


# --- checking ---------------------------------------------------------------------------------------------------------


@transaction.atomic
def claim(now: datetime, limit: int = BATCH) -> list[RecheckRequest]:
    """Take open requests for this worker, facts before the daily round; those of others are skipped."""
    free = Q(leased_until__isnull=True) | Q(leased_until__lt=now)
    rows = list(
        RecheckRequest.objects.select_for_update(skip_locked=True)
        .filter(free, closed_at__isnull=True)
        .order_by("priority", "requested_at", "pk")[:limit]
    )
    for row in rows:
        row.leased_until, row.attempts = now + LEASE, row.attempts + 1
    claimed = RecheckRequest.objects.filter(pk__in=[row.pk for row in rows])
    claimed.update(leased_until=now + LEASE, attempts=F("attempts") + 1)
    return rows


@dataclass(slots=True)
class _Result:
    """What checking one patient gave: changes by plan, or the reason why it broke."""

    changes: dict[int, Change]
    knowledge_sha256: str
    error: str = ""


def _not_checked(text: str) -> Seen:
    return Seen(
        "warn", NOT_CHECKED, "plan", f"This plan could not be checked with today's facts. {text}".strip(),
        "Look at the facts and at the plan yourself, and correct what contradicts itself.",
    )  # fmt: skip


def _check_plan(plan: TreatmentPlan, data: dict[str, Any], known: Knowledge, today: date) -> tuple[Seen, ...]:
    # The engine counts only courses with a session done or to come.
    signed = [(place, plan.content["courses"][place]) for place in signed_courses(plan)]
    try:
        return speaking(parse_follow_up(data, known), signed, known, today)
    except CaseFaults as faults:
        return (_not_checked("; ".join(text for _path, text in faults.faults[:3])),)


def _checked(rows: Sequence[RecheckRequest], today: date) -> dict[int, _Result]:
    """By patient, what the checks of a batch give. Reads with a constant number of queries; writes nothing."""
    # Looked up after the claim: a version published since this task began may be what the rows are waiting for.
    catalogue.forget()
    known = knowledge()
    patients = [row.patient_id for row in rows]
    plans = live_plans(patients)
    follow_ups = follow_ups_of(plans, today)
    standing: dict[int, list[Alert]] = {}
    for alert in Alert.objects.open().filter(plan__patient__in=patients):
        standing.setdefault(alert.plan_id, []).append(alert)
    last_try = {row.patient_id for row in rows if row.attempts > len(BACKOFF)}
    found = {patient: _Result({}, known.sha256) for patient in patients}
    for plan in plans:
        result = found[plan.patient_id]
        try:
            seen = _check_plan(plan, follow_ups[plan.pk], known, today)
        except Exception as error:
            # One plan that breaks the check must not stop the others.
            logger.exception("plan %s could not be re-checked", plan.pk)
            result.error = f"{type(error).__name__}: {error}"[:500]
            if plan.patient_id not in last_try:
                continue
            seen = (_not_checked(""),)
        signed = [Seen.from_dict(row) for row in plan.findings]
        open_alerts = [
            Standing(seen_of(alert), alert.level == "warn" and alert.acknowledged_at is not None)
            for alert in standing.get(plan.pk, ())
        ]
        result.changes[plan.pk] = compare(seen, signed, open_alerts)
    live = {plan.pk for plan in plans}
    by_patient = dict(
        TreatmentPlan.objects.filter(pk__in=standing.keys() - live).values_list("pk", "patient_id")
    )
    for pk, patient in by_patient.items():
        # The plan ended: what spoke against it is history.
        found[patient].changes[pk] = compare((), (), [Standing(seen_of(a), False) for a in standing[pk]])
    return found


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


@transaction.atomic
def _keep(rows: Sequence[RecheckRequest], found: dict[int, _Result], now: datetime) -> int:
    """Write what was found, for the requests that are still this worker's and as they were claimed. How many closed."""
    claimed = {row.pk: (row.revision, row.attempts) for row in rows}
    mine = [
        row
        for row in RecheckRequest.objects.select_for_update()
        .filter(pk__in=claimed, closed_at__isnull=True)
        .order_by("pk")
        if claimed[row.pk] == (row.revision, row.attempts)
    ]
    causes = {row.patient_id: row.cause for row in mine}
    alerts: list[Alert] = []
    closing = Q(pk__in=())
    patient_of: dict[int, int] = {}
    for row in mine:
        for plan, change in found[row.patient_id].changes.items():
            patient_of[plan] = row.patient_id
            alerts += [
                Alert(
                    plan_id=plan, finding_key=seen.key, level=seen.level, rule=seen.rule, scope=seen.scope,
                    path=seen.path, message=seen.message, remedy=seen.remedy, earliest=_day(seen.earliest),
                    because=list(seen.because), source=seen.source, grade=seen.grade,
                    cause=causes[row.patient_id], knowledge_sha256=found[row.patient_id].knowledge_sha256,
                )
                for seen in change.raised
            ]  # fmt: skip
            if change.closed:
                closing |= Q(plan=plan, finding_key__in=change.closed)
    ended = list(Alert.objects.select_for_update().open().filter(closing).order_by("pk"))  # type: ignore[attr-defined]  # open() is of our own query set
    for alert in ended:
        alert.closed_at, alert.closed_because = now, causes[patient_of[alert.plan_id]]
    Alert.objects.bulk_update(ended, ["closed_at", "closed_because"])
    # Nobody else writes for these patients now: their request is locked. The constraint is the guarantee.
    made = Alert.objects.bulk_create(alerts)
    record_many(
        type="alert.raised",
        rows=(
            (a, patient_of[a.plan_id], {"rule": a.rule, "level": a.level, "plan": a.plan_id}) for a in made
        ),
    )
    record_many(
        type="alert.closed",
        rows=((a, patient_of[a.plan_id], {"rule": a.rule, "plan": a.plan_id}) for a in ended),
    )
    again = [row for row in mine if found[row.patient_id].error and row.attempts <= len(BACKOFF)]
    for row in again:
        row.error, row.leased_until = found[row.patient_id].error, now + BACKOFF[row.attempts - 1]
        row.save(update_fields=["error", "leased_until"])
    done = {row.pk for row in mine} - {row.pk for row in again}
    return RecheckRequest.objects.filter(pk__in=done).update(leased_until=None, closed_at=now)


def check(rows: Sequence[RecheckRequest], *, now: datetime, today: date) -> int:
    """Check the patients of claimed requests; how many requests were closed."""
    return _keep(rows, _checked(rows, today), now)


def check_open(
    *,
    clock: Callable[[], datetime] = timezone.now,
    seconds: float = 20,
    batch: int = BATCH,
    progress: Callable[[int], object] = lambda _count: None,
) -> int:
    """Check what is open, batch by batch, for about `seconds`: the next beat goes on. How many requests were closed."""
    until = time.monotonic() + seconds
    closed = 0
    while time.monotonic() < until:
        now = clock()
        rows = claim(now, batch)
        if not rows:
            break
        closed += check(rows, now=now, today=timezone.localdate(now))
        progress(closed)
    return closed


# --- acknowledging ----------------------------------------------------------------------------------------------------


@transaction.atomic
def acknowledge(*, alert: Alert, by: User, reason: str, now: datetime) -> Alert:
    """A physician has seen an alert. A warning needs the reason to go on, which settles it.

    A block stays open whoever has seen it: only facts, stopping the course or a new version close it.
    Raises WatchError when it is closed, was acknowledged by somebody, or lacks its reason.
    """
    current = Alert.objects.select_for_update().select_related("plan").get(pk=alert.pk)
    if current.closed_at is not None:
        raise WatchError("This alert is closed: nothing speaks for it any more.")
    if current.acknowledged_at is not None:
        raise WatchError(f"{current.acknowledged_by} has acknowledged this alert already.")
    reason = reason.strip()
    if len(reason) > 500 or (current.level == Alert.Level.WARN and len(reason) < 3):
        raise WatchError("Write the reason in 3 to 500 characters.")
    current.acknowledged_by, current.acknowledged_at, current.acknowledged_reason = by, now, reason
    current.save(update_fields=["acknowledged_by", "acknowledged_at", "acknowledged_reason"])
    record(
        type="alert.acknowledged", target=current, by=by, patient_id=current.plan.patient_id,
        new={"rule": current.rule, "level": current.level, "plan": current.plan_id}, reason=reason,
    )  # fmt: skip
    return current
