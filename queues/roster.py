"""What each agent is doing, as its line on the roster says it."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import bindparam, select

from models.agent import Agent, AgentStatus
from models.base import db
from models.delivery import NOT_ENDED, Delivery


def say(project_id: UUID, agent_keys: Collection[str], status: str, activity: str = "") -> None:
    """Set the lines of these agents."""
    for state in _lines(project_id, agent_keys):
        state.say(status, activity)


def rest(project_id: UUID, agent_key: str) -> None:
    """Idle, unless another answer of this agent is being written, here or by another worker."""
    for state in _lines(project_id, [agent_key]):
        if not _answering(project_id, agent_key):
            state.say("idle")


def _lines(project_id: UUID, agent_keys: Collection[str]) -> Sequence[AgentStatus]:
    """Their rows, locked: of two turns that end at once, the second must see that the first has ended."""
    return db.session.scalars(_LINES, {"project_id": project_id, "keys": agent_keys}).all()


def _answering(project_id: UUID, agent_key: str) -> bool:
    return db.session.scalar(_ANSWERING, {"project_id": project_id, "key": agent_key}) is not None


# Put together once: each answer asks them several times.
_LINES = (
    select(AgentStatus)
    .join(Agent, Agent.id == AgentStatus.agent_id)
    .where(Agent.project_id == bindparam("project_id"), Agent.key.in_(bindparam("keys", expanding=True)))
    .order_by(AgentStatus.id)
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
