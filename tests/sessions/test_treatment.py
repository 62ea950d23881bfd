"""The treatment day: what stops a session, what is kept, and that a signature freezes it."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from mesoclinic.audit.models import AuditEvent
from patients.models import Patient
from protocols.models import TreatmentPlan
from sessions.actions import treatment
from sessions.models import Appointment, Lot, SafetyCheck, TreatmentRecord
from sessions.queries.treatment import questions_for, sign_obstacles
from tests.clinic import MADRID, PASSWORD, Clinic

pytestmark = pytest.mark.django_db


@pytest.fixture
def clinic() -> Clinic:
    return Clinic(today=timezone.localdate())


def signed_plan(clinic: Clinic, patient: Patient | None = None) -> TreatmentPlan:
    """A signed plan whose assessment names its concern, as every real one does: the rules of the day read it."""
    plan = clinic.signed_plan(patient)
    plan.assessment.concerns.create(indication="pigment", area="face", grade=2)
    return plan


@pytest.fixture
def record(clinic: Clinic) -> TreatmentRecord:
    plan = signed_plan(clinic)
    appointment = clinic.appointment(
        planned_session=plan.planned_sessions.get(number=1), status=Appointment.Status.ARRIVED
    )
    return treatment.open_record(appointment=appointment, by=clinic.roca, now=timezone.now())


def answer_all(record: TreatmentRecord, clinic: Clinic, **changed: str) -> None:
    """Every question clear, except the ones named with what was found."""
    checks = {code: (SafetyCheck.Answer.CLEAR, "") for code, *_rest in questions_for(record.patient)}
    checks |= {code: (SafetyCheck.Answer.CHANGED, detail) for code, detail in changed.items()}
    treatment.save_record(record=record, data={"checks": checks}, by=clinic.roca, now=timezone.now())


def mix(record: TreatmentRecord, clinic: Clinic) -> None:
    treatment.save_record(
        record=record,
        data={
            "components": {part.pk: {"lot": clinic.lots[part.agent]} for part in record.components.all()},
            "fields": {"pain_score": 3, "reactions": ["redness"]},
        },
        by=clinic.roca,
        now=timezone.now(),
    )


def test_opening_takes_cocktail_areas_and_comfort_from_the_plan(record: TreatmentRecord) -> None:
    assert [(c.agent, c.volume_ml, c.dose_mg) for c in record.components.all()] == [
        ("tranexamic-acid", Decimal("0.16"), Decimal(16)),
        ("saline", Decimal("3.84"), None),
    ]
    area = record.areas.get()
    assert (area.points, area.volume_ml, area.depth_mm) == (80, Decimal("4.0"), Decimal("1.5"))
    assert record.anaesthetic == "ice-vibration"
    record.appointment.refresh_from_db()
    assert record.appointment.status == Appointment.Status.IN_TREATMENT


def test_opening_twice_gives_the_same_record(record: TreatmentRecord, clinic: Clinic) -> None:
    again = treatment.open_record(appointment=record.appointment, by=clinic.amari, now=timezone.now())
    assert again.pk == record.pk


def test_a_patient_who_has_not_arrived_is_not_treated(clinic: Clinic) -> None:
    appointment = clinic.appointment()
    with pytest.raises(treatment.TreatmentError, match="Check the patient in"):
        treatment.open_record(appointment=appointment, by=clinic.roca, now=timezone.now())


def test_pregnancy_today_forbids_the_start_and_names_the_rule(
    record: TreatmentRecord, clinic: Clinic
) -> None:
    answer_all(record, clinic, pregnancy="")
    with pytest.raises(treatment.TreatmentError, match="no session in pregnancy"):
        treatment.start_treatment(record=record, by=clinic.roca, now=timezone.now())
    assert sign_obstacles(record)[0].rule == "R01"


def test_an_unasked_question_forbids_the_start(record: TreatmentRecord, clinic: Clinic) -> None:
    with pytest.raises(treatment.TreatmentError, match="not asked yet"):
        treatment.start_treatment(record=record, by=clinic.roca, now=timezone.now())


def test_a_new_medicine_goes_on_only_with_a_physicians_written_decision(
    record: TreatmentRecord, clinic: Clinic
) -> None:
    answer_all(record, clinic, medicines="Amoxicillin until yesterday; Dr. Amari said go on")
    with pytest.raises(treatment.TreatmentError, match="A physician writes what was decided"):
        treatment.start_treatment(record=record, by=clinic.roca, now=timezone.now())
    key = next(o.key for o in sign_obstacles(record) if o.level == "decide")
    with pytest.raises(treatment.TreatmentError, match="Only a physician"):
        treatment.decide(record=record, key=key, reason="Go on", by=clinic.roca, now=timezone.now())
    treatment.decide(record=record, key=key, reason="No interaction", by=clinic.amari, now=timezone.now())
    assert treatment.start_treatment(record=record, by=clinic.roca, now=timezone.now()).started_at
    assert AuditEvent.objects.get(type="treatment.decided").reason == "No interaction"


def test_starting_notes_that_pregnancy_was_asked_today(record: TreatmentRecord, clinic: Clinic) -> None:
    record.patient.pregnancy_asked_on = clinic.today - timedelta(days=40)
    record.patient.save()
    answer_all(record, clinic)
    treatment.start_treatment(record=record, by=clinic.roca, now=timezone.now())
    record.patient.refresh_from_db()
    assert record.patient.pregnancy_asked_on == timezone.now().astimezone(MADRID).date()


def test_the_dose_follows_the_volume_drawn_and_above_the_limit_it_blocks(
    record: TreatmentRecord, clinic: Clinic
) -> None:
    part = record.components.get(agent="tranexamic-acid")
    treatment.save_record(
        record=record,
        data={"components": {part.pk: {"volume_ml": Decimal("0.5")}}},
        by=clinic.roca,
        now=timezone.now(),
    )
    part.refresh_from_db()
    assert part.dose_mg == Decimal(50)
    block = next(o for o in sign_obstacles(record) if o.rule == "R60")
    assert "50 mg is above 40 mg" in block.text


def test_signing_needs_lots_and_pain_score_and_then_freezes_everything(
    record: TreatmentRecord, clinic: Clinic
) -> None:
    answer_all(record, clinic)
    treatment.start_treatment(record=record, by=clinic.roca, now=timezone.now())
    with pytest.raises(treatment.TreatmentError, match="choose the lot"):
        treatment.sign_record(record=record, by=clinic.amari, now=timezone.now())
    mix(record, clinic)
    signed = treatment.sign_record(record=record, by=clinic.amari, now=timezone.now())
    assert (signed.signed_by, signed.pain_score) == (clinic.amari, 3)
    assert AuditEvent.objects.filter(type="treatment.signed", patient_id=record.patient_id).count() == 1
    for statement in (
        "UPDATE treatment_sessions_treatmentrecord SET pain_score = 1 WHERE id = %s",
        "DELETE FROM treatment_sessions_treatmentrecord WHERE id = %s",
        "UPDATE treatment_sessions_mixedcomponent SET volume_ml = 9 WHERE record_id = %s",
        "DELETE FROM treatment_sessions_safetycheck WHERE record_id = %s",
        "UPDATE treatment_sessions_treatedarea SET points = 1 WHERE record_id = %s",
    ):
        with (
            pytest.raises(IntegrityError, match="signed"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement, [record.pk])


def test_a_correction_is_a_new_version_and_the_signed_one_stays(
    record: TreatmentRecord, clinic: Clinic
) -> None:
    answer_all(record, clinic)
    treatment.start_treatment(record=record, by=clinic.roca, now=timezone.now())
    mix(record, clinic)
    treatment.sign_record(record=record, by=clinic.amari, now=timezone.now())
    new = treatment.correct_record(
        record=record, reason="Pain score was typed for another patient", by=clinic.amari, now=timezone.now()
    )
    assert (new.version, new.supersedes_id, new.signed_at) == (2, record.pk, None)
    assert new.components.count() == 2
    assert new.checks.count() == len(questions_for(record.patient))
    record.refresh_from_db()
    assert record.signed_at is not None


@pytest.mark.parametrize(
    ("status", "days"), [(Lot.Status.IN_STOCK, -1), (Lot.Status.QUARANTINED, 90), (Lot.Status.RECALLED, 90)]
)
def test_the_database_refuses_a_lot_that_must_not_be_given(
    record: TreatmentRecord, clinic: Clinic, status: str, days: int
) -> None:
    bad = Lot.objects.create(
        product=clinic.lots["saline"].product,
        number="BAD",
        expires_on=clinic.today + timedelta(days=days),
        received_ml=Decimal(10),
        status=status,
    )
    part = record.components.get(agent="saline")
    with pytest.raises(IntegrityError, match="expired or not released"), transaction.atomic():
        record.components.filter(pk=part.pk).update(lot=bad)


class TestPage:
    """The same by the page, as nurse and physician use it."""

    def page(self, client: Client, clinic: Clinic, who: str) -> None:
        assert client.login(username=who, password=PASSWORD)

    def posted(self, record: TreatmentRecord, clinic: Clinic) -> dict[str, str]:
        record.refresh_from_db()
        values = {"after-posted": "1", "pain_score": "3", "anaesthetic": "ice-vibration"}
        values |= {"revision": str(record.revision), "page": "a" * 32}
        values |= {f"check-{code}": "clear" for code, *_rest in questions_for(record.patient)}
        for part in record.components.all():
            values[f"component-{part.pk}-lot"] = str(clinic.lots[part.agent].pk)
            values[f"component-{part.pk}-volume_ml"] = str(part.volume_ml)
        for area in record.areas.all():
            values |= {
                f"area-{area.pk}-points": "80",
                f"area-{area.pk}-volume_ml": "4.0",
                f"area-{area.pk}-depth_mm": "1.5",
            }
        return values

    def test_nurse_saves_starts_and_signs(
        self, client: Client, clinic: Clinic, record: TreatmentRecord
    ) -> None:
        self.page(client, clinic, "roca")
        assert client.get(f"/records/{record.pk}/").status_code == 200
        values = self.posted(record, clinic)
        assert client.post(f"/records/{record.pk}/start/", values).status_code == 302
        assert client.post(f"/records/{record.pk}/sign/", values).status_code == 302
        record.refresh_from_db()
        assert record.signed_by == clinic.roca
        assert b"Print aftercare sheet" in client.get(f"/records/{record.pk}/").content

    def test_front_desk_may_not_see_it(self, client: Client, clinic: Clinic, record: TreatmentRecord) -> None:
        self.page(client, clinic, "marta")
        assert client.get(f"/records/{record.pk}/").status_code == 403

    def test_a_record_that_does_not_exist_is_404(self, client: Client, clinic: Clinic) -> None:
        self.page(client, clinic, "roca")
        assert client.get("/records/999999/").status_code == 404

    @pytest.mark.parametrize("volume", ["-1", "NaN", "1e999", "abc", "99"])
    def test_an_impossible_volume_is_told_and_the_rest_is_kept(
        self, client: Client, clinic: Clinic, record: TreatmentRecord, volume: str
    ) -> None:
        self.page(client, clinic, "roca")
        part = record.components.get(agent="saline")
        values = self.posted(record, clinic) | {f"component-{part.pk}-volume_ml": volume}
        response = client.post(f"/records/{record.pk}/", values)
        assert response.status_code == 200
        assert b"mL of saline drawn" in response.content
        record.refresh_from_db()
        assert record.pain_score == 3
        part.refresh_from_db()
        assert part.volume_ml == Decimal("3.84")
