from django.apps import AppConfig


class TreatmentSessionsConfig(AppConfig):
    """When and how: places, booking, treatment records, reminders. `django.contrib.sessions` owns the short label."""

    name = "sessions"
    label = "treatment_sessions"

    def ready(self) -> None:
        """Treatments stand in the patient's history."""
        from patients.registry import timeline_sources
        from sessions.chart import treatments

        timeline_sources.append(treatments)
