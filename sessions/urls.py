"""Pages of the sessions app, by subject."""

from django.urls import URLPattern

from sessions.setup.urls import urlpatterns as setup
from sessions.urls_booking import urlpatterns as booking
from sessions.urls_calendar import urlpatterns as calendar
from sessions.urls_selfservice import urlpatterns as selfservice
from sessions.urls_treatment import urlpatterns as treatment
from sessions.waiting.urls import urlpatterns as waiting
from sessions.waitlist.urls import urlpatterns as waitlist

app_name = "sessions"
urlpatterns: list[URLPattern] = [
    *calendar, *booking, *treatment, *selfservice, *setup, *waitlist, *waiting,
]  # fmt: skip
