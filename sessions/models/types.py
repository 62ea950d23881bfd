"""What single visits are booked as: the clinic's own kinds of consultation, review and emergency."""

from dataclasses import dataclass
from typing import Self

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

#: Nobody books less than this, nor more than a working day.
SHORTEST_MIN, LONGEST_MIN = 5, 480


@dataclass(frozen=True, slots=True)
class Needs:
    """What a visit asks of its practitioner, its room and its device; an empty `device_kind` asks for none."""

    qualifications: frozenset[str]
    capabilities: frozenset[str]
    device_kind: str = ""


#: What a visit without a type asks for.
CONSULTATION = Needs(frozenset({"consultation"}), frozenset({"consultation"}))


class AppointmentType(models.Model):
    """What the front desk chooses for a single visit. Treatment sessions have none: they follow their plan."""

    class Kind(models.TextChoices):
        """The class of the type: what it counts as. The same words as the kinds of an appointment."""

        CONSULTATION = "consultation", _("Consultation")
        REVIEW = "review", _("Review")
        EMERGENCY = "emergency", _("Emergency")

    class Colour(models.TextChoices):
        """Tones of the design's tokens. Red is none of them: it says danger."""

        PETROL = "petrol", _("Petrol")
        BLUE = "blue", _("Blue")
        GREEN = "green", _("Green")
        AMBER = "amber", _("Amber")
        VIOLET = "violet", _("Violet")
        GREY = "grey", _("Grey")

    class Shape(models.TextChoices):
        """An icon's name: colour alone never tells two types apart."""

        CIRCLE = "circle", _("Circle")
        SQUARE = "square", _("Square")
        TRIANGLE = "triangle", _("Triangle")
        DIAMOND = "diamond", _("Diamond")
        HEXAGON = "hexagon", _("Hexagon")

    name = models.CharField(_("name"), max_length=40)
    kind = models.CharField(_("counts as"), max_length=15, choices=Kind, default=Kind.CONSULTATION)
    minutes = models.PositiveSmallIntegerField(
        _("usual length, minutes"),
        validators=[MinValueValidator(SHORTEST_MIN), MaxValueValidator(LONGEST_MIN)],
    )
    qualification = models.CharField(_("practitioner does"), max_length=20, default="consultation")
    capability = models.CharField(_("room fitted for"), max_length=20, default="consultation")
    device_kind = models.CharField(_("device"), max_length=20, blank=True)
    colour = models.CharField(_("colour"), max_length=10, choices=Colour, default=Colour.PETROL)
    shape = models.CharField(_("shape"), max_length=10, choices=Shape, default=Shape.CIRCLE)
    active = models.BooleanField(_("active"), default=True)

    class Meta:
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(Lower("name"), name="appointment_type_name_once"),
            models.CheckConstraint(
                condition=Q(minutes__range=(SHORTEST_MIN, LONGEST_MIN)), name="appointment_type_minutes"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def ship(cls) -> list[Self]:
        """The types that every clinic begins with, as far as their names are free."""
        rows = (
            ("Consultation", cls.Kind.CONSULTATION, cls.Colour.PETROL, cls.Shape.CIRCLE),
            ("Review", cls.Kind.REVIEW, cls.Colour.BLUE, cls.Shape.SQUARE),
            ("Emergency", cls.Kind.EMERGENCY, cls.Colour.AMBER, cls.Shape.TRIANGLE),
        )
        return [
            cls.objects.get_or_create(
                name=name, defaults={"kind": kind, "minutes": 30, "colour": colour, "shape": shape}
            )[0]
            for name, kind, colour, shape in rows
        ]

    @property
    def needs(self) -> Needs:
        """What its visits ask for."""
        return Needs(frozenset({self.qualification}), frozenset({self.capability}), self.device_kind)
