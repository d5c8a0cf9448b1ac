"""A thread: the one order of everything said in a room or a DM."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    String,
    UniqueConstraint,
    bindparam,
    case,
    exists,
    false,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, aliased, mapped_column, relationship
from sqlalchemy.orm.attributes import set_committed_value

from models import labs
from models.base import Model, Row, changed_rows, db, utcnow
from models.errors import Conflict
from models.project import Project, ProjectSetting
from models.user import User

BREAKER_TURNS = 6
"""How many turns agents may take among themselves before a person is asked."""
BREAKER_TOKENS = 60_000
_FLAGS = tuple(labs.OF_THREAD.items())


class Thread(Row, Model):
    __tablename__ = "project_chat_threads"
    __table_args__ = (
        UniqueConstraint("project_id", "owner_user_id", "title"),
        CheckConstraint("kind in ('room', 'dm')", name="kind"),
        CheckConstraint("(kind = 'dm') = (owner_user_id is not null)", name="owner"),
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    title: Mapped[str] = mapped_column(String(80))
    kind: Mapped[str] = mapped_column(String(4))
    owner_user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    last_seq: Mapped[int] = mapped_column(default=0)
    agent_turns: Mapped[int] = mapped_column(default=0)
    agent_tokens: Mapped[int] = mapped_column(default=0)
    paused_at: Mapped[datetime | None]

    project: Mapped[Project] = relationship(back_populates="threads")

    @classmethod
    def is_open(cls, thread_id: Any) -> Any:
        """In SQL: whether anybody may be in this thread, since its flag is on and its project in use."""
        thread, project, setting = aliased(cls), aliased(Project), aliased(ProjectSetting)
        flags = ((thread.kind == kind, setting.value[flag].as_boolean()) for kind, flag in _FLAGS)
        return exists().where(
            thread.id == thread_id,
            project.id == thread.project_id,
            project.archived_at.is_(None),
            setting.project_id == thread.project_id,
            setting.key == labs.SETTING,
            case(*flags, else_=false()),
        )

    def next_seq(self, count: int = 1) -> int:
        """Take `count` numbers, return the last; the row is held until the commit: order is commit order."""
        taken = db.session.scalar(_next_seq(), {"thread_id": self.id, "count": count})
        set_committed_value(self, "last_seq", taken)
        return int(taken or 0)

    def person_spoke(self) -> None:
        """A person's word ends the agents' exchange, and lifts the breaker."""
        if self.agent_turns or self.agent_tokens:
            self._quietly(agent_turns=0, agent_tokens=0)
        if self.paused_at is not None:
            self.paused_at = None

    def agent_turn(self, tokens: int) -> bool:
        """Count an agent's turn that calls another agent; False when the breaker has opened."""
        self._quietly(agent_turns=Thread.agent_turns + 1, agent_tokens=Thread.agent_tokens + tokens)
        db.session.refresh(self, ["agent_turns", "agent_tokens"])
        if self.agent_turns <= BREAKER_TURNS and self.agent_tokens <= BREAKER_TOKENS:
            return True
        self.paused_at = utcnow()
        return False

    def _quietly(self, **values: object) -> None:
        changed_rows(update(Thread).where(Thread.id == self.id).values(**values))
        db.session.expire(self, list(values))

    def resume(self) -> list[UUID]:
        """Continue: what the breaker held back is delivered now; the ids of the new deliveries."""
        from models.message import Message

        if self.paused_at is None:
            raise Conflict("the agents are not paused here", row=self)
        self.person_spoke()
        return [delivery.id for message in Message.held_in(self) for delivery in message.release()]

    def halt(self) -> None:
        """Stop: what the breaker held back is dropped."""
        from models.message import Message

        if self.paused_at is None:
            raise Conflict("the agents are not paused here", row=self)
        self.person_spoke()
        for message in Message.held_in(self):
            message.meta = {key: value for key, value in message.meta.items() if key != "held"}

    def mark_read(self, user: User, seq: int) -> ThreadRead:
        """Move the person's read mark forward, never back and never past the end."""
        from models.message import Message

        seq = max(0, min(seq, self.last_seq))
        mark = ThreadRead.own(self, user)
        if seq > mark.read_seq:
            before, mark.read_seq = mark.read_seq, seq
            db.session.flush()
            Message.read_by(self, user, before, seq)
        return mark


class ThreadRead(Row, Model):
    __tablename__ = "thread_reads"
    __table_args__ = (UniqueConstraint("thread_id", "user_id"),)

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    thread_id: Mapped[UUID] = mapped_column(ForeignKey("project_chat_threads.id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    read_seq: Mapped[int] = mapped_column(default=0)

    @classmethod
    def of(cls, thread: Thread, user: User) -> ThreadRead | None:
        return db.session.scalar(select(cls).where(cls.thread_id == thread.id, cls.user_id == user.id))

    @classmethod
    def own(cls, thread: Thread, user: User) -> ThreadRead:
        """The mark to move, locked: two tabs of one person wait for each other."""
        mine = select(cls).where(cls.thread_id == thread.id, cls.user_id == user.id).with_for_update()
        mark = db.session.scalar(mine)
        if mark is not None:
            return mark
        mark = cls(project_id=thread.project_id, thread_id=thread.id, user_id=user.id, read_seq=0)
        try:
            with db.session.begin_nested():
                db.session.add(mark)
        except IntegrityError:
            return db.session.scalars(mine).one()
        return mark


@cache
def _next_seq() -> Any:
    """Put together once: every post asks it."""
    return (
        update(Thread)
        .where(Thread.id == bindparam("thread_id"))
        .values(last_seq=Thread.last_seq + bindparam("count"))
        .returning(Thread.last_seq)
        .execution_options(synchronize_session=False, touched=True)
    )
