"""Steps of a start, each said with its time, and the preparation that running and testing share."""

import contextlib
import ctypes.util
import os
import platform
import secrets
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
_PRIVATE_FILES = ("secret-key", "children.json", "beat-schedule", "celerybeat-schedule")


class StepError(Exception):
    """A step failed; the text is one line that names the remedy."""


@contextmanager
def step(name: str) -> Iterator[None]:
    """Say what is being done, and how long it took."""
    started = time.monotonic()
    print(f"  {name:<46}", end="", flush=True)
    try:
        yield
    except BaseException:
        print("failed", flush=True)
        raise
    print(f"{time.monotonic() - started:6.1f} s", flush=True)


def state_folder() -> Path:
    """The folder with everything mesoclinic keeps: `MESOCLINIC_STATE`, else `.state` in the checkout."""
    text = os.environ.get("MESOCLINIC_STATE") or str(ROOT / ".state")
    try:
        return Path(text).resolve()
    except (OSError, RuntimeError) as error:
        raise StepError(_unusable(text, error)) from error


def _unusable(state: Path | str, error: Exception) -> str:
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"The state folder {state} can't be used: {why}. Set MESOCLINIC_STATE to a folder that you may write to."


def prepare_state() -> Path:
    """The state folder, there and closed to other users; what this process and its children write, too.

    It holds patients' data in the database and may hold it in logs. Files of an older start are closed as well.
    """
    os.umask(0o077)
    state = state_folder()
    try:
        for folder in (state, state / "log"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if folder.stat().st_mode & stat.S_ISVTX:
                raise StepError(
                    f"{folder} is shared by everybody. Set MESOCLINIC_STATE to a folder of its own."
                )
            folder.chmod(0o700)
        for path in (*(state / "log").iterdir(), *(state / name for name in _PRIVATE_FILES)):
            if path.is_file() and not path.is_symlink():
                path.chmod(0o600)
        # That it can be read is not enough: a read-only disk is found out here.
        (state / "lock").touch(mode=0o600)
    except OSError as error:
        raise StepError(_unusable(state, error)) from error
    os.environ["MESOCLINIC_STATE"] = str(state)
    return state


def secret_key(state: Path) -> None:
    """Make the signing key once; only this user may read it.

    It appears under its name only when whole: a start that is cut off leaves no half key, and of two starts at the
    same moment the first one's key counts.
    """
    path = state / "secret-key"
    if path.is_file() and path.read_text().strip():
        return
    new = state / f"secret-key.{os.getpid()}.new"
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as out:
        out.write(secrets.token_urlsafe(50))
        out.flush()
        os.fsync(out.fileno())
    if path.exists():
        # Empty, from a start that was cut off before keys were written in one piece.
        new.replace(path)
        return
    with contextlib.suppress(FileExistsError):
        path.hardlink_to(new)
    new.unlink()


def _apt_install(*packages: str) -> bool:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-q"],
        ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages],
    ):
        done = subprocess.run(command, capture_output=True, env=environment)
    return done.returncode == 0


def system_libraries() -> None:
    """WeasyPrint needs Pango from the system."""
    if ctypes.util.find_library("pango-1.0") and ctypes.util.find_library("pangoft2-1.0"):
        return
    if platform.system() == "Darwin" and any(
        Path(p, "libpango-1.0.dylib").exists() for p in ("/opt/homebrew/lib", "/usr/local/lib")
    ):
        return
    if _apt_install("libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0"):
        return
    raise StepError(
        "Pango is missing (for PDF sheets). Debian/Ubuntu: apt-get install libpango-1.0-0 libpangoft2-1.0-0 "
        "libharfbuzz-subset0. Fedora: dnf install pango. macOS: brew install pango."
    )


def chromium() -> str:
    """The path of a Chromium for the browser tests; installed when root on Debian."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    for candidate in (os.environ.get("CHROMIUM", ""), *names):
        found = shutil.which(candidate) if candidate else None
        if found:
            return found
    if _apt_install("chromium"):
        found = shutil.which("chromium")
        if found:
            return found
    raise StepError(
        "Chromium is missing. Debian: apt-get install chromium. Fedora: dnf install chromium. "
        "macOS: brew install --cask chromium. Or set CHROMIUM to its path."
    )


def run_manage(*arguments: str, quiet: bool = True) -> str:
    """Run one management command in a process of its own; its output is returned, or printed unless quiet."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.PIPE if quiet else None,
    )
    if done.returncode != 0:
        lines = ((done.stderr or "") + (done.stdout or "")).strip().splitlines()[-1:] or ["no message"]
        raise StepError(f"manage.py {arguments[0]} failed: {lines[0]}")
    return done.stdout or ""
