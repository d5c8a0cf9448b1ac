"""What the database itself refuses, whatever the code does; with a control that it lets through."""

from collections.abc import Callable
from typing import Any

import pytest
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from models import Approval, Proposal, Run, User, UserSession, append_only
from models.base import changed_rows, utcnow
from models.wish import Wish
from tests.models.conftest import Room


class Bench:
    def __init__(self, db: SQLAlchemy, room: Room) -> None:
        self.db, self.room = db, room
        wish = Wish.of("trunks", "file_write", {"path": "a", "content": "b"}, "because", "w")
        self.proposal = Proposal.make(room.thread, wish)
        self.session = self.sign_in(room.mara)
        db.session.flush()

    def sign_in(self, who: User) -> UserSession:
        session, _ = UserSession.start(who, "127.0.0.1", "pytest")
        self.db.session.flush()
        return session

    def approval(self, **values: Any) -> Approval:
        proposal = self.proposal
        said = {
            "project_id": proposal.project_id,
            "subject_type": "proposal",
            "subject_id": proposal.id,
            "digest": proposal.digest,
            "attempt": 1,
            "canonical": proposal.canonical,
            "decision": "approved",
            "user_id": self.session.user_id,
            "session_id": self.session.id,
        }
        return Approval(**(said | values))

    def add(self, row: Any) -> Any:
        self.db.session.add(row)
        self.db.session.flush()
        return row

    def approved(self, approval: Approval, **values: Any) -> None:
        """Mark the proposal as approved by a statement, as a program with a fault would."""
        said = {
            "status": "approved",
            "approval_id": approval.id,
            "approved_by": approval.user_id,
            "approved_at": utcnow(),
        }
        changed_rows(update(Proposal).where(Proposal.id == self.proposal.id).values(**(said | values)))


@pytest.fixture
def bench(db: SQLAlchemy, room: Room) -> Bench:
    return Bench(db, room)


def test_the_control_is_taken(bench: Bench) -> None:
    """All that is refused below differs from this in one thing."""
    approval = bench.add(bench.approval())
    bench.approved(approval)
    bench.add(Run.of_action(approval))
    bench.db.session.commit()

    assert bench.proposal.approval_id == approval.id


WRONG: dict[str, Callable[[Bench], Any]] = {
    "nobody": lambda bench: bench.approval(user_id=None),
    "no session": lambda bench: bench.approval(session_id=None),
    "a session that is none": lambda bench: bench.approval(session_id=bench.proposal.id),
    "another person's session": lambda bench: bench.approval(user_id=bench.room.jonas.id),
    "another decision": lambda bench: bench.approval(decision="executed"),
    "another subject": lambda bench: bench.approval(subject_type="message"),
    "void from the beginning without a reason": lambda bench: bench.approval(voided_at=utcnow()),
}


@pytest.mark.parametrize("what", WRONG)
def test_an_approval_by_anything_but_a_persons_session_cannot_be(bench: Bench, what: str) -> None:
    with pytest.raises(IntegrityError):
        bench.add(WRONG[what](bench))


def test_only_one_decision_on_a_digest_is_in_force(bench: Bench) -> None:
    first = bench.add(bench.approval())
    with pytest.raises(IntegrityError), bench.db.session.begin_nested():
        bench.add(bench.approval(attempt=2, decision="rejected"))

    first.void("for the control")
    assert bench.add(bench.approval(attempt=2, decision="rejected"))


def test_attempts_are_counted(bench: Bench) -> None:
    bench.add(bench.approval()).void("for the test")

    with pytest.raises(IntegrityError):
        bench.add(bench.approval())


@pytest.mark.parametrize(
    "values",
    [
        {"approval_id": None, "approved_by": None, "approved_at": None},
        {"approved_by": None},
        {"approved_at": None},
        {"digest": "0" * 64},
        {"status": "proposed"},
        {"status": "done"},
        {"executed_at": utcnow()},
    ],
)
def test_a_proposal_is_approved_only_as_its_approval_says(bench: Bench, values: dict[str, Any]) -> None:
    approval = bench.add(bench.approval())

    with pytest.raises(IntegrityError):
        bench.approved(approval, **values)


def test_an_approval_of_another_proposal_is_none(bench: Bench) -> None:
    wish = Wish.of("trunks", "file_write", {"path": "a", "content": "b"}, "because", "other")
    other = Proposal.make(bench.room.thread, wish)
    approval = bench.add(bench.approval(subject_id=other.id, digest=other.digest))

    with pytest.raises(IntegrityError):
        bench.approved(approval)


def test_an_approval_is_carried_out_once(bench: Bench) -> None:
    approval = bench.add(bench.approval())
    Run.of_action(approval)

    with pytest.raises(IntegrityError):
        Run.of_action(approval)


def test_nothing_is_carried_out_without_an_approval(bench: Bench) -> None:
    with pytest.raises(IntegrityError):
        bench.add(Run(project_id=bench.room.project.id, kind="action", status="queued"))


# Rows are only added; a void is written once.

CHANGES = (
    "UPDATE approvals SET decision = 'rejected'",
    "UPDATE approvals SET digest = 'x'",
    "UPDATE approvals SET canonical = ''",
    "UPDATE approvals SET user_id = user_id, voided_at = NULL",
    "DELETE FROM approvals",
)


@pytest.mark.parametrize("change", CHANGES)
def test_an_approval_is_never_changed_or_deleted(bench: Bench, change: str) -> None:
    bench.add(bench.approval())

    with pytest.raises(DBAPIError):
        bench.db.session.execute(text(change))


@pytest.mark.parametrize("values", ["voided_at = NULL, void_reason = NULL", "void_reason = 'another'"])
def test_what_is_void_stays_void(bench: Bench, values: str) -> None:
    bench.add(bench.approval()).void("the first reason")

    with pytest.raises(DBAPIError):
        bench.db.session.execute(text(f"UPDATE approvals SET {values}"))


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("change", [*CHANGES[1:2], CHANGES[3], CHANGES[4]])
def test_without_the_triggers_the_change_goes_through(bench: Bench, change: str) -> None:
    """The control: it is the triggers that refuse."""
    bench.add(bench.approval())
    for name in append_only.names("sqlite"):
        bench.db.session.execute(text(f"DROP TRIGGER {name}"))

    bench.db.session.execute(text(change))
