"""The patient's link to an offer: signed, short, bound to one offer, revoked by changing the offer's key."""

import base64
import secrets

from django.conf import settings
from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.http import base36_to_int, int_to_base36

from sessions.models import Offer

#: Bytes of the signature kept: 96 bits can't be guessed, and the link stays short enough for an SMS.
KEPT = 12


def new_key() -> str:
    """A key for a new offer's link."""
    return secrets.token_hex(8)


def _signature(offer: Offer) -> str:
    digest = salted_hmac(
        "sessions.waitlist.offer", f"{offer.pk}:{offer.link_key}", algorithm="sha256"
    ).digest()
    return base64.urlsafe_b64encode(digest[:KEPT]).decode()


def token(offer: Offer) -> str:
    """What stands in the link: the offer's number and the signature."""
    return f"{int_to_base36(offer.pk)}.{_signature(offer)}"


def address(offer: Offer) -> str:
    """The whole link, as it goes into a message."""
    return settings.BASE_URL.rstrip("/") + reverse("offer:answer", args=[token(offer)])


def offer_of(text: str) -> Offer | None:
    """The offer of a token; None for one that was changed, or whose offer's key was."""
    number, _dot, signature = text.partition(".")
    try:
        key = base36_to_int(number)
    except ValueError:
        return None
    if key > 2**62:
        return None
    offer = Offer.objects.select_related("patient", "location").filter(pk=key).first()
    if offer is None or not constant_time_compare(signature.encode(), _signature(offer).encode()):
        return None
    return offer
