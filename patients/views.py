"""Find, register and know a patient."""

from typing import Any, cast

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mesoclinic.accounts.models import User
from mesoclinic.accounts.permissions import Permission, has_permission, require
from mesoclinic.audit.actions import record_access
from mesoclinic.ui.middleware import typed
from mesoclinic.ui.reading import row_id
from patients import actions, queries, vocabulary
from patients.forms import FACT_FORMS, ContactForm, ProfileForm
from patients.models import Patient
from patients.registry import TimelineEntry, chart_buttons, chart_panels, timeline_sources
from patients.shell import banner_for

PAGE = 25
_KIND_WORDS = {
    "allergies": ("Allergies", "allergens"),
    "conditions": ("Conditions", "conditions"),
    "medications": ("Medicines and supplements", "medications"),
    "procedures": ("Earlier procedures", "procedures"),
    "labs": ("Laboratory", "labs"),
    "sun": ("Sun", ""),
    "reactions": ("Reactions to earlier treatments", "adverse_events"),
}


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)


@require_safe
@require(Permission.PATIENT_VIEW)
def patient_list(request: HttpRequest) -> HttpResponse:
    """All patients by name, or what a search finds."""
    text = queries.clean_query(request.GET.get("q", ""))
    page = Paginator(queries.patient_list(text), PAGE).get_page(request.GET.get("page"))
    return render(request, "patients/list.html", {"page_obj": page, "q": text})


@require_safe
@require(Permission.PATIENT_VIEW)
def search(request: HttpRequest) -> HttpResponse:
    """What the search box shows while one types; without htmx, the list page."""
    text = queries.clean_query(request.GET.get("q", ""))
    if not getattr(request, "htmx", False):
        return redirect(f"{request.path.removesuffix('search/')}?q={text}")
    return render(
        request, "patients/_results.html", {"patients": queries.search_anywhere(text, limit=8), "q": text}
    )


@require_http_methods(["GET", "HEAD", "POST"])
@require(Permission.PATIENT_REGISTER)
def register(request: HttpRequest) -> HttpResponse:
    """Register a new patient; people who may be the same are shown first."""
    form = ContactForm(request.POST or None, today=timezone.localdate())
    alike: list[Patient] = []
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        alike = queries.possible_duplicates(
            given_name=values["given_name"], family_name=values["family_name"], birth_date=values["birth_date"],
            phone=values["phone"],
        )  # fmt: skip
        if not alike or request.POST.get("different") == "1":
            try:
                patient = actions.register(by=_user(request), **values)
            except actions.PatientError as error:
                form.add_error(None, str(error))
            else:
                messages.success(request, f"{patient.full_name} is registered as {patient.record_number}.")
                return redirect("patients:chart", patient.pk)
    status = 422 if request.method == "POST" and form.errors else 200
    return render(request, "patients/register.html", {"form": form, "alike": alike}, status=status)


@require_safe
@require(Permission.PATIENT_VIEW)
def chart(request: HttpRequest, pk: int) -> HttpResponse:
    """The patient's page: banner, what comes next, facts, history."""
    patient = get_object_or_404(Patient, pk=pk)
    clinical = has_permission(request.user, Permission.PROFILE_VIEW)
    record_access(by=_user(request), patient_id=pk, what="chart")
    lines = [line for source in timeline_sources for line in source(patient, 30)]
    lines.append(
        TimelineEntry(patient.created_at, "user-plus", "Registered", patient.record_number, clinical=False)
    )
    lines = sorted(
        (line for line in lines if clinical or not line.clinical), key=lambda line: line.at, reverse=True
    )
    panels = [found for panel in chart_panels if (found := panel(request, patient))]
    return render(
        request,
        "patients/chart.html",
        {
            "patient": patient, "banner": banner_for(request, patient), "clinical": clinical, "timeline": lines[:40],
            "panels": [{"template": template, **context} for template, context in panels],
            "buttons": sorted(
                (button for buttons in chart_buttons for button in buttons(request, patient)),
                key=lambda button: button.primary,
            ),
            "health": health(patient) if clinical else [],
        },
    )  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@require(Permission.PATIENT_EDIT)
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Contact details and language."""
    return _single_facts(request, pk, ContactForm, "contact", "Contact details")


def _single_facts(request: HttpRequest, pk: int, form_class: Any, what: str, title: str) -> HttpResponse:
    patient = get_object_or_404(Patient, pk=pk)
    form = form_class(request.POST or None, instance=patient, today=timezone.localdate())
    if request.method == "POST" and form.is_valid():
        try:
            # The form has written into its own instance: the action reads a fresh row.
            actions.update(
                patient=Patient(pk=pk), by=_user(request), what=what,
                version=row_id(request.POST.get("version")) or 0,
                **form.cleaned_data,
            )  # fmt: skip
        except actions.PatientError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"{title} saved.")
            return redirect("patients:profile" if what == "profile" else "patients:chart", pk)
    stored = Patient.objects.get(pk=pk)
    record_access(by=_user(request), patient_id=pk, what=title.lower())
    context: dict[str, Any] = {
        "form": form, "patient": stored, "banner": banner_for(request, stored), "title": title,
        "version": request.POST.get("version") if request.method == "POST" else stored.version,
    }  # fmt: skip
    if what == "profile":
        context["lists"] = fact_lists(stored)
    return render(request, f"patients/{what}.html", context, status=422 if form.errors else 200)


def _line(kind: str, fact: Any) -> str:
    code = next((v for n in ("code", "substance", "kind", "event") if (v := getattr(fact, n, ""))), "")
    words = [str(code)]
    words[0] = (
        vocabulary.label(_KIND_WORDS[kind][1], words[0])
        if _KIND_WORDS[kind][1]
        else words[0].replace("-", " ")
    )
    if kind == "reactions":
        words.append(f"grade {fact.grade}")
    if kind == "labs":
        words = [vocabulary.lab_words(fact.code, fact.value, fact.unit)]
    for name, vocabulary_list in (
        ("reaction", "reactions"),
        ("severity", ""),
        ("status", ""),
        ("agent", "agents"),
        ("area", "areas"),
    ):
        code = str(getattr(fact, name, "") or "")
        if code:
            said = vocabulary.label(vocabulary_list, code) if vocabulary_list else code.replace("-", " ")
            words.append(said[:1].lower() + said[1:])
    if kind == "medications" and fact.current is False and not fact.last_dose:
        words.append("no longer taken")
    return ", ".join(words)


_DAYS = (("since", "since"), ("cleared_on", "cleared"), ("started", "from"), ("last_dose", "last dose"),
         ("done_on", ""), ("taken_on", ""), ("on", ""), ("occurred_on", ""), ("healed_on", "healed"))  # fmt: skip


def _fact_rows(patient: Patient, kind: str) -> list[dict[str, Any]]:
    return [
        {
            "pk": fact.pk, "text": _line(kind, fact),
            "days": [(word, day) for name, word in _DAYS if (day := getattr(fact, name, None))],
        }
        for fact in getattr(patient, kind).standing()
    ]  # fmt: skip


def health(patient: Patient) -> list[dict[str, Any]]:
    """The lists that decide what is safe, to read on the chart."""
    return [
        {"title": _KIND_WORDS[kind][0], "rows": _fact_rows(patient, kind),
         "asked": getattr(patient, actions.KINDS[kind][1])}
        for kind in ("allergies", "conditions", "medications", "procedures")
    ]  # fmt: skip


def fact_lists(patient: Patient) -> list[dict[str, Any]]:
    """Every coded list with its rows, its form and when it was asked for."""
    today = timezone.localdate()
    found = []
    for kind, (title, _vocabulary) in _KIND_WORDS.items():
        rows = _fact_rows(patient, kind)
        asked = getattr(patient, actions.KINDS[kind][1])
        form = FACT_FORMS[kind](today=today, auto_id=f"id_{kind}_%s")
        found.append({"kind": kind, "title": title, "rows": rows, "asked": asked, "form": form})
    return found


@require_http_methods(["GET", "HEAD", "POST"])
@require(Permission.PROFILE_VIEW)
def profile(request: HttpRequest, pk: int) -> HttpResponse:
    """The clinical profile."""
    return _single_facts(request, pk, ProfileForm, "profile", "Clinical profile")


def _list_answer(
    request: HttpRequest, patient: Patient, kind: str, form: Any = None, error: str = ""
) -> HttpResponse:
    if not getattr(request, "htmx", False) and form is None and not error:
        return redirect("patients:profile", patient.pk)
    patient.refresh_from_db()
    shown = next(row for row in fact_lists(patient) if row["kind"] == kind)
    if form is not None:
        shown["form"] = form
    context = {"list": shown, "patient": patient, "error": error, "banner": banner_for(request, patient)}
    template = "patients/_list_answer.html" if getattr(request, "htmx", False) else "patients/fact.html"
    return render(request, template, context, status=422 if form is not None or error else 200)


def _kind(kind: str) -> str:
    if kind not in actions.KINDS:
        raise Http404
    return kind


@require_http_methods(["GET", "POST"])
@require(Permission.PROFILE_EDIT)
def fact_add(request: HttpRequest, pk: int, kind: str) -> HttpResponse:
    """Add a coded fact, or state that there is none. An address that was reloaded leads back to the profile."""
    patient, kind, today = get_object_or_404(Patient, pk=pk), _kind(kind), timezone.localdate()
    if request.method == "GET":
        return redirect("patients:profile", patient.pk)
    if request.POST.get("none") == "1":
        actions.asked_none(patient=patient, kind=kind, by=_user(request), today=today)
        return _list_answer(request, patient, kind)
    form = FACT_FORMS[kind](request.POST, today=today, auto_id=f"id_{kind}_%s")
    if form.is_valid():
        extra = {"unit": vocabulary.lab_unit(form.cleaned_data["code"])} if kind == "labs" else {}
        try:
            actions.add_fact(
                patient=patient, kind=kind, by=_user(request), today=today, **form.cleaned_data, **extra
            )
        except actions.PatientError as error:
            form.add_error(None, str(error))
        else:
            return _list_answer(request, patient, kind)
    return _list_answer(request, patient, kind, form)


@require_POST
@require(Permission.PROFILE_EDIT)
def fact_retract(request: HttpRequest, pk: int, kind: str, fact: int) -> HttpResponse:
    """Take a wrong fact back, with the reason."""
    model, _asked = actions.KINDS[_kind(kind)]
    found = get_object_or_404(model, pk=fact, patient_id=pk)
    try:
        actions.retract_fact(
            fact=found, by=_user(request), now=timezone.now(), reason=typed(request, "reason", 300)
        )
    except actions.PatientError as error:
        return _list_answer(request, get_object_or_404(Patient, pk=pk), kind, error=str(error))
    return _list_answer(request, get_object_or_404(Patient, pk=pk), kind)
