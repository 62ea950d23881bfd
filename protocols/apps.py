from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate


def _offer_shipped(using: str, **_kwargs: Any) -> None:
    """After migrating: the shipped files become version 1, or a draft when the clinic has a version already."""
    # Migrating backwards ends here too, without the table.
    if "protocols_catalogueversion" in connections[using].introspection.table_names():
        from protocols.actions_catalogue import offer_shipped

        offer_shipped()


class ProtocolsConfig(AppConfig):
    """What is done: assessment, protocol engine, treatment plan."""

    name = "protocols"
    label = "protocols"

    def ready(self) -> None:
        """Assessments and plans stand in the patient's chart; drafts wait among the physician's tasks."""
        from mesoclinic.ui.registry import nav_counts
        from patients.registry import chart_buttons, chart_panels, timeline_sources
        from protocols import catalogue, chart

        catalogue.watch()
        post_migrate.connect(_offer_shipped, sender=self, dispatch_uid="catalogue-shipped")
        timeline_sources.append(chart.history)
        chart_buttons.append(chart.buttons)
        chart_panels.append(chart.plans)
        nav_counts["tasks"] = chart.waiting_drafts
