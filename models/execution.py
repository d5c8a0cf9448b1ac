"""Carrying out what was approved: the run and its proposal, which always change together."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from models import audit
from models.approval import Approval
from models.base import db
from models.proposal import Proposal
from models.run import LOST, Run
from models.text import told


@dataclass(frozen=True)
class Execution:
    """Held until the transaction ends, in the order in which people's decisions hold them, too."""

    run: Run
    approval: Approval
    proposal: Proposal

    @classmethod
    def hold(cls, run_id: UUID) -> Execution:
        """These rows as they are now, locked; the log first, as for who decides."""
        audit.lock()
        run = db.session.get_one(Run, run_id)
        approval = db.session.get_one(Approval, run.approval_id)
        proposal = db.session.get_one(Proposal, approval.subject_id)
        db.session.refresh(proposal, with_for_update=True)
        db.session.refresh(run, with_for_update=True)
        db.session.refresh(approval)
        return cls(run, approval, proposal)

    def claim(self, worker: str) -> str | None:
        """The lease token; None when another was first, or when it cannot be: then it has failed."""
        token = self.run.take(worker)
        return token if token is not None and self.stands(token) else None

    def stands(self, token: str) -> bool:
        """Whether this worker still holds it, and what was approved is in force and the same to the byte.

        What is not the same fails here, with the reason.
        """
        if self.run.lease_token != token or self.run.status != "running":
            return False
        why = self.proposal.why_not(self.approval)
        if why is not None:
            self.failed(token, f"Not carried out: {why}.")
        return why is None

    def begin(self, token: str) -> bool:
        """From now on it may have happened in the world; False when it must not begin."""
        return self.stands(token) and self.run.begin(token)

    def done(self, token: str, result: str) -> bool:
        """It happened; False when that was somebody else's to say: then the report is only kept."""
        return self._end("success", "executed", token, result)

    def failed(self, token: str, reason: str) -> bool:
        """It did not happen, and why; False as in `done`."""
        return self._end("error", "failed", token, reason)

    def unknown(self, token: str, why: str) -> bool:
        """It may have happened, and only a person can find out."""
        if not self.run.interrupt(token, why):
            return False
        self._note("interrupted", why)
        return True

    def lost(self) -> bool:
        """Its worker is gone; False when somebody else was at it."""
        became = self.run.lose()
        if became == "error":
            self.proposal.carried_out("failed", self.run.report or "")
        if became is not None:
            self._note({"queued": "requeued"}.get(became, became), LOST)
        return became is not None

    def _end(self, run_status: str, status: str, token: str, text: str) -> bool:
        said = told(text)
        if not self.run.end(run_status, said, token):
            if self.run.note_late(token, said):
                self._note("late_report", said)
            return False
        if self.proposal.approval_id == self.approval.id:
            self.proposal.carried_out(status, said)
        self._note(status, said)
        return True

    def _note(self, what: str, why: str) -> None:
        # Last in the transaction: whoever appends holds the end of the log.
        audit.record("system", f"proposal.{what}", f"proposal {self.proposal.id}",
                     project_id=self.proposal.project_id, digest=self.approval.digest,
                     run=str(self.run.id), **self.proposal.for_log(why[:500]))  # fmt: skip
