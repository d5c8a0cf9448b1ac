"""What happened to a task, in order: a table that only grows."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Model, Row


class TaskEvent(Row, Model):
    """`author` is an agent's key or `ui`; the person behind it is in `user_id`.

    A comment keeps its text rendered, and the `client_id` under which its author sent it to this task.
    """

    __tablename__ = "task_events"
    __table_args__ = (
        UniqueConstraint("task_id", "seq"),
        Index("ix_task_events_client_id", "task_id", "user_id", "client_id", unique=True),
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    task_id: Mapped[UUID] = mapped_column(ForeignKey("tasks.id"))
    seq: Mapped[int]
    event_type: Mapped[str] = mapped_column(String(32))
    author: Mapped[str] = mapped_column(String(32))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    content: Mapped[str] = mapped_column(Text, default="")
    content_html: Mapped[str] = mapped_column(Text, default="")
    client_id: Mapped[str | None] = mapped_column(String(64))
    meta: Mapped[dict[str, Any]] = mapped_column("metadata", JSON, default=dict)

    @property
    def words(self) -> str:
        """What happened, as its line in the timeline says it."""
        if self.event_type == "created" and self.meta.get("source") == "proposal":
            return "proposed it, and it was approved"
        return {"created": "made it of a message"}.get(self.event_type, self.event_type.replace("_", " "))
