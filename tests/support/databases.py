"""Fresh databases for tests: copies of one migrated template, on SQLite and on PostgreSQL."""

import itertools
import os
import pwd
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psycopg

from scripts import programs
from tests.support.processes import ROOT, Process, wait_until

OWNER, APPLICATION = "teamroom_owner", "teamroom_app"
SECRET_KEY = "a secret key that only tests use, long enough for every check"

_KEPT = "kept"
_DISCONNECT = f"""
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
  AND NOT (application_name = '{_KEPT}' AND state = 'idle')
"""
_TABLES = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"
# Every row of the catalogues that belongs to our tables, with the transaction that wrote it.
_SCHEMA = """
SELECT 'class', oid, xmin::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
UNION ALL SELECT 'trigger', t.oid, t.xmin::text
  FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid AND relnamespace = 'public'::regnamespace
UNION ALL SELECT 'function', oid, xmin::text
  FROM pg_proc WHERE pronamespace = 'public'::regnamespace
ORDER BY 1, 2
"""
# As a replica, neither the append-only triggers nor the order of foreign keys stand in the way. A function
# keeps the plans of its statements as long as the connection stands.
_AS_REPLICA = "SET session_replication_role = replica"
_EMPTY = """
CREATE FUNCTION pg_temp.empty() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
{}
END $$
"""
_EMPTY_ONE = "IF EXISTS (SELECT 1 FROM {0}) THEN DELETE FROM {0}; END IF;"
_WORN = 100
"""After so many tests the tables' dead rows are swept, or each look at a table would pass over them."""


@dataclass(frozen=True)
class Database:
    """One database: `url` for the application; migrations use `owner_url`, which may differ."""

    kind: str
    url: str
    owner_url: str

    @property
    def environ(self) -> dict[str, str]:
        return {"DATABASE_URL": self.url, "DATABASE_OWNER_URL": self.owner_url}


def migrate(database: Database) -> None:
    """Run the release step, the same as a deployment does."""
    environ = {"PATH": os.environ["PATH"], "SECRET_KEY": SECRET_KEY, **database.environ}
    done = subprocess.run(
        [sys.executable, "-m", "webapp.release"],
        cwd=ROOT,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"the release step failed:\n{done.stdout}"


def keep(connection: psycopg.Connection) -> None:
    """Idle, it may stay open for the next test: to open one was most of a small test's computing."""
    connection.execute(f"SET application_name = '{_KEPT}'")
    connection.commit()


class SqliteDatabases:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._unused: list[Path] = []
        self._template = folder / "template.sqlite3"
        migrate(self._at(self._template))

    def create(self) -> Database:
        path = self._unused.pop() if self._unused else self._folder / f"{next(self._numbers)}.sqlite3"
        shutil.copyfile(self._template, path)
        return self._at(path)

    def drop(self, database: Database) -> None:
        """Its name is used again, so that an application can be, too."""
        path = Path(database.url.removeprefix("sqlite:///"))
        for name in (path, *(path.with_name(f"{path.name}-{end}") for end in ("wal", "shm"))):
            name.unlink(missing_ok=True)
        self._unused.append(path)

    def _at(self, path: Path) -> Database:
        return Database("sqlite", f"sqlite:///{path}", f"sqlite:///{path}")


class PostgresqlDatabases:
    """A private cluster whose tables belong to a role that the application does not have.

    Only a `durable` one flushes what it commits; tests are faster without, benchmarks need it.
    """

    def __init__(self, folder: Path, durable: bool = False) -> None:
        self._folder, self._durable = folder, durable
        self._numbers = itertools.count(1)
        programs_folder = programs.postgresql()
        assert programs_folder, "no PostgreSQL; run `make test` once, which installs it"
        self._programs = programs_folder
        self._user = _unprivileged_user(folder)
        self._data = folder / "data"
        self._server = self._start()
        self._admin = psycopg.connect(self._dsn("postgres", "postgres"), autocommit=True)
        for role in (OWNER, APPLICATION):
            self._admin.execute(f"CREATE ROLE {role} LOGIN")
        self._admin.execute(f"GRANT pg_checkpoint TO {OWNER}")
        self._admin.execute(f"CREATE DATABASE template OWNER {OWNER}")
        migrate(self._named("template"))
        self._clean: list[str] = []
        self._connections: dict[str, psycopg.Connection] = {}
        self._emptied = itertools.count(1)
        self._rows: dict[str, bytes] = {}
        self._remember_template()

    def create(self) -> Database:
        if self._clean:
            return self._named(self._clean.pop())
        name = f"test{next(self._numbers)}"
        self._admin.execute(f"CREATE DATABASE {name} TEMPLATE template OWNER {OWNER}")
        return self._named(name)

    def drop(self, database: Database) -> None:
        """Empty it for the next test, which is far faster than another copy of the template."""
        name = database.url.partition("?")[0].rpartition("/")[2]
        connection = self._connection(name)
        connection.execute(_DISCONNECT)
        if connection.execute(_SCHEMA).fetchall() == self._schema:
            self._empty(connection)
            self._clean.append(name)
        else:
            self._connections.pop(name).close()
            self._admin.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _connection(self, name: str) -> psycopg.Connection:
        """It stays: what a new one reads of the catalogues takes longer than emptying all tables."""
        if name not in self._connections:
            connection = psycopg.connect(self._dsn("postgres", name), autocommit=True)
            connection.execute(_AS_REPLICA)
            tables = [table for (table,) in connection.execute(_TABLES).fetchall()]
            connection.execute(_EMPTY.format("\n".join(map(_EMPTY_ONE.format, tables))))
            self._connections[name] = connection
        return self._connections[name]

    def _remember_template(self) -> None:
        """What a test may change and must find again: the schema, and the rows of migrations."""
        with psycopg.connect(self._dsn("postgres", "template")) as connection:
            self._schema = connection.execute(_SCHEMA).fetchall()
            for (table,) in connection.execute(_TABLES).fetchall():
                with connection.cursor().copy(f"COPY {table} TO STDOUT") as copy:
                    rows = b"".join(bytes(part) for part in copy)
                if rows:
                    self._rows[table] = rows

    def _empty(self, connection: psycopg.Connection) -> None:
        connection.execute("SELECT pg_temp.empty()")
        for table, rows in self._rows.items():
            with connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
                copy.write(rows)
        if next(self._emptied) % _WORN == 0:
            connection.execute("VACUUM")

    def stop(self) -> None:
        for connection in (self._admin, *self._connections.values()):
            connection.close()
        self._server.end()

    def _start(self) -> Process:
        self._run("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
                  "--no-sync", "--locale=C.UTF-8")  # fmt: skip
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._folder),
            "max_connections": "200",
            "shared_buffers": "64MB",
        }
        if not self._durable:
            unsafe = ("fsync", "synchronous_commit", "full_page_writes", "autovacuum")
            settings |= dict.fromkeys(unsafe, "off")
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [str(self._programs / "postgres"), "-D", str(self._data), *words]
        server = Process("postgresql", [*self._prefix(), *command], {"LC_ALL": "C"}, self._folder)
        server.start()
        wait_until(self._accepts, 20, "PostgreSQL")
        return server

    def _accepts(self) -> bool:
        try:
            psycopg.connect(self._dsn("postgres", "postgres")).close()
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, program: str, *arguments: str | Path) -> None:
        command = [*self._prefix(), self._programs / program, *arguments]
        done = subprocess.run(command, cwd=self._folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{program} failed:\n{done.stdout}{done.stderr}"

    def _prefix(self) -> list[str]:
        """PostgreSQL refuses to run as root."""
        if not self._user:
            return []
        identity = [f"--reuid={self._user}", f"--regid={self._user}", "--clear-groups"]
        return ["setpriv", *identity, "--pdeathsig=KILL"]

    def _dsn(self, user: str, name: str) -> str:
        return f"host={self._folder} user={user} dbname={name}"

    def _named(self, name: str) -> Database:
        def url(role: str) -> str:
            return f"postgresql+psycopg://{role}@/{name}?host={self._folder}"

        return Database("postgresql", url(APPLICATION), url(OWNER))


def _unprivileged_user(folder: Path) -> int | None:
    """The number of a user who is not root, to whom `folder` is given; None when we are not."""
    if os.geteuid() != 0:
        return None
    user = pwd.getpwnam("nobody").pw_uid
    os.chown(folder, user, user)
    return user
