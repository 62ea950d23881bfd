"""The catalogue with more than one process: a trial by a real worker, a worker that dies, two who publish."""

from collections.abc import Iterator
from datetime import date

import pytest
from django.db import connection, transaction
from django.utils import timezone

from protocols import actions_catalogue as actions
from protocols.engine.knowledge import parsed
from protocols.library import cases
from protocols.models_catalogue import CatalogueTrial, CatalogueVersion
from protocols.tasks import go_on
from protocols.trials import BATCH
from tests.clinic import Clinic
from tests.conftest import celery_worker
from tests.together import together, wait_for

pytestmark = pytest.mark.django_db(transaction=True)
WHY = "Our own experience of two years"


@pytest.fixture
def clinic(transactional_db: None) -> Iterator[Clinic]:
    yield Clinic(today=date.today())


def drafted(clinic: Clinic, days: int) -> CatalogueVersion:
    """A draft in which hyaluronic acid needs other days between sessions."""
    version = actions.draft(by=clinic.amari, reason=WHY)
    row = next(row for row in parsed(version.documents)["agents"] if row["code"] == "ha-ncl")
    return actions.edit_record(
        version=version, by=clinic.amari, revision=version.revision, document="agents", code="ha-ncl",
        row=row | {"min_days": days},
    )  # fmt: skip


def ended(trial: CatalogueTrial) -> bool:
    trial.refresh_from_db()
    return trial.status != CatalogueTrial.Status.RUNNING


def test_a_trial_runs_to_its_end_on_the_worker(clinic: Clinic) -> None:
    plans = [clinic.signed_plan(clinic.patient(f"Iris {n}", "Prueba")) for n in range(3)]
    draft = drafted(clinic, 9)
    mix = next(row for row in parsed(draft.documents)["cocktails"] if row["code"] == "CK-PIG-2")
    parts = [
        part | ({"mg_per_ml": "10"} if part["agent"] == "vitamin-c" else {}) for part in mix["components"]
    ]
    draft = actions.edit_record(
        version=draft, by=clinic.amari, revision=draft.revision, document="cocktails", code="CK-PIG-2",
        row=mix | {"components": parts},
    )  # fmt: skip
    with celery_worker() as worker:
        trial = actions.start_trial(version=draft, by=clinic.amari)
        wait_for(lambda: ended(trial), worker)
    assert (trial.status, trial.cases_done, trial.plans_done) == ("done", len(cases()), len(plans))
    # Courses under way are in the library too: case 31 goes on with CK-PIG-2.
    assert trial.changes.filter(case__startswith="31 ").exists()


def test_a_trial_whose_worker_was_killed_goes_on_by_trying_again_and_names_each_change_once(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic.signed_plan(clinic.patient("Iris", "Prueba"))
    draft = drafted(clinic, 9)
    with monkeypatch.context() as patched:
        # The word to the worker is given below, when the lock is there.
        patched.setattr(go_on, "delay", lambda _pk: None)
        trial = actions.start_trial(version=draft, by=clinic.amari)
    with celery_worker() as worker, transaction.atomic(), connection.cursor() as cursor:
        # The worker does its first batch and then waits here, in the middle of the trial.
        cursor.execute("LOCK TABLE protocols_treatmentplan IN ACCESS EXCLUSIVE MODE")
        go_on.delay(trial.pk)
        wait_for(lambda: ended(trial) or trial.cases_done >= BATCH, worker)
        worker.kill()
        worker.wait(timeout=20)
    assert not ended(trial), (trial.status, trial.error)
    with celery_worker() as worker:
        again = actions.start_trial(version=draft, by=clinic.amari)
        assert again == trial
        wait_for(lambda: ended(trial), worker)
    assert (trial.status, trial.cases_done, trial.plans_done) == ("done", len(cases()), 1)
    names = list(trial.changes.exclude(case="").values_list("case", flat=True))
    assert len(names) == len(set(names))


def test_of_two_who_publish_at_the_same_moment_one_wins_and_the_other_is_told(clinic: Clinic) -> None:
    for _round in range(5):
        before = CatalogueVersion.objects.get(status="published")
        drafts = [drafted(clinic, days) for days in (8 + 2 * before.number, 9 + 2 * before.number)]

        def act(
            n: int, drafts: list[CatalogueVersion] = drafts, number: int = before.number
        ) -> CatalogueVersion:
            return actions.publish(
                version=drafts[n], by=clinic.amari, revision=drafts[n].revision, instead_of=number, reason=WHY,
                now=timezone.now(),
            )  # fmt: skip

        results = together(lambda: act(0), lambda: act(1))
        won = [row for row in results if isinstance(row, CatalogueVersion)]
        lost = [row for row in results if isinstance(row, actions.CatalogueError)]
        assert (len(won), len(lost)) == (1, 1), results
        assert "Another version was published" in str(lost[0])
        assert CatalogueVersion.objects.get(status="published").pk == won[0].pk
