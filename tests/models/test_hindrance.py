"""A proposal says what would make it fail, as long as somebody can decide otherwise."""

from typing import Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event

from models import AllowedHost, Proposal, UserSession
from models.wish import Wish
from tests.models.conftest import Room

CALL = {"url": "https://api.example.org/", "method": "GET"}


def propose(room: Room, number: int = 1) -> Proposal:
    return Proposal.make(room.thread, Wish.of("trunks", "api_call", CALL, "to look", f"w{number}"))


def anew(db: SQLAlchemy, proposal: Proposal) -> Proposal:
    db.session.commit()
    db.session.expunge_all()
    return db.session.scalars(Proposal.for_display().where(Proposal.id == proposal.id)).one()


def test_it_says_that_its_server_is_not_listed_until_it_is(room: Room, db: SQLAlchemy) -> None:
    proposal = anew(db, propose(room))
    assert proposal.hindrance == (
        "https://api.example.org is not on this project's list of servers: it will fail."
    )

    AllowedHost.add(room.project.id, "api.example.org", room.mara)
    assert anew(db, proposal).hindrance is None


def test_what_was_decided_says_no_more_of_it(room: Room, db: SQLAlchemy) -> None:
    proposal = propose(room)
    session, _ = UserSession.start(room.mara, "127.0.0.1", "pytest")
    db.session.flush()
    proposal.reject(session.id, proposal.digest)

    assert anew(db, proposal).hindrance is None


def test_many_are_read_with_no_more_statements_than_one(room: Room, db: SQLAlchemy) -> None:
    asked: list[str] = []

    def note(*said: Any) -> None:
        asked.append(said[2])

    def statements(most: int) -> int:
        asked.clear()
        db.session.expunge_all()
        for proposal in db.session.scalars(Proposal.for_display().limit(most)):
            assert proposal.hindrance
        return len(asked)

    for number in range(20):
        propose(room, number)
    db.session.commit()
    event.listen(db.engine, "before_cursor_execute", note)
    try:
        assert statements(20) == statements(1)
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
