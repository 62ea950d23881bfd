"""What people do with their own account. Each act leaves its audit row."""

from django.db import transaction

from mesoclinic.accounts.models import User
from mesoclinic.audit.actions import record


@transaction.atomic
def note_sign_in(*, by: User) -> None:
    """Record that `by` signed in with the right password."""
    record(type="user.signed-in", target=by, by=by)


@transaction.atomic
def note_sign_out(*, by: User) -> None:
    """Record that `by` signed out."""
    record(type="user.signed-out", target=by, by=by)


@transaction.atomic
def change_password(*, by: User, password: str) -> User:
    """Give `by` a new password. The caller has checked it against the validators and the old one."""
    by.set_password(password)
    by.must_change_password = False
    by.save(update_fields=["password", "must_change_password"])
    record(type="user.password-changed", target=by, by=by)
    return by
