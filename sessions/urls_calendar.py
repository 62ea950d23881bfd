"""Calendar, day lists and messages; included by sessions.urls."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
