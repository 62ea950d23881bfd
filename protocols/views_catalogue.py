"""The catalogue that the clinic owns: reading it, drafting, trying and publishing; the formulary; favourites."""

from typing import Any, cast

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mesoclinic.accounts.models import User
from mesoclinic.accounts.permissions import Permission, has_permission, require
from mesoclinic.ui.middleware import typed
from patients.queries import with_name
from protocols import actions_catalogue as actions
from protocols import catalogue, favourites
from protocols import queries_catalogue as queries
from protocols.actions import PlanError
from protocols.engine import KnowledgeError
from protocols.engine.recheck import EditFault
from protocols.forms_catalogue import (
    CopyForm,
    FavouriteForm,
    FormularyForm,
    ImportForm,
    ProductForm,
    RecordForm,
)
from protocols.importing import ImportFaults, as_zip, read_files
from protocols.models import TreatmentPlan
from protocols.models_catalogue import CatalogueVersion, Favourite, Formulary, FormularyProduct

Status = CatalogueVersion.Status
PER_PAGE = 30


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)


def _whole(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else 0


def _search(request: HttpRequest) -> str:
    return request.GET.get("q", "").strip()[:80]


# ---- reading -----------------------------------------------------------------------------------------------


def _listed(request: HttpRequest, version: CatalogueVersion | None) -> dict[str, Any]:
    kind = request.GET.get("kind", "cocktails")
    if kind not in queries.KINDS:
        raise Http404
    text = _search(request)
    rows = queries.listing(kind, queries.data_of(version), text)
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    return {"page": page, "kind": kind, "kinds": queries.TABS, "q": text, "version": version}


@require_safe
@require(Permission.CATALOGUE_VIEW)
def catalogue_list(request: HttpRequest) -> HttpResponse:
    """Read what the engine knows, with grade and source."""
    context = _listed(request, queries.published())
    if has_permission(request.user, Permission.CATALOGUE_EDIT):
        context["drafts"] = queries.draft_of(_user(request).pk)[:3]
    return render(request, "protocols/catalogue/list.html", context)


@require_safe
@require(Permission.CATALOGUE_VIEW)
def catalogue_record(request: HttpRequest, kind: str, code: str) -> HttpResponse:
    """One record of the published version: every field, its source, where it is used."""
    if kind not in queries.KINDS:
        raise Http404
    version = queries.published()
    found = queries.described(kind, code, queries.data_of(version))
    if found is None:
        raise Http404
    context: dict[str, Any] = {"record": found, "version": version, "kinds": queries.TABS}
    if has_permission(request.user, Permission.CATALOGUE_EDIT):
        context["drafts"] = queries.draft_of(_user(request).pk)[:3]
    return render(request, "protocols/catalogue/record.html", context)


# ---- versions ----------------------------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
@require(Permission.CATALOGUE_EDIT)
def catalogue_versions(request: HttpRequest) -> HttpResponse:
    """All versions; sending the form begins a draft of the published one."""
    fault = ""
    if request.method == "POST":
        try:
            version = actions.draft(by=_user(request), reason=typed(request, "reason", 600))
        except actions.CatalogueError as error:
            fault = str(error)
        else:
            return redirect("protocols:catalogue-version", version.pk)
    rows = queries.versions()
    text = _search(request)
    if text:
        rows = rows.filter(reason__icontains=text) | rows.filter(name__icontains=text)
    context = {
        "page": Paginator(rows, 20).get_page(request.GET.get("page")), "q": text, "fault": fault,
        "typed": typed(request, "reason", 600) if fault else "",
    }  # fmt: skip
    return render(request, "protocols/catalogue/versions.html", context, status=422 if fault else 200)


def _version(pk: int) -> CatalogueVersion:
    rows = CatalogueVersion.objects.select_related("author", "published_by", "based_on").defer(
        "based_on__documents"
    )
    return get_object_or_404(rows, pk=pk)


def _version_page(
    request: HttpRequest, version: CatalogueVersion, *, fault: str = "", lines: list[str] | None = None,
    status: int = 200,
) -> HttpResponse:  # fmt: skip
    against = queries.published()
    other = version.based_on if against is not None and against.pk == version.pk else against
    if other is not None:
        other = CatalogueVersion.objects.get(pk=other.pk)
    groups = queries.difference_rows(queries.data_of(other), queries.data_of(version)) if other else []
    faults = actions.faults_of(version.documents) if version.status == Status.DRAFT else []
    trial = version.trials.select_related("started_by").first()
    context = {
        "version": version, "published": against, "other": other, "fault": fault,
        "groups": Paginator(groups, 25).get_page(request.GET.get("page")),
        "values": sum(len(group["rows"]) for group in groups),
        "faults": queries.fault_rows([*(lines or []), *(line for line in faults if line not in (lines or []))]),
        "stale": trial is not None and (
            trial.sha256 != version.sha256 or (against is not None and trial.against_sha256 != against.sha256)
        ),
        "typed": typed(request, "reason", 600) if fault else "",
    }  # fmt: skip
    context |= _trial(request, version)
    return render(request, "protocols/catalogue/version.html", context, status=status)


def _trial(request: HttpRequest, version: CatalogueVersion) -> dict[str, Any]:
    """The newest trial of a draft with a page of what it would change. Names only for who may see records."""
    trial = version.trials.select_related("started_by").first()
    if trial is None:
        return {"trial": None}
    rows = trial.changes.select_related("plan__patient")
    text = request.GET.get("who", "").strip()[:80]
    named = has_permission(request.user, Permission.PROFILE_VIEW)
    if text and named:
        rows = rows.filter(plan__patient__in=with_name(text)) | rows.filter(case__icontains=text)
    return {
        "trial": trial, "named": named, "who": text, "changed_cases": trial.changes.exclude(case="").count(),
        "changed_plans": trial.changes.filter(plan__isnull=False).count(),
        "severe": trial.changes.filter(severe=True).count(),
        "changes": Paginator(rows if named else rows.exclude(case=""), 20).get_page(request.GET.get("trial_page")),
    }  # fmt: skip


@require_safe
@require(Permission.CATALOGUE_EDIT)
def catalogue_version(request: HttpRequest, pk: int) -> HttpResponse:
    """A version: what differs, what is wrong with it, what it would change, and the way to publish it."""
    return _version_page(request, _version(pk))


@require_safe
@require(Permission.CATALOGUE_EDIT)
def catalogue_trial(request: HttpRequest, pk: int) -> HttpResponse:
    """The state of the trial, asked again while it runs."""
    version = _version(pk)
    return render(request, "protocols/catalogue/_trial.html", {"version": version} | _trial(request, version))


@require_POST
@require(Permission.CATALOGUE_EDIT)
def catalogue_try(request: HttpRequest, pk: int) -> HttpResponse:
    """Try a draft on the case library and every live plan."""
    version = _version(pk)
    try:
        actions.start_trial(version=version, by=_user(request))
    except actions.CatalogueError as error:
        return _version_page(request, version, fault=str(error), lines=error.faults, status=409)
    return redirect("protocols:catalogue-version", pk)


@require_POST
@require(Permission.CATALOGUE_PUBLISH)
def catalogue_publish(request: HttpRequest, pk: int) -> HttpResponse:
    """Publish a draft, or an older version again as a new one."""
    version, now = _version(pk), timezone.now()
    reason, instead = typed(request, "reason", 600), _whole(request.POST.get("instead_of"))
    try:
        if version.status == Status.DRAFT:
            published = actions.publish(
                version=version, by=_user(request), revision=_whole(request.POST.get("revision")),
                instead_of=instead, reason=reason, now=now,
            )  # fmt: skip
        else:
            published = actions.roll_back(
                to=version, by=_user(request), instead_of=instead, reason=reason, now=now
            )
    except actions.CatalogueError as error:
        return _version_page(request, _version(pk), fault=str(error), lines=error.faults, status=409)
    messages.success(
        request, f"Version {published.number} is published. Plans proposed from now on follow it."
    )
    return redirect("protocols:catalogue-version", published.pk)


@require_POST
@require(Permission.CATALOGUE_EDIT)
def catalogue_discard(request: HttpRequest, pk: int) -> HttpResponse:
    """Put a draft away."""
    try:
        actions.discard(version=_version(pk), by=_user(request))
    except actions.CatalogueError as error:
        return _version_page(request, _version(pk), fault=str(error), status=409)
    messages.success(request, "The draft was put away. It stays readable.")
    return redirect("protocols:catalogue-versions")


@require_safe
@require(Permission.CATALOGUE_VIEW)
def catalogue_export(request: HttpRequest, pk: int) -> HttpResponse:
    """A version as a zip of the same JSON files."""
    version = get_object_or_404(CatalogueVersion, pk=pk)
    response = HttpResponse(as_zip(version.documents), content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="mesoclinic-catalogue-{version.number}.zip"'
    return response


@require_http_methods(["GET", "POST"])
@require(Permission.CATALOGUE_EDIT)
def catalogue_import(request: HttpRequest) -> HttpResponse:
    """Files from outside as a draft: all of them, or none."""
    form = ImportForm(request.POST or None, request.FILES or None)
    fault, lines = "", []
    if request.method == "POST" and form.is_valid():
        try:
            version = actions.import_documents(
                texts=read_files(form.cleaned_data["documents"]),
                by=_user(request),
                reason=form.cleaned_data["reason"],
            )
        except ImportFaults as error:
            fault, lines = "Nothing was imported.", error.faults
        except actions.CatalogueError as error:
            fault, lines = str(error), error.faults
        else:
            messages.success(
                request, "Imported as a draft. Nothing changes for patients until it is published."
            )
            return redirect("protocols:catalogue-version", version.pk)
    bad = request.method == "POST"
    context = {"form": form, "fault": fault, "faults": queries.fault_rows(lines)}
    return render(request, "protocols/catalogue/import.html", context, status=422 if bad else 200)


# ---- a draft's records -------------------------------------------------------------------------------------


@require_safe
@require(Permission.CATALOGUE_EDIT)
def catalogue_draft(request: HttpRequest, pk: int) -> HttpResponse:
    """The records of a version, to find the one to change."""
    return render(request, "protocols/catalogue/draft.html", _listed(request, _version(pk)))


@require_http_methods(["GET", "POST"])
@require(Permission.CATALOGUE_EDIT)
def catalogue_edit(request: HttpRequest, pk: int, kind: str, code: str) -> HttpResponse:
    """One record of a version: its form while it is a draft, with the faults and the difference beside it."""
    version = _version(pk)
    if kind not in queries.KINDS:
        raise Http404
    document, data = queries.KINDS[kind][0], queries.data_of(version)
    record = queries.records(document, data).get(code)
    if record is None:
        raise Http404
    known, fault, form = queries.words(data), "", None
    if version.status == Status.DRAFT:
        form = RecordForm(request.POST or None, document=document, code=code, row=record, known=known)
        if request.method == "POST" and form.is_valid():
            try:
                actions.edit_record(
                    version=version, by=_user(request), revision=_whole(request.POST.get("revision")),
                    document=document, code=code, row=form.record(),
                )  # fmt: skip
            except actions.CatalogueError as error:
                fault = str(error)
            else:
                messages.success(request, f"{code} saved in draft {version.number}.")
                return redirect("protocols:catalogue-edit", pk, kind, code)
        elif request.method == "POST":
            fault = "Some values need another look. They are marked below."
    elif request.method == "POST":
        fault = "This version is not a draft any more. Begin a new draft to change it."
    published = queries.published()
    groups = queries.difference_rows(queries.data_of(published), data)
    faults = queries.fault_rows(actions.faults_of(version.documents)) if form else []
    context = {
        "version": version, "record": queries.described(kind, code, data), "form": form, "fault": fault,
        "own_faults": [row for row in faults if row["kind"] == kind and row["code"] == code],
        "other_faults": [row for row in faults if row["kind"] != kind or row["code"] != code],
        "difference": next((g for g in groups if g["document"] == document and g["code"] == code), None),
        "published": published, "kinds": queries.TABS, "copy": CopyForm() if kind == "cocktails" else None,
    }  # fmt: skip
    return render(request, "protocols/catalogue/edit.html", context, status=422 if fault else 200)


@require_POST
@require(Permission.CATALOGUE_EDIT)
def catalogue_copy(request: HttpRequest, pk: int, code: str) -> HttpResponse:
    """A new cocktail that begins as a copy of this one."""
    version, new = _version(pk), typed(request, "code", 20).strip().upper()
    try:
        actions.copy_cocktail(
            version=version, by=_user(request), revision=_whole(request.POST.get("revision")), source=code,
            code=new, label=typed(request, "label", 100),
        )  # fmt: skip
    except actions.CatalogueError as error:
        messages.error(request, str(error))
        if code not in queries.records("cocktails", queries.data_of(version)):
            return redirect("protocols:catalogue-draft", pk)
        return redirect("protocols:catalogue-edit", pk, "cocktails", code)
    return redirect("protocols:catalogue-edit", pk, "cocktails", new)


# ---- the formulary -----------------------------------------------------------------------------------------


@require_safe
@require(Permission.CATALOGUE_VIEW)
def formulary(request: HttpRequest) -> HttpResponse:
    """What the clinic has in house: products that stand for agents, modalities, and whether the engine keeps to it."""
    return _formulary_page(request)


@require_POST
@require(Permission.CATALOGUE_EDIT)
def formulary_change(request: HttpRequest) -> HttpResponse:
    """Add a product (`act=product`), or say what is in house."""
    kept, product, fault = None, None, ""
    try:
        if request.POST.get("act") == "product":
            product = ProductForm(request.POST)
            if product.is_valid():
                actions.add_product(by=_user(request), **product.cleaned_data)
                return redirect("protocols:catalogue-formulary")
        else:
            kept = FormularyForm(request.POST)
            if kept.is_valid():
                actions.set_formulary(by=_user(request), **kept.cleaned_data)
                messages.success(request, "Formulary saved.")
                return redirect("protocols:catalogue-formulary")
    except actions.CatalogueError as error:
        fault = str(error)
    fault = fault or "Some values need another look. They are marked below."
    return _formulary_page(request, kept=kept, product=product, fault=fault)


def _formulary_page(
    request: HttpRequest,
    *,
    kept: FormularyForm | None = None,
    product: ProductForm | None = None,
    fault: str = "",
) -> HttpResponse:
    row = Formulary.objects.filter(pk=1).select_related("changed_by").first()
    initial = {"applies": row.applies, "modalities": row.modalities, "devices": row.devices} if row else {}
    found = queries.formulary_page(catalogue.knowledge())
    text = _search(request)
    rows = [
        one for one in found["products"]
        if text.casefold() in f"{one.label} {one.agent} {one.brand} {one.manufacturer}".casefold()
    ]  # fmt: skip
    context = {
        "row": row, "form": kept or FormularyForm(initial=initial), "product_form": product or ProductForm(),
        "fault": fault, "q": text, "lost": found["lost"],
        "page": Paginator(rows, PER_PAGE).get_page(request.GET.get("page")),
        "may": has_permission(request.user, Permission.CATALOGUE_EDIT),
    }  # fmt: skip
    return render(request, "protocols/catalogue/formulary.html", context, status=422 if fault else 200)


@require_POST
@require(Permission.CATALOGUE_EDIT)
def formulary_product(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a product out of the house, or bring it back."""
    product = get_object_or_404(FormularyProduct, pk=pk)
    actions.stock_product(product=product, by=_user(request), in_house=request.POST.get("in_house") == "1")
    return redirect("protocols:catalogue-formulary")


# ---- favourites --------------------------------------------------------------------------------------------


@require_safe
@require(Permission.CATALOGUE_VIEW)
def favourite_list(request: HttpRequest) -> HttpResponse:
    """The clinic's named protocols."""
    rows = Favourite.objects.filter(removed_at__isnull=True).select_related("by")
    text = _search(request)
    if text:
        rows = rows.filter(name__icontains=text) | rows.filter(indication__icontains=text)
    context = {"page": Paginator(rows, PER_PAGE).get_page(request.GET.get("page")), "q": text}
    return render(request, "protocols/catalogue/favourites.html", context)


@require_POST
@require(Permission.PLAN_EDIT)
def favourite_remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Offer a favourite no more."""
    favourite = get_object_or_404(Favourite, pk=pk)
    actions.remove_favourite(favourite=favourite, by=_user(request))
    messages.success(request, f"{favourite.name} is offered no more. Plans made with it stay as they are.")
    return redirect("protocols:catalogue-favourites")


@require_safe
@require(Permission.PLAN_EDIT)
def plan_favourites(request: HttpRequest, pk: int) -> HttpResponse:
    """The favourites for a plan's concerns, each checked for this patient; asked for by the plan page."""
    plan = get_object_or_404(TreatmentPlan.objects.select_related("patient"), pk=pk)
    return _favourites(request, plan)


def _favourites(
    request: HttpRequest,
    plan: TreatmentPlan,
    *,
    fault: str = "",
    form: FavouriteForm | None = None,
    status: int = 200,
) -> HttpResponse:
    draft = plan.status == TreatmentPlan.Status.DRAFT
    context = {
        "plan": plan, "draft": draft, "fault": fault, "form": form or FavouriteForm(),
        "offered": favourites.offered(plan, timezone.localdate()) if draft else [],
        "courses": [
            (number, course["concerns"][0])
            for number, course in enumerate(plan.content.get("courses", []))
            if len(course["concerns"]) == 1
        ],
    }  # fmt: skip
    whole = "_favourites" if getattr(request, "htmx", False) else "plan_favourites"
    return render(request, f"protocols/catalogue/{whole}.html", context, status=status)


@require_POST
@require(Permission.PLAN_EDIT)
def favourite_save(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep a course of this plan as a favourite."""
    plan = get_object_or_404(TreatmentPlan.objects.select_related("patient"), pk=pk)
    form = FavouriteForm(request.POST)
    fault = ""
    if form.is_valid():
        try:
            actions.save_favourite(
                plan=plan, course=_whole(request.POST.get("course")), name=form.cleaned_data["name"],
                note=form.cleaned_data["note"], by=_user(request),
            )  # fmt: skip
        except actions.CatalogueError as error:
            fault = str(error)
        else:
            if getattr(request, "htmx", False):
                return _favourites(request, plan)
            return redirect("protocols:plan", pk)
    return _favourites(
        request, plan, fault=fault or "Enter a name of 3 to 80 characters.", form=form, status=422
    )


@require_POST
@require(Permission.PLAN_EDIT)
def favourite_use(request: HttpRequest, pk: int) -> HttpResponse:
    """Lay a favourite over this draft plan."""
    plan = get_object_or_404(TreatmentPlan.objects.select_related("patient"), pk=pk)
    favourite = get_object_or_404(
        Favourite, pk=_whole(request.POST.get("favourite")), removed_at__isnull=True
    )
    try:
        actions.use_favourite(
            plan=plan, favourite=favourite, by=_user(request), revision=_whole(request.POST.get("revision")),
            today=timezone.localdate(),
        )  # fmt: skip
    except (actions.CatalogueError, PlanError, EditFault, KnowledgeError) as error:
        return _favourites(request, plan, fault=str(error), status=409)
    messages.success(request, f"{favourite.name} was laid over the plan.")
    return redirect("protocols:plan", pk)
