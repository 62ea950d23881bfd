"""What `manage.py propose` and `manage.py replan` share: reading, the forms of the answer, faults as lines."""

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from protocols import cli
from protocols.catalogue import knowledge
from protocols.engine import CaseFaults, Knowledge


class CaseCommand(BaseCommand):
    """DESIGN.md §5. Bad input: exit 2 and one line per fault with its JSON path. No database is touched."""

    requires_system_checks: list[str] = []
    #: What a file holds.
    noun = "case"

    def answer(self, raw: bytes, known: Knowledge) -> dict[str, Any]:
        """The answer for one file. Raises CaseFaults."""
        return cli.answer(raw, known)

    def add_arguments(self, parser: CommandParser) -> None:
        """The file, the form of the answer, or what may stand in it."""
        parser.add_argument("case", nargs="?", help=f"{self.noun.upper()}.json, or - for standard input")
        parser.add_argument("--format", choices=["json", "text"], default="json")
        parser.add_argument("--lines", action="store_true", help=f"each input line is a {self.noun}")
        parser.add_argument("--vocabulary", action="store_true", help="list every accepted code")
        parser.add_argument("--schema", action="store_true", help="print the JSON Schema of input and output")

    def handle(self, *args: Any, **options: Any) -> None:
        """Answer on standard output; faults go to standard error."""
        known = knowledge()
        if options["vocabulary"]:
            self._vocabulary(known)
        elif options["schema"]:
            self.stdout.write(json.dumps(cli.schemas(self.noun, known), indent=1, ensure_ascii=False))
        elif not options["case"]:
            self._fail([f"$: name a {self.noun} file, or - for standard input"])
        elif options["lines"]:
            with sys.stdin.buffer if options["case"] == "-" else self._open(options["case"]) as stream:
                sys.exit(cli.answer_lines(stream, known, self.stdout.write, self.answer))
        else:
            self._one(known, options)

    def _one(self, known: Knowledge, options: dict[str, Any]) -> None:
        try:
            raw = (
                sys.stdin.buffer.read(cli.MOST_BYTES + 1)
                if options["case"] == "-"
                else self._open(options["case"]).read(cli.MOST_BYTES + 1)
            )
            found = self.answer(raw, known)
        except CaseFaults as error:
            self._fail(cli.as_lines(error.faults))
        if options["format"] == "text":
            self.stdout.write(cli.as_text(found, known))
        else:
            self.stdout.write(json.dumps(found, indent=2, ensure_ascii=False))

    def _vocabulary(self, known: Knowledge) -> None:
        for kind, rows in known.vocabulary.items():
            for row in rows if isinstance(rows, list) else []:
                code = row.get("code") or row.get("id") or row.get("path") if isinstance(row, dict) else row
                label = row.get("label") or row.get("title") or "" if isinstance(row, dict) else ""
                self.stdout.write(f"{kind}\t{code}\t{label}")

    def _open(self, name: str) -> Any:
        try:
            return Path(name).open("rb")
        except (OSError, ValueError) as error:
            self._fail([f"$: {name[:200]} can't be read: {getattr(error, 'strerror', None) or error}"])

    def _fail(self, lines: list[str]) -> Any:
        for line in lines:
            self.stderr.write(line)
        sys.exit(2)
