"""Backups of the database: made while everything runs, and looked at before they are called one."""

import shutil
import sqlite3
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from flask import Flask
from sqlalchemy import URL, make_url, select

from models.audit import AuditEntry, broken_at
from models.base import db, reading


class CannotBackUp(Exception):
    """One sentence about what is missing or wrong."""


def create(app: Flask) -> Path:
    """A new file with everything in it; CannotBackUp says why there is none."""
    url = _owner(app)
    folder = Path(app.config["BACKUP_FOLDER"])
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    if url.get_backend_name() == "sqlite":
        path = folder / f"teamroom-{now}.sqlite3"
        _copy(Path(str(url.database)), path)
        _check(path)
    else:
        path = folder / f"teamroom-{now}.dump"
        _run("pg_dump", url, "--format=custom", "--no-owner", f"--file={path}")
        _run("pg_restore", None, "--list", str(path))
    path.chmod(0o600)
    return path


def restore(app: Flask, path: Path) -> None:
    """Put the backup in place of what the database holds now."""
    url = _owner(app)
    if not path.is_file():
        raise CannotBackUp(f"{path} is not a file.")
    if url.get_backend_name() == "sqlite":
        _check(path)
        _copy(path, Path(str(url.database)))
    else:
        _run("pg_restore", None, "--list", str(path))
        _run("pg_restore", url, "--clean", "--if-exists", "--no-owner", "--single-transaction",
             "--exit-on-error", f"--dbname={_name(url)}", str(path))  # fmt: skip


def verify_audit() -> int:
    """How many entries the audit chain has; CannotBackUp names the first that does not fit."""
    with reading():
        entries = db.session.scalars(
            select(AuditEntry).order_by(AuditEntry.seq).execution_options(yield_per=500)
        )
        count = 0

        def counted():  # type: ignore[no-untyped-def]
            nonlocal count
            for entry in entries:
                count += 1
                yield entry

        broken = broken_at(counted())
        entries.close()
        db.session.rollback()
    if broken is not None:
        raise CannotBackUp(f"The audit log was changed: entry {broken} does not fit the one before.")
    return count


def _owner(app: Flask) -> URL:
    return make_url(app.config["DATABASE_OWNER_URL"] or app.config["DATABASE_URL"])


def _copy(source: Path, target: Path) -> None:
    """SQLite's own online copy: consistent while others write."""
    read = sqlite3.connect(f"file:{source}?mode=ro", uri=True)
    write = sqlite3.connect(target)
    try:
        read.backup(write)
    except sqlite3.Error as error:
        raise CannotBackUp(f"SQLite could not copy {source}: {error}.") from None
    finally:
        write.close()
        read.close()


def _check(path: Path) -> None:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        (said,) = connection.execute("PRAGMA integrity_check").fetchone()
        found = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'")
        if said != "ok" or found.fetchone() != (1,):
            raise CannotBackUp(f"{path} is not a whole backup of Team Room.")
    except sqlite3.DatabaseError:
        raise CannotBackUp(f"{path} is not a SQLite database.") from None
    finally:
        connection.close()


def _run(program: str, url: URL | None, *arguments: str) -> None:
    """Run one of PostgreSQL's programs; the password goes by the environment, where `ps` cannot see it."""
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


def _name(url: URL) -> str:
    """A connection string of libpq, without the password."""
    plain = url.set(drivername="postgresql", password=None)
    return plain.render_as_string(hide_password=False).replace("***", "")
