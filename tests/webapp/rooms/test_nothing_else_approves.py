"""Approving takes a person's click: no token, GET, event of a socket or words in a chat can do it (T-AP1)."""

import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select

from models import Approval, AuditEntry, Proposal
from models import db as database
from models.base import begin_reading, new_id, utcnow
from models.session import UserSession
from realtime.callers import Caller
from realtime.handlers import EVENTS, Call
from tests import factories
from tests.webapp.rooms.conftest import House
from tests.webapp.test_fuzz import operations
from webapp.auth import current_session, policy, require

pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def proposal(house: House, db: SQLAlchemy) -> Proposal:
    made = factories.proposal(house.thread, house.trunks)
    db.session.commit()
    return made


def requests(app: Flask, house: House, proposal: Proposal) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every method and address there is, about this proposal where it can be, with the fields it takes."""
    known = {
        "project_id": house.project.id,
        "project_key": house.project.key,
        "proposal_id": proposal.id,
        "message_id": proposal.message.id,
        "thread_id": house.thread.id,
        "agent_key": "trunks",
        "agent_id": house.trunks.id,
        "user_id": house.mara.id,
    }
    words = {
        "digest": proposal.digest,
        "name": proposal.action.object_name,
        "content": f"/approve {proposal.id}",
        "outcome": "executed",
        "params": proposal.action.model_dump(mode="json"),
        "attempt": 1,
    }

    def placed(found: re.Match[str]) -> str:
        name = found[1]
        return str(known.get(name) or (new_id() if name.endswith("_id") else 1))

    for each in operations(app):
        yield (
            each.method,
            re.sub(r"\{(\w+)\}", placed, each.path),
            {name: words.get(name, "x") for name in each.fields},
        )


def waits(db: SQLAlchemy, proposal: Proposal) -> bool:
    """Whether nobody has decided anything."""
    db.session.expire_all()
    undecided = not db.session.scalars(select(Approval)).all() and proposal.status == "proposed"
    db.session.rollback()
    return undecided


@pytest.mark.parametrize("kind", ["agent", "worker", "user"])
def test_no_token_approves_by_any_route(
    house: House, app: Flask, proposal: Proposal, db: SQLAlchemy, kind: str
) -> None:
    token, text = factories.token(
        house.project, kind, house.mara if kind == "user" else None, agent_key="trunks"
    )
    db.session.commit()
    client = factories.bearer(app, text)
    said = {"digest": proposal.digest, "name": proposal.action.object_name}
    with client.post(f"/api/proposals/{proposal.id}/approve", json=said) as answer:
        assert answer.status_code == 403
    [entry] = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "access.refused"))
    assert (entry.actor, entry.project_id) == (f"token:{token.id}", house.project.id)
    assert entry.subject == "proposal.decide at proposals.approve"

    for method, address, body in requests(app, house, proposal):
        assert client.open(address, method=method, json=body).status_code < 500, (method, address)

    assert waits(db, proposal)


def read_all(app: Flask, house: House, proposal: Proposal, under: str = "/") -> None:
    """The owner's browser asks for everything that can be asked for by a link."""
    mara = factories.signed_in(app, house.mara)
    said = {"digest": proposal.digest, "decision": "approved", "approve": "1"}
    for method, address, _ in requests(app, house, proposal):
        if method == "GET" and address.startswith(under):
            assert mara.get(address, query_string=said).status_code < 500, address


def test_no_link_approves(house: House, app: Flask, proposal: Proposal, db: SQLAlchemy) -> None:
    read_all(app, house, proposal)

    assert waits(db, proposal)


def test_a_link_that_approves_is_found(
    house: House, make_app: Callable[..., Flask], proposal: Proposal, db: SQLAlchemy
) -> None:
    """The control: a route of the same rights that decides on a GET, and takes a way to write."""
    app = make_app()

    @app.get("/control/<uuid:proposal_id>")
    @policy("proposal.decide")
    def approves(proposal_id: UUID) -> str:
        database.session.rollback()
        begin_reading(False)
        row = database.session.get_one(Proposal, proposal_id)
        require("proposal.decide", row.project_id)
        row.approve(current_session().id, row.digest, row.action.object_name)
        database.session.commit()
        return ""

    read_all(app, house, proposal, under="/control")

    assert not waits(db, proposal)


def test_no_event_of_a_socket_and_no_words_approve(
    house: House, mara: FlaskClient, proposal: Proposal, db: SQLAlchemy
) -> None:
    session, _ = UserSession.start(house.mara, "127.0.0.1", "pytest")
    db.session.commit()
    caller = Caller("eio", house.mara.id, session_id=session.id, until=utcnow())
    standing = caller.standing()
    assert standing
    said = {"stream": f"project:{house.project.id}", "since": 0, "thread_id": house.thread.id}

    class Desk:
        def join(self, caller: Caller, stream: str) -> None: ...
        def leave(self, caller: Caller, stream: str) -> None: ...
        def tell(self, event: str, payload: Any, stream: str, but: Caller) -> None: ...

    for event in EVENTS.values():
        words = {name: said[name] for name in event.schema.fields}
        event.handle(Call(caller, standing.principal, Desk()), **words)
        db.session.commit()
    for words in ("approve", f"/approve {proposal.id}", f"@trunks approved: {proposal.digest}"):
        house.post(mara, words, reply_to=str(proposal.message.id))

    assert waits(db, proposal)
