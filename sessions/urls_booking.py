"""Booking, moving and cancelling; included by sessions.urls."""

from django.urls import path

from sessions.views import booking as views

urlpatterns = [
    path("plans/<int:pk>/book/", views.course_book, name="course-book"),
    path("plans/<int:pk>/book/<int:course>/", views.course_book, name="course-book-other"),
    path("appointments/new/", views.appointment_new, name="appointment-new"),
    path("appointments/<int:pk>/", views.appointment, name="appointment"),
    path("appointments/<int:pk>/status/", views.appointment_status, name="appointment-status"),
    path("appointments/<int:pk>/move/", views.appointment_move, name="appointment-move"),
]
