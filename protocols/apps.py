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
        """Assessments and plans stand in the chart, drafts and alerts wait for the physician, facts are watched."""
        from mesoclinic.ui.registry import nav_counts
        from patients import vocabulary
        from patients.registry import (
            banner_notes,
            chart_buttons,
            chart_panels,
            fact_listeners,
            timeline_sources,
        )
        from protocols import catalogue, chart, chart_watch
        from protocols.queries_replan import reactions_in_courses, reactions_of
        from protocols.registry import history_batches, history_sources

        catalogue.watch()
        vocabulary.sources.append(lambda: catalogue.knowledge().vocabulary)
        post_migrate.connect(_offer_shipped, sender=self, dispatch_uid="catalogue-shipped")
        timeline_sources.append(chart.history)
        chart_buttons.append(chart.buttons)
        chart_panels.append(chart.plans)
        nav_counts["tasks"] = chart.waiting_drafts
        history_sources.append(reactions_in_courses)
        history_batches[reactions_in_courses] = reactions_of
        nav_counts["alerts"] = chart_watch.waiting_alerts
        nav_counts["visits-on-hold"] = chart_watch.held_visits
        banner_notes.append(chart_watch.notes)
        fact_listeners.append(chart_watch.fact_changed)
