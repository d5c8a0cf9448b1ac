"""Messages and cards as pages and the API show them: each is rendered once, and again when it changed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from models.base import db
from models.message import Message
from models.proposal import Proposal
from models.stream import StreamChange
from models.thread import Thread
from realtime.registry import PUBLISHED
from webapp.kept import Kept, Place, State, changes

PAGES_KEPT, ROWS_KEPT = 40, 2000
MESSAGES, PROPOSALS = "project_chat_messages", "proposals"


_pages: Kept[MessageList] = Kept(PAGES_KEPT)
_shown: Kept[dict[str, Any]] = Kept(ROWS_KEPT)


@dataclass(frozen=True)
class MessageList:
    """A page of a thread, in order."""

    messages: list[dict[str, Any]]
    has_before: bool
    has_after: bool

    def as_json(self) -> dict[str, Any]:
        return {
            "messages": self.messages,
            "first": self.messages[0]["seq"] if self.messages else None,
            "last": self.messages[-1]["seq"] if self.messages else None,
            "has_before": self.has_before,
            "has_after": self.has_after,
        }


def messages(
    thread: Thread,
    *,
    before: int | None = None,
    after: int | None = None,
    around: int | None = None,
    limit: int = 50,
    place: Place | None = None,
) -> MessageList:
    """The newest messages, or those before, after or around a seq: found by key, whatever lies between."""
    if place is None:
        [name] = PUBLISHED["project_chat_threads"].streams(thread)
        place = State.of([name]).place(name)
    window = (before, after, around, limit)

    def make() -> MessageList:
        ids = _ids(thread.id, *window)
        first, last = (ids[0].seq, ids[-1].seq) if ids else _nowhere(thread, before, after)
        rows = _as_shown(MESSAGES, [row.id for row in ids], place)
        found = [made | {"seq": made["row"]["seq"]} for made in rows]
        return MessageList(found, first > 1, last < thread.last_seq)

    return _pages.get((thread.id, *window), place, (MESSAGES,), make)


def waiting(project_id: UUID, reader: UUID, kinds: Collection[str], state: State) -> list[dict[str, Any]]:
    """All that waits for a person and this one may see, oldest first: its rows and its cards."""
    found = Proposal.waiting(project_id, reader, kinds)
    places = {True: state.place(f"project:{project_id}"), False: state.place(f"user:{reader}")}
    made: dict[str, dict[str, Any]] = {}
    for listed, place in places.items():
        ids = [row.id for row in found if row.listed is listed]
        made |= {each["id"]: each for each in _as_shown(PROPOSALS, ids, place)}
    return [made[str(row.id)] for row in found]


def _nowhere(thread: Thread, before: int | None, after: int | None) -> tuple[int, int]:
    """Where an empty page stands: behind the end, or before the beginning."""
    return (1, 0) if before is not None else (thread.last_seq + 1, thread.last_seq)


def _ids(thread_id: UUID, before: int | None, after: int | None, around: int | None, limit: int) -> list[Any]:
    query = select(Message.id, Message.seq).where(Message.thread_id == thread_id)
    if around is not None:
        earlier = _ids(thread_id, around, None, None, limit // 2) if limit > 1 else []
        return earlier + _ids(thread_id, None, around - 1, None, limit - len(earlier))
    if after is not None:
        return list(db.session.execute(query.where(Message.seq > after).order_by(Message.seq).limit(limit)))
    if before is not None:
        query = query.where(Message.seq < before)
    return list(db.session.execute(query.order_by(Message.seq.desc()).limit(limit)))[::-1]


def _as_shown(table: str, ids: list[UUID], place: Place) -> list[dict[str, Any]]:
    """The rows as pages and the API show them; only those are made that changed or were never made."""
    shown = _still_true(table, ids, place)
    missing = [row_id for row_id in ids if row_id not in shown]
    if missing:
        published = PUBLISHED[table]
        for row in published.load(missing):
            shown[row.id] = {"id": str(row.id), "html": published.html(row), "row": published.row(row)}
    for row_id, made in shown.items():
        _shown.put((place.name, row_id), place.head, made)
    return [shown[row_id] for row_id in ids]


def _still_true(table: str, ids: list[UUID], place: Place) -> dict[UUID, dict[str, Any]]:
    kept = {row_id: _shown.at((place.name, row_id), place) for row_id in ids}
    found = {row_id: made for row_id, made in kept.items() if made is not None}
    if not found:
        return {}
    latest = (
        changes(
            place, min(head for head, _ in found.values()), StreamChange.row_id, func.max(StreamChange.seq)
        )
        .where(StreamChange.table == table)
        .group_by(StreamChange.row_id)
    )
    changed: dict[UUID, int] = dict(db.session.execute(latest).all())
    return {key: made for key, (head, made) in found.items() if changed.get(key, 0) <= head}
