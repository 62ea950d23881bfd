from django.apps import AppConfig


class ProtocolsConfig(AppConfig):
    """What is done: assessment, protocol engine, treatment plan."""

    name = "protocols"
    label = "protocols"

    def ready(self) -> None:
        """Assessments and plans stand in the patient's chart; drafts wait among the physician's tasks."""
        from mesoclinic.ui.registry import nav_counts
        from patients.registry import chart_buttons, chart_panels, timeline_sources
        from protocols import chart
        from protocols.queries_replan import reactions_in_courses
        from protocols.registry import history_sources

        timeline_sources.append(chart.history)
        chart_buttons.append(chart.buttons)
        chart_panels.append(chart.plans)
        nav_counts["tasks"] = chart.waiting_drafts
        history_sources.append(reactions_in_courses)
