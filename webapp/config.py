"""Settings: the only place that reads the environment. Each is typed, and a wrong one stops the start."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

ROOT = Path(__file__).parent.parent
VAR = ROOT / "var"
SHORTEST_SECRET = 32
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_KNOWN_SECRETS = ("changeme", "secret", "dev", "test", "example", "your-secret-key", "password")


class BadSetting(click.ClickException):
    """One sentence about the setting that is missing or wrong, which commands show as it is."""


def text(value: str) -> str:
    return value.strip()


def between(least: int, most: int) -> Callable[[str], int]:
    """What reads a whole number from `least` to `most`."""

    def number(value: str) -> int:
        amount = int(value)
        if not least <= amount <= most:
            raise ValueError(f"it must be {least} to {most}")
        return amount

    return number


def level(value: str) -> str:
    name = value.strip().upper()
    if name not in LOG_LEVELS:
        raise ValueError(f"it must be one of {', '.join(LOG_LEVELS)}")
    return name


def redis(value: str) -> str:
    parts = urlsplit(value.strip())
    if parts.scheme not in ("redis", "rediss", "unix") or not (parts.netloc or parts.path):
        raise ValueError("it must begin with redis://, rediss:// or unix://")
    return value.strip()


def public(value: str) -> str:
    """The address that people open: scheme and host, without a path."""
    parts = urlsplit(value.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
        raise ValueError("it must be http:// or https:// and a host, without a path")
    return f"{parts.scheme}://{parts.netloc}"


def endpoint(value: str) -> str:
    parts = urlsplit(value.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it must begin with http:// or https://")
    return value.strip()


def folder(value: str) -> str:
    """A folder by its absolute path; a relative one begins where Team Room is."""
    return str(ROOT / value.strip())


def servers(value: str) -> frozenset[str]:
    """Servers as `host:port`, with spaces between."""
    found = frozenset(value.split())
    for server in found:
        if not re.fullmatch(r"[a-z0-9.-]+:[1-9][0-9]{0,4}", server):
            raise ValueError(f"{server[:100]!r} is not host:port")
    return found


def yes(value: str) -> bool:
    if value.strip() not in ("yes", "no"):
        raise ValueError("it must be yes or no")
    return value.strip() == "yes"


def variables(value: str) -> tuple[str, ...]:
    """Names of environment variables, with spaces between; none of Team Room's own secrets."""
    found = tuple(dict.fromkeys(value.split()))
    for name in found:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise ValueError(f"{name[:100]!r} is no name of a variable")
        if name in SETTINGS:
            raise ValueError(f"{name} is Team Room's own")
    return found


def seconds(value: str) -> float:
    amount = float(value)
    if not 0 < amount < 86_400 * 365:
        raise ValueError("not a length of time")
    return amount


def database(value: str) -> str:
    """The address for SQLAlchemy: PostgreSQL by psycopg 3, a SQLite file by its absolute path."""
    url = make_url(value.strip())
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise ValueError("neither SQLite nor PostgreSQL")
    if url.get_backend_name() == "sqlite":
        if url.database in (None, "", ":memory:"):
            raise ValueError("a SQLite database must be a file")
        url = url.set(database=str(ROOT / str(url.database)))
    return url.render_as_string(hide_password=False)


def _default_redis() -> str:
    """The private server that `make run` starts, when it runs."""
    path = VAR / "redis/redis.sock"
    return f"unix://{path}" if path.exists() else ""


def _default_secret() -> str:
    """The key that `make run` made, so that commands given by hand see the same installation."""
    path = VAR / "secret_key"
    return path.read_text().strip() if path.exists() else ""


def _default_port() -> str:
    """The port that `make run` found free, so that commands given by hand print links that work."""
    path = VAR / "port"
    return path.read_text().strip() if path.exists() else "5000"


# name: (what reads the text, the default or what finds it)
SETTINGS: dict[str, tuple[Callable[[str], Any], Any]] = {
    "DATABASE_URL": (database, lambda: f"sqlite:///{VAR / 'teamroom.sqlite3'}"),
    "DATABASE_OWNER_URL": (database, ""),
    "DATABASE_POOL": (between(1, 500), 20),
    "REDIS_URL": (redis, _default_redis),
    "SECRET_KEY": (text, _default_secret),
    "HOST": (text, "127.0.0.1"),
    "PORT": (between(1, 65_535), _default_port),
    "PUBLIC_URL": (public, ""),
    "TRUSTED_PROXIES": (between(0, 10), 0),
    "LOG_LEVEL": (level, "INFO"),
    "ANTHROPIC_API_KEY": (text, ""),
    "ANTHROPIC_BASE_URL": (endpoint, ""),
    "ANTHROPIC_MODEL": (text, ""),
    "CHAT_SLOTS": (between(1, 1000), 16),
    "RUN_SLOTS": (between(1, 1000), 16),
    "CRASHPOINT": (text, ""),
    "WATCHDOG_SECONDS": (seconds, 120.0),
    "BACKUP_FOLDER": (text, str(VAR / "backups")),
    "WORKSPACES_FOLDER": (folder, str(VAR / "workspaces")),
    "EGRESS_INTERNAL": (servers, frozenset()),
    "SHELL_WITHOUT_ISOLATION": (yes, False),
    "SKILL_VARIABLES": (variables, ()),
    "FILE_MEGABYTES": (between(1, 100), 10),
    "FILES_A_MESSAGE": (between(1, 50), 10),
    "PROJECT_FILES_MEGABYTES": (between(1, 1_000_000), 1024),
}


def load(
    overrides: Mapping[str, Any] | None = None, environ: Mapping[str, str] = os.environ
) -> dict[str, Any]:
    """Every setting, from `overrides`, the environment or the default; BadSetting says what is wrong."""
    given = dict(overrides or {})
    settings = {name: _read(name, given.pop(name, None), environ) for name in SETTINGS}
    settings.update(given)
    if not settings.get("TESTING"):
        _refuse_weak_secret(settings["SECRET_KEY"])
    given_to_skills = {name: environ.get(name, "") for name in settings["SKILL_VARIABLES"]}
    return settings | {"SKILL_ENVIRONMENT": given_to_skills} | _of_flask(settings)


def _read(name: str, override: Any, environ: Mapping[str, str]) -> Any:
    parse, default = SETTINGS[name]
    if override is not None:
        value = override
    elif environ.get(name, "").strip():
        value = environ[name]
    else:
        value = default() if callable(default) else default
    if not isinstance(value, str) or value == "":
        return value
    try:
        return parse(value)
    except (ValueError, ArgumentError) as error:
        raise BadSetting(f"{name} cannot be used: {error}.") from None


def _refuse_weak_secret(secret: str) -> None:
    make_one = 'make one with: python -c "import secrets; print(secrets.token_urlsafe(48))"'
    if not secret:
        raise BadSetting(f"SECRET_KEY is missing; {make_one}")
    if len(secret) < SHORTEST_SECRET:
        raise BadSetting(f"SECRET_KEY is shorter than {SHORTEST_SECRET} characters; {make_one}")
    if len(set(secret)) < 10 or secret.lower().startswith(_KNOWN_SECRETS):
        raise BadSetting(f"SECRET_KEY can be guessed; {make_one}")


def _of_flask(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What Flask and its extensions read, under their names."""
    return {
        "SQLALCHEMY_DATABASE_URI": settings["DATABASE_URL"],
        "SQLALCHEMY_ENGINE_OPTIONS": _engine_options(settings["DATABASE_URL"], settings["DATABASE_POOL"]),
        "MAX_CONTENT_LENGTH": 1 << 20,
        "MAX_FORM_MEMORY_SIZE": 256 << 10,
        "MAX_FORM_PARTS": 20,
        "API_TITLE": "Team Room",
        "API_VERSION": "v1",
        "OPENAPI_VERSION": "3.1.0",
        "OPENAPI_URL_PREFIX": "/api",
    }


def _engine_options(url: str, pool: int) -> dict[str, Any]:
    """`pool` connections of each process stay open; as many more are opened under load."""
    options: dict[str, Any] = {"pool_size": pool, "max_overflow": pool, "pool_timeout": 5}
    if url.startswith("postgresql"):
        options["pool_pre_ping"] = True
        # A process that hangs or is cut off inside a transaction must not hold its locks against all others.
        patience = "-c lock_timeout=5s -c idle_in_transaction_session_timeout=20s"
        options["connect_args"] = {
            "connect_timeout": 5,
            "application_name": "teamroom",
            "options": patience,
        }
    return options
