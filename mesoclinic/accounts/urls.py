"""Pages of signing in, locking and choosing a place."""

from django.urls import path

from mesoclinic.accounts import views

app_name = "accounts"

urlpatterns = [
    path("sign-in/", views.SignIn.as_view(), name="sign-in"),
    path("sign-out/", views.sign_out, name="sign-out"),
    path("lock/", views.lock, name="lock"),
    path("unlock/", views.unlock, name="unlock"),
    path("password/", views.password, name="password"),
    path("hide-names/", views.hide_names, name="hide-names"),
    path("place/", views.place, name="place"),
]
