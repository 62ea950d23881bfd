"""What each role may do: the one table. Code asks for a permission, never for a role."""

import enum
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

from mesoclinic.accounts.models import User


class Permission(enum.Enum):
    """One act or one view that may be allowed. The value is the sentence a manager reads."""

    PATIENT_VIEW = "Find patients and open their page"
    PATIENT_REGISTER = "Register a new patient"
    PATIENT_EDIT = "Change contact details and language"
    PROFILE_VIEW = "See the clinical profile, assessments and records"
    PROFILE_EDIT = "Change the clinical profile: allergies, conditions, medication"
    ASSESSMENT_EDIT = "Assess a patient and propose a plan"
    PLAN_VIEW = "See a plan's course and windows"
    PLAN_EDIT = "Change a draft plan"
    PLAN_SIGN = "Sign a plan"
    CALENDAR_VIEW = "See the calendar"
    BOOKING_EDIT = "Book, move and cancel"
    VISITS_REFLOW = "Put booked visits in order that a change of the set-up hits"
    CHECK_IN = "Check a patient in"
    TREATMENT_VIEW = "See treatment records"
    TREATMENT_RECORD = "Record a treatment"
    TREATMENT_SIGN = "Sign a treatment record"
    SHEET_VIEW = "See aftercare sheets"
    SHEET_PRINT = "Issue and print an aftercare sheet"
    MESSAGE_VIEW = "Read the messages that left the clinic"
    MESSAGE_SEND = "Send a message again"
    CATALOGUE_VIEW = "Read the catalogue of agents, cocktails and protocols"
    CATALOGUE_EDIT = "Draft changes of the catalogue, import it, keep the formulary"
    CATALOGUE_PUBLISH = "Publish a version of the catalogue"
    STOCK_VIEW = "See stock and lots"
    STOCK_EDIT = "Receive and block lots"
    STAFF_VIEW = "See who works when"
    STAFF_EDIT = "Add people, change their roles, close their accounts"
    PLACES_EDIT = "Change locations, rooms, devices and visit types"
    ABSENCE_EDIT = "Enter who is away, and put the visits that are hit in order"
    HOURS_EDIT = "Change working hours, closures and public holidays"
    AUDIT_VIEW = "Read the audit trail"


P, N, F, M, A = (
    User.Role.PHYSICIAN,
    User.Role.NURSE,
    User.Role.FRONT_DESK,
    User.Role.MANAGER,
    User.Role.ADMINISTRATOR,
)

#: Clinical records are written and signed by clinical people only; the administrator runs the rest.
ALLOWED: dict[Permission, frozenset[str]] = {
    Permission.PATIENT_VIEW: frozenset({P, N, F, M, A}),
    Permission.PATIENT_REGISTER: frozenset({P, N, F, A}),
    Permission.PATIENT_EDIT: frozenset({P, N, F, A}),
    Permission.PROFILE_VIEW: frozenset({P, N}),
    Permission.PROFILE_EDIT: frozenset({P, N}),
    Permission.ASSESSMENT_EDIT: frozenset({P}),
    # The front desk sees the windows and durations that it books, not the doses: pages ask PROFILE_VIEW for those.
    Permission.PLAN_VIEW: frozenset({P, N, F}),
    Permission.PLAN_EDIT: frozenset({P}),
    Permission.PLAN_SIGN: frozenset({P}),
    Permission.CALENDAR_VIEW: frozenset({P, N, F, M, A}),
    Permission.BOOKING_EDIT: frozenset({P, N, F, M}),
    # Who changes hours or people sees to the visits that are hit, also where they book nothing else.
    Permission.VISITS_REFLOW: frozenset({P, N, F, M, A}),
    Permission.CHECK_IN: frozenset({P, N, F, M}),
    Permission.TREATMENT_VIEW: frozenset({P, N}),
    Permission.TREATMENT_RECORD: frozenset({P, N}),
    Permission.TREATMENT_SIGN: frozenset({P, N}),
    Permission.SHEET_VIEW: frozenset({P, N, F}),
    Permission.SHEET_PRINT: frozenset({P, N, F}),
    Permission.MESSAGE_VIEW: frozenset({P, N, F, M, A}),
    Permission.MESSAGE_SEND: frozenset({F, M, A}),
    Permission.CATALOGUE_VIEW: frozenset({P, N, M, A}),
    # The manager prepares; that the engine proposes by it is the medical director's decision.
    Permission.CATALOGUE_EDIT: frozenset({P, M}),
    Permission.CATALOGUE_PUBLISH: frozenset({P}),
    Permission.STOCK_VIEW: frozenset({P, N, M, A}),
    Permission.STOCK_EDIT: frozenset({N, M, A}),
    Permission.STAFF_VIEW: frozenset({P, N, F, M, A}),
    # Who gives out roles could give themselves any: the administrator only.
    Permission.STAFF_EDIT: frozenset({A}),
    Permission.PLACES_EDIT: frozenset({M, A}),
    # Who takes the call of somebody ill enters it.
    Permission.ABSENCE_EDIT: frozenset({F, M, A}),
    Permission.HOURS_EDIT: frozenset({M, A}),
    Permission.AUDIT_VIEW: frozenset({M, A}),
}


#: Of those whose role may, only the medical director does.
DIRECTOR_ONLY = frozenset({Permission.CATALOGUE_PUBLISH})


def has_permission(user: Any, permission: Permission) -> bool:
    """Whether `user` may do it. Nobody signed in, an inactive account or an unknown role: no."""
    if user is None or not getattr(user, "is_authenticated", False) or not user.is_active:
        return False
    return user.role in ALLOWED[permission] and (permission not in DIRECTOR_ONLY or user.medical_director)


def permissions_of(role: str) -> frozenset[Permission]:
    """All that a role may do."""
    return frozenset(permission for permission, roles in ALLOWED.items() if role in roles)


def ensure(user: Any, permission: Permission) -> None:
    """Raise PermissionDenied (403) unless `user` may do it."""
    if not has_permission(user, permission):
        raise PermissionDenied(permission.value)


def require[**Args](
    permission: Permission,
) -> Callable[[Callable[Args, HttpResponseBase]], Callable[Args, HttpResponseBase]]:
    """Guard a view: 403 for people who may not. Signing in is seen to by LoginRequiredMiddleware."""

    def decorate(view: Callable[Args, HttpResponseBase]) -> Callable[Args, HttpResponseBase]:
        @wraps(view)
        def guarded(*args: Args.args, **kwargs: Args.kwargs) -> HttpResponseBase:
            request = args[0]
            assert isinstance(request, HttpRequest)
            ensure(request.user, permission)
            return view(*args, **kwargs)

        # The test that walks every URL with every role reads it here.
        guarded.required_permission = permission  # type: ignore[attr-defined]
        return guarded

    return decorate
