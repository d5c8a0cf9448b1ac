"""The release step, `python -m webapp.release`: back up, migrate, protect, grant. Safe to run at any time."""

import fcntl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import flask_migrate
from flask import Flask
from sqlalchemy import Connection, Engine, create_engine, inspect, make_url, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from models import append_only
from models.audit import AuditHead
from models.authz import AuthzEpoch
from models.base import db
from webapp import backup, ballast, config, create_app, doctor

_LOCK = 7263526  # any number, the same for all releases of this application


def main() -> int:
    try:
        settings = config.load()
    except config.BadSetting as error:
        say(str(error))
        return 1
    owner = settings["DATABASE_OWNER_URL"] or settings["DATABASE_URL"]
    if why := unreachable(owner):
        say(f"nothing was migrated: {why}")
        return 1
    application = make_url(settings["DATABASE_URL"]).username
    with one_at_a_time(owner):
        try:
            release(create_app({"DATABASE_URL": owner}), application)
        except backup.CannotBackUp as error:
            say(f"nothing was migrated, since no backup could be made: {error}")
            return 1
    return 0


def release(app: Flask, application_role: str | None = None) -> None:
    """Bring the database of `app`, whose role owns the tables, to what this version needs."""
    with app.app_context():
        engine = db.engine
        before, wanted = revisions(engine), set(doctor.newest_revisions())
        if before and before != wanted:
            _back_up(app)
        if engine.dialect.name == "sqlite":
            _use_wal(engine)
        flask_migrate.upgrade()
        with engine.begin() as connection:
            append_only.protect(connection)
            _insert_single_rows(connection)
            if application_role and application_role != engine.url.username:
                grant(connection, application_role)
        engine.dispose()
        ballast.lay(app.config["DATABASE_URL"])
        say("the database is up to date" if before == wanted else "the database was migrated")


def unreachable(url: str) -> str:
    """Why this database cannot be used, in one sentence; empty when it can."""
    place = make_url(url)
    if place.get_backend_name() == "sqlite" and not Path(str(place.database)).exists():
        return ""  # it is made
    try:
        with create_engine(place, poolclass=NullPool).connect() as connection:
            inspect(connection).has_table("alembic_version")
    except DBAPIError as error:
        said = str(error.orig).strip().partition("\n")[0]
        return f"the database at {place.render_as_string(hide_password=True)} cannot be used: {said}"
    return ""


def revisions(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return set()
        return set(connection.execute(text("SELECT version_num FROM alembic_version")).scalars())


@contextmanager
def one_at_a_time(url: str) -> Iterator[None]:
    """Hold off a second release of the same database until the first is done."""
    place = make_url(url)
    if place.get_backend_name() == "sqlite":
        path = Path(f"{place.database}.release")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        return
    engine = create_engine(place, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(select(text(f"pg_advisory_lock({_LOCK})")))
        yield  # closing the connection unlocks


def _back_up(app: Flask) -> None:
    """CannotBackUp on SQLite; hosts of PostgreSQL make their own, and may lack the client programs."""
    try:
        say(f"backed up to {backup.create(app)}")
    except backup.CannotBackUp as error:
        if db.engine.dialect.name == "sqlite":
            raise
        say(f"no backup was made before migrating: {error}")


def _use_wal(engine: Engine) -> None:
    """Readers and the one writer do not wait for each other; the mode is kept in the file."""
    driver = engine.raw_connection()
    try:
        driver.cursor().execute("PRAGMA journal_mode=WAL")
    finally:
        driver.close()


def _insert_single_rows(connection: Connection) -> None:
    for model in (AuthzEpoch, AuditHead):
        table = model.__table__
        if connection.scalar(select(table.c.id).where(table.c.id == 1)) is None:
            defaults = {"epoch": 0} if model is AuthzEpoch else {"seq": 0, "hash": "0" * 64}
            connection.execute(table.insert().values(id=1, **defaults))  # type: ignore[attr-defined]


def grant(connection: Connection, role: str) -> None:
    """Let the application's role read and write, but own nothing, and never change what only grows."""
    name = connection.dialect.identifier_preparer.quote(role)
    for statement in (
        f"GRANT USAGE ON SCHEMA public TO {name}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name}",
        f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {name}",
        f"REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {name}",
        *(f"REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM {name}" for table in append_only.TABLES),
        *(f"REVOKE INSERT ON {table} FROM {name}" for table in append_only.READ_ONLY),
        *(
            f"GRANT UPDATE ({', '.join(columns)}) ON {table} TO {name}"
            for table, columns in append_only.ONCE.items()
        ),
    ):
        connection.execute(text(statement))


def say(sentence: str) -> None:
    sys.stdout.write(f"release: {sentence}\n")


if __name__ == "__main__":
    sys.exit(main())
