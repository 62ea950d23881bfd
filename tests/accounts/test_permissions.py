"""The table of roles and acts."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError
from django.test import Client

from mesoclinic.accounts.models import User
from mesoclinic.accounts.permissions import ALLOWED, Permission, has_permission, permissions_of

CLINICAL = {
    Permission.PROFILE_EDIT, Permission.ASSESSMENT_EDIT, Permission.PLAN_EDIT, Permission.PLAN_SIGN,
    Permission.TREATMENT_RECORD, Permission.TREATMENT_SIGN, Permission.PROFILE_VIEW, Permission.TREATMENT_VIEW,
}  # fmt: skip


def test_every_act_has_its_row_and_only_known_roles() -> None:
    assert set(ALLOWED) == set(Permission)
    for roles in ALLOWED.values():
        assert roles <= set(User.Role.values)
        assert roles


def test_only_a_physician_assesses_and_signs_plans() -> None:
    for permission in (Permission.ASSESSMENT_EDIT, Permission.PLAN_EDIT, Permission.PLAN_SIGN):
        assert ALLOWED[permission] == {"physician"}


def test_of_the_physicians_only_a_medical_director_publishes_the_catalogue() -> None:
    director = User(role="physician", medical_director=True)
    assert has_permission(director, Permission.CATALOGUE_PUBLISH)
    for user in (User(role="physician"), User(role="manager", medical_director=True)):
        assert not has_permission(user, Permission.CATALOGUE_PUBLISH)
        assert has_permission(user, Permission.CATALOGUE_EDIT)


@pytest.mark.django_db
def test_the_database_makes_nobody_but_a_physician_medical_director() -> None:
    with pytest.raises(IntegrityError, match="director_is_physician"):
        User.objects.create(username="x", full_name="X", role="nurse", medical_director=True)


@pytest.mark.parametrize("role", ["administrator", "manager", "front-desk"])
def test_people_without_clinical_work_see_and_sign_no_clinical_record(role: str) -> None:
    assert not CLINICAL & permissions_of(role)


def test_nobody_strange_may_anything() -> None:
    for user in (None, AnonymousUser(), User(role="physician", is_active=False), User(role="gardener")):
        assert not any(has_permission(user, permission) for permission in Permission)
    assert not has_permission(SimpleNamespace(is_authenticated=False), Permission.PATIENT_VIEW)


@pytest.mark.django_db
@pytest.mark.urls("tests.ui.urls")
@pytest.mark.parametrize(
    ("role", "status"),
    [("physician", 200), ("nurse", 403), ("front-desk", 403), ("manager", 403), ("administrator", 403)],
)
def test_a_guarded_page_opens_for_its_role_only(
    signed_in: Callable[[str], Client], role: str, status: int
) -> None:
    assert signed_in(role).get("/sign").status_code == status


@pytest.mark.django_db
@pytest.mark.urls("tests.ui.urls")
def test_a_guarded_page_asks_a_stranger_to_sign_in() -> None:
    assert Client().get("/sign").status_code == 302
