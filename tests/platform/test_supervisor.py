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
        while "mesoclinic is ready" not in self.output.read_text():
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < deadline, self.output.read_text()
            select_nothing(0.1)

    def ready(self) -> dict[str, object]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=10) as response:
            return dict(json.load(response))


def select_nothing(seconds: float) -> None:
    """Give up the processor for a moment inside a wait for a condition."""
    import select

    select.select([], [], [], seconds)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "state"
    folder.mkdir()
    yield folder
    from mesoclinic.services import embedded

    embedded.stop_redis(folder)
    if (folder / "postgres").exists():
        embedded.stop_postgres(folder)


def test_it_recovers_after_being_killed_and_then_stops_cleanly(state: Path) -> None:
    first = Product(state, _free_port())
    first.wait_ready()
    assert "First administrator: user admin, password " in first.output.read_text()
    children = [pid for pid, _started in json.loads((state / "children.json").read_text()).values()]
    first.process.kill()
    first.process.wait(timeout=10)

    second = Product(state, first.port)
    second.wait_ready()
    assert second.ready()["ready"] is True
    assert "password" not in second.output.read_text()
    assert not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in children)

    second.process.send_signal(signal.SIGTERM)
    assert second.process.wait(timeout=40) == 0
    with pytest.raises(OSError):
        second.ready()
    assert not (state / "postgres" / "postmaster.pid").exists()


def test_a_taken_port_is_one_clear_line(state: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        product = Product(state, port)
        assert product.process.wait(timeout=30) == 1
    lines = product.output.read_text().strip().splitlines()
    assert lines == [f"mesoclinic: Port {port} is taken. Choose another: PORT={port + 1} bin/run"]
