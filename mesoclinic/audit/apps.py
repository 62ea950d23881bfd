from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Who did what, and who opened which chart: append-only."""

    name = "mesoclinic.audit"
    label = "audit"
