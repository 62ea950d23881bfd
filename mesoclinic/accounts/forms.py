"""Forms of the account pages."""

from typing import Any

from django import forms
from django.contrib.auth import authenticate
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from mesoclinic.accounts import actions, rate_limit
from mesoclinic.accounts.models import User

TOO_MANY = _("Too many tries. Wait 15 minutes, or ask your administrator for a new password.")
WARN_BELOW = 5


def _wrong(sentence: str, left: int) -> ValidationError:
    """The error after a wrong password; says the tries left once they run short."""
    if left == 0:
        return ValidationError(TOO_MANY, code="rate-limited")
    if left < WARN_BELOW:
        tries = ngettext("%(count)d try left.", "%(count)d tries left.", left) % {"count": left}
        return ValidationError(f"{sentence} {tries}", code="wrong")
    return ValidationError(sentence, code="wrong")


def _check_own(request: HttpRequest, password: str, *, what: str) -> None:
    """Raise ValidationError unless it is the password of the signed-in person."""
    user, address = request.user, rate_limit.client_address(request)
    assert isinstance(user, User)
    if rate_limit.tries_left(user.username, address) == 0:
        raise ValidationError(TOO_MANY, code="rate-limited")
    if not user.check_password(password):
        left = rate_limit.count_failure(user.username, address)
        actions.note_refused_password(by=user, what=what, address=address, tries_left=left)
        raise _wrong(str(_("The password is wrong.")), left)
    rate_limit.forget_failures(user.username, address)


class SignInForm(AuthenticationForm):
    """Name and password, with the rate limit around the check."""

    def clean(self) -> dict[str, Any]:
        username, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if not username or not password or self.request is None:
            return self.cleaned_data
        address = rate_limit.client_address(self.request)
        if rate_limit.tries_left(username, address) == 0:
            # Checked before the password: a right guess must not open the door either.
            raise ValidationError(TOO_MANY, code="rate-limited")
        user = authenticate(self.request, username=username, password=password)
        if user is None:
            left = rate_limit.count_failure(username, address)
            actions.note_failed_sign_in(username=username, address=address, tries_left=left)
            self.add_error("password", _wrong(str(_("User name or password is wrong.")), left))
            return self.cleaned_data
        rate_limit.forget_failures(username, address)
        self.user_cache = user
        self.confirm_login_allowed(user)
        return self.cleaned_data


class UnlockForm(forms.Form):
    """The password of the person who locked the screen."""

    password = forms.CharField(
        label=_("Password"),
        strip=False,
        max_length=4096,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        _check_own(self.request, password, what="unlock")
        return password


class NewPasswordForm(PasswordChangeForm):
    """Old password once, new password twice; saving is `actions.change_password`."""

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request

    def clean_old_password(self) -> str:
        """The old password, with the same limit as at sign-in: an open session is no licence to guess."""
        password: str = self.cleaned_data["old_password"]
        _check_own(self.request, password, what="password-change")
        return password
