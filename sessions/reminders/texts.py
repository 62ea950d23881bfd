"""What messages say, in the patient's language, with times on the location's wall clock. No clinical word leaves."""

import json
from collections.abc import Sequence
from datetime import datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from babel.dates import format_datetime, format_time

from sessions.models import Appointment, Location
from sessions.selfservice.links import COURSE_LINK, VISIT_LINK


@cache
def texts() -> dict[str, Any]:
    """All languages."""
    found: dict[str, Any] = json.loads((Path(__file__).parent / "texts.json").read_text("utf-8"))
    return found


def language_of(appointment: Appointment) -> str:
    """The patient's language, English where we have no texts for it."""
    code = appointment.patient.language.split("-")[0]
    return code if code in texts() else "en"


@lru_cache(maxsize=512)
def _on_the_clock(local: datetime, language: str) -> str:
    pattern = {
        "ar": "EEEE d MMMM y، HH:mm",
        "de": "EEEE, d. MMMM y, HH:mm",
        "es": "EEEE, d 'de' MMMM 'de' y, HH:mm",
    }.get(language, "EEEE d MMMM y, HH:mm")
    return format_datetime(local, pattern, locale=language)


def when(moment: datetime, location: Location, language: str) -> str:
    """`Tuesday 1 December 2026, 10:00`, as the language writes it."""
    # Without its zone: two instants that are equal may read differently elsewhere.
    return _on_the_clock(moment.astimezone(location.zone).replace(tzinfo=None), language)


def write(
    kind: str, appointments: Sequence[Appointment], *, old: datetime | None = None,
    olds: Sequence[datetime | None] = (),
) -> tuple[str, str, str]:  # fmt: skip
    """(language, subject, body) of a message about appointments of one patient at one location.

    `old` is the time before of one visit, `olds` those of several, None for one that is new.
    """
    first = appointments[0]
    language, location = language_of(first), first.location
    words = texts()[language]
    early = first.planned_session.arrive_early_min if first.planned_session else 0
    values = {
        "clinic": location.name,
        "address": location.address,
        "phone": location.phone,
        "name": first.patient.given_name,
        "time": format_time(first.starts_at.astimezone(location.zone), "HH:mm", locale=language),
        "when": when(first.starts_at, location, language),
        "until": format_time(first.ends_at.astimezone(location.zone), "HH:mm", locale=language),
        "old": when(old, location, language) if old else "",
        "times": "\n".join(f"- {when(row.starts_at, location, language)}" for row in appointments),
        "moves": "\n".join(
            words["rescheduled"]["instead" if before else "new"].format(
                when=when(row.starts_at, location, language),
                old=when(before, location, language) if before else "",
            )
            for row, before in zip(appointments, olds, strict=False)
        ),
        "early": words["early"].format(minutes=early) if early else "",
        "link": COURSE_LINK if kind in {"booked", "rescheduled"} and len(appointments) > 1 else VISIT_LINK,
    }
    subject = words[kind]["one"] if kind == "booked" and len(appointments) == 1 else words[kind]["subject"]
    return language, subject.format(**values)[:200], words[kind]["body"].format(**values)
