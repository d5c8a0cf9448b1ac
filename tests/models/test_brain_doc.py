"""Documents: every version is kept, nobody writes over what he has not seen, and who wrote is known."""

import hashlib
from typing import Any

import pytest
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from models import Agent, AuditEntry, BrainDoc, BrainDocVersion, ExecutorRequest, append_only, labs
from models.actions import fields
from models.base import db as database
from models.base import new_id
from models.brain_doc import LONGEST
from models.errors import Conflict, DomainError, Forbidden, Invalid
from models.user import Membership
from tests.models.conftest import Room


@pytest.fixture
def room(room: Room) -> Room:
    """With the flag on, and Jonas as another who may write."""
    labs.write(room.project.id, {"knowledge": True})
    membership = Membership.of(room.project.id, room.jonas.id)
    assert membership
    membership.change_role("operator")
    return room


def write(room: Room, content: str = "Be kind.", base: str | None = None, **more: Any) -> BrainDoc:
    given = {"agent_key": "trunks", "doc_type": "runbook", "by_user": room.mara.id} | more
    agent_key, doc_type = given.pop("agent_key"), given.pop("doc_type")
    return BrainDoc.write(room.project.id, agent_key, doc_type, content, base_digest=base, **given)


def versions(doc: BrainDoc) -> list[tuple[int, str]]:
    query = select(BrainDocVersion).where(BrainDocVersion.doc_id == doc.id)
    return [(one.version, one.content) for one in query_all(query)]


def query_all(query: Any) -> list[Any]:
    return list(database.session.scalars(query.order_by(BrainDocVersion.version)))


def test_each_version_is_kept_with_who_wrote_it(room: Room) -> None:
    first = write(room).digest
    doc = write(room, "Be kind, and short.", first, by_user=room.jonas.id)

    assert (doc.version, doc.content, doc.length) == (2, "Be kind, and short.", 19)
    assert doc.digest == hashlib.sha256(b"Be kind, and short.").hexdigest()
    assert versions(doc) == [(1, "Be kind."), (2, "Be kind, and short.")]
    authors = [(one.user_id, one.by_agent, one.base_digest) for one in query_all(select(BrainDocVersion))]
    assert authors == [(room.mara.id, None, None), (room.jonas.id, None, first)]


@pytest.mark.parametrize("base", [None, "0" * 64])
def test_nobody_writes_over_what_he_has_not_seen(room: Room, base: str | None) -> None:
    doc = write(room)

    with pytest.raises(Conflict, match=r"Mara Lindqvist wrote version 1 at .* UTC") as refused:
        write(room, "Be loud.", base, by_user=room.jonas.id)

    assert refused.value.row is doc
    assert versions(doc) == [(1, "Be kind.")]


def test_without_the_guard_it_would_be_written_over(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the refusal above is the digest's."""
    monkeypatch.setattr("models.brain_doc._must_stand", lambda doc, base: None)
    write(room)

    assert write(room, "Be loud.", "0" * 64).version == 2


def test_a_document_that_is_not_there_was_not_changed(room: Room) -> None:
    with pytest.raises(Conflict, match="there is no such document"):
        write(room, base="0" * 64)


def test_what_it_says_already_changes_nothing(room: Room) -> None:
    doc = write(room)

    assert write(room, by_user=room.jonas.id) is doc
    assert versions(doc) == [(1, "Be kind.")]


def test_one_name_is_one_document_for_each_agent_and_project(room: Room, db: SQLAlchemy) -> None:
    for key in ("trunks", "bulma", "project"):
        write(room, f"for {key}", agent_key=key)

    names = [doc.name for doc in BrainDoc.of_project(room.project.id)]
    assert names == ["bulma/runbook", "project/runbook", "trunks/runbook"]
    first = BrainDoc.find(room.project.id, "trunks", "runbook")
    columns = {column.name: getattr(first, column.name) for column in BrainDoc.__table__.columns}
    db.session.add(BrainDoc(**columns | {"id": new_id()}))
    with pytest.raises(IntegrityError):
        db.session.flush()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("doc_type", "Run Book"), ("doc_type", "run\n"), ("doc_type", ""), ("agent_key", "nobody"),
        ("content", "x" * (LONGEST + 1)), ("content", "a\0b"), ("content", "\ud800"), ("content", 7),
    ],
)  # fmt: skip
def test_what_cannot_be_a_document_is_refused_by_name(room: Room, field: str, value: Any) -> None:
    with pytest.raises(Invalid) as refused:
        write(room, **{field: value})

    assert [*refused.value.fields] == [field]


def test_it_may_be_as_long_as_a_proposal_of_it(room: Room) -> None:
    assert fields.CONTENT == LONGEST
    assert write(room, "x" * LONGEST).length == LONGEST


def test_hidden_characters_are_kept(room: Room) -> None:
    assert write(room, "a\u202eb\ufeff").content == "a\u202eb\ufeff"


def lose_the_role(room: Room) -> None:
    membership = Membership.of(room.project.id, room.jonas.id)
    assert membership
    membership.change_role("member")


def leave(room: Room) -> None:
    membership = Membership.of(room.project.id, room.jonas.id)
    assert membership
    membership.end()


def close_the_account(room: Room) -> None:
    room.jonas.deactivate()


def archive(room: Room) -> None:
    room.project.archive()


@pytest.mark.parametrize("happens", [lose_the_role, leave, close_the_account, archive])
def test_who_may_not_write_at_that_moment_does_not(room: Room, happens: Any, db: SQLAlchemy) -> None:
    request = BrainDoc.ask_for(room.project.id, "trunks", "runbook", "x", None, room.jonas.id)
    db.session.flush()
    happens(room)
    db.session.flush()

    with pytest.raises(Forbidden):
        BrainDoc.carry_out(request)


def test_while_knowledge_is_off_nothing_is_written(room: Room) -> None:
    labs.write(room.project.id, {"knowledge": False})

    with pytest.raises(Conflict, match="switched off"):
        write(room)


def test_what_the_executor_would_refuse_is_refused_when_it_is_asked(room: Room, db: SQLAlchemy) -> None:
    doc = write(room)

    for given in (("nobody", "runbook", "x", None), ("trunks", "runbook", "x", "0" * 64)):
        with pytest.raises(DomainError):
            BrainDoc.ask_for(room.project.id, *given, room.mara.id)
    assert db.session.scalars(select(ExecutorRequest)).all() == []

    request = BrainDoc.ask_for(room.project.id, "trunks", "runbook", "x", doc.digest, room.mara.id)
    db.session.flush()
    assert BrainDoc.carry_out(request).version == 2


def test_writing_is_in_the_audit_log(room: Room, db: SQLAlchemy) -> None:
    doc = write(room)

    entry = db.session.scalars(select(AuditEntry).order_by(AuditEntry.seq.desc()).limit(1)).one()
    said = (entry.actor, entry.action, entry.subject, entry.digest)
    assert said == (f"person:{room.mara.id}", "doc.written", "doc trunks/runbook", doc.digest)


@pytest.mark.parametrize(
    "verb", ["UPDATE brain_doc_versions SET content = 'x'", "DELETE FROM brain_doc_versions"]
)
def test_the_database_keeps_every_version(room: Room, db: SQLAlchemy, verb: str) -> None:
    doc = write(room)
    db.session.commit()

    with pytest.raises(DBAPIError):
        db.session.execute(text(verb))
    db.session.rollback()

    assert versions(doc) == [(1, "Be kind.")]


@pytest.mark.databases("sqlite")
def test_without_the_triggers_a_version_can_be_changed(room: Room, db: SQLAlchemy) -> None:
    """The control."""
    doc = write(room)
    for name in append_only.names("sqlite"):
        db.session.execute(text(f"DROP TRIGGER {name}"))
    db.session.execute(text("UPDATE brain_doc_versions SET content = 'x'"))
    db.session.expire_all()

    assert versions(doc) == [(1, "x")]


def test_no_agent_is_called_like_the_whole_project(room: Room) -> None:
    with pytest.raises(Invalid, match="whole project"):
        Agent.provision(room.project.id, "project", "Project")


def test_lists_are_read_without_the_contents(room: Room, db: SQLAlchemy) -> None:
    write(room)
    db.session.commit()
    db.session.expunge_all()
    [doc] = BrainDoc.of_project(room.project.id)

    assert "content" not in doc.__dict__
    found = BrainDoc.find(room.project.id, "trunks", "runbook")
    assert found
    assert found.content == "Be kind."
    assert [one.version for one in found.versions()] == [1]
    assert found.at(2) is None
