"""A draft on trial: the case library and every live plan, under the published version and under the draft.

The row is the truth: each batch locks it, does what is left and stores how far it came, so a batch that runs twice or a
worker that dies in one costs nothing. Called by the task, one batch at a time.
"""

from datetime import date

from django.db import transaction
from django.utils import timezone

from protocols import catalogue
from protocols.comparing import Change, answer_changes, is_severe
from protocols.engine import CaseFaults, Knowledge, KnowledgeError
from protocols.engine.expectations import faults_of
from protocols.engine.recheck import EditFault
from protocols.library import WorkedCase, cases
from protocols.models import TreatmentPlan
from protocols.models_catalogue import CatalogueTrial, CatalogueVersion, TrialChange
from protocols.queries import laid_out

BATCH = 20


def _failed(error: Exception) -> list[Change]:
    return [{"what": "failed", "where": "", "old": "an answer", "new": f"the engine fails: {error!r}"[:300]}]


def _case_changes(case: WorkedCase, old: Knowledge, new: Knowledge) -> list[Change]:
    """What the draft changes for a worked case, and in what it then no longer gets the answer that it must get."""
    try:
        before, after = case.answer(old), case.answer(new)
    except Exception as error:
        return _failed(error)
    changes = answer_changes(before, after, new)
    if after == before:
        return changes
    met = set(faults_of(dict(case.expect), before))
    return [
        *changes,
        *({"what": "against the reference", "where": "", "old": "as the case expects", "new": fault[:300]}
          for fault in faults_of(dict(case.expect), after) if fault not in met),
    ]  # fmt: skip


def _plan_changes(plan: TreatmentPlan, old: Knowledge, new: Knowledge) -> list[Change]:
    """What the draft changes for a plan with its own facts, day and edits."""
    answers = []
    try:
        day = date.fromisoformat(plan.case["today"])
        for known in (old, new):
            found = laid_out(plan.case, plan.content.get("edits", {}), day, known)
            answers.append(found.proposal.to_dict() | {"findings": found.findings()})
    except (CaseFaults, EditFault, KeyError) as error:
        return [
            {
                "what": "not tried",
                "where": "",
                "old": "-",
                "new": f"its facts can't be read again: {error}"[:200],
            }
        ]
    except Exception as error:
        return _failed(error)
    return answer_changes(answers[0], answers[1], new)


@transaction.atomic
def run_batch(trial_id: int) -> bool:
    """Do the next batch of a trial. True while there is more to do."""
    trial = CatalogueTrial.objects.select_for_update(of=("self",)).filter(pk=trial_id).first()
    if trial is None or trial.status != CatalogueTrial.Status.RUNNING:
        return False
    try:
        old, new = (_of(sha256) for sha256 in (trial.against_sha256, trial.sha256))
    except KnowledgeError as error:
        trial.status, trial.error, trial.finished_at = (
            CatalogueTrial.Status.FAILED,
            str(error)[:500],
            timezone.now(),
        )
        trial.save()
        return False
    rows: list[TrialChange] = []
    if trial.cases_done < trial.cases_total:
        batch = cases()[trial.cases_done : trial.cases_done + BATCH]
        for case in batch:
            changes = _case_changes(case, old, new)
            if changes:
                rows.append(
                    TrialChange(trial=trial, case=case.title, changes=changes, severe=is_severe(changes))
                )
        trial.cases_done = (
            min(trial.cases_total, trial.cases_done + len(batch)) if batch else trial.cases_total
        )
    else:
        live = TreatmentPlan.objects.filter(status__in=TreatmentPlan.LIVE, pk__gt=trial.last_plan)
        plans = list(live.order_by("pk")[:BATCH])
        for plan in plans:
            changes = _plan_changes(plan, old, new)
            if changes:
                rows.append(TrialChange(trial=trial, plan=plan, changes=changes, severe=is_severe(changes)))
        trial.plans_done += len(plans)
        trial.last_plan = plans[-1].pk if plans else trial.last_plan
        if len(plans) < BATCH:
            # Plans signed or ended while it ran: the number says how many were looked at.
            trial.plans_total = trial.plans_done
            trial.status, trial.finished_at = CatalogueTrial.Status.DONE, timezone.now()
    TrialChange.objects.bulk_create(rows)
    trial.save()
    return trial.status == CatalogueTrial.Status.RUNNING


def _of(sha256: str) -> Knowledge:
    """A version's knowledge with the clinic's formulary on it, as its pages propose."""
    version = CatalogueVersion.objects.filter(sha256=sha256).first()
    if version is None:
        raise KnowledgeError(["The draft was changed while it was tried. Try it again."])
    return catalogue.built(version.documents, sha256).stocked(catalogue.in_house())
