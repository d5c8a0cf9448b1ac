"""Fixtures that every test may use; each test that touches a database runs on both."""

import os
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from playwright.sync_api import Browser, Page
from sqlalchemy import event

import models.base
from tests.support import browser, dealing
from tests.support.browser import Screens
from tests.support.client import StrictClient
from tests.support.databases import SECRET_KEY, Database, PostgresqlDatabases, SqliteDatabases, keep
from tests.support.forked import Forked
from tests.support.live import Live
from tests.support.redis import RedisServer
from tests.support.rounds import ROUNDS
from webapp import create_app, memory

KINDS = ("sqlite", "postgresql")
SETTINGS = ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "SECRET_KEY", "PORT", "HOST",
            "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "WATCHDOG_SECONDS", "TRUSTED_PROXIES",
            "PUBLIC_URL", "WORKSPACES_FOLDER", "EGRESS_INTERNAL", "SHELL_WITHOUT_ISOLATION",
            "SKILL_VARIABLES", "FILE_MEGABYTES", "FILES_A_MESSAGE", "PROJECT_FILES_MEGABYTES")  # fmt: skip
PROCESSES = frozenset(("live", "house"))
LONG = frozenset(
    f"test_{name}.py"
    for name in ("any_order", "bench", "deciding", "policy", "pump_equality", "release", "style")
)
"""Files of tests that take 10 seconds or more."""
for name in SETTINGS:  # a developer's own settings must not reach the tests
    os.environ.pop(name, None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database", choices=[*KINDS, "both"], default="both")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "databases(*kinds): run on these databases only")
    config.addinivalue_line("markers", "environ(**variables): more settings for `live`")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: many tests wait for a process to start or a lease to end."""
    return len(os.sched_getaffinity(0)) + 1 if hasattr(os, "sched_getaffinity") else 3


def pytest_collection_finish() -> None:
    """As the processes do that serve: looking for garbage among all tests took a twentieth of their time."""
    memory.settle()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The checks of the source come first: they are what fails most often, and types take long."""
    items.sort(key=lambda item: item.path.name != "test_style.py")
    if hands := getattr(config, "workerinput", {}).get("workercount"):
        items[:] = dealing.dealt(items, hands, key=lambda item: item.path, long=_takes_long)


def _takes_long(item: pytest.Item) -> bool:
    """It starts processes, or its file is known for it."""
    return bool(PROCESSES & set(getattr(item, "fixturenames", ()))) or item.path.name in LONG


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database_kind" not in metafunc.fixturenames:
        return
    wanted = metafunc.config.getoption("--database")
    marker = metafunc.definition.get_closest_marker("databases")
    kinds = [kind for kind in (marker.args if marker else KINDS) if wanted in (kind, "both")]
    metafunc.parametrize("database_kind", kinds, indirect=True)


def pytest_make_parametrize_id(val: object) -> str | None:
    """Times differ from process to process, but names of tests must not: a dictionary is its keys."""
    return "-".join(map(str, val)) if isinstance(val, dict) else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """A failure shows the logs of the processes that the test had started."""
    report = yield
    live = getattr(item, "funcargs", {}).get("live")
    if report.failed and live is not None:
        report.sections.append(("logs", live.logs()))
    return report


@pytest.fixture(params=range(ROUNDS))
def each_round(request: pytest.FixtureRequest) -> int:
    """`make chaos` runs each test again that uses it: a kill hits another moment every time."""
    number: int = request.param
    return number


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """A folder whose path is short enough for unix sockets in it."""
    with tempfile.TemporaryDirectory(prefix="room-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL's own user passes through
        yield Path(folder)


@pytest.fixture(scope="session")
def sqlite_databases(short_folder: Path) -> SqliteDatabases:
    (short_folder / "sqlite").mkdir()
    return SqliteDatabases(short_folder / "sqlite")


@pytest.fixture(scope="session")
def postgresql_databases(short_folder: Path) -> Iterator[PostgresqlDatabases]:
    (short_folder / "pg").mkdir()
    databases = PostgresqlDatabases(short_folder / "pg")
    yield databases
    databases.stop()


@pytest.fixture
def database_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def database(request: pytest.FixtureRequest, database_kind: str) -> Iterator[Database]:
    """A migrated, empty database of its own for this test, once on each kind."""
    databases = request.getfixturevalue(f"{database_kind}_databases")
    database = databases.create()
    yield database
    databases.drop(database)


@pytest.fixture(scope="session")
def shared_redis(short_folder: Path) -> Iterator[RedisServer]:
    """A Redis that no test harms; `redis_server` is one that a test may kill."""
    yield from _running_redis(short_folder / "redis")


@pytest.fixture
def redis_server(short_folder: Path, request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """A Redis of this test alone."""
    yield from _running_redis(Path(tempfile.mkdtemp(dir=short_folder)))


def _running_redis(folder: Path) -> Iterator[RedisServer]:
    folder.mkdir(exist_ok=True)
    server = RedisServer(folder)
    server.start()
    yield server
    server.end()


@pytest.fixture
def make_app(database: Database, shared_redis: RedisServer, tmp_path: Path) -> Callable[..., Flask]:
    """Make an application with other settings than the usual ones of tests."""
    return partial(_make_app, database, shared_redis, tmp_path)


@pytest.fixture(scope="session")
def applications() -> Iterator[dict[str, Flask]]:
    """One application per database address: making one takes longer than most tests."""
    applications: dict[str, Flask] = {}
    yield applications
    for app in applications.values():
        with app.app_context():
            models.base.db.engine.dispose()


@pytest.fixture
def app(
    database: Database, shared_redis: RedisServer, applications: dict[str, Flask], tmp_path: Path
) -> Iterator[Flask]:
    """The application with the usual settings; other tests used it before, and it served requests."""
    app = applications.get(database.url) or _keeping(_make_app(database, shared_redis, tmp_path))
    app.config["WORKSPACES_FOLDER"] = str(tmp_path / "workspaces")
    applications[database.url] = app
    yield app
    with app.app_context():
        models.base.db.session.remove()
        if database.kind == "sqlite":  # its file is replaced under the same name
            models.base.db.engine.dispose()


def _keeping(app: Flask) -> Flask:
    """Its connections to PostgreSQL may stay for the next test."""
    with app.app_context():
        engine = models.base.db.engine
    if engine.dialect.name == "postgresql":
        event.listen(engine, "connect", lambda connection, record: keep(connection))
    return app


def _make_app(database: Database, redis: RedisServer, folder: Path, **overrides: Any) -> Flask:
    usual = {
        "TESTING": True,
        "SECRET_KEY": SECRET_KEY,
        "DATABASE_URL": database.url,
        "DATABASE_OWNER_URL": database.owner_url,
        "REDIS_URL": redis.url,
        "WORKSPACES_FOLDER": str(folder / "workspaces"),
    }
    app = create_app({**usual, **overrides})
    app.test_client_class = StrictClient
    return app


@pytest.fixture
def db(app: Flask) -> Iterator[SQLAlchemy]:
    """The database inside an application context, in which a test may use the models."""
    with app.app_context():
        yield models.base.db
        models.base.db.session.remove()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A visitor, signed in nowhere; `app.test_client()` makes another."""
    return app.test_client()


@pytest.fixture
def live(
    database: Database,
    redis_server: RedisServer,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Live]:
    """The real processes, not started yet; `@pytest.mark.environ(NAME="value")` sets more."""
    marker = request.node.get_closest_marker("environ")
    live = Live(database, redis_server, tmp_path, marker.kwargs if marker else {}, Forked)
    yield live
    live.end()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser per module: while it runs, the thread holds an asyncio loop of Playwright's."""
    with browser.chromium() as chromium:
        yield chromium


@pytest.fixture
def screens(chromium: Browser, live: Live) -> Iterator[Screens]:
    """`screens.open()` gives another person's page, which knows the address of `live`."""
    screens = Screens(chromium, live.url)
    yield screens
    screens.close()
    assert not screens.faults, "\n".join(screens.faults)


@pytest.fixture
def page(screens: Screens) -> Page:
    return screens.open()
