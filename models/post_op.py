"""The look that follows an execution which went well: a run of its own, with a result of its own."""

from __future__ import annotations

from typing import Any

from models.task_run import TaskRun
from models.text import told

LONGEST_REPORT = 20_000


class PostOp(TaskRun):
    """It only reads, so a lost one begins anew. The task stays what the execution made of it."""

    def done(self, token: str, report: str, usage: dict[str, Any]) -> bool:
        """What was seen; False when the lease was lost."""
        return self._end("success", token, report, usage)

    def failed(self, token: str, reason: str, report: str = "", usage: dict[str, Any] | None = None) -> bool:
        """Nobody looked to the end, and why; False when the lease was lost."""
        return self._end("error", token, "\n\n".join(filter(None, [report, reason])), usage, reason)

    def lost(self) -> bool:
        """Its worker is gone; False when somebody else was at it."""
        became = self.run.lose()
        if became == "error":
            self._say(self.run.report or "")
        return became is not None

    def _end(
        self, status: str, token: str, report: str, usage: dict[str, Any] | None, reason: str = ""
    ) -> bool:
        said = told(report, LONGEST_REPORT)
        ended = self.held_under(token) and self.run.end(status, said, token, usage=usage)
        if ended:
            self._say(reason)
        return ended

    def _say(self, reason: str) -> None:
        self.task.record("agent_update", self.agent_key, reason, post_op=self.run.status)
        self.note("post_op_ended", reason)
