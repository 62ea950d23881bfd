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
        areas = list(record.areas.all())
        # Where one syringe served several areas, its doses count for each of them.
        where = {"area": areas[0].concern.split("/")[-1]} if len(areas) == 1 else {}
        for part in record.components.all():
            if part.dose_mg:
                doses.append({"agent": part.agent, "date": day, "dose_mg": float(part.dose_mg)} | where)
            elif part.volume_ml:
                doses.append({"agent": part.agent, "date": day, "volume_ml": float(part.volume_ml)} | where)
        for area in areas:
            # Our own injections and jets are no "mesotherapy elsewhere" with its 14 days: their doses, which name the
            # area, carry the recovery time of our own sessions (REFERENCE.md §8.3).
            if knowledge().is_dc(area.cocktail):
                code = "dc-injection"
            elif area.modality == "microneedling":
                code = "microneedling"
            else:
                continue
            procedures.append({"code": code, "date": day, "area": area.concern.split("/")[-1]})
    return {"given": doses, "procedures": procedures}
