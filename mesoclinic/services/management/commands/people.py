"""How many people can sign in, and the first of them on an installation without demo data."""

import secrets
import sys
from argparse import ArgumentParser
from getpass import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mesoclinic.accounts.models import User


class Command(BaseCommand):
    help = "Count the users, or make the first administrator on an empty installation."

    def add_arguments(self, parser: ArgumentParser) -> None:
        choice = parser.add_mutually_exclusive_group(required=True)
        choice.add_argument("--count", action="store_true", help="print how many users there are")
        choice.add_argument(
            "--first-administrator", action="store_true", help="ask for a password, or print a made one"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["count"]:
            self.stdout.write(str(User.objects.count()))
            return
        if User.objects.exists():
            raise CommandError("There are users already. Sign in as an administrator to add more.")
        password = (
            getpass("Password for the first administrator (empty: make one): ") if sys.stdin.isatty() else ""
        )
        made = not password
        password = password or secrets.token_urlsafe(12)
        User.objects.create_user(
            "admin",
            password=password,
            full_name="Administrator",
            role=User.Role.ADMINISTRATOR,
            must_change_password=made,
        )
        self.stdout.write("First administrator: user admin" + (f", password {password}" if made else ""))
