"""An agent's turn in the worker of runs: its provider, its tools, and the place where its commands run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self
from uuid import UUID

from flask import Flask

from agents.context import Pack
from agents.shell import Isolation, Shell
from models.base import db
from models.held_run import HeldRun
from models.project import Project
from models.workspace import Workspace
from queues.database import DatabaseThread

if TYPE_CHECKING:
    from agents.loop import Outcome, Tools
    from agents.provider import Provider, ProviderSettings
    from agents.shell.isolation import Profile
    from agents.sink import Sink
    from agents.tools.tool import Job, ToolContext

PROFILES: dict[str, Profile] = {
    "planning": "planning",
    "execution": "execution",
    "audit": "planning",
    "skill": "planning",
}


@dataclass(frozen=True)
class Claimed:
    """A run that an agent does, and that this worker holds."""

    run_id: UUID
    kind: str
    token: str
    project_id: UUID
    project_key: str
    thread_id: UUID
    agent_key: str

    @classmethod
    def of(cls, held: HeldRun, token: str) -> Self:
        """Read in the transaction that claims it."""
        project = db.session.get_one(Project, held.run.project_id)
        return cls(
            held.run.id, held.run.kind, token, project.id, project.key, project.room.id, held.agent_key
        )


class Work(Protocol):
    """What an agent does in a run of one kind. But `carry_out`, each is a transaction of its own."""

    def claim(self, run_id: UUID) -> Claimed | None:
        """Take it for this process; None when another was first, or it is not to be done."""

    def carry_out(self, turns: Turns, claimed: Claimed) -> Awaitable[None]:
        """Do it, and write down how that ended."""

    def put_back(self, claimed: Claimed) -> bool:
        """Let another worker take it, or a person look."""

    def broken(self, claimed: Claimed) -> bool:
        """An error of ours ended it."""


class Turns:
    """Lives on the event loop; the provider is made, and its library loaded, for the first turn."""

    def __init__(
        self, app: Flask, database: DatabaseThread, settings: Callable[[], ProviderSettings]
    ) -> None:
        self.database = database
        self.isolation: Isolation | None = None
        """In which commands of agents are run; None where none may be."""
        self._app, self._settings = app, settings
        self._provider: Provider | None = None

    async def close(self) -> None:
        if self._provider is not None:
            await self._provider.aclose()

    def by_rule(self) -> bool:
        """Whether no model is connected, so that there is only the demo."""
        settings = self._settings()
        return not (settings.api_key or settings.base_url)

    def workspace(self, project_key: str) -> Workspace:
        with self._app.app_context():
            return Workspace.of(project_key)

    def shell(self, job: Job, workspace: Workspace, run_id: UUID) -> Shell | None:
        """Where this job runs commands; None where nothing protects the machine from them."""
        if self.isolation is None:
            return None
        return Shell(self.isolation, workspace.ready(), run_id, profile=PROFILES[job])

    def context(
        self, claimed: Claimed, workspace: Workspace, shell: Shell | None, **more: Any
    ) -> ToolContext:
        """Whose turn it is, and what it may read and use."""
        from agents.tools.tool import ToolContext

        return ToolContext(
            claimed.project_id,
            claimed.thread_id,
            claimed.agent_key,
            db=self.database.read,
            work=claimed.run_id,
            workspace=workspace,
            shell=shell,
            **more,
        )

    async def answer(
        self, job: Job, given: Pack, context: ToolContext, sink: Sink, wrapped: Callable[[Tools], Tools]
    ) -> Outcome:
        """Answer with the tools of this kind of job."""
        # Here, since a worker that only carries out actions need not load the provider's library.
        from agents import loop as agent_loop
        from agents.provider import provider_from
        from agents.tools import registry

        if self._provider is None:
            self._provider = provider_from(self._settings())
        tools: Any = registry.for_job(job).bind(context)
        return await agent_loop.run(
            given.turn, provider=self._provider, tools=wrapped(tools), budget=given.budget, sink=sink
        )
