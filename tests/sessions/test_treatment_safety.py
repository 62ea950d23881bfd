"""What the treatment day must never let pass: doses, facts that changed, corrections, two tablets, and the audit."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from mesoclinic.audit.models import AuditEvent
from patients.models import Allergy, Condition, Medication
from protocols.engine.effects import Finding
from protocols.models import Assessment, FindingAnswer, PlannedSession, TreatmentPlan
from protocols.queries import finding_key
from sessions.actions import treatment
from sessions.models import Appointment, Lot, Product, SafetyCheck, TreatmentRecord
from sessions.queries import treatment as queries
from sessions.queries.obstacles import Obstacle
from sessions.queries.treatment import questions_for
from tests.clinic import MADRID, PASSWORD, SESSION, Clinic
from tests.sessions.test_treatment import answer_all, mix

pytestmark = pytest.mark.django_db


@pytest.fixture
def clinic() -> Clinic:
    return Clinic(today=timezone.now().astimezone(MADRID).date())


def plan_of(
    clinic: Clinic, *parts: dict[str, Any], anaesthetic: dict[str, Any] | None = None, answered: str = ""
) -> TreatmentPlan:
    """A signed plan of one session with these parts (pigment on the face without), perhaps with one warning answered."""
    content = SESSION | {
        "parts": list(parts) or SESSION["parts"],
        "anaesthetic": anaesthetic or SESSION["anaesthetic"],
    }
    assessment = Assessment.objects.create(patient=clinic.lea, author=clinic.amari, assessed_on=clinic.today)
    for part in content["parts"]:
        indication, area = part["concern"].split("/")
        assessment.concerns.create(indication=indication, area=area, grade=2)
    plan = TreatmentPlan.objects.create(
        patient=clinic.lea, assessment=assessment, case={}, proposal={}, content={"courses": []},
        knowledge_version="1", knowledge_sha256="0" * 64, created_by=clinic.amari,
    )  # fmt: skip
    PlannedSession.objects.create(
        plan=plan, number=1, earliest_days=0, target_days=0, latest_days=30, not_before=clinic.today,
        duration_min=30, needs=["injection"], summary="As laid out", volume_ml=Decimal(4), content=content,
    )  # fmt: skip
    if answered:
        FindingAnswer.objects.create(
            plan=plan, finding_key=answered, rule="R70", reason="She promised to", by=clinic.amari
        )
    plan.status, plan.signed_by, plan.signed_at = TreatmentPlan.Status.SIGNED, clinic.amari, clinic.at(9)
    plan.save()
    return plan


def opened(
    clinic: Clinic, plan: TreatmentPlan, now: datetime | None = None, **values: Any
) -> TreatmentRecord:
    appointment = clinic.appointment(
        planned_session=plan.planned_sessions.get(number=1), status=Appointment.Status.ARRIVED, **values
    )
    return treatment.open_record(appointment=appointment, by=clinic.roca, now=now or timezone.now())


@pytest.fixture
def record(clinic: Clinic) -> TreatmentRecord:
    return opened(clinic, plan_of(clinic))


def start_obstacles(record: TreatmentRecord) -> list[Obstacle]:
    """What forbids the first needle of the record as it is stored now."""
    return queries.start_obstacles(TreatmentRecord.objects.get(pk=record.pk))


def sign_obstacles(record: TreatmentRecord) -> list[Obstacle]:
    """What forbids the signature of the record as it is stored now."""
    return queries.sign_obstacles(TreatmentRecord.objects.get(pk=record.pk))


def save(record: TreatmentRecord, clinic: Clinic, **data: Any) -> TreatmentRecord:
    return treatment.save_record(record=record, data=data, by=clinic.roca, now=timezone.now())


def start(record: TreatmentRecord, clinic: Clinic, now: datetime | None = None) -> TreatmentRecord:
    return treatment.start_treatment(record=record, by=clinic.roca, now=now or timezone.now())


def sign(record: TreatmentRecord, clinic: Clinic, now: datetime | None = None) -> TreatmentRecord:
    return treatment.sign_record(record=record, by=clinic.amari, now=now or timezone.now())


def signed(record: TreatmentRecord, clinic: Clinic, now: datetime | None = None) -> TreatmentRecord:
    answer_all(record, clinic)
    start(record, clinic, now)
    mix(record, clinic)
    sign(record, clinic, now and now + timedelta(minutes=20))
    record.refresh_from_db()
    return record


def corrected(record: TreatmentRecord, clinic: Clinic) -> TreatmentRecord:
    return treatment.correct_record(
        record=record, reason="The cream was noted an hour late", by=clinic.amari, now=timezone.now()
    )


def lot(clinic: Clinic, agent: str, number: str, **values: Any) -> Lot:
    product, _new = Product.objects.get_or_create(
        agent=agent,
        defaults={
            "name": agent,
            "manufacturer": "Salus",
            "gtin": f"{len(agent):014d}",
            "pack_ml": Decimal(5),
        },
    )
    known: dict[str, Any] = {"expires_on": clinic.today + timedelta(days=300), "received_ml": Decimal(50)}
    return Lot.objects.create(product=product, number=number, **(known | values))


def rules(found: list[Obstacle], level: str = "block") -> set[str]:
    return {obstacle.rule for obstacle in found if obstacle.level == level}


def at(found: list[Obstacle], place: str) -> str:
    return " ".join(obstacle.said for obstacle in found if obstacle.place == place)


class TestDoses:
    """The dose is the planned strength times the volume, and every limit of the engine holds on the day."""

    def test_a_volume_of_nothing_and_back_gives_the_planned_dose_again(
        self, record: TreatmentRecord, clinic: Clinic
    ) -> None:
        part = record.components.get(agent="tranexamic-acid")
        for volume in ("0", "0.0333", "0.1", "0.16"):
            save(record, clinic, components={part.pk: {"volume_ml": Decimal(volume)}})
            part.refresh_from_db()
            assert part.dose_mg == Decimal(volume) * 100
        assert part.dose_mg == 16

    def test_a_dose_that_was_lost_before_is_mended_by_the_next_save(
        self, record: TreatmentRecord, clinic: Clinic
    ) -> None:
        part = record.components.get(agent="tranexamic-acid")
        record.components.filter(pk=part.pk).update(dose_mg=0)
        save(record, clinic, components={part.pk: {}})
        part.refresh_from_db()
        assert part.dose_mg == 16

    def test_more_saline_than_a_session_may_have_is_told_beside_it(
        self, record: TreatmentRecord, clinic: Clinic
    ) -> None:
        part = record.components.get(agent="saline")
        save(record, clinic, components={part.pk: {"volume_ml": Decimal("15.5")}})
        assert "15.5 mL is above 15 mL" in at(start_obstacles(record), f"component-{part.pk}")
        answer_all(record, clinic)
        with pytest.raises(treatment.TreatmentError, match=r"above 15 mL.*R60, REFERENCE.md"):
            start(record, clinic)

    @pytest.mark.parametrize(
        ("field", "value", "said"),
        [("volume_ml", "5.01", "5.01 mL is above 5 mL"), ("depth_mm", "2.1", "2.1 mm is above 2 mm")],
    )
    def test_the_areas_volume_and_depth_are_held(
        self, record: TreatmentRecord, clinic: Clinic, field: str, value: str, said: str
    ) -> None:
        area = record.areas.get()
        save(record, clinic, areas={area.pk: {field: Decimal(value)}})
        found = start_obstacles(record)
        assert said in at(found, f"area-{area.pk}-{field}")
        assert rules(found) == {"R60"}

    def test_needling_is_held_to_the_rules_cap_and_to_its_own_volume(self, clinic: Clinic) -> None:
        clinic.lea.phototype = 5
        clinic.lea.save()
        part = SESSION["parts"][0] | {
            "modality": "microneedling",
            "technique": "pen",
            "depth_mm": "0.5",
            "volume_ml": "3",
        }
        record = opened(clinic, plan_of(clinic, part))
        area = record.areas.get()
        save(record, clinic, areas={area.pk: {"depth_mm": Decimal("1.4"), "volume_ml": Decimal("3.5")}})
        found = start_obstacles(record)
        assert "R29" in at(found, f"area-{area.pk}-depth_mm")
        assert "3.5 mL is above 3 mL" in at(found, f"area-{area.pk}-volume_ml")

    def test_two_areas_together_stay_under_what_a_visit_may_have(self, clinic: Clinic) -> None:
        thighs = {"concern": "cellulite/thighs", "modality": "syringe", "technique": "point-by-point", "depth_mm": "4",
                  "cocktail": "CK-CEL-1", "volume_ml": "15", "points": 100, "components": []}  # fmt: skip
        record = opened(clinic, plan_of(clinic, thighs, SESSION["parts"][0]))
        save(
            record,
            clinic,
            areas={
                area.pk: {"volume_ml": Decimal(16 if area.area == "thighs" else 5)}
                for area in record.areas.all()
            },
        )
        assert any("21 mL is above 20 mL" in o.text and o.rule == "R60" for o in start_obstacles(record))

    def test_cream_and_drawn_lidocaine_count_together(self, clinic: Clinic) -> None:
        """58 kg: E may be 261 mg. 20 mL of 10 mg/mL are 200; 30 g of 4 % cream count 120."""
        hair = {"concern": "alopecia/scalp", "modality": "syringe", "technique": "papule", "depth_mm": "3", "volume_ml": "5",
                "cocktail": "CK-HAI-1", "points": 60, "components": [
                    {"agent": "lidocaine", "concentration_mg_per_ml": "10", "volume_ml": "1.0", "dose_mg": "10"}]}  # fmt: skip
        cream = {"product": "lidocaine-4-cream", "grams": "30", "volume_ml": None}
        record = opened(clinic, plan_of(clinic, hair, SESSION["parts"][0], anaesthetic=cream))
        assert record.anaesthetic_grams == 30
        assert not any(o.rule == "R51" for o in start_obstacles(record))
        part = record.components.get(agent="lidocaine")
        save(record, clinic, components={part.pk: {"volume_ml": Decimal(20)}})
        assert "320 mg is above 261 mg" in at(start_obstacles(record), "anaesthetic_grams")

    def test_severe_liver_disease_halves_what_is_allowed(self, clinic: Clinic) -> None:
        cream = {"product": "emla-5", "grams": "30", "volume_ml": None}
        record = opened(clinic, plan_of(clinic, anaesthetic=cream))
        assert not at(start_obstacles(record), "anaesthetic_grams")
        Condition.objects.create(patient=clinic.lea, code="liver-severe", recorded_by=clinic.roca)
        assert "150 mg is above 130.5 mg" in at(start_obstacles(record), "anaesthetic_grams")

    @pytest.mark.parametrize(("weight", "grams", "most"), [("58", "30.5", "30"), ("44", "22.5", "22")])
    def test_cream_is_held_by_the_house_and_by_a_light_weight(
        self, clinic: Clinic, weight: str, grams: str, most: str
    ) -> None:
        clinic.lea.weight_kg = Decimal(weight)
        clinic.lea.save()
        record = opened(clinic, plan_of(clinic))
        save(record, clinic, fields={"anaesthetic": "lidocaine-4-cream", "anaesthetic_grams": Decimal(grams)})
        found = start_obstacles(record)
        assert f"{grams} g is above {most} g" in at(found, "anaesthetic_grams")
        assert rules(found) == {"R51"}

    def test_a_limit_that_is_passed_forbids_the_signature_too(
        self, record: TreatmentRecord, clinic: Clinic
    ) -> None:
        answer_all(record, clinic)
        start(record, clinic)
        mix(record, clinic)
        save(record, clinic, areas={record.areas.get().pk: {"volume_ml": Decimal(9)}})
        with pytest.raises(treatment.TreatmentError, match="9 mL is above 5 mL"):
            sign(record, clinic)


class TestFactsOfToday:
    """What the chart says since the plan was signed."""

    @pytest.mark.parametrize(("pregnancy", "rule"), [("pregnant", "R01"), ("breastfeeding", "R02")])
    def test_a_pregnancy_in_the_chart_forbids_start_whatever_was_tapped(
        self, record: TreatmentRecord, clinic: Clinic, pregnancy: str, rule: str
    ) -> None:
        answer_all(record, clinic)
        clinic.lea.pregnancy = pregnancy
        clinic.lea.save()
        with pytest.raises(treatment.TreatmentError, match=rf"{rule}, REFERENCE.md §6 {rule}"):
            start(record, clinic)

    def test_a_new_allergy_to_the_mix_forbids_start_and_sign_beside_the_agent(
        self, record: TreatmentRecord, clinic: Clinic
    ) -> None:
        answer_all(record, clinic)
        start(record, clinic)
        mix(record, clinic)
        Allergy.objects.create(patient=clinic.lea, substance="tranexamic-acid", recorded_by=clinic.roca)
        part = record.components.get(agent="tranexamic-acid")
        assert "R48" in at(sign_obstacles(record), f"component-{part.pk}")
        with pytest.raises(treatment.TreatmentError, match="R48"):
            sign(record, clinic)

    def test_an_allergy_to_lidocaine_takes_the_cream_away(
        self, record: TreatmentRecord, clinic: Clinic
    ) -> None:
        save(record, clinic, fields={"anaesthetic": "lidocaine-4-cream", "anaesthetic_grams": Decimal(10)})
        Allergy.objects.create(
            patient=clinic.lea, substance="lidocaine", reaction="urticaria", recorded_by=clinic.roca
        )
        assert "R50" in at(start_obstacles(record), "anaesthetic")

    def test_an_infection_in_the_chart_or_tapped_today_forbids_start(
        self, record: TreatmentRecord, clinic: Clinic
    ) -> None:
        answer_all(record, clinic, infection="Cold sore since Monday")
        with pytest.raises(treatment.TreatmentError, match=r"14 days after it has cleared.*R10"):
            start(record, clinic)
        answer_all(record, clinic)
        Condition.objects.create(
            patient=clinic.lea, code="infection-bacterial", area="face", recorded_by=clinic.roca
        )
        with pytest.raises(treatment.TreatmentError, match="R10"):
            start(record, clinic)

    def test_a_new_warning_needs_a_physicians_decision_and_no_nurses(
        self, record: TreatmentRecord, clinic: Clinic
    ) -> None:
        answer_all(record, clinic)
        Medication.objects.create(patient=clinic.lea, code="apixaban", current=True, recorded_by=clinic.roca)
        warning = next(o for o in start_obstacles(record) if o.rule == "R21" and o.level == "decide")
        with pytest.raises(treatment.TreatmentError, match="R21"):
            start(record, clinic)
        with pytest.raises(treatment.TreatmentError, match="Only a physician"):
            treatment.decide(
                record=record, key=warning.key, reason="Go on", by=clinic.roca, now=timezone.now()
            )
        treatment.decide(
            record=record, key=warning.key, reason="Paused since Friday", by=clinic.amari, now=timezone.now()
        )
        assert warning.key not in {o.key for o in start_obstacles(record)}

    def test_a_warning_that_the_signed_plan_answered_is_not_asked_again(self, clinic: Clinic) -> None:
        clinic.lea.sunscreen_daily = False
        clinic.lea.save()
        record = opened(clinic, plan_of(clinic))
        asked = next(o for o in start_obstacles(record) if o.rule == "R70")
        other = opened(clinic, plan_of(clinic, answered=asked.key), starts_at=clinic.at(15))
        assert "R70" not in rules(start_obstacles(other), "decide")

    def test_the_key_of_a_warning_is_the_one_that_the_plan_uses(self) -> None:
        finding = Finding("warn", "R70", "pigment/face", "No sunscreen.")
        assert finding_key(finding.to_dict()).startswith("R70-")

    def test_a_decision_covers_only_the_words_it_was_written_on(
        self, record: TreatmentRecord, clinic: Clinic
    ) -> None:
        answer_all(record, clinic, medicines="Ibuprofen yesterday")
        key = next(o.key for o in start_obstacles(record) if o.level == "decide")
        treatment.decide(record=record, key=key, reason="No matter", by=clinic.amari, now=timezone.now())
        assert not start_obstacles(record)
        answer_all(record, clinic, medicines="Isotretinoin since May")
        assert rules(start_obstacles(record), "decide") == {""}

    def test_what_this_session_gave_does_not_count_against_its_correction(
        self, record: TreatmentRecord, clinic: Clinic
    ) -> None:
        part = record.components.get(agent="tranexamic-acid")
        save(record, clinic, components={part.pk: {"volume_ml": Decimal("0.3")}})
        new = corrected(signed(record, clinic), clinic)
        assert sign_obstacles(new) == []

    def test_what_another_session_of_the_day_gave_does_count(
        self, record: TreatmentRecord, clinic: Clinic
    ) -> None:
        other = record.components.get(agent="tranexamic-acid")
        save(record, clinic, components={other.pk: {"volume_ml": Decimal("0.3")}})
        signed(record, clinic)
        again = opened(clinic, plan_of(clinic), starts_at=clinic.at(15))
        found = start_obstacles(again)
        part = again.components.get(agent="tranexamic-acid")
        assert "16 mg is above 10 mg" in at(found, f"component-{part.pk}")
        assert "R57" in rules(found)


class TestCorrections:
    """A correction changes what was wrong, and nothing else."""

    @pytest.fixture
    def old(self, clinic: Clinic) -> TreatmentRecord:
        """A session of twelve days ago with cream from 09:10:40 to 09:55:20."""
        day = clinic.today - timedelta(days=12)
        clinic.lea.pregnancy_asked_on = day
        clinic.lea.save()
        cream = {"product": "lidocaine-4-cream", "grams": "20", "volume_ml": None}
        now = clinic.at(10, day=day)
        record = opened(clinic, plan_of(clinic, anaesthetic=cream), now=now, starts_at=now)
        save(
            record, clinic,
            fields={
                "anaesthetic_on": now - timedelta(minutes=49, seconds=20),
                "anaesthetic_off": now - timedelta(minutes=4, seconds=40),
                "anaesthetic_lot": lot(clinic, "lidocaine-4-cream", "CREAM-1"),
            },
        )  # fmt: skip
        answer_all(record, clinic)
        start(record, clinic, now)
        mix(record, clinic)
        sign(record, clinic, now + timedelta(minutes=25))
        record.refresh_from_db()
        return record

    def save_by_page(self, client: Client, record: TreatmentRecord, **values: str) -> Any:
        assert client.login(username="amari", password=PASSWORD)
        return client.post(f"/records/{record.pk}/", typed(client, record) | values)

    def test_clock_times_keep_the_treatments_own_day(
        self, client: Client, clinic: Clinic, old: TreatmentRecord
    ) -> None:
        new = corrected(old, clinic)
        before = new.anaesthetic_on, new.anaesthetic_off
        assert self.save_by_page(client, new).status_code == 200
        new.refresh_from_db()
        assert (new.anaesthetic_on, new.anaesthetic_off) == before
        assert self.save_by_page(client, new, anaesthetic_on="08:30").status_code == 200
        new.refresh_from_db()
        assert new.anaesthetic_on == clinic.at(8, 30, day=clinic.today - timedelta(days=12))

    def test_a_lot_recalled_since_stays_with_the_patient(
        self, client: Client, clinic: Clinic, old: TreatmentRecord
    ) -> None:
        Lot.objects.update(status=Lot.Status.RECALLED)
        new = corrected(old, clinic)
        assert self.save_by_page(client, new, pain_score="5").status_code == 200
        new.refresh_from_db()
        assert new.pain_score == 5
        assert new.anaesthetic_lot == old.anaesthetic_lot
        assert [p.lot_id for p in new.components.all()] == [p.lot_id for p in old.components.all()]
        assert None not in {p.lot_id for p in new.components.all()}
        assert sign(new, clinic).signed_at

    def test_a_lot_that_expired_since_stays_too(
        self, client: Client, clinic: Clinic, old: TreatmentRecord
    ) -> None:
        Lot.objects.update(expires_on=clinic.today - timedelta(days=2))
        new = corrected(old, clinic)
        assert self.save_by_page(client, new).status_code == 200
        assert None not in {part.lot_id for part in new.components.all()}

    def test_another_unusable_lot_is_still_refused_in_a_correction(
        self, clinic: Clinic, old: TreatmentRecord
    ) -> None:
        bad = lot(clinic, "saline", "BAD", status=Lot.Status.RECALLED)
        new = corrected(old, clinic)
        part = new.components.get(agent="saline")
        with pytest.raises(treatment.LotRefused, match="Lot BAD is recalled"):
            save(new, clinic, components={part.pk: {"lot": bad}})

    def test_the_answers_keep_the_time_they_were_given(self, clinic: Clinic, old: TreatmentRecord) -> None:
        new = corrected(old, clinic)
        assert [check.at for check in new.checks.all()] == [check.at for check in old.checks.all()]

    def test_todays_chart_does_not_judge_a_session_that_was(
        self, clinic: Clinic, old: TreatmentRecord
    ) -> None:
        clinic.lea.pregnancy = "pregnant"
        clinic.lea.save()
        assert sign(corrected(old, clinic), clinic).signed_at

    def test_a_dose_above_its_limit_that_was_given_is_told_with_a_decision(
        self, clinic: Clinic, old: TreatmentRecord
    ) -> None:
        new = corrected(old, clinic)
        part = new.components.get(agent="tranexamic-acid")
        save(new, clinic, components={part.pk: {"volume_ml": Decimal("0.5")}})
        open_ = next(o for o in sign_obstacles(new) if o.rule == "R60")
        assert (open_.level, open_.place) == ("decide", f"component-{part.pk}")
        treatment.decide(record=new, key=open_.key, reason="Watched", by=clinic.amari, now=timezone.now())
        assert sign(new, clinic).signed_at


def typed(client: Client, record: TreatmentRecord) -> dict[str, Any]:
    """What a browser would send: every field of the page as it is drawn."""
    form = client.get(f"/records/{record.pk}/").context
    found: dict[str, Any] = {"after-posted": "1", "revision": form["revision"], "page": form["page_token"]}
    for field in form["form"]:
        value = field.value()
        if value not in (None, ""):
            found[field.html_name] = value
        elif not field.html_name.startswith("check-"):
            found[field.html_name] = ""
    return {name: value for name, value in found.items() if name != "reactions" or value}


class TestLotsWhileOpen:
    """A lot is quarantined while the record is open."""

    def test_autosave_goes_on_and_the_row_says_why(
        self, client: Client, record: TreatmentRecord, clinic: Clinic
    ) -> None:
        mix(record, clinic)
        assert client.login(username="roca", password=PASSWORD)
        values = typed(client, record)
        Lot.objects.filter(number="LOT-0").update(status=Lot.Status.QUARANTINED)
        answer = client.post(
            f"/records/{record.pk}/",
            values | {"note": "A long note", "pain_score": "4"},
            headers={"HX-Request": "true"},
        )
        assert answer.status_code == 200
        record.refresh_from_db()
        assert (record.note, record.pain_score) == ("A long note", 4)
        part = record.components.get(agent="tranexamic-acid")
        assert part.lot == clinic.lots["tranexamic-acid"]
        body = answer.content.decode()
        row = body[body.index(f'id="said-component-{part.pk}"') :]
        row = row[: row.index("</div>")]
        assert "Lot LOT-0 is quarantined. Choose another lot." in row
        answer_all(record, clinic)
        with pytest.raises(treatment.TreatmentError, match="Lot LOT-0 is quarantined"):
            start(record, clinic)

    def test_a_lot_chosen_in_that_moment_is_refused_alone(
        self, client: Client, record: TreatmentRecord, clinic: Clinic
    ) -> None:
        assert client.login(username="roca", password=PASSWORD)
        part = record.components.get(agent="tranexamic-acid")
        values = typed(client, record) | {
            f"component-{part.pk}-lot": str(clinic.lots["tranexamic-acid"].pk), "note": "Kept"
        }  # fmt: skip
        Lot.objects.filter(number="LOT-0").update(status=Lot.Status.QUARANTINED)
        answer = client.post(f"/records/{record.pk}/", values)
        assert b"Lot LOT-0 is quarantined and was not saved. Choose another lot." in answer.content
        record.refresh_from_db()
        assert record.note == "Kept"

    def test_the_trigger_becomes_words_and_everything_else_is_saved(
        self, record: TreatmentRecord, clinic: Clinic
    ) -> None:
        bad = lot(clinic, "saline", "BAD", status=Lot.Status.QUARANTINED)
        part, other = record.components.get(agent="saline"), record.components.get(agent="tranexamic-acid")
        with pytest.raises(treatment.LotRefused) as refused:
            save(
                record, clinic, fields={"note": "Kept"},
                components={part.pk: {"lot": bad}, other.pk: {"lot": clinic.lots["tranexamic-acid"]}},
            )  # fmt: skip
        assert list(refused.value.rows) == [f"component-{part.pk}"]
        record.refresh_from_db()
        assert record.note == "Kept"
        other.refresh_from_db()
        assert other.lot == clinic.lots["tranexamic-acid"]

    def test_a_lot_recalled_after_the_needle_is_signed_with_a_decision(
        self, record: TreatmentRecord, clinic: Clinic
    ) -> None:
        answer_all(record, clinic)
        start(record, clinic)
        mix(record, clinic)
        Lot.objects.filter(number="LOT-0").update(status=Lot.Status.RECALLED)
        open_ = sign_obstacles(record)[0]
        assert open_.level == "decide"
        treatment.decide(
            record=record, key=open_.key, reason="Patient told", by=clinic.amari, now=timezone.now()
        )
        assert sign(record, clinic).signed_at


class TestTwoTablets:
    """Two people have the same record open."""

    @pytest.fixture
    def tablets(self, clinic: Clinic) -> tuple[Client, Client]:
        inés, amari = Client(), Client()
        assert inés.login(username="roca", password=PASSWORD)
        assert amari.login(username="amari", password=PASSWORD)
        return inés, amari

    @pytest.mark.parametrize("act", ["", "start/", "sign/"])
    def test_a_stale_page_wipes_nothing_and_keeps_what_was_typed(
        self, tablets: tuple[Client, Client], record: TreatmentRecord, clinic: Clinic, act: str
    ) -> None:
        inés, amari = tablets
        stale = typed(amari, record)
        lots = {f"component-{p.pk}-lot": str(clinic.lots[p.agent].pk) for p in record.components.all()}
        assert inés.post(f"/records/{record.pk}/", typed(inés, record) | lots).status_code == 200
        answer = amari.post(f"/records/{record.pk}/{act}", stale | {"note": "Typed by Dr. Amari"})
        assert answer.status_code == 409
        body = answer.content.decode()
        assert "Inés Roca changed this record in another window" in body
        assert "Typed by Dr. Amari" in body
        assert "LOT-0" in body
        record.refresh_from_db()
        assert record.note == "" and record.started_at is None
        assert None not in {part.lot_id for part in record.components.all()}

    def test_who_has_seen_the_difference_may_save_over_it(
        self, tablets: tuple[Client, Client], record: TreatmentRecord
    ) -> None:
        inés, amari = tablets
        stale = typed(amari, record) | {"note": "Mine"}
        inés.post(f"/records/{record.pk}/", typed(inés, record) | {"note": "Hers"})
        answer = amari.post(f"/records/{record.pk}/", stale)
        over = answer.context["record"].revision
        assert amari.post(f"/records/{record.pk}/", stale | {"over": over}).status_code == 200
        record.refresh_from_db()
        assert record.note == "Mine"

    def test_the_own_late_autosave_is_no_conflict(
        self, tablets: tuple[Client, Client], record: TreatmentRecord
    ) -> None:
        inés, _amari = tablets
        values = typed(inés, record)
        assert inés.post(f"/records/{record.pk}/", values | {"note": "One"}).status_code == 200
        assert inés.post(f"/records/{record.pk}/", values | {"note": "One two"}).status_code == 200

    def test_a_page_without_a_revision_saves_nothing(
        self, tablets: tuple[Client, Client], record: TreatmentRecord
    ) -> None:
        inés, _amari = tablets
        values = typed(inés, record) | {"note": "Lost?", "revision": "x"}
        assert inés.post(f"/records/{record.pk}/", values).status_code == 409
        record.refresh_from_db()
        assert record.note == ""

    def test_a_save_that_changes_nothing_overtakes_nobody(
        self, tablets: tuple[Client, Client], record: TreatmentRecord
    ) -> None:
        inés, amari = tablets
        values = typed(amari, record)
        inés.post(f"/records/{record.pk}/", typed(inés, record))
        assert amari.post(f"/records/{record.pk}/", values | {"note": "First"}).status_code == 200

    @pytest.mark.parametrize("htmx", [True, False])
    def test_autosave_after_somebody_signed_says_who_and_when(
        self, tablets: tuple[Client, Client], record: TreatmentRecord, clinic: Clinic, htmx: bool
    ) -> None:
        inés, _amari = tablets
        values = typed(inés, record)
        signed(record, clinic)
        headers = {"HX-Request": "true"} if htmx else {}
        answer = inés.post(f"/records/{record.pk}/", values, headers=headers)
        assert answer.status_code == 409
        when = f"{record.signed_at.astimezone(MADRID):%d.%m.%Y at %H:%M}"  # type: ignore[union-attr]
        assert f"Dr. Nadia Amari signed this record on {when}" in answer.content.decode()
        assert ("<html" in answer.content.decode()) is not htmx

    def test_signed_in_the_very_moment_of_saving_is_no_crash(
        self,
        tablets: tuple[Client, Client],
        record: TreatmentRecord,
        clinic: Clinic,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        inés, _amari = tablets
        values = typed(inés, record)
        real = treatment.save_record

        def overtaken(**known: Any) -> TreatmentRecord:
            monkeypatch.setattr(treatment, "save_record", real)
            signed(record, clinic)
            return real(**known)

        monkeypatch.setattr(treatment, "save_record", overtaken)
        answer = inés.post(f"/records/{record.pk}/start/", values)
        assert answer.status_code == 409
        assert b"Dr. Nadia Amari signed this record" in answer.content

    def test_a_nurse_may_not_decide_by_the_page(
        self, tablets: tuple[Client, Client], record: TreatmentRecord, clinic: Clinic
    ) -> None:
        inés, amari = tablets
        answer_all(record, clinic, sun="Beach last week")
        key = next(o.key for o in start_obstacles(record) if o.level == "decide")
        said = {"key": key, "reason": "Healed, phototype II"}
        assert inés.post(f"/records/{record.pk}/decide/", said).status_code == 403
        page = inés.get(f"/records/{record.pk}/").content.decode()
        assert "Call the physician" in page and "Write the decision" not in page
        assert amari.post(f"/records/{record.pk}/decide/", said | {"reason": " "}).status_code == 422
        assert amari.post(f"/records/{record.pk}/decide/", said).status_code == 302
        assert "Healed, phototype II" in inés.get(f"/records/{record.pk}/").content.decode()


class TestAudit:
    """What was answered first stays to be found."""

    def test_an_answer_that_is_overwritten_leaves_a_trace(
        self, record: TreatmentRecord, clinic: Clinic
    ) -> None:
        answer_all(record, clinic, pregnancy="")
        answer_all(record, clinic)
        first, second = AuditEvent.objects.filter(type="treatment.saved").order_by("pk")
        assert first.new["check.pregnancy"] == "changed"
        assert (second.old["check.pregnancy"], second.new["check.pregnancy"]) == ("changed", "clear")
        assert second.patient_id == clinic.lea.pk
        assert "check.sun" not in second.new

    def test_volumes_doses_and_lots_are_kept_with_old_and_new(
        self, record: TreatmentRecord, clinic: Clinic
    ) -> None:
        part = record.components.get(agent="tranexamic-acid")
        values = {"volume_ml": Decimal("0.2"), "lot": clinic.lots["tranexamic-acid"]}
        save(record, clinic, components={part.pk: values})
        event = AuditEvent.objects.get(type="treatment.saved")
        name = "pigment/face tranexamic-acid "
        assert event.old == {f"{name}volume_ml": "0.16", f"{name}dose_mg": "16", f"{name}lot": None}
        assert event.new == {f"{name}volume_ml": "0.2", f"{name}dose_mg": "20", f"{name}lot": "LOT-0"}

    def test_nothing_changed_is_no_row(self, record: TreatmentRecord, clinic: Clinic) -> None:
        answer_all(record, clinic)
        answer_all(record, clinic)
        assert AuditEvent.objects.filter(type="treatment.saved").count() == 1

    def test_the_patients_pregnancy_is_changed_with_version_and_audit(
        self, record: TreatmentRecord, clinic: Clinic
    ) -> None:
        clinic.lea.pregnancy, clinic.lea.pregnancy_asked_on = "unknown", None
        clinic.lea.save()
        answer_all(record, clinic)
        start(record, clinic)
        version = clinic.lea.version
        clinic.lea.refresh_from_db()
        assert (clinic.lea.pregnancy, clinic.lea.version) == ("none", version + 1)
        event = AuditEvent.objects.get(type="patient.profile", patient_id=clinic.lea.pk)
        assert (event.old["pregnancy"], event.new["pregnancy"]) == ("unknown", "none")

    def test_asked_today_is_the_locations_day(self, clinic: Clinic) -> None:
        """23:30 UTC on 30 June is 1 July in Madrid."""
        clinic.lea.pregnancy_asked_on = date(2026, 6, 1)
        clinic.lea.save()
        now = datetime(2026, 6, 30, 23, 30, tzinfo=ZoneInfo("UTC"))
        record = opened(clinic, plan_of(clinic), now=now, starts_at=now)
        answer_all(record, clinic)
        start(record, clinic, now)
        clinic.lea.refresh_from_db()
        assert clinic.lea.pregnancy_asked_on == date(2026, 7, 1)


class TestGuards:
    """What the database itself refuses."""

    @pytest.mark.parametrize("table", ["mixedcomponent", "safetycheck", "treatedarea", "daydecision"])
    def test_no_part_leaves_a_signed_record_and_none_enters(
        self, record: TreatmentRecord, clinic: Clinic, table: str
    ) -> None:
        answer_all(record, clinic, sun="Beach last week")
        key = start_obstacles(record)[0].key
        treatment.decide(record=record, key=key, reason="Healed", by=clinic.amari, now=timezone.now())
        start(record, clinic)
        mix(record, clinic)
        sign(record, clinic)
        new = corrected(record, clinic)
        move = f"UPDATE treatment_sessions_{table} SET record_id = %s WHERE record_id = %s"
        for to, of in ((new.pk, record.pk), (record.pk, new.pk)):
            with (
                pytest.raises(IntegrityError, match="signed"),
                transaction.atomic(),
                connection.cursor() as cursor,
            ):
                cursor.execute(move, [to, of])

    @pytest.mark.parametrize(
        "table",
        ["treatment_sessions_treatmentrecord", "treatment_sessions_safetycheck", "treatment_sessions_daydecision",
         "treatment_sessions_mixedcomponent", "treatment_sessions_treatedarea", "aftercare_issuedsheet"],
    )  # fmt: skip
    def test_no_table_of_signed_records_is_emptied(self, table: str) -> None:
        with (
            pytest.raises(IntegrityError, match="never emptied"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute("SET LOCAL mesoclinic.truncate = ''")
            cursor.execute(f"TRUNCATE {table} CASCADE")

    def test_the_anaesthetics_lot_is_guarded_too(self, record: TreatmentRecord, clinic: Clinic) -> None:
        bad = lot(clinic, "emla-5", "BAD", status=Lot.Status.RECALLED)
        with pytest.raises(treatment.LotRefused) as refused:
            save(record, clinic, fields={"anaesthetic": "emla-5", "anaesthetic_lot": bad})
        assert list(refused.value.rows) == ["anaesthetic_lot"]
        record.refresh_from_db()
        assert (record.anaesthetic, record.anaesthetic_lot) == ("emla-5", None)

    def test_the_models_and_the_migrations_agree(self) -> None:
        call_command("makemigrations", "--check", "--dry-run", verbosity=0)


def test_every_question_that_forbids_names_its_rule_or_its_remedy(
    clinic: Clinic, record: TreatmentRecord
) -> None:
    for row in questions_for(clinic.lea):
        if row.forbids:
            SafetyCheck.objects.filter(record=record).delete()
            answer_all(record, clinic, **{row.code: ""})
            found = [o for o in start_obstacles(record) if o.level == "block"]
            assert [o.place for o in found] == [f"check-{row.code}"]
            assert found[0].text
