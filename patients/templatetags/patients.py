"""Parts of a patient's pages: `{% load patients %}`."""

from typing import Any

from django import template
from django.template.context import Context

from patients.models import Patient
from patients.shell import banner_for

register = template.Library()


@register.inclusion_tag("ui/patient_banner.html", takes_context=True)
def fresh_banner(context: Context, patient: Patient) -> dict[str, Any]:
    """The banner again beside an htmx answer that changed a fact: what it says may never be older than the page."""
    return {
        "banner": banner_for(context["request"], patient), "hide_names": context.get("hide_names"), "oob": True,
    }  # fmt: skip
