"""Many clients at one moment against the real web server: our gunicorn as configured, real PostgreSQL, plain HTTP."""

import http.client
import os
import re
import socket
import subprocess
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.db import connection
from django.urls import reverse

from mesoclinic.accounts.models import User
from mesoclinic.accounts.sessions import SessionStore
from mesoclinic.services.supervisor import _commands
from protocols.models import TreatmentPlan
from sessions.models import Appointment, Location
from sessions.scheduling import Slot
from sessions.views.shared import pack

ROOT = Path(__file__).resolve().parents[1]
_TOKEN = "t" * 32

#: Pairs of standing visits that overlap in any resource, by a join of the table with itself: no constraint is asked.
OVERLAPS = """
SELECT count(*) FROM {table} a JOIN {table} b ON a.id < b.id
 AND a.status NOT IN ('no-show', 'cancelled') AND b.status NOT IN ('no-show', 'cancelled')
 AND (
  (a.practitioner_id = b.practitioner_id AND tstzrange(a.starts_at, a.ends_at) && tstzrange(b.starts_at, b.ends_at))
  OR (a.patient_id = b.patient_id AND tstzrange(COALESCE(a.prep_from, a.starts_at), a.ends_at)
      && tstzrange(COALESCE(b.prep_from, b.starts_at), b.ends_at))
  OR (a.prep_room_id = b.prep_room_id AND tstzrange(a.prep_from, a.starts_at) && tstzrange(b.prep_from, b.starts_at))
  OR (a.room_id = b.room_id
      AND tstzrange(a.occupied_from, a.occupied_until) && tstzrange(b.occupied_from, b.occupied_until))
  OR (a.device_id = b.device_id
      AND tstzrange(a.occupied_from, a.occupied_until) && tstzrange(b.occupied_from, b.occupied_until))
 )
"""


def overlaps(table: str = "") -> int:
    """Pairs of standing visits that overlap."""
    with connection.cursor() as cursor:
        cursor.execute(OVERLAPS.format(table=table or Appointment._meta.db_table))
        return int(cursor.fetchone()[0])


@dataclass
class DeadlockWatch:
    """Deadlocks since it was made: PostgreSQL's own count, and the lines of its log where we have it."""

    log: Path

    def __post_init__(self) -> None:
        self._size = self.log.stat().st_size if self.log.is_file() else 0
        self._count = self._counted()

    @staticmethod
    def _counted() -> int:
        with connection.cursor() as cursor:
            # The numbers of one's own session are kept back a moment.
            cursor.execute("SELECT pg_stat_force_next_flush()")
            cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
            return int(cursor.fetchone()[0])

    def counted(self) -> int:
        """What pg_stat_database counted."""
        return self._counted() - self._count

    def logged(self) -> int:
        """Lines "deadlock detected" in the log of the embedded server."""
        with self.log.open("rb") as file:
            file.seek(self._size)
            return file.read().count(b"deadlock detected")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int, path: str = "/healthz") -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def until(
    what: Callable[[], Any], process: "subprocess.Popen[bytes] | None" = None, seconds: float = 60
) -> None:
    """Ask until it is so; an error when the process that should bring it ends first."""
    pause, deadline = threading.Event(), time.monotonic() + seconds
    while not what():
        assert process is None or process.poll() is None, "the process ended"
        assert time.monotonic() < deadline, "it never came"
        pause.wait(0.05)


@contextmanager
def web(state: Path, database_url: str) -> Iterator[int]:
    """The web server as `bin/run` starts it, on a database; its port."""
    port = free_port()
    log = state / "log" / "race-web.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            _commands(state, port)["web"], cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            env={**os.environ, "DATABASE_URL": database_url, "MESOCLINIC_STATE": str(state)},
        )  # fmt: skip
    try:
        until(lambda: answers(port), process)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


def signed_in(user: User) -> str:
    """The session key of somebody who has signed in."""
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return str(session.session_key)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client got: status (0: no answer), seconds, page or address it is sent to."""

    status: int
    seconds: float
    text: str


class Desk:
    """A front desk's browser. Each request has a connection of its own: none is lost to one that the server closed."""

    def __init__(self, port: int, session: str, patience: float = 90) -> None:
        self._cookies = f"sessionid={session}; csrftoken={_TOKEN}"
        self._port, self._patience = port, patience

    def ask(self, path: str, form: dict[str, str] | None = None, *, ajax: bool = False) -> Answer:
        headers = {"Cookie": self._cookies, "X-CSRFToken": _TOKEN}
        if ajax:
            headers["X-Requested-With"] = "XMLHttpRequest"
        body = None
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(form)
        line = http.client.HTTPConnection("127.0.0.1", self._port, timeout=self._patience)
        began = time.perf_counter()
        try:
            line.request("GET" if form is None else "POST", path, body, headers)
            response = line.getresponse()
            text = response.read().decode()
        except (OSError, http.client.HTTPException) as error:
            return Answer(0, time.perf_counter() - began, str(error))
        finally:
            line.close()
        if response.status in {301, 302}:
            text = response.headers.get("Location", "")
        return Answer(response.status, time.perf_counter() - began, text)

    def book(
        self, plan: TreatmentPlan, place: Location, slots: Sequence[Slot], key: uuid.UUID | None = None
    ) -> Answer:
        """Confirm an option as the page sends it."""
        option = pack(list(slots), plan=plan.pk)
        return self.ask(
            address(plan), {"option": option, "key": str(key or uuid.uuid4()), "wish": "", "practitioner": ""}
        )

    def book_offered(self, plan: TreatmentPlan, page: str) -> Answer:
        """Confirm the first option of a page that was answered."""
        option = re.search(r'name="option" value="([^"]+)"', page)
        key = re.search(r'name="key" value="([^"]+)"', page)
        assert option is not None
        assert key is not None
        return self.ask(address(plan), {"option": option[1], "key": key[1], "wish": "", "practitioner": ""})


def address(plan: TreatmentPlan) -> str:
    """Where a plan's course is booked."""
    return reverse("sessions:course-book", args=[plan.pk])


def fresh_options(page: str) -> int:
    """How many options a page offers."""
    return len(re.findall(r'name="option" value="', page))


def at_once(acts: Sequence[Callable[[], Answer]]) -> list[Answer]:
    """All at the same moment, each in a thread of its own; no act touches the database of this process."""
    barrier = threading.Barrier(len(acts))
    results: list[Answer] = [Answer(0, 0, "")] * len(acts)

    def run(index: int) -> None:
        barrier.wait(timeout=30)
        results[index] = acts[index]()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    return results
