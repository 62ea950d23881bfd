"""From the assessment to the signed plan, as a physician does it and as nobody may."""

import re
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from mesoclinic.audit.models import AuditEvent
from patients.models import Allergy, Patient
from protocols.models import Assessment, FindingAnswer, PlannedDose, PlannedSession, TreatmentPlan
from tests.clinic import Clinic
from tests.protocols.helpers import answers, asked, give_reasons, propose, sign

pytestmark = pytest.mark.django_db
HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture
def clinic() -> Clinic:
    return Clinic(today=date.today())


@pytest.fixture
def lea(clinic: Clinic) -> Patient:
    asked(clinic.lea)
    clinic.lea.refresh_from_db()
    return clinic.lea


@pytest.fixture
def physician(client: Client, clinic: Clinic) -> Client:
    client.force_login(clinic.amari)
    return client


@pytest.fixture
def plan(physician: Client, lea: Patient) -> TreatmentPlan:
    return propose(physician, lea)


def page(client: Client, plan: TreatmentPlan) -> str:
    response = client.get(f"/plans/{plan.pk}/")
    assert response.status_code == 200
    return response.content.decode()


# ---- assessment --------------------------------------------------------------------------------------------


def test_the_score_is_computed_while_the_items_are_entered(physician: Client, lea: Patient) -> None:
    response = physician.post(f"/patients/{lea.pk}/assess/score/?prefix=c0", answers(lea), **HTMX)
    text = response.content.decode()
    assert ">8.3<" in text
    assert "Severe" in text
    partly = answers(lea, **{"c0-item_chin_area": None})
    response = physician.post(f"/patients/{lea.pk}/assess/score/?prefix=c0", partly, **HTMX)
    assert "1 still to enter" in response.content.decode()


@pytest.mark.parametrize(
    ("indication", "area", "scale", "items", "score", "band"),
    [
        ("rejuvenation", "face", "glogau", {"grade": 2}, "2", "moderate"),
        ("brightening", "face", "dullness", {"score": 1}, "1", "mild"),
        ("wrinkles", "periorbital", "fitzpatrick-wrinkle", {"score": 7}, "7", "severe"),
        ("pores", "face", "pore", {"score": 3}, "3", "severe"),
        ("alopecia", "scalp", "sinclair", {"grade": 3}, "3", "moderate"),
        ("alopecia", "scalp", "ludwig", {"grade": 1}, "1", "mild"),
        ("alopecia", "scalp", "norwood", {"stage": 3, "vertex": 1}, "3.5", "moderate"),
        ("cellulite", "thighs", "css",
         {"depressions": 2, "depth": 2, "raised": 1, "laxity": 1, "nuernberger_mueller": 2}, "8", "moderate"),
        ("fat", "submental", "cr-smfrs", {"grade": 2}, "2", "moderate"),
        ("fat", "abdomen", "pinch", {"mm": 34}, "34", "moderate"),
    ],
)  # fmt: skip
def test_every_indication_has_its_scale(
    physician: Client,
    lea: Patient,
    indication: str,
    area: str,
    scale: str,
    items: dict[str, int],
    score: str,
    band: str,
) -> None:
    given = answers(lea, **{
        "c0-indication": indication, "c0-area": area, "c0-scale": scale, "c0-goal": None,
        **{f"c0-item_{code}": value for code, value in items.items()},
    })  # fmt: skip
    response = physician.post(f"/patients/{lea.pk}/assess/", given)
    assert response.status_code == 302, response.content.decode()[:2000]
    concern = Assessment.objects.get().concerns.get()
    assert (concern.score, concern.band) == (Decimal(score), band)
    assert page(physician, TreatmentPlan.objects.get())


def test_a_changed_indication_brings_its_own_scale_and_details(physician: Client, lea: Patient) -> None:
    given = answers(lea, **{"c0-indication": "alopecia"})
    text = physician.post(f"/patients/{lea.pk}/assess/concern/?prefix=c0", given, **HTMX).content.decode()
    assert "Sinclair" in text
    assert "Pattern of loss" in text
    assert "field-error" not in text


def test_what_was_typed_stays_when_an_answer_is_missing(physician: Client, lea: Patient) -> None:
    given = answers(lea, **{"facts-pregnancy": None, "facts-weight_kg": "abc"})
    response = physician.post(f"/patients/{lea.pk}/assess/", given)
    assert response.status_code == 422
    text = response.content.decode()
    assert 'value="abc"' in text
    assert "Ask today, and choose the answer." in text
    assert "An even face for the wedding" in text
    assert ">8.3<" in text
    assert not Assessment.objects.exists()


def test_pregnancy_is_asked_anew_on_another_day(physician: Client, lea: Patient) -> None:
    Patient.objects.filter(pk=lea.pk).update(pregnancy="none", pregnancy_asked_on=date(2026, 1, 2))
    text = physician.get(f"/patients/{lea.pk}/assess/").content.decode()
    choices = re.findall(r'<input[^>]*name="facts-pregnancy"[^>]*>', text)
    assert len(choices) == 5
    assert not any("checked" in choice for choice in choices)
    propose(physician, lea)
    lea.refresh_from_db()
    assert (lea.pregnancy, lea.pregnancy_asked_on) == ("none", date.today())


def test_a_concern_is_added_and_the_same_one_twice_is_refused(physician: Client, lea: Patient) -> None:
    text = physician.post(f"/patients/{lea.pk}/assess/concern/new/", answers(lea), **HTMX).content.decode()
    assert 'name="c1-indication"' in text
    twice = answers(lea, **{"c1-indication": "pigment", "c1-area": "face", "c1-scale": "eye", "c1-grade": 2})
    response = physician.post(f"/patients/{lea.pk}/assess/", twice)
    assert response.status_code == 422
    assert "stands twice" in response.content.decode()


def test_a_draft_is_drawn_again_without_saving_or_blaming(physician: Client, lea: Patient) -> None:
    given = answers(lea, **{"facts-pregnancy": None})
    response = physician.post(f"/patients/{lea.pk}/assess/?restore=1", given)
    assert response.status_code == 200
    text = response.content.decode()
    assert ">8.3<" in text
    assert "Ask today, and choose" not in text
    assert not Assessment.objects.exists()


def test_all_lists_are_asked_with_one_click(physician: Client, clinic: Clinic) -> None:
    Patient.objects.filter(pk=clinic.lea.pk).update(allergies_asked_on=None)
    text = physician.get(f"/patients/{clinic.lea.pk}/assess/").content.decode()
    assert "Asked all, nothing else" in text
    physician.post(f"/patients/{clinic.lea.pk}/asked/", **HTMX)
    clinic.lea.refresh_from_db()
    assert clinic.lea.allergies_asked_on == date.today()


@pytest.mark.parametrize("who", ["roca", "marta", "ortiz", "admin"])
def test_only_a_physician_assesses(client: Client, clinic: Clinic, lea: Patient, who: str) -> None:
    client.force_login(getattr(clinic, who))
    assert client.get(f"/patients/{lea.pk}/assess/").status_code == 403
    assert client.post(f"/patients/{lea.pk}/assess/", answers(lea)).status_code == 403


# ---- the plan ----------------------------------------------------------------------------------------------


def test_the_plan_shows_sessions_doses_findings_and_reasons(physician: Client, plan: TreatmentPlan) -> None:
    text = page(physician, plan)
    assert "Plan for pigment, face" in text
    for words in (
        "CK-PIG-1",
        "Tranexamic acid",
        "20 mg",
        "Why this plan",
        "Limits, worst session",
        "Alternatives",
    ):
        assert words in text, words


def test_an_edited_volume_is_checked_at_once(physician: Client, plan: TreatmentPlan) -> None:
    url = f"/plans/{plan.pk}/edit/"
    ok = physician.post(url, {"revision": plan.revision, "values.0.1.0.volume_ml": "2,5"}, **HTMX)
    assert ok.status_code == 200
    plan.refresh_from_db()
    assert plan.content["courses"][0]["sessions"][1]["volume_ml"] == "2.5"
    over = physician.post(url, {"revision": plan.revision, "values.0.1.0.volume_ml": "9"}, **HTMX)
    text = over.content.decode()
    assert "is above 5 mL" in text
    assert "Set 5.0" in text
    plan.refresh_from_db()
    assert "block" in {f["level"] for f in plan.findings}
    give_reasons(physician, plan)
    assert sign(physician, plan).status_code == 409
    assert not PlannedSession.objects.exists()


@pytest.mark.parametrize("typed", ["-2", "abc", "0", "1e5", "NaN", "9" * 5000])
def test_a_value_that_is_none_changes_nothing_and_is_told(
    physician: Client, plan: TreatmentPlan, typed: str
) -> None:
    data = {"revision": plan.revision, "values.0.1.0.volume_ml": typed}
    response = physician.post(f"/plans/{plan.pk}/edit/", data, **HTMX)
    assert response.status_code == 422
    assert "was not taken" in response.content.decode()
    before = plan.content
    plan.refresh_from_db()
    assert plan.content == before


def test_an_alternative_is_used_with_its_own_doses(physician: Client, plan: TreatmentPlan) -> None:
    alt = plan.content["alternatives"][0]
    choice = f"pigment/face|{alt['modality']}|{alt['cocktail']}"
    physician.post(f"/plans/{plan.pk}/edit/", {"revision": plan.revision, "choice": choice}, **HTMX)
    plan.refresh_from_db()
    part = plan.content["courses"][0]["sessions"][0]["parts"][0]
    assert (part["modality"], part["cocktail"]) == (alt["modality"], alt["cocktail"])


def test_two_windows_on_one_plan_do_not_overwrite_each_other(physician: Client, plan: TreatmentPlan) -> None:
    url, data = f"/plans/{plan.pk}/edit/", {"revision": plan.revision, "values.0.1.0.volume_ml": "2.5"}
    assert physician.post(url, data, **HTMX).status_code == 200
    assert physician.post(url, data | {"values.0.1.0.volume_ml": "3.5"}, **HTMX).status_code == 409


def test_a_warning_needs_a_reason_and_then_the_plan_is_signed_and_frozen(
    physician: Client, clinic: Clinic, lea: Patient
) -> None:
    plan = propose(physician, lea, **{"facts-sunscreen_daily": "False"})
    assert any(f["level"] == "warn" for f in plan.findings)
    assert sign(physician, plan).status_code == 409
    give_reasons(physician, plan)
    response = sign(physician, plan)
    assert response.status_code == 302
    plan.refresh_from_db()
    assert (plan.status, plan.signed_by) == ("signed", clinic.amari)
    sessions = PlannedSession.objects.filter(plan=plan)
    assert sessions.count() == len(plan.content["courses"][0]["sessions"])
    dose = PlannedDose.objects.filter(session=sessions[0], agent="tranexamic-acid").get()
    assert dose.dose_mg == Decimal(20)
    assert AuditEvent.objects.filter(type="plan.signed", patient_id=lea.pk).exists()
    with pytest.raises(IntegrityError), transaction.atomic():
        TreatmentPlan.objects.filter(pk=plan.pk).update(content={})
    with pytest.raises(IntegrityError), transaction.atomic():
        FindingAnswer.objects.filter(plan=plan).update(reason="other")
    with pytest.raises(IntegrityError), transaction.atomic():
        sessions.update(volume_ml=9)
    edit = physician.post(
        f"/plans/{plan.pk}/edit/", {"revision": plan.revision, "values.0.0.0.volume_ml": "1"}, **HTMX
    )
    assert edit.status_code == 409
    assert "Sign plan" not in page(physician, plan)


def test_an_answer_belongs_to_the_words_it_was_given_to(physician: Client, plan: TreatmentPlan) -> None:
    far = {
        "revision": plan.revision,
        "window.0.1.earliest": "14",
        "window.0.1.target": "21",
        "window.0.1.latest": "60",
    }
    physician.post(f"/plans/{plan.pk}/edit/", far, **HTMX)
    plan.refresh_from_db()
    give_reasons(physician, plan)
    further = far | {"revision": plan.revision, "window.0.1.latest": "90"}
    physician.post(f"/plans/{plan.pk}/edit/", further, **HTMX)
    assert sign(physician, plan).status_code == 409


def test_a_wrong_password_signs_nothing(physician: Client, plan: TreatmentPlan) -> None:
    give_reasons(physician, plan)
    plan.refresh_from_db()
    response = physician.post(f"/plans/{plan.pk}/sign/", {"revision": plan.revision, "password": "wrong"})
    assert response.status_code == 422
    assert "The password is wrong" in response.content.decode()
    plan.refresh_from_db()
    assert plan.status == "draft"


def test_a_fact_that_came_in_after_the_proposal_stops_the_signature(
    physician: Client, clinic: Clinic, lea: Patient, plan: TreatmentPlan
) -> None:
    give_reasons(physician, plan)
    Allergy.objects.create(patient=lea, substance="lidocaine", recorded_by=clinic.roca)
    response = sign(physician, plan)
    assert response.status_code == 409
    assert "facts changed" in response.content.decode()
    physician.post(f"/plans/{plan.pk}/again/")
    plan.refresh_from_db()
    assert any(f["rule"] == "R50" for f in plan.findings)


def test_a_pregnant_patient_s_plan_is_declined_and_can_not_be_signed(physician: Client, lea: Patient) -> None:
    plan = propose(physician, lea, **{"facts-pregnancy": "pregnant"})
    text = page(physician, plan)
    assert "Nothing can be planned" in text
    assert sign(physician, plan).status_code == 409


def test_a_draft_is_discarded_and_the_assessment_stays(physician: Client, plan: TreatmentPlan) -> None:
    assert physician.post(f"/plans/{plan.pk}/discard/").status_code == 302
    assert not TreatmentPlan.objects.exists()
    assert Assessment.objects.count() == 1


def test_the_front_desk_sees_windows_and_no_doses(client: Client, clinic: Clinic) -> None:
    plan = clinic.signed_plan()
    client.force_login(clinic.marta)
    # A content as the engine writes it has these too.
    text = client.get(f"/plans/{plan.pk}/").content.decode()
    assert "visits to book" in text
    assert "mg" not in text.split("<main", 1)[1].replace("img", "")
    # Neither does a page that only fetches a part of it.
    part = client.get(f"/plans/{plan.pk}/", **HTMX).content.decode()
    assert "visits to book" in part
    assert "CK-PIG" not in part


def test_a_draft_is_not_for_the_front_desk(client: Client, clinic: Clinic, plan: TreatmentPlan) -> None:
    client.force_login(clinic.marta)
    assert client.get(f"/plans/{plan.pk}/").status_code == 404
    assert client.get(f"/plans/{plan.pk}/", **HTMX).status_code == 404


@pytest.mark.parametrize(
    "data",
    [{"sessions.0": "²"}, {"sessions.²": "4"}, {"window.0.1.earliest": "²"}, {"window.0.².target": "7"},
     {"choice": "x\0|syringe|CK-POR-N"}, {"choice": "nonsense|syringe|CK-PIG-1"},
     {"choice": "pigment/face|bogus|CK-PIG-1"}],
    ids=lambda value: next(iter(value.items())).__repr__(),
)  # fmt: skip
def test_an_edit_that_names_nothing_changes_nothing(
    physician: Client, plan: TreatmentPlan, data: dict[str, str]
) -> None:
    before = plan.content
    response = physician.post(f"/plans/{plan.pk}/edit/", data | {"revision": plan.revision})
    assert response.status_code in {400, 422}
    plan.refresh_from_db()
    assert plan.content == before


def test_tasks_list_my_drafts_at_a_constant_cost(
    physician: Client, clinic: Clinic, plan: TreatmentPlan
) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert physician.get("/tasks/").status_code == 200
        return len(queries)

    cost()
    before = cost()
    for number in range(5):
        patient = clinic.patient("Ana", f"Number{number}")
        asked(patient)
        patient.refresh_from_db()
        propose(physician, patient)
    assert cost() == before
    assert "Number3" in physician.get("/tasks/").content.decode()
    assert "Number3" not in physician.get("/tasks/?q=Number4").content.decode()


@pytest.mark.parametrize("kind", ["cocktails", "agents", "protocols", "rules", "scales"])
def test_the_catalogue_shows_what_the_engine_knows(physician: Client, kind: str) -> None:
    assert physician.get(f"/catalogue/?kind={kind}").status_code == 200
    assert physician.get(f"/catalogue/?kind={kind}&q=zzzz").status_code == 200
    assert physician.get("/catalogue/?kind=other").status_code == 404


@pytest.mark.parametrize(
    "changes",
    [
        {"c0-indication": "x"}, {"c0-area": "moon"}, {"c0-scale": "moon"}, {"c0-item_chin_area": "99"},
        {"facts-weight_kg": "-3"}, {"wish-pain": "11"}, {"wish-max_sessions": "0"}, {"wish-event_on": "2026-02-31"},
        {"c0-onset": "3000-01-01"}, {"c0-lesion_cm2": "0"}, {"c0-lesion_cm2": "-5"}, {"wish-goals": "x" * 10_000_000},
        {"c0-red_flags": ["hernia"]}, {"facts-phototype": "9"}, {"facts-consent_signed_on": "2999-01-01"},
        {"wish-time_from": "18:00", "wish-time_until": "09:00"}, {"wish-weekdays": ["9"]},
    ],
    ids=lambda value: next(iter(value)),
)  # fmt: skip
def test_bad_input_is_told_and_nothing_is_kept(
    physician: Client, lea: Patient, changes: dict[str, Any]
) -> None:
    response = physician.post(f"/patients/{lea.pk}/assess/", answers(lea, **changes))
    if "c0-area" in changes or "c0-scale" in changes:
        # A choice that is none falls back to the first one, and says so by showing it.
        assert response.status_code in {302, 422}
        return
    assert response.status_code in {400, 413, 422}
    assert not Assessment.objects.exists()


# ---- what the review found -----------------------------------------------------------------------------------


def test_the_banner_follows_a_fact_that_is_added_taken_back_or_asked(physician: Client, lea: Patient) -> None:
    home = f"/patients/{lea.pk}/profile/medications/"
    text = physician.post(home, {"code": "isotretinoin-oral"}, **HTMX).content.decode()
    assert 'id="patient-banner" hx-swap-oob="true"' in text
    assert "Isotretinoin" in text.split('id="patient-banner"')[1]
    fact = lea.medications.get()
    text = physician.post(f"{home}{fact.pk}/retract/", {"reason": "wrong patient"}, **HTMX).content.decode()
    assert "Isotretinoin" not in text.split('id="patient-banner"')[1]
    Patient.objects.filter(pk=lea.pk).update(sun_asked_on=None)
    assert "hx-swap-oob" in physician.post(f"/patients/{lea.pk}/asked/", **HTMX).content.decode()


def test_two_concerns_have_their_own_limits_reasons_and_alternatives(physician: Client, lea: Patient) -> None:
    plan = propose(physician, lea, **{
        "c1-indication": "alopecia", "c1-area": "scalp", "c1-scale": "sinclair", "c1-item_grade": "3",
    })  # fmt: skip
    text = page(physician, plan)
    assert "Plan for pigment, face + alopecia, scalp" in text
    limits = text.split('aria-label="Limits"')[1].split("</section>")[0]
    assert "Depth, face" in limits
    assert "Depth, scalp" in limits
    why = text.split('aria-label="Why"')[1]
    assert why.index("Pigment, face</h3>") < why.index("Alopecia, scalp</h3>") < why.index("<details")
    alternatives = text.split('aria-label="Alternatives"')[1]
    assert 'value="alopecia/scalp|' in alternatives
    assert 'value="pigment/face|' in alternatives
    assert "pigment/face" not in why.split("<aside")[0]
    choice = re.findall(r'value="(alopecia/scalp\|[^"]+)"', alternatives)[0]
    physician.post(f"/plans/{plan.pk}/edit/", {"revision": plan.revision, "choice": choice}, **HTMX)
    plan.refresh_from_db()
    used = {p["cocktail"] for c in plan.content["courses"] for s in c["sessions"] for p in s["parts"]}
    assert choice.split("|")[2] in used


def test_a_cocktail_s_line_names_what_this_patient_gets(
    physician: Client, clinic: Clinic, lea: Patient
) -> None:
    Allergy.objects.create(patient=lea, substance="lidocaine", recorded_by=clinic.roca)
    plan = propose(physician, lea, **{
        "c0-indication": "alopecia", "c0-area": "scalp", "c0-scale": "sinclair", "c0-item_grade": "3",
    })  # fmt: skip
    course = page(physician, plan).split('aria-label="Course 1"')[1].split("<dl")[0]
    assert "Lidocaine" not in course


def test_values_have_their_units(physician: Client, plan: TreatmentPlan) -> None:
    text = page(physician, plan)
    assert "20 of 40 mg" in text
    assert 'class="day-box">earliest' in text
    over = {"revision": plan.revision, "values.0.1.0.volume_ml": "9"}
    text = physician.post(f"/plans/{plan.pk}/edit/", over, **HTMX).content.decode()
    assert "Set 5.0 mL" in text
    assert "Max 5.0 mL" in text


def test_a_declined_plan_names_its_concern_and_promises_no_signature(physician: Client, lea: Patient) -> None:
    text = page(physician, propose(physician, lea, **{"facts-pregnancy": "pregnant"}))
    assert "<h1>No course for pigment, face</h1>" in text
    assert "Signing freezes" not in text
    assert "Sign plan" not in text


def test_a_nurse_is_not_offered_what_she_may_not_do(client: Client, clinic: Clinic) -> None:
    plan = clinic.signed_plan()
    client.force_login(clinic.roca)
    assert "New assessment" not in page(client, plan)


def test_signing_repeats_who_the_patient_is(physician: Client, plan: TreatmentPlan) -> None:
    dialog = page(physician, plan).split('<dialog id="sign"')[1]
    assert "Lea Brandt" in dialog
    assert "14 May 1988" in dialog
    wrong = physician.post(f"/plans/{plan.pk}/sign/", {"revision": plan.revision, "password": "wrong"})
    assert 'aria-labelledby="h-sign" data-open' in wrong.content.decode()


@pytest.mark.parametrize(
    ("kind", "said", "unsaid"),
    [("rules", "Clinical reference, §6", "REFERENCE.md"), ("agents", "not used", ">0 mg a session"),
     ("scales", "mild 1", "1 to 1,"), ("cocktails", "Saline 0.9 %", "<td>CK-CEL-N</td>")],
)  # fmt: skip
def test_the_catalogue_speaks_in_words(physician: Client, kind: str, said: str, unsaid: str) -> None:
    pages = [physician.get(f"/catalogue/?kind={kind}&page={n}").content.decode() for n in (1, 2, 3)]
    assert any(said in text for text in pages)
    assert not any(unsaid in text for text in pages)


def test_the_bands_of_a_scale_all_show_and_no_words_run_into_each_other() -> None:
    from protocols.forms import ConcernForm

    for indication, area, scale in (("fat", "abdomen", "pinch"), ("fat", "submental", "cr-smfrs"),
                                    ("alopecia", "scalp", "norwood")):  # fmt: skip
        from django.http import QueryDict

        data = QueryDict(f"c0-indication={indication}&c0-area={area}&c0-scale={scale}")
        bar = ConcernForm(data, prefix="c0", sex="male", today=date.today()).bands
        assert bar is not None
        assert all(band["width"] > 10 for band in bar["bands"])
        for line in (38, 53):
            row = [b for b in bar["bands"] if b["y"] == line]
            for one, two in pairwise(row):
                assert one["text_x"] + 6.6 * len(f"{one['min']} {one['words']}") <= two["text_x"]


def test_the_chart_opens_an_assessment_to_read(physician: Client, lea: Patient) -> None:
    propose(physician, lea, **{"c0-indication": "alopecia", "c0-area": "scalp", "c0-scale": "sinclair",
                               "c0-item_grade": "3", "c0-onset": "1 Aug 2025"})  # fmt: skip
    text = physician.get(f"/patients/{lea.pk}/").content.decode()
    assert "(Sinclair 3)" in text
    assert "sinclair 3" not in text
    assert "<dt>Began</dt><dd>1 Aug 2025</dd>" in text
    assert 'aria-label="Health"' in text
