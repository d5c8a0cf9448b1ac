"""Backups of the database: made while everything runs, and looked at before they are called one."""

import shutil
import sqlite3
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from flask import Flask
from sqlalchemy import URL, create_engine, inspect, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from models.audit import Mark
from models.base import db, reading
from webapp import chain, readers
from webapp.chain import Broken


class CannotBackUp(Exception):
    """One sentence about what is missing or wrong."""


def create(app: Flask) -> Path:
    """A new file with everything in it; CannotBackUp says why there is none."""
    url = _owner(app)
    if _is_empty(url):
        raise CannotBackUp("There is nothing to back up: the database has no tables yet.")
    folder = Path(app.config["BACKUP_FOLDER"])
    now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"teamroom-{now}.{'sqlite3' if _is_sqlite(url) else 'dump'}"
        path.touch(mode=0o600)
    except OSError as error:
        raise CannotBackUp(f"nothing can be written to {folder}: {error.strerror}.") from None
    try:
        if _is_sqlite(url):
            _copy(Path(str(url.database)), path, journal="DELETE")  # one file, whatever looks at it
        else:
            _run("pg_dump", url, "--format=custom", "--no-owner", f"--file={path}")
        _check(url, path)
    except CannotBackUp:
        path.unlink()
        raise
    return path


def restore(app: Flask, path: Path) -> Path | None:
    """Put the backup in place of what the database holds; where that is kept now, if there was anything.

    Nothing is replaced before the backup, with its audit log, was found whole, and what is there was kept.
    """
    url = _owner(app)
    if not path.is_file():
        raise CannotBackUp(f"{path} is not a file.")
    _check(url, path)
    _verify_in(url, path)
    kept = _keep(app, url)
    engine = create_engine(url, poolclass=NullPool)
    heads = readers.heads(engine)
    if _is_sqlite(url):
        _copy(path, Path(str(url.database)), journal="WAL")
    else:
        _run("pg_restore", url, "--clean", "--if-exists", "--no-owner", "--single-transaction",
             "--exit-on-error", f"--dbname={_name(url)}", str(path))  # fmt: skip
    readers.send_back(engine, heads)
    return kept


def verify_audit(known: Iterable[Mark] = ()) -> Mark:
    """The end of the audit chain; CannotBackUp names the first entry that does not fit or is missing."""
    with reading():
        try:
            return chain.verify(db.session(), known)
        except Broken as error:
            raise CannotBackUp(str(error)) from None
        finally:
            db.session.rollback()


def _owner(app: Flask) -> URL:
    return make_url(app.config["DATABASE_OWNER_URL"] or app.config["DATABASE_URL"])


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _is_empty(url: URL) -> bool:
    if _is_sqlite(url) and not Path(str(url.database)).exists():
        return True  # to look would make the file
    try:
        return not inspect(create_engine(url, poolclass=NullPool)).has_table("alembic_version")
    except DBAPIError as error:
        raise CannotBackUp(f"The database does not answer: {error.orig}.") from None


def _keep(app: Flask, url: URL) -> Path | None:
    try:
        return None if _is_empty(url) else create(app)
    except CannotBackUp as error:
        raise CannotBackUp(
            f"Nothing was replaced, since what is there could not be kept: {error} "
            "Restore into an empty database, or move this one away."
        ) from None


def _copy(source: Path, target: Path, journal: str) -> None:
    """SQLite's own online copy: consistent while others write."""
    try:
        read = _open(source)
        write = sqlite3.connect(target)
        try:
            read.backup(write)
            write.execute(f"PRAGMA journal_mode={journal}")
        finally:
            write.close()
            read.close()
    except sqlite3.Error as error:
        raise CannotBackUp(f"SQLite could not copy {source}: {error}.") from None


def _open(path: Path) -> sqlite3.Connection:
    """Only to read. As an address, since a plain name would make the file; so it is escaped."""
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)


def _check(url: URL, path: Path) -> None:
    """CannotBackUp when the file is not a whole backup for this kind of database."""
    if not _is_sqlite(url):
        _run("pg_restore", None, "--list", str(path))
        return
    try:
        connection = _open(path)
        try:
            (said,) = connection.execute("PRAGMA integrity_check").fetchone()
            tables = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'")
            if said != "ok" or tables.fetchone() != (1,):
                raise CannotBackUp(f"{path} is not a whole backup of Team Room.")
        finally:
            connection.close()
    except sqlite3.DatabaseError:
        raise CannotBackUp(f"{path} is not a SQLite database.") from None


def _verify_in(url: URL, path: Path) -> None:
    """CannotBackUp when the audit log inside the backup was changed."""
    try:
        if _is_sqlite(url):
            chain.verify_in_file(lambda: _open(path))
        else:
            script = _run("pg_restore", None, "--data-only", "--table=audit_log", "--table=audit_head",
                          "--file=-", str(path))  # fmt: skip
            chain.verify_in_script(url, script)
    except Broken as error:
        raise CannotBackUp(f"Nothing was replaced. In {path}: {error}") from None
    except DBAPIError as error:
        raise CannotBackUp(
            f"Nothing was replaced, since the database does not answer: {error.orig}"
        ) from None


def _run(program: str, url: URL | None, *arguments: str) -> str:
    """What a program of PostgreSQL said; `ps` cannot see the password, which goes by the environment."""
    path = shutil.which(program)
    if path is None:
        raise CannotBackUp(f"{program} is not on the PATH: install PostgreSQL's client programs.")
    command = [path, *arguments]
    if url is not None and program == "pg_dump":
        command.append(f"--dbname={_name(url)}")
    environ = {"PATH": str(Path(path).parent)}
    if url is not None and url.password:
        environ["PGPASSWORD"] = str(url.password)
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise CannotBackUp(f"{program} failed: {last}")
    return done.stdout


def _name(url: URL) -> str:
    """A connection string of libpq, without the password."""
    plain = url.set(drivername="postgresql", password=None)
    return plain.render_as_string(hide_password=False).replace("***", "")
