"""What people do with their own account. Each act leaves its audit row."""

from django.db import transaction

from mesoclinic.accounts.models import User
from mesoclinic.audit.actions import record


@transaction.atomic
def note_sign_in(*, by: User) -> None:
    """Record that `by` signed in with the right password."""
    record(type="user.signed-in", target=by, by=by)


@transaction.atomic
def note_failed_sign_in(*, username: str, address: str, tries_left: int) -> None:
    """Record a wrong name or password. What was typed as a name is kept only when it is one: it may be a password."""
    known = User.objects.filter(username=username).first()
    record(
        type="user.sign-in-failed",
        target=known or User(full_name="unknown user name"),
        by=None,
        reason=_from(address, tries_left),
    )


@transaction.atomic
def note_refused_password(*, by: User, what: str, address: str, tries_left: int) -> None:
    """Record that somebody signed in as `by` typed a wrong password: `what` is `unlock` or `password-change`."""
    record(type=f"user.{what}-failed", target=by, by=by, reason=_from(address, tries_left))


def _from(address: str, tries_left: int) -> str:
    # Tries beyond the limit are not recorded one by one: they would fill the trail.
    return f"from {address}" + ("; no more tries for 15 minutes" if tries_left == 0 else "")


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
