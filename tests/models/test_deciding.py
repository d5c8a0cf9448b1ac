"""I3, the deciding part: whatever people do in whatever order, what is approved was approved as it stands."""

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import pytest
from flask_sqlalchemy import SQLAlchemy
from hypothesis import settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from models import Agent, Approval, Membership, Project, Proposal, Run, User, UserSession
from models import db as database
from models.canonical import digest_of
from models.decider import Decider
from models.errors import DomainError
from models.policy import ROLES
from models.wish import Wish
from tests.support.orders import orders

TABS = 2
CONTENTS = st.sampled_from(["one", "two"])
TAB = st.integers(0, TABS - 1)
EXAMPLES = orders(12, steps=25)


class Deciding(RuleBasedStateMachine):
    """Two people, whose pages show what stood when they were last loaded."""

    def __init__(self) -> None:
        super().__init__()
        number = database.session.query(Project).count()
        self.project = Project.create(f"p{number}", "P")
        Agent.provision(self.project.id, "trunks", "Trunks")
        self.people = [User.create(f"{name}{number}@example.org", name, None) for name in ("Mara", "Kim")]
        User.create(f"o{number}@example.org", "Other", None).join(self.project, "owner")
        for person in self.people:
            person.join(self.project, "operator")
        database.session.flush()
        self.sessions = [self.sign_in(self.people[tab % 2]) for tab in range(TABS)]
        wish = Wish.of("trunks", "file_write", {"path": "a", "content": "one"}, "why", f"w{number}")
        self.proposal = Proposal.make(self.project.room, wish)
        self.shown = [self.proposal.digest] * TABS
        self.allowed: list[tuple[str, str]] = []
        """The decisions that had to be taken: kind and digest."""
        database.session.commit()

    def sign_in(self, who: User) -> UserSession:
        session, _ = UserSession.start(who, "127.0.0.1", "pytest")
        database.session.flush()
        return session

    def may(self, tab: int) -> bool:
        membership = Membership.of(self.project.id, self.people[tab % 2].id)
        role = membership.role if membership else "viewer"
        return self.sessions[tab].revoked_at is None and ROLES.index(role) >= ROLES.index("operator")

    def tried(self, what: Callable[[], Any]) -> bool:
        """Do it in a transaction of its own, as a request does."""
        try:
            what()
            database.session.commit()
        except DomainError:
            database.session.rollback()
            return False
        return True

    def content(self) -> str:
        return str(self.proposal.action.as_json()["content"])

    @rule(tab=TAB)
    def load(self, tab: int) -> None:
        self.shown[tab] = self.proposal.digest

    @rule(tab=TAB)
    def approve(self, tab: int) -> None:
        right = (
            self.may(tab) and self.proposal.status == "proposed" and self.shown[tab] == self.proposal.digest
        )
        done = self.tried(lambda: self.proposal.approve(self.sessions[tab].id, self.shown[tab]))
        assert done == right
        if done:
            self.allowed.append(("approved", self.shown[tab]))

    @rule(tab=TAB)
    def reject(self, tab: int) -> None:
        right = (
            self.may(tab) and self.proposal.status == "proposed" and self.shown[tab] == self.proposal.digest
        )
        done = self.tried(lambda: self.proposal.reject(self.sessions[tab].id, self.shown[tab], "no"))
        assert done == right
        if done:
            self.allowed.append(("rejected", self.shown[tab]))

    @rule(tab=TAB, content=CONTENTS)
    def edit(self, tab: int, content: str) -> None:
        status = self.proposal.status
        begun = self.proposal.execution not in (None, "waiting")
        right = (
            self.may(tab) and status in ("proposed", "approved") and self.shown[tab] == self.proposal.digest
        )
        changes = content != self.content()
        params = {"path": "a", "content": content}
        done = self.tried(lambda: self.proposal.edit(self.sessions[tab].id, self.shown[tab], params))
        assert done == (right and not (begun and changes))
        if done:
            assert self.content() == content

    @precondition(lambda self: self.proposal.execution == "waiting")
    @rule()
    def a_worker_begins(self) -> None:
        assert self.tried(lambda: self.proposal.run.advance("status", "queued", "running"))
        database.session.expire_all()

    @rule(tab=TAB, role=st.sampled_from(["member", "operator"]))
    def change_the_role(self, tab: int, role: str) -> None:
        membership = Membership.of(self.project.id, self.people[tab % 2].id)
        assert membership
        assert self.tried(lambda: membership.change_role(role))

    @rule(tab=TAB)
    def end_a_session(self, tab: int) -> None:
        assert self.tried(self.sessions[tab].revoke)

    @rule(tab=TAB)
    def sign_in_again(self, tab: int) -> None:
        def fresh() -> None:
            self.sessions[tab] = self.sign_in(self.people[tab % 2])

        assert self.tried(fresh)

    @invariant()
    def what_is_approved_was_decided_as_it_stands(self) -> None:
        proposal, approvals = self.proposal, self.approvals()
        force = [each for each in approvals if each.voided_at is None and each.digest == proposal.digest]
        assert len(force) <= 1
        assert (proposal.status == "proposed") == (force == [])
        if proposal.status == "approved":
            assert (force[0].id, force[0].decision) == (proposal.approval_id, "approved")
            assert force[0].canonical == proposal.canonical
        for each in approvals:
            assert digest_of("proposal", each.canonical) == each.digest

    @invariant()
    def every_decision_is_one_that_was_taken(self) -> None:
        assert [(each.decision, each.digest) for each in self.approvals()] == self.allowed

    @invariant()
    def only_what_is_approved_waits_to_be_done_and_once(self) -> None:
        runs = list(database.session.scalars(select(Run).where(Run.project_id == self.project.id)))
        assert len({run.approval_id for run in runs}) == len(runs)
        open_ = [run.approval_id for run in runs if run.status in ("queued", "running")]
        assert open_ == ([self.proposal.approval_id] if self.proposal.status == "approved" else [])

    @invariant()
    def what_waits_was_approved_by_somebody_who_may(self) -> None:
        if self.proposal.execution == "waiting":
            assert self.proposal.approver
            membership = Membership.of(self.project.id, self.proposal.approver.id)
            assert membership
            assert membership.role == "operator"

    @invariant()
    def the_message_says_what_the_row_says(self) -> None:
        assert self.proposal.message.meta == self.proposal.as_metadata()

    def approvals(self) -> list[Approval]:
        mine = select(Approval).where(Approval.subject_id == self.proposal.id)
        return list(database.session.scalars(mine.order_by(Approval.decided_at, Approval.id)))


def test_no_order_of_what_people_do_approves_what_was_not_shown(db: SQLAlchemy) -> None:
    run_state_machine_as_test(Deciding, settings=EXAMPLES)


def any_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Proposal, "_must_be", lambda self, digest: None)


def any_role(monkeypatch: pytest.MonkeyPatch) -> None:
    def anybody(session_id: Any, project_id: Any) -> Decider:
        session = database.session.get_one(UserSession, session_id)
        return Decider(session.user, session)

    monkeypatch.setattr(Decider, "of", anybody)


def nothing_is_voided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Approval, "void", lambda self, reason: None)


def the_message_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Proposal, "_show", lambda self: None)


def who_leaves_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Membership, "decide_no_more", lambda self, who: None)


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    "broken",
    [any_digest, any_role, nothing_is_voided, the_message_is_forgotten, who_leaves_is_forgotten],
)
def test_the_machine_catches_a_rule_that_is_broken(
    db: SQLAlchemy, monkeypatch: pytest.MonkeyPatch, broken: Callable[[pytest.MonkeyPatch], None]
) -> None:
    broken(monkeypatch)

    with pytest.raises((AssertionError, IntegrityError)):
        run_state_machine_as_test(Deciding, settings=settings(EXAMPLES, max_examples=100, derandomize=True))
    database.session.rollback()
