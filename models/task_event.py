"""What happened to a task, in order: a table that only grows."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint, select
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Model, Row, db
from models.run import AUDITS


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

    @classmethod
    def last_of(cls, task_id: UUID, event_type: str) -> TaskEvent | None:
        query = select(cls).where(cls.task_id == task_id, cls.event_type == event_type)
        return db.session.scalar(query.order_by(cls.seq.desc()).limit(1))

    @property
    def words(self) -> str:
        """What happened, as its line in the timeline says it."""
        meta = self.meta
        if self.event_type == "created":
            if meta.get("source") == "finding":
                return f"found it by {AUDITS[str(meta.get('audit'))]}"
            proposed = meta.get("source") == "proposal"
            return "proposed it, and it was approved" if proposed else "made it of a message"
        if self.event_type == "status_change":
            before, after = str(meta.get("before")), str(meta.get("after"))
            if "scheduled_time" in meta:
                return "chose a time for the plan"
            if (before, self.author != "ui") == ("pending", True):
                return "began to plan, at the time that was chosen"
            return MOVES.get((before, after), f"moved it to {after}")
        if self.event_type == "agent_update" and meta.get("audit") in AUDITS:
            again = "found it again by" if meta.get("found") else "did not find it any more by"
            return f"{again} {AUDITS[meta['audit']]}"
        if self.event_type == "approval_request":
            made = "changed the plan" if self.user_id else "made a plan"
            return f"{made}: version {meta.get('plan_version')}"
        if self.event_type == "approval_resolved":
            return f"{meta.get('status')} the plan"
        if "post_op" in meta:
            return LOOKED.get(str(meta["post_op"]), "looked afterwards")
        return self.event_type.replace("_", " ")


MOVES = {
    ("pending", "planning"): "asked for a plan",
    ("planning", "planning"): "asked for a plan from the beginning",
    ("review", "planning"): "asked for another plan",
    ("failed", "planning"): "asked for another plan",
    ("scheduled", "planning"): "asked for another plan",
    ("planning", "pending"): "ended the planning",
    ("pending", "pending"): "took back the time of the planning",
    ("scheduled", "executing"): "began at the time that was chosen",
    ("scheduled", "review"): "took back the approval",
    ("executing", "completed"): "carried out the plan",
    ("executing", "failed"): "did not carry out the plan",
    ("executing", "review"): "voided the approval",
    ("pending", "completed"): "did not find it any more, and closed it",
    ("failed", "completed"): "did not find it any more, and closed it",
    ("completed", "pending"): "found it again",
    ("cancelled", "pending"): "found it again",
}
"""What it means when somebody moved a task from one status to another."""

LOOKED = {
    "success": "looked afterwards, as /oasis-op says",
    "error": "did not look afterwards to the end",
    "cancelled": "stopped the look afterwards",
}
