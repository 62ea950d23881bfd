"""A course under way: reviews, adverse events, the next version, and what becomes of the visits booked."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from mesoclinic.audit.models import AuditEvent
from protocols import actions, actions_replan
from protocols.models import AdverseEvent, Review, TreatmentPlan
from protocols.queries_replan import follow_up_of
from sessions.models import Appointment, Message, TreatmentRecord
from sessions.queries.booking import search_course, to_book
from sessions.scheduling import Preferences
from tests.clinic import PASSWORD, Clinic
from tests.protocols.helpers import asked, give_reasons, propose, sign

pytestmark = pytest.mark.django_db
START = timezone.localdate() - timedelta(days=43)


@pytest.fixture
def clinic() -> Clinic:
    return Clinic(today=date.today())


@pytest.fixture
def physician(client: Client, clinic: Clinic) -> Client:
    client.force_login(clinic.amari)
    return client


@pytest.fixture
def plan(physician: Client, clinic: Clinic) -> Iterator[TreatmentPlan]:
    """A pigment course, proposed and signed six weeks ago; sessions 1 to 3 done, the last one 14 days ago."""
    with time_machine.travel(datetime.combine(START, datetime.min.time()).replace(hour=9), tick=True):
        physician.force_login(clinic.amari)
        asked(clinic.lea)
        clinic.lea.refresh_from_db()
        found = propose(physician, clinic.lea)
        give_reasons(physician, found)
        assert sign(physician, found).status_code == 302
    physician.force_login(clinic.amari)
    found.refresh_from_db()
    assert found.status == "signed"
    for number, ago in ((1, 42), (2, 28), (3, 14)):
        done(clinic, found, number, ago)
    yield found


def done(clinic: Clinic, plan: TreatmentPlan, number: int, ago: int) -> None:
    starts = clinic.at(10, day=clinic.today - timedelta(days=ago))
    visit = clinic.appointment(
        planned_session=plan.planned_sessions.get(number=number),
        starts_at=starts,
        status=Appointment.Status.DONE,
    )
    TreatmentRecord.objects.create(
        appointment=visit, patient=plan.patient, operator=clinic.roca, started_at=starts,
        ended_at=starts + timedelta(minutes=20), signed_by=clinic.roca, signed_at=starts + timedelta(minutes=30),
    )  # fmt: skip


def booked(clinic: Clinic, plan: TreatmentPlan, number: int, ahead: int) -> Appointment:
    return clinic.appointment(
        planned_session=plan.planned_sessions.get(number=number),
        starts_at=clinic.at(10, day=clinic.today + timedelta(days=ahead)),
    )


def review(client: Client, plan: TreatmentPlan, **items: Any) -> Any:
    """The mMASI of today: as at the baseline but for what is named."""
    concern = plan.assessment.concerns.get()
    prefix = f"r{concern.pk}"
    data = {
        f"{prefix}-item_{name}": value for name, value in (concern.items | items).items() if value is not None
    }
    return client.post(f"/plans/{plan.pk}/course/review/{concern.pk}/", data | {f"{prefix}-gais": "0"})


def draft_of(client: Client, plan: TreatmentPlan) -> TreatmentPlan:
    response = client.post(f"/plans/{plan.pk}/replan/")
    assert response.status_code == 302, response.content.decode()[:2000]
    return TreatmentPlan.objects.get(supersedes=plan)


def test_what_was_really_done_is_what_the_engine_gets(plan: TreatmentPlan, clinic: Clinic) -> None:
    found = follow_up_of(plan, clinic.today)
    assert [(row["number"], row["date"]) for row in found["done"]] == [
        (number, (clinic.today - timedelta(days=ago)).isoformat())
        for number, ago in ((1, 42), (2, 28), (3, 14))
    ]
    assert [s["number"] for s in found["plan"]["courses"][0]["sessions"]][:4] == [1, 2, 3, 4]


def test_little_response_after_session_three_brings_the_next_cocktail(
    physician: Client, plan: TreatmentPlan, clinic: Clinic
) -> None:
    assert review(physician, plan, chin_area=0).status_code == 302
    row = Review.objects.get()
    assert (row.after_session, row.score) == (3, row.score)
    draft = draft_of(physician, plan)
    course = draft.content["courses"][0]
    assert course["decision"] == "adjust"
    assert course["sessions"][0]["number"] == 4
    page = physician.get(f"/plans/{draft.pk}/").content.decode()
    assert "What changes against version 1" in page
    assert "CK-PIG-1" in page


def test_signing_the_next_version_leaves_done_sessions_alone_and_takes_the_booked_ones_along(
    physician: Client, plan: TreatmentPlan, clinic: Clinic
) -> None:
    visit = booked(clinic, plan, 4, 2)
    draft = draft_of(physician, plan)
    assert draft.content["courses"][0]["decision"] == "continue"
    give_reasons(physician, draft)
    assert sign(physician, draft).status_code == 302
    plan.refresh_from_db()
    draft.refresh_from_db()
    assert (plan.status, draft.status, draft.version) == ("superseded", "signed", 2)
    visit.refresh_from_db()
    assert visit.planned_session is not None
    assert (visit.planned_session.plan_id, visit.planned_session.number) == (draft.pk, 4)
    assert plan.planned_sessions.count() == len(plan.content["courses"][0]["sessions"])
    course = search_course(draft, clinic.location, Preferences(), now=clinic.at(12))
    assert course.planned[0].number == 5
    assert list(to_book()) == [draft]
    # And once more: the third version still knows what the first one did.
    assert [row["number"] for row in follow_up_of(draft, clinic.today)["done"]] == [1, 2, 3]


def test_a_grave_adverse_event_ends_the_course_and_calls_the_visits_off(
    physician: Client, plan: TreatmentPlan, clinic: Clinic
) -> None:
    visit = booked(clinic, plan, 4, 2)
    response = physician.post(
        f"/plans/{plan.pk}/course/event/",
        {"ae-event": "vascular-occlusion", "ae-grade": "3", "ae-onset": clinic.today.isoformat(), "ae-area": "face",
         "ae-detail": "White skin, hyaluronidase given"},
    )  # fmt: skip
    assert response.status_code == 302
    draft = draft_of(physician, plan)
    assert draft.content["courses"][0]["decision"] == "stop"
    page = physician.get(f"/plans/{draft.pk}/").content.decode()
    assert "End the course" in page
    assert (
        physician.post(f"/plans/{draft.pk}/end/", {"reason": "Occlusion", "password": "wrong"}).status_code
        == 302
    )
    plan.refresh_from_db()
    assert plan.status == "signed"
    physician.post(f"/plans/{draft.pk}/end/", {"reason": "Vascular occlusion", "password": PASSWORD})
    plan.refresh_from_db()
    visit.refresh_from_db()
    assert plan.status == "stopped"
    assert visit.status == Appointment.Status.CANCELLED
    assert "Vascular occlusion" in visit.reason
    assert Message.objects.filter(appointment=visit, kind="cancelled", state="due").count() <= 1
    assert not to_book().exists()
    assert AuditEvent.objects.filter(type="course.stopped").exists()


def test_a_pregnancy_since_then_leaves_no_session(
    physician: Client, plan: TreatmentPlan, clinic: Clinic
) -> None:
    clinic.lea.refresh_from_db()
    clinic.lea.pregnancy = "pregnant"
    clinic.lea.save()
    draft = draft_of(physician, plan)
    assert draft.content["status"] == "declined"
    assert draft.content["courses"][0]["sessions"] == []
    assert "R01" in physician.get(f"/plans/{draft.pk}/").content.decode()


def test_a_fact_that_came_in_after_the_replan_stops_the_signature(
    physician: Client, plan: TreatmentPlan, clinic: Clinic
) -> None:
    draft = draft_of(physician, plan)
    AdverseEvent.objects.create(plan=plan, event="pih", grade=1, onset=clinic.today, by=clinic.amari)
    give_reasons(physician, draft)
    response = sign(physician, draft)
    assert response.status_code == 409
    assert "facts changed" in response.content.decode()


def test_a_second_draft_is_not_opened(physician: Client, plan: TreatmentPlan) -> None:
    draft_of(physician, plan)
    response = physician.post(f"/plans/{plan.pk}/replan/")
    assert response.status_code == 409
    assert "open already" in response.content.decode()


def test_an_incomplete_review_is_told_and_nothing_is_kept(physician: Client, plan: TreatmentPlan) -> None:
    response = review(physician, plan, chin_area=None)
    assert response.status_code == 422
    assert "Enter every item" in response.content.decode()
    assert not Review.objects.exists()


@pytest.mark.parametrize(
    "changes",
    [{"ae-grade": "9"}, {"ae-onset": "2999-01-01"}, {"ae-event": "moon"}, {"ae-area": "moon"}, {"ae-detail": "x" * 3000}],
    ids=lambda value: next(iter(value)),
)  # fmt: skip
def test_a_wrong_adverse_event_is_told_beside_the_field(
    physician: Client, plan: TreatmentPlan, clinic: Clinic, changes: dict[str, str]
) -> None:
    data = {"ae-event": "pih", "ae-grade": "1", "ae-onset": clinic.today.isoformat()} | changes
    response = physician.post(f"/plans/{plan.pk}/course/event/", data)
    assert response.status_code == 422
    assert not AdverseEvent.objects.exists()


def test_reviews_and_events_are_kept_by_the_database(plan: TreatmentPlan, clinic: Clinic) -> None:
    event = AdverseEvent.objects.create(plan=plan, event="pih", grade=2, onset=clinic.today, by=clinic.amari)
    actions_replan.resolve_adverse_event(event=event, by=clinic.amari, on=clinic.today)
    for sql in (
        "UPDATE protocols_adverseevent SET grade = 1",
        "DELETE FROM protocols_adverseevent",
        f"UPDATE protocols_plannedsession SET plan_id = plan_id + 0, number = 99 WHERE plan_id = {plan.pk} AND number = 1",
        "UPDATE protocols_treatmentplan SET status = 'bogus'",
    ):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)


def test_a_session_cannot_be_moved_out_of_a_signed_plan(plan: TreatmentPlan, clinic: Clinic) -> None:
    draft = actions_replan.propose_version(plan=plan, by=clinic.amari, today=clinic.today)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE protocols_plannedsession SET plan_id = %s WHERE plan_id = %s", [draft.pk, plan.pk]
        )


def test_the_page_of_the_course_shows_scores_and_costs_the_same_for_many_reviews(
    physician: Client, plan: TreatmentPlan, clinic: Clinic, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(30) as first:
        physician.get(f"/plans/{plan.pk}/course/")
    cost = len(first.captured_queries)
    for number in range(12):
        review(physician, plan, chin_area=number % 3)
    with django_assert_max_num_queries(cost):
        text = physician.get(f"/plans/{plan.pk}/course/").content.decode()
    assert text.count("<td>No change</td>") == 12


@pytest.mark.parametrize("who", ["marta"])
def test_the_front_desk_sees_nothing_of_it(
    client: Client, plan: TreatmentPlan, clinic: Clinic, who: str
) -> None:
    client.force_login(getattr(clinic, who))
    assert client.get(f"/plans/{plan.pk}/course/").status_code == 403
    assert client.post(f"/plans/{plan.pk}/replan/").status_code == 403
    assert not actions.TreatmentPlan.objects.filter(supersedes=plan).exists()
