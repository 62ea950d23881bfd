"""The pure cores: a proposal, a recheck, a course search, and how the search grows with the staff."""

import json
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from pathlib import Path
from zoneinfo import ZoneInfo

from protocols.catalogue import shipped as knowledge
from protocols.engine import parse, propose
from protocols.engine.recheck import Edits, recheck
from sessions.scheduling import Diary, Preferences, Staff, Visit, expand_hours, find_course

ZONE = ZoneInfo("Europe/Madrid")


def _cost(act: Callable[[], object], rounds: int = 10) -> float:
    act()
    began = time.perf_counter()
    for _round in range(rounds):
        act()
    return (time.perf_counter() - began) / rounds * 1000


def _course(people: int) -> Callable[[], object]:
    start = date(2026, 11, 30)
    hours = [(day, clock(9), clock(20)) for day in range(1, 6)]
    spans = tuple(expand_hours(hours, ZONE, start, start + timedelta(days=150)))
    staff = tuple(Staff(n, f"P{n}", frozenset({"injection"}), spans) for n in range(people))
    rooms = tuple((n, frozenset({"injection"})) for n in range(people))
    visits = [Visit(1, 1, 0, 0, 30, 30, frozenset({"injection"}))] + [
        Visit(n, n, 7, 14, 21, 30, frozenset({"injection"})) for n in range(2, 7)
    ]
    diary = Diary(ZONE, staff, rooms, ())
    wish = Preferences(weekdays=frozenset({2, 4}), time_from=clock(17))
    now = datetime(2026, 11, 29, tzinfo=UTC)
    return lambda: find_course(visits, diary, wish, start=start, now=now)


def bench() -> list[tuple[str, str, str]]:
    """ms a call."""
    known = knowledge()
    cases = Path(__file__).parent.parent / "cases"
    case = parse(json.loads((cases / "01-rejuvenation-plain.json").read_text())["case"], known.schema)
    proposal = _cost(lambda: propose(case, known, case.today))
    edits = Edits.from_dict({"values": {"0.1.0": {"volume_ml": "2.5"}}})
    again = _cost(lambda: recheck(case, known, case.today, edits))
    four, sixteen = _cost(_course(4), 3), _cost(_course(16), 3)
    return [
        ("propose", f"{proposal:.1f} ms", "one concern"),
        ("recheck", f"{again:.1f} ms", f"{again / proposal:.1f} times propose"),
        ("course search, 4 practitioners", f"{four:.0f} ms", "six visits, best three options"),
        ("course search, 16 practitioners", f"{sixteen:.0f} ms", f"{sixteen / four:.1f} times 4"),
    ]
