"""The patient's link to an offer: signed, short, bound to one offer, revoked by changing the offer's key."""

import secrets
from urllib.parse import urljoin

from django.conf import settings
from django.urls import reverse

from sessions.models import Offer
from sessions.tokens import genuine, key_of, token_for

OFFER = "offer"


def new_key() -> str:
    """A key for a new offer's link."""
    return secrets.token_hex(8)


def token(offer: Offer) -> str:
    """What stands in the link."""
    return token_for(OFFER, offer.pk, offer.link_key)


def address(offer: Offer) -> str:
    """The whole link, as it goes into a message."""
    return urljoin(settings.BASE_URL, reverse("offer:answer", args=[token(offer)]))


def offer_of(text: str) -> Offer | None:
    """The offer of a token; None for one that was changed, or whose offer's key was."""
    key = key_of(text)
    found = Offer.objects.select_related("patient", "location").filter(pk=key).first() if key else None
    return found if found is not None and genuine(text, OFFER, found.pk, found.link_key) else None
