"""Ask a person for something: one tool for each action, which makes a proposal and changes nothing else."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, create_model

from agents.errors import ToolFailed
from agents.tools.tool import Arguments, Job, Tool, ToolContext
from models import labs
from models.actions import ACTIONS, Params
from models.base import db
from models.delivery import Delivery
from models.errors import DomainError
from models.proposal import Proposal
from models.thread import Thread
from models.wish import LONGEST_WHY, Wish, key_of

JOBS: frozenset[Job] = frozenset(("chat", "heartbeat", "scheduled"))
DESCRIPTIONS = {
    "create_task": "Propose a task for the project.",
    "schedule_job": "Propose a job that gives an agent instructions again and again.",
    "edit_doc": "Propose a new version of a document that agents read.",
    "send_message": "Propose a message to a room, to one person, or to a webhook.",
    "api_call": "Propose one HTTP request to another server.",
    "file_write": "Propose to write a file of the project's workspace.",
}
WAITS = " It waits for a person, who sees exactly these parameters; nothing happens before."


class Proposing(Arguments):
    """What every proposal says besides its parameters, which are taken as they are, spaces included."""

    model_config = ConfigDict(str_strip_whitespace=False)

    why: Annotated[
        str,
        Field(min_length=1, max_length=LONGEST_WHY, description="Why, for the person who decides; Markdown"),
    ]
    risk_level: Annotated[
        Literal["low", "med", "high"] | None,
        Field(description="Only to warn: the server sets the least there is, and you can raise it"),
    ] = None


async def propose(action_type: str, context: ToolContext, arguments: Any) -> str:
    if context.write is None:
        raise ToolFailed("Nothing can be proposed here.")
    given = arguments.model_dump(exclude_unset=True)
    why, risk = given.pop("why"), given.pop("risk_level", None)
    try:
        wish = Wish.of(
            context.agent_key, action_type, given, why, key_of(context.work, action_type, given), risk
        )
        text: str = await context.write(make, context.thread_id, wish, context.lease)
    except DomainError as refused:
        raise ToolFailed(f"Not proposed: {refused.message}.") from None
    return text


def make(thread_id: UUID, wish: Wish, lease: str | None) -> str:
    """The proposal as a message of the agent in its thread, while the work it comes from is its own."""
    if lease is None or not Delivery.hold(lease):
        raise ToolFailed("Nothing is proposed: this work is over.")
    thread = db.session.get_one(Thread, thread_id)
    if thread.kind not in labs.open_threads([thread.project_id])[thread.project_id]:
        raise ToolFailed("Nothing can be proposed here.")
    proposal = Proposal.make(thread, wish)
    return f"Proposed: {proposal.action.headline}. Risk: {proposal.risk_level}. It waits for a person."


def _tool(action: type[Params]) -> Tool:
    async def run(context: ToolContext, arguments: Any) -> str:
        return await propose(action.action_type, context, arguments)

    bases: Any = (action, Proposing)
    return Tool(
        name=f"propose_{action.action_type}",
        description=DESCRIPTIONS[action.action_type] + WAITS,
        arguments=create_model(f"Propose{action.__name__}", __base__=bases),
        run=run,
        effect="proposes",
        jobs=JOBS,
    )


PROPOSE = tuple(_tool(action) for action in ACTIONS.values())
