"""Steps of a start, each said with its time, and the preparation that running and testing share."""

import ctypes.util
import os
import platform
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


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
    return Path(os.environ.get("MESOCLINIC_STATE") or ROOT / ".state").resolve()


def secret_key(state: Path) -> None:
    """Make the signing key once; only this user may read it."""
    path = state / "secret-key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(50))


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
