"""`bin/test`: services in a state folder of their own, then lint, types, layering and the tests."""

import os
import subprocess
import sys

from mesoclinic.services import embedded
from mesoclinic.services.steps import (
    ROOT,
    StepError,
    chromium,
    prepare_state,
    secret_key,
    step,
    system_libraries,
)

CHECKS: tuple[tuple[str, list[str]], ...] = (
    ("lint", ["ruff", "check", "."]),
    ("format", ["ruff", "format", "--check", "."]),
    ("types", ["mypy"]),
    ("layering", ["import_linter"]),
)


# One process a core, each with a database of its own; who is done early takes tests over from the other.
SPREAD = ("-n", "logical", "--maxprocesses", "8", "--dist", "worksteal", "-q")


def _check(name: str, command: list[str]) -> bool:
    if command[0] == "import_linter":
        command = [os.path.join(os.path.dirname(sys.executable), "lint-imports")]  # noqa: PTH118, PTH120
    else:
        command = [sys.executable, "-m", *command]
    with step(name):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        print(done.stdout[-8000:], done.stderr[-2000:], sep="\n", flush=True)
    return done.returncode == 0


def main(arguments: list[str]) -> int:
    """Exit 0 only when every check and every test passed."""
    try:
        state = prepare_state()
    except StepError as error:
        print(f"mesoclinic: {error}", file=sys.stderr)
        return 1
    os.environ["MESOCLINIC_FAST_DATABASE"] = "1"
    os.environ.pop("MESOCLINIC_DEBUG", None)
    addresses: embedded.Addresses | None = None
    try:
        with step("system libraries"):
            system_libraries()
        with step("Chromium"):
            os.environ["CHROMIUM"] = chromium()
        with step("PostgreSQL and Redis"):
            secret_key(state)
            # Whitenoise looks for the folder of collected files, which only a real start fills.
            (state / "static").mkdir(exist_ok=True)
            addresses = embedded.ensure(state)
            os.environ["DATABASE_URL"], os.environ["REDIS_URL"] = addresses.database_url, addresses.redis_url
        good = True
        if not arguments:
            # Every check runs, so that one call shows all that is wrong.
            good = sum(not _check(name, command) for name, command in CHECKS) == 0
            with step("migrations match the models"):
                done = subprocess.run(
                    [sys.executable, "manage.py", "makemigrations", "--check", "--dry-run"],
                    cwd=ROOT, capture_output=True, text=True,
                )  # fmt: skip
            if done.returncode != 0:
                print(done.stdout, done.stderr, flush=True)
                good = False
        tests = subprocess.run([sys.executable, "-m", "pytest", *(arguments or SPREAD)], cwd=ROOT)
        if not good:
            print("mesoclinic: a check before the tests failed, see above.", file=sys.stderr)
        return tests.returncode if good else 1
    except (StepError, embedded.ServiceError) as error:
        print(f"mesoclinic: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        if addresses is not None:
            embedded.stop(state, addresses)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
