from django.apps import AppConfig


class TreatmentSessionsConfig(AppConfig):
    """When and how: places, booking, treatment records, reminders. `django.contrib.sessions` owns the short label."""

    name = "sessions"
    label = "treatment_sessions"
