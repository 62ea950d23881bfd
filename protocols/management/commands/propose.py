"""Propose a treatment for a case file, without a database."""

from protocols.case_command import CaseCommand


class Command(CaseCommand):
    """`manage.py propose CASE.json|- [--format json|text] [--lines] [--vocabulary] [--schema]`."""

    help = "Propose a treatment for a case file (- reads standard input)."
