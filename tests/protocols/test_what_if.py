"""Flip one fact or wish of a plan and see what it would change; keep it, or let it go."""

from datetime import date
from typing import Any

import pytest
from django.test import Client

from patients.models import Patient
from protocols.models import TreatmentPlan
from tests.clinic import Clinic
from tests.protocols.helpers import asked, give_reasons, propose, sign

pytestmark = pytest.mark.django_db


@pytest.fixture
def clinic() -> Clinic:
    return Clinic(today=date.today())


@pytest.fixture
def physician(client: Client, clinic: Clinic) -> Client:
    client.force_login(clinic.amari)
    return client


@pytest.fixture
def plan(physician: Client, clinic: Clinic) -> TreatmentPlan:
    asked(clinic.lea)
    clinic.lea.refresh_from_db()
    return propose(physician, clinic.lea)


def try_out(client: Client, plan: TreatmentPlan, what: str, value: str) -> Any:
    return client.get(f"/plans/{plan.pk}/what-if/", {"what": what, "value": value, "try": "1"})


def test_a_pregnancy_would_take_the_course_away_and_nothing_is_stored(
    physician: Client, plan: TreatmentPlan, clinic: Clinic
) -> None:
    before = plan.content
    text = try_out(physician, plan, "pregnancy", "pregnant").content.decode()
    assert "proposed" in text
    assert "declined" in text
    assert "R01" in text
    plan.refresh_from_db()
    clinic.lea.refresh_from_db()
    assert plan.content == before
    assert clinic.lea.pregnancy == "none"


def test_a_thrombosis_would_change_the_cocktail(physician: Client, plan: TreatmentPlan) -> None:
    text = try_out(physician, plan, "conditions", "vte").content.decode()
    assert "CK-PIG-1" in text
    assert "CK-PIG-2" in text


def test_kept_it_stands_in_the_profile_and_the_draft_is_proposed_with_it(
    physician: Client, plan: TreatmentPlan, clinic: Clinic
) -> None:
    assert (
        physician.post(f"/plans/{plan.pk}/what-if/keep/", {"what": "conditions", "value": "vte"}).status_code
        == 302
    )
    assert clinic.lea.conditions.standing().filter(code="vte").exists()
    plan.refresh_from_db()
    assert "CK-PIG-2" in str(plan.content["courses"])
    assert (
        physician.post(
            f"/plans/{plan.pk}/what-if/keep/", {"what": "modality", "value": "microneedling"}
        ).status_code
        == 302
    )
    plan.refresh_from_db()
    plan.assessment.refresh_from_db()
    assert plan.assessment.modality == "microneedling"
    assert plan.content["courses"][0]["sessions"][0]["parts"][0]["modality"] == "microneedling"


@pytest.mark.parametrize(
    ("what", "value"),
    [("pain", "11"), ("pain", "much"), ("weight_kg", "²"), ("weight_kg", "5"), ("max_sessions", "0"), ("pain", "2.5"),
     ("conditions", "moon"), ("phototype", "9"), ("max_downtime_days", "NaN"), ("max_downtime_days", "Infinity")],
)  # fmt: skip
def test_a_value_that_is_none_is_told(physician: Client, plan: TreatmentPlan, what: str, value: str) -> None:
    response = try_out(physician, plan, what, value)
    assert response.status_code == 422
    assert "field-error" in response.content.decode()
    assert (
        physician.post(f"/plans/{plan.pk}/what-if/keep/", {"what": what, "value": value}).status_code == 422
    )


def test_a_signed_plan_is_only_looked_at(physician: Client, plan: TreatmentPlan, clinic: Clinic) -> None:
    give_reasons(physician, plan)
    assert sign(physician, plan).status_code == 302
    assert "Keep and propose again" not in try_out(physician, plan, "pain", "9").content.decode()
    response = physician.post(f"/plans/{plan.pk}/what-if/keep/", {"what": "smoking_per_day", "value": "20"})
    assert response.status_code == 422
    assert Patient.objects.get(pk=clinic.lea.pk).smoking_per_day == 0


def test_the_front_desk_asks_no_such_questions(client: Client, plan: TreatmentPlan, clinic: Clinic) -> None:
    client.force_login(clinic.marta)
    assert client.get(f"/plans/{plan.pk}/what-if/").status_code == 403
