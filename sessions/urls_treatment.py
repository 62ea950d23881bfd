"""Pages of the treatment day; included by sessions.urls."""

from django.urls import path

from sessions.views import treatment as views

urlpatterns = [
    path("appointments/<int:pk>/treatment/", views.open_treatment, name="treatment-open"),
    path("records/<int:pk>/", views.treatment, name="treatment"),
    path("records/<int:pk>/start/", views.start, name="treatment-start"),
    path("records/<int:pk>/sign/", views.sign, name="treatment-sign"),
    path("records/<int:pk>/decide/", views.decide, name="treatment-decide"),
    path("records/<int:pk>/correct/", views.correct, name="treatment-correct"),
    path("stock/", views.stock, name="stock"),
    path("stock/<int:pk>/", views.lot, name="lot"),
]
