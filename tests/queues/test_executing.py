"""Carrying out approved plans: just what was approved, seen as it happens, ended when a person wants it."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select, text, update

from agents.wire import Call, Say
from models import Approval, Membership, Plan, Run, RunEvent, Task, db, labs
from models.base import changed_rows, db_now
from models.errors import Changed, Conflict, Forbidden
from models.message import Draft
from models.order import Order
from models.plan_execution import PlanExecution
from models.posting import post
from queues import isolating
from queues.sweeper import Sweeper
from tests import factories
from tests.queues.crew import Crew
from tests.queues.tasks import Start, read, session_of, task_of, wait
from tests.support.processes import wait_until

PLAN = "The note is there.\n\n## Write\n\n`echo hello > note.txt`"


@pytest.fixture
def task_id(crew: Crew) -> UUID:
    """A task whose plan waits for a person."""
    task = Task.promote(post(crew.project.room, Draft.of(crew.mara.id, "Write a note", "m1")), crew.mara)
    factories.plan(task, crew.mara, PLAN)
    db.session.commit()
    return task.id


def approve(crew: Crew, task_id: UUID, verb: str = "approve") -> UUID:
    """The id of the run that carries it out."""
    session_id = session_of(crew)
    task = task_of(task_id)
    getattr(task, verb)(session_id, task.plan_digest)
    run = task.run
    assert run is not None
    run_id = run.id
    db.session.commit()
    return run_id


def bash(command: str, report: str = "It is done.") -> Callable[[dict[str, Any]], Say]:
    """One command, then the report."""

    def script(body: dict[str, Any]) -> Say:
        return Say(calls=(Call("bash", {"command": command}),)) if len(body["messages"]) == 1 else Say(report)

    return script


def events_of(run_id: UUID) -> list[tuple[str, str]]:
    query = select(RunEvent.kind, RunEvent.content).where(RunEvent.run_id == run_id).order_by(RunEvent.seq)
    return [(kind, content) for kind, content in read(lambda s: s.execute(query).all())]


def status_of(run_id: UUID) -> str:
    return str(read(lambda s: s.get_one(Run, run_id).status))


def test_what_was_approved_is_carried_out_and_seen(
    crew: Crew, task_id: UUID, worker: Start, app: Flask
) -> None:
    transport = worker(bash("echo hello > note.txt && cat note.txt && pwd"))
    run_id = approve(crew, task_id)

    task = wait(task_id, "completed")

    run = db.session.get_one(Run, run_id)
    assert (run.status, run.report, run.kind) == ("success", "It is done.", "execution")
    first, *told = events_of(run_id)
    assert first[0] == "note"
    assert first[1].startswith("Commands are held apart from the machine by: ")
    assert told[0] == ("command", "$ echo hello > note.txt && cat note.txt && pwd")
    assert told[1][0] == "output"
    assert told[1][1].startswith("hello\n")
    assert told[-1] == ("said", "It is done.")
    note = Path(app.config["WORKSPACES_FOLDER"]) / crew.project.key / "note.txt"
    assert note.read_text() == "hello\n"
    said = [(event.event_type, event.words) for event in task.events(2)]
    assert said == [("approval_resolved", "approved the plan"), ("status_change", "carried out the plan")]
    [asked] = transport.requests[0]["messages"]
    assert asked["content"] == f"# Write a note\n\n{PLAN}"


@pytest.mark.databases("sqlite")
class TestOnlyWhatWasApproved:
    """I3: one byte changed, and it does not run; a person decides again."""

    CHANGES = {
        "plan": (Plan, "plans_no_update", b"note.txt", b"nose.txt"),
        "order": (Approval, "approvals_no_update", b"note.txt", b"nose.txt"),
    }

    def change(self, what: str) -> None:
        table, trigger, old, new = self.CHANGES[what]
        db.session.execute(text(f"DROP TRIGGER {trigger}"))
        row = db.session.scalars(select(table)).one()
        changed_rows(update(table).values(canonical=row.canonical.replace(old, new)))
        db.session.commit()

    @pytest.mark.parametrize("what", CHANGES)
    def test_a_changed_byte_is_refused_and_asked_about(
        self, crew: Crew, task_id: UUID, worker: Start, what: str
    ) -> None:
        run_id = approve(crew, task_id)
        self.change(what)
        transport = worker(bash("touch it-ran"))

        task = wait(task_id, "review")

        assert transport.requests == []
        assert (status_of(run_id), task.approval_status) == ("error", "pending_approval")
        [approval] = db.session.scalars(select(Approval))
        assert approval.void_reason
        assert task.events(1)[0].content == approval.void_reason

    def test_a_worker_that_does_not_look_is_caught(
        self, crew: Crew, task_id: UUID, worker: Start, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The control: without the comparison the changed plan is carried out."""
        monkeypatch.setattr(Task, "why_not", lambda *_: None)
        with pytest.raises(AssertionError):
            self.test_a_changed_byte_is_refused_and_asked_about(crew, task_id, worker, "order")

    def test_what_was_approved_in_an_older_form_is_asked_about_again(
        self, crew: Crew, task_id: UUID, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as older:
            older.setattr(Order, "of", factories.first_order)
            run_id = approve(crew, task_id)
        assert PlanExecution.hold(run_id).claim("host:1") is None
        db.session.commit()
        task = task_of(task_id)
        assert (task.status, status_of(run_id)) == ("review", "error")
        assert task.events(1)[0].content == "the order here is not the one that was approved"

    def test_who_may_not_decide_any_more_has_approved_nothing(self, crew: Crew, task_id: UUID) -> None:
        run_id = approve(crew, task_id)
        membership = Membership.of(crew.project.id, crew.mara.id)
        assert membership is not None
        membership.decide_no_more(crew.mara)
        db.session.commit()
        assert (task_of(task_id).status, status_of(run_id)) == ("review", "cancelled")

    def test_an_archived_project_carries_out_nothing(self, crew: Crew, task_id: UUID) -> None:
        run_id = approve(crew, task_id)
        crew.project.archive()
        db.session.commit()
        assert (task_of(task_id).status, status_of(run_id)) == ("review", "cancelled")

    def test_while_tasks_are_switched_off_nothing_is_carried_out(self, crew: Crew, task_id: UUID) -> None:
        run_id = approve(crew, task_id)
        labs.write(crew.project.id, {"task_threads": False})
        db.session.commit()
        assert PlanExecution.hold(run_id).claim("host:1") is None
        db.session.commit()
        assert (task_of(task_id).status, status_of(run_id)) == ("review", "error")

    def test_nobody_approves_another_plan_or_without_the_role_or_twice(
        self, crew: Crew, task_id: UUID
    ) -> None:
        digest, mara, jonas = task_of(task_id).plan_digest or "", session_of(crew), session_of(crew, "jonas")
        for session_id, shown, refusal in ((jonas, digest, Forbidden), (mara, "0" * 64, Changed)):
            with pytest.raises(refusal):
                task_of(task_id).approve(session_id, shown)
            db.session.rollback()
        approve(crew, task_id)
        with pytest.raises(Conflict):
            task_of(task_id).approve(mara, digest)


FLEEING = "trap '' TERM; (setsid sleep 300 >/dev/null 2>&1 &) ; echo running; sleep 300"


@pytest.mark.databases("sqlite")
def test_stopped_it_leaves_no_process_and_has_failed(crew: Crew, task_id: UUID, worker: Start) -> None:
    """I13: also what ignores the asking, and what left the session."""
    worker(bash(FLEEING))
    run_id = approve(crew, task_id)
    wait_until(lambda: ("output", "running\n") in events_of(run_id), 20, "a command that runs")

    task_of(task_id).stop(crew.mara)
    db.session.commit()

    task = wait(task_id, "failed")
    run = db.session.get_one(Run, run_id)
    assert (run.status, run.error) == ("cancelled", "Mara Lindqvist stopped it. Processes left: 0.")
    assert task.events(1)[0].content == run.error
    assert marked(run_id) == []


def marked(run_id: UUID) -> list[str]:
    """The processes of this machine that carry the mark of the run."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"TEAMROOM_RUN={run_id}".encode() in environ.read_bytes():
                found.append(environ.parent.name)
    return found


@pytest.mark.databases("sqlite")
def test_stopped_before_it_began_it_never_begins(crew: Crew, task_id: UUID, worker: Start) -> None:
    run_id = approve(crew, task_id)
    task_of(task_id).stop(crew.mara)
    db.session.commit()
    transport = worker(bash("touch it-ran"))
    assert (task_of(task_id).status, status_of(run_id)) == ("failed", "cancelled")
    db.session.rollback()
    wait_until(lambda: read(lambda s: s.scalar(select(Run.id).where(Run.status == "queued"))) is None, 5)
    assert transport.requests == []


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("report", "why"),
    [("Half of it.\n\nINCOMPLETE: no room.", "not all of it was done")],
)
def test_an_agent_that_did_not_do_all_of_it_says_so(
    crew: Crew, task_id: UUID, worker: Start, report: str, why: str
) -> None:
    worker(bash("true", report))
    run_id = approve(crew, task_id)
    task = wait(task_id, "failed")
    assert why in task.events(1)[0].content
    assert db.session.get_one(Run, run_id).report == report


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("ends", ["lost", "put_back", "begin"])
def test_what_a_person_stopped_before_it_began_never_comes_back(crew: Crew, task_id: UUID, ends: str) -> None:
    """I13: whoever notices first, ends it."""
    run_id = approve(crew, task_id)
    token = PlanExecution.hold(run_id).claim("host:1") or ""
    db.session.commit()
    task_of(task_id).stop(crew.mara)
    db.session.commit()

    held = PlanExecution.hold(run_id)
    assert bool(getattr(held, ends)(*([] if ends == "lost" else [token]))) == (ends != "begin")
    db.session.commit()
    assert (task_of(task_id).status, status_of(run_id)) == ("failed", "cancelled")


class TestLost:
    """A worker is gone in the middle: nobody does it again, a person looks."""

    def begun(self, crew: Crew, task_id: UUID) -> tuple[UUID, str]:
        run_id = approve(crew, task_id)
        held = PlanExecution.hold(run_id)
        token = held.claim("host:1")
        assert token is not None
        assert held.begin(token)
        changed_rows(update(Run).where(Run.id == run_id).values(lease_until=db_now(-1)))
        db.session.commit()
        Sweeper().sweep()
        return run_id, token

    def test_it_is_interrupted_and_a_person_says_what_became_of_it(self, crew: Crew, task_id: UUID) -> None:
        run_id, token = self.begun(crew, task_id)
        assert (task_of(task_id).status, status_of(run_id)) == ("executing", "interrupted")
        db.session.rollback()
        session_id = session_of(crew)
        task_of(task_id).settle(session_id, "completed", "I saw the note.")
        db.session.commit()

        assert (task_of(task_id).status, status_of(run_id)) == ("completed", "success")
        assert task_of(task_id).events(1)[0].words == "says that the plan was carried out"
        assert not PlanExecution.hold(run_id).done(token, "It is done.", None)
        db.session.commit()
        assert db.session.get_one(Run, run_id).late_report == "It is done."
        with pytest.raises(Conflict):
            task_of(task_id).settle(session_id, "failed")

    def test_the_late_report_of_the_last_worker_decides(self, crew: Crew, task_id: UUID) -> None:
        run_id, token = self.begun(crew, task_id)
        assert PlanExecution.hold(run_id).done(token, "It is done.", None)
        db.session.commit()
        assert (task_of(task_id).status, status_of(run_id)) == ("completed", "success")

    def test_before_it_began_another_worker_takes_it(self, crew: Crew, task_id: UUID) -> None:
        run_id = approve(crew, task_id)
        token = PlanExecution.hold(run_id).claim("host:1")
        assert token is not None
        changed_rows(update(Run).where(Run.id == run_id).values(lease_until=db_now(-1)))
        db.session.commit()
        Sweeper().sweep()
        assert status_of(run_id) == "queued"
        assert not PlanExecution.hold(run_id).tell(token, [("said", "late")])
        db.session.rollback()


@pytest.mark.databases("sqlite")
def test_tried_again_it_is_a_decision_and_a_run_of_its_own(crew: Crew, task_id: UUID, worker: Start) -> None:
    """I9: the first report stays as it was."""
    reports = iter(["INCOMPLETE: no.", "It is done."])
    worker(lambda body: Say(next(reports)))
    first = approve(crew, task_id)
    wait(task_id, "failed")
    db.session.rollback()

    second = approve(crew, task_id, "retry")

    wait(task_id, "completed")
    runs = Run.executions(task_of(task_id))
    assert [(run.id, run.report, run.retry_of) for run in runs] == [
        (first, "INCOMPLETE: no.", None),
        (second, "It is done.", first),
    ]
    approvals = db.session.scalars(select(Approval).order_by(Approval.attempt)).all()
    assert [(one.attempt, one.voided_at is None) for one in approvals] == [(1, False), (2, True)]
    assert approvals[0].digest == approvals[1].digest


@pytest.mark.databases("sqlite")
def test_a_second_plan_is_tried_again_by_its_own_approval(crew: Crew, task_id: UUID) -> None:
    """The first plan failed too, and its approval is as little in force for the second as any."""
    fail(approve(crew, task_id))
    factories.plan(task_of(task_id), crew.mara, PLAN)
    db.session.commit()
    fail(approve(crew, task_id))

    fail(approve(crew, task_id, "retry"))

    approvals = db.session.scalars(select(Approval).order_by(Approval.decided_at)).all()
    assert [(one.attempt, one.voided_at is None) for one in approvals] == [(1, True), (1, False), (2, True)]


def fail(run_id: UUID) -> None:
    held = PlanExecution.hold(run_id)
    token = held.claim("host:1")
    assert token is not None
    assert held.failed(token, "The disk is full.")
    db.session.commit()


@pytest.mark.databases("sqlite")
def test_the_agent_says_how_far_it_is(crew: Crew, task_id: UUID) -> None:
    held, token = factories.begun(task_of(task_id), crew.mara)
    assert (held.task.step, held.task.steps) == (None, 1)
    assert [held.begin_step(token, number) for number in (0, 1, 2)] == [False, True, False]
    assert not held.begin_step("another", 1)
    assert held.task.step == 1


@pytest.mark.databases("sqlite")
def test_of_what_happened_the_last_is_read_within_bounds(crew: Crew, task_id: UUID) -> None:
    held, token = factories.begun(task_of(task_id), crew.mara)
    assert held.tell(token, [("output", letter * 100) for letter in "abcdef"])

    def newest(limit: int, characters: int) -> str:
        return "".join(event.content[0] for event in RunEvent.newest(held.run.id, limit, characters))

    assert (newest(3, 10_000), newest(100, 250), newest(100, 10_000)) == ("def", "def", "abcdef")
    assert [event.seq for event in RunEvent.after(held.run.id, 4, 100)] == [5, 6]


@pytest.mark.databases("sqlite")
def test_without_isolation_nothing_is_carried_out(
    crew: Crew, task_id: UUID, worker: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none(app: Flask) -> None:
        return None

    monkeypatch.setattr(isolating, "found", none)
    transport = worker(bash("touch it-ran"))
    approve(crew, task_id)
    task = wait(task_id, "failed")
    assert "doctor" in task.events(1)[0].content
    assert transport.requests == []
