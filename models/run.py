"""A run: one attempt to carry out what a person approved."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.approval import Approval
from models.base import Model, Row, Stateful, db

_OPEN = text("status IN ('queued', 'running')")


class Run(Row, Stateful, Model):
    """The database holds that an approval is carried out once: a second row for it cannot be."""

    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("approval_id", "kind"),
        CheckConstraint("kind in ('action')", name="kind"),
        CheckConstraint(
            "status in ('queued', 'running', 'success', 'error', 'cancelled', 'interrupted')", name="status"
        ),
        # Nothing acts on the world but by an approval.
        CheckConstraint("kind <> 'action' or approval_id is not null", name="approved"),
        Index("ix_runs_open", "created_at", sqlite_where=_OPEN, postgresql_where=_OPEN),
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    kind: Mapped[str] = mapped_column(String(10))
    status: Mapped[str] = mapped_column(String(11), default="queued")
    approval_id: Mapped[UUID | None] = mapped_column(ForeignKey("approvals.id"))
    attempt: Mapped[int] = mapped_column(default=0)
    worker: Mapped[str | None] = mapped_column(String(80))
    lease_token: Mapped[str | None] = mapped_column(String(36))
    lease_until: Mapped[datetime | None]
    progress_at: Mapped[datetime | None]
    desired_status: Mapped[str | None] = mapped_column(String(10))
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    report: Mapped[str | None] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)

    @classmethod
    def of_action(cls, approval: Approval) -> Run:
        """Let what was approved be carried out, by whoever takes the run."""
        run = cls(project_id=approval.project_id, kind="action", approval_id=approval.id, status="queued")
        db.session.add(run)
        db.session.flush()
        return run

    @property
    def state(self) -> str:
        """In the words of a card: waiting, running, success, error, cancelled or interrupted."""
        return "waiting" if self.status == "queued" else self.status
