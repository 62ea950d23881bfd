"""Drawing a sheet: `{% load sheet %}`."""

import re

from django import template
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString

register = template.Library()

#: What reads from left to right whatever is around it: doses, temperatures, sun protection, times, phone numbers.
_LATIN = re.compile(
    r"SPF[\u00a0 ]?\d+\+?|\+\d[\d \u00a0-]{5,}\d|\d+(?:[.,]\d+)?[\u00a0 ]?(?:mm|mg|mL|g|°C|%)|\d{1,2}:\d{2}"
)


@register.filter
def isolate(text: object) -> SafeString:
    """A line with its numbers and units kept in one piece: in Arabic `1 mm` would print as `mm 1`."""
    escaped = str(conditional_escape(str(text)))
    # Escaped first: what is wrapped is made of digits and unit letters only.
    return SafeString(_LATIN.sub(lambda match: f'<bdi dir="ltr">{match[0]}</bdi>', escaped))
