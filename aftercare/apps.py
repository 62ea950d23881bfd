from django.apps import AppConfig


class AftercareConfig(AppConfig):
    """After the session: the aftercare sheet."""

    name = "aftercare"
    label = "aftercare"

    def ready(self) -> None:
        """Sheets stand in the patient's history."""
        from aftercare.chart import sheets
        from patients.registry import timeline_sources

        timeline_sources.append(sheets)
