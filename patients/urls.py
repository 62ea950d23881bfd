from django.urls import path

from patients import views

app_name = "patients"
urlpatterns = [
    path("patients/", views.patient_list, name="list"),
    path("patients/search/", views.search, name="search"),
    path("patients/new/", views.register, name="register"),
    path("patients/<int:pk>/", views.chart, name="chart"),
    path("patients/<int:pk>/contact/", views.edit, name="edit"),
    path("patients/<int:pk>/profile/", views.profile, name="profile"),
    path("patients/<int:pk>/profile/<slug:kind>/", views.fact_add, name="fact-add"),
    path(
        "patients/<int:pk>/profile/<slug:kind>/<int:fact>/retract/", views.fact_retract, name="fact-retract"
    ),
]
