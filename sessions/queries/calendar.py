"""Reads of the calendar and the day lists: a fixed number of queries, whatever is booked."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import Prefetch, QuerySet

from mesoclinic.ui import formatting
from patients import vocabulary
from patients.models import Patient
from protocols.catalogue import knowledge
from protocols.engine.rules import add_months
from sessions.models import Appointment, Closure, Location, TreatmentRecord


def bounds(day: date, location: Location, days: int = 1) -> tuple[datetime, datetime]:
    """The instants between which local days lie."""
    start = datetime.combine(day, time(), tzinfo=location.zone)
    return start, datetime.combine(day + timedelta(days=days), time(), tzinfo=location.zone)


def appointments(location: Location, day: date, days: int = 1) -> QuerySet[Appointment]:
    """Appointments of local days with all that a line of them shows."""
    start, end = bounds(day, location, days)
    return (
        Appointment.objects.filter(
            # A day before: the index then begins there, not at the first visit of all time.
            location=location,
            starts_at__gte=start - timedelta(days=1),
            starts_at__lt=end,
            ends_at__gt=start,
        )
        .select_related(
            "patient", "practitioner__user", "room", "device", "type", "planned_session__plan", "location"
        )
        .prefetch_related(
            Prefetch("records", queryset=TreatmentRecord.objects.order_by("-version")),
            "patient__allergies",
            "patient__conditions",
            "patient__medications",
        )
        .order_by("starts_at", "pk")
    )


def closures(
    location: Location, day: date, days: int = 1, elsewhere: Iterable[Location] = ()
) -> list[Closure]:
    """Closures that touch the days, there and at the others."""
    start, end = bounds(day, location, days)
    places = [location, *elsewhere]
    return list(Closure.objects.filter(location__in=places, starts_at__lt=end, ends_at__gt=start))


def service_of(kind: str, needs: Iterable[str] | None) -> str:
    """What is done in a visit, for filter and colouring: the kind, of a planned session its weightiest treatment."""
    if kind != Appointment.Kind.SESSION:
        return kind
    return next(
        (name for name in ("needling", "needle-free", "injection") if name in (needs or ())), "session"
    )


def filterable(row: Appointment) -> dict[str, Any]:
    """What the calendar's filters ask of a visit, in the names of its feed."""
    planned = row.planned_session
    return {
        "p": row.practitioner_id, "r": row.room_id, "d": row.device_id, "st": row.status,
        "service": service_of(row.kind, planned.needs if planned else None),
    }  # fmt: skip


#: Classes of medicines that change what is done on the day (bleeding, healing, immunity, heart), and single ones.
_RISKY = frozenset(
    {
        "anticoagulant", "antiplatelet", "nsaid", "supplement-bleeding", "isotretinoin-oral", "immunosuppressant",
        "biologic", "corticosteroid", "antiarrhythmic-1", "antiarrhythmic-3", "methaemoglobin-former",
    }
)  # fmt: skip
#: Red: these forbid or move a treatment.
_GRAVE = frozenset({"anticoagulant", "isotretinoin-oral"})


@dataclass(frozen=True, slots=True)
class Caution:
    """Something to know before the visit begins. `level`: block or warn."""

    level: str
    text: str
    icon: str = "triangle-alert"


def _standing(rows: Iterable[Any]) -> list[Any]:
    """Facts not taken back; filtered here because they are prefetched."""
    return [row for row in rows if row.retracted_at is None]


def _medicines(patient: Patient, today: date) -> list[Caution]:
    classes, found = knowledge().medication_classes, []
    for row in _standing(patient.medications.all()):
        risky = classes.get(row.code, frozenset({row.code})) & _RISKY
        stopped = row.current is False or (row.last_dose is not None and row.last_dose < today)
        recent = row.code == "isotretinoin-oral" and (
            # Healing is impaired for some months after the last dose.
            row.last_dose is None or today < add_months(row.last_dose, knowledge().months_back("R15"))
        )
        if risky and (not stopped or recent):
            words = vocabulary.label("medications", row.code)
            if stopped and row.last_dose:
                words += f", last {formatting.full_date(row.last_dose)}"
            found.append(Caution("block" if risky & _GRAVE else "warn", words, "pill"))
    return found


def warnings_of(patient: Patient, today: date) -> list[Caution]:
    """What somebody must see before the visit begins, the gravest first; the lists are prefetched."""
    words = [
        Caution("block", f"Allergy: {vocabulary.label('allergens', row.substance)}", "shield-alert")
        for row in _standing(patient.allergies.all())
    ]
    if patient.pregnancy in {Patient.Pregnancy.PREGNANT, Patient.Pregnancy.BREASTFEEDING}:
        words.append(Caution("block", str(patient.get_pregnancy_display()), "baby"))
    words += _medicines(patient, today)
    words += [
        Caution("warn", vocabulary.label("conditions", row.code), "heart-pulse")
        for row in _standing(patient.conditions.all())
        if row.cleared_on is None
    ]
    if (
        patient.sex == Patient.Sex.FEMALE
        and patient.pregnancy not in {Patient.Pregnancy.PREGNANT, Patient.Pregnancy.BREASTFEEDING}
        and patient.pregnancy_asked_on != today
    ):
        words.append(Caution("warn", "Pregnancy: ask today", "baby"))
    if patient.consent_signed_on is None:
        words.append(Caution("warn", "No consent", "file-pen-line"))
    if patient.baseline_photos_on is None:
        words.append(Caution("warn", "No baseline photos", "camera"))
    return sorted(words, key=lambda one: one.level != "block")


def day_rows(rows: Sequence[Appointment], now: datetime) -> list[dict[str, Any]]:
    """Lines of a day list with the next act of each: who is here and who comes, then what is over."""
    found = []
    for row in rows:
        planned = row.planned_session
        found.append(
            {
                "appointment": row,
                "title": f"Session {planned.number}" if planned else row.what,
                "text": planned.summary if planned else row.note,
                "warnings": warnings_of(row.patient, now.astimezone(row.location.zone).date()),
                "past": row.status == Appointment.Status.DONE or row.status in Appointment.FREED,
                "now": row.starts_at <= now < row.ends_at,
                "record": next(iter(row.records.all()), None),
            }
        )
    return sorted(found, key=lambda line: line["past"])
