"""From the numbers of a stream to what a reader is sent: one snapshot, each row loaded and shown once."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.orm.util import identity_key

from models.base import db, reading
from realtime.registry import PUBLISHED

log = logging.getLogger(__name__)

BREATH_SECONDS = 0.010
"""How long rendering may hold the web loop before others get their turn."""


@contextmanager
def snapshot() -> Iterator[Session]:
    """A read-only snapshot that begins now: what this context's session had open is ended first.

    It has a session of its own, whose rows leave it at the end: a partial that asks for more than
    was loaded fails loudly, instead of reading something newer.
    """
    outer = db.session()
    if outer.new or outer.dirty or outer.deleted or outer.info.get("changes"):
        raise RuntimeError("a snapshot would lose what this session has not committed")
    # Its connection goes back first: whoever held one while waiting for another could wait for ever.
    outer.rollback()
    with current_app.app_context(), reading():
        session = db.session()
        try:
            yield session
        finally:
            session.expunge_all()
            session.rollback()


@dataclass(slots=True)
class Item:
    """One row that changed, however often, between two positions of a stream."""

    seq: int
    table: str
    row_id: UUID
    op: str


def collapsed(changes: Iterable[tuple[int, str, UUID, str]]) -> list[Item]:
    """Each changed row once, in the order of the last change: what it says now makes the earlier ones moot.

    A row that was made among them stays an insert; who has it already replaces it.
    One that was made and deleted stays a delete, since a reader may have seen it in between.
    """
    items: dict[tuple[str, UUID], Item] = {}
    for seq, table, row_id, op in changes:
        before = items.pop((table, row_id), None)
        if before is not None and before.op == "insert" and op == "update":
            op = "insert"
        items[table, row_id] = Item(seq, table, row_id, op)
    return list(items.values())


class Rows:
    """The rows behind the items of any number of streams, in one query per table."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, UUID], Any] = {}
        self._said: dict[tuple[str, UUID], tuple[dict[str, Any], str | None]] = {}
        self._broken: set[str] = set()
        self._since = time.monotonic()

    def load(self, items: Iterable[Item]) -> None:
        """Read the rows that still are there; a table that cannot be read breaks only who needs it."""
        wanted: dict[str, list[UUID]] = {}
        for table, row_id in dict.fromkeys((i.table, i.row_id) for i in items if i.op != "delete"):
            wanted.setdefault(table, []).append(row_id)
        # By the registry's order: messages bring their deliveries and reactions along.
        for table in sorted(wanted, key=_ORDER.__getitem__):
            try:
                self._load(table, wanted[table])
            except DBAPIError:
                raise
            except Exception:
                log.exception("rows of %s cannot be read", table)
                self._broken.add(table)

    def _load(self, table: str, ids: Sequence[UUID]) -> None:
        published = PUBLISHED[table]
        # What came along with another row of this snapshot needs no query, unless more of it is shown.
        alone = published.query is None and published.complete is None
        known = _in_session(published.model, ids) if alone else {}
        missing = [row_id for row_id in ids if row_id not in known]
        found = published.load(missing) if missing else []
        for row in (*known.values(), *found):
            self._rows[table, row.id] = row

    def of(self, tables: Collection[str]) -> list[Any]:
        """The loaded rows of these tables."""
        return [row for (table, _), row in self._rows.items() if table in tables]

    def get(self, item: Item) -> Any:
        """The item's row; None when it is gone, or could not be read."""
        return self._rows.get((item.table, item.row_id))

    def show(self, items: Iterable[Item]) -> list[dict[str, Any]]:
        """The items as they go on the wire; rendering happens here, after the snapshot."""
        return [self._show(item) for item in items]

    def _show(self, item: Item) -> dict[str, Any]:
        if item.table in self._broken:
            raise LookupError(f"rows of {item.table} could not be read")
        key = (item.table, item.row_id)
        shown = {"seq": item.seq, "table": item.table, "id": str(item.row_id)}
        if item.op == "delete" or key not in self._rows:
            return shown | {"op": "delete", "row": None}
        if key not in self._said:
            published, row = PUBLISHED[item.table], self._rows[key]
            self._said[key] = published.row(row), published.html(row)
            self._breathe()
        row, html = self._said[key]
        shown |= {"op": item.op, "row": row}
        return shown if html is None else shown | {"html": html}

    def _breathe(self) -> None:
        if time.monotonic() - self._since > BREATH_SECONDS:
            time.sleep(0)
            self._since = time.monotonic()


_ORDER = {table: place for place, table in enumerate(PUBLISHED)}


def _in_session(model: type[Any], ids: Sequence[UUID]) -> dict[UUID, Any]:
    session = db.session()
    keys = {row_id: identity_key(model, row_id) for row_id in ids}
    return {row_id: session.identity_map[key] for row_id, key in keys.items() if key in session.identity_map}
