"""Sessions in the database, as Django keeps them; `SESSION_ENGINE` names this module."""

from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessions
from django.db import InterfaceError, OperationalError


class SessionStore(DatabaseSessions):
    """A database that goes down while a session is stored is an error of ours.

    Django takes any fault there for a session that was deleted meanwhile, and tells the person that their request was bad.
    """

    def save(self, must_create: bool = False) -> None:
        """Store it. Raises UpdateError when it is not there any more, the database's error when that is away."""
        try:
            super().save(must_create)
        except UpdateError as error:
            if isinstance(error.__context__, OperationalError | InterfaceError):
                raise error.__context__ from None
            raise
