"""Two projects and one person of each standing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy

from models.project import Project
from models.user import User
from tests import factories

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
