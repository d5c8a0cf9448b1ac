"""A task: work for an agent, which begins as a person's or an approved wish. Nothing of it runs by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, String, Text, UniqueConstraint, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from models import labs
from models.base import Model, Row, Stateful, db
from models.errors import Busy, Conflict
from models.markup import Rendered
from models.task_event import TaskEvent
from models.text import clean

if TYPE_CHECKING:
    from models.message import Message
    from models.user import User

STATUSES = ("pending", "planning", "review", "scheduled", "executing", "completed", "failed", "cancelled")
LONGEST_TITLE = 200
LONGEST_DESCRIPTION = 20_000
TRIES = 20
FLAG = "task_threads"
OFF = "tasks are switched off in Labs"
UI = "ui"
"""The author of what a person did on a page; who it was, is in `user_id`."""


class Task(Row, Stateful, Model):
    """`number` is the one that people say, counted in the project; `last_seq` counts its events."""

    __tablename__ = "tasks"
    __table_args__ = (
        UniqueConstraint("project_id", "number"),
        UniqueConstraint("proposal_id"),
        UniqueConstraint("message_id"),
        CheckConstraint(
            "status in ('pending', 'planning', 'review', 'scheduled', 'executing', 'completed', 'failed',"
            " 'cancelled')",
            name="status",
        ),
        CheckConstraint("source in ('proposal', 'message')", name="source"),
        # An agent's wish becomes a task by an approved proposal, and anything else is a person's own act.
        CheckConstraint("source <> 'proposal' or proposal_id is not null", name="proposed"),
        CheckConstraint("source <> 'message' or message_id is not null", name="promoted"),
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    number: Mapped[int]
    last_seq: Mapped[int] = mapped_column(default=0)
    title: Mapped[str] = mapped_column(String(LONGEST_TITLE))
    description: Mapped[str] = mapped_column(Text, default="")
    status: Mapped[str] = mapped_column(String(9), default="pending")
    source: Mapped[str] = mapped_column(String(8))
    assignee_agent_key: Mapped[str | None] = mapped_column(String(32))
    proposal_id: Mapped[UUID | None] = mapped_column(ForeignKey("proposals.id"))
    message_id: Mapped[UUID | None] = mapped_column(ForeignKey("project_chat_messages.id"))
    """The message that was promoted, or that shows the proposal."""

    @classmethod
    def create(
        cls,
        project_id: UUID,
        title: str,
        description: str,
        assignee_agent_key: str | None,
        *,
        source: str,
        author: str,
        user_id: UUID,
        message_id: UUID,
        proposal_id: UUID | None = None,
    ) -> Task:
        """A pending task with its first event. `user_id` is the person without whom it would not be.

        Conflict while tasks are switched off.
        """
        if not labs.enabled(FLAG, project_id):
            raise Conflict(OFF)
        task = cls(
            project_id=project_id,
            last_seq=0,
            title=clean(title, "title", longest=LONGEST_TITLE),
            description=clean(description, "description", longest=LONGEST_DESCRIPTION, shortest=0),
            status="pending",
            source=source,
            assignee_agent_key=assignee_agent_key,
            proposal_id=proposal_id,
            message_id=message_id,
        )
        task._number()
        task.record("created", author, user_id=user_id, source=source)
        return task

    @classmethod
    def promote(cls, message: Message, by: User) -> Task:
        """A person makes a task of what somebody said; the same message again gives the first one.

        Conflict for what is no text any more, or never was: a proposal becomes a task by its approval.
        """
        db.session.refresh(message, with_for_update=True)
        if message.message_type != "text" or message.deleted_at is not None:
            raise Conflict("only what somebody wrote can become a task", row=message)
        if (before := cls.of_message(message.id)) is not None:
            return before
        task = cls.create(
            message.project_id,
            _title_of(message.content),
            message.content[:LONGEST_DESCRIPTION],
            message.target_agent_key,
            source="message",
            author=UI,
            user_id=by.id,
            message_id=message.id,
        )
        message.meta = message.meta | {"task": task.number}
        return task

    @classmethod
    def of_message(cls, message_id: UUID) -> Task | None:
        return db.session.scalar(select(cls).where(cls.message_id == message_id))

    @classmethod
    def by_number(cls, project_id: UUID, number: int) -> Task | None:
        return db.session.scalar(select(cls).where(cls.project_id == project_id, cls.number == number))

    @classmethod
    def newest(cls, project_id: UUID, limit: int, before: int | None = None) -> list[Task]:
        """The newest, or those before a number."""
        query = select(cls).where(cls.project_id == project_id).order_by(cls.number.desc())
        if before is not None:
            query = query.where(cls.number < before)
        return list(db.session.scalars(query.limit(limit)))

    def events(self, limit: int, before: int | None = None) -> list[TaskEvent]:
        """The last of its timeline, or of what came before a seq; in order."""
        query = select(TaskEvent).where(TaskEvent.task_id == self.id).order_by(TaskEvent.seq.desc())
        if before is not None:
            query = query.where(TaskEvent.seq < before)
        return list(db.session.scalars(query.limit(limit)))[::-1]

    def comment(self, by: User, content: str, rendered: Rendered, client_id: str) -> TaskEvent:
        """What a person says of it; the same `client_id` again gives the first one.

        Conflict when that came before with another text.
        """
        db.session.refresh(self, with_for_update=True)
        mine = (TaskEvent.task_id == self.id, TaskEvent.user_id == by.id, TaskEvent.client_id == client_id)
        before = db.session.scalar(select(TaskEvent).where(*mine))
        if before is None:
            return self.record(
                "comment", UI, content, user_id=by.id, content_html=rendered.html, client_id=client_id
            )
        if before.content != content:
            why = "was used for another comment"
            raise Conflict(f"this client_id {why}", fields={"client_id": [why]})
        return before

    def record(
        self,
        event_type: str,
        author: str,
        content: str = "",
        *,
        user_id: UUID | None = None,
        content_html: str = "",
        client_id: str | None = None,
        **meta: Any,
    ) -> TaskEvent:
        """Add to its timeline, which only grows."""
        self.last_seq += 1
        event = TaskEvent(
            project_id=self.project_id,
            task_id=self.id,
            seq=self.last_seq,
            event_type=event_type,
            author=author,
            user_id=user_id,
            content=content,
            content_html=content_html,
            client_id=client_id,
            meta=meta,
        )
        db.session.add(event)
        db.session.flush()
        return event

    def _number(self) -> None:
        """Take the next number and be written; who takes the same one at the same time, takes another."""
        for _ in range(TRIES):
            last = db.session.scalar(select(func.max(Task.number)).where(Task.project_id == self.project_id))
            self.number = (last or 0) + 1
            try:
                with db.session.begin_nested():
                    db.session.add(self)
                return
            except IntegrityError:
                if Task.by_number(self.project_id, self.number) is None:
                    raise
        raise Busy("too many tasks are made at once, try again in a moment")


def _title_of(text: str) -> str:
    """The first line that says something."""
    first = next((line.strip() for line in text.splitlines() if line.strip(" #*>-_`\t")), text.strip())
    plain = first.lstrip("#*>- \t") or first
    return plain if len(plain) <= LONGEST_TITLE else f"{plain[: LONGEST_TITLE - 1]}…"
