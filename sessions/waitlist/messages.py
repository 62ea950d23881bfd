"""What an offer says, in the patient's language: the message, and the words of the page behind its link."""

import json
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from babel.dates import format_time

from sessions.models import Message, Offer
from sessions.reminders.schedule import address_of
from sessions.reminders.texts import when
from sessions.waitlist import link


@cache
def _texts() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(__file__).parent / "texts.json").read_text("utf-8"))
    return found


def language_of(offer: Offer) -> str:
    """The patient's language, English where there are no texts for it."""
    code = offer.patient.language.split("-")[0]
    return code if code in _texts() else "en"


def _until(offer: Offer, language: str, *, now: datetime) -> str:
    """`10:15`, or the day with it when the answer may wait until another day."""
    zone = offer.location.zone
    local = offer.expires_at.astimezone(zone)
    if local.date() == now.astimezone(zone).date():
        return str(format_time(local, "HH:mm", locale=language))
    return when(offer.expires_at, offer.location, language)


def words(offer: Offer, now: datetime) -> dict[str, str]:
    """All sentences of the offer's page, filled in. Nothing personal stands in them."""
    language = language_of(offer)
    values = {
        "clinic": offer.location.name, "address": offer.location.address, "phone": offer.location.phone,
        "when": when(offer.starts_at, offer.location, language), "until": _until(offer, language, now=now),
    }  # fmt: skip
    return {name: text.format(**values) for name, text in _texts()[language]["page"].items()} | values


def offered(offer: Offer, now: datetime) -> None:
    """Ask the patient: one message with the link, in the transaction that holds the time."""
    address = address_of(offer.patient)
    if address is None:
        return
    language = language_of(offer)
    text = _texts()[language]["message"]
    values = words(offer, now) | {"name": offer.patient.given_name, "link": link.address(offer)}
    Message.objects.create(
        cause=f"offer:{offer.pk}", kind=Message.Kind.OFFER, patient=offer.patient, location=offer.location,
        channel=address[0], recipient=address[1], language=language, subject=text["subject"].format(**values)[:200],
        body=text["body"].format(**values), send_at=now,
    )  # fmt: skip
