"""Backups are whole or are none, restoring loses nothing, and the audit log shows what was done to it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from click.testing import Result
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import make_url, text

from models import append_only, audit
from models.audit import AuditEntry
from models.base import utcnow
from models.project import Project
from models.stream import Stream
from models.user import User
from realtime import streams
from tests import factories
from tests.support.databases import Database
from tests.webapp.conftest import Site
from webapp import backup


def say(db: SQLAlchemy, number: int) -> None:
    for each in range(number):
        audit.record("test", "happened", f"thing {each}")
    db.session.commit()


def tamper(owner: Flask, *statements: str) -> None:
    """What somebody who owns the tables can do."""
    with owner.app_context():
        with backup.db.engine.begin() as connection:
            where = "" if connection.dialect.name == "sqlite" else " ON audit_log"
            for verb in ("update", "delete"):
                connection.execute(text(f"DROP TRIGGER audit_log_no_{verb}{where}"))
            for statement in statements:
                connection.execute(text(statement))
        backup.db.engine.dispose()


def leave(db: SQLAlchemy) -> None:
    """As a stopped application does: no connection is open."""
    db.session.commit()
    db.session.remove()
    db.engine.dispose()


# --- backup and restore ---


def test_what_was_backed_up_comes_back(
    owning_app: Flask, site: Site, db: SQLAlchemy, database: Database, app: Flask
) -> None:
    audit.record("test", "happened", "something")
    db.session.commit()
    path = backup.create(owning_app)
    factories.user(email="later@example.org")
    db.session.commit()
    db.session.remove()
    db.engine.dispose()

    backup.restore(owning_app, path)

    assert User.by_email("later@example.org") is None
    assert User.by_email(site.people["owner"].email) is not None
    assert backup.verify_audit().seq == 1
    assert append_only.missing(db.session.connection()) == []
    assert path.stat().st_mode & 0o077 == 0


def test_a_file_that_is_no_backup_changes_nothing(
    owning_app: Flask, site: Site, db: SQLAlchemy, tmp_path: Path
) -> None:
    db.session.commit()
    path = tmp_path / "nonsense"
    path.write_bytes(b"this is no database" * 500)

    with pytest.raises(backup.CannotBackUp):
        backup.restore(owning_app, path)

    assert User.by_email(site.people["owner"].email) is not None


@pytest.mark.databases("postgresql")
def test_without_the_client_programs_one_sentence_says_so(
    owning_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup.shutil, "which", lambda name: None)

    with pytest.raises(backup.CannotBackUp, match="pg_dump is not on the PATH"):
        backup.create(owning_app)


def test_a_changed_audit_entry_is_found(db: SQLAlchemy, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        audit.record("test", "happened", f"thing {number}")
    db.session.commit()
    assert backup.verify_audit().seq == 3
    seal: Any = AuditEntry.seal
    monkeypatch.setattr(AuditEntry, "seal", lambda entry: "0" * 64 if entry.seq == 2 else seal(entry))

    with pytest.raises(backup.CannotBackUp, match="entry 2"):
        backup.verify_audit()


# --- odd places ---


ODD = "a#b?c%20d e"


def test_a_folder_may_have_any_name(make_app: Callable[..., Flask], site: Site, db: SQLAlchemy,
                                    database: Database, tmp_path: Path) -> None:  # fmt: skip
    app = make_app(DATABASE_URL=database.owner_url, BACKUP_FOLDER=str(tmp_path / ODD))
    leave(db)

    path = backup.create(app)
    backup.restore(app, path)

    assert path.parent.name == ODD
    assert User.by_email(site.people["owner"].email) is not None


@pytest.mark.databases("sqlite")
def test_so_may_the_folder_of_the_database(
    make_app: Callable[..., Flask], database: Database, tmp_path: Path
) -> None:
    folder = tmp_path / "room #1? 100%41"
    folder.mkdir()
    backup._copy(Path(database.url.removeprefix("sqlite:///")), folder / "room.sqlite3", "WAL")
    app = make_app(
        DATABASE_URL=f"sqlite:///{quote(str(folder))}/room.sqlite3",
        DATABASE_OWNER_URL="",
        BACKUP_FOLDER=str(tmp_path / "backups"),
    )

    assert backup.create(app).stat().st_size > 0


def test_where_nothing_can_be_written_one_sentence_says_so(
    make_app: Callable[..., Flask], database: Database, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    app = make_app(DATABASE_URL=database.owner_url, BACKUP_FOLDER=str(tmp_path / "file" / "backups"))

    with pytest.raises(backup.CannotBackUp, match="nothing can be written to"):
        backup.create(app)


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("there", [True, False])
def test_of_a_database_without_tables_there_is_no_backup(
    make_app: Callable[..., Flask], tmp_path: Path, there: bool
) -> None:
    empty, folder = tmp_path / "empty.sqlite3", tmp_path / "backups"
    if there:
        empty.touch()
    app = make_app(
        DATABASE_URL=f"sqlite:///{empty}", DATABASE_OWNER_URL=f"sqlite:///{empty}", BACKUP_FOLDER=str(folder)
    )

    with pytest.raises(backup.CannotBackUp, match="has no tables yet"):
        backup.create(app)

    assert (empty.exists(), folder.exists()) == (there, False)


def test_what_failed_leaves_no_file_that_looks_like_a_backup(
    owning_app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> None:
        raise backup.CannotBackUp("not whole")

    monkeypatch.setattr(backup, "_check", refuse)

    with pytest.raises(backup.CannotBackUp, match="not whole"):
        backup.create(owning_app)

    assert list((tmp_path / "backups").iterdir()) == []


# --- what a restore must not lose ---


def test_what_is_there_is_kept_before_it_is_replaced(
    owning_app: Flask, site: Site, db: SQLAlchemy, database: Database
) -> None:
    leave(db)
    early = backup.create(owning_app)
    factories.user(email="later@example.org")
    leave(db)

    kept = backup.restore(owning_app, early)

    assert kept is not None
    assert User.by_email("later@example.org") is None
    leave(db)
    backup.restore(owning_app, kept)
    assert User.by_email("later@example.org") is not None


def test_what_cannot_be_kept_is_not_replaced(
    owning_app: Flask, site: Site, db: SQLAlchemy, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(db)
    path = backup.create(owning_app)
    factories.user(email="later@example.org")
    leave(db)

    def refuse(app: Flask) -> Path:
        raise backup.CannotBackUp("the disk is full.")

    monkeypatch.setattr(backup, "create", refuse)

    with pytest.raises(backup.CannotBackUp, match="could not be kept: the disk is full"):
        backup.restore(owning_app, path)

    assert User.by_email("later@example.org") is not None


@pytest.mark.databases("sqlite")
def test_a_database_that_cannot_be_read_is_moved_away_by_a_person(
    owning_app: Flask, site: Site, db: SQLAlchemy, database: Database
) -> None:
    leave(db)
    path = backup.create(owning_app)
    there = Path(database.url.removeprefix("sqlite:///"))
    for end in ("-wal", "-shm"):
        Path(f"{there}{end}").unlink(missing_ok=True)
    there.write_bytes(b"this was a database" * 500)

    with pytest.raises(backup.CannotBackUp, match=r"could not be kept: .*file is not a database"):
        backup.restore(owning_app, path)
    assert there.read_bytes().startswith(b"this was a database")

    there.unlink()
    assert backup.restore(owning_app, path) is None
    assert User.by_email(site.people["owner"].email) is not None


@pytest.mark.databases("postgresql")
def test_where_no_database_answers_one_sentence_says_so(
    make_app: Callable[..., Flask], owning_app: Flask, database: Database
) -> None:
    path = backup.create(owning_app)
    elsewhere = make_url(database.owner_url).set(database="nowhere").render_as_string(hide_password=False)

    with pytest.raises(backup.CannotBackUp, match="does not answer"):
        backup.restore(make_app(DATABASE_OWNER_URL=elsewhere), path)


def test_a_backup_whose_audit_log_was_changed_replaces_nothing(
    owning_app: Flask, site: Site, db: SQLAlchemy
) -> None:
    say(db, 3)
    leave(db)
    tamper(owning_app, "UPDATE audit_log SET actor = 'nobody' WHERE seq = 2")
    path = backup.create(owning_app)
    factories.user(email="later@example.org")
    leave(db)

    with pytest.raises(backup.CannotBackUp, match=r"Nothing was replaced.*entry 2"):
        backup.restore(owning_app, path)

    assert User.by_email("later@example.org") is not None


def test_nor_does_one_whose_log_was_cut_off(owning_app: Flask, site: Site, db: SQLAlchemy) -> None:
    say(db, 3)
    leave(db)
    tamper(owning_app, "DELETE FROM audit_log WHERE seq = 3")
    path = backup.create(owning_app)

    with pytest.raises(backup.CannotBackUp, match=r"Nothing was replaced.*entry 3 is missing"):
        backup.restore(owning_app, path)


@pytest.mark.databases("sqlite")
def test_into_an_empty_place_there_is_nothing_to_keep(
    owning_app: Flask, site: Site, db: SQLAlchemy, database: Database
) -> None:
    leave(db)
    path = backup.create(owning_app)
    for end in ("", "-wal", "-shm"):
        Path(f"{database.url.removeprefix('sqlite:///')}{end}").unlink(missing_ok=True)

    assert backup.restore(owning_app, path) is None

    assert User.by_email(site.people["owner"].email) is not None


def rename(db: SQLAlchemy, project: Project, times: int) -> None:
    for number in range(times):
        db.session.get_one(Project, project.id).name = f"at {utcnow()} {number}"
        db.session.commit()


def read(name: str, since: int) -> dict[str, Any]:
    return streams.catch_up(name, since)


def test_whoever_read_past_the_backup_loads_anew(
    owning_app: Flask, site: Site, db: SQLAlchemy, database: Database
) -> None:
    """Numbers are given again after a restore; a page must not take a new change for one it has (I2)."""
    name = f"project:{site.project.id}"
    rename(db, site.project, 2)
    leave(db)
    path = backup.create(owning_app)
    rename(db, site.project, 5)
    seen = [read(name, 0)["seq"]]

    for _ in range(2):  # twice from one file, with a reader of each time
        leave(db)
        backup.restore(owning_app, path)
        rename(db, site.project, 9)
        assert [read(name, since)["reset"] for since in seen] == [True] * len(seen)
        seen.append(read(name, 0)["seq"])

    rename(db, site.project, 1)
    assert not read(name, seen[-1])["reset"]
    assert len(read(name, seen[-1])["items"]) == 1


def test_so_does_the_reader_of_a_stream_that_the_backup_does_not_have(
    owning_app: Flask, site: Site, db: SQLAlchemy, database: Database
) -> None:
    quiet = f"user:{site.people['viewer'].id}"
    db.session.execute(text("DELETE FROM streams WHERE name = :name"), {"name": quiet})
    leave(db)
    path = backup.create(owning_app)
    db.session.add(Stream(name=quiet, head=5))
    leave(db)

    backup.restore(owning_app, path)

    assert read(quiet, 5)["reset"]
    assert read(f"admin:{site.project.id}", 1)["reset"]


# --- the audit log ---


def test_a_log_that_was_cut_off_is_not_whole(owning_app: Flask, db: SQLAlchemy) -> None:
    say(db, 5)
    leave(db)
    tamper(owning_app, "DELETE FROM audit_log WHERE seq > 3")

    with pytest.raises(backup.CannotBackUp, match="entry 4 is missing"):
        backup.verify_audit()


def test_a_log_with_its_head_set_back_too_is_found_by_a_head_noted_elsewhere(
    owning_app: Flask, db: SQLAlchemy
) -> None:
    """Control: without the mark it looks whole, which is why the clock tells it to its own log."""
    say(db, 3)
    early = backup.verify_audit()
    say(db, 2)
    late = backup.verify_audit()
    leave(db)
    tamper(
        owning_app,
        "DELETE FROM audit_log WHERE seq > 3",
        f"UPDATE audit_head SET seq = 3, hash = '{early.hash}'",
    )

    assert backup.verify_audit([early]) == early
    with pytest.raises(backup.CannotBackUp, match="entry 4 is missing"):
        backup.verify_audit([late])
    with pytest.raises(backup.CannotBackUp, match="entry 3"):
        backup.verify_audit([early._replace(hash="0" * 64)])


def test_an_entry_that_the_head_does_not_know_is_found(owning_app: Flask, db: SQLAlchemy) -> None:
    say(db, 2)
    early = backup.verify_audit()
    say(db, 1)
    leave(db)
    tamper(owning_app, f"UPDATE audit_head SET seq = 2, hash = '{early.hash}'")

    with pytest.raises(backup.CannotBackUp, match="entry 3 was added past its end"):
        backup.verify_audit()


def test_the_command_tells_the_head_and_takes_it_back(
    flask: Callable[..., Result], db: SQLAlchemy, owning_app: Flask
) -> None:
    say(db, 3)
    done = flask("verify-audit")
    head = done.output.split()[-1]

    assert done.output.startswith("The audit log is whole: 3 entries.")
    assert flask("verify-audit", "--head", head).exit_code == 0
    other = flask("verify-audit", "--head", f"2:{head.partition(':')[2]}")
    assert (other.exit_code, "entry 2" in other.output) == (1, True)
    wrong = flask("verify-audit", "--head", "latest")
    assert (wrong.exit_code, wrong.output.count("\n")) == (1, 1)


def test_a_backup_is_made_though_the_log_is_not_whole(
    flask: Callable[..., Result], owning_app: Flask, db: SQLAlchemy, tmp_path: Path
) -> None:
    """It may be all that is left; but the command fails, so that somebody looks."""
    say(db, 3)
    leave(db)
    tamper(owning_app, "DELETE FROM audit_log WHERE seq = 3")

    done = flask("backup")

    assert (done.exit_code, "entry 3 is missing" in done.output) == (1, True)
    assert len(list((tmp_path / "backups").iterdir())) == 1


def test_the_commands_keep_and_restore(flask: Callable[..., Result], site: Site, db: SQLAlchemy,
                                       owning_app: Flask, tmp_path: Path) -> None:  # fmt: skip
    path = flask("backup").output.splitlines()[0]
    leave(db)

    done = flask("restore", "--yes", path)

    assert done.exit_code == 0, done.output
    kept = done.output.splitlines()[0].removeprefix("What was there is kept in ")
    assert {Path(path), Path(kept)} == set((tmp_path / "backups").iterdir())
