"""The names of those who wrote messages, as agents are told them."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from agents.quoting import plain
from models.agent import Agent
from models.base import db
from models.message import Message
from models.user import Membership, User


class Authors:
    """Names and handles of a project's agents, and of the people who wrote some messages."""

    def __init__(self, project_id: UUID, messages: Sequence[Message]) -> None:
        agents = select(Agent.key, Agent.name).where(Agent.project_id == project_id)
        self._agents = {key: name for key, name in db.session.execute(agents)}
        writers = {message.user_id for message in messages if message.user_id}
        people = select(User.id, User.name, User.handle).where(User.id.in_(writers))
        self._people = {id: (name, handle) for id, name, handle in db.session.execute(people)}

    def of(self, message: Message) -> str:
        """For instance `Priya (@priya, person)`."""
        if message.author_kind == "agent":
            key = message.author_key or ""
            return f"{plain(self._agents.get(key, key))} (@{key}, agent)"
        if message.author_kind == "person" and message.user_id in self._people:
            name, handle = self._people[message.user_id]
            return f"{plain(name)} (@{handle}, person)"
        return "the room itself" if message.author_kind == "system" else "somebody who left"


def roster(project_id: UUID) -> str:
    """One line for each agent and each person of the project."""
    agents = [
        f"- {plain(agent.name)} (@{agent.key}, agent){_titled(agent)}"
        for agent in Agent.of_project(project_id)
    ]
    query = (
        select(User.name, User.handle, Membership.role)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.project_id == project_id, User.deactivated_at.is_(None))
        .order_by(User.name, User.handle)
        .limit(200)
    )
    people = [f"- {plain(name)} (@{handle}, {role})" for name, handle, role in db.session.execute(query)]
    return "\n".join(agents + people)


def _titled(agent: Agent) -> str:
    return f": {plain(agent.title)}" if agent.title else ""
