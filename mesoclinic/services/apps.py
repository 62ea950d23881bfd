from django.apps import AppConfig


class ServicesConfig(AppConfig):
    """Embedded PostgreSQL and Redis, health checks, start-up."""

    name = "mesoclinic.services"
    label = "services"
