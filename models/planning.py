"""Making a plan: the run and its task, which always change together."""

from __future__ import annotations

from typing import Any

from models.errors import Invalid
from models.plan import Plan
from models.task_run import TaskRun
from models.text import told


class Planning(TaskRun):
    """It only reads, so a lost one begins anew."""

    def claim(self, worker: str) -> str | None:
        """The lease token; None when another was first, or nobody may plan here now: then it has failed."""
        token = super().claim(worker)
        if token is not None:
            self.task.planning_begun()
        return token

    def done(self, token: str, text: str, usage: dict[str, Any]) -> bool:
        """The plan waits for a person; False when the lease was lost. What is no plan has failed."""
        if not self.held_under(token):
            return False
        try:
            plan = Plan.add(self.task, self.agent_key, text, run_id=self.run.id)
        except Invalid as wrong:
            return self.failed(token, f"The answer is no plan: {wrong.message}.", text, usage)
        self.run.end("success", told(text), token, usage=usage)
        self.task.planned(plan)
        self.note("planned", digest=plan.digest)
        return True

    def failed(self, token: str, reason: str, text: str = "", usage: dict[str, Any] | None = None) -> bool:
        """There is no plan, and why; False when the lease was lost."""
        ended = self.held_under(token) and self.run.end("error", told(text or reason), token, usage=usage)
        if ended:
            self._unplanned(reason)
        return ended

    def lost(self) -> bool:
        """Its worker is gone; False when somebody else was at it."""
        became = self.run.lose()
        if became == "error":
            self._unplanned(self.run.report or "")
        return became is not None

    def _unplanned(self, reason: str) -> None:
        self.task.unplanned(self.agent_key, reason)
        self.note("plan_failed", reason)
