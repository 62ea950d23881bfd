"""What if: flip one fact or wish of a plan, see what the engine would answer, keep it or let it go."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db import transaction

from mesoclinic.accounts.models import User
from mesoclinic.audit.actions import record
from patients.actions import add_fact, update
from patients.models import Patient
from protocols.actions import PlanError, propose_again
from protocols.catalogue import knowledge
from protocols.engine.difference import Difference, difference
from protocols.models import Assessment, TreatmentPlan
from protocols.queries import rechecked

NO, YES = "no", "yes"


class WhatIfFault(Exception):
    """Why a change can't be tried; the text says what to enter."""


@dataclass(frozen=True, slots=True)
class Flip:
    """One thing that can be changed: its name, the choices or the unit, where it stands in the case."""

    code: str
    label: str
    place: str  # patient, preferences, or the name of a coded list
    choices: tuple[tuple[str, str], ...] = ()
    unit: str = ""
    most: int = 0


def _coded(kind: str) -> tuple[tuple[str, str], ...]:
    return tuple((row["code"], row["label"]) for row in knowledge().vocabulary[kind])


def flips(patient: Patient) -> dict[str, Flip]:
    """Everything that can be flipped for a patient, in the order of the page."""
    rows = [
        Flip("modality", "The patient wants", "preferences", (("any", "Any modality"), *_coded("modalities"))),
        Flip("max_downtime_days", "Downtime accepted", "preferences", unit="days", most=60),
        Flip("pain", "Sensitivity to pain", "preferences", unit="of 10", most=10),
        Flip("needle_fear", "Afraid of needles", "preferences", ((YES, "Yes"), (NO, "No"))),
        Flip("max_sessions", "Most visits wanted", "preferences", unit="visits", most=12),
        Flip("phototype", "Phototype", "patient", tuple((str(n), r) for n, r in enumerate(("I", "II", "III", "IV", "V", "VI"), 1))),
        Flip("weight_kg", "Weight", "patient", unit="kg", most=300),
        Flip("smoking_per_day", "Cigarettes a day", "patient", unit="a day", most=100),
        Flip("sunscreen_daily", "Sunscreen every day", "patient", ((YES, "Yes"), (NO, "No"))),
        Flip("conditions", "Also has", "conditions", _coded("conditions")),
        Flip("medications", "Also takes", "medications", _coded("medications")),
        Flip("allergies", "Also allergic to", "allergies", _coded("allergens")),
    ]  # fmt: skip
    if patient.sex == Patient.Sex.FEMALE:
        rows.insert(
            5,
            Flip(
                "pregnancy",
                "Pregnancy",
                "patient",
                tuple((str(v), str(w)) for v, w in Patient.Pregnancy.choices),
            ),
        )
    return {flip.code: flip for flip in rows}


def _value(flip: Flip, text: str) -> Any:
    if flip.choices:
        if text not in dict(flip.choices):
            raise WhatIfFault("Choose one of the list.")
        if {NO, YES} == {code for code, _label in flip.choices}:
            return text == YES
        return int(text) if flip.code == "phototype" else text
    try:
        number = Decimal(text.strip().replace(",", "."))
    except InvalidOperation:
        raise WhatIfFault(f"Enter a number of {flip.unit}.") from None
    if not number.is_finite() or not 0 <= number <= flip.most:
        raise WhatIfFault(f"Enter 0 to {flip.most} {flip.unit}.")
    if flip.code == "weight_kg":
        if number < 20:
            raise WhatIfFault("Enter a weight from 20 kg.")
        return float(number)
    if number != int(number):
        raise WhatIfFault(f"Enter a whole number of {flip.unit}.")
    if flip.code == "max_sessions" and number < 1:
        raise WhatIfFault("Enter at least 1 visit.")
    return int(number)


def changed_case(case: Mapping[str, Any], flip: Flip, text: str) -> dict[str, Any]:
    """The case with one fact or wish changed. Raises WhatIfFault for a value that is none."""
    value = _value(flip, text)
    if flip.place == "preferences":
        return {**case, "preferences": {**case["preferences"], flip.code: value}}
    patient = dict(case["patient"])
    if flip.place == "patient":
        patient[flip.code] = value
        if flip.code == "weight_kg":
            patient.pop("bmi", None)
    else:
        name = "substance" if flip.place == "allergies" else "code"
        patient[flip.place] = [*patient.get(flip.place, []), {name: value}]
    return {**case, "patient": patient}


def what_if(plan: TreatmentPlan, flip: Flip, text: str) -> list[Difference]:
    """What the answer would be with one thing changed, against the plan as it stands. Nothing is stored.

    Raises WhatIfFault, CaseFaults.
    """
    day = date.fromisoformat(plan.case["today"])
    edits = plan.content.get("edits", {})
    before = rechecked(plan.case, edits, day).proposal.to_dict()
    # A chosen alternative stays chosen where it is still possible; typed values belong to the old doses.
    after = rechecked(changed_case(plan.case, flip, text), {"choice": edits.get("choice", {})}, day)
    return difference(before, after.proposal.to_dict(), knowledge())


def _keep_wish(plan: TreatmentPlan, flip: Flip, value: Any, by: User) -> None:
    assessment = Assessment.objects.select_for_update().get(pk=plan.assessment_id)
    old = getattr(assessment, flip.code)
    setattr(assessment, flip.code, value)
    assessment.save()
    record(
        type="assessment.wish-changed", target=assessment, by=by, patient_id=plan.patient_id,
        old={flip.code: old}, new={flip.code: value},
    )  # fmt: skip


@transaction.atomic
def keep(*, plan: TreatmentPlan, code: str, text: str, by: User, today: date) -> TreatmentPlan:
    """Record the changed fact or wish where it belongs, and propose the draft again with it.

    Raises WhatIfFault, PlanError for a signed plan, PatientError, CaseFaults.
    """
    current = (
        TreatmentPlan.objects.select_for_update().select_related("patient", "assessment").get(pk=plan.pk)
    )
    if current.status != TreatmentPlan.Status.DRAFT:
        raise PlanError("This plan is signed. Record the fact in the profile, then re-plan.")
    flip = flips(current.patient).get(code)
    if flip is None:
        raise WhatIfFault("Choose what to change.")
    value = _value(flip, text)
    if flip.place == "preferences":
        _keep_wish(current, flip, value, by)
    elif flip.place == "patient":
        values: dict[str, Any] = {flip.code: Decimal(str(value)) if flip.code == "weight_kg" else value}
        if flip.code == "pregnancy":
            values["pregnancy_asked_on"] = today
        update(patient=current.patient, by=by, version=current.patient.version, what="profile", **values)
    else:
        name = "substance" if flip.place == "allergies" else "code"
        add_fact(patient=current.patient, kind=flip.place, by=by, today=today, **{name: value})
    fresh = TreatmentPlan.objects.select_related("patient", "assessment").get(pk=current.pk)
    return propose_again(plan=fresh, by=by, today=today)
