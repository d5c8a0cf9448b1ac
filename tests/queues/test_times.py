"""Plans and executions at a time that a person chose, and the look that follows an execution."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from agents.scripted import ScriptedTransport
from agents.wire import Say
from models import Approval, Run, Task, db
from models.base import changed_rows, db_now, utcnow
from models.errors import Conflict, Invalid
from models.message import Draft
from models.order import POST_OP
from models.plan_execution import PlanExecution
from models.planning import Planning
from models.post_op import PostOp
from models.posting import post
from models.skill_folder import revision_of, shipped
from queues.sweeper import Sweeper
from tests import factories
from tests.queues.crew import Crew
from tests.queues.tasks import Start, read, session_of, task_of, wait
from tests.support.processes import wait_until

PLAN = "The note is there.\n\n## Write\n\n`echo hello > note.txt`"
LOOKED = "**As planned.** The note says hello."


@pytest.fixture
def task_id(crew: Crew) -> UUID:
    task = Task.promote(post(crew.project.room, Draft.of(crew.mara.id, "Write a note", "m1")), crew.mara)
    db.session.commit()
    return task.id


@pytest.fixture
def planned(crew: Crew, task_id: UUID) -> UUID:
    """Its plan waits for a person."""
    factories.plan(task_of(task_id), crew.mara, PLAN)
    db.session.commit()
    return task_id


def soon(seconds: float = 2) -> datetime:
    return utcnow() + timedelta(seconds=seconds)


def approve(crew: Crew, task_id: UUID, at: datetime | None = None, post_op: bool = False) -> UUID:
    """The id of the run that carries it out."""
    session_id, task = session_of(crew), task_of(task_id)
    revision = revision_of(POST_OP) if post_op else None
    approval = task.approve(session_id, task.plan_digest or "", at, revision)
    db.session.commit()
    return Run.of(approval.id, "execution").id


def claim(run_id: UUID, post_op: str | None = None) -> str | None:
    token = PlanExecution.hold(run_id).claim("host:1", post_op or revision_of(POST_OP))
    db.session.commit()
    return token


def status_of(run_id: UUID) -> str:
    return str(read(lambda s: s.get_one(Run, run_id).status))


def script(body: dict[str, Any]) -> Say:
    """Each kind of run says its own."""
    system = str(body["system"])
    if "You make the plan" in system:
        return Say(PLAN)
    return Say("It is done." if "You carry out" in system else LOOKED)


def test_planned_and_carried_out_at_their_times_and_looked_at_afterwards(
    crew: Crew, task_id: UUID, worker: Start
) -> None:
    transport = worker(script)
    at = soon()
    task_of(task_id).request_plan(crew.mara, "bulma", at=at)
    db.session.commit()
    task = task_of(task_id)
    assert (task.status, task.approval_status) == ("pending", "pending_plan")
    assert task.scheduled_time == at.replace(microsecond=0)
    db.session.rollback()

    task = wait(task_id, "review")
    [plan] = db.session.scalars(select(Run).where(Run.task_id == task_id))
    assert plan.started_at is not None
    assert plan.run_after is not None
    assert plan.started_at >= plan.run_after
    assert task.scheduled_time is None

    run_id = approve(crew, task_id, soon(), post_op=True)
    assert (task_of(task_id).status, task_of(task_id).run_post_op) == ("scheduled", True)
    db.session.rollback()
    wait(task_id, "completed")
    db.session.rollback()
    looked = select(Run.status).where(Run.kind == "post_op")
    wait_until(lambda: read(lambda s: s.scalar(looked)) == "success", 15, "the look afterwards")

    task = task_of(task_id)
    run, [look] = db.session.get_one(Run, run_id), Run.executions(task, "post_op")
    assert run.started_at is not None
    assert run.run_after is not None
    assert run.started_at >= run.run_after
    assert (run.report, look.report, task.status) == ("It is done.", LOOKED, "completed")
    assert [event.words for event in task.events(100)] == [
        "made it of a message",
        "chose a time for the plan",
        "began to plan, at the time that was chosen",
        "made a plan: version 1",
        "approved the plan",
        "began at the time that was chosen",
        "carried out the plan",
        "looked afterwards, as /oasis-op says",
    ]
    last = transport.requests[-1]
    assert "A change is done when somebody looked." in str(last["system"])
    assert "It is done." in str(last["messages"][0]["content"])
    assert not {"edit", "write_file"} & {tool["name"] for tool in last["tools"]}


def test_two_workers_at_the_same_time_carry_it_out_once(crew: Crew, planned: UUID, worker: Start) -> None:
    transports = [worker(script), worker(script)]
    approve(crew, planned, soon())
    db.session.rollback()
    wait(planned, "completed")
    assert len([body for transport in transports for body in transport.requests]) == 1


@pytest.mark.databases("sqlite")
class TestOnlyWhatWasApproved:
    """I3: another time, another look afterwards or another skill, and it does not run."""

    CHANGES: dict[str, tuple[Callable[[UUID, UUID], Any], str]] = {
        "time": (
            lambda task_id, _: update(Task).where(Task.id == task_id).values(scheduled_time=soon(60)),
            "the time here is not",
        ),
        "run_after": (
            lambda _, run_id: update(Run).where(Run.id == run_id).values(run_after=None),
            "the time here is not",
        ),
        "post_op": (
            lambda task_id, _: update(Task).where(Task.id == task_id).values(run_post_op=False),
            "what follows it is not",
        ),
    }

    @pytest.mark.parametrize("what", CHANGES)
    def test_a_changed_order_is_refused_and_asked_about(self, crew: Crew, planned: UUID, what: str) -> None:
        run_id = approve(crew, planned, soon(60), post_op=True)
        change, why = self.CHANGES[what]
        changed_rows(change(planned, run_id))
        db.session.commit()
        drift = self.refused(planned, run_id, claim(run_id), why)
        said = "Afterwards" if what == "post_op" else "When"
        signs = [line[0] for line in drift.splitlines() if line[1:].startswith(f"{said}: ")]
        assert signs == ["-", "+"]

    def test_another_revision_of_the_skill_is_refused_too(self, crew: Crew, planned: UUID) -> None:
        run_id = approve(crew, planned, post_op=True)
        drift = self.refused(planned, run_id, claim(run_id, "0" * 64), "the skill oasis-op is not")
        assert "+Afterwards: /oasis-op, revision 000000000000" in drift

    def test_a_worker_that_does_not_look_is_caught(
        self, crew: Crew, planned: UUID, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The control: without the comparison the changed order is carried out."""
        monkeypatch.setattr(Task, "why_not", lambda *_: None)
        with pytest.raises(AssertionError):
            self.test_a_changed_order_is_refused_and_asked_about(crew, planned, "time")

    def refused(self, task_id: UUID, run_id: UUID, token: str | None, why: str) -> str:
        task = task_of(task_id)
        assert token is None
        assert (task.status, task.scheduled_time, task.run_post_op) == ("review", None, False)
        assert (status_of(run_id), task.approval_status) == ("error", "pending_approval")
        [approval] = db.session.scalars(select(Approval))
        assert (approval.void_reason or "").startswith(why)
        return str(task.events(1)[0].meta["drift"])


@pytest.mark.databases("sqlite")
class TestTakenBack:
    """A time is a person's, and so is the end of it."""

    def test_an_approval_is_void_and_the_plan_waits_again(self, crew: Crew, planned: UUID) -> None:
        run_id = approve(crew, planned, soon(60))
        task_of(planned).take_back(crew.mara)
        db.session.commit()
        assert (task_of(planned).status, status_of(run_id)) == ("review", "cancelled")
        with pytest.raises(Conflict):
            task_of(planned).take_back(crew.mara)
        db.session.rollback()
        assert claim(approve(crew, planned)) is not None
        voided = [one.voided_at is not None for one in db.session.scalars(select(Approval))]
        assert sorted(voided) == [False, True]

    @pytest.mark.parametrize("verb", ["request_plan", "cancel"])
    def test_another_plan_or_the_end_of_the_task_voids_it_too(
        self, crew: Crew, planned: UUID, verb: str
    ) -> None:
        run_id = approve(crew, planned, soon(60))
        getattr(task_of(planned), verb)(crew.mara)
        db.session.commit()
        assert task_of(planned).status == {"request_plan": "planning", "cancel": "cancelled"}[verb]
        [approval] = db.session.scalars(select(Approval))
        assert (approval.voided_at is not None, status_of(run_id)) == (True, "cancelled")

    def test_a_planning_at_a_time_can_be_put_off_and_taken_back(self, crew: Crew, task_id: UUID) -> None:
        first = task_of(task_id).request_plan(crew.mara, at=soon(60)).id
        db.session.commit()
        second = task_of(task_id).request_plan(crew.mara, at=soon(120)).id
        db.session.commit()
        task_of(task_id).stop_planning(crew.mara)
        db.session.commit()
        task = task_of(task_id)
        assert (status_of(first), status_of(second)) == ("cancelled", "cancelled")
        assert (task.status, task.scheduled_time, task.approval_status) == ("pending", None, None)
        with pytest.raises(Conflict):
            task_of(task_id).stop_planning(crew.mara)

    def test_only_a_time_to_come_is_one(self, crew: Crew, planned: UUID) -> None:
        session_id = session_of(crew)
        for at in (utcnow(), soon(400 * 86_400), datetime(2099, 1, 1)):
            task = task_of(planned)
            with pytest.raises(Invalid) as wrong:
                task.approve(session_id, task.plan_digest or "", at)
            assert set(wrong.value.fields) == {"at"}
            with pytest.raises(Invalid):
                task.request_plan(crew.mara, at=at)
            db.session.rollback()


@pytest.mark.databases("sqlite")
class TestPostOp:
    """It follows a success and only that, and changes nothing of the task."""

    def done(self, crew: Crew, task_id: UUID) -> UUID:
        """The id of the run that looks."""
        run_id = approve(crew, task_id, post_op=True)
        token = claim(run_id)
        assert token is not None
        assert PlanExecution.hold(run_id).done(token, "It is done.", None)
        db.session.commit()
        [look] = Run.executions(task_of(task_id), "post_op")
        return look.id

    def test_after_a_failure_nobody_looks_and_a_retry_asks_for_it_again(
        self, crew: Crew, planned: UUID
    ) -> None:
        run_id = approve(crew, planned, post_op=True)
        token = claim(run_id)
        assert token is not None
        assert PlanExecution.hold(run_id).failed(token, "The disk is full.")
        db.session.commit()
        assert Run.executions(task_of(planned), "post_op") == []

        session_id, task = session_of(crew), task_of(planned)
        task.retry(session_id, task.plan_digest or "", revision_of(POST_OP))
        db.session.commit()
        assert task_of(planned).run_post_op

    @pytest.mark.parametrize(("outcome", "looks"), [("completed", ["queued"]), ("failed", [])])
    def test_what_a_person_says_was_carried_out_is_looked_at_once(
        self, crew: Crew, planned: UUID, outcome: str, looks: list[str]
    ) -> None:
        token = claim(run_id := approve(crew, planned, post_op=True)) or ""
        assert PlanExecution.hold(run_id).begin(token, revision_of(POST_OP))
        assert PlanExecution.hold(run_id).unknown(token, "its worker was lost")
        session_id = session_of(crew)
        task_of(planned).settle(session_id, outcome)
        assert not PlanExecution.hold(run_id).done(token, "It is done.", None), "a report that came late"
        db.session.commit()
        assert [look.status for look in Run.executions(task_of(planned), "post_op")] == looks

    def test_a_skill_that_changed_since_is_not_followed(
        self, crew: Crew, planned: UUID, worker: Start, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        look = self.done(crew, planned)
        found = shipped(POST_OP)
        assert found is not None
        found.revision = "0" * 64
        monkeypatch.setattr("agents.post_op.shipped", lambda name: found)
        db.session.rollback()
        transport: ScriptedTransport = worker(script)
        wait_until(lambda: status_of(look) == "error", 15, "a refusal")
        assert transport.requests == []
        assert (task_of(planned).status, task_of(planned).events(1)[0].words) == (
            "completed",
            "did not look afterwards to the end",
        )

    def test_a_lost_look_begins_again_and_a_stopped_one_does_not(self, crew: Crew, planned: UUID) -> None:
        look = self.done(crew, planned)
        token = PostOp.hold(look).claim("host:1")
        changed_rows(update(Run).where(Run.id == look).values(lease_until=db_now(-1)))
        db.session.commit()
        Sweeper().sweep()
        assert status_of(look) == "queued"
        task_of(planned).stop(crew.mara)
        db.session.commit()
        assert (task_of(planned).status, status_of(look)) == ("completed", "cancelled")
        assert not PostOp.hold(look).done(token or "", LOOKED, {})
        assert task_of(planned).events(1)[0].words == "stopped the look afterwards"


@pytest.mark.databases("sqlite")
def test_who_plans_again_is_told_the_report_of_the_failure(crew: Crew, planned: UUID, worker: Start) -> None:
    token = claim(run_id := approve(crew, planned))
    assert PlanExecution.hold(run_id).failed(token or "", "The disk is full.", "Step 1 broke.")
    db.session.commit()
    run = task_of(planned).request_plan(crew.mara, with_report=True)
    assert run.params["report_of"] == str(run_id)
    db.session.commit()

    transport = worker(script)
    wait(planned, "review")
    told = str(transport.requests[0]["messages"][0]["content"])
    assert "Step 1 broke." in told
    assert "The disk is full." in told


def test_a_time_in_the_future_is_no_work_yet(crew: Crew, task_id: UUID) -> None:
    run_id = task_of(task_id).request_plan(crew.mara, at=soon(60)).id
    db.session.commit()
    assert Run.waiting(10) == []
    changed_rows(update(Run).where(Run.id == run_id).values(run_after=db_now(-1)))
    assert Run.waiting(10) == [run_id]
    assert Planning.hold(run_id).claim("host:1") is not None
