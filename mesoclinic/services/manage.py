"""`bin/manage`: a manage.py command with its services; those started here are stopped after it."""

import os
import subprocess
import sys

from mesoclinic.services import embedded
from mesoclinic.services.steps import ROOT, StepError, prepare_state, secret_key, state_folder

#: Commands that touch neither database nor Redis.
WITHOUT_SERVICES = frozenset(
    {"propose", "replan", "clinical_coverage", "help", "--help", "--version", "version"}
)


def main(arguments: list[str]) -> int:
    """Run the command in the folder of the caller, so that file names mean what the caller sees."""
    folder = os.environ.get("MESOCLINIC_CALLER") or str(ROOT)
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    try:
        os.environ["MESOCLINIC_STATE"] = str(state_folder())
        if not arguments or arguments[0] in WITHOUT_SERVICES:
            return subprocess.run(command, cwd=folder).returncode
        state = prepare_state()
        secret_key(state)
        addresses = embedded.ensure(state)
    except (StepError, embedded.ServiceError) as error:
        print(f"mesoclinic: {error}", file=sys.stderr)
        return 1
    os.environ["DATABASE_URL"], os.environ["REDIS_URL"] = addresses.database_url, addresses.redis_url
    try:
        return subprocess.run(command, cwd=folder).returncode
    finally:
        embedded.stop(state, addresses)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
