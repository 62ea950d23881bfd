"""Booking: courses a second through the whole action against a bare INSERT of the same rows, at 1 and 8 clients.

Both run in turns on the same table with the same constraints: the action with its locks, checks, audit row and seven
messages, the INSERT with its six rows in one statement and nothing else.
"""

import html
import multiprocessing
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
from django.db import connection, connections, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from sessions.actions import booking as actions
from sessions.models import Appointment, CourseBooking, Location
from sessions.queries import calendar as calendar_queries
from sessions.scheduling.diary import CLEANUP, SETUP
from tests import racing
from tests.benchmarks.world import NOW, TODAY, World, own_database, url_of, visits_of

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


#: What the front desk's calendar asks for a day: the one address these figures are about.
DAY_PAGE = "/calendar/feed/?view=day&day={day}"
PER_DAY, SMALL, LARGE = 200, 1_000, 1_000_000
REPEATS = 15

#: Ten practitioners in ten rooms, twenty visits a day each, every day, back from the last one.
_FILL = """
INSERT INTO {table} (patient_id, kind, location_id, practitioner_id, room_id, starts_at, ends_at, occupied_from,
  occupied_until, status, reason, note, booked_by_id, version)
SELECT (%(patients)s::bigint[])[1 + p + 10 * k], 'consultation', %(place)s, (%(people)s::bigint[])[1 + p],
  (%(rooms)s::bigint[])[1 + p], at, at + interval '20 min', at - interval '5 min', at + interval '25 min', 'booked', '', '',
  %(by)s, 1
FROM generate_series(0, %(days)s - 1) d, generate_series(0, 9) p, generate_series(0, 19) k,
  LATERAL (SELECT (%(last)s::date - d + time '09:00' + k * interval '30 min') AT TIME ZONE 'Europe/Madrid' AS at) AS t
"""


def _fill(world: World, appointments: int) -> None:
    """Fill the table by one statement; the constraints and indexes are dropped and made again around it."""
    table = Appointment._meta.db_table
    patients = [plan.patient_id for plan in world.plans(PER_DAY)]
    with transaction.atomic(), connection.cursor() as cursor:
        # Foreign keys of a million rows are not what is measured.
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("SET LOCAL maintenance_work_mem = '512MB'")
        cursor.execute(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'x'",
            [table],
        )
        constraints = cursor.fetchall()
        for name, _definition in constraints:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        cursor.execute(
            _FILL.format(table=table),
            {
                "patients": patients, "place": world.clinic.location.pk, "by": world.clinic.marta.pk,
                "people": [one.pk for one in world.practitioners[:10]], "rooms": [one.pk for one in world.rooms[:10]],
                "days": appointments // PER_DAY, "last": TODAY,
            },
        )  # fmt: skip
        for name, definition in constraints:
            cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _plan_of(sql: str, params: Any) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}", params)
        return "\n".join(row[0] for row in cursor.fetchall())


def _day_query(world: World) -> tuple[str, Any]:
    """The calendar's own range query, as Django writes it."""
    sql, params = calendar_queries.appointments(world.clinic.location, TODAY).query.sql_with_params()
    return sql, params


def _calendars() -> list[tuple[str, str, str]]:
    """Day page and range query over 1,000 and 1,000,000 appointments, 200 of them on the day, in turns."""
    state = Path(os.environ["MESOCLINIC_STATE"])
    page = DAY_PAGE.format(day=TODAY.isoformat())
    with ExitStack() as stack:
        desks: dict[int, racing.Desk] = {}
        queries: dict[int, tuple[psycopg.Connection[Any], str, Any]] = {}
        for size in (SMALL, LARGE):
            name = stack.enter_context(own_database())
            world = World()
            _fill(world, size)
            sql, params = _day_query(world)
            port = stack.enter_context(racing.web(state, url_of(name)))
            desks[size] = racing.Desk(port, racing.signed_in(world.clinic.marta))
            database = stack.enter_context(psycopg.connect(url_of(name), cursor_factory=psycopg.ClientCursor))
            queries[size] = database, sql, params
            explained = _plan_of(sql, params)
            if size == LARGE and "appointment_calendar" not in explained:
                raise RuntimeError(f"the range query does not use its index:\n{explained}")
        pages: dict[int, list[float]] = {SMALL: [], LARGE: []}
        ranges: dict[int, list[float]] = {SMALL: [], LARGE: []}
        for turn in range(REPEATS + 3):
            for size in (SMALL, LARGE):
                answer = desks[size].ask(page)
                if answer.status != 200:
                    raise RuntimeError(f"{page}: {answer.status}")
                database, sql, params = queries[size]
                began = time.perf_counter()
                found = len(database.execute(sql, params).fetchall())
                if found != PER_DAY:
                    raise RuntimeError(f"{found} visits on the day")
                if turn >= 3:
                    pages[size].append(answer.seconds)
                    ranges[size].append(time.perf_counter() - began)
    rows = []
    for what, figures in (("day page", pages), ("range query of a day", ranges)):
        small, large = median(figures[SMALL]) * 1000, median(figures[LARGE]) * 1000
        rows.append(
            (
                f"{what}, 1,000,000 appointments",
                f"{large:.1f} ms",
                f"{large / small:.2f} times 1,000 ({small:.1f} ms); goal 1.5",
            )
        )
    return rows


def _bare_page(database: "psycopg.Connection[Any]", statements: list[str]) -> str:
    """The same queries and a plain table of what they give: no framework, no template, no middleware."""
    parts = ["<!doctype html><title>Day</title><table>"]
    for statement in statements:
        cursor = database.execute(statement.encode())
        if cursor.description is None:
            continue
        parts += [
            "<tr>" + "".join(f"<td>{html.escape(str(value))}</td>" for value in row) + "</tr>"
            for row in cursor.fetchall()
        ]
    parts.append("</table>")
    return "".join(parts)


def _against_no_framework() -> list[tuple[str, str, str]]:
    """The day page of 200 appointments in this process, and its very statements without Django, in turns."""
    page = DAY_PAGE.format(day=TODAY.isoformat())
    with own_database() as name:
        world = World()
        _fill(world, SMALL)
        client = Client(headers={"host": "localhost"})
        client.force_login(world.clinic.marta)
        for _warm in range(3):
            client.get(page)
        with CaptureQueriesContext(connection) as caught:
            answer = client.get(page)
        statements = [one["sql"] for one in caught.captured_queries]
        statements = [one for one in statements if one.lstrip(" (").upper().startswith("SELECT")]
        if answer.status_code != 200 or len(statements) < 5:
            raise RuntimeError(f"{page}: {answer.status_code}, {len(statements)} queries")
        ours: list[float] = []
        floor: list[float] = []
        with psycopg.connect(url_of(name), autocommit=True) as database:
            for _turn in range(REPEATS):
                began = time.perf_counter()
                client.get(page)
                ours.append(time.perf_counter() - began)
                began = time.perf_counter()
                _bare_page(database, statements)
                floor.append(time.perf_counter() - began)
    full, bare = median(ours) * 1000, median(floor) * 1000
    return [
        ("day page of 200 appointments", f"{full:.1f} ms",
         f"{full / bare:.1f} times its {len(statements)} queries with no framework ({bare:.1f} ms); goal 3")
    ]  # fmt: skip


def bench() -> list[tuple[str, str, str]]:
    """Rates, times and their ratios."""
    load = f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    return [*_courses(), *_against_no_framework(), *_calendars(), ("booking, all", load, "")]
