"""The trail in words: `{% load audit %}`."""

import re

from django import template

from mesoclinic.audit import presenters

register = template.Library()


@register.filter
def act_words(code: str) -> str:
    """An action's code in words."""
    return presenters.act_words(code)


@register.filter
def record_only(label: str) -> str:
    """`Lea Brandt (M-10001)` as `M-10001`, while names are hidden."""
    found = re.search(r"\(([^()]+)\)$", label)
    return found[1] if found else ""
