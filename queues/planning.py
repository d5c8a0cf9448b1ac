"""Making plans in the worker: an agent's turn with tools that only read, whose answer is the plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from agents.planner import pack
from models.base import db
from models.planning import Planning
from models.project import Project
from queues.database import DatabaseThread

if TYPE_CHECKING:
    from agents.loop import Outcome
    from agents.provider import Provider, ProviderSettings

BROKEN = "The plan could not be made, because of an error of the worker."


@dataclass(frozen=True)
class Claimed:
    """A run of kind `plan` that this worker holds."""

    run_id: UUID
    token: str
    project_id: UUID
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


class Planner:
    """Lives on the event loop; the provider is made when the first plan is asked for."""

    def __init__(self, database: DatabaseThread, settings: Callable[[], ProviderSettings]) -> None:
        self._database, self._settings = database, settings
        self._provider: Provider | None = None

    async def make(self, claimed: Claimed) -> None:
        """Answer, and write down how that ended. Cancelled, it gives the run back."""
        outcome = await self._outcome(claimed)
        step = {"done": done, "cancelled": put_back}.get(outcome.status, failed)
        await self._database.certainly(self._database.write, step, claimed, outcome)

    async def close(self) -> None:
        if self._provider is not None:
            await self._provider.aclose()

    async def _outcome(self, claimed: Claimed) -> Outcome:
        # Here, since a worker that never plans need not load the provider's library.
        from agents import loop as agent_loop
        from agents.provider import provider_from
        from agents.tools import registry
        from agents.tools.tool import ToolContext

        if self._provider is None:
            self._provider = provider_from(self._settings())
        given = await self._database.certainly(self._database.read, pack, claimed.run_id)
        context = ToolContext(
            claimed.project_id,
            claimed.thread_id,
            claimed.agent_key,
            db=self._database.read,
            work=claimed.run_id,
        )
        return await agent_loop.run(
            given.turn,
            provider=self._provider,
            tools=registry.for_job("planning").bind(context),
            budget=given.budget,
            sink=Quiet(),
        )


# The steps, each one short transaction in the database thread.


def claim(run_id: UUID, worker: str) -> Claimed | None:
    """Take it for this process; None when another was first, or nobody wants it any more."""
    held = Planning.hold(run_id)
    token = held.claim(worker)
    if token is None:
        return None
    room = db.session.get_one(Project, held.task.project_id).room
    return Claimed(run_id, token, held.task.project_id, room.id, held.agent_key)


def done(claimed: Claimed, outcome: Outcome) -> bool:
    return Planning.hold(claimed.run_id).done(claimed.token, outcome.text, outcome.usage)


def failed(claimed: Claimed, outcome: Outcome) -> bool:
    return Planning.hold(claimed.run_id).failed(claimed.token, outcome.error, outcome.usage, outcome.text)


def put_back(claimed: Claimed, *_: Any) -> bool:
    return Planning.hold(claimed.run_id).put_back(claimed.token)


def broken(claimed: Claimed) -> bool:
    return Planning.hold(claimed.run_id).failed(claimed.token, BROKEN)
