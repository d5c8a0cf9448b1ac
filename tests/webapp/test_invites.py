"""Invites: one person, one project, one role, for 72 hours."""

import re
import threading
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select
from werkzeug.test import TestResponse

from models.base import utcnow
from models.user import Invite, Membership
from tests import factories
from tests.webapp.conftest import Site


@pytest.fixture
def path(owner: FlaskClient, site: Site) -> str:
    """The address of an open invite as a member."""
    said = owner.post(f"{site.api}/invites", json={"role": "member"}).json
    assert said
    return str(said["url"]).removeprefix("http://localhost")


def accept(client: FlaskClient, path: str, **changes: str) -> TestResponse:
    page = client.get(path)
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    token = found[1] if found else ""
    said = {"name": "New One", "email": "new@example.org", "password": factories.PASSWORD}
    return client.post(path, data=said | {"csrf_token": token} | changes)


def roles_in(site: Site, email: str) -> dict[str, str]:
    query = select(Membership).where(Membership.user.has(email=email))
    return {str(each.project_id): each.role for each in factories.db.session.scalars(query)}


def test_a_new_person_joins_in_the_role_of_the_invite(app: Flask, site: Site, path: str) -> None:
    client = app.test_client()

    answer = accept(client, path)

    assert answer.location == f"/{site.project.key}/", answer.text
    assert client.get(f"/{site.project.key}/chat").status_code == 200
    assert roles_in(site, "new@example.org") == {str(site.project.id): "member"}


def test_who_is_signed_in_joins_as_himself(site: Site, path: str) -> None:
    stranger = site.browser("stranger")
    assert "signed in as" in stranger.get(path).text

    assert stranger.post(path).status_code == 303

    assert roles_in(site, site.people["stranger"].email) == {
        str(site.project.id): "member",
        str(site.elsewhere.id): "owner",
    }


def test_it_works_once(app: Flask, path: str) -> None:
    first, late = app.test_client(), app.test_client()
    late.get(path)
    assert accept(first, path).status_code == 303

    assert accept(late, path, email="late@example.org").status_code in (403, 404)
    assert late.get(path).status_code == 404


@pytest.mark.parametrize("change", ["used_at", "revoked_at", "expires_at"])
def test_it_does_not_open_once_it_is_over(
    app: Flask, site: Site, path: str, db: SQLAlchemy, change: str
) -> None:
    client = app.test_client()
    client.get(path)
    invite = db.session.scalars(select(Invite)).one()
    setattr(invite, change, utcnow() - timedelta(seconds=1))
    db.session.commit()

    assert client.get(path).status_code == 404
    assert site.browser("stranger").post(path).status_code == 404


@pytest.mark.parametrize("lost", ["membership", "role", "account"])
def test_it_ends_with_the_right_of_who_made_it(app: Flask, site: Site, path: str, lost: str) -> None:
    factories.membership(site.project, factories.user(), "owner")
    maker = next(each for each in site.people["owner"].memberships)
    if lost == "membership":
        maker.end()
    elif lost == "role":
        maker.change_role("operator")
    else:
        site.people["owner"].deactivate()

    assert app.test_client().get(path).status_code == 404


@pytest.mark.parametrize("secret", ["x", "null", "None", "%20", "0" * 43, "%C3%A9"])
def test_another_secret_opens_nothing(client: FlaskClient, path: str, secret: str) -> None:
    assert client.get(f"/invites/{secret}").status_code == 404


def test_the_form_cannot_raise_the_role_or_change_the_project(app: Flask, site: Site, path: str) -> None:
    accept(app.test_client(), path, role="owner", project_id=str(site.elsewhere.id))

    assert roles_in(site, "new@example.org") == {str(site.project.id): "member"}


def test_an_invite_never_lowers_a_role(site: Site, path: str, owner: FlaskClient) -> None:
    assert owner.post(path).status_code == 303

    assert roles_in(site, site.people["owner"].email) == {str(site.project.id): "owner"}


def test_an_address_that_has_an_account_is_told_so(app: Flask, site: Site, path: str) -> None:
    answer = accept(app.test_client(), path, email=site.people["viewer"].email)

    assert answer.status_code == 422
    assert "Is taken" in answer.text


def test_a_weak_password_is_named_and_the_invite_stays_open(app: Flask, path: str) -> None:
    client = app.test_client()

    assert accept(client, path, password="short").status_code == 422
    assert accept(client, path).status_code == 303


def test_taking_it_back(owner: FlaskClient, site: Site, path: str, app: Flask) -> None:
    [invite] = owner.get(f"{site.api}/invites").json["invites"]  # type: ignore[index]

    assert owner.delete(f"{site.api}/invites/{invite['id']}").status_code == 204

    assert app.test_client().get(path).status_code == 404


def test_an_owner_elsewhere_neither_sees_nor_takes_it_back(site: Site, path: str, db: SQLAlchemy) -> None:
    invite = db.session.scalars(select(Invite)).one()
    stranger = site.browser("stranger")

    answer = stranger.delete(f"/api/projects/{site.elsewhere.id}/invites/{invite.id}")

    assert answer.status_code == 404
    assert stranger.get(f"/api/projects/{site.elsewhere.id}/invites").json == {"invites": []}


def test_the_address_does_not_travel_to_other_sites(client: FlaskClient, path: str) -> None:
    assert client.get(path).headers["Referrer-Policy"] == "no-referrer"


def test_only_its_hash_is_stored(path: str, db: SQLAlchemy) -> None:
    secret = path.rpartition("/")[2]

    assert secret not in str(db.session.execute(select(*Invite.__table__.columns)).one())


def test_an_archived_project_takes_nobody_in(
    client: FlaskClient, site: Site, path: str, db: SQLAlchemy
) -> None:
    site.project.archived_at = utcnow()

    assert client.get(path).status_code == 404


@pytest.mark.parametrize("role", ["admin", "", None, 5, ["owner"]])
def test_an_unknown_role_is_refused(owner: FlaskClient, site: Site, role: object) -> None:
    assert owner.post(f"{site.api}/invites", json={"role": role}).status_code == 422


def test_the_page_makes_a_link_and_takes_it_back(owner: FlaskClient, site: Site, app: Flask) -> None:
    made = owner.post(f"{site.settings}/invites", data={"role": "viewer"})
    wrong = owner.post(f"{site.settings}/invites", data={"role": "king"})

    assert (made.status_code, wrong.status_code) == (201, 422)
    found = re.search(r"http://localhost(/invites/[\w-]+)", made.text)
    assert found
    assert app.test_client().get(found[1]).status_code == 200
    [invite] = owner.get(f"{site.api}/invites").json["invites"]  # type: ignore[index]
    owner.post(f"{site.settings}/invites/{invite['id']}/revoke")
    assert app.test_client().get(found[1]).status_code == 404


def test_two_who_accept_at_the_same_moment(app: Flask, site: Site, path: str) -> None:
    clients = [app.test_client() for _ in range(4)]
    tokens = [re.search(r'name="csrf_token" value="([^"]+)"', each.get(path).text) for each in clients]
    factories.hashed()
    factories.db.session.commit()
    barrier, codes = threading.Barrier(4), []

    def join(number: int) -> None:
        token = tokens[number]
        assert token
        said = {"name": "New", "email": f"new{number}@example.org", "password": factories.PASSWORD}
        barrier.wait()
        codes.append(clients[number].post(path, data=said | {"csrf_token": token[1]}).status_code)

    threads = [threading.Thread(target=join, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(codes) == [303, 404, 404, 404]
    assert len(factories.db.session.scalars(select(Membership.id)).all()) == 6
