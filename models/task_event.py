"""What happened to a task, in order: a table that only grows."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint, select
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.actions.url import clean_link, host_of
from models.base import Model, Row, db
from models.run import audit_name

if TYPE_CHECKING:
    from models.proposal import Proposal
    from models.task import Task

_BY_AN_AGENT, _ASKED = sql("user_id IS NULL"), sql("event_type = 'approval_request'")


UI = "ui"
"""The author of what a person did on a page; who it was, is in `user_id`."""
TYPES = (
    "created", "comment", "status_change", "output_added", "agent_update", "approval_request",
    "approval_resolved",
)  # fmt: skip


class TaskEvent(Row, Model):
    """`author` is an agent's key or `ui`; the person behind it is in `user_id`.

    What somebody wrote is kept rendered, too, with the `client_id` under which he sent it to this task.
    """

    __tablename__ = "task_events"
    __table_args__ = (
        UniqueConstraint("task_id", "seq"),
        UniqueConstraint("legacy_ref"),
        Index("ix_task_events_created_at", "task_id", "created_at", "seq"),
        Index("ix_task_events_client_id", "task_id", "user_id", "client_id", unique=True),
        Index(
            "ix_task_events_of_agent",
            "task_id",
            "author",
            "client_id",
            unique=True,
            sqlite_where=_BY_AN_AGENT,
            postgresql_where=_BY_AN_AGENT,
        ),
        Index(
            "ix_task_events_proposal_id",
            "proposal_id",
            unique=True,
            sqlite_where=_ASKED,
            postgresql_where=_ASKED,
        ),
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    task_id: Mapped[UUID] = mapped_column(ForeignKey("tasks.id"))
    seq: Mapped[int]
    event_type: Mapped[str] = mapped_column(String(32))
    author: Mapped[str] = mapped_column(String(32))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    content: Mapped[str] = mapped_column(Text, default="")
    content_html: Mapped[str] = mapped_column(Text, default="")
    text: Mapped[str] = mapped_column(Text, default="")
    """Of an output that is text, that text as Markdown: its title is in `content`."""
    client_id: Mapped[str | None] = mapped_column(String(64))
    meta: Mapped[dict[str, Any]] = mapped_column("metadata", JSON, default=dict)
    proposal_id: Mapped[UUID | None] = mapped_column(ForeignKey("proposals.id"))
    """What an agent asked for here, or what was decided on."""
    legacy_ref: Mapped[str | None] = mapped_column(String(64))
    """Which row of an older table it was."""

    proposal: Mapped[Proposal | None] = relationship(viewonly=True)
    task: Mapped[Task] = relationship(viewonly=True)

    @classmethod
    def last_of(cls, task_id: UUID, event_type: str) -> TaskEvent | None:
        """The last of this type that is not about a single proposal."""
        of_type = (cls.task_id == task_id, cls.event_type == event_type, cls.proposal_id.is_(None))
        return db.session.scalar(select(cls).where(*of_type).order_by(cls.seq.desc()).limit(1))

    @classmethod
    def since(
        cls, task_id: UUID, after: int | datetime, event_type: str | None, limit: int
    ) -> list[TaskEvent]:
        """Those that came after a seq, or after a time; in the order of seq."""
        later = cls.created_at > after if isinstance(after, datetime) else cls.seq > after
        query = select(cls).where(cls.task_id == task_id, later)
        if event_type is not None:
            query = query.where(cls.event_type == event_type)
        return list(db.session.scalars(query.order_by(cls.seq).limit(limit)))

    @property
    def key(self) -> str:
        """What it is called on a page: a row that was moved here keeps its name."""
        return self.legacy_ref or str(self.id)

    @property
    def asks(self) -> bool:
        """Whether it shows a proposal."""
        return self.event_type == "approval_request" and self.proposal_id is not None

    @property
    def said(self) -> dict[str, Any]:
        """Its metadata; of a proposal, as that stands now."""
        return self.proposal.as_metadata() if self.asks and self.proposal is not None else self.meta

    @property
    def link(self) -> tuple[str, str] | None:
        """Of an output that is an address, that and its server; None for what nobody should open."""
        try:
            address = clean_link(self.meta.get("link_url"))
        except ValueError:
            return None
        return address, host_of(address.partition("#")[0])

    @property
    def words(self) -> str:
        """What happened, as its line in the timeline says it."""
        meta = self.meta
        if self.event_type == "created":
            if meta.get("source") == "finding":
                return f"found it by {audit_name(str(meta.get('audit')))}"
            proposed = meta.get("source") == "proposal"
            return "proposed it, and it was approved" if proposed else "made it of a message"
        if self.event_type == "status_change":
            before, after = str(meta.get("before")), str(meta.get("after"))
            if "scheduled_time" in meta:
                return "chose a time for the plan"
            if (before, after) == ("pending", "planning") and self.author != UI:
                return "began to plan, at the time that was chosen"
            if before == "executing" and self.user_id is not None and after in SETTLED:
                return SETTLED[after]
            return MOVES.get((before, after), f"moved it to {after}")
        if self.event_type == "agent_update" and "audit" in meta:
            again = "found it again by" if meta.get("found") else "did not find it any more by"
            return f"{again} {audit_name(str(meta['audit']))}"
        if self.event_type == "approval_request":
            made = "changed the plan" if self.user_id else "made a plan"
            return f"{made}: version {meta.get('plan_version')}"
        if self.event_type == "approval_resolved":
            return f"{meta.get('status')} the {'proposal' if self.proposal_id else 'plan'}"
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

SETTLED = {
    "completed": "says that the plan was carried out",
    "failed": "says that the plan was not carried out",
}
"""What a person says became of an execution: he did not carry it out."""

LOOKED = {
    "success": "looked afterwards, as /oasis-op says",
    "error": "did not look afterwards to the end",
    "cancelled": "stopped the look afterwards",
}
