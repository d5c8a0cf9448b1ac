"""Requests to the executor that may wait until it is there: one table for all kinds."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, select, text, update
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Model, Row, Stateful, changed_rows, db, db_now, new_id
from models.worker import CHAT, EXECUTORS, RUNS, Worker

QUEUES = dict.fromkeys(
    ("cron_create", "cron_job_patch", "cron_delete", "cron_run", "agent_provision", "doc_edit"), CHAT
) | {"skill_check": RUNS}
"""Each kind, and the queue whose workers carry it out."""
KINDS = tuple(QUEUES)
IMPATIENT = frozenset({"skill_check"})
"""Kinds that do not wait for an executor that is away: what is asked for is how things are now."""
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
        Index("ix_executor_requests_newest", "project_id", "kind", "created_at"),
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

    @property
    def queue(self) -> str:
        """Whose workers carry it out."""
        return QUEUES[self.kind]

    @classmethod
    def waiting(cls, queue: str, limit: int = 20) -> list[UUID]:
        """The ids of those that wait for workers of this queue, oldest first."""
        kinds = [kind for kind in KINDS if QUEUES[kind] == queue]
        query = select(cls.id).where(cls.status == "queued", cls.kind.in_(kinds))
        return list(db.session.scalars(query.order_by(cls.created_at).limit(limit)))

    @classmethod
    def newest(cls, project_id: UUID, kind: str) -> ExecutorRequest | None:
        """The last of this kind that the project asked for."""
        query = select(cls).where(cls.project_id == project_id, cls.kind == kind)
        return db.session.scalar(query.order_by(cls.created_at.desc()).limit(1))

    @classmethod
    def age(cls) -> int:
        """Let those that wait age while their executor is there, and stop the clock otherwise; rows changed.

        The impatient ones age always.
        """
        there = {queue for queue in EXECUTORS if Worker.healthy(queue)}
        ages = [kind for kind in KINDS if kind in IMPATIENT or QUEUES[kind] in there]
        waiting = update(cls).where(cls.status == "queued")
        begun = waiting.where(cls.kind.in_(ages), cls.aging_since.is_(None)).values(aging_since=db_now())
        stopped = waiting.where(cls.kind.not_in(ages), cls.aging_since.is_not(None)).values(aging_since=None)
        return changed_rows(begun) + changed_rows(stopped)

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
