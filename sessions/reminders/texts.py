"""What messages say, in the patient's language, with times on the location's wall clock. No clinical word leaves."""

import json
from collections.abc import Sequence
from datetime import datetime, time
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from babel.dates import format_datetime, format_time

from sessions.models import Appointment, Location
from sessions.selfservice.links import COURSE_LINK, VISIT_LINK

#: Between the parts of an address and of a list, where it is not ", ".
COMMA = {"ar": "، "}


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


@lru_cache(maxsize=512)
def _time_on_the_clock(local: time, language: str) -> str:
    return format_time(local, "HH:mm", locale=language)


def time_of(moment: datetime, location: Location, language: str) -> str:
    """`10:00`, in the digits of the language."""
    return _time_on_the_clock(moment.astimezone(location.zone).time(), language)


def when(moment: datetime, location: Location, language: str) -> str:
    """`Tuesday 1 December 2026, 10:00`, as the language writes it."""
    # Without its zone: two instants that are equal may read differently elsewhere.
    return _on_the_clock(moment.astimezone(location.zone).replace(tzinfo=None), language)


def write(
    kind: str, appointments: Sequence[Appointment], *, old: datetime | None = None,
    olds: Sequence[datetime | None] = (),
) -> tuple[str, str, str]:  # fmt: skip
    """(language, subject, body) of a message about appointments of one patient.

    At several locations each line names its own; the phone is that of the first. `old` is the time before of one visit, `olds` those of several, None for one that is new.
    """
    first = appointments[0]
    language, location = language_of(first), first.location
    words = texts()[language]
    comma = COMMA.get(language, ", ")
    places = list(dict.fromkeys(row.location for row in appointments))

    def at(row: Appointment) -> str:
        return f"{comma}{row.location.name}" if len(places) > 1 else ""

    early = first.planned_session.arrive_early_min if first.planned_session else 0
    values = {
        "clinic": comma.join(place.name for place in places),
        "address": location.address,
        "place": "; ".join(f"{place.name}{comma}{place.address}" for place in places),
        "phone": location.phone,
        "name": first.patient.given_name,
        "time": time_of(first.starts_at, location, language),
        "when": when(first.starts_at, location, language),
        "until": time_of(first.ends_at, location, language),
        "old": when(old, location, language) if old else "",
        "times": "\n".join(
            f"- {when(row.starts_at, row.location, language)}{at(row)}" for row in appointments
        ),
        "moves": "\n".join(
            words["rescheduled"]["instead" if before else "new"].format(
                when=when(row.starts_at, row.location, language),
                old=when(before, row.location, language) if before else "",
            )
            + at(row)
            for row, before in zip(appointments, olds, strict=False)
        ),
        "early": words["early"].format(minutes=early) if early else "",
        "link": COURSE_LINK if kind in {"booked", "rescheduled"} and len(appointments) > 1 else VISIT_LINK,
    }
    subject = words[kind]["one"] if kind == "booked" and len(appointments) == 1 else words[kind]["subject"]
    return language, subject.format(**values)[:200], words[kind]["body"].format(**values)
