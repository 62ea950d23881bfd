"""A changed fact finds every signed plan it speaks against; nobody overlooks it, nothing is lost on the way."""

import dataclasses
import threading
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mesoclinic.audit.models import AuditEvent
from mesoclinic.celery import app
from patients import actions as patients
from patients.models import Medication, Patient
from protocols import queries_watch, registry, watch
from protocols.catalogue import knowledge
from protocols.models import Alert, RecheckRequest, TreatmentPlan, WatchMark
from protocols.queries import case_of
from tests.clinic import Clinic
from tests.conftest import celery_worker
from tests.protocols.helpers import asked, give_reasons, propose, sign
from tests.together import wait_for

pytestmark = pytest.mark.django_db
TODAY = date.today()


@pytest.fixture
def clinic() -> Clinic:
    return Clinic(today=TODAY)


@pytest.fixture
def physician(client: Client, clinic: Clinic) -> Client:
    client.force_login(clinic.amari)
    return client


def signed_plan(physician: Client, patient: Patient) -> TreatmentPlan:
    """Pigment on the face, assessed, answered and signed on the page."""
    asked(patient)
    patient.refresh_from_db()
    plan = propose(physician, patient)
    give_reasons(physician, plan)
    assert sign(physician, plan).status_code == 302
    RecheckRequest.objects.all().delete()
    plan.refresh_from_db()
    patient.refresh_from_db()
    return plan


@pytest.fixture
def lea(clinic: Clinic) -> Patient:
    return clinic.lea


@pytest.fixture
def plan(physician: Client, lea: Patient) -> TreatmentPlan:
    return signed_plan(physician, lea)


def set_facts(clinic: Clinic, patient: Patient, **facts: Any) -> None:
    patient.refresh_from_db()
    patients.update(patient=patient, by=clinic.roca, version=patient.version, what="profile", **facts)


def takes(clinic: Clinic, patient: Patient, code: str = "isotretinoin-oral", **values: Any) -> Any:
    return patients.add_fact(patient=patient, kind="medications", by=clinic.roca, today=TODAY, code=code, **values)  # fmt: skip


def run(today: date | None = None) -> int:
    """A worker's turn."""
    if today is None:
        return watch.check_open()
    with time_machine.travel(f"{today.isoformat()}T10:00:00+00:00", tick=False):
        return watch.check_open()


# ---- asking for a check ----------------------------------------------------------------------------------------------


def test_a_fact_asks_for_a_check_in_its_own_transaction(
    clinic: Clinic, plan: TreatmentPlan, lea: Patient
) -> None:
    takes(clinic, lea)
    request = RecheckRequest.objects.get()
    assert request.cause == "Medicine, Isotretinoin by mouth: added"
    assert request.closed_at is None
    RecheckRequest.objects.all().delete()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        takes(clinic, lea, "warfarin")
        raise ZeroDivisionError
    assert not RecheckRequest.objects.exists()
    assert not Medication.objects.filter(code="warfarin").exists()


def test_causes_are_gathered_in_the_one_open_request(
    clinic: Clinic, plan: TreatmentPlan, lea: Patient
) -> None:
    takes(clinic, lea)
    set_facts(clinic, lea, weight_kg=40, pregnancy="pregnant")
    request = RecheckRequest.objects.get()
    assert request.cause == "Medicine, Isotretinoin by mouth: added; Profile changed: weight kg, pregnancy"


def test_a_retracted_fact_asks_too(clinic: Clinic, plan: TreatmentPlan, lea: Patient) -> None:
    fact = takes(clinic, lea)
    RecheckRequest.objects.all().delete()
    patients.retract_fact(fact=fact, by=clinic.roca, now=timezone.now(), reason="Another patient's")
    assert RecheckRequest.objects.get().cause == "Medicine, Isotretinoin by mouth: taken back"


def test_a_change_past_the_actions_asks_all_the_same(
    plan: TreatmentPlan, lea: Patient, clinic: Clinic
) -> None:
    Patient.objects.filter(pk=lea.pk).update(phototype=6)
    assert RecheckRequest.objects.get().cause == "Facts changed"
    RecheckRequest.objects.all().delete()
    Medication.objects.create(patient=lea, code="warfarin", recorded_by=clinic.roca)
    assert RecheckRequest.objects.count() == 1


def test_a_new_telephone_number_asks_for_nothing(clinic: Clinic, plan: TreatmentPlan, lea: Patient) -> None:
    set_facts(clinic, lea, phone="+34600555999", note="Prefers mornings")
    assert not RecheckRequest.objects.exists()


def test_a_patient_without_a_live_plan_asks_for_nothing(
    clinic: Clinic, physician: Client, lea: Patient
) -> None:
    takes(clinic, lea)
    asked(lea)
    propose(physician, lea)
    takes(clinic, lea, "warfarin")
    assert not RecheckRequest.objects.exists()


def test_a_new_day_asks_for_all_live_plans_once(clinic: Clinic, plan: TreatmentPlan) -> None:
    watch.notice(today=TODAY)
    RecheckRequest.objects.update(closed_at=timezone.now())
    watch.notice(today=TODAY)
    assert RecheckRequest.objects.filter(closed_at=None).count() == 0
    watch.notice(today=TODAY + timedelta(days=1))
    assert "A new day" in RecheckRequest.objects.get(closed_at=None).cause
    # A worker whose clock is behind does not turn the day back.
    RecheckRequest.objects.update(closed_at=timezone.now())
    watch.notice(today=TODAY)
    assert RecheckRequest.objects.filter(closed_at=None).count() == 0
    assert WatchMark.objects.get(name="day").value == (TODAY + timedelta(days=1)).isoformat()


def test_new_knowledge_asks_for_all_live_plans_once(
    plan: TreatmentPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch.notice(today=TODAY)
    RecheckRequest.objects.update(closed_at=timezone.now())
    newer = dataclasses.replace(knowledge(), version="2099.1", sha256="f" * 64)
    monkeypatch.setattr(watch, "knowledge", lambda: newer)
    watch.notice(today=TODAY)
    watch.notice(today=TODAY)
    assert RecheckRequest.objects.get(closed_at=None).cause == "New knowledge, version 2099.1"


def test_a_task_that_began_before_a_publication_checks_with_the_published_version(
    clinic: Clinic, plan: TreatmentPlan, lea: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    takes(clinic, lea)
    forgotten: list[bool] = []
    forget = watch.catalogue.forget
    monkeypatch.setattr(watch.catalogue, "forget", lambda: (forgotten.append(True), forget()))
    newer = dataclasses.replace(knowledge(), version="2099.1", sha256="f" * 64)
    monkeypatch.setattr(watch, "knowledge", lambda: newer if forgotten else knowledge())
    run()
    assert Alert.objects.get().knowledge_sha256 == "f" * 64


def test_a_fact_is_checked_before_the_daily_round(clinic: Clinic, physician: Client, lea: Patient) -> None:
    others = [clinic.patient("Ana", f"N{n}") for n in range(2)]
    for patient in (*others, lea):
        signed_plan(physician, patient)
    watch.request_all(cause="A new day")
    takes(clinic, lea)
    assert [row.patient_id for row in watch.claim(timezone.now(), 1)] == [lea.pk]
    assert RecheckRequest.objects.get(patient=lea).cause.startswith("Medicine")


# ---- the check -------------------------------------------------------------------------------------------------------


def test_nothing_changed_gives_no_alert(plan: TreatmentPlan) -> None:
    watch.request_all(cause="A new day")
    assert run() == 1
    assert not Alert.objects.exists()
    assert RecheckRequest.objects.get().closed_at is not None


def test_a_pregnancy_is_a_block_for_the_signer(clinic: Clinic, plan: TreatmentPlan, lea: Patient) -> None:
    set_facts(clinic, lea, pregnancy="pregnant")
    run()
    alert = Alert.objects.get()
    assert (alert.plan, alert.level, alert.rule) == (plan, "block", "R01")
    assert alert.cause == "Profile changed: pregnancy"
    assert queries_watch.open_blocks([plan.pk]) == {plan.pk}
    assert queries_watch.waiting_count(clinic.amari.pk) == 1
    assert AuditEvent.objects.filter(type="alert.raised", patient_id=lea.pk).count() == 1


def test_checking_again_raises_nothing_twice(clinic: Clinic, plan: TreatmentPlan, lea: Patient) -> None:
    set_facts(clinic, lea, pregnancy="pregnant")
    run()
    for _round in range(3):
        watch.request_all(cause="Again")
        assert run() == 1
    assert Alert.objects.count() == 1


def test_an_alert_ends_with_its_reason_and_comes_back_as_a_new_one(
    clinic: Clinic, plan: TreatmentPlan, lea: Patient
) -> None:
    set_facts(clinic, lea, pregnancy="pregnant")
    run()
    set_facts(clinic, lea, pregnancy="none")
    run()
    first = Alert.objects.get()
    assert first.closed_at is not None
    assert first.closed_because == "Profile changed: pregnancy"
    assert queries_watch.open_blocks([plan.pk]) == set()
    set_facts(clinic, lea, pregnancy="pregnant")
    run()
    assert Alert.objects.count() == 2


def test_a_date_that_passes_a_limit_is_found_by_the_daily_round(
    clinic: Clinic, physician: Client, lea: Patient
) -> None:
    asked(lea)
    Medication.objects.create(patient=lea, code="warfarin", current=True, recorded_by=clinic.roca)
    patients.add_fact(patient=lea, kind="labs", by=clinic.roca, today=TODAY, code="inr", value=2, unit="1",
                      taken_on=TODAY)  # fmt: skip
    signed_plan(physician, lea)
    watch.notice(today=TODAY)
    run(TODAY)
    assert not Alert.objects.exists()
    later = TODAY + timedelta(days=14)
    with time_machine.travel(f"{later.isoformat()}T10:00:00+00:00", tick=False):
        watch.notice(today=later)
        watch.check_open()
    assert {alert.rule for alert in Alert.objects.all()} == {"R21"}


def test_a_plan_that_is_no_longer_followed_has_no_open_alert(
    clinic: Clinic, plan: TreatmentPlan, lea: Patient
) -> None:
    set_facts(clinic, lea, pregnancy="pregnant")
    run()
    TreatmentPlan.objects.filter(pk=plan.pk).update(status=TreatmentPlan.Status.STOPPED)
    assert run() == 1
    assert Alert.objects.get().closed_because == "The plan is stopped"


def test_facts_that_contradict_themselves_are_told_and_stop_nobody_else(
    clinic: Clinic, physician: Client, lea: Patient
) -> None:
    bare = clinic.signed_plan(
        clinic.patient("Ana", "Bare")
    )  # an assessment without concerns can't be checked
    plan = signed_plan(physician, lea)
    set_facts(clinic, lea, pregnancy="pregnant")
    watch.request_recheck(patient_id=bare.patient_id, cause="Test")
    assert run() == 2
    assert {(a.plan_id, a.rule) for a in Alert.objects.all()} == {(bare.pk, "CHECK"), (plan.pk, "R01")}


def test_a_check_that_breaks_is_tried_again_and_then_told(
    clinic: Clinic, physician: Client, lea: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = clinic.patient("Ana", "Segura")
    broken, good = signed_plan(physician, lea), signed_plan(physician, other)
    real = watch.speaking

    def breaks(state: Any, content: Any, *rest: Any) -> Any:
        if content is not None and state.case.birth_date == date(1950, 1, 1):
            raise RuntimeError("boom")
        return real(state, content, *rest)

    monkeypatch.setattr(watch, "speaking", breaks)
    Patient.objects.filter(pk=lea.pk).update(birth_date=date(1950, 1, 1))
    set_facts(clinic, other, pregnancy="pregnant")
    now = timezone.now()
    assert watch.check_open(clock=lambda: now) == 1
    assert Alert.objects.get().plan == good
    request = RecheckRequest.objects.get(closed_at=None)
    assert "boom" in request.error
    for wait in watch.BACKOFF:
        assert watch.check_open(clock=lambda: now) == 0  # noqa: B023
        now += wait + timedelta(seconds=1)
        watch.check_open(clock=lambda: now)  # noqa: B023
    assert Alert.objects.get(rule="CHECK").plan == broken
    assert not RecheckRequest.objects.filter(closed_at=None).exists()


def test_a_batch_costs_the_same_however_many_plans_it_has(
    clinic: Clinic, physician: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the sessions app tells is asked one by one until it gives its batches; its own test counts those.
    batched = [source for source in registry.history_sources if source in registry.history_batches]
    monkeypatch.setattr(queries_watch, "history_sources", batched)
    monkeypatch.setattr(queries_watch, "course_sources", [])
    people = [clinic.patient("Eva", f"N{n}") for n in range(6)]
    for patient in people:
        signed_plan(physician, patient)

    def cost(count: int) -> int:
        RecheckRequest.objects.all().delete()
        for patient in people[:count]:
            set_facts(clinic, patient, pregnancy="none")
            set_facts(clinic, patient, pregnancy="pregnant")
        rows = watch.claim(timezone.now())
        assert len(rows) == count
        with CaptureQueriesContext(connection) as queries:
            watch.check(rows, now=timezone.now(), today=TODAY)
        Patient.objects.update(pregnancy="none")
        run()
        return len(queries)

    assert cost(2) == cost(6)


def test_cases_in_a_batch_are_the_cases_one_by_one(clinic: Clinic, physician: Client) -> None:
    people = [clinic.patient("Eva", f"N{n}") for n in range(3)]
    plans = [signed_plan(physician, patient) for patient in people]
    takes(clinic, people[0])
    fact = takes(clinic, people[1], "warfarin")
    patients.retract_fact(fact=fact, by=clinic.roca, now=timezone.now(), reason="Another patient's")
    together = queries_watch.cases_of(queries_watch.live_plans([p.pk for p in people]), TODAY)
    for plan in plans:
        fresh = TreatmentPlan.objects.get(pk=plan.pk)
        assert together[plan.pk] == case_of(fresh.assessment, TODAY)


# ---- two at once, and the end of a worker ----------------------------------------------------------------------------


def test_a_fact_that_comes_in_during_the_check_is_checked_again(
    clinic: Clinic, plan: TreatmentPlan, lea: Patient
) -> None:
    takes(clinic, lea)
    rows = watch.claim(timezone.now())
    found = watch._checked(rows, TODAY)
    set_facts(clinic, lea, pregnancy="pregnant")
    assert watch._keep(rows, found, timezone.now()) == 0
    assert not Alert.objects.filter(rule="R01").exists()
    assert run() == 1
    assert Alert.objects.filter(rule="R01").exists()


def test_a_dead_worker_s_rows_come_back_after_the_lease(
    clinic: Clinic, plan: TreatmentPlan, lea: Patient
) -> None:
    takes(clinic, lea)
    now = timezone.now()
    lost = watch.claim(now)
    assert len(lost) == 1
    assert watch.claim(now) == []
    after = watch.claim(now + watch.LEASE + timedelta(seconds=1))
    assert [row.pk for row in after] == [row.pk for row in lost]
    # The first worker was only slow: what it found is dropped, the second one's counts.
    assert watch.check(lost, now=now, today=TODAY) == 0
    assert watch.check(after, now=now, today=TODAY) == 1


@pytest.mark.django_db(transaction=True)
def test_two_workers_share_the_work_and_raise_each_alert_once(client: Client, clinic: Clinic) -> None:
    client.force_login(clinic.amari)
    people = [clinic.patient("Eva", f"N{n}") for n in range(8)]
    for patient in people:
        signed_plan(client, patient)
    for patient in people:
        set_facts(clinic, patient, pregnancy="pregnant")
    closed: list[int] = []

    def work() -> None:
        closed.append(watch.check_open(batch=1))
        connection.close()

    workers = [threading.Thread(target=work) for _n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sum(closed) == 8
    assert Alert.objects.count() == 8


@pytest.fixture
def shared_plan(transactional_db: None, client: Client) -> Iterator[tuple[Clinic, TreatmentPlan, Patient]]:
    clinic = Clinic(today=TODAY)
    client.force_login(clinic.amari)
    yield clinic, signed_plan(client, clinic.lea), clinic.lea


@pytest.mark.django_db(transaction=True)
def test_kill_9_between_claim_and_check_loses_nothing(
    shared_plan: tuple[Clinic, TreatmentPlan, Patient],
) -> None:
    clinic, plan, lea = shared_plan
    set_facts(clinic, lea, pregnancy="pregnant")
    with celery_worker() as worker, transaction.atomic(), connection.cursor() as cursor:
        # The worker can claim (its own transaction) and then waits here for the patient's allergies.
        cursor.execute("LOCK TABLE patients_allergy IN ACCESS EXCLUSIVE MODE")
        app.send_task("protocols.tasks.watch_plans")
        wait_for(lambda: RecheckRequest.objects.get().leased_until, worker)
        worker.kill()
        worker.wait(timeout=20)
    request = RecheckRequest.objects.get()
    assert request.closed_at is None
    assert not Alert.objects.exists()
    # The lease runs out.
    RecheckRequest.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    with celery_worker() as worker:
        app.send_task("protocols.tasks.watch_plans")
        alert = wait_for(lambda: Alert.objects.filter(plan=plan, rule="R01").first(), worker)
    assert alert.cause == "Profile changed: pregnancy"
    assert RecheckRequest.objects.filter(closed_at=None).count() == 0


# ---- acknowledging ---------------------------------------------------------------------------------------------------


@pytest.fixture
def warning(clinic: Clinic, plan: TreatmentPlan, lea: Patient) -> Alert:
    takes(clinic, lea)
    run()
    return Alert.objects.get(level="warn")


@pytest.fixture
def block(clinic: Clinic, plan: TreatmentPlan, lea: Patient) -> Alert:
    set_facts(clinic, lea, pregnancy="pregnant")
    run()
    return Alert.objects.get(level="block")


def post(client: Client, alert: Alert, **data: str) -> Any:
    return client.post(f"/alerts/{alert.pk}/acknowledge/", data)


def test_a_warning_needs_a_reason_and_is_settled_by_it(
    physician: Client, clinic: Clinic, warning: Alert
) -> None:
    assert queries_watch.held_plans() == {warning.plan_id}
    refused = post(physician, warning, reason=" ")
    assert refused.status_code == 422
    assert "Write the reason" in refused.content.decode()
    assert post(physician, warning, reason="Low dose, superficial needles only.").status_code == 302
    warning.refresh_from_db()
    assert (warning.acknowledged_by, warning.closed_at) == (clinic.amari, None)
    assert queries_watch.held_plans() == set()
    watch.request_all(cause="A new day")
    run()
    assert Alert.objects.count() == 1
    event = AuditEvent.objects.get(type="alert.acknowledged")
    assert event.reason == "Low dose, superficial needles only."


def test_a_block_that_was_seen_still_blocks(physician: Client, clinic: Clinic, block: Alert) -> None:
    assert post(physician, block, reason="").status_code == 302
    block.refresh_from_db()
    assert block.acknowledged_by == clinic.amari
    assert queries_watch.open_blocks([block.plan_id]) == {block.plan_id}
    assert queries_watch.held_plans() == {block.plan_id}
    assert queries_watch.waiting_count(clinic.amari.pk) == 0


def test_an_alert_is_acknowledged_once_and_never_after_it_closed(
    physician: Client, clinic: Clinic, lea: Patient, block: Alert
) -> None:
    post(physician, block, reason="Called her.")
    again = post(physician, block, reason="Somebody else.")
    assert again.status_code == 422
    assert "Dr. Nadia Amari has acknowledged" in again.content.decode()
    set_facts(clinic, lea, pregnancy="none")
    run()
    assert "closed" in post(physician, block, reason="Late.").content.decode()


def test_an_alert_s_words_can_not_be_changed_or_deleted(block: Alert) -> None:
    for act in (lambda: Alert.objects.filter(pk=block.pk).update(message="Fine."),
                lambda: Alert.objects.filter(pk=block.pk).delete()):  # fmt: skip
        with pytest.raises(IntegrityError), transaction.atomic():
            act()


# ---- pages -----------------------------------------------------------------------------------------------------------


def main(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode().split("<main", 1)[1]


def test_the_physician_s_page_shows_own_alerts_and_those_of_all(
    physician: Client, clinic: Clinic, block: Alert
) -> None:
    assert "Pregnant" in main(physician, "/alerts/")
    keller = clinic.user("keller", "Dr. Jonas Keller", "physician")
    other = Client()
    other.force_login(keller)
    assert "Nothing new speaks" in main(other, "/alerts/")
    assert "Pregnant" in main(other, "/alerts/?whose=all")
    assert "No alert with these words" in main(other, "/alerts/?whose=all&q=zzzz")
    assert "Lea Brandt" in main(other, "/alerts/?whose=all&q=brandt")
    assert "No alert has been closed" in main(physician, "/alerts/?show=closed")
    assert '<span class="count">1<' in physician.get("/").content.decode()


def test_the_list_pages_and_costs_the_same_however_long_it_is(
    physician: Client, clinic: Clinic, plan: TreatmentPlan
) -> None:
    def make(first: int, last: int) -> None:
        Alert.objects.bulk_create(
            Alert(plan=plan, finding_key=f"k{n}", level="warn", rule="R15", scope="plan", message=f"Number {n}.",
                  cause="Test", knowledge_sha256="0")
            for n in range(first, last)
        )  # fmt: skip

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            main(physician, "/alerts/")
        return len(queries)

    make(0, 3)
    cost()
    before = cost()
    make(3, 50)
    assert cost() == before
    assert "1 to 20 of 50" in main(physician, "/alerts/")
    assert "41 to 50" in main(physician, "/alerts/?page=3")


def test_the_plan_and_the_banner_show_the_alert(
    physician: Client, plan: TreatmentPlan, lea: Patient, block: Alert
) -> None:
    text = main(physician, f"/plans/{plan.pk}/")
    assert "New since the signature" in text
    assert "I have seen this block" in text
    assert "Signed course: Pregnant" in physician.get(f"/patients/{lea.pk}/").content.decode()
    assert post(physician, block, reason="", back="plan").url == f"/plans/{plan.pk}/"
    assert "Seen." in main(physician, f"/plans/{plan.pk}/")


def test_a_nurse_reads_alerts_and_acknowledges_none(client: Client, clinic: Clinic, block: Alert) -> None:
    client.force_login(clinic.roca)
    assert "Pregnant" in main(client, "/alerts/?whose=all")
    assert "I have seen" not in main(client, f"/plans/{block.plan_id}/")
    assert post(client, block, reason="Seen").status_code == 403


@pytest.fixture
def booked(clinic: Clinic, plan: TreatmentPlan, monkeypatch: pytest.MonkeyPatch) -> registry.ComingVisit:
    """A visit as the sessions app will tell it."""
    visit = registry.ComingVisit(plan.pk, clinic.lea, clinic.at(10, day=TODAY + timedelta(days=3)), "Madrid, Room 2",
                                 "Inés Roca", "/appointments/1/")  # fmt: skip
    monkeypatch.setattr(
        queries_watch, "visit_sources", [lambda plans, now: [visit] if plan.pk in set(plans) else []]
    )
    return visit


def test_the_front_desk_sees_which_visits_wait_for_a_physician_and_nothing_clinical(
    client: Client, clinic: Clinic, booked: registry.ComingVisit, block: Alert, lea: Patient
) -> None:
    client.force_login(clinic.marta)
    text = main(client, "/visits-on-hold/")
    for words in ("Lea Brandt", "Dr. Nadia Amari", "Physician must look at this course before the visit"):
        assert words in text
    pages = [text, client.get(f"/plans/{block.plan_id}/").content.decode(), client.get(f"/patients/{lea.pk}/").content.decode()]  # fmt: skip
    for page in pages:
        assert "Physician must look at this course" in page
        assert "regnan" not in page.replace("Pregnancy", "")
        assert "R01" not in page
    assert client.get("/alerts/").status_code == 403
    assert post(client, block, reason="Fine").status_code == 403
    assert "No visit on hold for this name" in main(client, "/visits-on-hold/?q=zzz")


def test_nothing_is_on_hold_when_nothing_speaks(
    client: Client, clinic: Clinic, booked: registry.ComingVisit
) -> None:
    client.force_login(clinic.marta)
    assert "No visit is on hold" in main(client, "/visits-on-hold/")


def test_only_who_books_sees_visits_on_hold(client: Client, clinic: Clinic) -> None:
    client.force_login(clinic.admin)
    assert client.get("/visits-on-hold/").status_code == 403


@pytest.mark.parametrize(
    "url", ["/alerts/?page=zz&show=zz&whose=zz", "/alerts/?q=%27%3B--", "/visits-on-hold/?page=-3"]
)
def test_nonsense_in_the_address_is_harmless(physician: Client, url: str) -> None:
    assert physician.get(url).status_code == 200


def test_an_alert_that_is_not_there_is_404(physician: Client) -> None:
    assert physician.post("/alerts/999999/acknowledge/", {"reason": "abc"}).status_code == 404
