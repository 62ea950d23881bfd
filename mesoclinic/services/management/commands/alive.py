"""Exit 0 when a part was seen alive lately: the containers' health check."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mesoclinic.services.heartbeat import is_alive


class Command(BaseCommand):
    help = "Exit 0 when the worker or the scheduler had a heartbeat within 35 s."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("part", choices=["worker", "beat"])

    def handle(self, *args: Any, **options: Any) -> None:
        if not is_alive(options["part"]):
            raise CommandError(f"no heartbeat of the {options['part']} for 35 s")
        self.stdout.write("ok")
