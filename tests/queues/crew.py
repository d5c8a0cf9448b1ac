"""A project with two people and three agents, and what became of their deliveries."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from models import Agent, AgentStatus, Delivery, Draft, Message, Project, Thread, User, Worker, db, labs
from models.base import changed_rows, db_now, new_id, reading
from models.posting import post
from tests.support.processes import wait_until

T = TypeVar("T")
_numbers = count(1)


@dataclass
class Crew:
    """Reads end their transaction at once: an open one would hold SQLite's lock against the worker."""

    project: Project
    mara: User
    jonas: User

    @classmethod
    def create(cls) -> "Crew":
        project = Project.create("oasis", "Oasis")
        labs.write(project.id, {"team_room": True, "dms": True, "task_threads": True, "schedule": True})
        mara = User.create("mara@example.org", "Mara Lindqvist", None)
        jonas = User.create("jonas@example.org", "Jonas Weber", None)
        mara.join(project, "owner")
        jonas.join(project, "member")
        for key in ("trunks", "bulma", "krillin"):
            Agent.provision(project.id, key, key.title())
        db.session.commit()
        return cls(project, mara, jonas)

    def say(self, text: str, thread: Thread | None = None, by: User | None = None) -> list[UUID]:
        """Post and commit; the ids of the deliveries."""
        draft = Draft.of((by or self.mara).id, text, f"said-{next(_numbers)}")
        message = post(thread or self.project.room, draft)
        db.session.commit()
        return self.deliveries_of(message.id)

    def ask(self, text: str = "@trunks hello", thread: Thread | None = None) -> UUID:
        [delivery_id] = self.say(text, thread)
        return delivery_id

    def dm(self, owner: User) -> Thread:
        thread = Thread(project_id=self.project.id, title="DM:trunks", kind="dm", owner_user_id=owner.id)
        db.session.add(thread)
        db.session.commit()
        return thread

    def deliveries_of(self, message_id: UUID) -> list[UUID]:
        query = select(Delivery.id).where(Delivery.message_id == message_id)
        return _read(lambda s: list(s.scalars(query.order_by(Delivery.target_agent_key))))

    def delivery(self, delivery_id: UUID) -> Delivery:
        return _read(lambda s: s.get_one(Delivery, delivery_id))

    def statuses(self) -> list[str]:
        query = select(Delivery.status).order_by(Delivery.created_at)
        return _read(lambda s: list(s.scalars(query)))

    def answers(self) -> list[str]:
        """What agents said, in order."""
        query = select(Message.content).where(Message.author_kind == "agent").order_by(Message.seq)
        return _read(lambda s: list(s.scalars(query)))

    def answer_of(self, delivery_id: UUID) -> Message | None:
        reply_id = self.delivery(delivery_id).reply_id
        return _read(lambda s: s.get(Message, reply_id))

    def doing(self, key: str) -> str:
        query = select(AgentStatus.status).join(Agent).where(Agent.key == key)
        return str(_read(lambda s: s.scalar(query)))

    def paused(self) -> bool:
        """Whether the breaker opened in the room."""
        query = select(Thread.paused_at).where(Thread.kind == "room")
        return _read(lambda s: s.scalar(query)) is not None

    def wait(self, delivery_id: UUID, status: str, timeout: float = 10) -> Delivery:
        wait_until(lambda: self.delivery(delivery_id).status == status, timeout, f"a {status} delivery")
        return self.delivery(delivery_id)

    def wait_partial(self, delivery_id: UUID, timeout: float = 10) -> str:
        """The text so far, once some of it was saved."""
        wait_until(lambda: self.delivery(delivery_id).partial, timeout, "a saved part of the answer")
        return self.delivery(delivery_id).partial

    def wait_all(self, timeout: float = 20) -> None:
        """Until every delivery has ended."""
        ended = {"processed", "failed"}
        wait_until(lambda: set(self.statuses()) <= ended, timeout, "the end of all deliveries", 0.05)

    def age(self, delivery_id: UUID, **seconds: float) -> None:
        """Move times of the row into the past, as waiting would."""
        values: dict[str, Any] = {name: db_now(-amount) for name, amount in seconds.items()}
        changed_rows(update(Delivery).where(Delivery.id == delivery_id).values(values))
        db.session.commit()

    def worker(self, slots: int = 4, busy: int = 0, seen: float = 0.0) -> Worker:
        """A row that says a worker is there."""
        row = Worker(
            id=new_id(), queue="chat", host="here", pid=1, slots=slots, busy=busy, seen_at=db_now(-seen)
        )
        db.session.add(row)
        db.session.commit()
        return row

    def healthy(self) -> bool:
        alive = select(Worker.id).where(Worker.queue == "chat", Worker.seen_at > db_now(-30))
        return _read(lambda s: s.scalar(alive)) is not None


def _read(question: Callable[[Session], T]) -> T:
    """In a session of its own: the test's stays without a transaction, and sees nothing old."""
    with reading(), Session(db.engine) as session:
        return question(session)
