from django.apps import AppConfig


class ProtocolsConfig(AppConfig):
    """What is done: assessment, protocol engine, treatment plan."""

    name = "protocols"
    label = "protocols"
