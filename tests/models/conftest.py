"""A project with a person and three agents, for the rules of models."""

from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from flask_sqlalchemy import SQLAlchemy

from models import Agent, Draft, Message, Project, Thread, User, labs
from models.posting import post


@dataclass
class Room:
    project: Project
    mara: User
    jonas: User
    thread: Thread
    ids = count(1)

    def say(self, text: str, by: User | None = None, **more: Any) -> Message:
        """Post as a person would, each time with an id of its own."""
        user = by or self.mara
        client_id = more.pop("client_id", f"said-{next(self.ids)}")
        return post(self.thread, Draft.of(user.id, text, client_id, **more))


@pytest.fixture
def room(db: SQLAlchemy) -> Room:
    project = Project.create("oasis", "Oasis")
    mara = User.create("mara@example.org", "Mara Lindqvist", None)
    jonas = User.create("jonas@example.org", "Jonas Weber", None)
    mara.join(project, "owner")
    jonas.join(project, "member")
    for key in ("trunks", "bulma", "krillin"):
        Agent.provision(project.id, key, key.title())
    labs.write(project.id, {"team_room": True, "dms": True, "task_threads": True})
    db.session.commit()
    return Room(project, mara, jonas, project.room)
