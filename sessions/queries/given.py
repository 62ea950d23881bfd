"""What treatment records gave, in the words of a case file."""

from collections.abc import Iterable
from typing import Any

from protocols.catalogue import knowledge
from sessions.models import TreatmentRecord


def given_in(records: Iterable[TreatmentRecord]) -> dict[str, list[dict[str, Any]]]:
    """The doses and procedures of these records, as the engine counts them."""
    doses: list[dict[str, Any]] = []
    procedures: list[dict[str, Any]] = []
    for record in records:
        day = record.appointment.starts_at.astimezone(record.appointment.location.zone).date().isoformat()
        for part in record.components.all():
            if part.dose_mg:
                doses.append({"agent": part.agent, "date": day, "dose_mg": float(part.dose_mg)})
            elif part.volume_ml:
                doses.append({"agent": part.agent, "date": day, "volume_ml": float(part.volume_ml)})
        for area in record.areas.all():
            if knowledge().is_dc(area.cocktail):
                code = "dc-injection"
            else:
                code = "microneedling" if area.modality == "microneedling" else "mesotherapy"
            procedures.append({"code": code, "date": day, "area": area.concern.split("/")[-1]})
    return {"given": doses, "procedures": procedures}
