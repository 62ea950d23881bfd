from django.urls import path

from mesoclinic.audit import views

app_name = "audit"
urlpatterns = [
    path("audit/", views.trail, name="list"),
    path("audit/opened/", views.opened, name="opened"),
]
