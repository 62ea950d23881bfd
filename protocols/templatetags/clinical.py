"""Clinical codes in words: `{% load clinical %}`."""

from django import template
from django.forms import BoundField
from django.forms.widgets import CheckboxInput, Select
from django.utils.safestring import SafeString

from protocols import labels

register = template.Library()


@register.filter
def as_crispy_bare(field: BoundField) -> SafeString:
    """A field's control alone, in the clinic's look: its label stands elsewhere, in a table's head."""
    name = "form-select" if isinstance(field.field.widget, Select) else "form-control"
    if isinstance(field.field.widget, CheckboxInput):
        name = "form-check-input"
    attrs: dict[str, str | bool] = {"class": f"{name} is-invalid" if field.errors else name}
    return field.as_widget(attrs=attrs)


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
