"""Whether work is done at once or waits for its executor: one answer for all that asks."""

from typing import Literal

from models.agent import Agent, AgentStatus
from models.worker import Worker

Mode = Literal["direct", "backup"]


def direct_or_queued(queue: str) -> Mode:
    """`direct` while a worker of this queue is alive; else the row waits, and is worked off on return."""
    return "direct" if Worker.healthy(queue) else "backup"


def mode_of(agent: Agent) -> Mode:
    """The same for one agent: an external one is its own executor, alive while it asks for work."""
    if agent.queue is not None:
        return direct_or_queued(agent.queue)
    return "direct" if AgentStatus.polled_lately(agent.id) else "backup"
