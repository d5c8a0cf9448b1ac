"""Real processes to measure: databases that keep what they were told, Redis, the product, and its peers."""

import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from scripts import setup
from scripts.programs import ROOT
from tests.support.databases import Database, PostgresqlDatabases, SqliteDatabases
from tests.support.live import Live
from tests.support.processes import Process, free_port, wait_until
from tests.support.redis import RedisServer


class Stage:
    """A folder of its own; what runs in it ends with it."""

    def __init__(self, folder: Path, ends: ExitStack, process: type[Process] = Process) -> None:
        self.folder, self._ends, self._process = folder, ends, process
        self._databases: dict[str, SqliteDatabases | PostgresqlDatabases] = {}
        self._names = 0

    def database(self, kind: str) -> Database:
        """A migrated, empty database; on PostgreSQL in a cluster that flushes what it commits."""
        if kind not in self._databases:
            folder = self._new_folder(kind)
            if kind == "sqlite":
                self._databases[kind] = SqliteDatabases(folder)
            else:
                setup.postgresql()
                cluster = PostgresqlDatabases(folder, durable=True)
                self._ends.callback(cluster.stop)
                self._databases[kind] = cluster
        return self._databases[kind].create()

    def redis(self) -> RedisServer:
        """One of its own for each that asks, as an installation has."""
        redis = RedisServer(self._new_folder("redis")).start()
        self._ends.callback(redis.end)
        return redis

    def live(self, database: Database, **variables: str) -> Live:
        """The product's own processes, none of which is started yet."""
        live = Live(database, self.redis(), self._new_folder("live"), variables, self._process)
        self._ends.callback(live.end)
        return live

    def server(self, name: str, *command: str | Path, environ: dict[str, str] | None = None) -> "Server":
        """Start a program that takes its port as last argument."""
        port = free_port()
        return self._started(name, [*map(str, command), str(port)], environ or dict(os.environ), port)

    def web(self, database: Database, **variables: str) -> "Server":
        """Start the web process alone."""
        live = self.live(database, LOG_LEVEL="WARNING", **variables)
        return self._started("web", [sys.executable, "wsgi.py"], live.environ, live.port)

    def variant(self, script: Path, database: Database, **variables: str) -> "Server":
        """Start a variant of the web process, whose script says how it differs."""
        live = self.live(database, LOG_LEVEL="WARNING", **variables)
        environ = live.environ | {"PYTHONPATH": str(ROOT)}
        return self._started(script.parent.name, [sys.executable, str(script)], environ, live.port)

    def _started(self, name: str, command: list[str], environ: dict[str, str], port: int) -> "Server":
        self._names += 1
        process = self._process(f"{name}-{self._names}", command, environ, self.folder)
        self._ends.callback(process.end)
        process.start()
        server = Server(process, port)
        wait_until(server.accepts, 30, f"an answer of {name}")
        return server

    def _new_folder(self, name: str) -> Path:
        return Path(tempfile.mkdtemp(prefix=name[:2], dir=self.folder)).absolute()


class Server:
    """A process that listens on a port of the loopback."""

    def __init__(self, process: Process, port: int) -> None:
        self.process, self.port = process, port
        self.url = f"http://127.0.0.1:{port}"

    def accepts(self) -> bool:
        assert self.process.alive, f"{self.process.name} ended at the start\n{self.process.log}"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def stage(process: type[Process] = Process) -> Iterator[Stage]:
    """Where processes are started as this kind of process starts them."""
    with ExitStack() as ends:
        # A short path, for the unix sockets in it; PostgreSQL's own user passes through.
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp")))
        folder.chmod(0o755)
        yield Stage(folder, ends, process)
