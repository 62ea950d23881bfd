"""Settings, read from the environment in this one place.

Every variable is listed in README.md. Nothing here has a default password; a missing secret is made
once by `bin/run` and kept in the state folder.
"""

import os
import zoneinfo
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.utils.csp import CSP

BASE_DIR = Path(__file__).resolve().parent.parent

# A zone's rules are those of the pinned tzdata package, not of whatever the machine has: every process reckons alike, and
# they change only between two starts. PYTHONTZPATH names a folder with newer ones.
if not os.environ.get("PYTHONTZPATH"):
    zoneinfo.reset_tzpath(to=())
    zoneinfo.ZoneInfo.clear_cache()


def _flag(name: str, default: bool = False) -> bool:
    value = os.environ.get(name, "")
    return value.lower() in {"1", "true", "yes", "on"} if value else default


def _list(name: str, default: str) -> list[str]:
    return [part.strip() for part in os.environ.get(name, default).split(",") if part.strip()]


STATE_DIR = Path(os.environ.get("MESOCLINIC_STATE") or BASE_DIR / ".state").resolve()
DEBUG = _flag("MESOCLINIC_DEBUG")
SECRET_KEY = os.environ.get("MESOCLINIC_SECRET_KEY", "")
if not SECRET_KEY:
    _secret = STATE_DIR / "secret-key"
    if _secret.is_file():
        SECRET_KEY = _secret.read_text().strip()
if not SECRET_KEY:
    # Commands that need no sign-in (propose, mypy's plugin) work without a kept key; it dies with the process.
    from django.core.management.utils import get_random_secret_key

    SECRET_KEY = get_random_secret_key()

# After a new key: what the old ones signed, such as the links that patients hold, stays good.
SECRET_KEY_FALLBACKS = _list("MESOCLINIC_OLD_SIGNING_KEYS", "")

ALLOWED_HOSTS = _list("MESOCLINIC_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = _list("MESOCLINIC_ORIGINS", "")
BASE_URL = os.environ.get("MESOCLINIC_BASE_URL", f"http://localhost:{os.environ.get('PORT', '8000')}")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_htmx",
    "crispy_forms",
    "crispy_bootstrap5",
    "mesoclinic.accounts.apps.AccountsConfig",
    "mesoclinic.audit.apps.AuditConfig",
    "mesoclinic.ui.apps.UiConfig",
    "mesoclinic.services.apps.ServicesConfig",
    "patients.apps.PatientsConfig",
    "protocols.apps.ProtocolsConfig",
    "sessions.apps.TreatmentSessionsConfig",
    "aftercare.apps.AftercareConfig",
    "mesoclinic.demo.apps.DemoConfig",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "mesoclinic.ui.middleware.ReadableRequestMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "mesoclinic.ui.middleware.KeptByNoBrowserMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "mesoclinic.accounts.middleware.ClinicContextMiddleware",
    "sessions.setup.views.first_steps.FirstStepsMiddleware",
]

ROOT_URLCONF = "mesoclinic.urls"
WSGI_APPLICATION = "mesoclinic.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "mesoclinic.ui.context.chrome",
            ],
            "builtins": ["mesoclinic.ui.templatetags.ui"],
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    [
                        "django.template.loaders.filesystem.Loader",
                        "django.template.loaders.app_directories.Loader",
                    ],
                )
            ],
        },
    }
]


def database_from_url(url: str) -> dict[str, object]:
    """Turn `postgresql://user:password@host:port/name?sslmode=...` into Django's form.

    A host that is a folder (a Unix socket) is given as `?host=/path`. Any other scheme is refused:
    there is one database dialect.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"}:
        raise ImproperlyConfigured(f"DATABASE_URL must start with postgresql://, not {parts.scheme}://")
    options: dict[str, object] = {}
    for pair in unquote(parts.query).split("&"):
        name, equals, value = pair.partition("=")
        if equals:
            options[name] = value
    host = str(options.pop("host", "") or parts.hostname or "")
    # Statements of `mesoclinic.statements` are planned once per connection.
    options["prepare_threshold"] = 2
    options["pool"] = {
        "min_size": 1,
        "max_size": int(os.environ.get("MESOCLINIC_DB_POOL", "8")),
        "timeout": 10,
    }
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")) or "mesoclinic",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(parts.port or ""),
        "OPTIONS": options,
        "ATOMIC_REQUESTS": False,
        # A connection that died with the database is found out before a page uses it.
        "CONN_HEALTH_CHECKS": True,
    }


DATABASE_URL = os.environ.get("DATABASE_URL", "")
DATABASES = {"default": database_from_url(DATABASE_URL or "postgresql:///mesoclinic?host=/nonexistent")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "accounts:sign-in"
LOGIN_REDIRECT_URL = "start"
LOGOUT_REDIRECT_URL = "accounts:sign-in"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]

LANGUAGE_CODE = os.environ.get("MESOCLINIC_LANGUAGE", "en-gb")
LANGUAGES = [
    ("en-gb", "English"),
    ("es", "Español"),
    ("de", "Deutsch"),
    ("fr", "Français"),
    ("ar", "العربية"),
]
TIME_ZONE = os.environ.get("MESOCLINIC_TIME_ZONE", "Europe/Madrid")
USE_I18N = True
USE_TZ = True
FORMAT_MODULE_PATH = ["mesoclinic.formats"]

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = Path(os.environ.get("MESOCLINIC_STATIC") or STATE_DIR / "static")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if not DEBUG and (STATIC_ROOT / "staticfiles.json").is_file()
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = STORAGES["staticfiles"]["BACKEND"].endswith("StaticFilesStorage")
MEDIA_ROOT = STATE_DIR / "media"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_500_000
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000

CRISPY_ALLOWED_TEMPLATE_PACKS = "bootstrap5"
CRISPY_TEMPLATE_PACK = "bootstrap5"

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_ENGINE = "mesoclinic.accounts.sessions"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
# Behind the reverse proxy of docker-compose.yml everything is HTTPS; a laptop's bin/run is plain HTTP on loopback.
_HTTPS = BASE_URL.startswith("https://")
SESSION_COOKIE_SECURE = _HTTPS
CSRF_COOKIE_SECURE = _HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if _HTTPS else 0
SECURE_CSP = {
    "default-src": [CSP.SELF],
    "script-src": [CSP.SELF],
    "style-src": [CSP.SELF],
    "img-src": [CSP.SELF, "data:"],
    "font-src": [CSP.SELF],
    "object-src": [CSP.NONE],
    "base-uri": [CSP.NONE],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
}

REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
# The broker library spells a Unix socket differently.
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
CELERY_TASK_DEFAULT_QUEUE = os.environ.get("MESOCLINIC_QUEUE", "celery")
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_TIME_LIMIT = 300
CELERY_TASK_SOFT_TIME_LIMIT = 240
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(STATE_DIR / "celerybeat-schedule")
CELERY_BEAT_SCHEDULE = {
    "heartbeat": {"task": "mesoclinic.services.tasks.heartbeat", "schedule": 10.0},
    "deliver-due-messages": {"task": "sessions.tasks.deliver_due_messages", "schedule": 15.0},
    # A beat that no worker took in time is stale: the next one does the same.
    "run-waitlist": {"task": "sessions.tasks.run_waitlist", "schedule": 10.0, "options": {"expires": 10}},
    "close-waitlist": {
        "task": "sessions.tasks.close_waitlist",
        "schedule": 300.0,
        "options": {"expires": 300},
    },
    # New zone data comes with a start, which looks itself; what could not follow its clock then is tried again.
    "follow-clocks": {
        "task": "sessions.tasks.follow_clocks",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "watch-plans": {"task": "protocols.tasks.watch_plans", "schedule": 5.0, "options": {"expires": 5}},
}

# "mailbox" keeps each message readable on a page of the clinic; "smtp" sends it through the SMTP server below.
MESSAGE_DELIVERY = os.environ.get("MESOCLINIC_DELIVERY", "mailbox")
MAILERS = {
    "default": {
        "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "OPTIONS": {
            "host": os.environ.get("MESOCLINIC_SMTP_HOST") or "localhost",
            "port": int(os.environ.get("MESOCLINIC_SMTP_PORT") or "25"),
            "username": os.environ.get("MESOCLINIC_SMTP_USER", ""),
            "password": os.environ.get("MESOCLINIC_SMTP_PASSWORD", ""),
            "use_tls": _flag("MESOCLINIC_SMTP_TLS"),
            # One answer of the server; sessions.reminders.outbox.LEASE counts on it.
            "timeout": 10,
        },
    }
}
DEFAULT_FROM_EMAIL = os.environ.get("MESOCLINIC_MAIL_FROM") or "clinic@localhost"

# How long a freed time is held for the patient who is asked, and when nobody is asked (wall clock of the location).
WAITLIST_HOLD_MINUTES = int(os.environ.get("MESOCLINIC_HOLD_MINUTES") or 15)
QUIET_HOURS = os.environ.get("MESOCLINIC_QUIET_HOURS", "21:00-08:00")

KNOWLEDGE_DIR = BASE_DIR / "protocols" / "knowledge"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "mesoclinic.services.logs.WithoutRows",
            "format": "{asctime} {levelname} {name} {message}",
            "style": "{",
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": os.environ.get("MESOCLINIC_LOG_LEVEL", "WARNING")},
}
