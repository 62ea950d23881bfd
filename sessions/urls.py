"""Pages of the sessions app, by subject."""

from django.urls import URLPattern

from sessions.urls_booking import urlpatterns as booking
from sessions.urls_calendar import urlpatterns as calendar
from sessions.urls_treatment import urlpatterns as treatment

app_name = "sessions"
urlpatterns: list[URLPattern] = [*calendar, *booking, *treatment]
