"""Writes of the treatment day: open, save, decide, start, sign, correct. One transaction each, audited."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Model
from django.utils.translation import gettext as _

from mesoclinic.accounts.models import User
from mesoclinic.accounts.permissions import Permission, has_permission
from mesoclinic.audit.actions import record as audit
from patients.actions import update as update_patient
from patients.models import Patient
from protocols.queries_watch import ON_HOLD, open_blocks
from protocols.watch import request_recheck
from sessions.models import (
    Appointment,
    DayDecision,
    Lot,
    MixedComponent,
    SafetyCheck,
    TreatedArea,
    TreatmentRecord,
)
from sessions.queries.limits import dose_of, planned_doses
from sessions.queries.obstacles import Obstacle
from sessions.queries.treatment import (
    location_day,
    planned_anaesthetic,
    sign_obstacles,
    start_obstacles,
    unusable,
)
from sessions.waiting.act import hand_over


class TreatmentError(Exception):
    """The act is not possible now; the text tells the user what to do next."""


class Signed(TreatmentError):
    """Somebody signed the record meanwhile."""


class Stale(TreatmentError):
    """Another page saved the record since this one was loaded: nothing was saved."""


class LotRefused(TreatmentError):
    """All was saved but these lots, by the place of the field (`component-<pk>`, `anaesthetic_lot`)."""

    def __init__(self, rows: Mapping[str, str]) -> None:
        self.rows = dict(rows)
        super().__init__(" ".join(self.rows.values()))


def _broken(error: IntegrityError) -> str:
    """The constraint or trigger that refused a write."""
    return str(getattr(getattr(error.__cause__, "diag", None), "constraint_name", "") or "")


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
        record.anaesthetic_grams = anaesthetic.get("amount")
        record.anaesthetic_on = hand_over(locked)
        record.save(update_fields=["anaesthetic", "anaesthetic_grams", "anaesthetic_on"])
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


def signed_words(record: TreatmentRecord) -> str:
    """Who signed a record, and when on the location's wall clock."""
    assert record.signed_at is not None
    at = record.signed_at.astimezone(record.appointment.location.zone)
    return _("%(name)s signed this record on %(day)s at %(time)s. Correct it as a new version.") % {
        "name": record.signed_by, "day": f"{at:%d.%m.%Y}", "time": f"{at:%H:%M}"
    }  # fmt: skip


def _locked_open(record: TreatmentRecord) -> TreatmentRecord:
    # Few joins on purpose: the plan carries large documents, and the rest is read by key where it is needed.
    locked = (
        TreatmentRecord.objects.select_for_update(of=("self",))
        .select_related("appointment__location", "patient")
        .get(pk=record.pk)
    )
    if locked.signed_at is not None:
        raise Signed(signed_words(locked))
    return locked


def _plain(value: Any) -> Any:
    """A value for the audit trail."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, list):
        return [str(item) for item in value]
    return format(value.normalize(), "f") if isinstance(value, Decimal) else str(value)


class _Changes:
    """What a save really changes: old and new by name, and the lots that were refused."""

    def __init__(self) -> None:
        self.old: dict[str, Any] = {}
        self.new: dict[str, Any] = {}
        self.refused: dict[str, str] = {}

    def note(self, name: str, old: Any, new: Any) -> None:
        self.old[name], self.new[name] = _plain(old), _plain(new)

    def put(self, row: Model, values: Mapping[str, Any], name: str) -> None:
        """Write only the fields that differ, and note them."""
        fields = [field for field, value in values.items() if getattr(row, field) != value]
        for field in fields:
            self.note(f"{name}{field}", getattr(row, field), values[field])
            setattr(row, field, values[field])
        if fields:
            row.save(update_fields=fields)

    def put_lot(self, row: Model, field: str, lot: Lot | None, place: str, name: str, on: date) -> None:
        """Write a changed lot; one that must not be given (any more) is refused alone, with words for its row."""
        before = getattr(row, field)
        if before == lot:
            return
        try:
            with transaction.atomic():
                setattr(row, field, lot)
                row.save(update_fields=[field])
        except IntegrityError as error:
            setattr(row, field, before)
            if _broken(error) != "lot_usable" or lot is None:
                raise TreatmentError(_("The lot could not be saved. Load the page again.")) from error
            lot.refresh_from_db()
            state = unusable(lot, on) or _("not usable")
            text = _("Lot %(lot)s is %(state)s and was not saved. Choose another lot.")
            self.refused[place] = text % {"lot": lot.number, "state": state}
        else:
            self.note(name, before and before.number, lot and lot.number)


def save_record(
    *,
    record: TreatmentRecord,
    data: dict[str, Any],
    by: User,
    now: datetime,
    revision: int | None = None,
    page: str = "",
) -> TreatmentRecord:
    """Save what was entered so far: checks, fields, components by pk, areas by pk. Values are already validated.

    `data`: {"checks": {question: (answer, detail)}, "fields": {...}, "components": {pk: {...}}, "areas": {pk: {...}}}.
    Only what differs is written, and all of it goes to the audit trail with old and new. A dose follows its drawn
    volume at the planned strength. `revision` is the one that the page was drawn from, `page` names that page: its
    own late request is no conflict.

    Raises Signed, Stale (nothing saved), and LotRefused after saving everything else.
    """
    with transaction.atomic():
        locked = _locked_open(record)
        if revision is not None and locked.revision != revision and not (page and locked.saved_from == page):
            raise Stale(stale_words(locked))
        changes = _Changes()
        _write(locked, data, by, changes)
        if changes.new:
            locked.revision += 1
            locked.saved_from, locked.saved_by, locked.saved_at = page[:32], by, now
            locked.save(update_fields=["revision", "saved_from", "saved_by", "saved_at"])
            audit(
                type="treatment.saved", target=locked, by=by, patient_id=locked.patient_id, old=changes.old,
                new=changes.new,
            )  # fmt: skip
    if changes.refused:
        raise LotRefused(changes.refused)
    return locked


def stale_words(record: TreatmentRecord) -> str:
    """Who changed a record since a page was loaded."""
    if record.saved_at is None:
        return _("This record was changed in another window. Nothing of this page was saved.")
    at = record.saved_at.astimezone(record.appointment.location.zone)
    return _(
        "%(name)s changed this record in another window at %(time)s. Nothing was saved since; what you typed is "
        "still on this page."
    ) % {"name": record.saved_by, "time": f"{at:%H:%M}"}


def _write(locked: TreatmentRecord, data: dict[str, Any], by: User, changes: _Changes) -> None:
    on = locked.day
    asked = {check.question: check for check in locked.checks.all()}
    for question, (answer, detail) in data.get("checks", {}).items():
        current = asked.get(question)
        if current is None or (current.answer, current.detail) != (answer, detail):
            SafetyCheck.objects.update_or_create(
                record=locked, question=question, defaults={"answer": answer, "detail": detail, "by": by}
            )
            old = f"{current.answer}: {current.detail}".rstrip(": ") if current is not None else None
            changes.note(f"check.{question}", old, f"{answer}: {detail}".rstrip(": "))
    fields = dict(data.get("fields", {}))
    if "anaesthetic_lot" in fields:
        lot = fields.pop("anaesthetic_lot")
        changes.put_lot(locked, "anaesthetic_lot", lot, "anaesthetic_lot", "anaesthetic_lot", on)
    changes.put(locked, fields, "")
    planned = planned_doses(locked)
    components = {part.pk: part for part in locked.components.select_related("lot")}
    for pk, values in data.get("components", {}).items():
        component = components[pk]
        name = f"{component.concern} {component.agent} "
        volume = values.get("volume_ml", component.volume_ml)
        changes.put(component, {"volume_ml": volume, "dose_mg": dose_of(component, volume, planned)}, name)
        if "lot" in values:
            changes.put_lot(component, "lot", values["lot"], f"component-{pk}", f"{name}lot", on)
    areas = {area.pk: area for area in locked.areas.all()}
    for pk, values in data.get("areas", {}).items():
        changes.put(areas[pk], values, f"{areas[pk].concern} ")


@transaction.atomic
def decide(*, record: TreatmentRecord, key: str, reason: str, by: User, now: datetime) -> DayDecision:
    """A physician writes why the session goes on despite something found on the day. Blocks take no decision."""
    if not has_permission(by, Permission.PLAN_SIGN):
        raise TreatmentError(_("Only a physician decides on this. Call the physician."))
    locked = _locked_open(record)
    today = location_day(locked, now)
    found = next((o for o in start_obstacles(locked, today) if o.level == "decide" and o.key == key), None)
    if found is None:
        raise TreatmentError(_("This is no longer open. Look at the record as it is now."))
    reason = " ".join(reason.replace("\x00", "").split())
    if not 3 <= len(reason) <= 500:
        raise TreatmentError(_("Write the decision in 3 to 500 characters."))
    decision, _new = DayDecision.objects.update_or_create(
        record=locked, key=key,
        defaults={"rule": found.rule, "found": found.text[:1000], "reason": reason, "by": by, "at": now},
    )  # fmt: skip
    audit(
        type="treatment.decided", target=locked, by=by, patient_id=locked.patient_id,
        new={"rule": found.rule, "found": found.text}, reason=reason,
    )  # fmt: skip
    return decision


def _refuse(obstacles: list[Obstacle]) -> None:
    if obstacles:
        raise TreatmentError(obstacles[0].said)


@transaction.atomic
def start_treatment(*, record: TreatmentRecord, by: User, now: datetime) -> TreatmentRecord:
    """The first needle. Refused while a check is missing, or today's answers, facts or limits forbid the session."""
    locked = _locked_open(record)
    # The patient's row is locked so that no new fact slips in between the rules and the needle.
    patient = Patient.objects.select_for_update().get(pk=locked.patient_id)
    today = location_day(locked, now)
    _refuse(start_obstacles(locked, today))
    planned = locked.appointment.planned_session
    if planned is not None and open_blocks([planned.plan_id]):
        raise TreatmentError(f"{ON_HOLD}.")
    if locked.started_at is None:
        locked.started_at = now
        locked.save(update_fields=["started_at"])
        if locked.checks.filter(question="pregnancy").exists():
            facts: dict[str, Any] = {"pregnancy_asked_on": today}
            if patient.pregnancy in {Patient.Pregnancy.NONE, Patient.Pregnancy.UNKNOWN}:
                facts["pregnancy"] = Patient.Pregnancy.NONE.value
            update_patient(patient=patient, by=by, version=patient.version, what="profile", **facts)
        audit(type="treatment.started", target=locked, by=by, patient_id=locked.patient_id)
    return locked


@transaction.atomic
def sign_record(*, record: TreatmentRecord, by: User, now: datetime) -> TreatmentRecord:
    """End and sign: the record is frozen and the appointment done. Refused while anything is missing or blocked."""
    locked = _locked_open(record)
    Patient.objects.select_for_update().get(pk=locked.patient_id)
    _refuse(sign_obstacles(locked, location_day(locked, now)))
    locked.ended_at = locked.ended_at or now
    locked.signed_at = now
    locked.signed_by = by
    locked.save(update_fields=["ended_at", "signed_at", "signed_by"])
    appointment = Appointment.objects.select_for_update().get(pk=locked.appointment_id)
    if appointment.status != Appointment.Status.DONE:
        appointment.status = Appointment.Status.DONE
        appointment.version += 1
        appointment.save(update_fields=["status", "version"])
    if appointment.planned_session is not None:
        plan = appointment.planned_session.plan
        if plan.status == plan.Status.SIGNED:
            type(plan).objects.filter(pk=plan.pk).update(status=plan.Status.ACTIVE)
    request_recheck(patient_id=locked.patient_id, cause="Treatment record signed")
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
    rows: list[SafetyCheck | DayDecision | TreatedArea | MixedComponent] = [
        *old.checks.all(),
        *old.decisions.all(),
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
    new.saved_from, new.saved_by, new.saved_at = "", None, None
    new._state.adding = True
    try:
        with transaction.atomic():
            new.save()
            for row in rows:
                row.pk = None
                row._state.adding = True
                row.record = new
                asked_at = row.at if isinstance(row, SafetyCheck) else None
                row.save()
                if asked_at is not None:
                    # When it was asked, not when it was copied.
                    SafetyCheck.objects.filter(pk=row.pk).update(at=asked_at)
    except IntegrityError as error:
        raise TreatmentError(
            _("The correction could not be opened. Load the record again, then try once more.")
        ) from error
    audit(
        type="treatment.corrected", target=new, by=by, patient_id=new.patient_id, reason=new.correction_reason
    )
    return new
