"""The waiting room, walk-ins, missed visits; included by sessions.urls."""

from django.urls import path

from sessions.waiting import views

urlpatterns = [
    path("waiting-room/", views.waiting_room, name="waiting-room"),
    path("appointments/<int:pk>/stay/", views.stay, name="stay"),
    path("appointments/<int:pk>/restore/", views.appointment_restore, name="appointment-restore"),
    path("walk-in/", views.walk_in, name="walk-in"),
    path("walk-in/new/", views.walk_in_new, name="walk-in-new"),
    path("missed/", views.missed, name="missed"),
]
