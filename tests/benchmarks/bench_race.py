"""Thirty-two clients race for one course, through HTTP; and what two other designs let through in the same race.

Ours: gunicorn with its configured workers and threads, each round 32 patients' pages that confirm the same dates at one
moment. Every standing visit is then compared with every other by a join of the table with itself. Beside it, on the same
server: check-then-insert on a copy of the table without constraints, and django-appointment as its manual sets it up.

MESOCLINIC_RACE_ROUNDS (200) makes a shorter run.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

import psycopg
from django.db import connection

from mesoclinic.services import embedded
from sessions.models import Appointment, CourseBooking, Message
from sessions.scheduling.diary import CLEANUP, SETUP
from tests import racing
from tests.benchmarks import peer
from tests.benchmarks.world import World, own_database, url_of, visits_of

CLIENTS = 32
ROUNDS = int(os.environ.get("MESOCLINIC_RACE_ROUNDS", "200"))
#: After so many races each, bookings that nobody is in the way of: so many one after the other, and 32 at once.
EVERY, ALONE = 10, 5
ROOT = Path(__file__).resolve().parents[2]


def p95(seconds: list[float]) -> float:
    """The time that 95 of 100 keep, in ms."""
    return sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * 0.95))] * 1000


def _ours(world: World, port: int) -> list[tuple[str, str, str]]:
    place = world.clinic.location
    plans = world.plans(8 + ROUNDS + CLIENTS + (CLIENTS + ALONE) * -(-ROUNDS // EVERY))
    visits = visits_of(plans)
    desks = [racing.Desk(port, racing.signed_in(world.clinic.marta)) for _n in range(CLIENTS)]
    watch = racing.DeadlockWatch(Path(os.environ["MESOCLINIC_STATE"]) / "log" / "postgres.log")
    course = iter(range(10_000))

    def book(desk: racing.Desk, plan: object, n: int) -> partial[racing.Answer]:
        return partial(desk.book, plan, place, world.slots(n, visits[plan.pk]))  # type: ignore[attr-defined]

    waiting = list(plans)
    for desk in desks[:8]:
        book(desk, waiting.pop(), next(course))()
    losers: list[racing.Answer] = []
    alone: list[racing.Answer] = []
    crowd: list[racing.Answer] = []
    won = strange = without = 0
    racers = [waiting.pop() for _n in range(CLIENTS)]
    for round_ in range(ROUNDS):
        if round_ % EVERY == 0:
            # Nobody in the way, between the races: alone, and 32 at the same moment, each with a course of its own.
            alone += [book(desks[0], waiting.pop(), next(course))() for _n in range(ALONE)]
            crowd += racing.at_once([book(desk, waiting.pop(), next(course)) for desk in desks])
        n = next(course)
        answers = racing.at_once([book(desk, plan, n) for desk, plan in zip(desks, racers, strict=True)])
        lost = [answer for answer in answers if answer.status == 409]
        winners = [at for at, answer in enumerate(answers) if answer.status == 302]
        won += len(winners)
        strange += sum(1 for answer in answers if answer.status not in {302, 409})
        without += sum(1 for answer in lost if racing.fresh_options(answer.text) == 0)
        losers += lost
        for at in winners:
            racers[at] = waiting.pop()
    if {answer.status for answer in [*alone, *crowd]} != {302}:
        raise RuntimeError("a booking that nobody was in the way of failed")
    whole = Appointment.objects.count() == CourseBooking.objects.count() * 6
    told = Message.objects.filter(kind="confirmation").count() == CourseBooking.objects.count()
    if not whole or not told:
        raise RuntimeError("half a course or a message too many")
    slow, free, busy = (p95([one.seconds for one in group]) for group in (losers, alone, crowd))
    return [
        (f"race, {CLIENTS} clients, {ROUNDS} rounds", f"{racing.overlaps()} overlaps",
         f"{won} won, {len(losers)} lost, {strange} other answers, {without} losers without fresh options"),
        ("race, deadlocks", f"{watch.logged()} in the log", f"{watch.counted()} in pg_stat_database; goal 0"),
        ("race, losers' p95 with fresh options", f"{slow:.0f} ms",
         f"{slow / busy:.1f} times a booking at the same moment as 31 others for free courses ({busy:.0f} ms), "
         f"{slow / free:.1f} times one quite alone ({free:.0f} ms); goal 5"),
        ("race, losers' median", f"{median(one.seconds for one in losers) * 1000:.0f} ms",
         f"{median(one.seconds for one in crowd) * 1000:.0f} ms among 31 others, {median(one.seconds for one in alone) * 1000:.0f} ms alone"),
    ]  # fmt: skip


def _check_then_insert(world: World) -> list[tuple[str, str, str]]:
    """The same race on a table without constraints: look whether the times are free, then write."""
    table = "bench_without_constraints"
    columns = (
        "patient_id, location_id, practitioner_id, room_id, device_id, starts_at, ends_at, occupied_from, occupied_until, "
        "status"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE {table} AS SELECT row_number() OVER () AS id, prep_room_id, prep_from, {columns} FROM {Appointment._meta.db_table} WITH NO DATA"
        )
        cursor.execute(f"CREATE SEQUENCE {table}_id")
        cursor.execute(f"ALTER TABLE {table} ALTER id SET DEFAULT nextval('{table}_id')")
        cursor.execute(f"CREATE INDEX ON {table} (practitioner_id, starts_at)")
    look = (
        f"SELECT 1 FROM {table} WHERE starts_at < %(end)s AND ends_at > %(start)s AND status = 'booked' "
        "AND (practitioner_id = %(who)s OR room_id = %(room)s OR device_id = %(device)s OR patient_id = %(patient)s)"
    )
    write = (
        f"INSERT INTO {table} ({columns}) VALUES (%(patient)s, %(place)s, %(who)s, %(room)s, %(device)s, %(start)s, "
        "%(end)s, %(from)s, %(until)s, 'booked')"
    )
    barrier = threading.Barrier(CLIENTS)
    url, booked = url_of(connection.settings_dict["NAME"]), [0] * CLIENTS

    def client(number: int) -> None:
        with psycopg.connect(url) as database:
            for round_ in range(ROUNDS):
                barrier.wait(timeout=60)
                rows = [
                    {
                        "patient": number, "place": world.clinic.location.pk, "who": slot.practitioner, "room": slot.room,
                        "device": slot.device, "start": slot.start, "end": slot.end, "from": slot.start - SETUP,
                        "until": slot.end + CLEANUP,
                    }
                    for slot in world.slots(round_)
                ]  # fmt: skip
                with database.transaction():
                    if any(database.execute(look, row).fetchone() for row in rows):
                        continue
                    for row in rows:
                        database.execute(write, row)
                booked[number] += 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    double = sum(booked) - ROUNDS
    return [
        (f"check-then-insert, {ROUNDS} rounds", f"{double} courses too many",
         f"{racing.overlaps(table)} pairs of visits overlap (the same check that finds none in ours)")
    ]  # fmt: skip


@contextmanager
def _peer() -> Iterator[tuple[int, dict[str, object], str]]:
    """django-appointment on a database of its own, served as ours is; (port, what `prepare` told, database)."""
    python = peer.python()
    with peer.database() as (name, environment):
        told = subprocess.run(
            [str(python), str(peer.HERE / "appointment_site.py"), "prepare", str(CLIENTS)], env=environment, check=True,
            capture_output=True, text=True,
        )  # fmt: skip
        port = racing.free_port()
        process = subprocess.Popen(
            [str(python), "-m", "gunicorn", "appointment_site:application", "--bind", f"127.0.0.1:{port}",
             "--workers", str(max(2, min(os.cpu_count() or 2, 8))), "--threads", "4"],
            cwd=peer.HERE, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            facts = json.loads(told.stdout.strip().splitlines()[-1])
            racing.until(lambda: racing.answers(port, f"/request/{facts['service']}/"), process)
            yield port, facts, name
        finally:
            process.terminate()
            process.wait(timeout=30)


def _django_appointment() -> list[tuple[str, str, str]]:
    """Each client asks for the free times, and books the time of the round only when it is among them."""
    rounds = min(ROUNDS, 60)
    with _peer() as (port, facts, name):
        desks = [racing.Desk(port, str(session)) for session in facts["sessions"]]  # type: ignore[attr-defined]
        service, staff = str(facts["service"]), str(facts["staff"])
        first = date.today() + timedelta(days=2)  # the peer's own day

        def act(desk: racing.Desk, day: date, start: datetime) -> racing.Answer:
            ask = {"selected_date": day.isoformat(), "staff_member": staff, "service_id": service}
            offered = desk.ask(f"/ajax/available_slots/?{urlencode(ask)}", ajax=True)
            with suppress(ValueError):
                if not any(
                    str(slot[0]).endswith(f"{start:%H:%M:%S}")
                    for slot in json.loads(offered.text)["available_slots"]
                ):
                    return racing.Answer(409, 0, "not offered")
            wanted = {
                "date": day.isoformat(), "start_time": f"{start:%H:%M}", "end_time": f"{start + timedelta(minutes=30):%H:%M}",
                "service": service, "staff_member": staff,
            }  # fmt: skip
            asked = desk.ask("/request-submit/", wanted)
            if asked.status != 302:
                return asked
            return desk.ask(
                asked.text,
                {"name": "Bench Client", "phone_0": "ES", "phone_1": "612345678", "address": "", "additional_info": "",
                 "payment_type": "full"},
            )  # fmt: skip

        answers: list[racing.Answer] = []
        for round_ in range(rounds):
            day, step = first + timedelta(days=round_ // 20), round_ % 20
            start = datetime(day.year, day.month, day.day, 9) + timedelta(minutes=30 * step)
            answers += racing.at_once([partial(act, desk, day, start) for desk in desks])
        with psycopg.connect(url_of(name)) as database:
            row = database.execute(
                "SELECT count(*), count(DISTINCT (r.staff_member_id, r.date, r.start_time)) FROM appointment_appointment a "
                "JOIN appointment_appointmentrequest r ON r.id = a.appointment_request_id"
            ).fetchone()
        assert row is not None
        if row[0] < rounds:
            raise RuntimeError(
                f"the peer booked {row[0]} in {rounds} rounds: {answers[0].status} {answers[0].text[:300]}"
            )
        lost = sum(1 for answer in answers if answer.status == 409)
        return [
            (f"django-appointment 3.12.0, {rounds} rounds", f"{row[0] - row[1]} double bookings",
             f"{row[0]} appointments in {row[1]} times; {lost} clients were not offered the time any more")
        ]  # fmt: skip


def bench() -> list[tuple[str, str, str]]:
    """What each design let through."""
    state = Path(os.environ["MESOCLINIC_STATE"])
    if os.environ["DATABASE_URL"] != embedded.database_url(state):
        print("  (the log of a PostgreSQL of yours is not read: see pg_stat_database)", file=sys.stderr)
    began = time.monotonic()
    with own_database() as name:
        world = World()
        rows = _check_then_insert(world)
        with racing.web(state, url_of(name)) as port:
            rows = _ours(world, port) + rows
    rows += _django_appointment()
    return [
        *rows,
        (
            "race, all",
            f"{time.monotonic() - began:.0f} s",
            f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores",
        ),
    ]
