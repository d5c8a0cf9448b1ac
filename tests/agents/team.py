"""A project with two people, two agents, a room and private threads, to read in tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from uuid import UUID

from sqlalchemy import select

from models import labs
from models.agent import Agent
from models.base import db
from models.delivery import Delivery
from models.message import Draft, Message
from models.posting import post
from models.project import Project
from models.thread import Thread
from models.user import User

_numbers = count(1)


@dataclass
class Team:
    """`priya` and `sam` work with the agents `ops` and `qa`."""

    project: Project
    priya: User
    sam: User
    ops: Agent
    qa: Agent

    @classmethod
    def create(cls, key: str = "acme") -> "Team":
        project = Project.create(key, key.title())
        labs.write(project.id, {"team_room": True, "dms": True, "knowledge": True})
        ops = Agent.provision(project.id, "ops", "Ops", persona="You like order.", title="Operator")
        qa = Agent.provision(project.id, "qa", "Quality")
        people = [cls._person(project, key, name) for name in ("Priya", "Sam")]
        return cls(project, *people, ops, qa)

    @staticmethod
    def _person(project: Project, key: str, name: str) -> User:
        user = User.create(f"{name.lower()}@{key}.example", name, None)
        user.join(project, "member")
        return user

    @property
    def room(self) -> Thread:
        return self.project.room

    def dm(self, user: User) -> Thread:
        thread = Thread(project_id=self.project.id, title="DM:ops", kind="dm", owner_user_id=user.id)
        db.session.add(thread)
        db.session.flush()
        return thread

    def say(
        self,
        content: str,
        *,
        by: User | None = None,
        thread: Thread | None = None,
        reply_to: UUID | None = None,
        attachments: Sequence[UUID] = (),
    ) -> Message:
        author = by or self.priya
        client_id = f"client-{next(_numbers)}"
        draft = Draft.of(author.id, content, client_id, reply_to, attachments=attachments)
        message = post(thread or self.room, draft)
        db.session.flush()
        return message

    def agent_says(self, content: str, agent: Agent | None = None) -> Message:
        message = Message(
            project_id=self.project.id,
            thread_id=self.room.id,
            seq=self.room.next_seq(),
            author_kind="agent",
            author_key=(agent or self.ops).key,
            content=content,
            content_html=content,
        )
        db.session.add(message)
        db.session.flush()
        return message


def delivery_of(message: Message) -> UUID:
    """The id of the message's one delivery."""
    found = db.session.scalars(select(Delivery.id).where(Delivery.message_id == message.id))
    return found.one()
