"""Calendar, day lists and messages; included by sessions.urls."""

from django.urls import path

from sessions.views import calendar as views
from sessions.views import calendar_live as live

urlpatterns = [
    path("calendar/", views.calendar, name="calendar"),
    path("calendar/feed/", live.calendar_feed, name="calendar-feed"),
    path("calendar/changes/", live.calendar_changes, name="calendar-changes"),
    path("calendar/place/", live.calendar_place, name="calendar-place"),
    path("calendar/settings/", live.calendar_settings, name="calendar-settings"),
    path("appointments/<int:pk>/length/undo/", live.appointment_length_undo, name="appointment-length-undo"),
    path("courses-to-book/", views.courses_to_book, name="courses-to-book"),
    path("not-confirmed/", views.not_confirmed, name="not-confirmed"),
    path("in-treatment/", views.in_treatment, name="today"),
    path("staff/", views.staff, name="staff"),
    path("messages/", views.message_list, name="messages"),
    path("messages/<int:pk>/", views.message, name="message"),
    path("messages/<int:pk>/appointments.ics", views.message_calendar, name="message-calendar"),
    path("messages/<int:pk>/again/", views.message_again, name="message-again"),
]
