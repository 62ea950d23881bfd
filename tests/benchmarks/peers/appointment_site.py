"""django-appointment as its manual sets it up, on PostgreSQL: settings, addresses and WSGI application in one file.

Runs in a virtual environment of its own (requirements/bench-peer.txt). `python appointment_site.py prepare N` makes the
tables, a staff member, N clients who have signed in, and prints what the race needs to know.
"""

import json
import os
import sys
from datetime import time, timedelta
from pathlib import Path

import django
from django.conf import settings

NAME = Path(__file__).stem

if not settings.configured:
    settings.configure(
        SECRET_KEY="only-for-the-bench",
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=NAME,
        USE_TZ=True,
        TIME_ZONE="Europe/Madrid",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": os.environ["PEER_DATABASE"],
                "HOST": os.environ["PEER_HOST"],
                "USER": "postgres",
                "OPTIONS": {"pool": False},
                "CONN_MAX_AGE": 60,
            }
        },
        INSTALLED_APPS=[
            "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
            "django.contrib.messages", "django.contrib.staticfiles", "phonenumber_field", "appointment",
        ],
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware", "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request", "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        STATIC_URL="/static/",
        EMAIL_BACKEND="django.core.mail.backends.dummy.EmailBackend",
        APPOINTMENT_CLIENT_MODEL="auth.User",
        APPOINTMENT_WEBSITE_NAME="Bench",
        LOGGING={"version": 1, "disable_existing_loggers": True, "root": {"handlers": [], "level": "CRITICAL"}},
    )  # fmt: skip
    django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import include, path  # noqa: E402

urlpatterns = [path("", include("appointment.urls"))]
application = get_wsgi_application()


def prepare(clients: int) -> dict[str, object]:
    """Tables, one service of 30 minutes, one staff member from 9 to 20 on every weekday, clients with sessions."""
    from appointment.models import Service, StaffMember, WorkingHours
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.models import User
    from django.contrib.sessions.backends.db import SessionStore
    from django.core.management import call_command

    # The package ships no migrations of its own: its tables refer to those of auth, which must be there first.
    for app in ("contenttypes", "auth", "sessions"):
        call_command("migrate", app, verbosity=0)
    call_command("migrate", run_syncdb=True, verbosity=0)
    service = Service.objects.create(name="Session", duration=timedelta(minutes=30), price=0)
    person = User.objects.create(
        username="staff", first_name="Staff", last_name="Member", email="staff@example.org"
    )
    staff = StaffMember.objects.create(
        user=person, slot_duration=30, lead_time=time(9), finish_time=time(20), appointment_buffer_time=0,
        work_on_saturday=True, work_on_sunday=True,
    )  # fmt: skip
    staff.services_offered.add(service)
    for day in range(7):
        WorkingHours.objects.get_or_create(
            staff_member=staff, day_of_week=day, defaults={"start_time": time(9), "end_time": time(20)}
        )
    sessions = []
    for n in range(clients):
        user = User.objects.create(username=f"c{n}", first_name=f"C{n}", email=f"c{n}@example.org")
        session = SessionStore()
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.save()
        sessions.append(session.session_key)
    return {"service": service.pk, "staff": staff.pk, "sessions": sessions}


if __name__ == "__main__":
    print(json.dumps(prepare(int(sys.argv[2]))))
