"""The names of those who wrote messages, as agents are told them."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import bindparam, select

from agents.quoting import plain
from models.agent import Agent
from models.base import db
from models.message import Message
from models.task_event import TaskEvent
from models.user import Membership, User


class Authors:
    """Names and handles of a project's agents, and of the people whose messages it has met."""

    def __init__(self, project_id: UUID) -> None:
        agents = db.session.execute(_NAMES, {"project_id": project_id})
        self._agents = {key: name for key, name in agents}
        self._people: dict[UUID, tuple[str, str]] = {}

    def meet(self, messages: Sequence[Message | TaskEvent]) -> None:
        """Learn who wrote these."""
        new = {message.user_id for message in messages if message.user_id} - self._people.keys()
        if new:
            people = db.session.execute(_WRITERS, {"ids": new})
            self._people |= {id: (name, handle) for id, name, handle in people}

    def of(self, message: Message) -> str:
        """For instance `Priya (@priya, person)`."""
        if message.author_kind == "agent":
            key = message.author_key or ""
            return f"{plain(self._agents.get(key, key))} (@{key}, agent)"
        return "the room itself" if message.author_kind == "system" else self.person(message.user_id)

    def person(self, user_id: UUID | None) -> str:
        """Somebody whose words were met."""
        if user_id not in self._people:
            return "somebody who left"
        name, handle = self._people[user_id]
        return f"{plain(name)} (@{handle}, person)"


def roster(project_id: UUID) -> str:
    """One line for each agent and each person of the project."""
    project = {"project_id": project_id}
    agents = [
        f"- {plain(name)} (@{key}, agent){f': {plain(title)}' if title else ''}"
        for key, name, title in db.session.execute(_AGENTS, project)
    ]
    people = [
        f"- {plain(name)} (@{handle}, {role})" for name, handle, role in db.session.execute(_PEOPLE, project)
    ]
    return "\n".join(agents + people)


# Every answer asks these, so they are put together once.
_NAMES = select(Agent.key, Agent.name).where(Agent.project_id == bindparam("project_id"))
_WRITERS = select(User.id, User.name, User.handle).where(User.id.in_(bindparam("ids", expanding=True)))
_AGENTS = (
    select(Agent.key, Agent.name, Agent.title)
    .where(Agent.project_id == bindparam("project_id"), Agent.archived_at.is_(None))
    .order_by(Agent.name, Agent.key)
)
_PEOPLE = (
    select(User.name, User.handle, Membership.role)
    .join(Membership, Membership.user_id == User.id)
    .where(Membership.project_id == bindparam("project_id"), User.deactivated_at.is_(None))
    .order_by(User.name, User.handle)
    .limit(200)
)
