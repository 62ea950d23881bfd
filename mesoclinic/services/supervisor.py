"""`bin/run`: prepare, then serve web, worker and scheduler together until told to stop.

Survives a kill -9 of itself: children die with it (on Linux the kernel sees to that) or are found by their
recorded ids on the next start; PostgreSQL and Redis are found again by their sockets. A lock on the state folder,
which dies with its process, keeps a second start away from the first one.
"""

import ctypes
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import psutil

from mesoclinic.services import embedded
from mesoclinic.services.steps import (
    ROOT,
    StepError,
    prepare_state,
    run_manage,
    secret_key,
    step,
    system_libraries,
)

_PR_SET_PDEATHSIG = 1
#: More falls of one part than this within a minute are no accident.
_MOST_RESTARTS = 5


class _Stop(Exception):
    """Ctrl-C or SIGTERM."""


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise _Stop


def _die_with_parent() -> None:
    if sys.platform == "linux":
        with suppress(OSError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class StateLock:
    """One product per state folder. The kernel gives the lock back when its process ends, however it ends."""

    def __init__(self, state: Path, address: str) -> None:
        self._file = os.open(state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            pid, _space, where = os.read(self._file, 300).decode(errors="replace").strip().partition(" ")
            os.close(self._file)
            known = f" (process {pid}, {where})" if where else ""
            raise StepError(
                f"already runs from {state}{known}. Stop it first, or choose another MESOCLINIC_STATE."
            ) from error
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()} {address}\n".encode(), 0)

    def release(self) -> None:
        """Let the next one start."""
        os.ftruncate(self._file, 0)
        os.close(self._file)


class Restarts:
    """How often each part fell lately: one that keeps falling needs a person."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._moments: dict[str, list[float]] = {}

    def note(self, name: str) -> None:
        """Count a fall. Raises StepError when there were too many within a minute."""
        now = time.monotonic()
        lately = [moment for moment in self._moments.get(name, []) if now - moment < 60]
        if len(lately) >= _MOST_RESTARTS:
            raise StepError(f"The {name} process keeps ending. Its log: {self._log / name.lower()}.log")
        self._moments[name] = [*lately, now]


@dataclass
class EmbeddedServer:
    """PostgreSQL or Redis of this state folder, watched through its socket."""

    name: str
    runs: Callable[[Path], bool]
    start: Callable[[Path], bool]
    again_from: float = 0.0

    def see_to(self, state: Path, restarts: Restarts) -> None:
        """Start it again when nobody answers at its socket."""
        if time.monotonic() < self.again_from or self.runs(state):
            return
        restarts.note(self.name)
        begun = time.monotonic()
        print(f"{self.name} ended; starting it again.", flush=True)
        try:
            self.start(state)
        except embedded.ServiceError as error:
            # The old server's last processes may hold its memory a moment longer.
            self.again_from = time.monotonic() + 2
            print(f"{self.name} did not start: {error}", flush=True)
        else:
            print(f"{self.name} is back after {time.monotonic() - begun:.1f} s.", flush=True)


def _servers(state: Path, addresses: embedded.Addresses) -> list[EmbeddedServer]:
    found = []
    if addresses.database_url == embedded.database_url(state):
        found.append(EmbeddedServer("PostgreSQL", embedded.postgres_runs, embedded.start_postgres))
    if addresses.redis_url == embedded.redis_url(state):
        found.append(EmbeddedServer("Redis", embedded.redis_runs, embedded.start_redis))
    return found


class Children:
    """The processes this supervisor started, and the record of them for the next start."""

    def __init__(self, state: Path) -> None:
        self._record = state / "children.json"
        self._log = state / "log"
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def leftovers(self) -> dict[str, list[psutil.Process]]:
        """What an earlier, killed supervisor of this state folder left behind, each with its own children."""
        found: dict[str, list[psutil.Process]] = {}
        with suppress(OSError, ValueError):
            for name, (pid, started) in json.loads(self._record.read_text()).items():
                with suppress(psutil.Error):
                    process = psutil.Process(pid)
                    if abs(process.create_time() - started) < 1:
                        found[name] = [process, *process.children(recursive=True)]
        return found

    def end_leftovers(self) -> None:
        """End them: the lock on the state folder says that nobody uses them any more."""
        for name, family in self.leftovers().items():
            print(f"  ending the {name} of an earlier start", flush=True)
            for member in family:
                with suppress(psutil.Error):
                    member.terminate()
            _gone, alive = psutil.wait_procs(family, timeout=10)
            for member in alive:
                with suppress(psutil.Error):
                    member.kill()
            psutil.wait_procs(alive, timeout=5)
        self._record.unlink(missing_ok=True)

    def start(self, name: str, command: list[str]) -> None:
        """Start one child; its output goes to `log/<name>.log`."""
        with (self._log / f"{name}.log").open("ab") as out:
            self.running[name] = subprocess.Popen(
                command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                start_new_session=True, preexec_fn=_die_with_parent,
            )  # fmt: skip
        known = {
            n: (p.pid, psutil.Process(p.pid).create_time())
            for n, p in self.running.items()
            if p.poll() is None
        }
        new = self._record.with_suffix(".new")
        new.write_text(json.dumps(known))
        new.replace(self._record)

    def fallen(self) -> str | None:
        """The name of a child that has ended, if any."""
        return next((name for name, process in self.running.items() if process.poll() is not None), None)

    def stop(self) -> None:
        """Ask all to end, wait, then insist."""
        for process in self.running.values():
            with suppress(ProcessLookupError):
                process.terminate()
        deadline = time.monotonic() + 15
        for process in self.running.values():
            try:
                process.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        self._record.unlink(missing_ok=True)


def _port() -> int:
    text = os.environ.get("PORT", "8000")
    if not text.isascii() or not text.isdecimal() or not 0 < int(text) < 65536:
        raise StepError(f"PORT must be a number from 1 to 65535, not {text!r}.")
    return int(text)


def _holds(process: psutil.Process, port: int) -> bool:
    with suppress(psutil.Error):
        return any(
            one.laddr and one.laddr.port == port and one.status == psutil.CONN_LISTEN
            for one in process.net_connections("tcp")
        )
    return False


def _ensure_port_free(port: int, ours: Iterable[psutil.Process] = ()) -> None:
    """Raise unless the port is free, or held by a process of `ours` that ends in a moment."""
    if any(_holds(process, port) for process in ours):
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((os.environ.get("MESOCLINIC_BIND", "127.0.0.1"), port))
        except OSError as error:
            raise StepError(f"Port {port} is taken. Choose another: PORT={port + 1} bin/run") from error


def _commands(state: Path, port: int) -> dict[str, list[str]]:
    python = sys.executable
    cores = os.cpu_count() or 2
    return {
        "web": [
            python, "-m", "gunicorn", "mesoclinic.wsgi:application", "--bind",
            f"{os.environ.get('MESOCLINIC_BIND', '127.0.0.1')}:{port}", "--workers", str(max(2, min(cores, 8))),
            "--threads", "4", "--timeout", "60", "--graceful-timeout", "10", "--no-control-socket",
        ],
        "worker": [
            python, "-m", "celery", "-A", "mesoclinic", "worker", "--concurrency", "2", "--loglevel", "WARNING",
            "--without-gossip", "--without-mingle",
        ],
        "beat": [
            python, "-m", "celery", "-A", "mesoclinic", "beat", "--loglevel", "WARNING", "--pidfile", "",
            "--schedule", str(state / "beat-schedule"),
        ],
    }  # fmt: skip


def _wait_ready(port: int, children: Children, state: Path) -> None:
    deadline = time.monotonic() + 90
    answer = "no answer"
    while time.monotonic() < deadline:
        fallen = children.fallen()
        if fallen:
            raise StepError(f"The {fallen} process ended at once. Its log: {state / 'log' / fallen}.log")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as response:
                if response.status == 200:
                    return
        except urllib.error.HTTPError as error:
            answer = error.read(500).decode(errors="replace")
        except OSError:
            pass
        time.sleep(0.1)
    raise StepError(f"Not ready after 90 s: {answer}")


def _static(state: Path) -> None:
    newest = max((path.stat().st_mtime_ns for path in (ROOT / "static").rglob("*")), default=0)
    stamp = state / "static-stamp"
    if stamp.exists() and stamp.read_text() == str(newest):
        return
    run_manage("collectstatic", "--noinput", "--clear", "-v", "0")
    stamp.write_text(str(newest))


def _first_people(state: Path) -> None:
    if run_manage("people", "--count").strip() != "0":
        return
    if os.environ.get("MESOCLINIC_DEMO", "1") == "0":
        print()
        run_manage("people", "--first-administrator", quiet=False)
    else:
        run_manage("demo")


def serve() -> None:
    """Prepare and serve; returns after a clean stop."""
    begun = time.monotonic()
    port = _port()
    state = prepare_state()
    lock = StateLock(state, f"http://localhost:{port}/")
    try:
        _serve(state, port, begun)
    finally:
        lock.release()


def _serve(state: Path, port: int, begun: float) -> None:
    os.environ.setdefault("MESOCLINIC_BASE_URL", f"http://localhost:{port}")
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    children = Children(state)
    # Nothing is touched before it is sure that this start can have its port.
    _ensure_port_free(port, [process for family in children.leftovers().values() for process in family])
    children.end_leftovers()
    _ensure_port_free(port)
    addresses: embedded.Addresses | None = None
    try:
        with step("system libraries"):
            system_libraries()
        with step("PostgreSQL and Redis"):
            secret_key(state)
            addresses = embedded.ensure(state)
            os.environ["DATABASE_URL"], os.environ["REDIS_URL"] = addresses.database_url, addresses.redis_url
        with step("migrations"):
            run_manage("prepare")
        with step("static files"):
            _static(state)
        with step("people and demo clinic"):
            _first_people(state)
        with step("web, worker and scheduler"):
            commands = _commands(state, port)
            for name, command in commands.items():
                children.start(name, command)
            _wait_ready(port, children, state)
        print(f"\nmesoclinic is ready after {time.monotonic() - begun:.1f} s:  http://localhost:{port}/\n")
        # Everything serves already: a database that falls just now is no reason to stop.
        with suppress(StepError):
            print(run_manage("demo", "--sign-ins"), flush=True)
        print("Ctrl-C stops everything.", flush=True)
        restarts, servers = Restarts(state / "log"), _servers(state, addresses)
        while True:
            time.sleep(0.5)
            for server in servers:
                server.see_to(state, restarts)
            fallen = children.fallen()
            if fallen is None:
                continue
            restarts.note(fallen)
            print(f"The {fallen} process ended; starting it again.", flush=True)
            children.start(fallen, commands[fallen])
    except _Stop:
        print("\nStopping.", flush=True)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        children.stop()
        if addresses is not None:
            # Whoever started the embedded servers, this state folder's product ends here, and they with it.
            if not addresses.database_url or addresses.database_url == embedded.database_url(state):
                embedded.stop_postgres(state)
            if addresses.redis_url == embedded.redis_url(state):
                embedded.stop_redis(state)


def main() -> int:
    """Exit 0 after a clean stop, 1 with one line that names the remedy."""
    try:
        serve()
    except (StepError, embedded.ServiceError) as error:
        print(f"mesoclinic: {error}", file=sys.stderr)
        return 1
    except _Stop:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
