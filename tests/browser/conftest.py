"""A room with two people and three agents, served by the real processes to a real browser.

The processes stay for the next test, which moves into a new project. A test without `house` has its own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import select

from models import Agent, Project, User, UserSession, Worker, db, labs
from models.base import new_id, reading
from tests.support.browser import Screens
from tests.support.databases import Database
from tests.support.live import Live
from tests.support.processes import wait_until
from tests.support.redis import RedisServer
from tests.support.residence import Residence, Residences

SLOW = 15_000
"""Milliseconds that an answer of an agent may take on a busy machine."""


@dataclass
class Visitor:
    """One person's page of the room, with the words that a test uses."""

    page: Page

    def open(self, path: str = "/oasis/chat", state: str = "live") -> "Visitor":
        self.page.goto(path)
        self.is_in(state)
        return self

    def is_in(self, state: str) -> None:
        """The badge says so: live, backup or offline."""
        expect(self.page.locator(".conn")).to_have_attribute("data-state", state, timeout=SLOW)

    def say(self, text: str) -> None:
        self.page.locator("#composer-text").fill(text)
        self.page.locator("#composer-text").press("Enter")

    def message(self, text: str) -> Locator:
        """The newest message of the list that holds the text."""
        return self.page.locator("article.msg[data-seq]").filter(has_text=text).last

    def answers(self, agent: str) -> Locator:
        """The finished messages of an agent."""
        return self.page.locator(f'article.msg[data-seq][data-author="agent:{agent}"]')

    def messages(self) -> list[str]:
        """What every message of the list says, in the order shown."""
        return self.page.locator("article.msg[data-seq] .prose").all_inner_texts()


class House:
    """Lets people in: `enter("mara")` opens her room, signed in."""

    def __init__(self, live: Live, screens: Screens, secrets: dict[str, str]) -> None:
        self.live, self._screens, self._secrets = live, screens, secrets

    def enter(self, name: str, path: str = "/oasis/chat", state: str = "live", **options: Any) -> Visitor:
        page = self._screens.open(**options)
        cookie = {"name": "tr_sid", "value": self._secrets[name], "url": self.live.url}
        page.context.add_cookies([cookie])  # type: ignore[list-item]
        return Visitor(page).open(path, state)


@pytest.fixture(scope="session")
def residences(short_folder: Path) -> Iterator[Residences]:
    residences = Residences(short_folder)
    yield residences
    residences.end()


@pytest.fixture
def residence(
    request: pytest.FixtureRequest, residences: Residences, database_kind: str
) -> Iterator[Residence]:
    """What stands already, for a test that comes in by `house`; else one of its own."""
    databases = request.getfixturevalue(f"{database_kind}_databases")
    marker = request.node.get_closest_marker("environ")
    variables = marker.kwargs if marker else {}
    if "house" in request.fixturenames:
        yield residences.of(databases, variables, request.getfixturevalue("processes"))
        return
    own = Residence(databases.create(), request.getfixturevalue("short_folder"), variables)
    yield own
    own.end()
    databases.drop(own.database)


@pytest.fixture
def database(residence: Residence) -> Database:
    return residence.database


@pytest.fixture
def redis_server(residence: Residence) -> RedisServer:
    return residence.redis


@pytest.fixture
def live(residence: Residence) -> Live:
    return residence.live


@pytest.fixture
def furnished(app: Flask) -> dict[str, str]:
    """The project and its people in the database; the secrets of their sessions."""
    with app.app_context():
        move_out()
        project = Project.create("oasis", "Oasis")
        secrets = {}
        for name, role in (("Mara Lindqvist", "owner"), ("Jonas Weber", "member"), ("Vera Viewer", "viewer")):
            user = User.create(f"{name.split()[0].lower()}@example.org", name, None)
            user.join(project, role)
            _, secrets[name.split()[0].lower()] = UserSession.start(user, "127.0.0.1", "a test")
        for key, title in (("trunks", "Operator"), ("bulma", "Engineering"), ("krillin", "QA")):
            Agent.provision(project.id, key, key.title(), title=title)
        labs.write(project.id, {"team_room": True, "task_threads": True, "skills": True, "knowledge": True})
        db.session.commit()
        db.engine.dispose()
    return secrets


def move_out() -> None:
    """Who lived here in the test before keeps everything, under other names."""
    for project in db.session.scalars(select(Project).where(Project.archived_at.is_(None))):
        project.archive()
        project.key = f"p{new_id().hex[:20]}"
    for user in db.session.scalars(select(User)):
        user.handle = f"u{new_id().hex[:20]}"
        user.email = f"{user.handle}@example.org"
    db.session.flush()


@pytest.fixture
def executor() -> None:
    """Where what is approved must be carried out, too."""


@pytest.fixture
def processes(request: pytest.FixtureRequest) -> tuple[str, ...]:
    usual = ("web", "worker", "clock")
    return (*usual, "runs") if "executor" in request.fixturenames else usual


@pytest.fixture
def house(
    app: Flask, live: Live, screens: Screens, furnished: dict[str, str], processes: tuple[str, ...]
) -> House:
    for name in processes:
        if name not in live.processes or not live.processes[name].alive:
            live.start(name)
    live.wait_ready()
    with app.app_context():
        wait_until(_worker_is_there, 30, "the worker's first beat", pause=0.1)
        db.engine.dispose()
    return House(live, screens, furnished)


def _worker_is_there() -> bool:
    with reading():
        there = Worker.healthy("chat")
    db.session.remove()
    return there


@pytest.fixture
def enter(house: House) -> Callable[..., Visitor]:
    return house.enter
