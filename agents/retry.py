"""When a failed model call is tried again, and after how long."""

import random
from dataclasses import dataclass

from agents.errors import ModelFailed


@dataclass(frozen=True)
class Retry:
    """Up to `tries` more calls, with doubling waits in seconds, a little jitter and a ceiling.

    Someone who must wait longer than `patience` is told so instead.
    """

    tries: int = 4
    first: float = 0.5
    ceiling: float = 8.0
    patience: float = 60.0

    def delay(self, failure: ModelFailed, attempt: int) -> float | None:
        """Seconds before the next call, after `attempt` (from 0) failed; None to give up."""
        if not failure.transient or attempt >= self.tries:
            return None
        if failure.retry_after is not None:
            return failure.retry_after if failure.retry_after <= self.patience else None
        if failure.kind == "connection" and attempt == 0:
            return 0.0  # an idle connection that the server had closed: seen on local servers
        return min(self.ceiling, self.first * 2**attempt) * random.uniform(0.75, 1.0)

    def sentence(self, failure: ModelFailed) -> str:
        """Why it was given up."""
        wait = failure.retry_after
        if failure.transient and wait is not None and wait > self.patience:
            return f"{failure} It asks to wait {_duration(wait)} before the next try."
        return str(failure)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes"
