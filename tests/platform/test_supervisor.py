"""`bin/run` stops cleanly, and recovers after a kill -9 of itself."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Product:
    """One start of the product on a state folder of its own."""

    def __init__(self, state: Path, port: int) -> None:
        self.state, self.port = state, port
        environment = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "REDIS_URL"}}
        environment |= {
            "MESOCLINIC_STATE": str(state),
            "PORT": str(port),
            "MESOCLINIC_DEMO": "0",
            "PYTHONUNBUFFERED": "1",
        }
        self.output = state.parent / f"output-{time.monotonic_ns()}.txt"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mesoclinic.services.supervisor"], cwd=ROOT, env=environment,
            stdout=self.output.open("wb"), stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def wait_ready(self) -> None:
        deadline = time.monotonic() + 90
        while "Ctrl-C stops everything." not in self.output.read_text():
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < deadline, self.output.read_text()
            select_nothing(0.1)

    def ready(self) -> dict[str, object]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=10) as response:
            return dict(json.load(response))

    def told(self, words: str, within_s: float = 30) -> str:
        """Wait until the output has these words; the output."""
        deadline = time.monotonic() + within_s
        while words not in self.output.read_text():
            assert time.monotonic() < deadline, self.output.read_text()
            select_nothing(0.05)
        return self.output.read_text()


def select_nothing(seconds: float) -> None:
    """Give up the processor for a moment inside a wait for a condition."""
    import select

    select.select([], [], [], seconds)


def _clean_up(folder: Path) -> None:
    from mesoclinic.services import embedded

    embedded.stop_redis(folder)
    if (folder / "postgres").exists():
        embedded.stop_postgres(folder)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "state"
    folder.mkdir()
    yield folder
    _clean_up(folder)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A product that serves; its tests leave it serving."""
    product = Product(tmp_path_factory.mktemp("running") / "state", _free_port())
    try:
        product.wait_ready()
        yield product
    finally:
        product.process.terminate()
        product.process.wait(timeout=40)
        _clean_up(product.state)


def test_a_taken_port_is_one_clear_line(state: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        product = Product(state, port)
        assert product.process.wait(timeout=30) == 1
    lines = product.output.read_text().strip().splitlines()
    assert lines == [f"mesoclinic: Port {port} is taken. Choose another: PORT={port + 1} bin/run"]


def test_a_second_start_on_the_same_state_is_told_so_and_harms_nothing(running: Product) -> None:
    before = (running.state / "children.json").read_text()
    second = Product(running.state, _free_port())
    assert second.process.wait(timeout=20) == 1
    assert second.output.read_text().strip().splitlines() == [
        f"mesoclinic: already runs from {running.state} (process {running.process.pid}, "
        f"http://localhost:{running.port}/). Stop it first, or choose another MESOCLINIC_STATE."
    ]
    assert (running.state / "children.json").read_text() == before
    assert running.ready()["ready"] is True
    assert "ended" not in running.output.read_text()


def test_a_port_of_somebody_else_ends_no_leftover(state: Path) -> None:
    leftover = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        known = {"web": (leftover.pid, psutil.Process(leftover.pid).create_time())}
        (state / "children.json").write_text(json.dumps(known))
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            assert Product(state, taken.getsockname()[1]).process.wait(timeout=30) == 1
        assert leftover.poll() is None
    finally:
        leftover.kill()
        leftover.wait()


@pytest.mark.parametrize("server", ["PostgreSQL", "Redis"])
def test_a_killed_server_is_started_again_within_seconds_and_pages_work(
    running: Product, server: str
) -> None:
    from mesoclinic.services.embedded import socket_folder

    if server == "PostgreSQL":
        pid = int((running.state / "postgres" / "postmaster.pid").read_text().split()[0])
    else:
        (pid,) = (
            process.pid
            for process in psutil.process_iter(["cmdline"])
            if str(socket_folder(running.state) / "redis.sock") in " ".join(process.info["cmdline"] or [])
        )
    begun = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    told = running.told(f"{server} is back after")
    assert f"{server} ended; starting it again." in told
    assert time.monotonic() - begun < 15
    # Every web process had connections to the dead server: none of them shows it.
    for _page in range(12):
        with urllib.request.urlopen(f"http://127.0.0.1:{running.port}/sign-in/", timeout=10) as response:
            assert response.status == 200
    assert running.process.poll() is None


def test_state_and_logs_are_closed_to_other_users(running: Product) -> None:
    for folder in (running.state, running.state / "log"):
        assert folder.stat().st_mode & 0o777 == 0o700
    for path in [*(running.state / "log").iterdir(), running.state / "secret-key", running.state / "lock"]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_refused_statements_leave_no_patient_in_the_log(running: Product) -> None:
    import psycopg

    from mesoclinic.services import embedded

    with psycopg.connect(embedded.database_url(running.state), autocommit=True) as database:
        database.execute("CREATE TABLE secret_names (name text UNIQUE)")
        for _twice in range(2):
            try:
                database.execute("INSERT INTO secret_names VALUES ('Lucia Geheim')")
            except psycopg.errors.UniqueViolation:
                refused = True
        database.execute("DROP TABLE secret_names")
    assert refused
    log = (running.state / "log" / "postgres.log").read_text(errors="replace")
    assert "secret_names_name_key" in log
    assert "Geheim" not in log


@pytest.mark.parametrize("folder", ["/dev/null/state", "/proc/mesoclinic", "/tmp"])
def test_an_impossible_state_folder_is_one_clear_line(folder: str, tmp_path: Path) -> None:
    environment = {**os.environ, "MESOCLINIC_STATE": folder, "PORT": str(_free_port())}
    for module in ("supervisor", "manage", "testing"):
        done = subprocess.run(
            [sys.executable, "-m", f"mesoclinic.services.{module}", "check"],
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 1, module
        (line,) = (done.stdout + done.stderr).strip().splitlines()
        assert line.startswith("mesoclinic: ")
        assert "MESOCLINIC_STATE" in line


def test_the_signing_key_appears_whole_and_stays(tmp_path: Path) -> None:
    from mesoclinic.services.steps import secret_key

    path = tmp_path / "secret-key"
    path.touch()  # a start that was cut off
    secret_key(tmp_path)
    key = path.read_text()
    assert len(key) > 50
    assert path.stat().st_mode & 0o777 == 0o600
    secret_key(tmp_path)
    assert path.read_text() == key
    assert [one.name for one in tmp_path.iterdir()] == ["secret-key"]


def test_who_starts_the_servers_leaves_them_to_those_who_came_later(state: Path) -> None:
    """A `bin/manage` that began before `bin/run` must not stop its PostgreSQL."""
    script = (
        "import os, sys; from pathlib import Path; from mesoclinic.services import embedded\n"
        "state = Path(sys.argv[1]); os.environ.pop('DATABASE_URL', 0); os.environ.pop('REDIS_URL', 0)\n"
        "mine = embedded.ensure(state); print('up', flush=True); sys.stdin.readline(); embedded.stop(state, mine)\n"
        "print(embedded.postgres_runs(state), embedded.redis_runs(state), flush=True)"
    )

    def user() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(state)], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        return process

    (state / "log").mkdir()
    first = user()
    second = user()
    assert first.communicate("\n", timeout=60)[0] == "True True\n"
    assert second.communicate("\n", timeout=60)[0] == "True True\n"
    third = user()
    assert third.communicate("\n", timeout=60)[0] == "True True\n"


def test_it_recovers_after_being_killed_and_then_stops_cleanly(running: Product) -> None:
    """The last one here: it ends what the others use. A start on an empty folder costs more than all of them."""
    state = running.state
    assert "First administrator: user admin, password " in running.output.read_text()
    children = [pid for pid, _started in json.loads((state / "children.json").read_text()).values()]
    running.process.kill()
    running.process.wait(timeout=10)

    second = Product(state, running.port)
    try:
        second.wait_ready()
        assert second.ready()["ready"] is True
        assert "password" not in second.output.read_text()
        assert not any(
            psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in children
        )

        second.process.send_signal(signal.SIGTERM)
        assert second.process.wait(timeout=40) == 0
    finally:
        second.process.kill()
        second.process.wait()
    with pytest.raises(OSError):
        second.ready()
    assert not (state / "postgres" / "postmaster.pid").exists()
