"""Booking: courses a second through the whole action against a bare INSERT of the same rows, at 1 and 8 clients.

Both run in turns on the same table with the same constraints: the action with its locks, checks, audit row and seven
messages, the INSERT with its six rows in one statement and nothing else.
"""

import multiprocessing
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from statistics import median
from typing import Any

import psycopg
from django.db import connection, connections

from sessions.actions import booking as actions
from sessions.models import Appointment, CourseBooking, Location
from sessions.scheduling.search import CLEANUP, SETUP
from tests.benchmarks.world import NOW, World, own_database, url_of, visits_of

ROUNDS, COURSES = 6, 64

_COLUMNS = (
    "patient_id", "kind", "planned_session_id", "booking_id", "location_id", "practitioner_id", "room_id", "device_id",
    "starts_at", "ends_at", "occupied_from", "occupied_until", "status", "reason", "note", "booked_by_id", "version",
)  # fmt: skip


class Work:
    """Courses to book, each once, dealt to clients."""

    def __init__(self, world: World, total: int) -> None:
        self.world = world
        self.plans = world.plans(total)
        self.visits = visits_of(self.plans)
        self.taken = count()

    def deal(self, many: int, clients: int) -> list[list[int]]:
        """The next courses, evenly dealt."""
        numbers = [next(self.taken) for _n in range(many)]
        return [numbers[client::clients] for client in range(clients)]


def _action(work: Work, numbers: list[int]) -> None:
    place = Location.objects.get()
    for n in numbers:
        plan = work.plans[n]
        actions.book_course(
            plan=plan, location=place, slots=work.world.slots(n, work.visits[plan.pk]), key=uuid.uuid4(),
            by=work.world.clinic.marta, now=NOW,
        )  # fmt: skip


def _bare(work: Work, numbers: list[int]) -> None:
    clinic = work.world.clinic
    values = ", ".join(["%s"] * len(_COLUMNS))
    insert = f"INSERT INTO {Appointment._meta.db_table} ({', '.join(_COLUMNS)}) VALUES {', '.join([f'({values})'] * 6)}"
    with psycopg.connect(url_of(connection.settings_dict["NAME"])) as database:
        for n in numbers:
            plan = work.plans[n]
            with database.transaction():
                row = database.execute(
                    f"INSERT INTO {CourseBooking._meta.db_table} (plan_id, key, booked_by_id) VALUES (%s, %s, %s) RETURNING id",
                    [plan.pk, uuid.uuid4(), clinic.marta.pk],
                ).fetchone()
                assert row is not None
                given: list[Any] = []
                for slot in work.world.slots(n, work.visits[plan.pk]):
                    given += [
                        plan.patient_id, "session", slot.visit, row[0], clinic.location.pk, slot.practitioner, slot.room,
                        slot.device, slot.start, slot.end, slot.start - SETUP, slot.end + CLEANUP, "booked", "", "",
                        clinic.marta.pk, 1,
                    ]  # fmt: skip
                database.execute(insert, given)


@contextmanager
def _crew(
    act: Callable[[Work, list[int]], None], work: Work, clients: int
) -> Iterator[Callable[[list[list[int]]], float]]:
    """Processes that stand ready; called with their courses it gives the seconds they took together."""
    fork = multiprocessing.get_context("fork")
    connections.close_all()
    connection.close_pool()
    pipes = [fork.Pipe() for _n in range(clients)]

    def run(number: int) -> None:
        for at, (ours, theirs) in enumerate(pipes):
            ours.close()
            if at != number:
                theirs.close()
        pipe = pipes[number][1]
        connection.ensure_connection()
        pipe.send("ready")
        while numbers := pipe.recv():
            act(work, numbers)
            pipe.send("done")

    crew = [fork.Process(target=run, args=(n,), daemon=True) for n in range(clients)]
    for process in crew:
        process.start()
    for ours, theirs in pipes:
        # With the other end in the client's hands alone, a client that falls is noticed at once.
        theirs.close()
        ours.recv()

    def go(dealt: list[list[int]]) -> float:
        began = time.perf_counter()
        for (ours, _theirs), numbers in zip(pipes, dealt, strict=True):
            ours.send(numbers)
        for ours, _theirs in pipes:
            ours.recv()
        return time.perf_counter() - began

    try:
        yield go
    finally:
        for ours, _theirs in pipes:
            with suppress(OSError):
                ours.send([])
        for process in crew:
            process.join(timeout=20)


def _rates(work: Work, clients: int) -> tuple[float, float]:
    """(the action, the bare INSERT) in courses a second: medians of rounds in turns."""
    figures: dict[str, list[float]] = {"action": [], "bare": []}
    with _crew(_action, work, clients) as action, _crew(_bare, work, clients) as bare:
        for go in (action, bare):
            go(work.deal(clients * 2, clients))
        for _round in range(ROUNDS):
            figures["action"].append(COURSES / action(work.deal(COURSES, clients)))
            figures["bare"].append(COURSES / bare(work.deal(COURSES, clients)))
    return median(figures["action"]), median(figures["bare"])


def _courses() -> list[tuple[str, str, str]]:
    rows = []
    clients_of = (1, 8)
    with own_database():
        work = Work(World(), ROUNDS * COURSES * 2 * len(clients_of) + 4 * sum(clients_of))
        for clients in clients_of:
            action, bare = _rates(work, clients)
            rows.append(
                (
                    f"whole courses, {clients} client{'s' if clients > 1 else ''}", f"{action:.0f} courses/s",
                    f"{action / bare:.2f} of a bare INSERT of the same rows ({bare:.0f}/s); goal 0.40",
                )
            )  # fmt: skip
        booked = Appointment.objects.count()
        if booked != next(work.taken) * 6:
            raise RuntimeError(f"{booked} appointments stand")
    return rows


def bench() -> list[tuple[str, str, str]]:
    """Courses a second and their ratio."""
    return _courses()
