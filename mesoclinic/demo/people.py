"""A hundred and twenty synthetic patients. Names, phones and addresses are invented; phones use 555."""

import random
import unicodedata
from datetime import date, timedelta
from decimal import Decimal

from mesoclinic.accounts.models import User
from patients.models import Allergy, Condition, LabValue, Medication, Patient, Procedure

WOMEN = [
    "Lucía",
    "Elena",
    "Farida",
    "Petra",
    "Sara",
    "Mei",
    "Irene",
    "Olga",
    "Noor",
    "Rosa",
    "Carmen",
    "Vera",
    "Ana",
    "Julia",
    "Inés",
    "Clara",
    "Marta",
    "Nadia",
    "Amelie",
    "Zoe",
    "Sofia",
    "Hanna",
    "Leila",
    "Paula",
    "Nuria",
    "Aya",
    "Greta",
    "Emma",
    "Valeria",
    "Laia",
    "Helena",
    "Alba",
    "Dunia",
    "Marina",
    "Celia",
    "Bianca",
    "Eva",
    "Rita",
    "Salma",
    "Ona",
]
MEN = [
    "Hugo",
    "Tomás",
    "Andrés",
    "Paulo",
    "Samir",
    "Bruno",
    "Diego",
    "Marc",
    "Iván",
    "Omar",
    "Luca",
    "Pablo",
    "Nils",
    "Karim",
    "Jorge",
    "Álvaro",
    "Mateo",
    "Said",
    "Erik",
    "Raúl",
]
FAMILIES = [
    "Ferrer",
    "Ruiz",
    "Benali",
    "Novak",
    "Lindqvist",
    "Tanaka",
    "Pascual",
    "Marín",
    "Haddad",
    "Amat",
    "Vidal",
    "Lindt",
    "Molina",
    "Reis",
    "Khoury",
    "Costa",
    "Pons",
    "Serrano",
    "Gil",
    "Prieto",
    "Cano",
    "Lara",
    "Rey",
    "Sanz",
    "Roig",
    "Ros",
    "Torres",
    "Navarro",
    "Ibáñez",
    "Castro",
    "Ortega",
    "Medina",
    "Santos",
    "Vega",
    "Iglesias",
    "Fuentes",
    "Blanco",
    "Schmidt",
    "Rossi",
    "Moreau",
    "Dubois",
    "Weber",
    "Nilsen",
    "Kovács",
    "Petrov",
    "Silva",
    "Almeida",
    "Farouk",
    "Mansour",
    "Cruz",
]
LANGUAGES = ("es",) * 7 + ("en", "en", "de", "fr", "ar")


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()


def build(*, today: date, by: User, count: int = 120) -> list[Patient]:
    """Make `count` patients with complete basic facts; the same people on every machine for the same day."""
    chance = random.Random(20261124)
    people: list[Patient] = []
    for index in range(count):
        female = index % 3 != 2
        given = (WOMEN if female else MEN)[(index * 7) % len(WOMEN if female else MEN)]
        family = f"{FAMILIES[(index * 11) % len(FAMILIES)]} {FAMILIES[(index * 17 + 5) % len(FAMILIES)]}"
        born = today - timedelta(days=365 * chance.randint(24, 63) + chance.randint(0, 364))
        asked = today - timedelta(days=chance.randint(1, 40))
        people.append(
            Patient.objects.create(
                given_name=given,
                family_name=family,
                birth_date=born,
                sex="female" if female else "male",
                phone=f"+3460055{index:04d}" if index % 11 else f"+4915155{index:05d}",
                email=f"{_ascii(given)}.{_ascii(family.split()[0])}{index}@example.org",
                language=LANGUAGES[index % len(LANGUAGES)],
                channel="email",
                consent_messages=index % 9 != 4,
                phototype=(2, 3, 3, 4, 2, 5, 3, 1, 4, 6)[index % 10],
                weight_kg=Decimal(chance.randint(52, 78) if female else chance.randint(66, 96)),
                height_cm=Decimal(chance.randint(156, 178) if female else chance.randint(168, 190)),
                pregnancy="none" if female else "unknown",
                pregnancy_asked_on=asked if female else None,
                smoking_per_day=(0, 0, 0, 0, 6, 0, 0, 12)[index % 8],
                sunscreen_daily=index % 6 != 5,
                bdd_screen="negative",
                systolic=chance.randint(108, 136),
                diastolic=chance.randint(66, 86),
                blood_pressure_on=asked,
                consent_signed_on=asked,
                baseline_photos_on=asked,
                allergies_asked_on=asked,
                conditions_asked_on=asked,
                medications_asked_on=asked,
                procedures_asked_on=asked,
                labs_asked_on=asked,
                sun_asked_on=asked,
                reactions_asked_on=asked,
                created_by=by,
            )
        )
    _facts(people=people, today=today, by=by)
    return people


def _facts(*, people: list[Patient], today: date, by: User) -> None:
    """Some allergies, conditions, medicines, procedures and values, so that the safety rules have work."""
    for index, patient in enumerate(people):
        if index % 13 == 4:
            Allergy.objects.create(
                patient=patient,
                substance="lidocaine",
                reaction="urticaria",
                severity="moderate",
                recorded_by=by,
            )
        if index % 17 == 6:
            Allergy.objects.create(
                patient=patient, substance="fish", reaction="angioedema", severity="severe", recorded_by=by
            )
        if index % 19 == 3:
            Condition.objects.create(patient=patient, code="herpes-labialis", status="past", recorded_by=by)
        if index % 23 == 7:
            Condition.objects.create(patient=patient, code="keloid-tendency", status="past", recorded_by=by)
        if index % 29 == 9:
            Condition.objects.create(patient=patient, code="hypothyroid", status="active", recorded_by=by)
            Medication.objects.create(
                patient=patient, code="levothyroxine", current=True, prescribed=True, recorded_by=by
            )
        if patient.sex == "female" and index % 14 == 1:
            Medication.objects.create(
                patient=patient, code="combined-pill", current=True, prescribed=True, recorded_by=by
            )
        if index % 31 == 12:
            Medication.objects.create(
                patient=patient,
                code="isotretinoin-oral",
                last_dose=today - timedelta(days=115),
                recorded_by=by,
            )
        if index % 37 == 20:
            Procedure.objects.create(
                patient=patient,
                code="botulinum-toxin",
                area="face",
                done_on=today - timedelta(days=60),
                recorded_by=by,
            )
        if patient.sex == "female":
            sampled = today - timedelta(days=35 + index % 50)
            LabValue.objects.bulk_create(
                [
                    LabValue(
                        patient=patient,
                        code="ferritin",
                        value=Decimal(22 + index % 70),
                        unit="ug/L",
                        taken_on=sampled,
                        recorded_by=by,
                    ),
                    LabValue(
                        patient=patient,
                        code="tsh",
                        value=Decimal("1.8"),
                        unit="mIU/L",
                        taken_on=sampled,
                        recorded_by=by,
                    ),
                    LabValue(
                        patient=patient,
                        code="fbc",
                        value=Decimal(0),
                        unit="flag",
                        taken_on=sampled,
                        recorded_by=by,
                    ),
                ]
            )
