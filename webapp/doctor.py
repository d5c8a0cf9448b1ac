"""What this installation has, what it lacks, and the one command that each missing part needs."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from sqlalchemy import text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from models import append_only
from models.base import db, reading
from models.errors import Busy
from models.isolation import NONE, REFUSED, SENTENCES
from models.worker import Worker
from webapp import assets, config


@dataclass(frozen=True)
class Check:
    """One part: `ok` is None where it was not checked; without a `needed` part nothing works."""

    key: str
    name: str
    ok: bool | None
    detail: str
    command: str = ""
    needed: bool = False


RELEASE = "python -m webapp.release"


def examine() -> list[Check]:
    return [check() for check in CHECKS]


def _guarded(check: Callable[[], Check], key: str, name: str, needed: bool) -> Check:
    try:
        with reading():
            found = check()
            db.session.commit()
        return found
    except (SQLAlchemyError, sqlite3.Error, Busy) as error:
        db.session.rollback()
        why = type(getattr(error, "orig", None) or error).__name__
        return Check(key, name, False, f"The database did not answer ({why}).", _remedy(error), needed)


def _remedy(error: Exception) -> str:
    """Missing tables are made by the release step; a server that is away, or another file, are not."""
    original = getattr(error, "orig", None) or error
    if db.engine.dialect.name == "postgresql" and isinstance(error, OperationalError):
        return "pg_isready"
    if getattr(original, "sqlite_errorname", "") in ("SQLITE_NOTADB", "SQLITE_CANTOPEN"):
        return "export DATABASE_URL=…"
    return RELEASE


def database() -> Check:
    def ask() -> Check:
        db.session.execute(text("SELECT 1"))
        kind = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[db.engine.dialect.name]
        return Check("database", "Database", True, f"{kind} answers.", needed=True)

    return _guarded(ask, "database", "Database", True)


def migrations() -> Check:
    def ask() -> Check:
        there = MigrationContext.configure(db.session.connection()).get_current_heads()
        if set(there) == set(newest_revisions()):
            return Check("migrations", "Tables", True, "They are as this version needs them.", needed=True)
        detail = "They are older than this version." if there else "They are not made yet."
        return Check("migrations", "Tables", False, detail, RELEASE, needed=True)

    return _guarded(ask, "migrations", "Tables", True)


@lru_cache
def newest_revisions() -> tuple[str, ...]:
    scripts = Config()
    scripts.set_main_option("script_location", str(config.ROOT / "migrations"))
    return tuple(ScriptDirectory.from_config(scripts).get_heads())


def triggers() -> Check:
    def ask() -> Check:
        missing = append_only.missing(db.session.connection())
        if not missing:
            return Check("append_only", "Audit log", True, "It can only grow.")
        detail = f"{', '.join(missing)} is missing, so it could be changed."
        return Check("append_only", "Audit log", False, detail, RELEASE)

    return _guarded(ask, "append_only", "Audit log", False)


def redis() -> Check:
    url = current_app.config["REDIS_URL"]
    if not url:
        detail = "REDIS_URL is not set: everything works, a little slower."
        return Check("redis", "Redis", False, detail, "make run")
    client = Redis.from_url(url, socket_timeout=0.5, socket_connect_timeout=0.5, retry=Retry(NoBackoff(), 0))
    try:
        client.ping()
    except RedisError as error:
        detail = f"It does not answer ({type(error).__name__}): everything works, a little slower."
        return Check("redis", "Redis", False, detail, "redis-server")
    finally:
        client.close()
    return Check("redis", "Redis", True, "It answers.")


def workers() -> Check:
    def ask() -> Check:
        if Worker.healthy("chat"):
            free = Worker.free_slots("chat")
            return Check("workers", "Workers", True, f"The chat worker is there, with {free} free slots.")
        detail = "No chat worker beat within 30 s: messages to agents wait for it."
        return Check("workers", "Workers", False, detail, "python -m queues.worker chat")

    return _guarded(ask, "workers", "Workers", False)


def executor() -> Check:
    def ask() -> Check:
        if Worker.healthy("runs"):
            free = Worker.free_slots("runs")
            return Check("executor", "Executor", True, f"What people approve is carried out, {free} at once.")
        detail = "No runs worker beat within 30 s: what people approve waits for it."
        return Check("executor", "Executor", False, detail, "python -m queues.worker runs")

    return _guarded(ask, "executor", "Executor", False)


def model() -> Check:
    name = "Model endpoint"
    key, base_url = current_app.config["ANTHROPIC_API_KEY"], current_app.config["ANTHROPIC_BASE_URL"]
    if not (key or base_url):
        detail = "No key and no endpoint: the built-in demo engine answers by rule, and says so."
        return Check("model", name, None, detail, "export ANTHROPIC_API_KEY=…")
    host = urlsplit(base_url or "https://api.anthropic.com").hostname
    return Check("model", name, None, f"{host}; it is asked when the first agent answers.")


def front_end() -> Check:
    if assets.built():
        return Check("front_end", "Browser files", True, "They are built.")
    return Check("front_end", "Browser files", False, "They are not built.", "make vendor")


def isolation() -> Check:
    """The weakest that a worker has: nobody knows which one will take a run."""

    def ask() -> Check:
        name = max(Worker.isolations(), key=list(SENTENCES).index, default=None)
        if name is None:
            return Check("isolation", "Isolation", None, "A runs worker finds out what works when it starts.")
        held = name not in (NONE, REFUSED)
        command = "" if held else "apt-get install bubblewrap"
        return Check("isolation", "Isolation", held, SENTENCES[name], command)

    return _guarded(ask, "isolation", "Isolation", False)


CHECKS = (database, migrations, triggers, redis, workers, executor, model, front_end, isolation)
