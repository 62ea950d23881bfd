"""Products and their lots: what is on the shelf, what stands open, what is blocked."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from mesoclinic.accounts.permissions import Permission, require
from sessions.models import Lot, Product
from sessions.setup import codes, queries
from sessions.setup.actions import stock as actions
from sessions.setup.forms.stock import LotForm, OpenedForm, ProductForm, ReasonForm
from sessions.setup.views.common import (
    Outcome,
    attempt,
    form_page,
    frame,
    page_of,
    searched,
    told,
    user_of,
)


@require_safe
@require(Permission.STOCK_EDIT)
def products(request: HttpRequest) -> HttpResponse:
    """All products by name, with their usable lots."""
    text, today = searched(request), timezone.localdate()
    page = page_of(request, queries.products(today, text))
    rows = [{"product": row, "agent": codes.agent_words(row.agent)} for row in page]
    context = frame(request, "products", page=page, rows=rows, q=text)
    return render(request, "sessions/setup/products.html", context)


@require_http_methods(["GET", "POST"])
@require(Permission.STOCK_EDIT)
def product_new(request: HttpRequest) -> HttpResponse:
    """Add a product."""
    form = ProductForm(request.POST or None)
    return form_page(
        request, "products", form, lambda: actions.add_product(by=user_of(request), **form.cleaned_data),
        lambda made: told(request, f"{made.name} is added. Receive its first lot.", "sessions:stock-product", made.pk),
        title="New product", sub="What the clinic buys for an agent or as anaesthetic.", button="Add product",
        back=reverse("sessions:stock-products"),
    )  # fmt: skip


@require_http_methods(["GET", "POST"])
@require(Permission.STOCK_EDIT)
def product_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Correct a product."""
    found = get_object_or_404(Product, pk=pk)
    form = ProductForm(request.POST or None, instance=found)
    return form_page(
        request, "products", form,
        lambda: actions.change_product(product=found, by=user_of(request), **form.cleaned_data),
        lambda made: told(request, f"{made.name} is saved.", "sessions:stock-product", pk),
        title=found.name, sub=found.manufacturer, button="Save", back=reverse("sessions:stock-product", args=[pk]),
    )  # fmt: skip


@require_http_methods(["GET", "POST"])
@require(Permission.STOCK_EDIT)
def product(request: HttpRequest, pk: int) -> HttpResponse:
    """One product with its lots; a new lot is received here."""
    found = get_object_or_404(Product, pk=pk)
    today = timezone.localdate()
    form = LotForm(request.POST or None, today=today)
    outcome: Outcome | None = None
    if request.method == "POST":
        outcome = Outcome()
        if form.is_valid():
            outcome = attempt(
                lambda: actions.receive(product=found, by=user_of(request), today=today, **form.cleaned_data),
                form,
            )
        if outcome.saved:
            messages.success(request, f"Lot {outcome.made.number} is in stock.")
            return redirect("sessions:stock-product", pk)
    page = page_of(request, queries.lots(found))
    rows = [
        {"lot": lot, "days": (lot.expires_on - today).days, "discard": _discard(lot, today)} for lot in page
    ]
    context = frame(
        request,
        "products",
        product=found,
        agent=codes.agent_words(found.agent),
        page=page,
        rows=rows,
        form=form,
    )
    return render(
        request, "sessions/setup/product.html", context, status=outcome.status if outcome is not None else 200
    )


def _discard(lot: Lot, today: Any) -> bool:
    return lot.discard_after is not None and lot.discard_after < today


@require_http_methods(["GET", "POST"])
@require(Permission.STOCK_EDIT)
def lot_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """One lot: correct it, note what stands open, block or release it."""
    found = get_object_or_404(Lot.objects.select_related("product"), pk=pk)
    today, by = timezone.localdate(), user_of(request)
    act = request.POST.get("act", "") if request.method == "POST" else ""
    correct = LotForm(request.POST if act == "correct" else None, today=today, instance=found)
    opened = OpenedForm(request.POST if act == "open" else None, lot=found, today=today)
    reason = ReasonForm(request.POST if act in {"quarantine", "release"} else None)
    outcome: Outcome | None = None
    if request.method == "POST":
        outcome = Outcome()
        if act == "correct" and correct.is_valid():
            outcome = attempt(lambda: actions.correct(lot=found, by=by, **correct.cleaned_data), correct)
        elif act == "open" and opened.is_valid():
            outcome = attempt(lambda: actions.note_opened(lot=found, by=by, **opened.cleaned_data), opened)
        elif act == "quarantine" and reason.is_valid():
            outcome = attempt(
                lambda: actions.quarantine(lot=found, by=by, reason=reason.cleaned_data["reason"]), reason
            )
        elif act == "release" and reason.is_valid():
            outcome = attempt(
                lambda: actions.release(lot=found, by=by, reason=reason.cleaned_data["reason"]), reason
            )
        if outcome.saved:
            done = {"quarantine": "is in quarantine", "release": "may be used again"}.get(act, "is saved")
            messages.success(request, f"Lot {outcome.made.number} {done}.")
            return redirect("sessions:stock-lot-edit", pk)
    context = frame(
        request, "products", lot=found, correct=correct, opened=opened, reason=reason,
        days=(found.expires_on - today).days, discard=_discard(found, today),
        agent=codes.agent_words(found.product.agent),
    )  # fmt: skip
    return render(
        request, "sessions/setup/lot.html", context, status=outcome.status if outcome is not None else 200
    )
