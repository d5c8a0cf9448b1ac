"""A proposal's life: made once, decided once, by a person, on the digest of exactly what stands."""

from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select, update

from models import Approval, AuditEntry, Membership, Message, Proposal, ProposalFold, Run, Thread, User
from models.base import changed_rows, new_id, utcnow
from models.canonical import canonical, digest_of, parse
from models.errors import (
    Changed,
    Conflict,
    Decided,
    Forbidden,
    Invalid,
    NotYours,
    ReauthenticationNeeded,
    TooMany,
)
from models.execution import Execution
from models.proposal import OPEN_PER_AGENT
from models.session import FRESH, UserSession
from models.wish import Wish
from tests.models.conftest import Room

NOTE = {"path": "notes/a.txt", "content": "one\n"}
TASK = {"title": "Look at the disk", "description": "It is full.", "assignee_agent_key": "bulma"}
KEYS = {"action_type", "params", "risk_level", "requires_approval", "status", "proposed_by", "proposed_at",
        "approved_by", "approved_at", "executed_at", "execution_result"}  # fmt: skip
_numbers = count(1)


@dataclass
class Desk:
    """A room with an operator, and proposals of Trunks to decide on."""

    db: SQLAlchemy
    room: Room
    kim: User

    def session(self, who: User, age: timedelta = timedelta()) -> UUID:
        session, _ = UserSession.start(who, "127.0.0.1", "pytest")
        session.authenticated_at = utcnow() - age
        self.db.session.flush()
        return session.id

    def propose(
        self, action_type: str = "create_task", thread: Thread | None = None, **params: Any
    ) -> Proposal:
        wish = self.wish(action_type, **params)
        return Proposal.make(thread or self.room.thread, wish)

    def wish(self, action_type: str = "create_task", key: str = "", risk: Any = None, **params: Any) -> Wish:
        default = {"create_task": TASK, "file_write": NOTE}.get(action_type, {})
        return Wish.of(
            "trunks", action_type, params or default, "because @bulma", key or f"w{next(_numbers)}", risk
        )

    def approvals(self) -> list[Approval]:
        return list(self.db.session.scalars(select(Approval).order_by(Approval.decided_at)))

    def runs(self) -> list[str]:
        return list(self.db.session.scalars(select(Run.status).order_by(Run.created_at)))


@pytest.fixture
def desk(db: SQLAlchemy, room: Room) -> Desk:
    kim = User.create("kim@example.org", "Kim Nguyen", None)
    kim.join(room.project, "operator")
    db.session.flush()
    return Desk(db, room, kim)


# Made.


def test_it_is_a_message_with_the_seeds_metadata(desk: Desk) -> None:
    proposal = desk.propose()
    message = proposal.message

    assert (message.author, message.message_type, message.content) == (
        "agent:trunks", "task_proposal", "because @bulma",
    )  # fmt: skip
    assert message.meta.keys() == KEYS
    assert message.meta["params"] == TASK
    assert message.meta | {"params": 0, "proposed_at": 0} == dict.fromkeys(KEYS) | {
        "action_type": "create_task", "params": 0, "risk_level": "low", "requires_approval": True,
        "status": "proposed", "proposed_by": "trunks", "proposed_at": 0,
    }  # fmt: skip


def test_the_other_five_are_action_proposals_and_no_mention_in_them_calls_anybody(desk: Desk) -> None:
    message = desk.propose("file_write").message

    assert message.message_type == "action_proposal"
    assert message.meta["params"] == {"path": "notes/a.txt", "content_preview": "one\n"}
    assert message.deliveries == []


def test_its_bytes_hold_all_that_is_decided_on(desk: Desk) -> None:
    proposal = desk.propose()

    assert parse(proposal.canonical) == {
        "v": 1,
        "project_id": str(desk.room.project.id),
        "proposal_id": str(proposal.id),
        "proposed_by": "trunks",
        "action_type": "create_task",
        "params": TASK,
        "risk_level": "low",
    }
    assert digest_of("proposal", proposal.canonical) == proposal.digest
    assert desk.propose().digest != proposal.digest


def test_the_same_wish_is_made_once(desk: Desk) -> None:
    first = Proposal.make(desk.room.thread, desk.wish(key="once"))
    again = Proposal.make(desk.room.thread, desk.wish(key="once"))

    assert again is first
    assert desk.db.session.query(Message).count() == 1


def test_an_agent_cannot_ask_too_often(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.proposal.OPEN_PER_AGENT", 2)
    first = desk.propose()
    desk.propose()

    with pytest.raises(TooMany):
        desk.propose()
    first.reject(desk.session(desk.kim), first.digest)
    assert desk.propose()
    assert OPEN_PER_AGENT > 2


def test_a_risk_that_the_agent_raised_is_shown_and_stays(desk: Desk) -> None:
    proposal = Proposal.make(desk.room.thread, desk.wish("file_write", risk="high"))
    session = desk.session(desk.kim)

    assert proposal.risk_level == "high"
    assert proposal.rules_shown[-1] == {"level": "high", "rule": "@trunks thinks so.", "by": "trunks"}
    proposal.edit(session, proposal.digest, NOTE | {"content": "two"}, "low")
    assert proposal.risk_level == "high"


# Decided.


def test_approving_leaves_a_run_that_waits(desk: Desk) -> None:
    proposal = desk.propose()
    session = desk.session(desk.kim)
    approval = proposal.approve(session, proposal.digest)

    assert (proposal.status, proposal.execution, proposal.executed_at) == ("approved", "waiting", None)
    assert (proposal.approval_id, proposal.approved_by) == (approval.id, desk.kim.id)
    assert (approval.digest, approval.canonical, approval.attempt) == (proposal.digest, proposal.canonical, 1)
    assert (approval.user_id, approval.session_id, approval.valid_until) == (desk.kim.id, session, None)
    assert proposal.message.meta["status"] == "approved"
    assert proposal.message.meta["approved_by"] == "kim"
    assert desk.runs() == ["queued"]


def test_rejecting_says_why_and_leaves_nothing_to_do(desk: Desk) -> None:
    proposal = desk.propose()
    proposal.reject(desk.session(desk.kim), proposal.digest, "not now")

    assert (proposal.status, proposal.approved_by, desk.runs()) == ("rejected", None, [])
    assert proposal.decision is not None
    assert proposal.decision.reason == "not now"
    assert proposal.message.meta["status"] == "rejected"
    assert proposal.message.meta["approved_by"] is None


@pytest.mark.parametrize(
    ("first", "second"),
    [("approve", "approve"), ("approve", "reject"), ("reject", "approve"), ("reject", "reject"),
     ("reject", "edit")],
)  # fmt: skip
def test_the_second_is_told_who_was_first(desk: Desk, first: str, second: str) -> None:
    proposal = desk.propose()
    kim, mara = desk.session(desk.kim), desk.session(desk.room.mara)
    getattr(proposal, first)(kim, proposal.digest)

    more = (TASK,) if second == "edit" else ()
    with pytest.raises(Decided, match=r"Kim Nguyen (approved|rejected) this at ") as error:
        getattr(proposal, second)(mara, proposal.digest, *more)
    assert error.value.row is proposal
    assert len(desk.approvals()) == 1


@pytest.mark.parametrize("verb", ["approve", "reject", "edit"])
def test_another_digest_is_refused(desk: Desk, verb: str) -> None:
    proposal = desk.propose()
    wrong = proposal.digest[:-1] + ("0" if proposal.digest[-1] != "0" else "1")

    more = (TASK,) if verb == "edit" else ()
    with pytest.raises(Changed, match="not what is proposed here"):
        getattr(proposal, verb)(desk.session(desk.kim), wrong, *more)
    assert desk.approvals() == []


def test_one_byte_changed_behind_our_back_is_refused(desk: Desk) -> None:
    proposal = desk.propose()
    changed = proposal.canonical.replace(b"disk", b"dusk")
    changed_rows(update(Proposal).where(Proposal.id == proposal.id).values(canonical=changed))

    with pytest.raises(Changed, match="not what was proposed"):
        proposal.approve(desk.session(desk.kim), proposal.digest)
    assert (proposal.status, desk.runs()) == ("proposed", [])


def test_an_edit_makes_another_digest_and_says_whose_it_is(desk: Desk) -> None:
    proposal = desk.propose("file_write")
    before, session = proposal.digest, desk.session(desk.kim)
    proposal.edit(session, before, NOTE | {"content": "two\n"})

    assert proposal.digest != before
    assert (proposal.version, proposal.edited_by, proposal.status) == (2, desk.kim.id, "proposed")
    assert proposal.message.meta["params"]["content_preview"] == "two\n"
    with pytest.raises(Changed, match="Kim Nguyen edited this at"):
        proposal.approve(session, before)
    assert proposal.approve(session, proposal.digest)


def test_an_edit_that_changes_nothing_keeps_all(desk: Desk) -> None:
    proposal = desk.propose("file_write")
    session = desk.session(desk.kim)
    approval = proposal.approve(session, proposal.digest)
    proposal.edit(session, proposal.digest, NOTE)

    assert (proposal.version, proposal.status, proposal.approval_id) == (1, "approved", approval.id)


def test_an_edit_voids_what_was_approved_and_the_run_never_comes(desk: Desk) -> None:
    proposal = desk.propose("file_write")
    kim, mara, before = desk.session(desk.kim), desk.session(desk.room.mara), proposal.digest
    approval = proposal.approve(kim, before)
    proposal.edit(mara, before, NOTE | {"content": "two\n"})

    assert (proposal.status, proposal.approval_id, proposal.execution) == ("proposed", None, None)
    assert (approval.void_reason, desk.runs()) == ("Mara Lindqvist edited it", ["cancelled"])
    with pytest.raises(Changed, match="the approval of this is void: Mara Lindqvist edited it"):
        proposal.approve(kim, before)


def test_what_was_voided_can_be_decided_again_as_a_further_attempt(desk: Desk) -> None:
    proposal = desk.propose("file_write")
    session, first = desk.session(desk.kim), proposal.digest
    proposal.approve(session, first)
    proposal.edit(session, first, NOTE | {"content": "two\n"})
    proposal.edit(session, proposal.digest, NOTE)

    assert proposal.digest == first
    assert proposal.approve(session, first).attempt == 2
    assert desk.runs() == ["cancelled", "queued"]


def test_what_is_being_carried_out_cannot_be_edited(desk: Desk) -> None:
    proposal = desk.propose("file_write")
    session = desk.session(desk.kim)
    proposal.approve(session, proposal.digest)
    assert proposal.run is not None
    proposal.run.advance("status", "queued", "running")

    with pytest.raises(Conflict, match="being carried out"):
        proposal.edit(session, proposal.digest, NOTE | {"content": "two\n"})


def test_an_edit_is_as_strict_as_the_door(desk: Desk) -> None:
    proposal = desk.propose("file_write")
    session = desk.session(desk.kim)

    for params in ({}, NOTE | {"path": "../x"}, NOTE | {"more": 1}, None):
        with pytest.raises(Invalid):
            proposal.edit(session, proposal.digest, params)
    assert proposal.version == 1


# By whom.


def test_only_the_roles_that_decide_do(desk: Desk) -> None:
    proposal = desk.propose()
    member = desk.session(desk.room.jonas)
    for session in (member, None, new_id()):
        for verb, more in (("approve", ()), ("reject", ()), ("edit", (TASK,))):
            with pytest.raises(Forbidden):
                getattr(proposal, verb)(session, proposal.digest, *more)

    assert desk.approvals() == []
    assert proposal.approve(desk.session(desk.room.mara), proposal.digest)


def ended(desk: Desk, session: UserSession) -> None:
    session.revoke()


def idle(desk: Desk, session: UserSession) -> None:
    session.seen_at = utcnow() - timedelta(days=2)


def demoted(desk: Desk, session: UserSession) -> None:
    membership = Membership.of(desk.room.project.id, desk.kim.id)
    assert membership
    membership.change_role("member")


def removed(desk: Desk, session: UserSession) -> None:
    membership = Membership.of(desk.room.project.id, desk.kim.id)
    assert membership
    membership.end()


def deactivated(desk: Desk, session: UserSession) -> None:
    desk.kim.deactivate()


def archived(desk: Desk, session: UserSession) -> None:
    desk.room.project.archived_at = utcnow()


@pytest.mark.parametrize("what", [ended, idle, demoted, removed, deactivated, archived])
def test_a_right_withdrawn_is_gone(desk: Desk, what: Any) -> None:
    """T-AP10: whatever ended since the page was opened, it fails closed."""
    proposal = desk.propose()
    session = desk.db.session.get_one(UserSession, desk.session(desk.kim))
    what(desk, session)
    desk.db.session.flush()

    with pytest.raises(Forbidden):
        proposal.approve(session.id, proposal.digest)


@pytest.mark.parametrize("what", [demoted, removed, deactivated])
def test_who_decides_no_more_leaves_nothing_approved_that_nobody_began(desk: Desk, what: Any) -> None:
    begun, waiting = desk.propose(), desk.propose()
    session = desk.session(desk.kim)
    for proposal in (begun, waiting):
        proposal.approve(session, proposal.digest)
    assert begun.run is not None
    begun.run.advance("status", "queued", "running")
    what(desk, desk.db.session.get_one(UserSession, session))

    assert (begun.status, waiting.status) == ("approved", "proposed")
    assert [approval.void_reason for approval in waiting.approvals] == [
        "Kim Nguyen may not decide here any more"
    ]
    assert waiting.approve(desk.session(desk.room.mara), waiting.digest).attempt == 2


def test_who_leaves_another_project_keeps_what_he_approved(desk: Desk) -> None:
    proposal = desk.propose()
    proposal.approve(desk.session(desk.kim), proposal.digest)
    Proposal.decider_left(new_id(), desk.kim.id, "Kim")

    assert proposal.status == "approved"


def test_a_high_risk_needs_a_fresh_sign_in_and_the_name(desk: Desk) -> None:
    proposal = desk.propose("file_write", path=".env", content="")
    old = desk.session(desk.kim, FRESH + timedelta(seconds=5))
    fresh = desk.session(desk.kim)

    with pytest.raises(ReauthenticationNeeded):
        proposal.approve(old, proposal.digest, ".env")
    for name in (None, "", "env", ".ENV", ".env "):
        with pytest.raises(Invalid, match="name"):
            proposal.approve(fresh, proposal.digest, name)
    assert desk.approvals() == []
    assert proposal.approve(fresh, proposal.digest, ".env")


def test_a_low_risk_needs_neither_and_rejecting_never_does(desk: Desk) -> None:
    old = desk.session(desk.kim, FRESH * 2)
    low, high = desk.propose(), desk.propose("file_write", path=".env", content="")

    assert low.approve(old, low.digest)
    assert high.reject(old, high.digest)


# In a direct conversation.


@pytest.fixture
def dm(desk: Desk) -> Thread:
    return private(desk, desk.kim)


def private(desk: Desk, owner: User) -> Thread:
    thread = Thread(project_id=desk.room.project.id, title="DM:trunks", kind="dm", owner_user_id=owner.id)
    desk.db.session.add(thread)
    desk.db.session.flush()
    return thread


def test_a_conversations_proposal_waits_for_its_owner(desk: Desk, dm: Thread) -> None:
    proposal = desk.propose(thread=dm)

    assert not proposal.listed
    with pytest.raises(NotYours):
        proposal.approve(desk.session(desk.room.mara), proposal.digest)
    assert proposal.approve(desk.session(desk.kim), proposal.digest)


def test_it_waits_for_the_project_when_its_owner_may_not_decide(desk: Desk) -> None:
    proposal = desk.propose(thread=private(desk, desk.room.jonas))

    assert proposal.listed
    assert proposal.approve(desk.session(desk.room.mara), proposal.digest)


def test_it_waits_for_the_project_from_when_its_owner_may_not_decide(desk: Desk, dm: Thread) -> None:
    proposal = desk.propose(thread=dm)
    demoted(desk, desk.db.session.get_one(UserSession, desk.session(desk.kim)))

    assert proposal.listed


def test_what_is_settled_stays_between_the_two_when_its_owner_may_decide_no_more(
    desk: Desk, dm: Thread
) -> None:
    session = desk.session(desk.kim)
    settled, rejected = desk.propose(thread=dm), desk.propose(thread=dm)
    settled.approve(session, settled.digest)
    settled.carried_out("executed", "what came of it")
    rejected.reject(session, rejected.digest, "no")
    demoted(desk, desk.db.session.get_one(UserSession, session))

    assert not settled.listed
    assert not rejected.listed


def test_what_was_approved_and_not_begun_is_void_once_its_project_is_archived(desk: Desk) -> None:
    proposal = desk.propose()
    proposal.approve(desk.session(desk.room.mara), proposal.digest)

    desk.room.project.archive()

    assert proposal.status == "proposed"
    assert [each.void_reason for each in proposal.approvals] == ["the project was archived"]


# Put aside, listed, audited.


def test_not_now_folds_it_for_one_person_and_it_goes_on_waiting(desk: Desk) -> None:
    proposal = desk.propose()
    first = ProposalFold.fold(proposal, desk.kim.id)

    assert ProposalFold.fold(proposal, desk.kim.id) is first
    assert ProposalFold.of(proposal, desk.room.mara.id) is None
    assert proposal.status == "proposed"
    ProposalFold.unfold(proposal, desk.kim.id)
    ProposalFold.unfold(proposal, desk.kim.id)
    assert ProposalFold.of(proposal, desk.kim.id) is None


def test_pages_follow_each_other_without_holes(desk: Desk, dm: Thread) -> None:
    made = [desk.propose() for _ in range(5)]
    for proposal in made:
        proposal.created_at = made[0].created_at  # made at once
    desk.propose(thread=dm)
    project, kinds = desk.room.project.id, ("room", "dm")
    seen: list[UUID] = []
    while page := Proposal.page(
        project, desk.room.mara.id, kinds, before=seen[-1] if seen else None, limit=2
    ):
        seen += [proposal.id for proposal in page]

    assert sorted(seen) == sorted(proposal.id for proposal in made)
    assert len(Proposal.page(project, desk.kim.id, kinds)) == 6
    assert len(Proposal.page(project, desk.kim.id, ("dm",))) == 1
    assert Proposal.page(project, desk.kim.id, kinds, status="approved") == []


def test_every_decision_is_in_the_audit_log_with_its_digest(desk: Desk) -> None:
    proposal = desk.propose("file_write")
    session, digests = desk.session(desk.kim), []
    proposal.approve(session, proposal.digest)
    digests.append(proposal.digest)
    proposal.edit(session, proposal.digest, NOTE | {"content": "two\n"})
    digests.append(proposal.digest)
    proposal.reject(session, proposal.digest, "no")
    digests.append(proposal.digest)

    entries = list(desk.db.session.scalars(select(AuditEntry).order_by(AuditEntry.seq)))
    assert [entry.action for entry in entries] == [
        "proposal.approved",
        "proposal.edited",
        "proposal.rejected",
    ]
    assert [entry.digest for entry in entries] == digests
    assert {entry.actor for entry in entries} == {f"person:{desk.kim.id}"}
    assert {entry.subject for entry in entries} == {f"proposal {proposal.id}"}


def test_owners_do_not_read_in_the_audit_log_what_a_conversation_said(desk: Desk, dm: Thread) -> None:
    session, words = desk.session(desk.kim), "because of the merger"
    rejected, failed, settled = (desk.propose(thread=dm) for _ in range(3))
    rejected.reject(session, rejected.digest, words)
    for proposal in (failed, settled):
        proposal.approve(session, proposal.digest)
        assert proposal.run
        held = Execution.hold(proposal.run.id)
        token = held.claim("worker") or ""
        assert held.begin(token)
        assert held.failed(token, words) if proposal is failed else held.unknown(token, words)
    settled.settle(session, settled.digest, "failed", words)

    entries = list(desk.db.session.scalars(select(AuditEntry)))
    hidden = [entry for entry in entries if "reason_sha256" in entry.detail]
    assert "merger" not in str([entry.detail for entry in entries])
    assert len(hidden) == 4
    assert {entry.detail["reason_sha256"] for entry in hidden} == {sha256(words.encode()).hexdigest()}


def test_bytes_that_another_program_made_are_read_the_same(desk: Desk) -> None:
    """What an executor is given means what was shown."""
    proposal = desk.propose("file_write")

    assert canonical(parse(proposal.canonical)) == proposal.canonical
    assert proposal.action.as_json() == parse(proposal.canonical)["params"]
