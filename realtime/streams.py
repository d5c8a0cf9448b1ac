"""Streams by name: who may read one, where it stands, and what a reader has missed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import select

from models import Agent, AgentStatus, Delivery, ProjectSetting, Stream, StreamChange, Thread, db
from models.delivery import NOT_ENDED
from models.errors import NotFound, NotYours
from models.policy import Principal
from realtime import pump
from realtime.doors import Doors
from realtime.rows import Rows, collapsed, snapshot

KINDS = ("project", "admin", "user")
TOO_FAR = 1000
"""A reader more than this many changes behind loads anew, which is cheaper for both."""


def may_read(principal: Principal, name: str) -> bool:
    """Whether the principal may follow the stream; a name that is none is nobody's."""
    kind, owner = _parsed(name)
    if owner is None:
        return False
    if kind == "project":
        # It carries messages, so a token without the right to read those may not follow it.
        return principal.may("project.read", owner) and principal.may("message.read", owner)
    if principal.kind != "person" or principal.token_kind is not None:
        return False
    return principal.may("admin.read", owner) if kind == "admin" else principal.id == owner


def refused(name: str) -> NotFound:
    """How to refuse one that may not be read: the answer is the same, whatever is there."""
    kind, owner = _parsed(name)
    if owner is None:
        return NotFound()
    return NotYours(owner if kind != "user" else None)


def _parsed(name: object) -> tuple[str, UUID | None]:
    """(kind, id) of a stream's name, in its one spelling; the id is None for any other text."""
    kind, _, text = name.partition(":") if isinstance(name, str) else ("", "", "")
    try:
        owner = UUID(text)
    except ValueError:
        return kind, None
    return kind, owner if kind in KINDS and str(owner) == text else None


def head(name: str) -> int:
    return heads([name])[name]


def heads(names: Iterable[str]) -> dict[str, int]:
    """Where the streams stand in the current transaction; a stream that nothing was said on stands at 0."""
    names = list(names)
    rows = db.session.execute(select(Stream.name, Stream.head).where(Stream.name.in_(names)))
    return dict.fromkeys(names, 0) | {name: at for name, at in rows}


def catch_up(name: str, since: int | None, limit: int = 500) -> dict[str, Any]:
    """What a reader who has everything up to `since` has missed.

    A subscriber joins first and calls this afterwards: what is committed later comes by the pump.
    Whatever transaction this context had open is ended, since its snapshot is older than the join.
    """
    rows = Rows()
    with snapshot():
        stream = db.session.execute(select(Stream.head, Stream.floor).where(Stream.name == name)).first()
        at, floor = stream or (0, 0)
        writing = live(name)
        lost = since is None or not max(floor, at - TOO_FAR) <= since <= at
        changes = [] if lost or since is None else _changes(name, since, at, limit)
        # What was hidden while a flag was off is not among what comes after it.
        lost = lost or any(_switches_flags(name, change) for change in changes)
        items = collapsed((c.seq, c.table, c.row_id, c.op) for c in changes)
        rows.load(items)
        doors = Doors()
        doors.look(rows)
    follower = pump.current()
    if follower is not None:
        follower.follow(name, at)
    if lost:
        return {"seq": at, "items": None, "reset": True, "more": False, "live": writing}
    reached = changes[-1].seq if changes else at
    return {
        "seq": reached,
        "items": rows.show(doors.through(name, items, rows)),
        "reset": False,
        "more": reached < at,
        "live": writing,
    }


def _changes(name: str, since: int, upto: int, limit: int) -> list[Any]:
    columns = (StreamChange.seq, StreamChange.table, StreamChange.row_id, StreamChange.op)
    query = select(*columns).where(
        StreamChange.stream == name, StreamChange.seq > since, StreamChange.seq <= upto
    )
    return list(db.session.execute(query.order_by(StreamChange.seq).limit(limit)))


def _switches_flags(name: str, change: Any) -> bool:
    """Of all settings, a project's stream carries the flags alone."""
    return name.startswith("project:") and change.table == ProjectSetting.__tablename__


def live(name: str) -> list[dict[str, Any]]:
    """Answers being written in the threads that the stream carries, with the text so far."""
    kind, owner = _parsed(name)
    carried = {
        "project": (Thread.project_id == owner) & Thread.owner_user_id.is_(None),
        "user": Thread.owner_user_id == owner,
    }
    if owner is None or kind not in carried:
        return []
    query = (
        select(Delivery, AgentStatus.status)
        .join(Thread, Thread.id == Delivery.thread_id)
        .outerjoin(
            Agent,
            (Agent.project_id == Delivery.project_id) & (Agent.key == Delivery.target_agent_key),
        )
        .outerjoin(AgentStatus, AgentStatus.agent_id == Agent.id)
        .where(NOT_ENDED, carried[kind], Delivery.status == "delivered", Thread.is_open(Thread.id))
        .order_by(Delivery.picked_up_at, Delivery.id)
    )
    return [_writing(delivery, status) for delivery, status in db.session.execute(query)]


def _writing(delivery: Delivery, status: str | None) -> dict[str, Any]:
    return {
        "message_id": str(delivery.reply_id),
        "delivery_id": str(delivery.id),
        "thread_id": str(delivery.thread_id),
        "agent": delivery.target_agent_key,
        "status": status,
        "attempt": delivery.attempts,
        "offset": 0,
        "text": delivery.partial,
    }
