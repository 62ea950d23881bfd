from django.urls import path

from aftercare import views

app_name = "aftercare"
urlpatterns = [
    path("sheets/", views.sheets, name="list"),
    path("sheets/<int:number>/", views.sheet, name="sheet"),
    path("sheets/<int:number>/pdf/", views.pdf, name="pdf"),
    path("records/<int:pk>/sheet/", views.issue, name="issue"),
]
