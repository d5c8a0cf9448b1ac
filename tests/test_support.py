"""What the tests stand on: fresh databases, strict pages, certain ends."""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine, inspect, text

from tests.support.databases import Database, PostgresqlDatabases
from tests.support.dealing import dealt
from tests.support.forked import KINDS, Forked
from tests.support.pages import faults
from tests.support.processes import Process, wait_until
from tests.support.redis import RedisServer
from tests.support.template import TEMPLATES


def rows(database: Database, sql: str) -> list[tuple[object, ...]]:
    engine = create_engine(database.owner_url)
    try:
        with engine.begin() as connection:
            result = connection.execute(text(sql))
            return [tuple(row) for row in result] if result.returns_rows else []
    finally:
        engine.dispose()


@pytest.mark.databases("postgresql")
def test_a_used_database_is_given_out_again_as_the_template_was(
    postgresql_databases: PostgresqlDatabases,
) -> None:
    first = postgresql_databases.create()
    epoch = rows(first, "SELECT * FROM authz_epoch")
    assert epoch
    rows(first, "UPDATE authz_epoch SET epoch = 7")
    postgresql_databases.drop(first)

    second = postgresql_databases.create()

    assert second == first
    assert rows(second, "SELECT * FROM authz_epoch") == epoch
    postgresql_databases.drop(second)


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE extra (id integer)",
        "DROP TRIGGER audit_log_no_update ON audit_log",
        "REVOKE SELECT ON users FROM teamroom_app",
        "ALTER TABLE users ADD COLUMN extra integer",
    ],
)
def test_a_database_with_another_schema_is_thrown_away(
    postgresql_databases: PostgresqlDatabases, change: str
) -> None:
    first = postgresql_databases.create()
    rows(first, change)

    postgresql_databases.drop(first)

    assert postgresql_databases.create() != first


def test_each_test_has_the_tables(database: Database) -> None:
    engine = create_engine(database.url)
    assert {"users", "project_chat_messages", "audit_log"} <= set(inspect(engine).get_table_names())
    engine.dispose()


@pytest.mark.databases("postgresql")
def test_the_application_does_not_own_its_tables(database: Database) -> None:
    with psycopg.connect(database.url.replace("+psycopg", "")) as connection:
        connection.execute("SELECT * FROM users")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("ALTER TABLE users ADD extra integer")


@pytest.mark.parametrize(
    ("html", "fault"),
    [
        ("<div><p></div></p>", "</div> closes"),
        ("<section>", "<section> is never closed"),
        ('<b id="a"></b><i id="a"></i>', "the id 'a' occurs twice"),
        ('<i class="a" class="b"></i>', "has an attribute twice"),
        ("<script>run()</script>", "no nonce"),
        ('<b style="color: red"></b>', "inline"),
        ('<b onclick="run()"></b>', "inline"),
        ('<img src="a.png">', "no alt text"),
    ],
)
def test_a_bad_page_is_refused(html: str, fault: str) -> None:
    assert fault in "\n".join(faults(html))


def test_a_good_page_passes() -> None:
    head = '<!doctype html><html><head><meta charset="utf-8"><script src="a.js"></script></head>'

    assert faults(f'{head}<body><br><img alt=""><svg><use href="#a" /></svg></body></html>') == []


def test_a_redis_of_a_test_can_be_hung_and_flushed(redis_server: RedisServer) -> None:
    redis_server.pause()
    redis_server.resume()
    redis_server.flush()
    redis_server.restart()

    assert redis_server.alive


@pytest.fixture
def told(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """`told(Forked)` starts a probe so; what it says of itself."""

    def told(process: type[Process], name: str = "probe") -> dict[str, Any]:
        command = [sys.executable, "-m", "tests.support.probe", "some", "words"]
        environ = {"PATH": "/usr/bin:/bin", "PYTHONUNBUFFERED": "1", "GIVEN": "here"}
        probe = process(name, command, environ, tmp_path).start()
        assert probe._wait(20) == 3
        said: dict[str, Any] = json.loads(probe.log)
        probe.log_path.unlink()
        return said

    return told


needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the command itself runs")


@needs_linux
@pytest.mark.parametrize("kind", TEMPLATES)
def test_a_fork_is_what_its_command_would_be(
    told: Callable[..., dict[str, Any]], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS, "tests.support.probe", kind)

    forks = [told(Forked) for _ in range(2)]

    assert forks[0]["is"] == forks[1]["is"] == told(Process)["is"]
    assert forks[0]["is"]["parent"] == os.getpid()
    assert forks[0]["chance"] != forks[1]["chance"]
    loaded = {name.partition(".")[0] for name in forks[0]["loaded"]}
    assert loaded & {"eventlet", "anthropic", "agents", "rq", "pytest"} == {
        "web": {"eventlet"}, "worker": {"anthropic", "agents", "rq"},
    }[kind]  # fmt: skip


@needs_linux
def test_a_fork_can_be_killed_and_ends_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "agents.scripted_server"]
    one, other = (Forked(name, command, {}, tmp_path).start() for name in ("one", "other"))
    for each in (one, other):
        wait_until(lambda each=each: "listening on" in each.log, what="a server")

    one.kill()

    assert one.popen
    assert (one.popen.returncode, other.alive) == (-signal.SIGKILL, True)
    other.end()


def test_each_hand_begins_with_long_tests() -> None:
    cards = ["A1", "A2", "a3", "B1", "C1", "C2", "D1", "d2", "d3", "d4", "e1", "e2", "e3"]

    found = dealt(cards, 3, key=lambda card: card[0], long=str.isupper)

    assert [found[:4], found[4:8], found[8:]] == [
        ["A1", "A2", "D1", "a3"], ["B1", "d2", "d3", "d4"], ["C1", "C2", "e1", "e2", "e3"],
    ]  # fmt: skip
