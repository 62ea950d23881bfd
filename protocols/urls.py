from django.urls import path

from protocols import views, views_watch
from protocols.urls_replan import urlpatterns as replan

app_name = "protocols"
urlpatterns = [
    *replan,
    path("patients/<int:pk>/assess/", views.assess, name="assess"),
    path("patients/<int:pk>/assess/concern/", views.concern, name="concern"),
    path("patients/<int:pk>/assess/concern/new/", views.concern_add, name="concern-add"),
    path("patients/<int:pk>/assess/score/", views.score, name="score"),
    path("patients/<int:pk>/asked/", views.asked_none, name="asked-none"),
    path("plans/<int:pk>/", views.plan, name="plan"),
    path("plans/<int:pk>/edit/", views.plan_edit, name="plan-edit"),
    path("plans/<int:pk>/answer/", views.plan_answer, name="plan-answer"),
    path("plans/<int:pk>/again/", views.plan_again, name="plan-again"),
    path("plans/<int:pk>/sign/", views.plan_sign, name="plan-sign"),
    path("plans/<int:pk>/discard/", views.plan_discard, name="plan-discard"),
    path("tasks/", views.tasks, name="tasks"),
    path("alerts/", views_watch.alerts, name="alerts"),
    path("alerts/<int:pk>/acknowledge/", views_watch.acknowledge, name="alert-acknowledge"),
    path("visits-on-hold/", views_watch.visits_on_hold, name="visits-on-hold"),
    path("catalogue/", views.catalogue, name="catalogue"),
]
