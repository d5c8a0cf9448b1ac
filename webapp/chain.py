"""Looks whether the audit log is whole: of the database, or inside a backup that nobody restored yet."""

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator

from sqlalchemy import URL, Column, MetaData, Table, create_engine, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool
from sqlalchemy.sql import FromClause

from models.audit import AuditEntry, AuditHead, Mark, broken_at, head
from models.base import reading


class Broken(Exception):
    """One sentence that names the entry."""


def verify(session: Session, known: Iterable[Mark] = ()) -> Mark:
    """The end of the chain, which its head and every mark that is known from elsewhere confirm."""
    end = head(session)
    entries = session.scalars(select(AuditEntry).order_by(AuditEntry.seq).execution_options(yield_per=500))
    try:
        broken = broken_at(_upto(end.seq, entries), [end, *known])
    finally:
        entries.close()
    if broken is not None:
        raise Broken(f"The audit log was changed: entry {broken} is missing or does not fit.")
    return end


def _upto(last: int, entries: Iterable[AuditEntry]) -> Iterator[AuditEntry]:
    for entry in entries:
        if entry.seq > last:
            raise Broken(f"The audit log was changed: entry {entry.seq} was added past its end.")
        yield entry


def verify_in_file(connect: Callable[[], sqlite3.Connection]) -> Mark:
    """The same for a file of SQLite, which is only read."""
    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    with reading(), Session(engine) as session:
        return _verified(session)


def verify_in_script(url: URL, script: str) -> Mark:
    """The same for the data of the log as pg_restore wrote it out.

    It goes into temporary tables, which hide those of the database from this one connection.
    """
    with create_engine(url, poolclass=NullPool).connect() as connection, Session(connection) as session:
        for model in (AuditEntry, AuditHead):
            _temporary(model.__table__).create(connection, checkfirst=False)
        cursor = connection.connection.cursor()
        for table, columns, rows in _COPY.findall(script):
            with cursor.copy(f"COPY pg_temp.{table} {columns} FROM STDIN") as copy:
                copy.write(rows)
        return _verified(session)


_COPY = re.compile(
    r"^COPY public\.(audit_log|audit_head) (\([^)]*\)) FROM stdin;\n(.*?)^\\\.$", re.MULTILINE | re.DOTALL
)


def _temporary(table: FromClause) -> Table:
    columns = [Column(column.name, column.type) for column in table.columns]
    return Table(table.description, MetaData(), *columns, prefixes=["TEMPORARY"])


def _verified(session: Session) -> Mark:
    try:
        return verify(session)
    except SQLAlchemyError as error:
        raise Broken(f"The audit log cannot be read: {error}") from None
