"""Who signs in: list, add, change, close and reopen, a new one-time password."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mesoclinic.accounts.models import User
from mesoclinic.accounts.permissions import Permission, require
from sessions.setup import codes, queries
from sessions.setup.actions import people as actions
from sessions.setup.forms.people import NewPersonForm, PersonForm
from sessions.setup.views.common import (
    Outcome,
    accepted,
    attempt,
    frame,
    hit_context,
    page_of,
    searched,
    still_typing,
    told,
    told_or_reflow,
    user_of,
)


def _does(user: User) -> str:
    practitioner = getattr(user, "practitioner", None)
    return codes.words(practitioner.qualifications, codes.QUALIFICATIONS) if practitioner else ""


@require_safe
@require(Permission.STAFF_EDIT)
def people(request: HttpRequest) -> HttpResponse:
    """Everybody who signs in, by name; closed accounts on a list of their own."""
    text, closed = searched(request), request.GET.get("closed") == "1"
    page = page_of(request, queries.people(text, closed=closed))
    rows = [{"person": user, "does": _does(user)} for user in page]
    context = frame(request, "people", page=page, rows=rows, q=text, closed=closed)
    return render(request, "sessions/setup/people.html", context)


def _password_page(request: HttpRequest, user: User, password: str, *, new: bool) -> HttpResponse:
    context = frame(request, "people", person=user, password=password, new=new)
    return render(request, "sessions/setup/password.html", context)


@never_cache
@require_http_methods(["GET", "POST"])
@require(Permission.STAFF_EDIT)
def person_new(request: HttpRequest) -> HttpResponse:
    """Add somebody. The one-time password is in this answer only."""
    form = NewPersonForm(request.POST or None)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            outcome = attempt(lambda: actions.add(by=user_of(request), **form.cleaned_data), form)
            if outcome.saved:
                user, password = outcome.made
                return _password_page(request, user, password, new=True)
    context = frame(request, "people", form=form)
    return render(request, "sessions/setup/person_new.html", context, status=status)


def _person_page(
    request: HttpRequest, user: User, form: PersonForm | None = None, outcome: Outcome | None = None, act: str = ""
) -> HttpResponse:  # fmt: skip
    practitioner = getattr(user, "practitioner", None)
    form = form or PersonForm(
        initial={
            "full_name": user.full_name, "email": user.email, "role": user.role,
            "qualifications": practitioner.qualifications if practitioner else [],
            "medical_director": user.medical_director,
        }
    )  # fmt: skip
    context: dict[str, Any] = frame(
        request, "people", person=user, form=form, practitioner=practitioner, me=user.pk == request.user.pk, act=act,
        error=outcome.error if outcome else "", **hit_context(request, outcome),
    )  # fmt: skip
    return render(
        request, "sessions/setup/person.html", context, status=outcome.status if outcome is not None else 200
    )


def _done(request: HttpRequest, user: User, sentence: str) -> HttpResponse:
    practitioner = getattr(user, "practitioner", None)
    if practitioner is None:
        return told(request, sentence, "sessions:setup-people")
    return told_or_reflow(request, sentence, "practitioner", practitioner.pk, "sessions:setup-people")


@require_http_methods(["GET", "POST"])
@require(Permission.STAFF_EDIT)
def person(request: HttpRequest, pk: int) -> HttpResponse:
    """Name, e-mail, role and what somebody does."""
    user = get_object_or_404(User.objects.select_related("practitioner"), pk=pk)
    if request.method == "GET":
        return _person_page(request, user)
    form = PersonForm(request.POST)
    if still_typing(request):
        return _person_page(request, user, form)
    outcome = Outcome()
    if form.is_valid():
        outcome = attempt(
            lambda: actions.change(
                user=user, by=user_of(request), now=timezone.now(), accepted=accepted(request),
                **form.cleaned_data,
            ),
            form,
        )  # fmt: skip
    if outcome.saved:
        return _done(request, user, f"{outcome.made.full_name} is saved.")
    return _person_page(request, user, form, outcome, "change")


@require_POST
@require(Permission.STAFF_EDIT)
def person_deactivate(request: HttpRequest, pk: int) -> HttpResponse:
    """Close an account; booked visits are shown first."""
    user = get_object_or_404(User.objects.select_related("practitioner"), pk=pk)
    outcome = attempt(
        lambda: actions.deactivate(
            user=user, by=user_of(request), now=timezone.now(), accepted=accepted(request)
        )
    )
    if not outcome.saved:
        return _person_page(request, user, None, outcome, "deactivate")
    return _done(request, user, f"{user.full_name} can't sign in any more.")


@require_POST
@require(Permission.STAFF_EDIT)
def person_reactivate(request: HttpRequest, pk: int) -> HttpResponse:
    """Open a closed account again."""
    user = get_object_or_404(User, pk=pk)
    actions.reactivate(user=user, by=user_of(request))
    messages.success(request, f"{user.full_name} can sign in again.")
    return redirect("sessions:setup-person", pk)


@never_cache
@require_POST
@require(Permission.STAFF_EDIT)
def person_password(request: HttpRequest, pk: int) -> HttpResponse:
    """A new one-time password, in this answer only."""
    user = get_object_or_404(User.objects.select_related("practitioner"), pk=pk)
    outcome = attempt(lambda: actions.new_password(user=user, by=user_of(request)))
    if not outcome.saved:
        return _person_page(request, user, None, outcome)
    return _password_page(request, user, outcome.made, new=False)
