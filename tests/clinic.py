"""A small clinic and its cast for tests: Dr. Amari signs, Inés Roca assists, Marta books, Lea Brandt is the patient."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth.hashers import make_password

from mesoclinic.accounts.models import User
from patients.models import Patient
from protocols.models import Assessment, PlannedDose, PlannedSession, TreatmentPlan
from sessions.models import (
    Appointment,
    AppointmentType,
    Closure,
    Device,
    Location,
    Lot,
    Practitioner,
    Product,
    Room,
    WorkingHours,
)

MADRID = ZoneInfo("Europe/Madrid")
PASSWORD = "a-long-test-password"

SESSION: dict[str, Any] = {
    "number": 1,
    "window_days": {"earliest": 0, "target": 0, "latest": 30},
    "volume_ml": "4.0",
    "downtime_hours": 24,
    "anaesthetic": {
        "product": "ice-vibration",
        "grams": None,
        "minutes": None,
        "e_mg": "0",
        "limit_mg": "261",
    },
    "parts": [
        {
            "concern": "pigment/face",
            "modality": "syringe",
            "technique": "papule",
            "depth_mm": "1.5",
            "cocktail": "CK-PIG-1",
            "volume_ml": "4.0",
            "points": 80,
            "components": [
                {"agent": "tranexamic-acid", "volume_ml": "0.16", "dose_mg": "16", "limit_mg": "40"},
                {"agent": "saline", "volume_ml": "3.84", "dose_mg": None},
            ],
        }
    ],
}


@cache
def _hashed() -> str:
    """Hashing is slow on purpose: once per run is enough."""
    return make_password(PASSWORD)


@dataclass
class Clinic:
    """One location in Madrid with two rooms, a needling pen, a physician and a nurse, and one patient."""

    today: date = date(2026, 12, 1)
    users: dict[str, User] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.amari = self.user("amari", "Dr. Nadia Amari", "physician")
        self.roca = self.user("roca", "Inés Roca", "nurse")
        self.marta = self.user("marta", "Marta Solé", "front-desk")
        self.ortiz = self.user("ortiz", "Elena Ortiz", "manager")
        self.admin = self.user("admin", "Ada Prieto", "administrator")
        self.location = Location.objects.create(
            name="mesoclinic Madrid",
            short_name="Madrid",
            time_zone="Europe/Madrid",
            address="Calle de Ejemplo 14",
            phone="+34 910 555 014",
        )
        self.room = Room.objects.create(
            location=self.location, name="Room 2", capabilities=["injection", "needling", "consultation"]
        )
        self.other_room = Room.objects.create(
            location=self.location, name="Room 3", capabilities=["injection", "needling"]
        )
        self.pen = Device.objects.create(location=self.location, name="Needling pen A", kind="needling-pen")
        self.practitioner = self.practise(self.amari)
        self.nurse = self.practise(self.roca)
        self.lea = self.patient("Lea", "Brandt")
        # Shipped by a migration; tests that empty the tables leave none behind.
        self.types = {row.kind: row for row in AppointmentType.ship()}
        self.lots = {
            agent: Lot.objects.create(
                product=Product.objects.create(
                    agent=agent, name=name, manufacturer="Salus", gtin=f"0843{index:010d}", pack_ml=Decimal(5)
                ),
                number=f"LOT-{index}",
                expires_on=self.today + timedelta(days=400),
                received_ml=Decimal(100),
            )
            for index, (agent, name) in enumerate(
                [("tranexamic-acid", "Tranexa 100"), ("saline", "Sodium chloride 0.9 %")]
            )
        }

    def user(self, username: str, full_name: str, role: str) -> User:
        """Somebody who can sign in with PASSWORD."""
        user = User.objects.create(
            username=username, password=_hashed(), full_name=full_name, role=role,
            medical_director=username == "amari",
        )  # fmt: skip
        self.users[username] = user
        return user

    def practise(self, user: User) -> Practitioner:
        """Make a user a practitioner, Monday to Friday 9 to 20."""
        practitioner = Practitioner.objects.create(
            user=user, qualifications=["consultation", "injection", "needling", "needle-free"]
        )
        WorkingHours.objects.bulk_create(
            WorkingHours(
                practitioner=practitioner,
                location=self.location,
                weekday=weekday,
                starts=time(9),
                ends=time(20),
            )
            for weekday in range(1, 6)
        )
        return practitioner

    def elsewhere(self) -> Location:
        """The other location, an hour behind, where Yaiza Cabrera treats."""
        place = Location.objects.create(
            name="mesoclinic Las Palmas", short_name="Las Palmas", time_zone="Atlantic/Canary", address="Calle Muestra 3",
            phone="+34 928 555 003",
        )  # fmt: skip
        Room.objects.create(location=place, name="Room 1", capabilities=["consultation", "injection"])
        yaiza = Practitioner.objects.create(
            user=self.user("yaiza", "Yaiza Cabrera", "nurse"), qualifications=["consultation", "injection"]
        )
        WorkingHours.objects.bulk_create(
            WorkingHours(practitioner=yaiza, location=place, weekday=day, starts=time(9), ends=time(17))
            for day in range(1, 6)
        )
        return place

    def open_in_turn(self, place: Location) -> None:
        """Madrid is closed from the third day on, the other location but for the third week: two visits need both."""
        for where, first, last in ((self.location, 2, 90), (place, -1, 14), (place, 19, 90)):
            Closure.objects.create(
                location=where, reason="Works", starts_at=self.at(0, day=self.today + timedelta(days=first)),
                ends_at=self.at(0, day=self.today + timedelta(days=last)),
            )  # fmt: skip

    def patient(self, given: str, family: str, **facts: Any) -> Patient:
        """A woman of 38 with complete facts, unless told otherwise."""
        known: dict[str, Any] = {
            "birth_date": date(1988, 5, 14),
            "sex": "female",
            "email": f"{given.lower()}@example.org",
            "phone": "+34600555001",
            "consent_messages": True,
            "phototype": 3,
            "weight_kg": Decimal(58),
            "height_cm": Decimal(168),
            "pregnancy": "none",
            "pregnancy_asked_on": self.today,
            "smoking_per_day": 0,
            "sunscreen_daily": True,
            "bdd_screen": "negative",
            "systolic": 120,
            "diastolic": 75,
            "blood_pressure_on": self.today,
            "consent_signed_on": self.today,
            "baseline_photos_on": self.today,
            "allergies_asked_on": self.today,
            "conditions_asked_on": self.today,
            "medications_asked_on": self.today,
            "procedures_asked_on": self.today,
            "labs_asked_on": self.today,
            "sun_asked_on": self.today,
            "reactions_asked_on": self.today,
        }
        return Patient.objects.create(given_name=given, family_name=family, **(known | facts))

    def signed_plan(
        self, patient: Patient | None = None, *, sessions: int = 4, cream_min: int = 0, needs: Sequence[str] = ("injection",)
    ) -> TreatmentPlan:  # fmt: skip
        """A signed plan for pigment on the face, 14 days apart, without the engine."""
        patient = patient or self.lea
        assessment = Assessment.objects.create(patient=patient, author=self.amari, assessed_on=self.today)
        content = {
            "courses": [
                {
                    "concerns": ["pigment/face"],
                    "interval_days": {"min": 7, "target": 14, "max": 21},
                    "start_earliest": self.today.isoformat(),
                    "review": [],
                    "maintenance": None,
                    "why": [],
                    "sessions": [SESSION | {"number": number} for number in range(1, sessions + 1)],
                }
            ]
        }
        plan = TreatmentPlan.objects.create(
            patient=patient,
            assessment=assessment,
            case={},
            proposal=content,
            content=content,
            knowledge_version="1",
            knowledge_sha256="0" * 64,
            created_by=self.amari,
        )
        for number in range(1, sessions + 1):
            planned = PlannedSession.objects.create(
                plan=plan,
                number=number,
                earliest_days=0 if number == 1 else 7,
                target_days=0 if number == 1 else 14,
                latest_days=30 if number == 1 else 21,
                not_before=self.today if number == 1 else None,
                duration_min=30,
                needs=list(needs),
                arrive_early_min=cream_min,
                summary="Face, CK-PIG-1, papule 1.5 mm",
                volume_ml=Decimal("4.0"),
                content=SESSION | {"number": number},
            )
            PlannedDose.objects.create(
                session=planned,
                concern="pigment/face",
                cocktail="CK-PIG-1",
                agent="tranexamic-acid",
                volume_ml=Decimal("0.16"),
                dose_mg=Decimal(16),
            )
        plan.status = TreatmentPlan.Status.SIGNED
        plan.signed_by = self.amari
        plan.signed_at = self.at(9)
        plan.save()
        return plan

    def at(self, hour: int, minute: int = 0, *, day: date | None = None) -> datetime:
        """A time on the clinic's wall clock."""
        return datetime.combine(day or self.today, time(hour, minute), tzinfo=MADRID)

    def appointment(self, **values: Any) -> Appointment:
        """An appointment of Lea with Dr. Amari at 10:00 in room 2, unless told otherwise."""
        starts = values.pop("starts_at", self.at(10))
        ends = values.pop("ends_at", starts + timedelta(minutes=30))
        known: dict[str, Any] = {
            "patient": self.lea,
            "location": self.location,
            "practitioner": self.practitioner,
            "room": self.room,
            "starts_at": starts,
            "ends_at": ends,
            "occupied_from": starts - timedelta(minutes=5),
            "occupied_until": ends + timedelta(minutes=10),
            "booked_by": self.marta,
        }
        return Appointment.objects.create(**(known | values))
