"""Processes that stand from test to test: to start them takes longer than most stories they serve."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.databases import Database, PostgresqlDatabases, SqliteDatabases
from tests.support.forked import Forked
from tests.support.live import Live
from tests.support.redis import RedisServer

Databases = SqliteDatabases | PostgresqlDatabases


class Residence:
    """A Redis, and what runs on it and on a database with these variables."""

    def __init__(self, database: Database, folder: Path, variables: Mapping[str, str]) -> None:
        self._folder = Path(tempfile.mkdtemp(dir=folder))
        self.database = database
        self.redis = RedisServer(self._folder)
        self.redis.start()
        self.live = Live(self.database, self.redis, self._folder, variables, Forked)

    def end(self) -> None:
        self.live.end()
        self.redis.end()
        shutil.rmtree(self._folder, ignore_errors=True)


class Residences:
    """One of each kind that was asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._standing: dict[tuple[object, ...], Residence] = {}

    def of(self, databases: Databases, variables: Mapping[str, str], processes: Sequence[str]) -> Residence:
        """The one where just these processes are at home."""
        kind = (databases, *processes, *sorted(variables.items()))
        if kind not in self._standing:
            self._standing[kind] = Residence(databases.create(), self._folder, variables)
        return self._standing[kind]

    def end(self) -> None:
        for residence in self._standing.values():
            residence.end()
