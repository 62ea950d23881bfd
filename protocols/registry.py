"""What the apps above hang into the protocols: facts from treatments already given."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from patients.models import Patient

if TYPE_CHECKING:
    from mesoclinic.accounts.models import User
    from protocols.models import TreatmentPlan

#: Each returns rows for lists of the case file, such as {"given": [...], "procedures": [...]}.
history_sources: list[Callable[[Patient], dict[str, list[dict[str, Any]]]]] = []

#: Each returns what was really done of a course: {"done": [...], "missed": [...]} as replan.schema.json has it.
course_sources: list[Callable[["TreatmentPlan"], dict[str, list[dict[str, Any]]]]] = []

#: Told in the transaction that signs a new version: the booked visits follow it.
version_listeners: list[Callable[["TreatmentPlan", "TreatmentPlan", "User", datetime], None]] = []

#: Told in the transaction that ends a course early or completes it: visits to come are called off.
end_listeners: list[Callable[["TreatmentPlan", str, "User", datetime], None]] = []
