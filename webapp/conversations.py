"""A person's conversations with the agents of a project, those that have not begun yet included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import and_, select

from models.base import db
from models.message import Message
from models.thread import DM, Thread, ThreadRead, dm_id
from models.user import User


@dataclass(frozen=True)
class Conversation:
    """One with this agent; `thread` is None until the first message, which is posted to `thread_id` too."""

    agent_key: str
    thread_id: UUID
    thread: Thread | None = None
    read_seq: int = 0
    muted: bool = False

    @property
    def last_seq(self) -> int:
        return self.thread.last_seq if self.thread else 0

    def as_json(self) -> dict[str, Any]:
        return {
            "agent_key": self.agent_key,
            "title": DM + self.agent_key,
            "thread_id": str(self.thread_id),
            "begun": self.thread is not None,
            "last_seq": self.last_seq,
            "read_seq": self.read_seq,
            "muted": self.muted,
        }


def of(user: User, project_id: UUID, agent_keys: Sequence[str]) -> list[Conversation]:
    """One with each of these agents, in this order."""
    mark = and_(ThreadRead.thread_id == Thread.id, ThreadRead.user_id == user.id)
    query = select(Thread, ThreadRead.read_seq, ThreadRead.muted).outerjoin(ThreadRead, mark)
    own = query.where(Thread.project_id == project_id, Thread.owner_user_id == user.id)
    begun = {row[0].agent_key: (row[0], row[1] or 0, bool(row[2])) for row in db.session.execute(own)}
    return [
        Conversation(key, begun[key][0].id, *begun[key])
        if key in begun
        else Conversation(key, dm_id(project_id, user.id, key))
        for key in agent_keys
    ]


def said_last(user: User, project_id: UUID) -> dict[UUID, Message]:
    """The newest message of each of them that has begun, by thread."""
    newest = and_(Message.thread_id == Thread.id, Message.seq == Thread.last_seq)
    own = (Thread.project_id == project_id, Thread.owner_user_id == user.id)
    return {
        said.thread_id: said for said in db.session.scalars(select(Message).join(Thread, newest).where(*own))
    }
