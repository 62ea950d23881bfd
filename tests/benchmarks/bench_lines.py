"""Many cases at once by `propose --lines`: the memory of the process with a thousand and with ten thousand."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "cases"


def _run(path: Path, out: Path) -> tuple[float, float]:
    """(MiB at most, seconds) of one run; raises when not every line got its answer."""
    began = time.perf_counter()
    with out.open("wb") as answers:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "propose", "--lines", str(path)], cwd=ROOT, stdout=answers
        )
        _pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"propose --lines ended with {process.returncode}")
    return usage.ru_maxrss / 1024, time.perf_counter() - began


def bench() -> list[tuple[str, str, str]]:
    """MiB and cases a second."""
    cases = [json.loads(path.read_text()) for path in sorted(CASES.glob("*.json"))]
    lines = [json.dumps(one["case"]) for one in cases if "case" in one]
    figures: dict[int, tuple[float, float]] = {}
    with TemporaryDirectory() as folder:
        path, out = Path(folder, "cases.jsonl"), Path(folder, "answers.jsonl")
        for count in (1_000, 10_000):
            with path.open("w") as file:
                file.writelines(f"{lines[n % len(lines)]}\n" for n in range(count))
            figures[count] = _run(path, out)
            with out.open() as file:
                answered = sum(1 for _line in file)
            if answered != count:
                raise RuntimeError(f"{answered} answers to {count} cases")
    small, large = figures[1_000], figures[10_000]
    rate = 9_000 / (large[1] - small[1])
    return [
        ("propose --lines, 1,000 cases", f"{small[0]:.1f} MiB", "most that the process held"),
        ("propose --lines, 10,000 cases", f"{large[0]:.1f} MiB", f"{large[0] / small[0]:.2f} times 1,000; {rate:.0f} cases/s"),
    ]  # fmt: skip
