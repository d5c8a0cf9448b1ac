"""Requests to the executor that may wait until it is there: one table for all kinds."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, select, text, update
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Model, Row, Stateful, changed_rows, db, db_now, new_id
from models.worker import Worker

KINDS = ("cron_create", "cron_job_patch", "cron_delete", "cron_run", "agent_provision", "doc_edit")
LEASE_SECONDS = 30


class ExecutorRequest(Row, Stateful, Model):
    __tablename__ = "executor_requests"
    __table_args__ = (
        CheckConstraint("status in ('queued', 'delivered', 'processed', 'failed')", name="status"),
        Index(
            "ix_executor_requests_waiting",
            "created_at",
            sqlite_where=text("status = 'queued'"),
            postgresql_where=text("status = 'queued'"),
        ),
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    kind: Mapped[str] = mapped_column(String(16))
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    status: Mapped[str] = mapped_column(String(10), default="queued")
    attempts: Mapped[int] = mapped_column(default=0)
    requested_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    aging_since: Mapped[datetime | None]
    lease_token: Mapped[str | None] = mapped_column(String(36))
    lease_until: Mapped[datetime | None]
    picked_up_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON)

    @classmethod
    def ask(cls, project_id: UUID, kind: str, payload: dict[str, Any], by: UUID | None) -> ExecutorRequest:
        if kind not in KINDS:
            raise KeyError(kind)
        request = cls(project_id=project_id, kind=kind, payload=payload, requested_by=by)
        db.session.add(request)
        return request

    @classmethod
    def waiting(cls, limit: int = 20) -> list[UUID]:
        """The ids of those that wait, oldest first."""
        query = select(cls.id).where(cls.status == "queued").order_by(cls.created_at).limit(limit)
        return list(db.session.scalars(query))

    @classmethod
    def age(cls) -> int:
        """Let those that wait age while an executor is there, and stop the clock otherwise; rows changed."""
        waiting = update(cls).where(cls.status == "queued")
        if Worker.healthy("chat"):
            return changed_rows(waiting.where(cls.aging_since.is_(None)).values(aging_since=db_now()))
        return changed_rows(waiting.where(cls.aging_since.is_not(None)).values(aging_since=None))

    @classmethod
    def overdue(cls, seconds: float, only: UUID | None = None) -> list[ExecutorRequest]:
        """Those that nobody carried out though somebody could; `only` as in Delivery.overdue."""
        query = select(cls).where(cls.status == "queued", cls.aging_since < db_now(-seconds))
        if only is not None:
            query = query.where(cls.id == only).with_for_update(skip_locked=True)
        return list(db.session.scalars(query.order_by(cls.created_at).limit(100)))

    def take(self) -> str | None:
        """The lease token for this worker; None when another worker was first."""
        token = str(new_id())
        taken = self.try_advance(
            "status",
            "queued",
            "delivered",
            lease_token=token,
            lease_until=db_now(LEASE_SECONDS),
            attempts=ExecutorRequest.attempts + 1,
            picked_up_at=db_now(),
            aging_since=None,
        )
        return token if taken else None

    def finish(self, token: str, result: dict[str, Any]) -> bool:
        """False when the lease was lost meanwhile: then nothing changed."""
        return self.try_advance(
            "status", "delivered", "processed", token=token, completed_at=db_now(), result=result
        )

    def fail(self, token: str | None, reason: str) -> bool:
        old = "delivered" if token else ("queued", "delivered")
        return self.try_advance(
            "status", old, "failed", token=token, completed_at=db_now(), result={"reason": reason}
        )
