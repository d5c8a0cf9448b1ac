"""Settings → Servers: owners list servers and store secrets, which nobody is shown again."""

import json

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select, update

from models import AllowedHost, AuditEntry, ProjectSecret, StreamChange, UserSession
from models.base import utcnow
from models.session import FRESH
from realtime.registry import PUBLISHED
from tests.webapp.conftest import Site

VALUE = "Bearer s3cret-value"


def add(owner: FlaskClient, site: Site, host: str = "api.example.org") -> int:
    return owner.post(f"{site.settings}/servers/hosts", data={"host": host}).status_code


def store(owner: FlaskClient, site: Site, **other: str) -> int:
    said = {"name": "token", "origin": "https://api.example.org", "value": VALUE, **other}
    return owner.post(f"{site.settings}/servers/secrets", data=said).status_code


def audited(db: SQLAlchemy, *actions: str) -> list[str]:
    db.session.rollback()
    rows = db.session.scalars(
        select(AuditEntry).where(AuditEntry.action.in_(actions)).order_by(AuditEntry.seq)
    )
    return [f"{row.action} {row.subject}" for row in rows]


def test_an_owner_lists_a_server_and_takes_it_away(site: Site, owner: FlaskClient, db: SQLAlchemy) -> None:
    assert add(owner, site) == 303
    [host] = AllowedHost.of_project(site.project.id)
    assert "https://api.example.org" in owner.get(f"{site.settings}/servers").text

    assert owner.post(f"{site.settings}/servers/hosts/{host.id}/remove").status_code == 303
    assert "https://api.example.org" not in owner.get(f"{site.settings}/servers").text
    assert audited(db, "host.allowed", "host.forbidden") == [
        "host.allowed api.example.org",
        "host.forbidden https://api.example.org",
    ]


@pytest.mark.parametrize("host", ["", "*.example.org", "https://api.example.org"])
def test_what_cannot_be_listed_is_said_beside_the_field(site: Site, owner: FlaskClient, host: str) -> None:
    add(owner, site)

    answer = owner.post(f"{site.settings}/servers/hosts", data={"host": host})
    assert answer.status_code == 422
    assert 'id="host-note"' in answer.text
    assert 'aria-invalid="true"' in answer.text


def test_a_secret_is_stored_and_never_said_again(
    app: Flask, site: Site, owner: FlaskClient, db: SQLAlchemy, caplog: pytest.LogCaptureFixture
) -> None:
    add(owner, site)
    assert store(owner, site) == 303
    assert store(owner, site) == 422  # the name is taken
    db.session.rollback()
    [secret] = ProjectSecret.of_project(site.project.id)
    said = [
        owner.get(f"{site.settings}/servers").text,
        owner.post(f"{site.settings}/servers/secrets", data={"name": "token", "value": VALUE}).text,
        caplog.text,
        json.dumps(PUBLISHED["project_secrets"].row(secret)),
        *(str(row.detail) + row.subject for row in db.session.scalars(select(AuditEntry))),
    ]

    assert all("token" in text for text in said[:2])
    assert not any("s3cret" in text for text in said)
    key = app.config["SECRET_KEY"]
    assert ProjectSecret.values(site.project.id, ["token"], secret.origin, key) == {"token": VALUE}


def test_a_secret_is_removed(site: Site, owner: FlaskClient, db: SQLAlchemy) -> None:
    add(owner, site)
    store(owner, site)
    [secret] = ProjectSecret.of_project(site.project.id)

    assert owner.post(f"{site.settings}/servers/secrets/{secret.id}/remove").status_code == 303
    assert audited(db, "secret.stored", "secret.removed") == ["secret.stored token", "secret.removed token"]
    assert ProjectSecret.of_project(site.project.id) == []


def test_what_is_anothers_is_not_there(site: Site, owner: FlaskClient) -> None:
    add(owner, site)
    store(owner, site)
    [host], [secret] = AllowedHost.of_project(site.project.id), ProjectSecret.of_project(site.project.id)
    stranger, elsewhere = site.browser("stranger"), f"/{site.elsewhere.key}/settings/servers"

    assert stranger.post(f"{elsewhere}/hosts/{host.id}/remove").status_code == 404
    assert stranger.post(f"{elsewhere}/secrets/{secret.id}/remove").status_code == 404
    said = {"name": "x", "origin": host.origin, "value": VALUE}
    assert stranger.post(f"{elsewhere}/secrets", data=said).status_code == 422
    assert host.origin not in stranger.get(elsewhere).text


def test_both_need_a_sign_in_of_the_last_minutes(site: Site, owner: FlaskClient, db: SQLAlchemy) -> None:
    add(owner, site)
    old = utcnow() - 2 * FRESH
    db.session.execute(update(UserSession).values(authenticated_at=old), execution_options={"touched": True})
    db.session.commit()

    add(owner, site, "other.example.org")
    store(owner, site)
    assert len(AllowedHost.of_project(site.project.id)) == 1
    assert ProjectSecret.of_project(site.project.id) == []


def test_both_are_told_to_owners_alone(site: Site, owner: FlaskClient, db: SQLAlchemy) -> None:
    add(owner, site)
    store(owner, site)
    told = db.session.execute(
        select(StreamChange.table, StreamChange.stream).where(
            StreamChange.table.in_(("allowed_hosts", "project_secrets"))
        )
    )

    assert sorted(map(tuple, told)) == [
        ("allowed_hosts", f"admin:{site.project.id}"),
        ("project_secrets", f"admin:{site.project.id}"),
    ]
