from django.apps import AppConfig


class UiConfig(AppConfig):
    """Shared template tags, form layouts and the chrome of every page."""

    name = "mesoclinic.ui"
    label = "ui"
