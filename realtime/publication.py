"""The commit hook: committing is announcing. A transaction's last statements number what it changed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, Uuid, bindparam, event, text
from sqlalchemy.orm import ORMExecuteState, Session, SessionTransaction, attributes
from sqlalchemy.orm.base import PASSIVE_NO_INITIALIZE

from models.base import Change, Op, UtcDateTime, changes_of, utcnow
from realtime.registry import PUBLISHED, Published

log = logging.getLogger(__name__)

ROWS_AT_ONCE = 500
"""How many change rows one INSERT carries: far below the parameters that either database takes."""
FLUSHES = 100


class Unannounced(RuntimeError):
    """A bulk statement changed a published table without saying that its rows are touched."""


@dataclass(frozen=True)
class Committed:
    """What one commit published: the new heads of its streams, and the queues in which work waits."""

    heads: dict[str, int]
    work: frozenset[str]


Callback = Callable[[Committed], None]

_callbacks: list[Callback] = []


def on_commit(callback: Callback) -> Callable[[], None]:
    """Call back, without using the session, after each commit that published; the answer ends that."""
    _callbacks.append(callback)
    return lambda: _callbacks.remove(callback)


@dataclass(frozen=True)
class _Entry:
    """A line of a stream that has no number yet."""

    table: str
    row_id: UUID
    op: Op


_published_as: dict[type, Published] = {published.model: published for published in PUBLISHED.values()}
_loud: dict[type, frozenset[str]] = {}


@event.listens_for(Session, "after_flush")
def _collect(session: Session, context: Any) -> None:
    """Note what this flush wrote; its history is still there to see."""
    changes = changes_of(session)
    for row in session.new:
        if type(row) in _published_as:
            changes.append(Change(row, "insert"))
    for row in session.dirty:
        if type(row) in _published_as and _changed_loudly(row):
            changes.append(Change(row, "update"))
    for row in session.deleted:
        if type(row) in _published_as:
            changes.append(Change(row, "delete"))


def _changed_loudly(row: Any) -> bool:
    loud = _loud_columns(type(row))
    written = attributes.instance_state(row).committed_state
    return any(
        attributes.get_history(row, name, PASSIVE_NO_INITIALIZE).has_changes()
        for name in written
        if name in loud
    )


def _loud_columns(model: type[Any]) -> frozenset[str]:
    if model not in _loud:
        columns = {attribute.key for attribute in model.__mapper__.column_attrs}
        _loud[model] = frozenset(columns - _published_as[model].quiet)
    return _loud[model]


@event.listens_for(Session, "do_orm_execute")
def _refuse_unannounced(state: ORMExecuteState) -> None:
    """A bulk statement passes by the hook, so its caller must say that it touches the rows."""
    if not (state.is_update or state.is_insert or state.is_delete):
        return
    table = getattr(state.statement, "table", None)
    name = getattr(table, "name", "")
    if name in PUBLISHED and not state.execution_options.get("touched"):
        raise Unannounced(f"a bulk statement on {name} needs touch() and the option touched=True")


@event.listens_for(Session, "after_transaction_create")
def _mark(session: Session, transaction: SessionTransaction) -> None:
    if transaction.nested:
        marks = session.info.setdefault("change_marks", {})
        marks[transaction] = len(changes_of(session))


@event.listens_for(Session, "after_soft_rollback")
def _drop(session: Session, transaction: SessionTransaction) -> None:
    """A savepoint took back its rows, so they did not change."""
    mark = session.info.get("change_marks", {}).get(transaction)
    if mark is not None:
        del changes_of(session)[mark:]


@event.listens_for(Session, "before_commit")
def _publish(session: Session) -> None:
    if session.in_nested_transaction():
        return
    for _ in range(FLUSHES):
        if not (session.new or session.dirty or session.deleted):
            break
        session.flush()
    if session.info.get("changes"):
        rows = _collapsed(changes_of(session))
        streams = _by_stream(rows)
        changes_of(session).clear()
        if streams:
            heads = _raise_heads(session, streams)
            _write_changes(session, streams, heads)
            session.info["publishing"] = Committed(heads, _work(rows))


def _work(rows: Sequence[tuple[Any, UUID, Op]]) -> frozenset[str]:
    waiting = (_published_as[type(row)].waits(row) for row, _, op in rows if op != "delete")
    return frozenset(queue for queue in waiting if queue is not None)


@event.listens_for(Session, "after_commit")
def _committed(session: Session) -> None:
    if "publishing" in session.info:
        session.info["committed"] = session.info.pop("publishing")


@event.listens_for(Session, "after_transaction_end")
def _ended(session: Session, transaction: SessionTransaction) -> None:
    """The connection is given back by now: nobody's lock waits for the callbacks."""
    if transaction.parent is not None:
        return
    for key in ("changes", "change_marks", "publishing"):
        session.info.pop(key, None)
    committed = session.info.pop("committed", None)
    if committed is not None:
        _tell(committed)


def _tell(committed: Committed) -> None:
    for callback in tuple(_callbacks):
        try:
            callback(committed)
        except Exception:
            # The commit stands, whatever became of the doorbell: everybody also looks by himself.
            log.exception("a commit could not be announced by %r", callback)


def _collapsed(changes: Sequence[Change]) -> list[tuple[Any, UUID, Op]]:
    """Each row once, in the order of its first change, with what became of it in all."""
    rows: dict[tuple[type, UUID], Any] = {}
    ops: dict[tuple[type, UUID], Op | None] = {}
    for change in _with_kin(changes):
        model, identity = type(change.row), attributes.instance_state(change.row).identity
        if identity is None:
            continue  # made and taken back by a savepoint
        key = (model, identity[0])
        rows[key] = change.row
        ops[key] = _both(ops[key], change.op) if key in ops else change.op
    return [(rows[key], key[1], op) for key, op in ops.items() if op is not None]


def _with_kin(changes: Sequence[Change]) -> list[Change]:
    """The changes, and the rows of other tables that say something of a changed row."""
    kin = [
        Change(row, "update")
        for changed in {id(change.row): change.row for change in changes}.values()
        for row in _published_as[type(changed)].also(changed)
    ]
    return [*changes, *kin]


def _both(first: Op | None, then: Op) -> Op | None:
    """What two changes of one row are together; None when nothing is left of it."""
    if first is None:
        return then if then == "insert" else None
    if then == "delete":
        return None if first == "insert" else "delete"
    if first == "delete":
        return "update" if then == "insert" else "delete"
    return first


def _by_stream(rows: Sequence[tuple[Any, UUID, Op]]) -> dict[str, list[_Entry]]:
    streams: dict[str, list[_Entry]] = {}
    for row, row_id, op in rows:
        published = _published_as[type(row)]
        for name in published.streams(row):
            streams.setdefault(name, []).append(_Entry(published.table, row_id, op))
    return streams


def _raise_heads(session: Session, streams: dict[str, list[_Entry]]) -> dict[str, int]:
    """Take the numbers; locked in the order of their names, so that no two commits wait crosswise."""
    values: dict[str, Any] = {}
    for index, name in enumerate(sorted(streams)):
        values[f"name{index}"], values[f"count{index}"] = name, len(streams[name])
    heads = session.connection().execute(_raising(len(streams)), values)
    return {name: head for name, head in heads.all()}


@lru_cache(maxsize=64)
def _raising(streams: int) -> TextClause:
    rows = ", ".join(f"(:name{index}, :count{index}, 0)" for index in range(streams))
    return text(
        f"INSERT INTO streams (name, head, floor) VALUES {rows} "
        "ON CONFLICT (name) DO UPDATE SET head = streams.head + excluded.head RETURNING name, head"
    )


def _write_changes(session: Session, streams: dict[str, list[_Entry]], heads: dict[str, int]) -> None:
    lines = [
        (name, seq, entry)
        for name, entries in streams.items()
        for seq, entry in enumerate(entries, heads[name] - len(entries) + 1)
    ]
    connection = session.connection()
    for first in range(0, len(lines), ROWS_AT_ONCE):
        chunk = lines[first : first + ROWS_AT_ONCE]
        values: dict[str, Any] = {"now": utcnow()}
        for index, (name, seq, entry) in enumerate(chunk):
            values[f"stream{index}"], values[f"seq{index}"] = name, seq
            values[f"table{index}"], values[f"op{index}"] = entry.table, entry.op
            values[f"row{index}"] = entry.row_id
        connection.execute(_writing(len(chunk)), values)


@lru_cache(maxsize=64)
def _writing(count: int) -> TextClause:
    rows = ", ".join(
        f"(:stream{index}, :seq{index}, :table{index}, :row{index}, :op{index}, :now)"
        for index in range(count)
    )
    ids = [bindparam(f"row{index}", type_=Uuid()) for index in range(count)]
    columns = "stream, seq, table_name, row_id, op, created_at"
    return text(f"INSERT INTO changes ({columns}) VALUES {rows}").bindparams(
        bindparam("now", type_=UtcDateTime()), *ids
    )
