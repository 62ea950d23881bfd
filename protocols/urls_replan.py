"""Addresses of a course under way, and of what-if."""

from django.urls import path

from protocols import views_replan as views
from protocols import views_what_if

urlpatterns = [
    path("plans/<int:pk>/course/", views.course, name="course"),
    path("plans/<int:pk>/course/review/<int:concern>/", views.review, name="review"),
    path("plans/<int:pk>/course/event/", views.adverse_event, name="adverse-event"),
    path("plans/<int:pk>/course/event/<int:event>/resolved/", views.event_resolved, name="event-resolved"),
    path("plans/<int:pk>/replan/", views.replan, name="replan"),
    path("plans/<int:pk>/end/", views.end, name="plan-end"),
    path("plans/<int:pk>/what-if/", views_what_if.panel, name="what-if"),
    path("plans/<int:pk>/what-if/keep/", views_what_if.keep, name="what-if-keep"),
]
