"""What each agent is doing, as its line on the roster says it."""

from uuid import UUID

from sqlalchemy import bindparam, select

from models.agent import Agent, AgentStatus
from models.base import db
from models.delivery import NOT_ENDED, Delivery


def say(project_id: UUID, agent_key: str, status: str, activity: str = "") -> None:
    """Set the line."""
    state = _line(project_id, agent_key)
    if state is not None:
        state.say(status, activity)


def rest(project_id: UUID, agent_key: str) -> None:
    """Idle, unless another answer of this agent is being written, here or by another worker."""
    state = _line(project_id, agent_key)
    if state is not None and not _answering(project_id, agent_key):
        state.say("idle")


def _line(project_id: UUID, agent_key: str) -> AgentStatus | None:
    """Its row, locked: of two turns that end at once, the second must see that the first has ended."""
    return db.session.scalar(_LINE, {"project_id": project_id, "key": agent_key})


def _answering(project_id: UUID, agent_key: str) -> bool:
    return db.session.scalar(_ANSWERING, {"project_id": project_id, "key": agent_key}) is not None


# Put together once: each answer asks them several times.
_LINE = (
    select(AgentStatus)
    .join(Agent, Agent.id == AgentStatus.agent_id)
    .where(Agent.project_id == bindparam("project_id"), Agent.key == bindparam("key"))
    .with_for_update(of=AgentStatus)
    .execution_options(populate_existing=True)
)
_ANSWERING = (
    select(Delivery.id)
    .where(
        NOT_ENDED,
        Delivery.project_id == bindparam("project_id"),
        Delivery.target_agent_key == bindparam("key"),
        Delivery.status == "delivered",
    )
    .limit(1)
)
