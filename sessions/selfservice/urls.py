"""Addresses that open without signing in, short for SMS: patients' pages by signed link, practitioners' feeds."""

from django.urls import path

from sessions.feeds.views import feed
from sessions.selfservice import views

app_name = "selfservice"
urlpatterns = [
    path("v/<str:token>/", views.visit, name="visit"),
    path("v/<str:token>/confirm/", views.confirm, name="confirm"),
    path("v/<str:token>/cancel/", views.cancel, name="cancel"),
    path("v/<str:token>/times/", views.times, name="times"),
    path("v/<str:token>/ask/", views.ask, name="ask"),
    path("v/<str:token>/appointment.ics", views.visit_calendar, name="visit-calendar"),
    path("c/<str:token>/", views.course, name="course"),
    path("c/<str:token>/appointments.ics", views.course_calendar, name="course-calendar"),
    path("f/<str:token>.ics", feed, name="feed"),
]
