"""Signing in and out, the lock, the own password, place and privacy."""

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth import logout, update_session_auth_hash
from django.contrib.auth.views import LoginView
from django.forms import BaseForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from mesoclinic.accounts import actions
from mesoclinic.accounts.forms import NewPasswordForm, SignInForm, UnlockForm
from mesoclinic.accounts.models import User
from mesoclinic.ui import registry


def safe_next(request: HttpRequest) -> str:
    """The page to go back to: ours only, else the start page."""
    target = request.POST.get("next") or request.GET.get("next") or ""
    inside = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    # Unlocking must never lead back to the lock itself.
    if not inside or target.startswith((reverse("accounts:lock"), reverse("accounts:unlock"))):
        return "/"
    return target


def _limited(form: BaseForm) -> bool:
    return any(error.code == "rate-limited" for errors in form.errors.as_data().values() for error in errors)


class SignIn(LoginView):
    """Name and password; a wrong one answers on the same page."""

    template_name = "accounts/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        actions.note_sign_in(by=cast(User, form.get_user()))
        return response

    def form_invalid(self, form: Any) -> HttpResponse:
        status = 429 if _limited(form) else 200
        return self.render_to_response(self.get_context_data(form=form), status=status)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the web session."""
    actions.note_sign_out(by=cast(User, request.user))
    logout(request)
    return redirect("accounts:sign-in")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def lock(request: HttpRequest) -> HttpResponse:
    """POST locks the screen; GET shows the locked screen."""
    if request.method == "POST":
        request.session["locked"] = True
        request.session["locked_page"] = safe_next(request)
        return redirect("accounts:lock")
    if not request.session.get("locked"):
        return HttpResponseRedirect(safe_next(request))
    if "next" in request.GET:
        request.session["locked_page"] = safe_next(request)
    return render(request, "accounts/lock.html", {"form": UnlockForm(request=request)})


@never_cache
@sensitive_post_parameters("password")
@require_POST
def unlock(request: HttpRequest) -> HttpResponse:
    """Open the lock with the person's password and go back to the page it covers."""
    form = UnlockForm(request.POST, request=request)
    if not form.is_valid():
        return render(request, "accounts/lock.html", {"form": form}, status=429 if _limited(form) else 200)
    request.session.pop("locked", None)
    return HttpResponseRedirect(request.session.pop("locked_page", "/"))


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def password(request: HttpRequest) -> HttpResponse:
    """Change the own password."""
    user = cast(User, request.user)
    form = NewPasswordForm(user, request.POST or None, request=request)
    if request.method == "POST" and form.is_valid():
        actions.change_password(by=user, password=form.cleaned_data["new_password1"])
        # The other web sessions of this person end, this one goes on.
        update_session_auth_hash(request, user)
        messages.success(request, _("Password changed."))
        return HttpResponseRedirect(safe_next(request))
    limited = request.method == "POST" and _limited(form)
    return render(
        request,
        "accounts/password.html",
        {"form": form, "next": safe_next(request)},
        status=429 if limited else 200,
    )


@require_POST
def hide_names(request: HttpRequest) -> HttpResponse:
    """Show initials instead of names, or names again."""
    request.session["hide_names"] = not request.session.get("hide_names")
    return HttpResponseRedirect(safe_next(request))


@require_POST
def place(request: HttpRequest) -> HttpResponse:
    """Work at another of the clinic's places from now on."""
    for choice in registry.places(request):
        if str(choice["id"]) == request.POST.get("place"):
            request.session["place"] = dict(choice)
            return HttpResponseRedirect(safe_next(request))
    raise Http404("no such place")
