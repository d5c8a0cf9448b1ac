"""Who is refused stands in the audit log: once, not in the refused transaction, and never at its cost."""

import logging
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event, select

from models import audit, refusal
from models.audit import AuditEntry
from models.base import new_id, utcnow
from models.errors import Busy
from models.message import Draft
from models.posting import post_all
from models.thread import Thread
from tests import factories
from tests.webapp.conftest import Site


def refused(db: SQLAlchemy) -> list[AuditEntry]:
    query = select(AuditEntry).where(AuditEntry.action == "access.refused").order_by(AuditEntry.seq)
    return list(db.session.scalars(query))


def ask(client: FlaskClient, path: str, method: str = "GET", **more: object) -> int:
    """Ask, and close the answer: what follows an answer is done then."""
    with client.open(path, method=method, **more) as answer:
        return answer.status_code


def test_a_role_that_is_too_low_is_written_down(site: Site, db: SQLAlchemy) -> None:
    member = site.people["member"]

    assert ask(site.browser("member"), f"{site.api}/tokens") == 403

    [entry] = refused(db)
    assert (entry.actor, entry.project_id) == (f"person:{member.id}", site.project.id)
    assert entry.subject == "token.manage at tokens.index"
    assert entry.detail == {"address": "127.0.0.1"}
    assert audit.broken_at(db.session.scalars(select(AuditEntry).order_by(AuditEntry.seq))) is None


@pytest.mark.parametrize(
    "path", ["/api/projects/{0.id}/members", "/{0.key}/chat", "/api/streams/admin:{0.id}"]
)
def test_somebody_elses_project_is_written_down_in_it(site: Site, db: SQLAlchemy, path: str) -> None:
    assert ask(site.browser("stranger"), path.format(site.project) + "?since=0") == 404

    assert [entry.project_id for entry in refused(db)] == [site.project.id]


def test_a_token_beyond_its_kind_and_a_post_by_a_viewer_are_written_down(
    app: Flask, site: Site, db: SQLAlchemy
) -> None:
    token, text = factories.token(site.project, "user", site.people["owner"])
    said = {"content": "hello", "client_id": "one"}

    assert ask(factories.bearer(app, text), f"{site.api}/tokens") == 403
    assert ask(factories.bearer(app, text), "/api/me") == 403
    room = f"/api/threads/{site.project.room.id}/messages"
    assert ask(site.browser("viewer"), room, "POST", json=said) == 403

    viewer = f"person:{site.people['viewer'].id}"
    assert [entry.actor for entry in refused(db)] == [f"token:{token.id}", f"token:{token.id}", viewer]
    assert [entry.project_id for entry in refused(db)] == [site.project.id, None, site.project.id]


def test_anothers_direct_messages_are_written_down(site: Site, db: SQLAlchemy) -> None:
    whose = {"kind": "dm", "owner_user_id": site.people["member"].id}
    dm = Thread(project_id=site.project.id, title="DM:bulma", **whose)
    db.session.add(dm)
    db.session.flush()

    assert ask(site.browser("owner"), f"/api/threads/{dm.id}/messages") == 404

    assert [entry.actor for entry in refused(db)] == [f"person:{site.people['owner'].id}"]


def test_what_is_missing_or_allowed_or_asked_by_nobody_is_not(
    app: Flask, site: Site, db: SQLAlchemy, owner: FlaskClient
) -> None:
    assert ask(owner, f"/api/projects/{new_id()}/members") == 404
    assert ask(owner, "/nothing/chat") == 404
    assert ask(owner, f"/api/threads/{new_id()}/messages") == 404
    archived = factories.project()
    factories.membership(archived, site.people["owner"], "owner")
    archived.archived_at = utcnow()
    assert ask(owner, f"/{archived.key}/chat") == 404
    assert ask(owner, f"{site.api}/tokens") == 200
    assert ask(app.test_client(), f"{site.api}/tokens") == 401

    assert refused(db) == []


def test_a_message_of_another_is_refused_and_written_down(site: Site, db: SQLAlchemy) -> None:
    draft = Draft.of(user_id=site.people["owner"].id, content="mine", client_id="c", reply_to=None)
    [message] = post_all(site.project.room, [draft])
    db.session.flush()

    assert ask(site.browser("member"), f"/api/messages/{message.id}", "PATCH", json={"content": "no"}) == 403

    assert len(refused(db)) == 1


def test_the_same_again_is_not_written_for_ten_minutes(
    site: Site, db: SQLAlchemy, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = site.browser("member")
    for _ in range(3):
        ask(client, f"{site.api}/tokens")
    assert len(refused(db)) == 1

    ask(client, f"{site.api}/invites")
    monkeypatch.setattr(refusal, "utcnow", lambda: utcnow() + timedelta(minutes=11))
    ask(client, f"{site.api}/tokens")

    assert len(refused(db)) == 3


def test_nobody_fills_the_log_in_an_hour(db: SQLAlchemy, monkeypatch: pytest.MonkeyPatch) -> None:
    written = [refusal.note("person:1", "access.refused", f"right {number}") for number in range(40)]
    assert written == [True] * 30 + [False] * 10
    assert refusal.note("person:2", "access.refused", "right 0")

    monkeypatch.setattr(refusal, "utcnow", lambda: utcnow() + timedelta(minutes=61))

    assert refusal.note("person:1", "access.refused", "right 39")


def test_those_who_come_at_once_are_counted_behind_the_log(
    db: SQLAlchemy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process writes the same between our look and our lock."""
    lock, mine = audit.lock, []

    def late() -> None:
        lock()
        if not mine:
            mine.append(audit.record("person:1", "access.refused", "right"))

    monkeypatch.setattr(audit, "lock", late)

    assert not refusal.note("person:1", "access.refused", "right")
    assert mine


@pytest.mark.parametrize("broken", ["lock", "record"])
def test_a_log_that_cannot_be_written_changes_no_answer_but_is_said(
    site: Site, db: SQLAlchemy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    def busy(*_: object, **__: object) -> None:
        raise Busy("the database is busy")

    monkeypatch.setattr(audit, broken, busy)
    client = site.browser("member")

    with caplog.at_level(logging.WARNING):
        assert ask(client, f"{site.api}/tokens") == 403

    assert "misses a refusal" in caplog.text
    assert refused(db) == []


def test_what_was_refused_is_given_up_and_its_refusal_is_kept(site: Site, db: SQLAlchemy) -> None:
    """`note` in accounts writes before the check that refuses: that entry goes, the refusal's own stays."""
    factories.membership(site.project, site.people["stranger"], "viewer")
    path = f"{site.api}/members/{site.people['stranger'].id}/reset"

    assert ask(site.browser("owner"), path, "POST") == 403

    actions = db.session.scalars(select(AuditEntry.action)).all()
    assert actions == ["access.refused"]


def test_who_is_let_in_pays_nothing(site: Site, db: SQLAlchemy, owner: FlaskClient) -> None:
    ask(owner, f"{site.api}/tokens")  # what is noted once a minute is noted
    statements: list[str] = []
    note = lambda *said: statements.append(said[2])  # noqa: E731
    event.listen(db.engine, "before_cursor_execute", note)
    ask(owner, f"{site.api}/tokens")
    event.remove(db.engine, "before_cursor_execute", note)

    assert statements
    assert [each for each in statements if "audit" in each] == []
    assert [each for each in statements if not each.startswith("SELECT")] == []
