"""Carrying out an approved plan: the run, its task and its approval, which always change together."""

from __future__ import annotations

from typing import Any

from models.approval import Approval
from models.base import db
from models.run import LOST
from models.run_event import RunEvent
from models.task_run import TaskRun
from models.text import told

LONGEST_REPORT = 100_000


class PlanExecution(TaskRun):
    """What has begun is never begun again: where nobody knows what became of it, a person looks."""

    @property
    def approval(self) -> Approval:
        """As it is now."""
        return db.session.get_one(Approval, self.run.approval_id, populate_existing=True)

    def claim(self, worker: str, post_op: str | None = None) -> str | None:
        """The lease token; None when another was first, or it cannot be, and then a person decides again.

        `post_op` is the revision that the skill has here, of the look that may follow.
        """
        token = self.run.take(worker)
        if token is None or not self.stands(token, post_op):
            return None
        self.task.execution_begun()
        return token

    def stands(self, token: str, post_op: str | None = None) -> bool:
        """Whether this worker still holds it, and what was approved is in force and the same to the byte.

        What is not the same is void here, with the reason: the plan waits for a person again.
        """
        if not self.held_under(token):
            return False
        order = self.approval, self.run.run_after, post_op
        why = self.task.why_not(*order)
        if why is not None:
            self.run.end("error", f"Not carried out: {why}.", token)
            self.task.approval_fell(self.approval, why, self.task.drift(*order))
            self._say("execution_refused", why)
        return why is None

    def begin(self, token: str, post_op: str | None = None) -> bool:
        """From now on it may have happened in the world; False when it must not begin."""
        if self._not_wanted:
            self.stopped(token, 0, "", None)
            return False
        return self.stands(token, post_op) and self.run.begin(token)

    @property
    def _not_wanted(self) -> bool:
        """A person wants it to end, and nothing has begun."""
        return self.run.desired_status == "cancelled" and self.run.progress_at is None

    def tell(self, token: str, events: list[tuple[str, str]]) -> bool:
        """Keep what happens, (kind, content) in order; False when the lease was lost."""
        if not self.held_under(token):
            return False
        RunEvent.add(self.run, events)
        return True

    def begin_step(self, token: str, number: int) -> bool:
        """The agent says how far it is; False when the plan has no such step, or the lease was lost."""
        if not self.held_under(token) or not 1 <= number <= (self.task.steps or 0):
            return False
        self.task.advance("status", "executing", "executing", step=number)
        return True

    def done(self, token: str, report: str, usage: dict[str, Any] | None) -> bool:
        """It is carried out; False when that was somebody else's to say: then the report is only kept."""
        return self._end("success", "completed", token, report, "", usage)

    def failed(self, token: str, reason: str, report: str = "", usage: dict[str, Any] | None = None) -> bool:
        """It ended before its end, and why; False as in `done`."""
        return self._end("error", "failed", token, report or reason, reason, usage)

    def stopped(self, token: str, left: int, report: str, usage: dict[str, Any] | None) -> bool:
        """A person stopped it, and `left` of its processes are alive; False when the lease was lost."""
        words = f"{self.run.params.get('stopped_by', 'A person')} stopped it. Processes left: {left}."
        if not self.run.stopped(token, words, told(report, LONGEST_REPORT), usage):
            return False
        self.task.executed(self.run, "failed", words)
        self._say("execution_stopped", words)
        return True

    def unknown(self, token: str, why: str) -> bool:
        """It may have happened in part, and only a person can find out."""
        if not self.run.interrupt(token, why):
            return False
        self.task.interrupted()
        self._say("execution_interrupted", why)
        return True

    def put_back(self, token: str) -> bool:
        """A worker that stops gives back what it did not begin; of the rest nobody knows what became."""
        if self._not_wanted:
            return self.stopped(token, 0, "", None)
        return self.run.put_back(token) or self.unknown(token, "the worker was stopped meanwhile")

    def lost(self) -> bool:
        """Its worker is gone; False when somebody else was at it."""
        if self._not_wanted:
            return self.stopped(self.run.lease_token or "", 0, "", None)
        became = self.run.lose()
        if became == "error":
            self.task.executed(self.run, "failed", self.run.report or "")
        elif became == "interrupted":
            self.task.interrupted()
        if became is not None:
            self._say({"queued": "execution_requeued", "interrupted": "execution_interrupted"}.get(
                became, "execution_failed"), LOST)  # fmt: skip
        return became is not None

    def _end(
        self, run_status: str, status: str, token: str, report: str, reason: str, usage: dict[str, Any] | None
    ) -> bool:
        said = told(report, LONGEST_REPORT)
        if not self.run.end(run_status, said, token, reason, usage=usage):
            if self.run.note_late(token, said):
                self._say("late_report", said)
            return False
        self.task.executed(self.run, status, reason)
        self._say(status, reason)
        return True

    def _say(self, what: str, why: str) -> None:
        self.note(what, why, self.approval.digest)
