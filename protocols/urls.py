from django.urls import path

from protocols import views, views_watch
from protocols import views_catalogue as catalogue
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
    path("catalogue/", catalogue.catalogue_list, name="catalogue"),
    path("catalogue/versions/", catalogue.catalogue_versions, name="catalogue-versions"),
    path("catalogue/versions/<int:pk>/", catalogue.catalogue_version, name="catalogue-version"),
    path("catalogue/versions/<int:pk>/records/", catalogue.catalogue_draft, name="catalogue-draft"),
    path("catalogue/versions/<int:pk>/try/", catalogue.catalogue_try, name="catalogue-try"),
    path("catalogue/versions/<int:pk>/trial/", catalogue.catalogue_trial, name="catalogue-trial"),
    path("catalogue/versions/<int:pk>/publish/", catalogue.catalogue_publish, name="catalogue-publish"),
    path("catalogue/versions/<int:pk>/discard/", catalogue.catalogue_discard, name="catalogue-discard"),
    path("catalogue/versions/<int:pk>/export/", catalogue.catalogue_export, name="catalogue-export"),
    path("catalogue/versions/<int:pk>/copy/<slug:code>/", catalogue.catalogue_copy, name="catalogue-copy"),
    path(
        "catalogue/versions/<int:pk>/<slug:kind>/<slug:code>/",
        catalogue.catalogue_edit,
        name="catalogue-edit",
    ),
    path("catalogue/import/", catalogue.catalogue_import, name="catalogue-import"),
    path("catalogue/formulary/", catalogue.formulary, name="catalogue-formulary"),
    path("catalogue/formulary/change/", catalogue.formulary_change, name="catalogue-formulary-change"),
    path("catalogue/formulary/<int:pk>/", catalogue.formulary_product, name="catalogue-product"),
    path("catalogue/favourites/", catalogue.favourite_list, name="catalogue-favourites"),
    path(
        "catalogue/favourites/<int:pk>/remove/", catalogue.favourite_remove, name="catalogue-favourite-remove"
    ),
    path("catalogue/<slug:kind>/<slug:code>/", catalogue.catalogue_record, name="catalogue-record"),
    path("plans/<int:pk>/favourites/", catalogue.plan_favourites, name="plan-favourites"),
    path("plans/<int:pk>/favourites/save/", catalogue.favourite_save, name="favourite-save"),
    path("plans/<int:pk>/favourites/use/", catalogue.favourite_use, name="favourite-use"),
]
