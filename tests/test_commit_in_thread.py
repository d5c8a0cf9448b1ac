"""While SQLite waits for the disk, the web process goes on; without the thread it would stand still."""

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.programs import ROOT

# The disk takes 0.3 s; meanwhile another greenlet counts every 10 ms.
PROGRAM = """
import sys
import wsgi
import eventlet
from eventlet.patcher import original
from sqlalchemy import create_engine, text

engine = create_engine(f"sqlite:///{sys.argv[1]}")
commit = engine.dialect.do_commit
def slowly(connection):
    original("time").sleep(0.3)
    commit(connection)
engine.dialect.do_commit = slowly
if sys.argv[2] == "in a thread":
    wsgi.commit_in_thread(engine)
ticks = 0
def tick():
    global ticks
    while True:
        eventlet.sleep(0.01)
        ticks += 1
eventlet.spawn(tick)
with engine.begin() as connection:
    connection.execute(text("CREATE TABLE t (a INTEGER)"))
    connection.execute(text("INSERT INTO t VALUES (42)"))
print(ticks)
with engine.connect() as connection:
    print(connection.scalar(text("SELECT a FROM t")))
"""


@pytest.mark.parametrize(("how", "goes_on"), [("in a thread", True), ("in the loop", False)])
def test_the_loop_goes_on_while_a_commit_waits_for_the_disk(tmp_path: Path, how: str, goes_on: bool) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "slow.sqlite3"), how]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    ticks, stored = map(int, done.stdout.split())
    assert (ticks >= 5) is goes_on
    assert stored == 42
