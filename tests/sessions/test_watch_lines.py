"""What the sessions app tells the standing watch, and where it asks."""

import uuid
from datetime import date, timedelta
from typing import Any

import pytest
from celery.signals import task_postrun, task_prerun
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from patients.models import Patient
from protocols import queries_watch, watch
from protocols.models import Alert, RecheckRequest, TreatmentPlan
from protocols.queries import case_of
from sessions.actions import booking, treatment
from sessions.models import Appointment, MixedComponent, TreatedArea, TreatmentRecord
from sessions.queries.booking import options_for
from sessions.scheduling import Preferences
from tests.clinic import Clinic
from tests.protocols.test_watch import main, set_facts, signed_plan

pytestmark = pytest.mark.django_db
TODAY = date.today()


@pytest.fixture
def clinic() -> Clinic:
    return Clinic(today=TODAY)


@pytest.fixture
def plan(client: Client, clinic: Clinic) -> TreatmentPlan:
    client.force_login(clinic.amari)
    return signed_plan(client, clinic.lea)


def treated(clinic: Clinic, plan: TreatmentPlan, number: int = 1, hour: int = 9) -> TreatmentRecord:
    """A session of a plan done today as planned, with its record signed."""
    planned = plan.planned_sessions.get(number=number)
    visit = clinic.appointment(
        patient=plan.patient, planned_session=planned, starts_at=clinic.at(hour), status="done"
    )
    record = TreatmentRecord.objects.create(appointment=visit, patient=plan.patient, operator=clinic.roca)
    for part in planned.content["parts"]:
        TreatedArea.objects.create(record=record, concern=part["concern"], area=part["concern"].split("/")[1],
                                   modality=part["modality"], cocktail=part["cocktail"], volume_ml=part["volume_ml"])  # fmt: skip
        for row in part["components"]:
            MixedComponent.objects.create(record=record, concern=part["concern"], cocktail=part["cocktail"],
                                          agent=row["agent"], volume_ml=row["volume_ml"], dose_mg=row["dose_mg"])  # fmt: skip
    now = timezone.now()
    record.started_at = record.ended_at = record.signed_at = now
    record.signed_by = clinic.roca
    record.save()
    return record


def run() -> int:
    return watch.check_open()


def test_a_course_under_way_raises_nothing_by_itself(clinic: Clinic, plan: TreatmentPlan) -> None:
    treated(clinic, plan)
    watch.request_all(cause="A new day")
    run()
    assert list(Alert.objects.values_list("message", flat=True)) == []


def test_what_was_given_in_a_batch_is_what_was_given_one_by_one(clinic: Clinic, plan: TreatmentPlan) -> None:
    treated(clinic, plan)
    together = queries_watch.cases_of(queries_watch.live_plans([plan.patient_id]), TODAY)
    assert together[plan.pk] == case_of(TreatmentPlan.objects.get(pk=plan.pk).assessment, TODAY)
    assert together[plan.pk]["patient"]["given"]


def test_a_batch_costs_the_same_with_treatments_too(client: Client, clinic: Clinic) -> None:
    client.force_login(clinic.amari)
    people: list[Patient] = [clinic.patient("Eva", f"N{n}") for n in range(4)]
    for n, patient in enumerate(people):
        treated(clinic, signed_plan(client, patient), hour=9 + n)

    def cost(count: int) -> int:
        RecheckRequest.objects.all().delete()
        for patient in people[:count]:
            watch.request_recheck(patient_id=patient.pk, cause="Test")
        rows = watch.claim(timezone.now())
        assert len(rows) == count
        # As in a task: the published knowledge is looked up once, not for every treated area.
        task_prerun.send(sender=None)
        with CaptureQueriesContext(connection) as queries:
            watch.check(rows, now=timezone.now(), today=TODAY)
        task_postrun.send(sender=None)
        return len(queries)

    assert cost(2) == cost(4) <= 24


def test_a_signed_record_asks_for_a_check(clinic: Clinic, plan: TreatmentPlan, monkeypatch: Any) -> None:
    planned = plan.planned_sessions.get(number=1)
    visit = clinic.appointment(planned_session=planned, status="arrived")
    record = treatment.open_record(appointment=visit, by=clinic.roca, now=timezone.now())
    monkeypatch.setattr(treatment, "sign_obstacles", lambda *_rest: [])
    monkeypatch.setattr(treatment, "start_obstacles", lambda *_rest: [])
    treatment.start_treatment(record=record, by=clinic.roca, now=timezone.now())
    RecheckRequest.objects.all().delete()
    treatment.sign_record(record=record, by=clinic.roca, now=timezone.now())
    assert RecheckRequest.objects.get().cause == "Treatment record signed"


def test_a_course_with_an_open_block_is_neither_booked_nor_started(
    clinic: Clinic, plan: TreatmentPlan, monkeypatch: Any
) -> None:
    now = timezone.now()
    _planned, options = options_for(plan, clinic.location, Preferences(), now=now + timedelta(hours=1))
    visit = clinic.appointment(planned_session=plan.planned_sessions.get(number=1), status="arrived")
    record = treatment.open_record(appointment=visit, by=clinic.roca, now=now)
    set_facts(clinic, clinic.lea, pregnancy="pregnant")
    run()
    monkeypatch.setattr(treatment, "start_obstacles", lambda *_rest: [])
    with pytest.raises(treatment.TreatmentError, match="Physician must look"):
        treatment.start_treatment(record=record, by=clinic.roca, now=now)
    Appointment.objects.filter(pk=visit.pk).update(planned_session=None)
    with pytest.raises(booking.BookingError, match="Physician must look"):
        booking.book_course(plan=plan, location=clinic.location, slots=options[0].slots, key=uuid.uuid4(),
                            by=clinic.marta, now=now)  # fmt: skip


def test_visits_on_hold_are_the_coming_ones_of_the_plan(
    client: Client, clinic: Clinic, plan: TreatmentPlan
) -> None:
    soon = clinic.at(10, day=TODAY + timedelta(days=2))
    visit = clinic.appointment(planned_session=plan.planned_sessions.get(number=1), starts_at=soon)
    set_facts(clinic, clinic.lea, pregnancy="pregnant")
    run()
    client.force_login(clinic.marta)
    text = main(client, "/visits-on-hold/")
    assert f"/appointments/{visit.pk}/" in text
    assert "Madrid, Room 2" in text
    visit.status = "cancelled"
    visit.save()
    assert "No visit is on hold" in main(client, "/visits-on-hold/")
