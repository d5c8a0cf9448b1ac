"""A crew with work for agents, and chat workers inside the test's own process."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from agents.provider import ProviderSettings
from agents.scripted import ScriptedTransport
from queues.actions.worker import RunWorker
from queues.chat import ChatWorker
from tests.queues import acting
from tests.queues.acting import Office, World
from tests.queues.crew import Crew
from tests.queues.in_thread import InThread
from tests.queues.tasks import Start
from tests.support.processes import wait_until


@pytest.fixture
def crew(db: SQLAlchemy) -> Crew:
    return Crew.create()


class Published:
    """Stands for the bus: keeps what was published."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, Any]]] = []

    def publish(self, kind: str, payload: dict[str, Any]) -> None:
        self.said.append((kind, payload))

    def close(self) -> None:
        """Nothing to close."""

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [payload for said, payload in self.said if said == kind]


class Running(InThread):
    """A chat worker, with a script for a model; without one the demo answers."""

    def __init__(self, app: Flask, script: Any) -> None:
        self.bus = Published()
        app.extensions["bus"] = self.bus
        self.transport = ScriptedTransport(script)
        settings = ProviderSettings(api_key="key", transport=self.transport)
        super().__init__(app, ChatWorker(app, settings if script else ProviderSettings(demo_delay=0)))

    def deltas(self) -> list[dict[str, Any]]:
        return self.bus.of("delta")

    def wait_text(self) -> None:
        wait_until(self.deltas, what="a first delta")


@pytest.fixture
def start(make_app: Callable[..., Flask], crew: Crew) -> Iterator[Callable[..., Running]]:
    """`start(script, CHAT_SLOTS=1)` starts a worker; all are stopped in the end."""
    started: list[Running] = []

    def start(script: Any, **settings: Any) -> Running:
        app = make_app(**{"DRAIN_SECONDS": 0.2, **settings})
        started.append(Running(app, script))
        return started[-1]

    yield start
    for running in started:
        running.end()


@pytest.fixture
def office(crew: Crew) -> Iterator[Office]:
    """A crew that proposes and decides."""
    world = World()
    yield Office(crew, world)
    world.close()


@pytest.fixture
def act(make_app: Callable[..., Flask], office: Office) -> Iterator[Callable[..., acting.Running]]:
    """`act()` starts a worker of approved actions; all are stopped in the end."""
    started: list[acting.Running] = []

    def act(**settings: Any) -> acting.Running:
        started.append(acting.Running(make_app(**{"DRAIN_SECONDS": 0.2, **settings})))
        return started[-1]

    yield act
    for running in started:
        running.end()


@pytest.fixture
def worker(make_app: Callable[..., Flask], crew: Crew) -> Iterator[Start]:
    """All are stopped in the end."""
    started: list[InThread] = []

    def start(script: Any) -> ScriptedTransport:
        app = make_app(DRAIN_SECONDS=0.2)
        transport = ScriptedTransport(script)
        settings = ProviderSettings(api_key="key", transport=transport)
        started.append(InThread(app, RunWorker(app, lambda: settings)))
        return transport

    yield start
    for running in started:
        running.end()
