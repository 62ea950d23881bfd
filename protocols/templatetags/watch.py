"""Alerts of a plan, for pages that show a plan: `{% load watch %}`."""

from django import template

from protocols import queries_watch
from protocols.models import Alert, TreatmentPlan

register = template.Library()


@register.simple_tag
def alerts_of(plan: TreatmentPlan) -> list[Alert]:
    """`{% alerts_of plan as alerts %}`: the open ones, blocks first. A draft has none."""
    return queries_watch.alerts_of_plan(plan.pk) if plan.status in TreatmentPlan.LIVE else []


@register.simple_tag
def hold_of(plan: TreatmentPlan) -> str:
    """`{% hold_of plan as sentence %}`: what the front desk reads while a physician must look first; else empty."""
    return queries_watch.ON_HOLD if queries_watch.held_plans([plan.pk]) else ""
