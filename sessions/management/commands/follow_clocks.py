"""After new time zone data: booked visits back to the time on the wall that patients were told."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from sessions.clocks import actions


class Command(BaseCommand):
    help = "Put coming visits where their location's clock shows what patients were told. Harmless when repeated."

    def handle(self, *args: Any, **options: Any) -> None:
        done = actions.follow(timezone.now())
        if done.moved or done.left:
            left = f"; {done.left} can't follow: see Not possible as booked" if done.left else ""
            self.stdout.write(f"{done.moved} visits follow their wall clock{left}.")
