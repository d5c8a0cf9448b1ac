"""What an earlier version kept of tasks: comments and outputs, shown in the timeline until they are moved."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Model, Row
from models.task_event import UI, TaskEvent


class _Legacy(Row):
    """Rows are only read (`models/append_only.py`); which were moved, `TaskEvent.legacy_ref` says."""

    __tablename__: str
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    task_id: Mapped[UUID] = mapped_column(ForeignKey("tasks.id"))

    @property
    def ref(self) -> str:
        return f"{self.__tablename__}:{self.id.hex}"

    def as_event(self) -> TaskEvent:
        """The event that it becomes, in no session: with its own time, and without a seq."""
        return TaskEvent(
            id=self.id,
            created_at=self.created_at,
            project_id=self.project_id,
            task_id=self.task_id,
            seq=0,
            legacy_ref=self.ref,
            text="",
            **self._said(),
        )

    def _said(self) -> dict[str, Any]:
        raise NotImplementedError


class TaskComment(_Legacy, Model):
    __tablename__ = "task_comments"
    __table_args__ = (Index("ix_task_comments_task_id", "task_id", "created_at"),)

    author_agent_key: Mapped[str | None] = mapped_column(String(32))
    content: Mapped[str] = mapped_column(Text)

    def _said(self) -> dict[str, Any]:
        return {
            "event_type": "comment",
            "author": self.author_agent_key or UI,
            "content": self.content,
            "meta": {},
        }


class TaskOutput(_Legacy, Model):
    __tablename__ = "task_outputs"
    __table_args__ = (Index("ix_task_outputs_task_id", "task_id", "created_at"),)

    created_by: Mapped[str | None] = mapped_column(String(32))
    output_type: Mapped[str] = mapped_column(String(32))
    title: Mapped[str] = mapped_column(Text)
    storage_path: Mapped[str | None] = mapped_column(Text)
    link_url: Mapped[str | None] = mapped_column(Text)

    def _said(self) -> dict[str, Any]:
        meta = {name: getattr(self, name) for name in ("output_type", "storage_path", "link_url")}
        return {
            "event_type": "output_added",
            "author": self.created_by or UI,
            "content": self.title,
            "meta": meta,
        }
