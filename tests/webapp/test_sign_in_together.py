"""Requests that wait for their sign-in share one query, and each is told of its own session only."""

from datetime import timedelta

import pytest
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event

from models.base import utcnow
from models.session import IDLE, UserSession
from tests import factories
from webapp.auth import _sign_in_together


@pytest.fixture
def secrets(db: SQLAlchemy) -> list[str]:
    """Sessions of two people: one in a project and an archived one, the other nowhere."""
    project, archived = factories.project(), factories.project()
    mara, jonas = factories.member(project, "owner"), factories.user()
    mara.join(archived, "member")
    archived.archived_at = utcnow()
    made = [UserSession.start(who, "127.0.0.1", "test")[1] for who in (mara, jonas)]
    db.session.commit()
    return made


def test_each_is_told_of_his_own_session(secrets: list[str], db: SQLAlchemy) -> None:
    told = _sign_in_together([secrets[1], "unknown", secrets[0], secrets[1]])

    assert [who.kind for who, _ in told] == ["person", "nobody", "person", "person"]
    assert [len(who.roles) for who, _ in told] == [0, 0, 1, 0]
    assert told[0] == told[3]
    assert told[2][0].id != told[0][0].id
    assert told[1][1] is None


@pytest.mark.parametrize("end", ["revoked", "idle", "deactivated"])
def test_what_has_ended_signs_nobody_in(secrets: list[str], db: SQLAlchemy, end: str) -> None:
    session = UserSession.by_secret(secrets[0])
    assert session
    if end == "revoked":
        session.revoke()
    elif end == "idle":
        session.seen_at = utcnow() - IDLE - timedelta(minutes=1)
    else:
        session.user.deactivated_at = utcnow()
    db.session.commit()

    told = _sign_in_together(secrets)

    assert [who.kind for who, _ in told] == ["nobody", "person"]


def test_many_cost_one_query(secrets: list[str], db: SQLAlchemy) -> None:
    statements: list[str] = []
    db.session.rollback()
    event.listen(db.engine, "before_cursor_execute", lambda *said: statements.append(said[2]))

    _sign_in_together(secrets * 10)

    assert len(statements) == 1
