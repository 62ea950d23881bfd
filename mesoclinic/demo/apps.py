from django.apps import AppConfig


class DemoConfig(AppConfig):
    """The demo clinic: synthetic people only. The one part of `mesoclinic` that may import every app."""

    name = "mesoclinic.demo"
    label = "demo"
