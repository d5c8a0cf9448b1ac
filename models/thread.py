"""A thread: the one order of everything said in a room or a DM."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    String,
    UniqueConstraint,
    bindparam,
    case,
    exists,
    false,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, aliased, mapped_column, relationship
from sqlalchemy.orm.attributes import set_committed_value

from models import labs
from models.agent import Agent
from models.base import Model, Row, changed_rows, db, touch, utcnow
from models.errors import Conflict
from models.project import Project, ProjectSetting
from models.user import Membership, User

if TYPE_CHECKING:
    from models.message import Message

BREAKER_TURNS = 6
"""How many turns agents may take among themselves before a person is asked."""
BREAKER_TOKENS = 60_000
DM = "DM:"
"""How the title of a conversation begins; its agent's key follows."""
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
    paused_seq: Mapped[int | None]
    """The first message that was held back in this pause."""

    project: Mapped[Project] = relationship(back_populates="threads")

    @classmethod
    def is_open(cls, thread_id: Any) -> Any:
        """In SQL: whether anybody may be in this thread.

        Its flag is on and its project in use; a conversation's owner is still a member.
        """
        thread, project, setting = aliased(cls), aliased(Project), aliased(ProjectSetting)
        flags = ((thread.kind == kind, setting.value[flag].as_boolean()) for kind, flag in _FLAGS)
        return exists().where(
            thread.id == thread_id,
            project.id == thread.project_id,
            project.archived_at.is_(None),
            setting.project_id == thread.project_id,
            setting.key == labs.SETTING,
            case(*flags, else_=false()),
            or_(
                thread.owner_user_id.is_(None), Membership.is_active(thread.project_id, thread.owner_user_id)
            ),
        )

    @property
    def agent_key(self) -> str | None:
        """The one agent of a conversation; None in a room."""
        return self.title.removeprefix(DM) if self.kind == "dm" else None

    @classmethod
    def dm(cls, project_id: UUID, user_id: UUID, agent_key: str) -> Thread:
        """The person's conversation with this agent, begun now if there is none: something is said in it.

        The caller knows that the person is a member and the agent one of the project's.
        """
        title = DM + agent_key
        mine = select(cls).where(
            cls.project_id == project_id, cls.owner_user_id == user_id, cls.title == title
        )
        if (found := db.session.scalar(mine)) is not None:
            return found
        thread = cls._dm(project_id, user_id, agent_key)
        try:
            with db.session.begin_nested():
                db.session.add(thread)
        except IntegrityError:
            return db.session.scalars(mine).one()
        return thread

    @classmethod
    def unbegun(cls, thread_id: UUID, user_id: UUID) -> Thread | None:
        """The person's conversation that will have this id, not stored; None when the id is no such."""
        agents = (
            select(Agent.project_id, Agent.key)
            .join(Membership, Membership.project_id == Agent.project_id)
            .join(Project, Project.id == Agent.project_id)
            .where(Membership.user_id == user_id, Agent.archived_at.is_(None), Project.archived_at.is_(None))
        )
        for project_id, agent_key in db.session.execute(agents):
            if dm_id(project_id, user_id, agent_key) == thread_id:
                return cls._dm(project_id, user_id, agent_key)
        return None

    @classmethod
    def _dm(cls, project_id: UUID, user_id: UUID, agent_key: str) -> Thread:
        return cls(
            id=dm_id(project_id, user_id, agent_key),
            project_id=project_id,
            title=DM + agent_key,
            kind="dm",
            owner_user_id=user_id,
        )

    def next_seq(self, count: int = 1) -> int:
        """Take `count` numbers, return the last; the row is held until the commit: order is commit order."""
        taken = db.session.execute(_next_seq(), {"thread_id": self.id, "count": count}).one()
        for name, value in taken._mapping.items():
            set_committed_value(self, name, value)
        return int(taken.last_seq)

    def person_spoke(self) -> None:
        """A person's word ends the agents' exchange: the breaker is lifted, what it held back is dropped."""
        if self.paused_at is not None:
            for message in self._lift():
                message.drop_held()
        elif self.agent_turns or self.agent_tokens:
            self._quietly(agent_turns=0, agent_tokens=0)

    def agent_turn(self, tokens: int) -> bool:
        """Count an agent's turn that calls another agent; False when the breaker is open."""
        self._quietly(agent_turns=Thread.agent_turns + 1, agent_tokens=Thread.agent_tokens + tokens)
        db.session.refresh(self, ["agent_turns", "agent_tokens", "paused_at", "paused_seq"])
        return self.agent_turns <= BREAKER_TURNS and self.agent_tokens <= BREAKER_TOKENS

    def pause(self, seq: int) -> bool:
        """Hold back the message `seq`; whether the pause begins with it."""
        begins = self.paused_at is None
        if begins or seq < (self.paused_seq or 0):
            self._quietly(paused_at=self.paused_at or utcnow(), paused_seq=seq)
            touch(self)
        return begins

    @classmethod
    def paused(cls, project_id: UUID) -> list[Thread]:
        """Where a person has to say whether the agents go on, oldest first."""
        query = select(cls).where(
            cls.project_id == project_id, cls.kind == "room", cls.paused_at.is_not(None)
        )
        return list(db.session.scalars(query.order_by(cls.paused_at, cls.id)))

    def _lift(self) -> list[Message]:
        """End the pause; the messages that were held back in it."""
        from models.message import Message

        held = Message.held_in(self)
        self._quietly(agent_turns=0, agent_tokens=0, paused_at=None, paused_seq=None)
        touch(self)
        return held

    def _quietly(self, **values: object) -> None:
        changed_rows(update(Thread).where(Thread.id == self.id).values(**values))
        db.session.expire(self, list(values))

    def resume(self) -> list[UUID]:
        """Continue: what the breaker held back is delivered now; the ids of the new deliveries."""
        self._must_be_paused()
        return [delivery.id for message in self._lift() for delivery in message.release()]

    def halt(self) -> None:
        """Stop: what the breaker held back is dropped."""
        self._must_be_paused()
        self.person_spoke()

    def _must_be_paused(self) -> None:
        """Two clicks at once wait for each other, and the second sees what the first did."""
        db.session.refresh(self, ["paused_at", "paused_seq"], with_for_update=True)
        if self.paused_at is None:
            raise Conflict("the agents are not paused here", row=self)

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

    def mute(self, user: User, muted: bool) -> ThreadRead:
        """Whether what is said here neither counts as unread for this person nor notifies him."""
        mark = ThreadRead.own(self, user)
        mark.muted = muted
        return mark


def dm_id(project_id: UUID, user_id: UUID, agent_key: str) -> UUID:
    """The id of a conversation, also before it begins: every tab writes the first message to the same one."""
    return uuid5(project_id, f"{user_id}:{agent_key}")


class ThreadRead(Row, Model):
    __tablename__ = "thread_reads"
    __table_args__ = (UniqueConstraint("thread_id", "user_id"),)

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    thread_id: Mapped[UUID] = mapped_column(ForeignKey("project_chat_threads.id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    read_seq: Mapped[int] = mapped_column(default=0)
    muted: Mapped[bool] = mapped_column(default=False)

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


_COUNTED = ("last_seq", "agent_turns", "agent_tokens", "paused_at", "paused_seq")
"""What is known anew with a number: who waited for the row read the others before."""


@cache
def _next_seq() -> Any:
    """Put together once: every post asks it."""
    return (
        update(Thread)
        .where(Thread.id == bindparam("thread_id"))
        .values(last_seq=Thread.last_seq + bindparam("count"))
        .returning(*(getattr(Thread, name) for name in _COUNTED))
        .execution_options(synchronize_session=False, touched=True)
    )
