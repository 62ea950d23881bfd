"""Name the services before Django reads its settings: loaded by `-p tests.services` (pyproject.toml)."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# One queue a process: its worker takes no other's work.
os.environ["MESOCLINIC_QUEUE"] = f"test-{os.getpid()}"

if not os.environ.get("DATABASE_URL"):
    from mesoclinic.services import embedded

    _state = Path(os.environ.get("MESOCLINIC_STATE") or ROOT / ".state-test").resolve()
    os.environ["MESOCLINIC_STATE"] = str(_state)
    os.environ["MESOCLINIC_FAST_DATABASE"] = "1"
    # Left running for the next call: starting costs more than the tests that follow.
    (_state / "static").mkdir(parents=True, exist_ok=True)
    _addresses = embedded.ensure(_state)
    os.environ["DATABASE_URL"], os.environ["REDIS_URL"] = _addresses.database_url, _addresses.redis_url
