"""I3 and I5, the executing part: whatever dies, sleeps, comes late or is decided, no approval acts twice."""

from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID

import hypothesis.strategies as st
import pytest
from flask_sqlalchemy import SQLAlchemy
from hypothesis import settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select, update

from models import Agent, Approval, Project, Proposal, Run, User, UserSession
from models import db as database
from models.base import changed_rows, db_now
from models.errors import DomainError
from models.execution import Execution
from models.run import MAX_ATTEMPTS
from models.wish import Wish
from queues.actions import steps
from queues.actions.steps import Claimed
from queues.sweeper import Sweeper
from tests.support.orders import orders

ENDED = ("success", "error", "cancelled")
EXAMPLES = orders(12, steps=40)


class Acting(RuleBasedStateMachine):
    """One proposal, one person, and workers that may sleep, and come late, between any two steps."""

    def __init__(self) -> None:
        super().__init__()
        number = database.session.query(Project).count()
        self.project = Project.create(f"p{number}", "P")
        Agent.provision(self.project.id, "trunks", "Trunks")
        kim = User.create(f"kim{number}@example.org", "Kim", None)
        kim.join(self.project, "owner")
        database.session.flush()
        session, _ = UserSession.start(kim, "127.0.0.1", "pytest")
        database.session.flush()
        self.session = session.id
        wish = Wish.of("trunks", "file_write", {"path": "a", "content": "one"}, "why", f"w{number}")
        self.proposal = Proposal.make(self.project.room, wish)
        self.hands: list[Claimed] = []
        self.begun: set[str] = set()
        self.acted: set[str] = set()
        self.effects: Counter[UUID] = Counter()
        self.said: list[bytes] = []
        self.ended: dict[UUID, str] = {}
        database.session.commit()

    def tried(self, what: Callable[[], Any]) -> Any:
        """Do it in a transaction of its own; None when it was refused."""
        try:
            result = what()
            database.session.commit()
        except DomainError:
            database.session.rollback()
            return None
        finally:
            database.session.expire_all()
        return result

    def runs(self) -> list[Run]:
        mine = select(Run).where(Run.project_id == self.project.id).order_by(Run.created_at)
        return list(database.session.scalars(mine, execution_options={"populate_existing": True}))

    # People.

    @rule(outcome=st.sampled_from(["executed", "failed"]))
    def decide(self, outcome: str) -> None:
        """Whatever waits for a person: approving, trying again, or saying what happened."""
        proposal, digest = self.proposal, self.proposal.digest
        if proposal.execution == "interrupted":
            self.tried(lambda: proposal.settle(self.session, digest, outcome))
            assert proposal.status == outcome
        elif proposal.status in ("proposed", "failed"):
            verb = proposal.approve if proposal.status == "proposed" else proposal.retry
            assert self.tried(lambda: verb(self.session, digest))
        else:
            assert self.tried(lambda: proposal.retry(self.session, digest)) is None

    @rule(content=st.sampled_from(["one", "two"]))
    def edit(self, content: str) -> None:
        params = {"path": "a", "content": content}
        self.tried(lambda: self.proposal.edit(self.session, self.proposal.digest, params))

    # Workers, who never forget what they once held.

    @rule()
    def claim(self) -> None:
        for run in self.runs():
            held = self.tried(lambda run=run: steps.claim(run.id))
            self.hands += [held] if held else []

    @rule()
    def begin(self) -> None:
        for held in self.hands:
            if held.token not in self.begun and self.tried(lambda held=held: steps.begin(held)):
                self.begun.add(held.token)

    @rule()
    def act(self) -> None:
        for held in self.hands:
            if held.token in self.begun - self.acted:
                self.acted.add(held.token)
                self.effects[held.job.approval_id] += 1
                self.said.append(database.session.get_one(Approval, held.job.approval_id).canonical)
                database.session.rollback()

    @rule(step=st.sampled_from([steps.done, steps.failed, steps.unknown, steps.give_back]))
    def report(self, step: Callable[..., bool]) -> None:
        words = [] if step is steps.give_back else [f"told by {step.__name__}"]
        for held in self.hands:
            self.tried(lambda held=held: step(held, *words))

    @rule()
    def leases_run_out(self) -> None:
        lost = update(Run).where(Run.project_id == self.project.id, Run.status == "running")
        self.tried(lambda: changed_rows(lost.values(lease_until=db_now(-1))))
        Sweeper().sweep()
        database.session.expire_all()

    # What holds.

    @invariant()
    def an_approval_acts_once(self) -> None:
        assert all(times == 1 for times in self.effects.values()), self.effects

    @invariant()
    def what_was_done_was_approved(self) -> None:
        approved = {each.canonical for each in self.approvals() if each.decision == "approved"}
        assert set(self.said) <= approved

    @invariant()
    def what_ended_stays_as_it_is(self) -> None:
        for run in self.runs():
            if run.id in self.ended:
                assert run.status == self.ended[run.id]
            elif run.status in ENDED:
                self.ended[run.id] = run.status

    @invariant()
    def the_proposal_says_what_its_run_says(self) -> None:
        by_approval = {run.approval_id: run for run in self.runs()}
        proposal = self.proposal
        if proposal.approval_id is not None:
            run = by_approval[proposal.approval_id]
            wanted = {"success": "executed", "error": "failed"}.get(run.status, "approved")
            assert (proposal.status, run.status != "cancelled") == (wanted, True)
        assert proposal.message.meta == proposal.as_metadata()

    @invariant()
    def attempts_have_an_end(self) -> None:
        assert all(run.losses < MAX_ATTEMPTS for run in self.runs())

    @invariant()
    def an_effect_is_never_said_to_have_been_impossible(self) -> None:
        """What acted is not handed out again, and not put back."""
        for run in self.runs():
            assert not (self.effects[run.approval_id] and run.status == "queued")  # type: ignore[index]

    def approvals(self) -> list[Approval]:
        return list(database.session.scalars(select(Approval).where(Approval.subject_id == self.proposal.id)))

    def teardown(self) -> None:
        database.session.rollback()


def test_no_order_of_losses_and_decisions_acts_twice(db: SQLAlchemy) -> None:
    run_state_machine_as_test(Acting, settings=EXAMPLES)


def begins_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    def begin(run: Run, token: str) -> bool:
        return run.status == "running" and run.lease_token == token

    monkeypatch.setattr(Run, "begin", begin)


def any_token_may(monkeypatch: pytest.MonkeyPatch) -> None:
    def stands(execution: Execution, token: str) -> bool:
        return True

    monkeypatch.setattr(Execution, "stands", stands)
    monkeypatch.setattr(Run, "begin", lambda run, token: True)


def hands_out_what_began(monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(run: Run) -> str | None:
        run.advance("status", "running", "queued", lease_token=None, progress_at=None)
        return "queued"

    monkeypatch.setattr(Run, "lose", lose)


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("broken", [begins_without_a_word, any_token_may, hands_out_what_began])
def test_the_machine_catches_a_rule_that_is_broken(
    db: SQLAlchemy, monkeypatch: pytest.MonkeyPatch, broken: Callable[[pytest.MonkeyPatch], None]
) -> None:
    broken(monkeypatch)

    with pytest.raises(AssertionError):
        run_state_machine_as_test(Acting, settings=settings(EXAMPLES, max_examples=60, derandomize=True))
    database.session.rollback()
