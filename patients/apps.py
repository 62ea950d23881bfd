from django.apps import AppConfig


class PatientsConfig(AppConfig):
    """Who is treated: the patient and the clinical profile."""

    name = "patients"
    label = "patients"

    def ready(self) -> None:
        """Tell the pages of the audit trail how patients are found and named."""
        from mesoclinic.ui import registry
        from patients import queries

        registry.set_patients(registry.PatientNames(find=queries.keys_of, names=queries.names_of))
