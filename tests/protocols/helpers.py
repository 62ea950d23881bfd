"""Answers as a physician gives them on the assessment page."""

from datetime import date
from typing import Any

from django.test import Client

from patients.models import Patient
from protocols.models import TreatmentPlan
from tests.clinic import PASSWORD

LISTS = ("allergies", "conditions", "medications", "procedures", "labs", "sun", "reactions")

MMASI = {
    f"c0-item_{region}_{what}": value
    for region, (area, dark) in {
        "forehead": (2, 3), "left_malar": (3, 3), "right_malar": (4, 3), "chin": (1, 2)}.items()
    for what, value in (("area", area), ("darkness", dark))
}  # fmt: skip


def answers(patient: Patient, **changes: Any) -> dict[str, Any]:
    """Pigment on the face with mMASI 8.3 and every safety fact asked; `changes` on top, None takes a key out."""
    today = date.today().isoformat()
    known: dict[str, Any] = {
        "version": patient.version,
        "c0-indication": "pigment", "c0-area": "face", "c0-scale": "mmasi", **MMASI, "c0-red_flags": ["none"],
        "c0-goal": "even-tone",
        "facts-phototype": "3", "facts-weight_kg": "61", "facts-height_cm": "168", "facts-pregnancy": "none",
        "facts-smoking_per_day": "0", "facts-sunscreen_daily": "True", "facts-bdd_screen": "negative",
        "facts-systolic": "120", "facts-diastolic": "75", "facts-blood_pressure_on": today,
        "facts-consent_signed_on": today, "facts-baseline_photos_on": today,
        "wish-modality": "any", "wish-goals": "An even face for the wedding",
    }  # fmt: skip
    return {key: value for key, value in (known | changes).items() if value is not None}


def asked(patient: Patient) -> None:
    """Every list was asked for today, and there was nothing."""
    Patient.objects.filter(pk=patient.pk).update(**{f"{name}_asked_on": date.today() for name in LISTS})


def propose(client: Client, patient: Patient, **changes: Any) -> TreatmentPlan:
    """Send the assessment; the draft that came out."""
    response = client.post(f"/patients/{patient.pk}/assess/", answers(patient, **changes))
    assert response.status_code == 302, response.content.decode()[:3000]
    return TreatmentPlan.objects.get(pk=int(response["Location"].rstrip("/").split("/")[-1]))


def give_reasons(client: Client, plan: TreatmentPlan) -> None:
    """Answer every warning."""
    for finding in plan.findings:
        if finding["level"] == "warn":
            client.post(
                f"/plans/{plan.pk}/answer/", {"key": finding["key"], "reason": "Discussed and accepted."}
            )


def sign(client: Client, plan: TreatmentPlan) -> Any:
    """Sign with the password."""
    plan.refresh_from_db()
    return client.post(f"/plans/{plan.pk}/sign/", {"revision": plan.revision, "password": PASSWORD})
