"""The people who sign in."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class User(AbstractUser):
    """A member of the clinic's staff. What a role may do stands in `permissions.py`."""

    class Role(models.TextChoices):
        PHYSICIAN = "physician", _("Physician")
        NURSE = "nurse", _("Nurse")
        FRONT_DESK = "front-desk", _("Front desk")
        MANAGER = "manager", _("Manager")
        ADMINISTRATOR = "administrator", _("Administrator")

    first_name = None  # type: ignore[assignment]
    last_name = None  # type: ignore[assignment]
    full_name = models.CharField(_("full name"), max_length=120, help_text=_("As patients read it."))
    role = models.CharField(_("role"), max_length=20, choices=Role)
    medical_director = models.BooleanField(_("medical director"), default=False)
    must_change_password = models.BooleanField(default=False)

    REQUIRED_FIELDS = ["full_name", "role"]

    class Meta:
        ordering = ["full_name", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(role__in=["physician", "nurse", "front-desk", "manager", "administrator"]),
                name="user_role_known",
            ),
            models.CheckConstraint(
                condition=Q(medical_director=False) | Q(role="physician"), name="director_is_physician"
            ),
        ]

    def __str__(self) -> str:
        return self.full_name

    def get_full_name(self) -> str:
        """The name as patients read it."""
        return self.full_name

    def get_short_name(self) -> str:
        """The last word of the name, with the title: `Dr. Amari`."""
        words = self.full_name.split()
        if len(words) > 1 and words[0].rstrip(".").lower() in {"dr", "prof"}:
            return f"{words[0]} {words[-1]}"
        return words[-1] if words else self.username

    @property
    def initials(self) -> str:
        """Two letters for the avatar, titles left out."""
        words = [word for word in self.full_name.split() if word.rstrip(".").lower() not in {"dr", "prof"}]
        return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper() or "?"
