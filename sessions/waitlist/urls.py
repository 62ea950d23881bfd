"""The waiting list of the front desk; included by sessions.urls."""

from django.urls import path

from sessions.waitlist import views

urlpatterns = [
    path("waiting-list/", views.waitlist, name="waitlist"),
    path("waiting-list/new/", views.entry_new, name="waitlist-new"),
    path("waiting-list/<int:pk>/", views.entry, name="waitlist-entry"),
    path("waiting-list/<int:pk>/withdraw/", views.entry_withdraw, name="waitlist-withdraw"),
    path("offers/<int:pk>/answer/", views.offer_answer, name="offer-answer"),
]
