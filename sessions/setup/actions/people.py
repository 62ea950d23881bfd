"""Writes of people: add, change, close and reopen an account, a new one-time password. Each leaves its audit row."""

import secrets
from collections.abc import Sequence
from datetime import datetime

from django.db import IntegrityError, transaction

from mesoclinic.accounts.models import User
from mesoclinic.audit.actions import record
from sessions.models import Practitioner
from sessions.setup import queries
from sessions.setup.actions.common import change as write
from sessions.setup.faults import SetupError, ask_about, broken

#: Without letters and digits that look alike when read aloud or copied by hand.
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
TREATING = frozenset({User.Role.PHYSICIAN, User.Role.NURSE})
NOT_TREATING = "Only physicians and nurses treat. Choose none, or another role."
NO_DIRECTOR = "The medical director is a physician. Untick it, or choose another role."
NAME_TAKEN = "Somebody has this user name already. Choose another one."
LAST_ADMINISTRATOR = "This is the only administrator. Make somebody else an administrator first."


def one_time_password() -> str:
    """Four groups of four, some 79 bits: `k7fm-w2qx-9hdr-tb4n`."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(4))


def _check(role: str, qualifications: Sequence[str], medical_director: bool) -> None:
    if qualifications and role not in TREATING:
        raise SetupError(NOT_TREATING, "qualifications")
    if medical_director and role != User.Role.PHYSICIAN:
        raise SetupError(NO_DIRECTOR, "medical_director")


@transaction.atomic
def add(
    *, by: User, username: str, full_name: str, email: str, role: str, qualifications: Sequence[str],
    medical_director: bool = False,
) -> tuple[User, str]:  # fmt: skip
    """Add somebody who signs in. Returns the person and the one-time password, which is kept nowhere."""
    _check(role, qualifications, medical_director)
    if User.objects.filter(username__iexact=username).exists():
        raise SetupError(NAME_TAKEN, "username")
    password = one_time_password()
    try:
        with transaction.atomic():
            user = User.objects.create_user(
                username, email, password, full_name=full_name, role=role, medical_director=medical_director,
                must_change_password=True,
            )  # fmt: skip
    except IntegrityError as error:
        raise broken(error, {"accounts_user_username": (NAME_TAKEN, "username")}) from error
    if qualifications:
        Practitioner.objects.create(user=user, qualifications=list(qualifications))
    record(
        type="staff.added", target=user, by=by,
        new={"username": username, "email": email, "role": role, "qualifications": list(qualifications),
             "medical_director": medical_director},
    )  # fmt: skip
    return user, password


def _locked(user: User) -> User:
    """The person, locked after all administrators: two of them can't demote each other at the same moment."""
    list(
        User.objects.select_for_update()
        .filter(role=User.Role.ADMINISTRATOR, is_active=True)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    return User.objects.select_for_update().get(pk=user.pk)


def _keep_an_administrator(user: User, field: str | None) -> None:
    others = User.objects.filter(role=User.Role.ADMINISTRATOR, is_active=True).exclude(pk=user.pk)
    if user.role == User.Role.ADMINISTRATOR and user.is_active and not others.exists():
        raise SetupError(LAST_ADMINISTRATOR, field)


@transaction.atomic
def change(
    *, user: User, by: User, full_name: str, email: str, role: str, qualifications: Sequence[str], now: datetime,
    medical_director: bool = False, accepted: str = "",
) -> User:  # fmt: skip
    """Change name, e-mail, role and what somebody does. Raises VisitsHit for visits that ask for what is taken away."""
    _check(role, qualifications, medical_director)
    locked = _locked(user)
    if role != locked.role:
        if locked.pk == by.pk:
            raise SetupError("Your own role is changed by another administrator.", "role")
        if role != User.Role.ADMINISTRATOR:
            _keep_an_administrator(locked, "role")
    practitioner = (
        Practitioner.objects.select_for_update(of=("self",), no_key=True).filter(user=locked).first()
    )
    if practitioner is not None:
        lost = set(practitioner.qualifications) - set(qualifications)
        visits = queries.coming(now).filter(practitioner=practitioner) if lost else []
        ask_about([visit for visit in visits if visit.needs.qualifications & lost], accepted)
        write(
            practitioner, {"qualifications": list(qualifications)}, type="staff.qualifications-changed", by=by
        )
    elif qualifications:
        practitioner = Practitioner.objects.create(user=locked, qualifications=list(qualifications))
        record(
            type="staff.qualifications-changed", target=practitioner, by=by,
            old={"qualifications": []}, new={"qualifications": list(qualifications)},
        )  # fmt: skip
    write(
        locked,
        {"full_name": full_name, "email": email, "role": role, "medical_director": medical_director},
        type="staff.changed", by=by,
    )  # fmt: skip
    return locked


@transaction.atomic
def deactivate(*, user: User, by: User, now: datetime, accepted: str = "") -> User:
    """Close an account: its web sessions end at the next click. Raises VisitsHit while the person has visits."""
    locked = _locked(user)
    if locked.pk == by.pk:
        raise SetupError("Your own account is closed by another administrator.")
    _keep_an_administrator(locked, None)
    practitioner = Practitioner.objects.select_for_update(no_key=True).filter(user_id=locked.pk).first()
    if practitioner is not None:
        ask_about(list(queries.coming(now).filter(practitioner=practitioner)), accepted)
    write(locked, {"is_active": False}, type="staff.deactivated", by=by)
    return locked


@transaction.atomic
def reactivate(*, user: User, by: User) -> User:
    """Open a closed account again, with its old password."""
    locked = _locked(user)
    write(locked, {"is_active": True}, type="staff.reactivated", by=by)
    return locked


@transaction.atomic
def new_password(*, user: User, by: User) -> str:
    """A new one-time password for somebody who forgot theirs; open web sessions of theirs end."""
    locked = _locked(user)
    if locked.pk == by.pk:
        raise SetupError("Change your own password under your name in the side bar.")
    password = one_time_password()
    locked.set_password(password)
    locked.must_change_password = True
    locked.save(update_fields=["password", "must_change_password"])
    record(type="staff.password-reset", target=locked, by=by)
    return password
