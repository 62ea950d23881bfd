"""The map of all pages."""

from django.urls import URLPattern, URLResolver, include, path

from mesoclinic.ui.views import start

urlpatterns: list[URLPattern | URLResolver] = [
    path("", start, name="start"),
    path("", include("mesoclinic.services.urls")),
    path("", include("mesoclinic.accounts.urls")),
    path("", include("mesoclinic.audit.urls")),
    path("", include("patients.urls")),
    path("", include("protocols.urls")),
    path("", include("sessions.urls")),
    path("", include("sessions.selfservice.urls")),
    path("", include("sessions.waitlist.urls_patient")),
    path("", include("aftercare.urls")),
]
