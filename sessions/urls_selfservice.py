"""What staff do about patients' links and calendar feeds; included by sessions.urls."""

from django.urls import path

from sessions.feeds import views as feeds
from sessions.selfservice import desk

urlpatterns = [
    path("requests/", desk.requests, name="requests"),
    path("requests/<int:pk>/settle/", desk.request_settle, name="request-settle"),
    path("appointments/<int:pk>/links/withdraw/", desk.links_withdraw, name="links-withdraw"),
    path("calendar-links/", feeds.calendar_links, name="calendar-links"),
    path("calendar-links/<int:pk>/renew/", feeds.calendar_link_renew, name="calendar-link-renew"),
    path("calendar-links/<int:pk>/end/", feeds.calendar_link_end, name="calendar-link-end"),
]
