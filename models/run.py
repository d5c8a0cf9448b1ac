"""A run: one attempt to make a plan, to look for findings, or to carry out what a person approved."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from models.approval import Approval
from models.base import Model, Row, Stateful, changed_rows, db, db_now, new_id, touch
from models.project import Project

if TYPE_CHECKING:
    from models.task import Task

AUDITS = {"ops-check": "Ops Check", "qa-audit": "QA Audit", "security-audit": "Security Audit"}
"""By the key of the skill that each is; those of a project's own go by their key."""
LAST_AUDITS = 14
LEASE_SECONDS = 30
MAX_ATTEMPTS = 3
"""How often a run is handed out before it is given up: a worker that it kills must not take it for ever."""
LOST = "its worker was lost"
_UNENDED = "status IN ('queued', 'running')"
_OPEN = text(_UNENDED)
_AUDITING = text(f"{_UNENDED} AND audit IS NOT NULL")
_NOT_ENDED = text(f"runs.{_UNENDED}")
"""Said beside a status that is looked for: in the very words of the index, or no database would use it."""


def audit_name(key: str) -> str:
    """What people call the audit that a skill is."""
    return AUDITS.get(key, key)


class Run(Row, Stateful, Model):
    """The database holds that an approval is carried out once: a second row for it cannot be.

    Between its claim and `begin` nothing has happened in the world; after it, something may have.
    """

    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("approval_id", "kind"),
        CheckConstraint("kind in ('action', 'plan', 'execution', 'post_op', 'audit')", name="kind"),
        CheckConstraint(
            "status in ('queued', 'running', 'success', 'error', 'cancelled', 'interrupted')", name="status"
        ),
        # Nothing acts on the world but by an approval.
        CheckConstraint("kind in ('plan', 'audit') or approval_id is not null", name="approved"),
        CheckConstraint("kind in ('action', 'audit') or task_id is not null", name="of_a_task"),
        CheckConstraint("(kind = 'audit') = (audit is not null)", name="audits"),
        Index(
            "ix_runs_one_audit",
            "project_id",
            "audit",
            unique=True,
            sqlite_where=_AUDITING,
            postgresql_where=_AUDITING,
        ),
        Index("ix_runs_audits", "project_id", "audit", "created_at"),
        Index("ix_runs_task_id", "task_id", "created_at"),
        Index("ix_runs_open", "created_at", sqlite_where=_OPEN, postgresql_where=_OPEN),
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    kind: Mapped[str] = mapped_column(String(10))
    status: Mapped[str] = mapped_column(String(11), default="queued")
    approval_id: Mapped[UUID | None] = mapped_column(ForeignKey("approvals.id"))
    retry_of: Mapped[UUID | None] = mapped_column(ForeignKey("runs.id"))
    task_id: Mapped[UUID | None] = mapped_column(ForeignKey("tasks.id"))
    audit: Mapped[str | None] = mapped_column(String(64))
    """The key of the skill, of a run that is an audit; at most one of each is open in a project."""
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """What an audit looked at, found and said."""
    params: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    """What it was asked for with, as far as no approval says it."""
    run_after: Mapped[datetime | None]
    """Nobody takes it before."""
    attempt: Mapped[int] = mapped_column(default=0)
    losses: Mapped[int] = mapped_column(default=0)
    worker: Mapped[str | None] = mapped_column(String(80))
    lease_token: Mapped[str | None] = mapped_column(String(36))
    lease_until: Mapped[datetime | None]
    progress_at: Mapped[datetime | None]
    """When its effect may have begun; null while nothing can have happened."""
    desired_status: Mapped[str | None] = mapped_column(String(10))
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    report: Mapped[str | None] = mapped_column(Text)
    late_report: Mapped[str | None] = mapped_column(Text)
    """What the worker told after somebody else had decided; it decides nothing."""
    error: Mapped[str | None] = mapped_column(Text)
    usage: Mapped[dict[str, Any] | None] = mapped_column(JSON)

    @classmethod
    def of_plan(cls, task: Task, at: datetime | None, **params: Any) -> Run:
        """Let an agent make a plan of this task: it only reads, so a lost one is begun again."""
        run = cls(project_id=task.project_id, kind="plan", task_id=task.id, run_after=at, params=params)
        db.session.add(run)
        db.session.flush()
        return run

    @classmethod
    def of_audit(cls, project_id: UUID, name: str, **params: Any) -> Run:
        """Let an audit be made, where none is open: it only reads, so a lost one is begun again."""
        run = cls(project_id=project_id, kind="audit", audit=name, params=params)
        db.session.add(run)
        db.session.flush()
        return run

    @classmethod
    def open_audit(cls, project_id: UUID, name: str) -> Run | None:
        which = (cls.project_id == project_id, cls.audit == name)
        return db.session.scalar(select(cls).where(_NOT_ENDED, *which))

    @classmethod
    def audits(cls, project_id: UUID, name: str) -> list[Run]:
        """The last 14 of this audit that have ended, newest first."""
        ended = cls.status.not_in(("queued", "running"))
        query = select(cls).where(cls.project_id == project_id, cls.audit == name, ended)
        return list(db.session.scalars(query.order_by(cls.created_at.desc()).limit(LAST_AUDITS)))

    @classmethod
    def of_execution(
        cls,
        task: Task,
        approval: Approval,
        agent_key: str,
        at: datetime | None = None,
        retry_of: UUID | None = None,
    ) -> Run:
        """Let the approved plan be carried out, by whoever takes the run."""
        run = cls(
            project_id=task.project_id,
            kind="execution",
            task_id=task.id,
            approval_id=approval.id,
            run_after=at,
            retry_of=retry_of,
            params={"agent_key": agent_key},
        )
        db.session.add(run)
        db.session.flush()
        return run

    @classmethod
    def of_post_op(cls, execution: Run) -> Run:
        """Let the same agent look after it, under the same approval."""
        run = cls(
            project_id=execution.project_id,
            kind="post_op",
            task_id=execution.task_id,
            approval_id=execution.approval_id,
            params=execution.params,
        )
        db.session.add(run)
        db.session.flush()
        return run

    @classmethod
    def open_of(cls, task: Task) -> Run | None:
        """The one that is at work on this task, waits to be, or whose outcome nobody knows."""
        unended = cls.status.in_(("queued", "running", "interrupted"))
        return db.session.scalar(select(cls).where(unended, cls.task_id == task.id))

    @classmethod
    def of(cls, approval_id: UUID | None, kind: str) -> Run:
        """The one of this kind that is done under an approval."""
        return db.session.scalars(select(cls).where(cls.approval_id == approval_id, cls.kind == kind)).one()

    @classmethod
    def executions(cls, task: Task, kind: str = "execution") -> list[Run]:
        """Every attempt to carry out its plans, oldest first; or every look that followed one."""
        query = select(cls).where(cls.task_id == task.id, cls.kind == kind)
        return list(db.session.scalars(query.order_by(cls.created_at)))

    @classmethod
    def attempts(cls, task: Task) -> list[Run]:
        """Its executions without those that were taken back or stopped before anybody had them."""
        return [run for run in cls.executions(task) if run.started_at or run.status != "cancelled"]

    @classmethod
    def of_action(cls, approval: Approval, retry_of: UUID | None = None) -> Run:
        """Let what was approved be carried out, by whoever takes the run."""
        run = cls(
            project_id=approval.project_id,
            kind="action",
            approval_id=approval.id,
            retry_of=retry_of,
            status="queued",
            attempt=0,
            losses=0,
        )
        db.session.add(run)
        db.session.flush()
        return run

    @property
    def state(self) -> str:
        """In the words of a card: waiting, running, success, error, cancelled or interrupted."""
        return "waiting" if self.status == "queued" else self.status

    @classmethod
    def waiting(cls, limit: int) -> list[UUID]:
        """The ids of those that wait for a worker and whose time has come, oldest first.

        A project that is put away has its wait.
        """
        due = or_(cls.run_after.is_(None), cls.run_after <= db_now())
        query = select(cls.id).join(Project, Project.id == cls.project_id).where(
            _NOT_ENDED, cls.status == "queued", due, Project.archived_at.is_(None)
        )  # fmt: skip
        return list(db.session.scalars(query.order_by(cls.created_at).limit(limit)))

    @classmethod
    def count_waiting(cls) -> int:
        return len(cls.waiting(1000))

    @classmethod
    def with_lost_lease(cls, only: UUID | None = None) -> list[Run]:
        """Those whose worker let the lease run out; `only` asks of one."""
        query = select(cls).where(_NOT_ENDED, cls.status == "running", cls.lease_until < db_now())
        if only is not None:
            query = query.where(cls.id == only)
        return list(db.session.scalars(query.order_by(cls.created_at).limit(100)))

    @classmethod
    def renew(cls, tokens: Sequence[str]) -> dict[str, str | None]:
        """Lengthen the leases under these tokens: {token: what a person wishes}, without the lost ones."""
        held = (_NOT_ENDED, cls.lease_token.in_(tokens), cls.status == "running")
        changed_rows(update(cls).where(*held).values(lease_until=db_now(LEASE_SECONDS)))
        rows = db.session.execute(select(cls.lease_token, cls.desired_status).where(*held))
        return {str(token): desired for token, desired in rows}

    def take(self, worker: str) -> str | None:
        """The lease token for this worker; None when another was first, or nobody wants it any more."""
        token = str(new_id())
        taken = self.try_advance(
            "status",
            "queued",
            "running",
            worker=worker[:80],
            lease_token=token,
            lease_until=db_now(LEASE_SECONDS),
            progress_at=None,
            attempt=Run.attempt + 1,
            started_at=db_now(),
        )
        return token if taken else None

    def begin(self, token: str) -> bool:
        """From now on it may have happened; False when the lease was lost, and then it must not begin."""
        held = (Run.id == self.id, Run.status == "running", Run.lease_token == token)
        begun = {"progress_at": db_now(), "lease_until": db_now(LEASE_SECONDS)}
        return changed_rows(update(Run).where(*held).values(**begun)) == 1

    def cancel(self, why: str | None = None) -> bool:
        """Nobody wants it any more; False when it has ended. Its worker is not waited for: it only reads."""
        return self.try_advance(
            "status", ("queued", "running"), "cancelled", finished_at=db_now(), lease_until=None, error=why
        )

    def wish_stop(self, by: str) -> bool:
        """A person wants it to end, by that name; its worker hears of it. False when it is not running."""
        params = {**self.params, "stopped_by": by}
        return self.try_advance("status", "running", "running", desired_status="cancelled", params=params)

    def stopped(self, token: str, error: str, report: str, usage: dict[str, Any] | None) -> bool:
        """Its worker ended it, because a person wished so."""
        return self.try_advance(
            "status",
            "running",
            "cancelled",
            token=token,
            finished_at=db_now(),
            lease_until=None,
            error=error,
            report=report,
            usage=usage,
        )

    def end(self, status: str, told: str, token: str | None = None, error: str = "", **values: Any) -> bool:
        """Success or error, once; without a token a person says so, and only of an interrupted one.

        `error` is why, where the report does not say it.

        A report under the last token counts until then, however late it comes.
        """
        old = "interrupted" if token is None else ("running", "interrupted")
        return self.try_advance(
            "status",
            old,
            status,
            token=token,
            finished_at=db_now(),
            lease_until=None,
            report=told,
            error=(error or told) if status == "error" else None,
            **values,
        )

    def note_late(self, token: str, told: str) -> bool:
        """Keep what the last worker tells after the end; False for any other token, or a second time.

        What says the same as the report is that report once more: its commit stood, and nobody heard so.
        """
        last = (Run.id == self.id, Run.lease_token == token, Run.late_report.is_(None), Run.report != told)
        kept = changed_rows(
            update(Run).where(*last, Run.status.in_(("success", "error"))).values(late_report=told)
        )
        if kept:
            db.session.expire(self)
            touch(self)
        return kept == 1

    def put_back(self, token: str) -> bool:
        """A worker that stops gives back what it did not begin, without counting the attempt."""
        return self._queue_again(token, attempt=Run.attempt - 1)

    def interrupt(self, token: str | None, why: str) -> bool:
        """Nobody knows whether it happened: a person looks. It stays open, and nobody does it again."""
        return self.try_advance("status", "running", "interrupted", token=token, lease_until=None, error=why)

    def lose(self) -> str | None:
        """Its worker is gone: what became of it, or None when somebody else was at it.

        Queued again when nothing can have happened, interrupted when something may have, and error when
        it was handed out too often.
        """
        if self.progress_at is not None:
            return "interrupted" if self.interrupt(self.lease_token, LOST) else None
        if self.losses + 1 < MAX_ATTEMPTS:
            return "queued" if self._queue_again(self.lease_token, losses=Run.losses + 1) else None
        given_up = f"The worker was lost {MAX_ATTEMPTS} times before it began. Nothing was done."
        return "error" if self.end("error", given_up, self.lease_token) else None

    def _queue_again(self, token: str | None, **values: Any) -> bool:
        # What has begun is never handed out again, whoever asks for it.
        if self.progress_at is not None:
            return False
        return self.try_advance(
            "status",
            "running",
            "queued",
            token=token,
            lease_token=None,
            lease_until=None,
            started_at=None,
            **values,
        )
