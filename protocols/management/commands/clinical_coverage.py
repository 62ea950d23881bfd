"""From each numbered thing of the clinical reference to where it lives and the test that proves it."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from protocols.coverage import coverage
from protocols.engine import load


class Command(BaseCommand):
    """`manage.py clinical_coverage [--write]`: print the table, or write docs/clinical/coverage.md."""

    help = "Where each rule, agent, protocol and case of the reference lives, and the test that proves it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Print or write."""
        parser.add_argument("--write", action="store_true", help="write docs/clinical/coverage.md")

    def handle(self, *args: Any, **options: Any) -> None:
        """Needs no database."""
        base = Path(settings.BASE_DIR)
        text = coverage(load(base / "protocols" / "knowledge"), base / "tests" / "cases")
        if options["write"]:
            target = base / "docs" / "clinical" / "coverage.md"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        else:
            self.stdout.write(text)
