"""I3 and I5, the executing part: whatever dies, sleeps, comes late or is decided, no approval acts twice."""

from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID

import hypothesis.strategies as st
import pytest
from flask_sqlalchemy import SQLAlchemy
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
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

WORKER = st.integers(0, 1)
ENDED = ("success", "error", "cancelled")
EXAMPLES = settings(
    max_examples=15,
    stateful_step_count=30,
    report_multiple_bugs=False,
    phases=[Phase.generate],
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)


class Acting(RuleBasedStateMachine):
    """One proposal, one person, and two workers that may sleep between any two steps."""

    def __init__(self) -> None:
        super().__init__()
        number = database.session.query(Project).count()
        self.project = Project.create(f"p{number}", "P")
        Agent.provision(self.project.id, "trunks", "Trunks")
        kim = User.create(f"kim{number}@example.org", "Kim", None)
        kim.join(self.project, "owner")
        database.session.flush()
        self.session = UserSession.start(kim, "127.0.0.1", "pytest")[0].id
        wish = Wish.of("trunks", "file_write", {"path": "a", "content": "one"}, "why", f"w{number}")
        self.proposal = Proposal.make(self.project.room, wish)
        self.hands: list[list[Claimed]] = [[], []]
        self.may_act: list[set[str]] = [set(), set()]
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

    @rule()
    def approve(self) -> None:
        self.tried(lambda: self.proposal.approve(self.session, self.proposal.digest))

    @rule(content=st.sampled_from(["one", "two"]))
    def edit(self, content: str) -> None:
        params = {"path": "a", "content": content}
        self.tried(lambda: self.proposal.edit(self.session, self.proposal.digest, params))

    @rule()
    def retry(self) -> None:
        failed = self.proposal.status == "failed"
        done = self.tried(lambda: self.proposal.retry(self.session, self.proposal.digest))
        assert (done is not None) == failed

    @rule(outcome=st.sampled_from(["executed", "failed"]))
    def settle(self, outcome: str) -> None:
        was = self.proposal.execution
        self.tried(lambda: self.proposal.settle(self.session, self.proposal.digest, outcome))
        assert (self.proposal.status == outcome) or was != "interrupted"

    # Workers.

    @rule(worker=WORKER)
    def claim(self, worker: int) -> None:
        for run_id in self.tried(lambda: Run.waiting(100)):
            if database.session.get_one(Run, run_id).project_id == self.project.id:
                held = self.tried(lambda run_id=run_id: steps.claim(run_id))
                self.hands[worker] += [held] if held else []

    @precondition(lambda self: any(self.hands))
    @rule(worker=WORKER)
    def begin(self, worker: int) -> None:
        for held in self.hands[worker]:
            if held.token not in self.may_act[worker] and self.tried(lambda held=held: steps.begin(held)):
                self.may_act[worker].add(held.token)

    @precondition(lambda self: any(self.may_act))
    @rule(worker=WORKER)
    def act(self, worker: int) -> None:
        for held in self.hands[worker]:
            if held.token in self.may_act[worker]:
                self.may_act[worker].discard(held.token)
                self.effects[held.job.approval_id] += 1
                self.said.append(database.session.get_one(Approval, held.job.approval_id).canonical)
                database.session.rollback()

    @rule(worker=WORKER, step=st.sampled_from([steps.done, steps.failed, steps.unknown]))
    def report(self, worker: int, step: Callable[..., bool]) -> None:
        for held in self.hands[worker]:
            self.tried(lambda held=held: step(held, "as it is told"))

    @rule(worker=WORKER, step=st.sampled_from([steps.give_back, steps.broken]))
    def stumble(self, worker: int, step: Callable[..., bool]) -> None:
        for held in self.hands[worker]:
            if held.token not in self.may_act[worker]:
                self.tried(lambda held=held: step(held))

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


def a_late_report_overwrites(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Run.end

    def end(run: Run, status: str, told: str, token: str | None = None) -> bool:
        if run.status in ("success", "error") and run.lease_token == token and token:
            return run.try_advance("status", ("success", "error"), status, report=told)
        return real(run, status, told, token)

    monkeypatch.setattr(Run, "end", end)


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    "broken", [begins_without_a_word, any_token_may, hands_out_what_began, a_late_report_overwrites]
)
def test_the_machine_catches_a_rule_that_is_broken(
    db: SQLAlchemy, monkeypatch: pytest.MonkeyPatch, broken: Callable[[pytest.MonkeyPatch], None]
) -> None:
    broken(monkeypatch)

    with pytest.raises(AssertionError):
        run_state_machine_as_test(Acting, settings=settings(EXAMPLES, max_examples=150))
    database.session.rollback()
