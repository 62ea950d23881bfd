from django.apps import AppConfig


class AftercareConfig(AppConfig):
    """After the session: the aftercare sheet."""

    name = "aftercare"
    label = "aftercare"
