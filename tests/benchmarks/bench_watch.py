"""The standing watch: re-check of all live plans after a knowledge change, by one worker process and by two.

500 plans by default; `MESOCLINIC_BENCH_PLANS=10000 bin/bench watch` for a large clinic. Patients and plans are
made for it and taken away again.
"""

import json
import os
import subprocess
import sys
import time
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mesoclinic.accounts.models import User
from patients.models import Condition, Medication, Patient
from protocols import watch
from protocols.catalogue import knowledge
from protocols.models import Alert, Assessment, Concern, RecheckRequest, TreatmentPlan
from protocols.queries import case_of, finding_key, rechecked

PLANS = int(os.environ.get("MESOCLINIC_BENCH_PLANS", "500"))
NAME = "Bench-Watch"
CONCERNS = (
    ("pigment", "face", 2, {"pigment_type": "melasma", "red_flags": []}),
    ("rejuvenation", "face", 2, {"red_flags": []}),
    ("wrinkles", "periorbital", 2, {}),
    ("cellulite", "thighs", 2, {"red_flags": []}),
)


_said = [""]


def _say(text: str) -> None:
    if text != _said[0]:
        print(f"\r    {text:60}", end="" if sys.stderr.isatty() else "\n", file=sys.stderr, flush=True)
        _said[0] = text


def _facts(today: date) -> dict[str, Any]:
    asked = {f"{name}_asked_on": today for name in ("allergies", "conditions", "medications", "procedures", "labs", "sun")}  # fmt: skip
    return asked | {
        "birth_date": date(1988, 5, 14), "sex": "female", "phototype": 3, "weight_kg": Decimal(61), "height_cm": Decimal(168),
        "pregnancy": "none", "pregnancy_asked_on": today, "smoking_per_day": 0, "sunscreen_daily": True,
        "bdd_screen": "negative", "systolic": 120, "diastolic": 75, "blood_pressure_on": today,
        "consent_signed_on": today, "baseline_photos_on": today,
    }  # fmt: skip


def _clinic(count: int) -> None:
    """`count` patients with a signed plan each; one of ten has begun a medicine since."""
    today, now = timezone.localdate(), timezone.now()
    user, _new = User.objects.get_or_create(
        username="bench-watch", defaults={"full_name": NAME, "role": "physician"}
    )
    templates: dict[int, tuple[dict[str, Any], list[Any]]] = {}
    for first in range(0, count, 500):
        size = min(500, count - first)
        people = Patient.objects.bulk_create(
            Patient(given_name=f"N{first + n}", family_name=NAME, **_facts(today)) for n in range(size)
        )
        Condition.objects.bulk_create(
            Condition(patient=p, code="rosacea", status="past") for p in people[::3]
        )
        assessments = Assessment.objects.bulk_create(
            Assessment(patient=p, author=user, assessed_on=today, pain=5, needle_fear=False) for p in people
        )
        concerns = []
        for n, assessment in enumerate(assessments):
            indication, area, grade, details = CONCERNS[n % len(CONCERNS)]
            concerns.append(Concern(assessment=assessment, indication=indication, area=area, grade=grade, details=details))  # fmt: skip
        Concern.objects.bulk_create(concerns)
        plans = []
        for n, assessment in enumerate(assessments):
            kind = n % (3 * len(CONCERNS))
            if kind not in templates:
                found = rechecked(case_of(assessment, today), {}, today)
                content = found.proposal.to_dict() | {"edits": {}, "limits": []}
                templates[kind] = content, [row | {"key": finding_key(row)} for row in found.findings()]
            content, findings = templates[kind]
            plans.append(
                TreatmentPlan(
                    patient=people[n], assessment=assessment, case={}, proposal={}, content=content, findings=findings,
                    knowledge_version="bench", knowledge_sha256="0" * 64, created_by=user, status="signed",
                    signed_by=user, signed_at=now - timedelta(days=1),
                )
            )  # fmt: skip
        TreatmentPlan.objects.bulk_create(plans)
        # One of ten takes something new since the signature.
        Medication.objects.bulk_create(
            Medication(patient=p, code="isotretinoin-oral", current=True) for p in people[::10]
        )
        _say(f"making plans: {first + size} of {count}")
    RecheckRequest.objects.filter(patient__family_name=NAME).delete()


def _clear() -> None:
    """Take everything of the bench away; records that are frozen for people are dropped by the owner here."""
    mine = f"SELECT id FROM patients_patient WHERE family_name = '{NAME}'"
    plans = f"SELECT id FROM protocols_treatmentplan WHERE patient_id IN ({mine})"
    assessments = f"SELECT id FROM protocols_assessment WHERE patient_id IN ({mine})"
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # no triggers
        for statement in (
            f"DELETE FROM protocols_alert WHERE plan_id IN ({plans})",
            f"DELETE FROM protocols_recheckrequest WHERE patient_id IN ({mine})",
            f"DELETE FROM protocols_treatmentplan WHERE patient_id IN ({mine})",
            f"DELETE FROM protocols_concern WHERE assessment_id IN ({assessments})",
            f"DELETE FROM protocols_assessment WHERE patient_id IN ({mine})",
            f"DELETE FROM patients_medication WHERE patient_id IN ({mine})",
            f"DELETE FROM patients_condition WHERE patient_id IN ({mine})",
            f"DELETE FROM patients_patient WHERE family_name = '{NAME}'",
        ):
            cursor.execute(statement)
        cursor.execute("SET session_replication_role = DEFAULT")
        cursor.execute("ANALYZE")


_WORKER = """
import json, resource, sys, time, django
django.setup()
from django.db import connection
from protocols import watch
from protocols.catalogue import knowledge
knowledge(); connection.ensure_connection()
print("ready", flush=True)
sys.stdin.readline()
watch.check_open(seconds=0.01)
warm = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
cpu = time.process_time()
closed = watch.check_open(seconds=3600)
cpu = time.process_time() - cpu
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"warm": warm, "after": after, "closed": closed, "cpu": cpu}), flush=True)
"""


def _workers(count: int, plans: int) -> tuple[float, list[dict[str, Any]]]:
    """Seconds until `count` worker processes have checked everything, and their peak memory in KiB."""
    watch.request_all(cause="New knowledge, version bench")
    processes = [
        subprocess.Popen([sys.executable, "-c", _WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _n in range(count)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    began = time.perf_counter()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    waiting = RecheckRequest.objects.filter(closed_at=None)
    while any(process.poll() is None for process in processes):
        _say(f"{count} worker{'s' if count > 1 else ''}: {plans - waiting.count()} of {plans} checked")
        if not waiting.exists():
            for process in processes:
                process.wait()
        else:
            time.sleep(0.2)
    took = time.perf_counter() - began
    memory = []
    for process in processes:
        assert process.stdout is not None
        memory.append(json.loads(process.stdout.read().strip().splitlines()[-1]))
        process.stdout.close()
        process.stdin.close()  # type: ignore[union-attr]
    return took, memory


def _queries(patients: int) -> int:
    rows = watch.claim(timezone.now(), patients)
    assert len(rows) == patients
    with CaptureQueriesContext(connection) as queries:
        watch.check(rows, now=timezone.now(), today=timezone.localdate())
    return len(queries)


def bench() -> list[tuple[str, str, str]]:
    """Plans a second, memory and queries of the standing watch."""
    call_command("migrate", verbosity=0)
    _clear()
    try:
        _clinic(PLANS)
        knowledge()
        watch.request_all(cause="Warm")
        ten, fifty = _queries(10), _queries(50)
        one: list[float] = []
        two: list[float] = []
        growth, cpu, checked = 0, 0.0, 0
        for _round in range(2):  # interleaved: both see the same machine
            for count, times in ((1, one), (2, two)):
                took, told = _workers(count, PLANS)
                times.append(took)
                for row in told:
                    growth = max(growth, row["after"] - row["warm"])
                    cpu, checked = cpu + row["cpu"], checked + row["closed"]
        alerts = Alert.objects.filter(plan__patient__family_name=NAME).count()
        single, double = PLANS / min(one), PLANS / min(two)
    finally:
        _say("")
        _clear()
    return [
        (f"watch, {PLANS:,} live plans, one worker", f"{single:.0f} plans/s", f"{min(one):.1f} s, {alerts} alerts"),
        (f"watch, {PLANS:,} live plans, two workers", f"{double:.0f} plans/s", f"{double / single:.2f} times one"),
        ("watch, processor time of a plan", f"{cpu / max(checked, 1) * 1000:.1f} ms", "in the worker, whatever else the machine does"),
        ("watch, queries a batch", f"{fifty}", f"of 50 patients; {ten} of 10"),
        ("watch, peak memory growth of a worker", f"{growth / 1024:.1f} MiB", "after the first batches, to the last plan"),
    ]  # fmt: skip
