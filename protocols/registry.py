"""What the apps above hang into the protocols: facts from treatments already given."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from patients.models import Patient


@dataclass(frozen=True, slots=True)
class ComingVisit:
    """A booked visit of a plan that is still to come."""

    plan_id: int
    patient: Patient
    starts_at: datetime
    where: str
    with_whom: str
    url: str


#: Each returns rows for lists of the case file, such as {"given": [...], "procedures": [...]}.
history_sources: list[Callable[[Patient], dict[str, list[dict[str, Any]]]]] = []
#: The same for many patients at once, by the single source it stands for: {patient key: {"given": [...], ...}}.
#: A source without one is asked patient by patient, which costs the standing watch a query each.
history_batches: dict[
    Callable[[Patient], dict[str, list[dict[str, Any]]]],
    Callable[[Sequence[int]], Mapping[int, Mapping[str, list[dict[str, Any]]]]],
] = {}

#: What was done of signed plans, by plan key, in the words of replan.schema.json:
#: {"done": [{"course": 0, "number": 1, "date": "2026-12-01"}], "missed": [...], "scores": [...], "adverse_events": [...]}.
progress_sources: list[Callable[[Sequence[int]], Mapping[int, Mapping[str, list[dict[str, Any]]]]]] = []

#: Visits of plans from now on, in order of time: (plan keys, now) -> visits.
visit_sources: list[Callable[[Sequence[int], datetime], Sequence[ComingVisit]]] = []
