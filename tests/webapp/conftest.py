"""Two projects and one person of each standing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy

from models.project import Project
from models.user import User
from tests import factories
from tests.support.databases import Database

ROLES = ("viewer", "member", "operator", "owner")


@dataclass
class Site:
    """A project with one person in each role, and another project with a stranger who owns it."""

    app: Flask
    project: Project
    people: dict[str, User]
    elsewhere: Project

    def browser(self, name: str) -> FlaskClient:
        return factories.signed_in(self.app, self.people[name])

    @property
    def api(self) -> str:
        return f"/api/projects/{self.project.id}"

    @property
    def settings(self) -> str:
        return f"/{self.project.key}/settings"


@pytest.fixture
def site(app: Flask, db: SQLAlchemy) -> Site:
    project, elsewhere = factories.project(), factories.project()
    people = {role: factories.member(project, role, role.capitalize()) for role in ROLES}
    people["stranger"] = factories.member(elsewhere, "owner", "Stranger")
    db.session.commit()
    return Site(app, project, people, elsewhere)


@pytest.fixture
def owner(site: Site) -> FlaskClient:
    return site.browser("owner")


@pytest.fixture
def make_app(make_app: Callable[..., Flask]) -> Iterator[Callable[..., Flask]]:
    """The same, and the connections of what was made are closed in the end."""
    made: list[Flask] = []

    def make(**overrides: Any) -> Flask:
        made.append(make_app(**overrides))
        return made[-1]

    yield make
    for app in made:
        with app.app_context():
            factories.db.session.remove()
            factories.db.engine.dispose()


@pytest.fixture
def owning_app(make_app: Callable[..., Flask], database: Database, tmp_path: Path) -> Flask:
    """The application as the release step makes it: with the role that owns the tables."""
    return make_app(DATABASE_URL=database.owner_url, BACKUP_FOLDER=str(tmp_path / "backups"))


@pytest.fixture
def flask(app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs an operator's command."""
    monkeypatch.setitem(app.config, "BACKUP_FOLDER", str(tmp_path / "backups"))

    def run(*words: str, typed: str = "") -> Result:
        factories.db.session.commit()
        result = app.test_cli_runner().invoke(args=list(words), input=typed)
        factories.db.session.expire_all()
        return result

    return run
