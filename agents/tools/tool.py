"""What a tool says about itself, and what it is given when it is called."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from agents.reported import Reported
from agents.shell import OnOutput, Shell
from models.workspace import Workspace

Effect = Literal["reads", "proposes", "acts"]
Job = Literal["chat", "heartbeat", "scheduled", "planning", "audit", "skill", "execution"]

WORKING_JOBS: frozenset[Job] = frozenset(("planning", "audit", "skill", "execution"))
"""Those that have a workspace."""
READING_JOBS: frozenset[Job] = frozenset(("chat", "heartbeat", "scheduled", *WORKING_JOBS))

EFFECTS: dict[Job, frozenset[Effect]] = {
    "chat": frozenset(("reads", "proposes")),
    "heartbeat": frozenset(("reads", "proposes")),
    "scheduled": frozenset(("reads", "proposes")),
    "planning": frozenset(("reads",)),
    "audit": frozenset(("reads", "proposes")),
    "skill": frozenset(("reads", "proposes")),
    "execution": frozenset(("reads", "proposes", "acts")),
}
"""The most that a kind of job may do; a tool's own list of jobs only narrows it."""


@dataclass(frozen=True)
class ToolContext:
    """Whose turn it is and what it may read.

    `db(fn, *args)` runs fn in the database thread, in an app context and a read transaction;
    `write(fn, *args)` in one that is committed. `work` is the same when a lost turn begins anew, and
    `lease` is not: the token under which its delivery is held. Where there are files to work on, `workspace`
    holds them; where there are commands to run, `shell` runs them and `output` is told what they print. Where
    a plan is carried out, `on_step` is told which step begins; False when it has none of that number.
    Of an audit `reported` keeps what the agent says of its facts.
    """

    project_id: UUID
    thread_id: UUID
    agent_key: str
    db: Callable[..., Awaitable[Any]]
    write: Callable[..., Awaitable[Any]] | None = None
    work: UUID | None = None
    lease: str | None = None
    workspace: Workspace | None = None
    shell: Shell | None = None
    output: OnOutput | None = None
    on_step: Callable[[int], Awaitable[bool]] | None = None
    reported: Reported | None = None


class Arguments(BaseModel):
    """Base of a tool's input: what it does not know, it refuses."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class Verbatim(Arguments):
    """Input whose texts are kept to the last space."""

    model_config = ConfigDict(str_strip_whitespace=False)


@dataclass(frozen=True)
class Tool:
    """One thing an agent can do. `run(context, arguments)` answers with plain text."""

    name: str
    description: str
    arguments: type[Arguments]
    run: Callable[[ToolContext, Any], Awaitable[str]]
    effect: Effect
    jobs: frozenset[Job]
    seconds: float = 15.0

    def definition(self) -> dict[str, Any]:
        """The tool in the form the Messages API takes."""
        return {
            "name": self.name,
            "description": self.description,
            "input_schema": _schema(self.arguments),
        }

    def allowed_in(self, job: Job) -> bool:
        return job in self.jobs and self.effect in EFFECTS[job]


@cache
def _schema(arguments: type[Arguments]) -> dict[str, Any]:
    """Made once: it takes longer than all else between a message and the call of the model."""
    schema = arguments.model_json_schema()
    schema.pop("title", None)
    schema.pop("description", None)
    return schema
