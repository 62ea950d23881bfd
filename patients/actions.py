"""Writes: one function per act, one transaction each, with its audit row. Clinical facts are retracted, never deleted."""

import unicodedata
from datetime import date, datetime
from typing import Any

from django.db import IntegrityError, transaction

from mesoclinic.accounts.models import User
from mesoclinic.audit.actions import record
from patients import vocabulary
from patients.models import (
    Allergy,
    ClinicalFact,
    Condition,
    LabValue,
    Medication,
    Patient,
    Procedure,
    Reaction,
    SunExposure,
)  # fmt: skip
from patients.registry import fact_listeners

#: Kind of fact in addresses and forms -> its model and the field that says when it was asked for.
KINDS: dict[str, tuple[type[ClinicalFact], str]] = {
    "allergies": (Allergy, "allergies_asked_on"),
    "conditions": (Condition, "conditions_asked_on"),
    "medications": (Medication, "medications_asked_on"),
    "procedures": (Procedure, "procedures_asked_on"),
    "labs": (LabValue, "labs_asked_on"),
    "sun": (SunExposure, "sun_asked_on"),
    "reactions": (Reaction, "reactions_asked_on"),
}


#: Kind of fact -> its name in the singular and the list of the vocabulary that has its codes.
WORDS = {
    "allergies": ("Allergy", "allergens"),
    "conditions": ("Condition", "conditions"),
    "medications": ("Medicine", "medications"),
    "procedures": ("Procedure", "procedures"),
    "labs": ("Lab value", "labs"),
    "sun": ("Sun", ""),
    "reactions": ("Reaction", "adverse_events"),
}
#: Fields of a patient that no clinical rule reads.
CONTACT = frozenset(
    {"given_name", "family_name", "phone", "phone_other", "email", "language", "channel", "consent_messages", "note"}
)  # fmt: skip


class PatientError(Exception):
    """Why it can't be done; the text says what to do."""


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value if value is None or isinstance(value, bool | int) else str(value)
        for name, value in values.items()
    }


def _visible(name: str) -> str:
    """A name without what has no width: pasted from a web page, it would hide the patient from every search."""
    return " ".join(
        "".join(c for c in name if unicodedata.category(c) not in {"Cf", "Cc"} or c.isspace()).split()
    )


def _with_visible_names(values: dict[str, Any]) -> dict[str, Any]:
    names = {name: _visible(values[name]) for name in ("given_name", "family_name") if name in values}
    if not all(names.values()):
        raise PatientError("A name needs at least one letter that can be seen.")
    return values | names


def _tell(patient_id: int, cause: str) -> None:
    """Let the apps above know, inside the transaction of the change."""
    for listener in fact_listeners:
        listener(patient_id, cause)


def _named(kind: str, fact: ClinicalFact) -> str:
    """`Allergy, Lidocaine`."""
    word, codes = WORDS[kind]
    return f"{word}, {vocabulary.label(codes, str(fact)) if codes else fact}"


@transaction.atomic
def register(*, by: User, **values: Any) -> Patient:
    """Register a person. `values` are fields of Patient. Raises PatientError for a name without letters."""
    values = _with_visible_names(values)
    patient = Patient.objects.create(created_by=by, **values)
    patient.refresh_from_db()
    record(type="patient.registered", target=patient, by=by, patient_id=patient.pk, new=_plain(values))
    return patient


@transaction.atomic
def update(*, patient: Patient, by: User, version: int, what: str, **values: Any) -> Patient:
    """Change single facts of a patient. Raises PatientError when somebody else changed them since `version`."""
    values = _with_visible_names(values)
    current = Patient.objects.select_for_update().get(pk=patient.pk)
    if current.version != version:
        raise PatientError(
            "Somebody else changed this patient meanwhile. Check what changed, then save again."
        )
    old = {name: getattr(current, name) for name in values}
    changed = {name: value for name, value in values.items() if old[name] != value}
    if changed:
        for name, value in changed.items():
            setattr(current, name, value)
        current.version += 1
        current.save()
        record(
            type=f"patient.{what}", target=current, by=by, patient_id=current.pk,
            old=_plain({name: old[name] for name in changed}), new=_plain(changed),
        )  # fmt: skip
        clinical = [name.replace("_", " ") for name in changed if name not in CONTACT]
        if clinical:
            _tell(current.pk, f"Profile changed: {', '.join(clinical)}")
    return current


@transaction.atomic
def add_fact(*, patient: Patient, kind: str, by: User, today: date, **values: Any) -> ClinicalFact:
    """Record a coded fact. It also answers that the list was asked for today."""
    model, asked = KINDS[kind]
    try:
        with transaction.atomic():
            fact: ClinicalFact = model._default_manager.create(patient=patient, recorded_by=by, **values)  # type: ignore[misc]
    except IntegrityError as error:
        raise PatientError("This stands in the list already.") from error
    Patient.objects.filter(pk=patient.pk).update(**{asked: today})
    record(type=f"{kind}.added", target=fact, by=by, patient_id=patient.pk, new=_plain(values))
    _tell(patient.pk, f"{_named(kind, fact)}: added")
    return fact


@transaction.atomic
def retract_fact(*, fact: ClinicalFact, by: User, now: datetime, reason: str) -> None:
    """Take a wrong fact back. It stays in the record with who, when and why."""
    if not reason.strip():
        raise PatientError("Say why it is wrong.")
    if fact.retracted_at is not None:
        return
    fact.retracted_at, fact.retracted_by, fact.retracted_reason = now, by, reason.strip()[:300]
    fact.save(update_fields=["retracted_at", "retracted_by", "retracted_reason"])
    record(
        type="fact.retracted",
        target=fact,
        by=by,
        patient_id=getattr(fact, "patient_id", None),
        reason=reason.strip()[:300],
    )
    kind = next(name for name, (model, _asked) in KINDS.items() if isinstance(fact, model))
    _tell(fact.patient_id, f"{_named(kind, fact)}: taken back")  # type: ignore[attr-defined]  # the abstract fact names no patient to the checker


@transaction.atomic
def asked_none(*, patient: Patient, kind: str, by: User, today: date) -> None:
    """Asked today, and there is nothing to add: the list is known to be complete."""
    _model, asked = KINDS[kind]
    Patient.objects.filter(pk=patient.pk).update(**{asked: today})
    record(
        type=f"{kind}.asked",
        target=patient,
        by=by,
        patient_id=patient.pk,
        new={"asked_on": today.isoformat()},
    )
    _tell(patient.pk, f"{WORDS[kind][0]}: asked")
