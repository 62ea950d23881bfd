"""Search anywhere: how its cost grows from 1,000 to 100,000 patients."""

import time
from datetime import date, timedelta

from django.core.management import call_command
from django.db import connection, transaction

from mesoclinic.demo.people import FAMILIES, MEN, WOMEN
from patients.models import Patient
from patients.queries import search_anywhere

QUERIES = (
    "fer",
    "lucia ferer",
    "ruiz",
    "ruis",
    "ferer vidl",
    "maria",
    "600550",
    "M-150",
    "14 5 1988",
    "zzzzzz",
)


class Undo(Exception):
    """Nothing of the bench stays."""


def _people(first: int, last: int) -> None:
    names = [*WOMEN, *MEN]
    Patient.objects.bulk_create(
        [
            Patient(
                given_name=names[n % len(names)],
                family_name=f"{FAMILIES[(n * 7) % len(FAMILIES)]} {FAMILIES[(n // 50) % len(FAMILIES)]}",
                birth_date=date(1950, 1, 1) + timedelta(days=n % 20000),
                sex="female",
                phone=f"+3460{n:07d}",
            )
            for n in range(first, last)
        ],
        batch_size=5000,
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE patients_patient")


def _worst() -> tuple[float, str]:
    worst, which = 0.0, ""
    for query in QUERIES:
        search_anywhere(query, limit=8)
        began = time.perf_counter()
        for _round in range(5):
            search_anywhere(query, limit=8)
        cost = (time.perf_counter() - began) / 5 * 1000
        if cost > worst:
            worst, which = cost, query
    return worst, which


def bench() -> list[tuple[str, str, str]]:
    """Worst of ten queries in ms, at 1,000 and at 100,000 patients."""
    call_command("migrate", verbosity=0)
    rows: list[tuple[str, str, str]] = []
    try:
        with transaction.atomic():
            _people(0, 1000)
            small, _query = _worst()
            _people(1000, 100_000)
            large, query = _worst()
            rows = [
                ("search, 1,000 patients", f"{small:.1f} ms", "worst of ten queries"),
                (
                    "search, 100,000 patients",
                    f"{large:.1f} ms",
                    f"worst: {query!r}; {large / small:.1f} times 1,000",
                ),
            ]
            raise Undo
    except Undo:
        return rows
