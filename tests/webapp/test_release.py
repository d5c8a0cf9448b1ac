"""The release step and the operator's commands, on both databases."""

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import flask_migrate
import pytest
from click.testing import Result
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import make_url, select, text
from sqlalchemy.exc import DBAPIError

from models import append_only, audit
from models.audit import AuditEntry
from models.authz import AuthzEpoch
from models.token import ApiToken
from models.user import User
from tests import factories
from tests.support.databases import SECRET_KEY, Database
from tests.support.processes import ROOT
from tests.webapp.conftest import Site
from webapp import backup, doctor, release


def run_release(database: Database, tmp_path: Path) -> "subprocess.Popen[str]":
    environ = {"PATH": "/usr/bin:/bin", "SECRET_KEY": SECRET_KEY, **database.environ,
               "BACKUP_FOLDER": str(tmp_path / "backups")}  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-m", "webapp.release"],
        cwd=ROOT,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


# --- release ---


@pytest.mark.databases("sqlite")
def test_a_database_that_cannot_be_used_is_one_sentence_here_and_for_the_doctor(
    make_app: Callable[..., Flask], tmp_path: Path
) -> None:
    """The release step, which makes missing tables, would help neither."""
    (tmp_path / "letter.txt").write_text("Dear database," * 100)
    for url, remedy in (
        ("postgresql+psycopg://somebody:secret@127.0.0.1:1/room", "pg_isready"),
        (f"sqlite:///{tmp_path}/letter.txt", "export DATABASE_URL=…"),
    ):
        done = run_release(Database("", url, url), tmp_path)
        said = done.communicate(timeout=60)[0]

        assert done.returncode == 1
        assert re.fullmatch(r"release: nothing was migrated: the database at .* cannot be used: .+\n", said)
        assert "secret" not in said
        with make_app(DATABASE_URL=url).app_context():
            assert {check().command for check in (doctor.database, doctor.migrations)} == {remedy}


def test_two_releases_at_once_and_one_after_change_nothing(
    database: Database, db: SQLAlchemy, site: Site, tmp_path: Path
) -> None:
    people = db.session.scalars(select(User.id)).all()
    db.session.rollback()

    both = [run_release(database, tmp_path), run_release(database, tmp_path)]
    said = [process.communicate(timeout=60)[0] for process in both]

    assert [process.returncode for process in both] == [0, 0], said
    assert all("up to date" in each for each in said)
    assert db.session.scalars(select(User.id)).all() == people
    assert db.session.scalars(select(AuthzEpoch.id)).all() == [1]


def test_an_empty_database_by_two_releases_at_once(
    database: Database, owning_app: Flask, tmp_path: Path
) -> None:
    empty(owning_app)

    both = [run_release(database, tmp_path), run_release(database, tmp_path)]
    said = [process.communicate(timeout=60)[0] for process in both]

    assert [process.returncode for process in both] == [0, 0], said
    assert sorted("was migrated" in each for each in said) == [False, True]
    with owning_app.app_context():
        assert append_only.missing(release.db.session.connection()) == []
        release.db.session.rollback()


def empty(app: Flask) -> None:
    with app.app_context():
        engine = release.db.engine
        if engine.dialect.name == "sqlite":
            engine.dispose()
            for end in ("", "-wal", "-shm"):
                Path(f"{engine.url.database}{end}").unlink(missing_ok=True)
        else:
            with engine.begin() as connection:
                connection.execute(text("DROP SCHEMA public CASCADE"))
                connection.execute(text("CREATE SCHEMA public"))
            engine.dispose()


def test_a_backup_is_made_before_a_migration_of_data(
    database: Database, owning_app: Flask, site: Site, capsys: pytest.CaptureFixture[str], db: SQLAlchemy
) -> None:
    db.session.commit()
    with owning_app.app_context(), release.db.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'older'"))

    with pytest.raises(SystemExit):  # nobody knows that revision; but the backup comes first
        release.release(owning_app)

    said = capsys.readouterr().out
    assert "backed up to" in said
    assert list((Path(owning_app.config["BACKUP_FOLDER"])).iterdir())
    with owning_app.app_context(), release.db.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :new"),
                           {"new": doctor.newest_revisions()[0]})  # fmt: skip


def test_without_a_backup_sqlite_is_not_migrated(
    database: Database, owning_app: Flask, site: Site, tmp_path: Path, db: SQLAlchemy
) -> None:
    """Its file is all there is. Hosts of PostgreSQL make backups of their own."""
    (tmp_path / "backups").write_text("a file where the folder should be")
    with owning_app.app_context(), release.db.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'older'"))

    process = run_release(database, tmp_path)
    said = process.communicate(timeout=60)[0]

    assert process.returncode == 1
    if database.kind == "sqlite":
        assert said.startswith("release: nothing was migrated, since no backup could be made: nothing can be")
        assert said.count("\n") == 1, said
    else:
        assert "no backup was made before migrating" in said
    with owning_app.app_context(), release.db.engine.begin() as connection:
        connection.execute(
            text("UPDATE alembic_version SET version_num = :new"), {"new": doctor.newest_revisions()[0]}
        )


def test_going_down_and_up_again_leaves_the_same_tables(owning_app: Flask) -> None:
    with owning_app.app_context():
        before = tables(release.db)
        flask_migrate.downgrade(revision="base")
        assert tables(release.db) == ["alembic_version"]
    release.release(owning_app)
    with owning_app.app_context():
        assert tables(release.db) == before


def tables(db: SQLAlchemy) -> list[str]:
    from sqlalchemy import inspect

    with db.engine.connect() as connection:
        return sorted(inspect(connection).get_table_names())


def test_the_models_say_what_the_migrations_made(owning_app: Flask) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    with owning_app.app_context(), release.db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, release.db.metadata) == []


# --- what only grows, and who owns the tables ---


CHANGES = {
    "sqlite": ("UPDATE audit_log SET actor = 'x'", "DELETE FROM audit_log",
               "INSERT OR REPLACE INTO audit_log SELECT * FROM audit_log"),
    "postgresql": ("UPDATE audit_log SET actor = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"),
}  # fmt: skip


@pytest.mark.parametrize("role", ["application", "owner"])
def test_the_audit_log_only_grows(
    app: Flask, owning_app: Flask, db: SQLAlchemy, role: str, database: Database
) -> None:
    audit.record("test", "happened", "something")
    db.session.commit()

    with (app if role == "application" else owning_app).app_context():
        for statement in CHANGES[database.kind]:
            with pytest.raises(DBAPIError), release.db.engine.begin() as connection:
                connection.execute(text(statement))

    assert len(db.session.scalars(select(AuditEntry)).all()) == 1


def test_without_its_trigger_it_would_not(owning_app: Flask, db: SQLAlchemy) -> None:
    """Control: the trigger is what holds, and doctor sees that it is missing."""
    audit.record("test", "happened", "something")
    db.session.commit()
    with owning_app.app_context():
        with release.db.engine.begin() as connection:
            where = "" if connection.dialect.name == "sqlite" else " ON audit_log"
            connection.execute(text(f"DROP TRIGGER audit_log_no_update{where}"))
            connection.execute(text("UPDATE audit_log SET actor = 'x'"))
        assert doctor.triggers().ok is False
        release.release(owning_app)
        assert doctor.triggers().ok is True
    with pytest.raises(backup.CannotBackUp, match="entry 1"):
        backup.verify_audit()


@pytest.mark.databases("postgresql")
def test_the_application_does_not_own_its_tables(app: Flask, database: Database) -> None:
    with app.app_context():
        with release.db.engine.connect() as connection:
            owners = set(
                connection.execute(
                    text("SELECT tableowner FROM pg_tables WHERE schemaname = 'public'")
                ).scalars()
            )
        assert owners == {make_url(database.owner_url).username}
        for statement in ("DROP TABLE users", "CREATE TABLE mine (id int)",
                          "UPDATE alembic_version SET version_num = 'x'"):  # fmt: skip
            with pytest.raises(DBAPIError), release.db.engine.begin() as connection:
                connection.execute(text(statement))


@pytest.mark.databases("sqlite")
def test_sqlite_keeps_its_log_beside_the_file(database: Database) -> None:
    path = make_url(database.url).database
    connection = sqlite3.connect(str(path))

    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


# --- commands ---


def test_an_account_from_the_command_line(flask: Callable[..., Result], site: Site, app: Flask) -> None:
    done = flask("user", "create", "op@example.org", "Operator Two", "--project", site.project.key,
                 "--role", "operator", "--password", factories.PASSWORD)  # fmt: skip
    again = flask("user", "create", "op@example.org", "Again", "--project", site.project.key,
                  "--password", factories.PASSWORD)  # fmt: skip

    assert done.exit_code == 0, done.output
    made = User.by_email("op@example.org")
    assert made
    assert [each.role for each in made.memberships] == ["operator"]
    assert (again.exit_code, "exists" in again.output) == (1, True)
    assert "Traceback" not in again.output


def test_a_password_from_the_command_line_ends_all_sessions(flask: Callable[..., Result], site: Site) -> None:
    client, member = site.browser("member"), site.people["member"]
    new = "brand new password"

    done = flask("user", "password", member.email, typed=f"{new}\n{new}\n")

    assert done.exit_code == 0, done.output
    assert new not in done.output
    assert client.get("/api/me").status_code == 401


def path_of(said: str) -> str:
    """The address in it, without the host; the port may be that of a Team Room that runs here."""
    return re.findall(r"http://[^/]+(/\S+)", said)[-1]


def test_a_link_from_the_command_line(flask: Callable[..., Result], site: Site, app: Flask) -> None:
    done = flask("user", "password", "--link", site.people["member"].email)

    path = path_of(done.output)
    assert path.startswith("/reset/"), done.output
    assert app.test_client().get(path).status_code == 200


def test_a_token_from_the_command_line(flask: Callable[..., Result], site: Site, app: Flask) -> None:
    done = flask("token", "create", site.project.key, "script", "--kind", "user", "--user",
                 site.people["member"].email)  # fmt: skip

    assert done.exit_code == 0, done.output
    assert factories.bearer(app, done.output.strip()).get(site.api).status_code == 200
    assert factories.db.session.scalars(select(ApiToken.name)).all() == ["script"]


@pytest.mark.parametrize(
    "words",
    [
        ("user", "password", "--link", "nobody@example.org"),
        ("token", "create", "nowhere", "x", "--kind", "worker"),
        ("token", "create", "nowhere", "x", "--kind", "user"),
        ("restore", "--yes", "/no/such/file"),
        ("demo", "nobody@example.org"),
    ],
    ids=" ".join,
)
def test_a_command_that_cannot_says_why_in_one_sentence(
    flask: Callable[..., Result], site: Site, words: tuple[str, ...]
) -> None:
    done = flask(*words)

    assert done.exit_code == 1
    assert done.output.startswith("Error: ")
    assert done.output.count("\n") == 1


@pytest.mark.parametrize("who", ["stranger", "closed"])
def test_no_token_is_made_that_could_never_work(
    flask: Callable[..., Result], site: Site, db: SQLAlchemy, who: str
) -> None:
    person = site.people["stranger" if who == "stranger" else "member"]
    if who == "closed":
        person.deactivate()
        db.session.commit()

    done = flask("token", "create", site.project.key, "x", "--kind", "user", "--user", person.email)

    assert (done.exit_code, done.output.count("\n")) == (1, 1)
    assert f"{person.email} is not in {site.project.key}" in done.output
    assert db.session.scalars(select(ApiToken.id)).all() == []


@pytest.mark.parametrize("where", ["project", "password"])
def test_bytes_that_are_no_text_are_refused_in_one_sentence(
    flask: Callable[..., Result], site: Site, where: str
) -> None:
    bad = os.fsdecode(b"\xff\xfe is no text at all")
    project, password = (bad, factories.PASSWORD) if where == "project" else (site.project.key, bad)

    done = flask("user", "create", "new@example.org", "New", "--project", project, "--password", password)

    assert (done.exit_code, done.output.count("\n")) == (1, 1), done.output
    assert re.search("valid (UTF-8|Unicode)", done.output)


@pytest.mark.parametrize("words", [("setup-link",), ("demo", "a@example.org")], ids=" ".join)
def test_without_tables_the_release_step_is_named(tmp_path: Path, words: tuple[str, ...]) -> None:
    environ = {"PATH": "/usr/bin:/bin", "SECRET_KEY": SECRET_KEY,
               "DATABASE_URL": f"sqlite:///{tmp_path}/empty.sqlite3"}  # fmt: skip
    command = [sys.executable, "-m", "flask", "--app", "webapp", *words]

    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60)

    assert done.returncode == 1
    assert done.stderr == f"Error: Tables: They are not made yet. Run: {doctor.RELEASE}\n"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "demo engine"),
        ({"ANTHROPIC_API_KEY": "k"}, "api.anthropic.com"),
        ({"ANTHROPIC_BASE_URL": "http://localhost:8000"}, "localhost; it is asked"),
    ],
)
@pytest.mark.databases("sqlite")
def test_doctor_knows_the_engine_that_answers(
    make_app: Callable[..., Flask], settings: dict[str, str], words: str
) -> None:
    with make_app(**settings).app_context():
        assert words in doctor.model().detail


def test_the_setup_link_works_while_nobody_is_there(
    flask: Callable[..., Result], app: Flask, db: SQLAlchemy
) -> None:
    before = flask("setup-link").output
    page = app.test_client().get(path_of(before))
    factories.user()

    assert page.status_code == 200
    assert "sign in at" in flask("setup-link").output


def test_doctor_explains_each_part(flask: Callable[..., Result], db: SQLAlchemy) -> None:
    done = flask("doctor")

    assert done.exit_code == 0
    for word in ("Database", "Tables", "Redis", "Workers", "Executor", "Model endpoint", "Isolation"):
        assert word in done.output
    assert "python -m queues.worker chat" in done.output


def test_an_archived_project_is_opened_again(flask: Callable[..., Result], site: Site) -> None:
    owner = site.browser("owner")
    owner.put(f"{site.api}/archive")

    assert flask("project", "unarchive", site.project.key).exit_code == 0
    assert flask("project", "unarchive", "nowhere").exit_code == 1

    assert owner.get(site.api).status_code == 200


def test_demo_makes_a_project_to_look_at(flask: Callable[..., Result], site: Site) -> None:
    done = flask("demo", site.people["owner"].email)

    assert done.exit_code == 0, done.output
    assert site.browser("owner").get("/demo/chat").status_code == 200
