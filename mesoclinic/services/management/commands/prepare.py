"""What a start does to the database before anybody reads it: one process for both, so that starting stays short."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Apply migrations, then let booked visits follow the time zone rules that came with this version."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", "--noinput", verbosity=0)
        call_command("follow_clocks", stdout=self.stdout)
