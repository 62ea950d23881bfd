from django.apps import AppConfig


class PatientsConfig(AppConfig):
    """Who is treated: the patient and the clinical profile."""

    name = "patients"
    label = "patients"
