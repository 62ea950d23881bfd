"""Booking, moving and cancelling; included by sessions.urls."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
