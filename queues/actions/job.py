"""What one carrying out knows, and the two ways in which it can fail."""

from dataclasses import dataclass
from uuid import UUID

from models.actions import Params


@dataclass(frozen=True)
class Job:
    """One approved action, read from the approval alone."""

    run_id: UUID
    approval_id: UUID
    proposal_id: UUID
    project_id: UUID
    thread_id: UUID
    agent_key: str
    """Who proposed."""
    decided_by: UUID
    """The person who approved."""
    params: Params
    """Parsed from the approval's canonical bytes alone."""
    key: str
    """For the other side: the same in every attempt of this approval."""


class CannotBeDone(Exception):
    """Nothing happened, or a refusal came back; the text says what failed and what is not affected."""


class OutcomeUnknown(Exception):
    """The effect may have happened: a person looks and decides."""
