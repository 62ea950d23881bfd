"""Propose a treatment for a case file, without a database."""

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from protocols import cli
from protocols.catalogue import in_house, knowledge, shipped
from protocols.engine import CaseFaults, KnowledgeError


class Command(BaseCommand):
    """DESIGN.md §5. Bad input: exit 2 and one line per fault with its JSON path."""

    help = "Propose a treatment for a case file (- reads standard input)."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """The case, the form of the answer, or the vocabulary."""
        parser.add_argument("case", nargs="?", help="CASE.json, or - for standard input")
        parser.add_argument("--format", choices=["json", "text"], default="json")
        parser.add_argument("--lines", action="store_true", help="each input line is a case")
        parser.add_argument(
            "--clinic",
            action="store_true",
            help="with the clinic's published version instead of the shipped one",
        )
        parser.add_argument("--vocabulary", action="store_true", help="list every accepted code")

    def handle(self, *args: Any, **options: Any) -> None:
        """Answer on standard output; faults go to standard error."""
        try:
            known = knowledge().stocked(in_house()) if options["clinic"] else shipped()
        except KnowledgeError as error:
            self._fail(error.faults)
        if options["vocabulary"]:
            for kind, rows in known.vocabulary.items():
                for row in rows if isinstance(rows, list) else []:
                    code = row.get("code") or row.get("id") if isinstance(row, dict) else row
                    label = row.get("label") or row.get("title") or "" if isinstance(row, dict) else ""
                    self.stdout.write(f"{kind}\t{code}\t{label}")
            return
        if not options["case"]:
            self._fail(["$: name a case file, or - for standard input"])
        if options["lines"]:
            with sys.stdin.buffer if options["case"] == "-" else self._open(options["case"]) as stream:
                sys.exit(cli.answer_lines(stream, known, self.stdout.write))
        try:
            raw = (
                sys.stdin.buffer.read(cli.MOST_BYTES + 1)
                if options["case"] == "-"
                else self._open(options["case"]).read()
            )
            found = cli.answer(raw, known)
        except CaseFaults as error:
            self._fail(cli.as_lines(error.faults))
        if options["format"] == "text":
            self.stdout.write(cli.as_text(found, known))
        else:
            self.stdout.write(json.dumps(found, indent=2, ensure_ascii=False))

    def _open(self, name: str) -> Any:
        try:
            return Path(name).open("rb")
        except (OSError, ValueError) as error:
            self._fail([f"$: {name[:200]} can't be read: {getattr(error, 'strerror', None) or error}"])

    def _fail(self, lines: list[str]) -> Any:
        for line in lines:
            self.stderr.write(line)
        sys.exit(2)
