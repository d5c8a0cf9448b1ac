"""Making a plan: the run and its task, which always change together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from models import audit, labs
from models.base import db
from models.errors import Invalid
from models.plan import Plan
from models.run import Run
from models.task import FLAG, OFF, Task
from models.text import told


@dataclass(frozen=True)
class Planning:
    """Held until the transaction ends, in the order in which people's decisions hold them, too."""

    run: Run
    task: Task

    @classmethod
    def hold(cls, run_id: UUID) -> Planning:
        """These rows as they are now, locked; the log first, as for who decides."""
        audit.lock()
        run = db.session.get_one(Run, run_id)
        task = db.session.get_one(Task, run.task_id)
        db.session.refresh(task, with_for_update=True)
        db.session.refresh(run, with_for_update=True)
        return cls(run, task)

    def claim(self, worker: str) -> str | None:
        """The lease token; None when another was first, or nobody may plan here now: then it has failed."""
        token = self.run.take(worker)
        if token is not None and not labs.enabled(FLAG, self.task.project_id):
            self.failed(token, OFF)
            return None
        return token

    def done(self, token: str, text: str, usage: dict[str, Any]) -> bool:
        """The plan waits for a person; False when the lease was lost. What is no plan has failed."""
        if not self._held(token):
            return False
        try:
            plan = Plan.add(self.task, self.agent_key, text, run_id=self.run.id)
        except Invalid as wrong:
            return self.failed(token, f"The answer is no plan: {wrong.message}.", usage, text)
        self.run.end("success", told(text), token, usage=usage)
        self.task.planned(plan)
        self._note("planned", digest=plan.digest, version=plan.version)
        return True

    def failed(self, token: str, reason: str, usage: dict[str, Any] | None = None, text: str = "") -> bool:
        """There is no plan, and why; False when the lease was lost."""
        ended = self._held(token) and self.run.end("error", told(text or reason), token, usage=usage)
        if ended:
            self.task.unplanned(self.agent_key, reason)
            self._note("plan_failed", reason=reason[:500])
        return ended

    def put_back(self, token: str) -> bool:
        """The worker stops: another one begins anew."""
        return self.run.put_back(token)

    def lost(self) -> bool:
        """Its worker is gone; False when somebody else was at it."""
        became = self.run.lose()
        if became == "error":
            self.task.unplanned(self.agent_key, self.run.report or "")
            self._note("plan_failed", reason=(self.run.report or "")[:500])
        return became is not None

    @property
    def agent_key(self) -> str:
        return str(self.run.params["agent_key"])

    def _held(self, token: str) -> bool:
        return self.run.lease_token == token and self.run.status == "running"

    def _note(self, what: str, digest: str | None = None, **detail: Any) -> None:
        audit.record("system", f"task.{what}", f"task {self.task.number}", project_id=self.task.project_id,
                     digest=digest, run=str(self.run.id), **detail)  # fmt: skip
