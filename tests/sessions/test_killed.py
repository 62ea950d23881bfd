"""kill -9 of a web process or of PostgreSQL while courses are booked: each is there whole, with its messages, or not at all."""

import json
import os
import queue
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg
import pytest

from mesoclinic.services import embedded
from mesoclinic.services.steps import secret_key
from mesoclinic.services.supervisor import _commands
from tests import racing

ROOT = Path(__file__).resolve().parents[2]
#: More pages than are ever confirmed between the kills: some hundreds a second on a quick machine.
CLIENTS, KILLS, FORMS = 4, 12, 2000
#: After these seconds no more is killed; ten kills at least.
SECONDS = 60

#: Bookings that are not whole: six visits, a confirmation and six reminders, one line in the audit trail.
HALVES = """
SELECT b.id, b.visits, b.messages, b.lines FROM (
  SELECT b.id,
   (SELECT count(*) FROM treatment_sessions_appointment a WHERE a.booking_id = b.id) AS visits,
   (SELECT count(*) FROM treatment_sessions_message m JOIN treatment_sessions_appointment a ON a.id = m.appointment_id
    WHERE a.booking_id = b.id) AS messages,
   (SELECT count(*) FROM audit_auditevent e WHERE e.type = 'course.booked' AND e.target_id = b.id::text) AS lines
  FROM treatment_sessions_coursebooking b
) b WHERE (b.visits, b.messages, b.lines) <> (6, 7, 1)
"""
TOTALS = """
SELECT (SELECT count(*) FROM treatment_sessions_coursebooking), (SELECT count(*) FROM treatment_sessions_appointment),
  (SELECT count(*) FROM treatment_sessions_message), (SELECT count(*) FROM audit_auditevent WHERE type = 'course.booked')
"""


@dataclass
class Scene:
    """A product of its own: PostgreSQL with its own data, web server, and pages that wait to be confirmed."""

    state: Path
    environment: dict[str, str]
    port: int
    sessions: list[str]
    forms: "queue.Queue[dict[str, str]]"
    web: "subprocess.Popen[bytes]"
    confirmed: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.environment["DATABASE_URL"]

    def start_web(self) -> None:
        with (self.state / "log" / "web.log").open("ab") as out:
            self.web = subprocess.Popen(
                _commands(self.state, self.port)["web"], cwd=ROOT, env=self.environment, stdout=out,
                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    def client(self, session: str, done: threading.Event) -> None:
        """Confirm page after page; one that got no answer, or an error, is sent again with its key, as a person would."""
        desk, pause = racing.Desk(self.port, session, patience=20), threading.Event()
        while not done.is_set():
            with suppress(queue.Empty):
                form = self.forms.get_nowait()
                while True:
                    answer = desk.ask(form["address"], {"option": form["option"], "key": form["key"]})
                    if answer.status == 302 and answer.text.startswith("/patients/"):
                        self.confirmed.append(form["key"])
                        break
                    if answer.status not in {0, 500, 502, 503}:
                        self.strange.append(f"{answer.status}: {answer.text[:300]}")
                        break
                    pause.wait(0.05)
                continue
            return

    def kill_web(self, how: random.Random) -> str:
        """One worker, or the master with all of its workers."""
        family = psutil.Process(self.web.pid).children()
        if how.random() < 0.7 and family:
            with suppress(psutil.Error):
                how.choice(family).kill()
            return "a web process"
        os.killpg(self.web.pid, signal.SIGKILL)
        self.web.wait(timeout=20)
        self.start_web()
        return "the web server"

    def kill_postgres(self, how: random.Random) -> str:
        """One session's process, which brings the others down with it, or the whole server."""
        first = int((self.state / "postgres" / "postmaster.pid").read_text().split()[0])
        if how.random() < 0.5:
            with suppress(psutil.Error, IndexError):
                sessions = [
                    one for one in psutil.Process(first).children() if "mesoclinic" in " ".join(one.cmdline())
                ]
                how.choice(sessions).kill()
                return "a session of PostgreSQL"
        os.kill(first, signal.SIGKILL)
        return "PostgreSQL"

    def postgres_is_back(self) -> bool:
        """As `bin/run` does: start it again when nobody listens, and ask it something."""
        if not embedded.postgres_runs(self.state):
            with suppress(embedded.ServiceError):
                embedded.start_postgres(self.state)
        with suppress(psycopg.Error), psycopg.connect(self.url, connect_timeout=5) as database:
            return database.execute("SELECT 1").fetchone() == (1,)
        return False

    def check(self, when: str) -> int:
        """Whole courses only; how many there are. Asked again when the server goes down for what was killed just before."""
        for _attempt in range(5):
            racing.until(self.postgres_is_back)
            with suppress(psycopg.OperationalError):
                return self._check(when)
        return self._check(when)

    def _check(self, when: str) -> int:
        with psycopg.connect(self.url) as database:
            database.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            assert database.execute(HALVES).fetchall() == [], when
            row = database.execute(TOTALS).fetchone()
            overlaps = database.execute(
                racing.OVERLAPS.format(table="treatment_sessions_appointment")
            ).fetchone()
        assert row is not None
        bookings, visits, messages, lines = row
        assert (visits, messages, lines) == (bookings * 6, bookings * 7, bookings), when
        assert overlaps == (0,), when
        return int(bookings)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    state = tmp_path / "state"
    (state / "log").mkdir(parents=True)
    secret_key(state)
    # As a clinic runs it: what was confirmed is on the disk. Also when it is started again.
    for name in ("DATABASE_URL", "REDIS_URL", "MESOCLINIC_FAST_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    environment = dict(os.environ)
    embedded.start_postgres(state)
    embedded.ensure_database(state)
    embedded.start_redis(state)
    environment |= {
        "MESOCLINIC_STATE": str(state), "DATABASE_URL": embedded.database_url(state),
        "REDIS_URL": embedded.redis_url(state), "DJANGO_SETTINGS_MODULE": "mesoclinic.settings",
    }  # fmt: skip
    made = Scene(state, environment, racing.free_port(), [], queue.Queue(), None)  # type: ignore[arg-type]  # started below
    try:
        told = subprocess.run(
            [sys.executable, "-m", "tests.sessions.killed_world", str(FORMS), str(CLIENTS)], cwd=ROOT, env=environment,
            capture_output=True, text=True, timeout=180,
        )  # fmt: skip
        assert told.returncode == 0, told.stderr[-2000:]
        facts = json.loads(told.stdout.strip().splitlines()[-1])
        made.sessions = facts["sessions"]
        for form in facts["forms"]:
            made.forms.put(form)
        made.start_web()
        racing.until(lambda: racing.answers(made.port), made.web)
        yield made
    finally:
        if made.web is not None:
            with suppress(ProcessLookupError):
                os.killpg(made.web.pid, signal.SIGKILL)
            made.web.wait(timeout=20)
        embedded.stop_redis(state)
        embedded.stop_postgres(state)


def test_whatever_is_killed_at_whatever_moment_each_course_is_whole_or_not_there(scene: Scene) -> None:
    seed = int(os.environ.get("MESOCLINIC_KILL_SEED") or random.SystemRandom().randrange(10**6))
    print(f"MESOCLINIC_KILL_SEED={seed}")
    how, done, told = random.Random(seed), threading.Event(), []
    clients = [threading.Thread(target=scene.client, args=(session, done)) for session in scene.sessions]
    for thread in clients:
        thread.start()
    until = time.monotonic() + SECONDS
    try:
        for number in range(KILLS):
            if number >= 10 and time.monotonic() > until:
                break
            at_least = len(scene.confirmed) + 1
            # Work goes on again, then at a random moment of it something dies.
            assert not scene.forms.empty(), "every page is confirmed: make more"
            racing.until(lambda least=at_least: len(scene.confirmed) >= least)  # type: ignore[misc]
            threading.Event().wait(how.random() * 0.3)
            killed = scene.kill_postgres(how) if number % 2 else scene.kill_web(how)
            racing.until(scene.postgres_is_back)
            told.append(f"{killed}: {scene.check(f'seed {seed}, kill {number}: {killed}')}")
    finally:
        done.set()
        for thread in clients:
            thread.join(timeout=60)
    print("; ".join(told))
    assert not any(thread.is_alive() for thread in clients)
    assert scene.strange == []
    # Whoever got no answer sent the page again: each of them is booked, and once.
    assert scene.check(f"seed {seed}, at the end") == len(set(scene.confirmed)) == len(scene.confirmed)
    assert len(told) >= 10
