"""What can be wrong in the settings of the waiting list, found at the start."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from sessions.waitlist.quiet import read_quiet


def settings_of_the_waitlist(**_kwargs: Any) -> list[CheckMessage]:
    """Quiet hours that can be read, and a hold of 1 minute to 12 hours."""
    found: list[CheckMessage] = []
    try:
        read_quiet(settings.QUIET_HOURS)
    except ValueError as error:
        found.append(
            Error(
                f"MESOCLINIC_QUIET_HOURS can't be read: {error}", id="sessions.E001",
                hint="Write it as 21:00-08:00, or empty for no quiet hours.",
            )
        )  # fmt: skip
    if not 1 <= settings.WAITLIST_HOLD_MINUTES <= 720:
        found.append(
            Error(
                "MESOCLINIC_HOLD_MINUTES must lie between 1 and 720.", id="sessions.E002",
                hint="15 gives a patient a quarter of an hour to answer.",
            )
        )  # fmt: skip
    return found
