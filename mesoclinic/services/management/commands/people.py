"""Who can sign in, how many they are, and the first of them on an installation without demo data."""

import secrets
import sys
from argparse import ArgumentParser
from getpass import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from mesoclinic.accounts.models import User


class Command(BaseCommand):
    help = "List who may sign in, count them, or make the first administrator on an empty installation."

    def add_arguments(self, parser: ArgumentParser) -> None:
        choice = parser.add_mutually_exclusive_group()
        choice.add_argument("--count", action="store_true", help="print how many users there are")
        choice.add_argument(
            "--first-administrator", action="store_true", help="ask for a password, or print a made one"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["count"]:
            self.stdout.write(str(User.objects.count()))
            return
        if not options["first_administrator"]:
            self._list()
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

    def _list(self) -> None:
        """One line each: user name, role, name, last sign-in."""
        people = list(User.objects.order_by("username"))
        if not people:
            self.stdout.write("Nobody yet. Make the first one with: bin/manage people --first-administrator")
            return
        width = max(len(user.username) for user in people)
        for user in people:
            seen = (
                f"signed in {timezone.localtime(user.last_login):%Y-%m-%d %H:%M}"
                if user.last_login
                else "never signed in"
            )
            state = seen if user.is_active else "may not sign in"
            self.stdout.write(
                f"{user.username:<{width}}  {user.get_role_display():<13}  {user.full_name}  ({state})"
            )
