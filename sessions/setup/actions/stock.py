"""Writes of products and lots: receive, correct, open, block and release. Each leaves its audit row."""

from datetime import date
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Sum

from mesoclinic.accounts.models import User
from mesoclinic.audit.actions import record
from mesoclinic.ui.formatting import decimal_trim
from sessions.models import Lot, MixedComponent, Product
from sessions.setup.actions.common import change, plain
from sessions.setup.faults import SetupError, broken

GTIN_TAKEN = ("Another product has this GTIN. Open that product instead, or check the number.", "gtin")
LOT_TAKEN = ("This product has a lot of this number already.", "number")
RULES = {
    "treatment_sessions_product_gtin": GTIN_TAKEN,
    "product_pack_more_than_zero": ("Enter more than 0 mL.", "pack_ml"),
    "lot_number_once_per_product": LOT_TAKEN,
    "lot_quantity_not_negative": ("Enter 0 mL or more.", "received_ml"),
    "lot_discarded_after_it_was_opened": (
        "Discard after the day it was opened, not before.",
        "discard_after",
    ),
}


@transaction.atomic
def add_product(*, by: User, **values: Any) -> Product:
    """Add what the clinic buys for an agent. `values` are fields of Product."""
    if Product.objects.filter(gtin=values["gtin"]).exists():
        raise SetupError(*GTIN_TAKEN)
    try:
        with transaction.atomic():
            product = Product.objects.create(**values)
    except IntegrityError as error:
        raise broken(error, RULES) from error
    record(type="product.added", target=product, by=by, new=plain(values))
    return product


@transaction.atomic
def change_product(*, product: Product, by: User, **values: Any) -> Product:
    """Correct a product. Its agent stays once a lot of it was given: the record would say something else."""
    locked = Product.objects.select_for_update().get(pk=product.pk)
    if Product.objects.filter(gtin=values["gtin"]).exclude(pk=locked.pk).exists():
        raise SetupError(*GTIN_TAKEN)
    if values["agent"] != locked.agent and MixedComponent.objects.filter(lot__product=locked).exists():
        raise SetupError("Lots of this product were already given. Add another product instead.", "agent")
    try:
        with transaction.atomic():
            change(locked, values, type="product.changed", by=by)
    except IntegrityError as error:
        raise broken(error, RULES) from error
    return locked


@transaction.atomic
def receive(
    *, product: Product, number: str, expires_on: date, received_ml: Decimal, by: User, today: date
) -> Lot:
    """Put a lot into stock. An expired one is not taken."""
    if expires_on < today:
        raise SetupError("This lot is expired. Send it back; it is not put into stock.", "expires_on")
    if product.lots.filter(number__iexact=number).exists():
        raise SetupError(*LOT_TAKEN)
    try:
        with transaction.atomic():
            lot = Lot.objects.create(
                product=product, number=number, expires_on=expires_on, received_ml=received_ml
            )
    except IntegrityError as error:
        raise broken(error, RULES) from error
    record(
        type="lot.received", target=lot, by=by,
        new=plain({"product": product, "number": number, "expires_on": expires_on, "received_ml": received_ml}),
    )  # fmt: skip
    return lot


def _lot(lot: Lot) -> Lot:
    return Lot.objects.select_for_update(of=("self",)).select_related("product").get(pk=lot.pk)


@transaction.atomic
def correct(*, lot: Lot, number: str, expires_on: date, received_ml: Decimal, by: User) -> Lot:
    """Put a mistyped lot right; the trail keeps what stood there before."""
    locked = _lot(lot)
    if locked.product.lots.filter(number__iexact=number).exclude(pk=locked.pk).exists():
        raise SetupError(*LOT_TAKEN)
    used = locked.components.aggregate(total=Sum("volume_ml"))["total"] or Decimal(0)
    if received_ml < used:
        raise SetupError(
            f"{decimal_trim(used)} mL of this lot are already recorded as used. Enter at least that.",
            "received_ml",
        )
    values = {"number": number, "expires_on": expires_on, "received_ml": received_ml}
    try:
        with transaction.atomic():
            change(locked, values, type="lot.corrected", by=by)
    except IntegrityError as error:
        raise broken(error, RULES) from error
    return locked


@transaction.atomic
def note_opened(*, lot: Lot, opened_on: date | None, discard_after: date | None, by: User) -> Lot:
    """When the container in use was opened and until when it may be used. Both None: nothing of it stands open."""
    locked = _lot(lot)
    if discard_after is not None and discard_after > locked.expires_on:
        raise SetupError("The lot itself expires earlier. Enter its expiry or a day before.", "discard_after")
    try:
        with transaction.atomic():
            change(locked, {"opened_on": opened_on, "discard_after": discard_after}, type="lot.opened", by=by)
    except IntegrityError as error:
        raise broken(error, RULES) from error
    return locked


@transaction.atomic
def quarantine(*, lot: Lot, reason: str, by: User) -> Lot:
    """Block a lot at once: it can't be chosen or given any more."""
    locked = _lot(lot)
    if locked.status != Lot.Status.IN_STOCK:
        raise SetupError(f"This lot is {locked.get_status_display().lower()} already.", "reason")
    _state(locked, Lot.Status.QUARANTINED, reason, by, "lot.quarantined")
    return locked


@transaction.atomic
def release(*, lot: Lot, reason: str, by: User) -> Lot:
    """Let a quarantined lot be used again. A recalled lot stays blocked."""
    locked = _lot(lot)
    if locked.status != Lot.Status.QUARANTINED:
        raise SetupError("Only a lot in quarantine is released.", "reason")
    _state(locked, Lot.Status.IN_STOCK, reason, by, "lot.released")
    return locked


def _state(lot: Lot, status: str, reason: str, by: User, type: str) -> None:
    reason = reason.strip()
    if not reason:
        raise SetupError("Write why, for those who look later.", "reason")
    old = lot.status
    lot.status, lot.status_reason = status, reason[:300]
    lot.save(update_fields=["status", "status_reason"])
    record(
        type=type, target=lot, by=by, old={"status": old}, new={"status": status}, reason=lot.status_reason
    )
