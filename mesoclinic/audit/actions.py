"""The one door to the audit trail. Called inside the transaction of the act it records."""

from typing import Any

from django.db.models import Model

from mesoclinic.accounts.models import User
from mesoclinic.audit.models import AccessEvent, AuditEvent


def record(
    *,
    type: str,
    target: Model,
    by: User | None,
    patient_id: int | None = None,
    old: dict[str, Any] | None = None,
    new: dict[str, Any] | None = None,
    reason: str = "",
) -> AuditEvent:
    """Write one audit row. `type` is a dotted code such as `plan.signed`; `by=None` means the system."""
    return AuditEvent.objects.create(
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


def record_access(*, by: User, patient_id: int, what: str, why: str = "") -> AccessEvent:
    """Note that `by` opened a patient's chart or a part of it."""
    return AccessEvent.objects.create(
        actor_id=by.pk, actor_name=by.full_name, patient_id=patient_id, what=what, why=why
    )
