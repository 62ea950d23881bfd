from django.apps import AppConfig


class TreatmentSessionsConfig(AppConfig):
    """When and how: places, booking, treatment records, reminders. `django.contrib.sessions` owns the short label."""

    name = "sessions"
    label = "treatment_sessions"

    def ready(self) -> None:
        """Hang the day, the bookings and what was given into the shell, the chart and the engine's cases."""
        from django.core.checks import register

        from mesoclinic.ui import registry as shell
        from patients.registry import chart_buttons, chart_panels, timeline_sources
        from protocols.registry import (
            course_batches,
            course_sources,
            end_listeners,
            history_batches,
            history_sources,
            version_listeners,
            visit_sources,
        )
        from sessions import chart, course, watch
        from sessions.places import places
        from sessions.selfservice.queries import waiting_requests
        from sessions.setup.views.first_steps import ready_or_first_steps
        from sessions.views import calendar
        from sessions.waitlist import act as waitlist
        from sessions.waitlist.checks import settings_of_the_waitlist

        register(settings_of_the_waitlist)
        shell.set_places(places)
        shell.start_pages |= {
            role: ready_or_first_steps(view)
            for role, view in {
                "physician": calendar.my_day,
                "nurse": calendar.day_by_room,
                "front-desk": calendar.desk_start,
                "manager": calendar.overview,
                "administrator": calendar.overview,
            }.items()
        }
        shell.nav_counts |= {
            "courses-to-book": chart.waiting_courses,
            "not-confirmed": chart.waiting_confirmations,
            "requests": waiting_requests,
            "today": chart.present,
            "waitlist": chart.waiting_patients,
            "waiting-room": chart.in_waiting_room,
        }
        timeline_sources.extend([chart.treatments, chart.visits])
        chart_buttons.append(chart.buttons)
        chart_panels.append(chart.coming)
        history_sources.append(chart.given)
        course_sources.append(course.done_and_missed)
        version_listeners.extend([course.follow_version, waitlist.follow_version])
        end_listeners.extend([waitlist.call_off, course.call_off])
        history_batches[chart.given] = watch.given_of
        course_batches[course.done_and_missed] = watch.done_and_missed_of
        visit_sources.append(watch.coming_visits)
