"""Settings, all read from the environment; a newcomer needs none of them.

A value that cannot be read fails at once and names the variable. `checks.py` tells the rest as Django system checks.
"""

import hashlib
import os
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from hpt_web.embedded import home

BASE_DIR = Path(__file__).resolve().parent.parent


def _whole(name: str, default: int) -> int:
    text = os.environ.get(name, "")
    try:
        return int(text) if text else default
    except ValueError:
        raise SystemExit(f"{name}={text!r} is not a whole number; unset it for the default ({default}).") from None


def _words(name: str, default: list[str]) -> list[str]:
    return [word for word in os.environ.get(name, "").replace(",", " ").split() if word] or default


# --- where things are -------------------------------------------------------------------------------------------------
HPT_HOME = home.folder()
HPT_HOST = os.environ.get("HPT_HOST", "127.0.0.1")
HPT_PORT = _whole("HPT_PORT", 8000)
HPT_UPLOAD_LIMIT_BYTES = _whole("HPT_UPLOAD_LIMIT_BYTES", 5 * 1024**3)
FILE_UPLOAD_TEMP_DIR = home.uploads()  # the system's folder for temporary files may be small

# --- trials -----------------------------------------------------------------------------------------------------------
# How many trials this host runs at once, over all jobs. Two small trials per core keep a core busy while one of them
# imports or waits for its disk.
HPT_TRIAL_SLOTS = _whole("HPT_TRIAL_SLOTS", 2 * (os.cpu_count() or 1))
# The GPUs that trials may have, such as 0:80GB,1:80GB (ids or UUIDs with their memory); empty for none. Unset: all that
# NVIDIA's driver finds.
HPT_GPUS = os.environ.get("HPT_GPUS")
# Of two who hold as much, the one who has used less lately comes first; what was used counts half after so many days.
HPT_HALF_LIFE_DAYS = _whole("HPT_HALF_LIFE_DAYS", 7)
# The container engine, such as unix:///var/run/docker.sock; empty for none. Unset: that socket, where there is one.
HPT_DOCKER = os.environ.get("HPT_DOCKER")
# What scripts run in that are to run in containers and name no image.
HPT_BASE_IMAGE = os.environ.get("HPT_BASE_IMAGE", "")
# Who this installation is to private registries: a file as Docker's config.json. Unset: that of the service's account.
HPT_REGISTRY_CONFIG = os.environ.get("HPT_REGISTRY_CONFIG", "")
# Before a pull that failed is tried again; then twice as long, and so on.
HPT_PULL_RETRY_SECONDS = _whole("HPT_PULL_RETRY_SECONDS", 20)
# An image that HPT has pulled goes when nothing has used it for so long; 0 keeps them all.
HPT_IMAGE_DAYS = _whole("HPT_IMAGE_DAYS", 30)
HPT_TRIAL_DISK_MB = _whole("HPT_TRIAL_DISK_MB", 20 * 1024)
# Of one trial at a time, in containers its threads as well: enough for a few libraries that each start a thread for
# every processor that they see, and far fewer than a fork bomb makes.
HPT_TRIAL_PROCESSES = _whole("HPT_TRIAL_PROCESSES", max(256, 16 * (os.cpu_count() or 1)))
HPT_LEASE_SECONDS = _whole("HPT_LEASE_SECONDS", 15)
HPT_SWEEP_SECONDS = _whole("HPT_SWEEP_SECONDS", 5)
HPT_STOP_GRACE_SECONDS = _whole("HPT_STOP_GRACE_SECONDS", 120)
HPT_PREEMPT_GRACE_SECONDS = _whole("HPT_PREEMPT_GRACE_SECONDS", 120)

# --- secrets ----------------------------------------------------------------------------------------------------------
DEBUG = os.environ.get("HPT_DEBUG", "") == "1"
SECRET_KEY = os.environ.get("HPT_SECRET_KEY") or home.secret("django")
HPT_FIELD_KEY = os.environ.get("HPT_FIELD_KEY") or home.secret("fields")

# --- the web ----------------------------------------------------------------------------------------------------------
ALLOWED_HOSTS = _words("HPT_ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]", HPT_HOST])
CSRF_TRUSTED_ORIGINS = _words("HPT_TRUSTED_ORIGINS", [])
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = os.environ.get("HPT_HTTPS", "") == "1"
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
APPEND_SLASH = False
ROOT_URLCONF = "hpt_web.urls"
ASGI_APPLICATION = "hpt_web.asgi.application"
WSGI_APPLICATION = "hpt_web.wsgi.application"

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.admin",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "channels",
    "hpt_web.embedded",
    "hpt_web.accounts",
    "hpt_web.catalog",
    "hpt_web.jobs",
    "hpt_web.api",
    "hpt_web.live",
    "hpt_web.example",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "hpt_web.api.compression.CompressAnswers",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "/static/"
STATIC_ROOT = None  # nothing is collected: WhiteNoise serves what the packages bring
FRONTEND_DIST = BASE_DIR / "frontend" / "dist"
# The page's files carry a hash of their content in their names, so a browser may keep them for ever.
WHITENOISE_ROOT = FRONTEND_DIST if FRONTEND_DIST.is_dir() else None
WHITENOISE_IMMUTABLE_FILE_TEST = r"^/assets/.+-[\w-]{8,}\.\w+$"
WHITENOISE_USE_FINDERS = True

# --- the database: PostgreSQL everywhere ------------------------------------------------------------------------------


def _database(url: str) -> dict[str, object]:
    if not url:
        return {"NAME": "hpt", "USER": "hpt", "HOST": str(home.postgres_socket_folder()), "PORT": "5432"}
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql"):
        raise SystemExit(f"DATABASE_URL={url!r}: only postgresql:// is supported.")
    query = dict(parse_qsl(parts.query))
    return {
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", None) or parts.hostname or "",
        "PORT": str(parts.port or query.pop("port", "")),
    }


_PREPARES = _whole("HPT_DATABASE_PREPARES", 1) == 1
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        # A pool instead of CONN_MAX_AGE: under ASGI the latter opens a connection per thread and runs out of them.
        "CONN_MAX_AGE": 0,
        "OPTIONS": {
            "pool": {"min_size": 1, "max_size": _whole("HPT_DATABASE_POOL", 12), "timeout": 30},
            # Statements are planned once for each connection: planning is half of what the server does for a trial. Not
            # behind a pooler that gives each transaction another connection and knows no prepared statements.
            "server_side_binding": _PREPARES,
            "prepare_threshold": 2 if _PREPARES else None,
        },
        **_database(os.environ.get("DATABASE_URL", "")),
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Valkey: the queue of nudges, the doorbells, the cache ------------------------------------------------------------
REDIS_URL = os.environ.get("REDIS_URL") or f"unix://{home.valkey_socket()}?db=0"
# What is published reaches all databases of a server, and so another installation that uses the same one.
FEED_PREFIX = f"hpt:{hashlib.sha256(SECRET_KEY.encode()).hexdigest()[:12]}:feed"
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "hpt",
        # By default it pickles, and whoever writes to the broker could have this program run what they like.
        "OPTIONS": {"serializer": "django.core.signing.JSONSerializer"},
    }
}

# --- people -----------------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

# --- time and language ------------------------------------------------------------------------------------------------
USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False

# --- the REST door ----------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "hpt_web.api.authentication.AccessKeyAuthentication",
        "hpt_web.api.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["hpt_web.api.permissions.SignedIn"],
    "DEFAULT_RENDERER_CLASSES": ["hpt_web.api.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["hpt_web.api.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "hpt_web.api.errors.problem_response",
    "DATETIME_FORMAT": None,  # the renderer writes all times in one form
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "HPT",
    "DESCRIPTION": "Hyperparameter tuning for teams: projects, datasets, algorithms, tuning jobs and their trials.",
    "VERSION": "v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "ENUM_NAME_OVERRIDES": {
        "JobState": "tuning.states.JobState",
        "TrialState": "tuning.states.TrialState",
        "Goal": "tuning.states.Goal",
        "Role": "hpt_web.accounts.models.Role",
        "Scope": "hpt_web.accounts.models.Scope",
        "WarmStartType": "tuning.warmstart.WarmStartType",
        "DecisionKind": "hpt_web.jobs.models.Decision.Kind",
        "AlgorithmKind": "hpt_web.catalog.models.AlgorithmVersion.Kind",
        "AttemptOutcome": "hpt_web.jobs.models.Attempt.Outcome",
    },
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "hpt_web.api.schema.complete_answers",
    ],
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": os.environ.get("HPT_LOG_LEVEL", "INFO")},
}
