"""What an action is given, and how it says that it could not be done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from models.actions import Params, params_of
from models.canonical import parse

if TYPE_CHECKING:
    from models.execution import Execution


class CannotBeDone(Exception):
    """Its text is the execution result: what failed, and what is not affected."""


class OutcomeUnknown(Exception):
    """The effect may have happened: the run is interrupted, and a person decides."""


@dataclass(frozen=True)
class Job:
    """An approved action. Its parameters are read from the approval's canonical bytes alone."""

    run_id: UUID
    approval_id: UUID
    proposal_id: UUID
    project_id: UUID
    thread_id: UUID | None
    """Where it was proposed; none in a task's timeline."""
    agent_key: str
    """Who proposed it."""
    decided_by: UUID
    """The person who approved it."""
    params: Params
    key: str
    """For the other side, an Idempotency-Key: of the same bytes the same, also when they are tried again."""

    @classmethod
    def of(cls, execution: Execution) -> Job:
        """Of what the claim found to be readable, and the same to the byte."""
        run, approval, proposal = execution.run, execution.approval, execution.proposal
        said = parse(approval.canonical)
        return cls(
            run_id=run.id,
            approval_id=approval.id,
            proposal_id=UUID(said["proposal_id"]),
            project_id=UUID(said["project_id"]),
            thread_id=proposal.thread_id,
            agent_key=said["proposed_by"],
            decided_by=approval.user_id,
            params=params_of(said["action_type"], said["params"]),
            key=f"teamroom-{proposal.id}-{approval.digest[:16]}",
        )
