"""Writes of the treatment day: open, save, start, sign, correct. One transaction each, audited."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from mesoclinic.accounts.models import User
from mesoclinic.audit.actions import record as audit
from patients.models import Patient
from sessions.models import (
    Appointment,
    MixedComponent,
    SafetyCheck,
    TreatedArea,
    TreatmentRecord,
)
from sessions.queries.treatment import check_obstacles, planned_anaesthetic, sign_obstacles


class TreatmentError(Exception):
    """The act is not possible now; the text tells the user what to do next."""


#: Fields of the record itself that a save may carry.
RECORD_FIELDS = (
    "anaesthetic",
    "anaesthetic_grams",
    "anaesthetic_lot",
    "anaesthetic_on",
    "anaesthetic_off",
    "pain_score",
    "reactions",
    "reaction_note",
    "watched_min",
    "note",
)


@transaction.atomic
def open_record(*, appointment: Appointment, by: User, now: datetime) -> TreatmentRecord:
    """Begin the record of an arrived patient's session, filled with what the plan says.

    Opening twice returns the same record. Raises TreatmentError when the patient has not arrived.
    """
    locked = Appointment.objects.select_for_update().get(pk=appointment.pk)
    existing = locked.records.order_by("-version").first()
    if existing is not None:
        return existing
    if locked.status not in {Appointment.Status.ARRIVED, Appointment.Status.IN_TREATMENT}:
        raise TreatmentError(_("Check the patient in first, then open the treatment."))
    record = TreatmentRecord.objects.create(
        appointment=locked, patient_id=locked.patient_id, operator=by, opened_at=now
    )
    planned = locked.planned_session
    if planned is not None:
        anaesthetic = planned_anaesthetic(record)
        record.anaesthetic = anaesthetic.get("product") or "none"
        grams = anaesthetic.get("grams")
        record.anaesthetic_grams = Decimal(str(grams)) if grams else None
        record.save(update_fields=["anaesthetic", "anaesthetic_grams"])
        for part in planned.content.get("parts", []):
            TreatedArea.objects.create(
                record=record,
                concern=part["concern"],
                area=part["concern"].split("/")[1],
                modality=part["modality"],
                technique=part.get("technique") or "",
                cocktail=part["cocktail"],
                points=part.get("points"),
                volume_ml=Decimal(str(part.get("volume_ml") or 0)),
                depth_mm=Decimal(str(part["depth_mm"])) if part.get("depth_mm") is not None else None,
            )
            MixedComponent.objects.bulk_create(
                MixedComponent(
                    record=record,
                    concern=part["concern"],
                    cocktail=part["cocktail"],
                    agent=component["agent"],
                    volume_ml=Decimal(str(component.get("volume_ml") or 0)),
                    dose_mg=Decimal(str(component["dose_mg"]))
                    if component.get("dose_mg") is not None
                    else None,
                )
                for component in part.get("components", [])
            )
    locked.status = Appointment.Status.IN_TREATMENT
    locked.version += 1
    locked.save(update_fields=["status", "version"])
    audit(type="treatment.opened", target=record, by=by, patient_id=record.patient_id)
    return record


def _locked_open(record: TreatmentRecord) -> TreatmentRecord:
    locked = (
        TreatmentRecord.objects.select_for_update().select_related("appointment", "patient").get(pk=record.pk)
    )
    if locked.signed_at is not None:
        raise TreatmentError(_("This record is signed. Correct it as a new version."))
    return locked


@transaction.atomic
def save_record(*, record: TreatmentRecord, data: dict[str, Any], by: User, now: datetime) -> TreatmentRecord:
    """Save what was entered so far: checks, fields, components by pk, areas by pk. Values are already validated.

    `data`: {"checks": {question: (answer, detail)}, "fields": {...}, "components": {pk: {...}}, "areas": {pk: {...}}}.
    A dose follows its drawn volume in proportion. Raises TreatmentError on a signed record.
    """
    locked = _locked_open(record)
    for question, (answer, detail) in data.get("checks", {}).items():
        current = locked.checks.filter(question=question).first()
        if current is None or (current.answer, current.detail) != (answer, detail):
            SafetyCheck.objects.update_or_create(
                record=locked, question=question, defaults={"answer": answer, "detail": detail, "by": by}
            )
    for name, value in data.get("fields", {}).items():
        setattr(locked, name, value)
    for pk, values in data.get("components", {}).items():
        component = locked.components.get(pk=pk)
        volume = values.get("volume_ml", component.volume_ml)
        if component.dose_mg is not None and component.volume_ml and volume != component.volume_ml:
            component.dose_mg = component.dose_mg * volume / component.volume_ml
        component.volume_ml = volume
        component.lot = values.get("lot", component.lot)
        component.save()
    for pk, values in data.get("areas", {}).items():
        area = locked.areas.get(pk=pk)
        for name, value in values.items():
            setattr(area, name, value)
        area.save()
    locked.revision += 1
    locked.save()
    return locked


@transaction.atomic
def start_treatment(*, record: TreatmentRecord, by: User, now: datetime) -> TreatmentRecord:
    """The first needle. Refused while a check is missing or forbids the session (R01-R04, R07)."""
    locked = _locked_open(record)
    obstacles = check_obstacles(locked)
    if obstacles:
        raise TreatmentError(obstacles[0].text)
    if locked.started_at is None:
        locked.started_at = now
        locked.save(update_fields=["started_at"])
        pregnancy = locked.checks.filter(question="pregnancy").first()
        if pregnancy is not None:
            patient = Patient.objects.select_for_update().get(pk=locked.patient_id)
            if patient.pregnancy in {Patient.Pregnancy.NONE, Patient.Pregnancy.UNKNOWN}:
                patient.pregnancy = Patient.Pregnancy.NONE
                patient.pregnancy_asked_on = now.date()
                patient.save(update_fields=["pregnancy", "pregnancy_asked_on"])
        audit(type="treatment.started", target=locked, by=by, patient_id=locked.patient_id)
    return locked


@transaction.atomic
def sign_record(*, record: TreatmentRecord, by: User, now: datetime) -> TreatmentRecord:
    """End and sign: the record is frozen and the appointment done. Refused while anything is missing or blocked."""
    locked = _locked_open(record)
    obstacles = sign_obstacles(locked)
    if obstacles:
        raise TreatmentError(obstacles[0].text)
    locked.ended_at = locked.ended_at or now
    locked.signed_at = now
    locked.signed_by = by
    locked.save()
    appointment = Appointment.objects.select_for_update().get(pk=locked.appointment_id)
    if appointment.status != Appointment.Status.DONE:
        appointment.status = Appointment.Status.DONE
        appointment.version += 1
        appointment.save(update_fields=["status", "version"])
    if appointment.planned_session is not None:
        plan = appointment.planned_session.plan
        if plan.status == plan.Status.SIGNED:
            type(plan).objects.filter(pk=plan.pk).update(status=plan.Status.ACTIVE)
    audit(type="treatment.signed", target=locked, by=by, patient_id=locked.patient_id)
    return locked


@transaction.atomic
def correct_record(*, record: TreatmentRecord, reason: str, by: User, now: datetime) -> TreatmentRecord:
    """Open a new version of a signed record; the signed one stays as it is. The reason is required."""
    if not reason.strip():
        raise TreatmentError(_("Write why the record is corrected."))
    old = TreatmentRecord.objects.select_for_update().get(pk=record.pk)
    if old.signed_at is None:
        raise TreatmentError(_("Only a signed record is corrected; this one can still be edited."))
    if old.successors.exists():
        raise TreatmentError(_("This record already has a newer version."))
    new = TreatmentRecord.objects.get(pk=old.pk)
    rows: list[SafetyCheck | TreatedArea | MixedComponent] = [
        *old.checks.all(),
        *old.areas.all(),
        *old.components.all(),
    ]
    new.pk = None
    new.version = old.version + 1
    new.supersedes = old
    new.correction_reason = reason.strip()[:300]
    new.signed_at = None
    new.signed_by = None
    new.opened_at = now
    new.revision = 1
    new._state.adding = True
    new.save()
    for row in rows:
        row.pk = None
        row._state.adding = True
        row.record = new
        row.save()
    audit(
        type="treatment.corrected", target=new, by=by, patient_id=new.patient_id, reason=new.correction_reason
    )
    return new
