"""Wherever somebody gets a password, it is not made of his own name or address, and the field says so."""

from collections.abc import Callable

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy

from models.user import User
from tests import factories
from tests.webapp.conftest import Site
from tests.webapp.test_forms import forms_of
from webapp import accounts

OWN = "Zebulon-ashgrove-1"
WHO = {"name": "Zebulon Ames", "email": "zebulon@ashgrove.example"}
WHY = "is made of the person's own name or address"

pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def zebulon(site: Site, db: SQLAlchemy) -> User:
    member = site.people["member"]
    member.name, member.email = WHO["name"], WHO["email"]
    db.session.commit()
    return member


def refused_on(client: FlaskClient, page: str, **said: str) -> bool:
    """Whether the form that is on this page is shown again with the reason at its field."""
    form = next(each for each in forms_of(client.get(page).text).values() if "password" in each.fields)
    sent = {name: said.get(name, field.get("value", "")) for name, field in form.fields.items()}

    answer = client.post(form.action, data=sent | {"password": OWN})

    again = forms_of(answer.text)[form.action]
    said_so = WHY.removeprefix("is ").replace("'", "&#39;") in answer.text
    return answer.status_code == 422 and "aria-invalid" in again.fields["password"] and said_so


def test_at_the_first_run(client: FlaskClient, db: SQLAlchemy) -> None:
    page = f"/setup?code={accounts.setup_code()}"

    assert refused_on(client, page, **WHO, project_name="Oasis")


def test_by_invite(site: Site, owner: FlaskClient, app: Flask) -> None:
    invite = owner.post(f"{site.api}/invites", json={"role": "member"}).json
    assert invite

    assert refused_on(app.test_client(), invite["url"].removeprefix("http://localhost"), **WHO)


def test_when_it_is_changed(site: Site, zebulon: User) -> None:
    client = factories.signed_in(site.app, zebulon)

    assert refused_on(client, f"{site.settings}/account", current=factories.PASSWORD)
    answer = client.put("/api/me/password", json={"current": factories.PASSWORD, "password": OWN})
    assert answer.json["error"]["fields"] == {"password": [WHY]}  # type: ignore[index]


def test_by_a_link_for_a_new_one(app: Flask, zebulon: User) -> None:
    with app.test_request_context():
        link = accounts.link_to_reset(zebulon)

    assert refused_on(app.test_client(), link.removeprefix("http://localhost"))


def test_from_the_command_line(site: Site, flask: Callable[..., Result], zebulon: User) -> None:
    changed = flask("user", "password", zebulon.email, typed=f"{OWN}\n{OWN}\n")
    made = flask("user", "create", "z@ashgrove.example", "Zebulon Two", "--project", site.project.key,
                 "--password", OWN)  # fmt: skip

    for done in (changed, made):
        assert (done.exit_code, WHY in done.output) == (1, True), done.output
