"""django-appointment as a peer: an environment and a database of its own, on the same PostgreSQL server."""

import os
import secrets
import subprocess
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.benchmarks.world import url_of

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "tests" / "benchmarks" / "peers"


def python() -> Path:
    """The peer's own environment, made on first use: it has its own Django."""
    folder, lock = (
        Path(os.environ["MESOCLINIC_STATE"]) / "bench-peer",
        ROOT / "requirements" / "bench-peer.txt",
    )
    found, stamp = folder / "bin" / "python", folder / "installed"
    if not stamp.is_file() or stamp.read_text() != lock.read_text():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run(
            [str(found), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes", "-r", str(lock)],
            check=True,
        )  # fmt: skip
        stamp.write_text(lock.read_text())
    return found


@contextmanager
def database() -> Iterator[tuple[str, dict[str, str]]]:
    """An empty database for the peer, dropped at the end: its name, and the environment that leads to it."""
    name, admin = f"bench_peer_{secrets.token_hex(3)}", url_of("postgres")
    host = psycopg.conninfo.conninfo_to_dict(admin)["host"]
    with psycopg.connect(admin, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
    try:
        yield name, {
            "PATH": os.environ["PATH"], "PEER_DATABASE": name, "PEER_HOST": str(host), "PYTHONPATH": str(HERE),
            "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip
    finally:
        with psycopg.connect(admin, autocommit=True) as server:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")
