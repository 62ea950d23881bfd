"""Fill an empty clinic with synthetic people, or say who may sign in."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from mesoclinic.accounts.models import User
from mesoclinic.demo import courses, people, places


class Command(BaseCommand):
    """`demo` fills the clinic, `demo --sign-ins` prints the sign-ins of a demo clinic."""

    help = "Fill an empty clinic with synthetic people."

    def add_arguments(self, parser: CommandParser) -> None:
        """One switch."""
        parser.add_argument(
            "--sign-ins", action="store_true", help="print who may sign in, if this is a demo clinic"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """All or nothing: a clinic with people in it is left alone."""
        if options["sign_ins"]:
            self._sign_ins()
            return
        if User.objects.exists():
            raise CommandError("This clinic has people already: the demo clinic is for an empty one.")
        today = timezone.localdate()
        with transaction.atomic():
            clinic = places.build(today=today)
            made = people.build(today=today, by=next(iter(clinic.users.values())))
            visits = courses.build(clinic=clinic, people=made, now=timezone.now())
        self.stdout.write(
            f"{len(made)} synthetic patients at {len(clinic.locations)} locations, {visits} appointments."
        )

    def _sign_ins(self) -> None:
        staff = [user for user in User.objects.order_by("pk") if user.check_password(places.PASSWORD)][:8]
        if not staff:
            return
        self.stdout.write(f"Demo sign-ins, all with the password {places.PASSWORD}:")
        for user in staff:
            self.stdout.write(f"  {user.username:<12} {user.get_role_display():<15} {user.full_name}")
