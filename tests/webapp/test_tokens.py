"""Tokens for programs: made once, bounded, and read in one place."""

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select, update

from models.agent import Agent
from models.base import utcnow
from models.token import ApiToken
from tests import factories
from tests.webapp.conftest import Site


def reach(app: Flask, site: Site, header: str | None) -> int:
    client = app.test_client()
    headers = {} if header is None else {"Authorization": header}
    return client.get(site.api, headers=headers).status_code


@pytest.fixture
def text(site: Site) -> str:
    return factories.token(site.project, "agent")[1]


@pytest.mark.parametrize("spelling", ["Bearer {}", "bearer {}", "BEARER {}", " Bearer   {} "])
def test_each_spelling_of_the_header_is_the_same_token(
    app: Flask, site: Site, text: str, spelling: str
) -> None:
    assert reach(app, site, spelling.format(text)) == 200


@pytest.mark.parametrize(
    "header",
    [
        "{}",
        "Basic {}",
        "Token {}",
        "Bearer",
        "Bearer ",
        "Bearer null",
        "Bearer {}x",
        "Bearer {}, Bearer {}",
        "Bearer {} {}",
        'Bearer "{}"',
    ],
)
def test_nothing_else_is_taken_for_a_token(app: Flask, site: Site, text: str, header: str) -> None:
    assert reach(app, site, header.replace("{}", text)) == 401


@pytest.mark.parametrize("name", ["X-Api-Key", "X-Auth-Token", "Proxy-Authorization", "Api-Key"])
def test_other_headers_carry_no_token(app: Flask, site: Site, text: str, name: str) -> None:
    answer = app.test_client().get(site.api, headers={name: f"Bearer {text}"})

    assert answer.status_code == 401


def test_a_token_in_the_address_is_none(app: Flask, site: Site, text: str) -> None:
    answer = app.test_client().get(f"{site.api}?access_token={text}&token={text}")

    assert answer.status_code == 401


def test_one_mistyped_letter_is_refused(app: Flask, site: Site, text: str) -> None:
    swapped = text[:40] + ("a" if text[40] != "a" else "b") + text[41:]

    assert reach(app, site, f"Bearer {swapped}") == 401


@pytest.mark.parametrize(
    "change",
    [{"revoked_at": utcnow()}, {"expires_at": utcnow() - timedelta(seconds=1)}],
    ids=["revoked", "expired"],
)
def test_a_dead_token_is_refused(
    app: Flask, site: Site, text: str, db: SQLAlchemy, change: dict[str, object]
) -> None:
    assert reach(app, site, f"Bearer {text}") == 200
    db.session.execute(update(ApiToken).values(change), execution_options={"touched": True})

    assert reach(app, site, f"Bearer {text}") == 401


def test_a_bad_token_is_not_helped_by_a_good_cookie(site: Site) -> None:
    client = site.browser("owner")

    assert client.get(site.api, headers={"Authorization": "Bearer x"}).status_code == 401


def test_a_token_does_not_leave_its_project(app: Flask, site: Site, text: str) -> None:
    answer = factories.bearer(app, text).get(f"/api/projects/{site.elsewhere.id}")

    assert answer.status_code == 404


def test_scopes_limit_what_the_kind_allows(app: Flask, site: Site) -> None:
    _, text = factories.token(site.project, "agent", scopes=["project.read"])
    client = factories.bearer(app, text)

    assert client.get(site.api).status_code == 200
    assert client.get(f"{site.api}/threads").status_code == 403


@pytest.mark.parametrize("how", ["removed", "deactivated", "archived"])
def test_a_persons_token_ends_with_what_it_stands_on(
    app: Flask, site: Site, db: SQLAlchemy, how: str
) -> None:
    member = site.people["member"]
    _, text = factories.token(site.project, "user", member)
    assert reach(app, site, f"Bearer {text}") == 200

    if how == "removed":
        member.memberships[0].end()
    elif how == "deactivated":
        member.deactivate()
    else:
        site.project.archived_at = utcnow()
    db.session.commit()

    assert reach(app, site, f"Bearer {text}") == 401


def test_an_agents_token_ends_with_the_agent(app: Flask, site: Site, db: SQLAlchemy, text: str) -> None:
    agent = Agent.by_key(site.project.id, "bulma")
    assert agent
    assert reach(app, site, f"Bearer {text}") == 200

    agent.archived_at = utcnow()
    db.session.commit()

    assert reach(app, site, f"Bearer {text}") == 401


def test_a_persons_token_has_his_role_of_today(app: Flask, site: Site, db: SQLAlchemy) -> None:
    member = site.people["member"]
    _, text = factories.token(site.project, "user", member)
    member.memberships[0].change_role("viewer")
    db.session.commit()
    thread = site.project.room.id

    answer = factories.bearer(app, text).post(
        f"/api/threads/{thread}/messages", json={"content": "hello", "client_id": "c"}
    )

    assert answer.status_code in (403, 404)


def test_a_token_is_shown_once_and_stored_as_a_hash(
    owner: FlaskClient, site: Site, app: Flask, db: SQLAlchemy
) -> None:
    answer = owner.post(f"{site.api}/tokens", json={"kind": "user", "name": "script"})

    assert answer.status_code == 201, answer.text
    text = answer.json["secret"]  # type: ignore[index]
    assert reach(app, site, f"Bearer {text}") == 200
    stored = db.session.execute(select(*ApiToken.__table__.columns)).one()
    assert text not in str(stored)
    assert text not in owner.get(f"{site.api}/tokens").text
    for value in stored:  # a copy of the database opens nothing
        assert reach(app, site, f"Bearer {value}") == 401


def test_revoking_ends_it_at_once(owner: FlaskClient, site: Site, app: Flask) -> None:
    said = owner.post(f"{site.api}/tokens", json={"kind": "worker", "name": "host"}).json
    assert said

    assert owner.delete(f"{site.api}/tokens/{said['token']['id']}").status_code == 204

    assert reach(app, site, f"Bearer {said['secret']}") == 401
    assert owner.get(f"{site.api}/tokens").json == {"tokens": []}


def test_an_owner_elsewhere_cannot_revoke_it(site: Site) -> None:
    token, _ = factories.token(site.project, "worker")
    path = f"/api/projects/{site.elsewhere.id}/tokens/{token.id}"

    assert site.browser("stranger").delete(path).status_code == 404


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"kind": "person"}, "kind"),
        ({"days": 91}, "days"),
        ({"days": 0}, "days"),
        ({"days": True}, "days"),
        ({"name": ""}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"kind": "agent", "agent_key": "nobody"}, "agent_key"),
        ({"scopes": ["token.manage"]}, "scopes"),
        ({"scopes": "project.read"}, "scopes"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(owner: FlaskClient, site: Site, wrong: dict[str, object], field: str) -> None:
    answer = owner.post(f"{site.api}/tokens", json={"kind": "user", "name": "x"} | wrong)

    assert answer.status_code == 422
    assert field in answer.json["error"]["fields"], answer.text  # type: ignore[index]


def test_the_page_makes_shows_and_revokes(owner: FlaskClient, site: Site, app: Flask) -> None:
    factories.agent(site.project, "bulma")
    said = {"kind": "agent", "name": "Bulma's host", "agent_key": "bulma", "days": "30"}

    made = owner.post(f"{site.settings}/tokens", data=said)
    wrong = owner.post(f"{site.settings}/tokens", data=said | {"days": "365"})

    assert (made.status_code, wrong.status_code) == (201, 422)
    assert "trm_agt_" in made.text
    [token] = owner.get(f"{site.api}/tokens").json["tokens"]  # type: ignore[index]
    assert owner.post(f"{site.settings}/tokens/{token['id']}/revoke").status_code == 303
    assert owner.get(f"{site.api}/tokens").json == {"tokens": []}


def test_use_is_noted(app: Flask, site: Site, text: str, db: SQLAlchemy) -> None:
    app.test_client().get(site.api, headers={"Authorization": f"Bearer {text}"}).close()

    assert db.session.scalars(select(ApiToken.last_used_at)).one() is not None


def test_an_old_sign_in_makes_no_token(owner: FlaskClient, site: Site, db: SQLAlchemy) -> None:
    from models.session import UserSession

    db.session.execute(
        update(UserSession).values(authenticated_at=utcnow() - timedelta(minutes=16)),
        execution_options={"touched": True},
    )

    by_api = owner.post(f"{site.api}/tokens", json={"kind": "user", "name": "x"})
    by_page = owner.post(f"{site.settings}/tokens", data={"kind": "user", "name": "x"})

    assert (by_api.status_code, by_api.json["error"]["code"]) == (403, "reauthenticate")  # type: ignore[index]
    assert (by_page.location or "").startswith("/sign-in?next=")
