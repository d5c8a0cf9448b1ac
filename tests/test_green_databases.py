"""While a database works, the web process goes on; left to themselves, both would make it stand still."""

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.programs import ROOT
from tests.support.databases import Database

# Each begins so: meanwhile another greenlet counts every 10 ms.
COUNTING = """
import sys
import wsgi
import eventlet
ticks = 0
def tick():
    global ticks
    while True:
        eventlet.sleep(0.01)
        ticks += 1
eventlet.spawn(tick)
"""
# The disk takes 0.3 s.
SQLITE = """
from eventlet.patcher import original
from sqlalchemy import create_engine, text

engine = create_engine(f"sqlite:///{sys.argv[1]}")
commit = engine.dialect.do_commit
def slowly(connection):
    original("time").sleep(0.3)
    commit(connection)
engine.dialect.do_commit = slowly
if sys.argv[2] == "green":
    wsgi.let_loop_go_on(engine)
with engine.begin() as connection:
    connection.execute(text("CREATE TABLE t (a INTEGER)"))
    connection.execute(text("INSERT INTO t VALUES (42)"))
print(ticks)
with engine.connect() as connection:
    print(connection.scalar(text("SELECT a FROM t")))
"""


@pytest.mark.parametrize(("how", "goes_on"), [("green", True), ("in the loop", False)])
def test_the_loop_goes_on_while_sqlite_waits_for_the_disk(tmp_path: Path, how: str, goes_on: bool) -> None:
    command = [sys.executable, "-c", COUNTING + SQLITE, str(tmp_path / "slow.sqlite3"), how]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    ticks, stored = map(int, done.stdout.split())
    assert (ticks >= 5) is goes_on
    assert stored == 42


# A query that takes 0.3 s, an answer and a question too long for any buffer, and a server that hangs up.
POSTGRESQL = """
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

engine = create_engine(sys.argv[1])
if sys.argv[2] == "green":
    wsgi.let_loop_go_on(engine)
with engine.connect() as connection:
    connection.execute(text("SELECT pg_sleep(0.3)"))
    print(ticks)
    long = "x" * 20_000_000
    print(connection.scalar(text("SELECT :long"), {"long": long}) == long)
    try:
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    except OperationalError:
        print("hung up")
"""


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize(("how", "goes_on"), [("green", True), ("in the loop", False)])
def test_the_loop_goes_on_while_postgresql_works(database: Database, how: str, goes_on: bool) -> None:
    command = [sys.executable, "-c", COUNTING + POSTGRESQL, database.url, how]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    ticks, *others = done.stdout.splitlines()
    assert (int(ticks) >= 5) is goes_on
    assert others == ["True", "hung up"]
