"""Real web processes with sockets only, and people in their database."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from models import labs
from models.base import db as database_handle
from models.project import Project
from models.session import UserSession
from models.user import User
from tests.realtime.wire import Page, Wire
from tests.realtime.world import World
from tests.support.databases import SECRET_KEY, Database
from tests.support.forked import Forked
from tests.support.processes import free_port, wait_until
from tests.support.redis import RedisServer

Session = tuple[UUID, str]


class Web(Forked):
    """One web process with sockets only."""

    def __init__(self, name: str, database: Database, folder: Path, **variables: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        environ = {
            "PATH": "/usr/bin:/bin",
            "DATABASE_URL": database.url,
            "SECRET_KEY": SECRET_KEY,
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            **variables,
        }
        super().__init__(name, [sys.executable, "-m", "tests.realtime.web"], environ, folder)

    def ready(self) -> "Web":
        wait_until(self._answers, 20, f"{self.name}: {self.log}", pause=0.05)
        return self

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = httpx2.get(f"{self.url}/state", timeout=10).json()
        return state

    def broadcast(self, *streams: str, count: int = 1, size: int = 10, first: int = 0) -> None:
        ask = {"stream": streams, "count": str(count), "size": str(size), "first": str(first)}
        httpx2.post(f"{self.url}/emit", params=ask, timeout=30).raise_for_status()

    def _answers(self) -> bool:
        assert self.alive, self.log
        try:
            return httpx2.get(f"{self.url}/readyz", timeout=2).status_code == 200
        except httpx2.TransportError:
            return False


@dataclass
class House:
    """A project with people, in a database that web processes of this test share."""

    app: Flask
    database: Database
    folder: Path
    redis: RedisServer
    webs: list[Web] = field(default_factory=list)

    def web(self, **variables: str) -> Web:
        """Another web process, started and ready."""
        environ = {"REDIS_URL": self.redis.url, **variables}
        web = Web(f"web{len(self.webs)}", self.database, self.folder, **environ)
        self.webs.append(web)
        web.start()
        return web.ready()

    @contextmanager
    def inside(self) -> Iterator[None]:
        """What the body does to the models is committed at its end."""
        with self.app.app_context():
            yield
            database_handle.session.commit()
            database_handle.session.remove()

    def project(self, key: str = "acme") -> UUID:
        with self.inside():
            project = Project.create(key, key.title())
            labs.write(project.id, {"team_room": True, "dms": True, "task_threads": True})
            return project.id

    def person(self, project_id: UUID | None, role: str = "member", name: str = "Ada") -> UUID:
        with self.inside():
            count = database_handle.session.query(User).count()
            user = User.create(f"{name.lower()}{count}@example.org", name, None)
            if project_id is not None:
                user.join(database_handle.session.get_one(Project, project_id), role)
            return user.id

    def session(self, user_id: UUID) -> Session:
        with self.inside():
            session, secret = UserSession.start(
                database_handle.session.get_one(User, user_id), "127.0.0.1", "test"
            )
            database_handle.session.flush()
            return session.id, secret

    def page(self, web: Web, session: Session, *streams: str, **options: Any) -> Page:
        """A page connected to `web` that follows the streams."""
        page = Page(web.url, session, **options)
        for stream in streams:
            page.follow(stream)
        return page

    def end(self) -> None:
        Wire.close_all()
        for web in self.webs:
            web.end()


@pytest.fixture
def house(app: Flask, database: Database, redis_server: RedisServer, tmp_path: Path) -> Iterator[House]:
    house = House(app, database, tmp_path, redis_server)
    yield house
    house.end()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """A failure shows the logs of the processes that the test had started."""
    report = yield
    house = getattr(item, "funcargs", {}).get("house")
    if report.failed and house is not None:
        logs = "\n".join(f"--- {web.name}\n{web.log[-4000:]}" for web in house.webs)
        report.sections.append(("logs", logs))
    return report


Webs = Callable[..., Web]


@pytest.fixture
def world(app: Flask, db: SQLAlchemy) -> World:
    """A project, its people, agents and a DM, committed."""
    return World.make(app)
