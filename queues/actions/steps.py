"""The steps of an action in the worker: each is one short transaction in the database thread."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from models.base import db
from models.crashpoint import crashpoint
from models.errors import Busy, DomainError
from models.execution import Execution
from models.run import Run
from queues.actions.job import CannotBeDone, Job
from queues.here import here

BROKEN = "Not carried out, because of an error of the worker. Nothing was changed."
LOST_SIGHT = "the worker failed while it was being carried out"
STOPPED = "the worker was stopped while it was being carried out"


@dataclass(frozen=True)
class Claimed:
    """A run that this worker holds."""

    job: Job
    token: str


def claim(run_id: UUID) -> Claimed | None:
    """Take it for this process; None when another was first, or it cannot be, and then it has failed."""
    held = Execution.hold(run_id)
    token = held.claim(here())
    return Claimed(Job.of(held), token) if token is not None else None


def keep(tokens: Sequence[str]) -> dict[str, str | None]:
    """Renew the leases: {token: what a person wishes}, without the lost ones."""
    return Run.renew(tokens)


def begin(claimed: Claimed) -> bool:
    """Once this is committed it may have happened in the world. False: it must not, and has its reason."""
    return Execution.hold(claimed.job.run_id).begin(claimed.token)


def carry_out(claimed: Claimed, apply: Callable[[], str]) -> bool:
    """Do it and say so, both or neither; False when it was not this worker's to do any more."""
    held = Execution.hold(claimed.job.run_id)
    if not held.stands(claimed.token):
        return False
    try:
        with db.session.begin_nested():
            result = apply()
    except Busy:
        raise
    except (CannotBeDone, DomainError) as refusal:
        return held.failed(claimed.token, str(refusal))
    ended = held.done(claimed.token, result)
    crashpoint("action.before_commit")
    return ended


def done(claimed: Claimed, result: str) -> bool:
    ended = Execution.hold(claimed.job.run_id).done(claimed.token, result)
    crashpoint("action.before_commit")
    return ended


def failed(claimed: Claimed, reason: str) -> bool:
    return Execution.hold(claimed.job.run_id).failed(claimed.token, reason)


def unknown(claimed: Claimed, why: str) -> bool:
    """It was begun, and nobody here can say whether it happened."""
    return Execution.hold(claimed.job.run_id).unknown(claimed.token, why)


def give_back(claimed: Claimed) -> bool:
    """The worker stops: what was not begun waits for another, and of the rest nobody knows what became."""
    held = Execution.hold(claimed.job.run_id)
    return held.run.put_back(claimed.token) or held.unknown(claimed.token, STOPPED)


def broken(claimed: Claimed) -> bool:
    """An error of ours: it failed, or nobody knows whether it happened when it had begun."""
    held = Execution.hold(claimed.job.run_id)
    if held.run.progress_at is not None:
        return held.unknown(claimed.token, LOST_SIGHT)
    return held.failed(claimed.token, BROKEN)
