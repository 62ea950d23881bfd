"""A clinic large enough to book against, in a database of its own on the embedded PostgreSQL."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.db import connection, connections

from patients.models import Patient
from protocols.models import Assessment, PlannedSession, TreatmentPlan
from sessions.models import Device, Practitioner, Room, WorkingHours
from sessions.scheduling import Slot
from tests.clinic import MADRID, SESSION, Clinic

# A web server has the real clock: a Monday some weeks from now, whenever this runs.
TODAY = date.today() + timedelta(days=42 - date.today().weekday())
NOW = datetime.combine(TODAY, time(7), tzinfo=MADRID)
SESSIONS, EVERY, MINUTES = 6, 14, 30
#: Starts that leave set-up and clean-up between two visits in one room.
STEP = timedelta(minutes=45)


def url_of(database: str) -> str:
    """The address of another database on the same server."""
    parts = urlsplit(os.environ["DATABASE_URL"])
    return urlunsplit(parts._replace(path=f"/{database}"))


@contextmanager
def own_database() -> Iterator[str]:
    """A fresh database with all migrations, which this process uses until it is dropped again; its name."""
    before = connection.settings_dict["NAME"]
    settings.DATABASES["default"].setdefault("TEST", {})
    connection.settings_dict.setdefault("TEST", {})["NAME"] = f"bench_{os.getpid()}_{secrets.token_hex(3)}"
    # A pool that is open already would lead to the database before, whatever the settings say.
    connections.close_all()
    connection.close_pool()
    name = connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_database()")
            if cursor.fetchone() != (name,):
                raise RuntimeError("the bench would write into another database")
        yield name
    finally:
        connections.close_all()
        connection.close_pool()
        connection.creation.destroy_test_db(before, verbosity=0)


@dataclass
class World:
    """Practitioners, rooms and devices in equal number: course n goes to pair n, so that time alone is scarce."""

    pairs: int = 16
    clinic: Clinic = field(default_factory=lambda: Clinic(today=TODAY))

    def __post_init__(self) -> None:
        clinic = self.clinic
        Room.objects.filter(location=clinic.location).exclude(pk=clinic.room.pk).delete()
        self.practitioners, self.rooms, self.devices = [clinic.practitioner], [clinic.room], [clinic.pen]
        for n in range(1, self.pairs):
            self.practitioners.append(self._practitioner(n))
            self.rooms.append(
                Room.objects.create(
                    location=clinic.location, name=f"Cabin {n}", capabilities=["injection", "needling"]
                )
            )
            self.devices.append(
                Device.objects.create(location=clinic.location, name=f"Pen {n}", kind="needling-pen")
            )

    def _practitioner(self, n: int) -> Practitioner:
        user = self.clinic.user(f"p{n}", f"Practitioner {n}", "nurse")
        made = Practitioner.objects.create(
            user=user, qualifications=["consultation", "injection", "needling"]
        )
        WorkingHours.objects.bulk_create(
            WorkingHours(
                practitioner=made, location=self.clinic.location, weekday=day, starts=time(9), ends=time(20)
            )
            for day in range(1, 6)
        )
        return made

    def plans(self, count: int, prefix: str = "P") -> list[TreatmentPlan]:
        """Signed plans of six needling sessions 14 days apart, each of a patient of its own."""
        clinic = self.clinic
        patients = Patient.objects.bulk_create(
            Patient(
                given_name=f"{prefix}{n}", family_name="Prueba", birth_date=date(1988, 5, 14), sex="female",
                email=f"{prefix}{n}@example.org".lower(), consent_messages=True,
            )
            for n in range(count)
        )  # fmt: skip
        assessments = Assessment.objects.bulk_create(
            Assessment(patient=patient, author=clinic.amari, assessed_on=TODAY) for patient in patients
        )
        plans = TreatmentPlan.objects.bulk_create(
            TreatmentPlan(
                patient=patient, assessment=assessment, case={}, proposal={}, content={"courses": []},
                knowledge_version="1", knowledge_sha256="0" * 64, created_by=clinic.amari,
            )
            for patient, assessment in zip(patients, assessments, strict=True)
        )  # fmt: skip
        PlannedSession.objects.bulk_create(
            PlannedSession(
                plan=plan, number=number, earliest_days=0 if number == 1 else 7, target_days=0 if number == 1 else EVERY,
                latest_days=60 if number == 1 else 21, not_before=TODAY if number == 1 else None, duration_min=MINUTES,
                needs=["needling"], device_kind="needling-pen", summary="Face, CK-PIG-1, needling 0.5 mm",
                volume_ml=Decimal("4.0"), content=SESSION | {"number": number},
            )
            for plan in plans
            for number in range(1, SESSIONS + 1)
        )  # fmt: skip
        # Signed last: the sessions of a signed plan can't be written any more.
        TreatmentPlan.objects.filter(pk__in=[plan.pk for plan in plans]).update(
            status=TreatmentPlan.Status.SIGNED, signed_by=clinic.amari, signed_at=NOW
        )
        return plans

    def slots(self, n: int, visits: list[int] | None = None) -> list[Slot]:
        """Dates of course n: no two n share a practitioner, room or device at one time (below 2,240)."""
        pair, at = n % self.pairs, n // self.pairs
        per_day = 14
        day, step = divmod(at, per_day)
        week, weekday = divmod(day, 5)
        first = TODAY + timedelta(days=week * 7 + weekday)
        made = []
        for session in range(SESSIONS):
            start = (
                datetime.combine(first + timedelta(days=EVERY * session), time(9), tzinfo=MADRID)
                + STEP * step
            )
            made.append(
                Slot(
                    visits[session] if visits else 0, session + 1, start, start + timedelta(minutes=MINUTES),
                    self.practitioners[pair].pk, self.rooms[pair].pk, self.devices[pair].pk, 0,
                    location=self.clinic.location.pk,
                )
            )  # fmt: skip
        return made


def visits_of(plans: list[TreatmentPlan]) -> dict[int, list[int]]:
    """Planned sessions by plan, in order."""
    found: dict[int, list[int]] = {plan.pk: [] for plan in plans}
    rows: Any = PlannedSession.objects.filter(plan__in=found).order_by("plan", "number")
    for plan, pk in rows.values_list("plan_id", "pk"):
        found[plan].append(pk)
    return found
