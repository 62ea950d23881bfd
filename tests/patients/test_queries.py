"""Finding people, and telling the engine what is known of them."""

from datetime import date

import pytest

from patients import queries
from patients.models import Allergy
from protocols.engine import load, parse
from tests.clinic import Clinic

pytestmark = pytest.mark.django_db


@pytest.fixture
def clinic() -> Clinic:
    return Clinic()


@pytest.mark.parametrize("typed", ["Muñoz", "munoz", "Elena Munoz", "Munos", "14.05.1990", "14/5/1990", "1990-05-14",
                                   "600 555 777"])  # fmt: skip
def test_a_patient_is_found_by_what_one_remembers(clinic: Clinic, typed: str) -> None:
    elena = clinic.patient("Elena", "Muñoz", birth_date=date(1990, 5, 14), phone="+34600555777")
    assert queries.search_anywhere(typed)[0] == elena


def test_the_record_number_finds_one(clinic: Clinic) -> None:
    clinic.lea.refresh_from_db()
    assert queries.search_anywhere(clinic.lea.record_number) == [clinic.lea]


@pytest.mark.parametrize("typed", ["", "x", "\x00\x00", "'; drop table", "%", "9" * 5000, "31.02.1990"])
def test_nonsense_finds_nobody_and_breaks_nothing(clinic: Clinic, typed: str) -> None:
    assert queries.search_anywhere(typed) == []


def test_the_same_person_typed_again_is_noticed(clinic: Clinic) -> None:
    born = clinic.lea.birth_date
    assert queries.possible_duplicates(given_name="Léa", family_name="Brant", birth_date=born) == [clinic.lea]
    assert queries.possible_duplicates(
        given_name="X", family_name="Y", birth_date=None, phone=clinic.lea.phone
    )
    assert (
        queries.possible_duplicates(given_name="Max", family_name="Otto", birth_date=date(1950, 1, 1)) == []
    )


def test_a_list_nobody_asked_for_is_unknown_to_the_engine(clinic: Clinic) -> None:
    silent = clinic.patient("Ana", "Gil", allergies_asked_on=None)
    assert "allergies" not in queries.case_facts(silent)
    assert queries.case_facts(clinic.lea)["allergies"] == []


def test_facts_fit_the_engine_s_schema(clinic: Clinic, settings: object) -> None:
    Allergy.objects.create(patient=clinic.lea, substance="lidocaine", reaction="urticaria")
    knowledge = load(settings.BASE_DIR / "protocols" / "knowledge")  # type: ignore[attr-defined]
    facts = queries.case_facts(clinic.lea)
    case = parse(
        {"today": "2026-12-01", "patient": facts,
         "concerns": [{"indication": "pigment", "area": "face", "grade": 2}]}, knowledge.schema,
    )  # fmt: skip
    assert case.facts["allergies"][0].code == "lidocaine"  # type: ignore[index]


def test_the_banner_names_what_was_not_asked(clinic: Clinic) -> None:
    silent = clinic.patient("Ana", "Gil", allergies_asked_on=None)
    alert = queries.banner(silent, clinic.today)["alerts"][0]
    assert (alert["level"], alert["text"]) == ("warn", "not asked")
