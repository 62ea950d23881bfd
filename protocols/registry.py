"""What the apps above hang into the protocols: facts from treatments already given."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from patients.models import Patient

if TYPE_CHECKING:
    from mesoclinic.accounts.models import User
    from protocols.models import TreatmentPlan


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

#: Each returns what was really done of a course: {"done": [...], "missed": [...]} as replan.schema.json has it.
course_sources: list[Callable[["TreatmentPlan"], dict[str, list[dict[str, Any]]]]] = []

#: The same for many plans at once, by the single source it stands for: {plan key: {"done": [...], "missed": [...]}}.
course_batches: dict[
    Callable[["TreatmentPlan"], dict[str, list[dict[str, Any]]]],
    Callable[[Sequence["TreatmentPlan"]], Mapping[int, Mapping[str, list[dict[str, Any]]]]],
] = {}

#: Visits of plans from now on, in order of time: (plan keys, now) -> visits.
visit_sources: list[Callable[[Sequence[int], datetime], Sequence[ComingVisit]]] = []

#: Told in the transaction that signs a new version: the booked visits follow it.
version_listeners: list[Callable[["TreatmentPlan", "TreatmentPlan", "User", datetime], None]] = []

#: Told in the transaction that ends a course early or completes it: visits to come are called off.
end_listeners: list[Callable[["TreatmentPlan", str, "User", datetime], None]] = []
