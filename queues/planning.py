"""Making plans in the worker: an agent's turn with tools that only read, whose answer is the plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from agents.planner import pack
from models.base import db
from models.planning import Planning
from models.project import Project
from queues.here import here
from queues.turns import Turns

if TYPE_CHECKING:
    from agents.loop import Outcome

BROKEN = "The plan could not be made, because of an error of the worker."


@dataclass(frozen=True)
class Claimed:
    """A run of kind `plan` that this worker holds."""

    run_id: UUID
    token: str
    project_id: UUID
    project_key: str
    thread_id: UUID
    agent_key: str


class Quiet:
    """The sink of a turn that nobody watches word by word: its answer counts as a whole."""

    def text(self, delta: str) -> None:
        """Kept by the loop."""

    def status(self, kind: str, detail: str) -> None:
        """The task says that it is planned."""

    def reset(self, offset: int) -> None:
        """Kept by the loop."""


async def make(turns: Turns, claimed: Claimed) -> None:
    """Answer, and write down how that ended. Cancelled, it gives the run back."""
    from agents.tools.tool import ToolContext

    given = await turns.database.certainly(turns.database.read, pack, claimed.run_id)
    workspace = turns.workspace(claimed.project_key)
    shell = turns.shell("planning", workspace, claimed.run_id)
    context = ToolContext(
        claimed.project_id,
        claimed.thread_id,
        claimed.agent_key,
        db=turns.database.read,
        work=claimed.run_id,
        workspace=workspace,
        shell=shell,
    )
    try:
        outcome = await turns.answer("planning", given, context, Quiet(), lambda tools: tools)
    finally:
        if shell is not None:
            await shell.close()
    step = {"done": done, "cancelled": put_back}.get(outcome.status, failed)
    await turns.database.certainly(turns.database.write, step, claimed, outcome)


# The steps, each one short transaction in the database thread.


def claim(run_id: UUID) -> Claimed | None:
    """Take it for this process; None when another was first, or nobody wants it any more."""
    held = Planning.hold(run_id)
    token = held.claim(here())
    if token is None:
        return None
    project = db.session.get_one(Project, held.task.project_id)
    return Claimed(run_id, token, project.id, project.key, project.room.id, held.agent_key)


def done(claimed: Claimed, outcome: Outcome) -> bool:
    return Planning.hold(claimed.run_id).done(claimed.token, outcome.text, outcome.usage)


def failed(claimed: Claimed, outcome: Outcome) -> bool:
    return Planning.hold(claimed.run_id).failed(claimed.token, outcome.error, outcome.usage, outcome.text)


def put_back(claimed: Claimed, *_: Any) -> bool:
    return Planning.hold(claimed.run_id).put_back(claimed.token)


def broken(claimed: Claimed) -> bool:
    return Planning.hold(claimed.run_id).failed(claimed.token, BROKEN)
