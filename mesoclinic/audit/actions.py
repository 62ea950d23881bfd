"""The one door to the audit trail. Called inside the transaction of the act it records."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Model

from mesoclinic.accounts.models import User
from mesoclinic.audit.models import AccessEvent, AuditEvent
from mesoclinic.statements import insert


@dataclass(frozen=True, slots=True)
class Outsider:
    """Somebody without an account who acts all the same, by the name the trail gives them."""

    full_name: str
    pk: None = None


#: The patient who answers by the link of a message: who held the phone, nobody knows.
PATIENT_BY_LINK = Outsider("Patient, by link")


def event(
    *,
    type: str,
    target: Model,
    by: User | Outsider | None,
    patient_id: int | None = None,
    old: dict[str, Any] | None = None,
    new: dict[str, Any] | None = None,
    reason: str = "",
) -> AuditEvent:
    """The row of `record`, not stored: for an act that writes all its rows in one query."""
    return AuditEvent(
        actor_id=by.pk if by else None,
        actor_name=by.full_name if by else "mesoclinic",
        type=type,
        target_type=target._meta.label,
        target_id="" if target.pk is None else str(target.pk),
        target_label=str(target)[:200],
        patient_id=patient_id,
        old=old or {},
        new=new or {},
        reason=reason,
    )


def record(
    *,
    type: str,
    target: Model,
    by: User | Outsider | None,
    patient_id: int | None = None,
    old: dict[str, Any] | None = None,
    new: dict[str, Any] | None = None,
    reason: str = "",
) -> AuditEvent:
    """Write one audit row. `type` is a dotted code such as `plan.signed`; `by=None` means the system."""
    [made] = insert(
        [event(type=type, target=target, by=by, patient_id=patient_id, old=old, new=new, reason=reason)]
    )
    return made


def record_many(*, type: str, rows: Iterable[tuple[Model, int | None, dict[str, Any]]]) -> None:
    """The same act of the system on many targets, in one query: (target, patient, new values)."""
    AuditEvent.objects.bulk_create(
        event(type=type, target=target, by=None, patient_id=patient, new=new) for target, patient, new in rows
    )


def record_access(*, by: User, patient_id: int, what: str, why: str = "") -> AccessEvent:
    """Note that `by` opened a patient's chart or a part of it."""
    return AccessEvent.objects.create(
        actor_id=by.pk, actor_name=by.full_name, patient_id=patient_id, what=what, why=why
    )
