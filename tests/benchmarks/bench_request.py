"""The whole search as a request runs it, loading included, beside a greedy search on django-appointment's own function.

Ten practitioners, eight rooms, four devices, 26 weeks of visits in our database; the same practitioners' visits, without
rooms and devices, in the peer's.
"""

import gc
import json
import random
import subprocess
import tempfile
import time
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from patients.models import Patient
from protocols.models import TreatmentPlan
from sessions.models import Appointment, Device, Room
from sessions.queries.booking import search_course
from sessions.scheduling import Preferences, Span
from sessions.scheduling.diary import CLEANUP, SETUP
from tests.benchmarks import peer
from tests.benchmarks.world import NOW, TODAY, World, own_database
from tests.clinic import MADRID
from tests.scheduling.instances import taken

PEOPLE, ROOMS, DEVICES, WEEKS = 10, 8, 4, 26


def _free(key: int, taken: dict[int, list[Span]], span: Span) -> bool:
    return not any(other.overlaps(span) for other in taken.get(key, ()))


def _fill(world: World, load: float, seed: int) -> list[list[Span]]:
    """Every practitioner's days filled, each visit in a room that is free; who finds none has no visit then."""
    rnd = random.Random(seed)
    days = [
        TODAY + timedelta(days=n) for n in range(WEEKS * 7) if (TODAY + timedelta(days=n)).isoweekday() < 6
    ]
    rooms = list(Room.objects.filter(location=world.clinic.location).order_by("pk")[:ROOMS])
    Appointment.objects.all().delete()
    used: dict[int, list[Span]] = {}
    made, people = [], []
    patients = Patient.objects.bulk_create(
        Patient(given_name=f"F{n}", family_name="Lleno", birth_date=date(1990, 1, 1), sex="female")
        for n in range(PEOPLE)
    )
    for day in days:
        used.clear()
        for number, practitioner in enumerate(world.practitioners[:PEOPLE]):
            for span in taken(rnd, [day], load):
                around = Span(span.start - SETUP, span.end + CLEANUP)
                room = next((row for row in rooms if _free(row.pk, used, around)), None)
                if room is None:
                    continue
                used.setdefault(room.pk, []).append(around)
                made.append(
                    Appointment(
                        patient=patients[number], kind="consultation", location=world.clinic.location,
                        practitioner=practitioner, room=room, starts_at=span.start, ends_at=span.end,
                        occupied_from=around.start, occupied_until=around.end,
                    )
                )  # fmt: skip
    Appointment.objects.bulk_create(made, batch_size=2000)
    for practitioner in world.practitioners[:PEOPLE]:
        people.append(
            [Span(row.starts_at, row.ends_at) for row in made if row.practitioner_id == practitioner.pk]
        )
    return people


def _ours(world: World, plan: TreatmentPlan) -> tuple[float, int, int]:
    """(seconds, queries, options) of the best of five."""

    def act() -> Any:
        return search_course(plan, world.clinic.location, Preferences(), now=NOW)

    act()
    seconds = []
    for _round in range(5):
        gc.collect()
        began = time.perf_counter()
        found = act()
        seconds.append(time.perf_counter() - began)
    with CaptureQueriesContext(connection) as captured:
        act()
    return min(seconds), len(captured), len(found.options)


def _peers(people: list[list[Span]]) -> dict[str, Any]:
    def local(moment: datetime) -> str:
        return moment.astimezone(MADRID).replace(tzinfo=None).isoformat()

    told = {
        "first": TODAY.isoformat(),
        "people": [[[local(span.start), local(span.end)] for span in spans] for spans in people],
    }
    with peer.database() as (_name, environment), tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        Path(file.name).write_text(json.dumps(told))
        subprocess.run(
            [str(peer.python()), str(peer.HERE / "appointment_site.py"), "prepare", "1"], env=environment, check=True,
            capture_output=True,
        )  # fmt: skip
        answer = subprocess.run(
            [str(peer.python()), str(peer.HERE / "appointment_search.py"), file.name], env=environment, check=False,
            capture_output=True, text=True,
        )  # fmt: skip
    if answer.returncode:
        raise RuntimeError(f"the peer failed: {answer.stderr.strip()[-600:]}")
    found: dict[str, Any] = json.loads(answer.stdout.strip().splitlines()[-1])
    return found


def bench() -> list[tuple[str, str, str]]:
    """ms a search, queries, and how many times that the peer takes."""
    rows = []
    with own_database():
        world = World(pairs=PEOPLE)
        Room.objects.filter(pk__in=[room.pk for room in world.rooms[ROOMS:]]).delete()
        Device.objects.filter(pk__in=[device.pk for device in world.devices[DEVICES:]]).delete()
        plan = TreatmentPlan.objects.select_related("patient", "assessment").get(pk=world.plans(1)[0].pk)
        for load in (0.5, 0.7):
            people = _fill(world, load, seed=round(load * 10))
            seconds, queries, options = _ours(world, plan)
            theirs = _peers(people)
            booked = f"{load:.0%} booked, {Appointment.objects.count():,} visits"
            rows += [
                (f"search with loading, {booked}", f"{seconds * 1000:.1f} ms", f"{queries} queries, {options} options of six"),
                ("greedy on django-appointment 3.12.0", f"{theirs['seconds'] * 1000:.0f} ms",
                 f"{theirs['queries']} queries, {theirs['sessions']} sessions, no rooms or devices: {theirs['seconds'] / seconds:.0f} times ours"),
            ]  # fmt: skip
    return rows
