"""The database handle, ids, the clock, transitions, and the note of what a transaction changed."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import DateTime, Float, MetaData, Uuid, event, literal, update
from sqlalchemy.engine import Connection, Dialect, Engine
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, registry
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import TypeDecorator
from uuid6 import uuid7

from models.errors import Busy, Conflict

Op = Literal["insert", "update", "delete"]

BUSY_PATIENCE = 2.0
"""Seconds a transaction waits for SQLite's write lock before it gives up with Busy."""
BUSY_PAUSE = 0.0005, 0.003
"""Seconds between two tries, at least and at most: others hold the lock a few ms, and to try costs 0.03."""


def new_id() -> UUID:
    """A time-ordered id (RFC 9562, version 7); nothing may order or page by it."""
    return UUID(int=uuid7().int)


def utcnow() -> datetime:
    return datetime.now(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time; SQLite keeps it without the zone, which is always UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            return value.replace(tzinfo=UTC)
        # PostgreSQL answers in the zone of its own settings.
        return value.astimezone(UTC) if value is not None else None


class db_now(GenericFunction[datetime]):
    """The database's clock, `seconds` away from now: leases must not trust the clocks of hosts."""

    type = UtcDateTime()
    inherit_cache = True

    def __init__(self, seconds: float = 0) -> None:
        # A parameter, so that a statement is compiled once whatever the seconds are.
        super().__init__(literal(float(seconds), Float()))


@compiles(db_now, "sqlite")
def _sqlite_now(element: db_now, compiler: SQLCompiler, **kw: Any) -> str:
    # Padded to microseconds so that it compares as text with what the driver stores.
    seconds = compiler.process(element.clauses, **kw)
    return f"(strftime('%Y-%m-%d %H:%M:%f', 'now', {seconds} || ' seconds') || '000')"


@compiles(db_now, "postgresql")
def _postgresql_now(element: db_now, compiler: SQLCompiler, **kw: Any) -> str:
    seconds = compiler.process(element.clauses, **kw)
    return f"(clock_timestamp() + make_interval(secs => {seconds}))"


class Base(DeclarativeBase):
    # Given as a registry, since Flask-SQLAlchemy copies this class's attributes one by one.
    registry = registry(
        type_annotation_map={datetime: UtcDateTime(), UUID: Uuid()},
        metadata=MetaData(
            naming_convention={
                "ix": "ix_%(column_0_label)s",
                "uq": "uq_%(table_name)s_%(column_0_N_name)s",
                "ck": "ck_%(table_name)s_%(constraint_name)s",
                "fk": "fk_%(table_name)s_%(column_0_N_name)s",
                "pk": "pk_%(table_name)s",
            }
        ),
    )


db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})

if TYPE_CHECKING:
    Model = Base
else:
    Model = db.Model


class Row:
    """What every table has: an id and the time of its making."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    created_at: Mapped[datetime] = mapped_column(default=utcnow)


class Change:
    """One touched row of this transaction; its streams are worked out at commit."""

    __slots__ = ("op", "row")

    def __init__(self, row: Any, op: Op) -> None:
        self.row = row
        self.op: Op = op


def touch(row: Any, op: Op = "update") -> None:
    """Note that `row` changed, for the commit hook: needed where the ORM does not see the change."""
    changes_of(db.session()).append(Change(row, op))


def changes_of(session: Session) -> list[Change]:
    changes: list[Change] = session.info.setdefault("changes", [])
    return changes


class Stateful:
    """Transitions as one conditional UPDATE: the loser of a race changes nothing and is told so."""

    id: Mapped[UUID]

    def try_advance(
        self,
        column: str,
        old: str | tuple[str, ...],
        new: str,
        *,
        token: str | None = None,
        **values: Any,
    ) -> bool:
        """Move `column` from `old` to `new`; False when it held another status or another lease `token`."""
        table: Any = type(self)
        statuses = (old,) if isinstance(old, str) else old
        statement = update(table).where(table.id == self.id, getattr(table, column).in_(statuses))
        if token is not None:
            statement = statement.where(table.lease_token == token)
        # The row as it is now comes back with it, which saves reading it again.
        changed = db.session.scalars(
            statement.values({column: new, **values}).returning(table),
            execution_options={"synchronize_session": False, "touched": True, "populate_existing": True},
        ).one_or_none()
        if changed is None:
            return False
        touch(self)
        return True

    def advance(self, column: str, old: str | tuple[str, ...], new: str, **values: Any) -> None:
        """Like try_advance; raises Conflict with the row as it is now."""
        if not self.try_advance(column, old, new, **values):
            db.session.refresh(self)
            raise Conflict(f"this is {getattr(self, column)} already", row=self)


def changed_rows(statement: Any) -> int:
    """Run a bulk statement whose caller touches, or whose columns are quiet; the number of rows changed."""
    result: Any = db.session.execute(
        statement, execution_options={"synchronize_session": False, "touched": True}
    )
    return int(result.rowcount)


_reading: ContextVar[bool] = ContextVar("reading", default=False)


def begin_reading(on: bool = True) -> None:
    """Let the next transactions of this context be read-only snapshots (or writing ones again)."""
    _reading.set(on)


@contextmanager
def reading() -> Iterator[None]:
    """Transactions begun inside are read-only and see one snapshot."""
    before = _reading.set(True)
    try:
        yield
    finally:
        _reading.reset(before)


@event.listens_for(Engine, "connect")
def _prepare_sqlite(connection: Any, record: Any) -> None:
    if type(connection).__module__ != "sqlite3":
        return
    # The driver must not begin transactions by itself: _begin does, in the right mode.
    connection.isolation_level = None
    for pragma in (
        "synchronous=FULL",
        "foreign_keys=ON",
        "recursive_triggers=ON",
        "busy_timeout=0",
    ):
        connection.execute(f"PRAGMA {pragma}")


@event.listens_for(Engine, "begin")
def _begin(connection: Connection) -> None:
    driver: Any = connection.connection.dbapi_connection
    if connection.dialect.name == "sqlite":
        _begin_sqlite(driver, _reading.get())
    elif connection.dialect.name == "postgresql":
        _begin_postgresql(driver, _reading.get())


def _begin_sqlite(driver: Any, read_only: bool) -> None:
    driver.execute(f"PRAGMA query_only={int(read_only)}")
    if read_only:
        driver.execute("BEGIN")
        return
    deadline = time.monotonic() + BUSY_PATIENCE
    while True:
        try:
            driver.execute("BEGIN IMMEDIATE")
            return
        except Exception as error:
            # busy_timeout would stall the whole web loop, so the waiting is done here, green.
            if getattr(error, "sqlite_errorname", "") not in (
                "SQLITE_BUSY",
                "SQLITE_BUSY_RECOVERY",
            ):
                raise
            if time.monotonic() > deadline:
                raise Busy("the database is busy, try again in a moment") from error
            time.sleep(random.uniform(*BUSY_PAUSE))


def _begin_postgresql(driver: Any, read_only: bool) -> None:
    # Sent by the driver together with its BEGIN: no extra round trip. Level 3 is REPEATABLE READ.
    driver.isolation_level = 3 if read_only else None
    driver.read_only = True if read_only else None


@event.listens_for(Engine, "rollback")
def _end_snapshot(connection: Connection) -> None:
    """What only read is committed: after a ROLLBACK the driver forgets all statements that it prepared.

    Half of what PostgreSQL computed for an answer was parsing and planning the same statements anew.
    """
    if connection.dialect.name != "postgresql" or connection.closed or connection.invalidated:
        return
    driver: Any = connection.connection.dbapi_connection
    if driver.read_only and driver.info.transaction_status.name == "INTRANS":
        # Where it is gone, the rollback that follows finds that, and says it.
        with suppress(connection.dialect.loaded_dbapi.OperationalError):
            driver.commit()
