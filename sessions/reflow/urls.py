"""Re-flow; included by sessions.urls."""

from django.urls import path

from sessions.reflow import views

urlpatterns = [
    path("out-of-window/", views.out_of_window, name="out-of-window"),
    path("not-possible/", views.not_possible, name="not-possible"),
    path("plans/<int:pk>/reflow/<int:course>/", views.course, name="course-reflow"),
    path("reflow/undo/", views.undo, name="reflow-undo"),
    path("reflow/undo/<slug:key>/", views.undo_all, name="reflow-undo-all"),
    path("reflow/<slug:kind>/<int:pk>/", views.cause, name="reflow-cause"),
]
