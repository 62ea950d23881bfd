"""What the apps above hang into the protocols: facts from treatments already given."""

from collections.abc import Callable
from typing import Any

from patients.models import Patient

#: Each returns rows for lists of the case file, such as {"given": [...], "procedures": [...]}.
history_sources: list[Callable[[Patient], dict[str, list[dict[str, Any]]]]] = []
