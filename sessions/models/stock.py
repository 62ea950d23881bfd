"""Products and their lots. An expired or quarantined lot can't be recorded as given (trigger, migration 0002)."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _


class Product(models.Model):
    """What the clinic has for an agent or as anaesthetic: brand, maker, concentration, pack."""

    name = models.CharField(_("name"), max_length=80)
    manufacturer = models.CharField(_("manufacturer"), max_length=80)
    agent = models.CharField(_("agent"), max_length=40)  # vocabulary: agents, or anaesthetic product code
    gtin = models.CharField(_("GTIN"), max_length=14, unique=True)
    concentration_mg_per_ml = models.DecimalField(max_digits=9, decimal_places=4, null=True, blank=True)
    pack_ml = models.DecimalField(_("pack, mL"), max_digits=7, decimal_places=2)

    class Meta:
        ordering = ["agent", "name"]
        constraints = [
            models.CheckConstraint(condition=Q(pack_ml__gt=0), name="product_pack_more_than_zero"),
        ]

    def __str__(self) -> str:
        return self.name


class Lot(models.Model):
    """A manufacturer's lot of a product in stock."""

    class Status(models.TextChoices):
        IN_STOCK = "in-stock", _("In stock")
        QUARANTINED = "quarantined", _("Quarantined")
        RECALLED = "recalled", _("Recalled")

    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="lots")
    number = models.CharField(_("lot number"), max_length=40)
    expires_on = models.DateField(_("expiry"))
    received_ml = models.DecimalField(_("received, mL"), max_digits=9, decimal_places=2)
    status = models.CharField(max_length=12, choices=Status, default=Status.IN_STOCK)
    status_reason = models.CharField(_("reason"), max_length=300, blank=True)
    # The container in use: when it was opened, and the last day it may be used (trigger lot_not_discarded).
    opened_on = models.DateField(_("opened on"), null=True, blank=True)
    discard_after = models.DateField(_("discard after"), null=True, blank=True)

    class Meta:
        ordering = ["expires_on", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["product", "number"], name="lot_number_once_per_product"),
            models.CheckConstraint(condition=Q(received_ml__gte=0), name="lot_quantity_not_negative"),
            models.CheckConstraint(
                condition=Q(discard_after__isnull=True)
                | Q(opened_on__isnull=False, discard_after__gte=F("opened_on")),
                name="lot_discarded_after_it_was_opened",
            ),
        ]

    def __str__(self) -> str:
        return self.number
