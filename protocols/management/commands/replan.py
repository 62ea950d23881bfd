"""Replan a course under way from a plan file, without a database."""

from typing import Any

from protocols import cli
from protocols.case_command import CaseCommand
from protocols.engine import Knowledge


class Command(CaseCommand):
    """`manage.py replan PLAN.json|- [--format json|text] [--lines] [--vocabulary] [--schema]`."""

    help = "Continue, adjust, hold, extend or end a course under way (- reads standard input)."
    noun = "plan"

    def answer(self, raw: bytes, known: Knowledge) -> dict[str, Any]:
        """The replan for one file. Raises CaseFaults."""
        return cli.answer_follow_up(raw, known)
