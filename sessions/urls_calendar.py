"""Calendar, day lists and messages; included by sessions.urls."""

from django.urls import path

from sessions.views import calendar as views

urlpatterns = [
    path("calendar/", views.calendar, name="calendar"),
    path("courses-to-book/", views.courses_to_book, name="courses-to-book"),
    path("not-confirmed/", views.not_confirmed, name="not-confirmed"),
    path("in-treatment/", views.in_treatment, name="today"),
    path("staff/", views.staff, name="staff"),
    path("messages/", views.message_list, name="messages"),
    path("messages/<int:pk>/", views.message, name="message"),
    path("messages/<int:pk>/appointments.ics", views.message_calendar, name="message-calendar"),
    path("messages/<int:pk>/again/", views.message_again, name="message-again"),
]
