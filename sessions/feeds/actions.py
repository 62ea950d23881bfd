"""Writes of calendar feeds: a new secret address, or none any more."""

import hashlib
import secrets
from datetime import datetime

from django.db import transaction

from mesoclinic.accounts.models import User
from mesoclinic.audit.actions import record as audit
from sessions.models import CalendarFeed, Practitioner


def hashed(token: str) -> str:
    """What the database keeps of a token. It is random and long: no salt and no slow hash are needed."""
    return hashlib.sha256(token.encode()).hexdigest()


@transaction.atomic
def renew(*, practitioner: Practitioner, by: User, now: datetime) -> str:
    """A new address; the one before ends at once. The token is in this answer only: nobody can look it up later."""
    token = secrets.token_urlsafe(32)
    feed, _new = CalendarFeed.objects.update_or_create(
        practitioner=practitioner,
        defaults={"token_hash": hashed(token), "made_at": now, "made_by": by, "read_at": None},
    )
    audit(type="calendar-feed.renewed", target=feed, by=by, new={"practitioner": practitioner.pk})
    return token


@transaction.atomic
def end(*, practitioner: Practitioner, by: User) -> None:
    """The address opens nothing any more. Ending twice is once."""
    feed = CalendarFeed.objects.select_for_update().filter(practitioner=practitioner).first()
    if feed is not None:
        audit(type="calendar-feed.ended", target=feed, by=by, old={"practitioner": practitioner.pk})
        feed.delete()
