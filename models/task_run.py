"""A run of a task and the task, which always change together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self
from uuid import UUID

from models import audit
from models.base import db
from models.held_run import HeldRun
from models.run import Run
from models.task import Task


@dataclass(frozen=True)
class TaskRun(HeldRun):
    """In the order in which people's decisions hold them, too."""

    task: Task

    @classmethod
    def hold(cls, run_id: UUID) -> Self:
        """These rows as they are now, locked; the log first, as for who decides."""
        audit.lock()
        run = db.session.get_one(Run, run_id)
        task = db.session.get_one(Task, run.task_id)
        db.session.refresh(task, with_for_update=True)
        db.session.refresh(run, with_for_update=True)
        return cls(run, task)

    def note(self, what: str, reason: str = "", digest: str | None = None) -> None:
        """In the audit log."""
        why = {"reason": reason[:500]} if reason else {}
        audit.record("system", f"task.{what}", f"task {self.task.number}", project_id=self.task.project_id,
                     digest=digest, run=str(self.run.id), **why)  # fmt: skip
