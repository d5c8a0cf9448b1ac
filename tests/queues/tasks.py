"""Tasks of a crew, and workers of runs inside the test's own process that do what agents do for them."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from agents.scripted import ScriptedTransport
from models import Task, UserSession, db
from models.base import reading
from tests.queues.crew import Crew
from tests.support.processes import wait_until

Start = Callable[[Any], ScriptedTransport]
"""`worker(script)` starts a worker of runs, with a script for a model."""


def task_of(task_id: UUID) -> Task:
    db.session.rollback()
    return db.session.get_one(Task, task_id, populate_existing=True)


def read(question: Callable[[Session], Any]) -> Any:
    """In a session of its own: an open one would hold SQLite's lock against the worker."""
    with reading(), Session(db.engine) as session:
        return question(session)


def wait(task_id: UUID, status: str) -> Task:
    wait_until(lambda: read(lambda s: s.get_one(Task, task_id).status) == status, 15, f"{status} at last")
    return task_of(task_id)


def session_of(crew: Crew, who: str = "mara") -> UUID:
    session, _ = UserSession.start(getattr(crew, who), "127.0.0.1", "pytest")
    db.session.commit()
    return session.id
