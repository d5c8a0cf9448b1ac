"""A run that is held until the transaction ends: what all kinds that an agent does have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from models import labs
from models.run import Run
from models.task import FLAG, OFF


@dataclass(frozen=True)
class HeldRun(ABC):
    """Each kind is begun only while tasks are switched on, and says by `failed` why it was not."""

    run: Run

    def claim(self, worker: str) -> str | None:
        """The lease token; None when another was first, or it may not be now: then it has failed."""
        token = self.run.take(worker)
        why = self.why_not() if token is not None else ""
        if token is not None and why:
            self.failed(token, why)
            return None
        return token

    def why_not(self) -> str:
        """Why it may not be begun now; empty where it may."""
        return "" if labs.enabled(FLAG, self.run.project_id) else OFF

    @abstractmethod
    def failed(self, token: str, reason: str) -> bool:
        """It came to nothing, and why; False when the lease was lost."""

    def put_back(self, token: str) -> bool:
        """The worker stops: another one begins anew."""
        return self.run.put_back(token)

    @property
    def agent_key(self) -> str:
        """Who does it; empty where an audit has nobody who judges."""
        return str(self.run.params["agent_key"])

    def held_under(self, token: str) -> bool:
        """Whether this worker still has it."""
        return self.run.lease_token == token and self.run.status == "running"
