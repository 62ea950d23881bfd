"""Reads: search, duplicates, the banner, and the facts the protocol engine gets."""

import re
from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Any

from django.contrib.postgres.search import TrigramWordSimilarity
from django.db.models import F, Func, Q, QuerySet, TextField, Value
from django.db.models.functions import Trim
from django.urls import reverse

from mesoclinic.ui import formatting
from patients import vocabulary
from patients.models import Patient

_DATES = (
    re.compile(r"^(?P<y>\d{4})-(?P<m>\d{1,2})-(?P<d>\d{1,2})$"),
    re.compile(r"^(?P<d>\d{1,2})[./-](?P<m>\d{1,2})[./-](?P<y>\d{4})$"),
)
#: Similar names that are ranked at most.
CANDIDATES = 600
#: A medicine that ended longer ago leaves the banner.
YEAR = 365
#: A query longer than this is no name.
MOST_CHARACTERS = 80


class _NameKeyOf(Func):
    """The searchable form of what was typed, made by the same database function as the column."""

    function = "mc_name_key"
    output_field = TextField()


def clean_query(text: str) -> str:
    """What was typed, without control characters and surplus spaces, at most 80 characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[: MOST_CHARACTERS * 4]).split())[
        :MOST_CHARACTERS
    ]


def typed_date(text: str) -> date | None:
    """A birth date typed as 1988-05-14, 14.05.1988 or 14/5/1988."""
    for form in _DATES:
        match = form.match(text)
        if match:
            with suppress(ValueError):
                return date(int(match["y"]), int(match["m"]), int(match["d"]))
    return None


def with_name(text: str) -> QuerySet[Patient]:
    """Patients whose name has every word of `text` in it, whatever the accents and capitals: for the lists' filters."""
    found = Patient.objects.all()
    words = clean_query(text).split()[:6]
    for number, word in enumerate(words):
        name = f"word_{number}"
        # The blank that the function puts between two names would be looked for, too.
        key = Trim(_NameKeyOf(Value(word), Value("")))
        found = found.alias(**{name: key}).filter(name_key__contains=F(name))
    return found if words else found.none()


def search_anywhere(text: str, *, limit: int = 20) -> list[Patient]:
    """Patients by name (fuzzy, accent-blind), phone, birth date or record number; the best first.

    Every branch is served by an index: trigram for names, phones and record numbers, b-tree for birth dates.
    """
    query = clean_query(text)
    if len(query) < 2:
        return []
    born = typed_date(query)
    if born is not None:
        return list(Patient.objects.filter(birth_date=born)[:limit])
    digits = re.sub(r"\D", "", query)
    if len(digits) >= 3 and not re.search(r"[^\W\d_]{2,}", query):
        return list(
            Patient.objects.filter(
                Q(phone__contains=digits.lstrip("0")) | Q(phone_other__contains=digits.lstrip("0"))
                | Q(record_number__contains=query.upper())
            )[:limit]
        )  # fmt: skip
    found: dict[int, Patient] = {}
    if digits:
        found |= {p.pk: p for p in Patient.objects.filter(record_number__icontains=query)[:limit]}
    # The words as typed come first: cheap even for a name that thousands share.
    for patient in with_name(query).order_by("family_name", "given_name", "pk")[:limit]:
        found.setdefault(patient.pk, patient)
    if len(found) >= limit:
        return list(found.values())[:limit]
    # Then what sounds alike, ranked among the first candidates of the index only: the cost stays bounded.
    key = _NameKeyOf(Value(query), Value(""))
    alike = (
        Patient.objects.annotate(wanted=key).filter(name_key__trigram_word_similar=F("wanted"))
        .order_by().values("pk")[:CANDIDATES]
    )  # fmt: skip
    closest = (
        Patient.objects.filter(pk__in=alike)
        .annotate(closeness=TrigramWordSimilarity(key, "name_key"))  # type: ignore[arg-type]
        .order_by("-closeness", "family_name", "given_name", "pk")
    )
    for patient in closest[:limit]:
        found.setdefault(patient.pk, patient)
    return list(found.values())[:limit]


def keys_of(text: str) -> list[int]:
    """Keys of the patients with this name or record number, at most 200. Nobody who only sounds alike."""
    found = Patient.objects.filter(Q(pk__in=with_name(text)) | Q(record_number__iexact=clean_query(text)))
    return list(found.order_by().values_list("pk", flat=True)[:200])


def names_of(keys: Collection[int]) -> dict[int, str]:
    """Full names and record numbers, one query."""
    rows = Patient.objects.filter(pk__in=keys).only("given_name", "family_name", "record_number")
    return {row.pk: f"{row.full_name}, {row.record_number}" for row in rows}


def possible_duplicates(
    *, given_name: str, family_name: str, birth_date: date | None, phone: str = "", exclude: int | None = None
) -> list[Patient]:
    """Patients who may be the same person: like name with the same birth date, or the same phone."""
    alike = Q(pk__in=[])
    if birth_date is not None and (given_name or family_name):
        alike |= Q(birth_date=birth_date, name_key__trigram_similar=F("wanted"))
    if phone:
        alike |= Q(phone=phone) | Q(phone_other=phone)
    rows = Patient.objects.annotate(wanted=_NameKeyOf(Value(given_name), Value(family_name))).filter(alike)
    return list(rows.exclude(pk=exclude)[:5] if exclude else rows[:5])


def patient_list(text: str) -> QuerySet[Patient] | list[Patient]:
    """The list page: all by name, or what the search finds."""
    return search_anywhere(text, limit=200) if clean_query(text) else Patient.objects.all()


def _names(kind: str, codes: Iterable[str]) -> str:
    return ", ".join(vocabulary.label(kind, code) if kind else code for code in codes)


def _medicine(row: Any, today: date) -> str:
    """A medicine in the banner: what is taken, and what ended within a year, with its last day."""
    name = vocabulary.label("medications", row.code)
    if row.last_dose:
        return (
            f"{name} to {formatting.day(row.last_dose, today)}"
            if (today - row.last_dose).days <= YEAR
            else ""
        )
    return "" if row.current is False else name


def _list_alert(
    label: str, kind: str, codes: list[str], asked: date | None, *, grave: bool
) -> dict[str, Any]:
    if codes:
        return {"level": "block" if grave else "warn", "label": label, "strong": _names(kind, codes[:2]),
                "more": [_names(kind, [code]) for code in codes[2:]]}  # fmt: skip
    if asked is None:
        return {"level": "warn", "label": label, "text": "not asked"}
    return {"level": "ok", "label": label, "text": "none known", "icon": "check"}


def banner(patient: Patient, today: date) -> dict[str, Any]:
    """What stands above every page of a patient: who it is and what endangers them. Three queries."""
    allergies = [row.substance for row in patient.allergies.standing()]
    conditions = [row.code for row in patient.conditions.standing()]
    medicines = [words for row in patient.medications.standing() if (words := _medicine(row, today))]
    alerts = [_list_alert("Allergies", "allergens", allergies, patient.allergies_asked_on, grave=True)]
    if patient.sex == Patient.Sex.FEMALE:
        known = patient.pregnancy != Patient.Pregnancy.UNKNOWN
        danger = patient.pregnancy in {Patient.Pregnancy.PREGNANT, Patient.Pregnancy.BREASTFEEDING}
        days = (today - patient.pregnancy_asked_on).days if patient.pregnancy_asked_on else None
        asked = "today" if days == 0 else f"{days} d ago"
        alerts.append(
            {
                "level": "block" if danger else "ok" if known else "warn",
                "label": "Pregnancy",
                "strong": patient.get_pregnancy_display() if danger else "",
                "text": (f"asked {asked}" if danger else f"no, asked {asked}") if known else "not known",
                "icon": "baby",
            }
        )
        if patient.pregnancy == Patient.Pregnancy.PLANNING:
            alerts[-1] |= {"level": "warn", "text": f"planning, asked {asked}"}
    alerts.append(
        _list_alert("Conditions", "conditions", conditions, patient.conditions_asked_on, grave=False)
    )
    alerts.append(_list_alert("Medicines", "", medicines, patient.medications_asked_on, grave=False))
    return {
        "name": patient.full_name, "initials": patient.initials, "birth_date": patient.birth_date,
        "sex": patient.get_sex_display(), "record_number": patient.record_number, "weight_kg": patient.weight_kg,
        "phototype": patient.phototype, "language": formatting.language_name(patient.language), "alerts": alerts,
        "url": reverse("patients:chart", args=[patient.pk]),
    }  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def _rows(rows: Iterable[Any], names: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            out: _plain(value)
            for field, out in names.items()
            if (value := getattr(row, field)) not in (None, "")
        }
        for row in rows
    ]


#: The lists of coded facts that a case reads.
FACT_LISTS = ("allergies", "conditions", "medications", "procedures", "labs", "reactions", "sun")


def _standing(patient: Patient, name: str) -> Iterable[Any]:
    """Facts that stand, in their model's order: from what was prefetched (for many patients at once), else asked for."""
    ahead = getattr(patient, "_prefetched_objects_cache", {})
    if name in ahead:
        return [row for row in ahead[name] if row.retracted_at is None]
    standing: QuerySet[Any] = getattr(patient, name).standing()
    return standing


def case_facts(patient: Patient) -> dict[str, Any]:
    """The `patient` of a case file (case.schema.json). A fact that nobody asked for is absent, never "no"."""
    facts: dict[str, Any] = {"birth_date": _plain(patient.birth_date), "sex": patient.sex}
    for name in ("weight_kg", "height_cm", "phototype", "menopausal_status", "sterilised", "smoking_per_day",
                 "sunscreen_daily", "bdd_screen"):  # fmt: skip
        value = getattr(patient, name)
        if value not in (None, ""):
            facts[name] = _plain(value)
    if patient.sex == Patient.Sex.FEMALE:
        facts["pregnancy"] = patient.pregnancy
        if patient.pregnancy_asked_on:
            facts["pregnancy_asked_on"] = _plain(patient.pregnancy_asked_on)
    if patient.systolic and patient.diastolic:
        facts["blood_pressure"] = {"systolic": patient.systolic, "diastolic": patient.diastolic}
    facts["consent"] = patient.consent_signed_on is not None
    facts["baseline_photos"] = patient.baseline_photos_on is not None
    lists: dict[str, tuple[date | None, dict[str, str]]] = {
        "allergies": (patient.allergies_asked_on, {
            "substance": "substance", "reaction": "reaction", "severity": "severity", "verified": "verified",
            "occurred_on": "date", "detail": "detail"}),
        "conditions": (patient.conditions_asked_on, {
            "code": "code", "status": "status", "since": "date", "cleared_on": "cleared_on", "area": "area",
            "controlled": "controlled", "detail": "detail"}),
        "medications": (patient.medications_asked_on, {
            "code": "code", "current": "current", "prescribed": "prescribed", "started": "started",
            "last_dose": "last_dose", "dose_mg_per_day": "dose_mg_per_day", "area": "area"}),
        "procedures": (patient.procedures_asked_on, {
            "code": "code", "area": "area", "done_on": "date", "count": "count"}),
        "labs": (patient.labs_asked_on, {
            "code": "code", "value": "value", "unit": "unit", "taken_on": "date"}),
        "reactions": (patient.reactions_asked_on, {
            "event": "event", "grade": "grade", "agent": "agent", "area": "area", "occurred_on": "date",
            "detail": "detail"}),
    }  # fmt: skip
    for name, (asked, names) in lists.items():
        rows = _rows(_standing(patient, name), names)
        if rows or asked is not None:
            facts[name] = rows
    sun = list(_standing(patient, "sun"))
    if sun or patient.sun_asked_on is not None:
        exposed = [row for row in sun if row.kind != "sunburn"]
        burnt = [row for row in sun if row.kind == "sunburn"]
        facts["sun"] = _rows(exposed, {"kind": "kind", "area": "area", "on": "date"})
        facts["sunburns"] = _rows(burnt, {"area": "area", "on": "date", "healed_on": "healed_on"})
    return facts
