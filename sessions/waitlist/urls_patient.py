"""What patients reach by a signed link, without signing in."""

from django.urls import path

from sessions.waitlist import views

app_name = "offer"
urlpatterns = [path("t/<str:token>/", views.answer, name="answer")]
