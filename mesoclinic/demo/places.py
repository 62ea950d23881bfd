"""Two locations in two time zones, nine people who sign in, seven rooms, four devices, the shelf."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from django.contrib.auth.hashers import make_password

from mesoclinic.accounts.models import User
from sessions.models import (
    Absence,
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

#: The demo's one password, printed by `bin/run`. The demo is made on an empty database only, with synthetic people.
PASSWORD = "mesoclinic-demo"

STAFF: tuple[tuple[str, str, str], ...] = (
    ("amari", "Dr. Nadia Amari", "physician"),
    ("keller", "Dr. Jonas Keller", "physician"),
    ("santana", "Dr. Lucía Santana", "physician"),
    ("roca", "Inés Roca", "nurse"),
    ("vega", "Tomás Vega", "nurse"),
    ("cabrera", "Yaiza Cabrera", "nurse"),
    ("marta", "Marta Solé", "front-desk"),
    ("noemi", "Noemí Peña", "front-desk"),
    ("ortiz", "Elena Ortiz", "manager"),
    ("admin", "Ada Prieto", "administrator"),
)

#: Publishes the catalogue.
DIRECTOR = "amari"

#: username -> (location, qualifications, [(weekdays, from, to)])
PRACTITIONERS: dict[str, tuple[str, tuple[str, ...], tuple[tuple[tuple[int, ...], int, int], ...]]] = {
    "amari": (
        "madrid",
        ("consultation", "injection", "needling", "needle-free"),
        (((1, 2, 3, 4, 5), 9, 14), ((1, 2, 3, 4), 15, 19)),
    ),
    "keller": (
        "madrid",
        ("consultation", "injection", "needling", "needle-free"),
        (((1, 2, 3, 4, 5), 12, 20), ((6,), 9, 14)),
    ),
    "roca": ("madrid", ("injection", "needling", "needle-free"), (((1, 2, 3, 4, 5), 9, 17),)),
    "vega": ("madrid", ("injection", "needling", "needle-free"), (((1, 2, 3, 4, 5), 12, 20), ((6,), 9, 14))),
    "santana": (
        "palmas",
        ("consultation", "injection", "needling", "needle-free"),
        (((1, 2, 3, 4, 5), 9, 14), ((1, 3), 15, 19)),
    ),
    "cabrera": ("palmas", ("injection", "needling", "needle-free"), (((1, 2, 3, 4, 5), 9, 17),)),
}

ROOMS = (
    ("madrid", "Room 1", ("consultation",)),
    ("madrid", "Room 2", ("injection", "needling")),
    ("madrid", "Room 3", ("injection", "needling")),
    ("madrid", "Room 4", ("injection", "needling")),
    ("madrid", "Chair 1", ("preparation",)),
    ("madrid", "Chair 2", ("preparation",)),
    ("palmas", "Room 1", ("consultation",)),
    ("palmas", "Room 2", ("injection", "needling")),
    ("palmas", "Room 3", ("injection", "needling")),
    ("palmas", "Chair 1", ("preparation",)),
)

DEVICES = (
    ("madrid", "Needling pen A", "needling-pen"),
    ("madrid", "Needling pen B", "needling-pen"),
    ("madrid", "Jet injector", "jet-injector"),
    ("palmas", "Needling pen C", "needling-pen"),
)

#: agent, product, maker, mg/mL, pack mL. Invented brands.
PRODUCTS = (
    ("ha-ncl", "Hydralis 20", "Lumen Laboratories", "20", "2"),
    ("nctf-complex", "Polyvita complex", "Lumen Laboratories", None, "3"),
    ("vitamin-c", "Ascorbal 10 %", "Salus Pharma", "100", "5"),
    ("tranexamic-acid", "Tranexa 100", "Salus Pharma", "100", "5"),
    ("niacinamide", "Niadermal 4 %", "Dermworks", "40", "5"),
    ("biotin", "Biotide 5", "Dermworks", "5", "1"),
    ("dexpanthenol", "Panthenal 250", "Salus Pharma", "250", "2"),
    ("minoxidil", "Minoxil sterile 0.5 %", "Dermworks", "5", "5"),
    ("peptide-blend", "Peptiline needling", "Lumen Laboratories", None, "3"),
    ("polynucleotide", "Nuclegel 20", "Lumen Laboratories", "20", "2"),
    ("caffeine", "Caffedrin 20", "Salus Pharma", "20", "5"),
    ("l-carnitine", "Carnital 200", "Salus Pharma", "200", "5"),
    ("artichoke", "Cynaral 20", "Botanica Med", "20", "5"),
    ("organic-silicon", "Silorgan 5", "Dermworks", "5", "5"),
    ("deoxycholic-acid", "Deoxal 10", "Lumen Laboratories", "10", "2"),
    ("zinc", "Zincal 1", "Salus Pharma", "1", "1"),
    ("lidocaine", "Lidocal 1 %", "Salus Pharma", "10", "10"),
    ("saline", "Sodium chloride 0.9 %", "Salus Pharma", None, "10"),
    ("dutasteride", "Dutasal 0.01 %", "Dermworks", "0.1", "1"),
    ("lidocaine-4-cream", "Numbcream 4 %", "Dermworks", "40", "30"),
    ("emla-5", "Emlanest 5 %", "Salus Pharma", "50", "30"),
)


@dataclass(frozen=True, slots=True)
class Clinic:
    """Handles to what was made."""

    locations: dict[str, Location]
    users: dict[str, User]
    practitioners: dict[str, Practitioner]
    lots: dict[str, Lot]
    types: dict[str, AppointmentType]


def build(*, today: date) -> Clinic:
    """Make locations, staff, hours, absences, rooms, devices, products and lots around `today`."""
    locations = {
        "madrid": Location.objects.create(
            name="mesoclinic Madrid, Salamanca",
            short_name="Madrid, Salamanca",
            time_zone="Europe/Madrid",
            address="Calle de Ejemplo 14, 28001 Madrid",
            phone="+34 910 555 014",
            after_hours_phone="+34 600 555 014",
            country="ES",
            subdivision="MD",
        ),
        "palmas": Location.objects.create(
            name="mesoclinic Las Palmas",
            short_name="Las Palmas",
            time_zone="Atlantic/Canary",
            address="Calle Muestra 3, 35002 Las Palmas de Gran Canaria",
            phone="+34 928 555 003",
            after_hours_phone="+34 600 555 003",
            country="ES",
            subdivision="CN",
        ),
    }
    password = make_password(PASSWORD)
    users = {
        username: User.objects.create(
            username=username,
            full_name=name,
            role=role,
            password=password,
            medical_director=username == DIRECTOR,
        )
        for username, name, role in STAFF
    }
    practitioners: dict[str, Practitioner] = {}
    for username, (place, qualifications, weeks) in PRACTITIONERS.items():
        practitioner = Practitioner.objects.create(user=users[username], qualifications=list(qualifications))
        practitioners[username] = practitioner
        WorkingHours.objects.bulk_create(
            WorkingHours(
                practitioner=practitioner,
                location=locations[place],
                weekday=weekday,
                starts=time(starts),
                ends=time(ends),
            )
            for weekdays, starts, ends in weeks
            for weekday in weekdays
        )
    Room.objects.bulk_create(
        Room(location=locations[place], name=name, capabilities=list(capabilities))
        for place, name, capabilities in ROOMS
    )
    Device.objects.bulk_create(
        Device(location=locations[place], name=name, kind=kind) for place, name, kind in DEVICES
    )
    madrid = locations["madrid"].zone
    away = today + timedelta(days=8)
    Absence.objects.create(
        practitioner=practitioners["keller"],
        starts_at=datetime.combine(away, time(0), tzinfo=madrid),
        ends_at=datetime.combine(away + timedelta(days=2), time(0), tzinfo=madrid),
        reason="Congress",
    )
    Absence.objects.create(
        practitioner=practitioners["vega"],
        starts_at=datetime.combine(today + timedelta(days=15), time(12), tzinfo=madrid),
        ends_at=datetime.combine(today + timedelta(days=15), time(16), tzinfo=madrid),
        reason="Training",
    )
    Closure.objects.create(
        location=locations["madrid"],
        starts_at=datetime.combine(today + timedelta(days=23), time(0), tzinfo=madrid),
        ends_at=datetime.combine(today + timedelta(days=24), time(0), tzinfo=madrid),
        reason="Maintenance of the ventilation",
    )
    lots: dict[str, Lot] = {}
    for index, (agent, name, maker, concentration, pack) in enumerate(PRODUCTS):
        product = Product.objects.create(
            agent=agent,
            name=name,
            manufacturer=maker,
            gtin=f"0843{index:010d}",
            concentration_mg_per_ml=Decimal(concentration) if concentration else None,
            pack_ml=Decimal(pack),
        )
        code = "".join(word[0] for word in name.split())[:2].upper()
        lots[agent] = Lot.objects.create(
            product=product,
            number=f"{code}-{4200 + index * 17}",
            expires_on=today + timedelta(days=60 + (index * 47) % 700),
            received_ml=Decimal(5000),
        )
        if index % 4 == 1:
            Lot.objects.create(
                product=product,
                number=f"{code}-{3100 + index * 13}",
                expires_on=today - timedelta(days=20 + index),
                received_ml=Decimal(200),
            )
        if index % 7 == 3:
            Lot.objects.create(
                product=product,
                number=f"{code}-{5100 + index * 11}",
                expires_on=today + timedelta(days=300),
                received_ml=Decimal(200),
                status=Lot.Status.QUARANTINED,
            )
    types = {row.kind: row for row in AppointmentType.ship()}
    return Clinic(locations=locations, users=users, practitioners=practitioners, lots=lots, types=types)
