"""A project with two people and two agents, and a browser for each of the people."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from werkzeug.test import TestResponse

from models import Agent, Project, Thread, User
from tests import factories


@dataclass
class House:
    app: Flask
    project: Project
    thread: Thread
    mara: User
    jonas: User
    bulma: Agent
    trunks: Agent
    ids: Any = field(default_factory=lambda: count(1))

    def browser(self, who: User) -> FlaskClient:
        return factories.signed_in(self.app, who)

    def post(self, client: FlaskClient, content: Any = "hello", **more: Any) -> TestResponse:
        body = {"content": content, "client_id": f"c{next(self.ids)}"} | more
        return client.post(f"/api/threads/{self.thread.id}/messages", json=body)

    def newcomer(self, role: str) -> FlaskClient:
        return self.browser(factories.member(self.project, role))


@pytest.fixture
def house(app: Flask, db: SQLAlchemy) -> House:
    project = factories.project(name="Oasis")
    mara = factories.member(project, "owner", "Mara Lindqvist")
    jonas = factories.member(project, "member", "Jonas Weber")
    trunks = factories.agent(project, "trunks")
    bulma = factories.agent(project, "bulma")
    db.session.commit()
    return House(app, project, project.room, mara, jonas, bulma, trunks)


@pytest.fixture
def mara(house: House) -> FlaskClient:
    """The owner's browser."""
    return house.browser(house.mara)


@pytest.fixture
def jonas(house: House) -> FlaskClient:
    """A member's browser."""
    return house.browser(house.jonas)
