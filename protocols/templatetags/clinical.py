"""Clinical codes in words: `{% load clinical %}`."""

from django import template

from protocols import labels

register = template.Library()


@register.filter
def agent_label(code: str) -> str:
    """An agent's or anaesthetic product's name."""
    name = labels.label("agents", code)
    return name if name != code else labels.label("anaesthetics", code)


@register.filter
def anaesthetic_label(code: str) -> str:
    """An anaesthetic product's name."""
    return labels.label("anaesthetics", code)


@register.filter
def modality_label(code: str) -> str:
    """A modality's name."""
    return labels.label("modalities", code)


@register.filter
def technique_label(code: str) -> str:
    """A technique's name."""
    return labels.label("techniques", code)


@register.filter
def concern_label(code: str) -> str:
    """`pigment/face` as `Pigment, face`."""
    return labels.concern_label(code)
