"""First run: the one-time link makes the first owner, once."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select

from models import labs
from models.agent import Agent
from models.audit import AuditEntry
from models.project import Project
from models.user import Membership, User
from tests import factories
from webapp import accounts

FORM = {
    "name": "Toriyama",
    "email": "owner@example.org",
    "password": factories.PASSWORD,
    "project_name": "Capsule Corp",
    "labs": "on",
    "agents": "on",
}


@pytest.fixture
def code(db: SQLAlchemy) -> str:
    return accounts.setup_code()


def csrf(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found, "no form on the page"
    return found[1]


def fill_in(client: FlaskClient, code: str, **changes: str):  # type: ignore[no-untyped-def]
    page = client.get(f"/setup?code={code}")
    assert page.status_code == 200
    return client.post("/setup", data=FORM | {"code": code, "csrf_token": csrf(page.text)} | changes)


def test_the_link_makes_owner_project_labs_and_agents(client: FlaskClient, db: SQLAlchemy, code: str) -> None:
    answer = fill_in(client, code)

    assert (answer.status_code, answer.location) == (303, "/capsule-corp/chat"), answer.text
    project = db.session.scalars(select(Project)).one()
    assert db.session.scalars(select(Membership.role)).all() == ["owner"]
    assert set(labs.read(project.id).values()) == {True}
    assert len(Agent.of_project(project.id)) == 3
    assert "setup" in db.session.scalars(select(AuditEntry.action)).all()
    assert client.get("/capsule-corp/settings/account").status_code == 200


def test_an_owner_who_is_called_like_an_agent_gets_agents_all_the_same(
    client: FlaskClient, db: SQLAlchemy, code: str
) -> None:
    name = accounts.DEMO_AGENTS[0][1]

    assert fill_in(client, code, name=f"{name} Lovelace").status_code == 303

    handle = db.session.scalars(select(User.handle)).one()
    keys = set(db.session.scalars(select(Agent.key)))
    assert (handle, len(keys), handle in keys) == (name.lower(), len(accounts.DEMO_AGENTS), False)


def test_labs_and_agents_stay_out_when_not_wanted(client: FlaskClient, db: SQLAlchemy, code: str) -> None:
    answer = fill_in(client, code, labs="", agents="")

    assert answer.location == "/capsule-corp/settings/labs"
    project = db.session.scalars(select(Project)).one()
    assert set(labs.read(project.id).values()) == {False}
    assert Agent.of_project(project.id) == []


def test_the_link_works_once(client: FlaskClient, app: Flask, code: str, db: SQLAlchemy) -> None:
    late = app.test_client()
    page = late.get(f"/setup?code={code}")
    assert fill_in(client, code).status_code == 303

    again = late.post("/setup", data=FORM | {"code": code, "csrf_token": csrf(page.text)})

    assert again.status_code == 404
    assert late.get(f"/setup?code={code}").location == "/sign-in"
    assert len(db.session.scalars(select(User)).all()) == 1


def test_who_comes_before_the_first_owner_is_told_how_to_set_up(client: FlaskClient, code: str) -> None:
    assert "setup-link" in client.get("/sign-in").text

    fill_in(client, code)

    assert "setup-link" not in client.application.test_client().get("/sign-in").text


@pytest.mark.parametrize("wrong", ["", "x", "first owner", "null"])
def test_another_code_opens_nothing(client: FlaskClient, wrong: str) -> None:
    assert client.get(f"/setup?code={wrong}").status_code == 403


def test_a_weak_password_is_named_and_what_was_typed_stays(
    client: FlaskClient, code: str, db: SQLAlchemy
) -> None:
    answer = fill_in(client, code, password="password1234")

    assert answer.status_code == 422
    assert "tried first" in answer.text
    assert "Capsule Corp" in answer.text
    assert db.session.scalars(select(User)).all() == []


def test_the_page_names_the_command_that_each_missing_part_needs(client: FlaskClient, code: str) -> None:
    page = client.get(f"/setup?code={code}").text

    assert "python -m queues.worker chat" in page
