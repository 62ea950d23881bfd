"""`bin/bench`: run each `tests/benchmarks/bench_*.py` and print its rows as one table.

A bench module has `bench() -> list[tuple[str, str, str]]`: what was measured, the figure, what it is compared with.
"""

import importlib.util
import os
import sys
from pathlib import Path

from mesoclinic.services import embedded
from mesoclinic.services.steps import ROOT, StepError, prepare_state, secret_key, step


def main(arguments: list[str]) -> int:
    """Run the benches whose names contain one of the arguments, or all."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mesoclinic.settings")
    sys.path.insert(0, str(ROOT))
    try:
        state = prepare_state()
        secret_key(state)
        addresses = embedded.ensure(state)
    except (StepError, embedded.ServiceError) as error:
        print(f"mesoclinic: {error}", file=sys.stderr)
        return 1
    os.environ["DATABASE_URL"], os.environ["REDIS_URL"] = addresses.database_url, addresses.redis_url
    rows: list[tuple[str, str, str]] = []
    try:
        import django

        django.setup()
        for path in sorted(Path(ROOT, "tests", "benchmarks").glob("bench_*.py")):
            if arguments and not any(word in path.stem for word in arguments):
                continue
            spec = importlib.util.spec_from_file_location(path.stem, path)
            if spec is None or spec.loader is None:
                continue
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            with step(path.stem):
                rows += module.bench()
    finally:
        embedded.stop(state, addresses)
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    print()
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
