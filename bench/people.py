"""A project with people in it, as rows: each has a session, so a cookie and a CSRF token."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from flask import Flask

from models import labs
from models.agent import Agent
from models.base import db
from models.project import Project
from models.session import UserSession
from models.user import User
from realtime import tickets
from tests.support.databases import SECRET_KEY, Database
from webapp import create_app, csrf


@dataclass(frozen=True)
class Person:
    id: UUID
    session_id: UUID
    cookie: str
    csrf: str

    def ticket(self) -> str:
        """What a page shows to open a websocket; good for 30 seconds."""
        return tickets.issue(SECRET_KEY, self.session_id)


@dataclass(frozen=True)
class Room:
    """A project's Team Room and its members."""

    key: str
    project_id: UUID
    thread_id: UUID
    people: list[Person]

    @property
    def stream(self) -> str:
        return f"project:{self.project_id}"

    @property
    def address(self) -> str:
        """Where a message is posted."""
        return f"/api/threads/{self.thread_id}/messages"

    def write_people(self, path: Path, count: int) -> Path:
        """The file that the HTTP load client reads; it opens one connection for each line."""
        lines = [f"{person.cookie} {person.csrf}\n" for person in self.people[:count]]
        path.write_text("".join(lines))
        return path


@contextmanager
def application(database: Database) -> Iterator[Flask]:
    """The application in this process, only to write rows."""
    app = create_app(
        {"SECRET_KEY": SECRET_KEY, "DATABASE_URL": database.url, "REDIS_URL": "", "LOG_LEVEL": "WARNING"}
    )
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


def furnish(database: Database, people: int, agents: int = 0, key: str = "bench") -> Room:
    """Make the project; without agents a message is delivered to nobody."""
    with application(database):
        project = Project.create(key, key.capitalize())
        db.session.flush()
        labs.write(project.id, {"team_room": True, "task_threads": True})
        members = [_member(project, number) for number in range(people)]
        for number in range(agents):
            Agent.provision(project.id, agent_key(number), f"Agent {number}")
        project.default_agent_key = None
        room = Room(project.key, project.id, project.room.id, members)
        db.session.commit()
        return room


def agent_key(number: int) -> str:
    return f"agent-{number}"


def _member(project: Project, number: int) -> Person:
    user = User.create(f"person{number}@{project.key}.example.org", f"Person{number} {project.name}", None)
    user.join(project, "owner" if number == 0 else "member")
    session, secret = UserSession.start(user, "127.0.0.1", "bench")
    db.session.flush()
    return Person(user.id, session.id, secret, csrf.token_for(secret))
