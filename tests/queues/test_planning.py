"""Planning: asked for by a person, made by an agent that only reads, and decided on by a person."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError

from agents.wire import Call, Fault, Say
from models import Agent, Approval, AuditEntry, Plan, Run, Task, db, labs
from models.base import changed_rows, db_now
from models.errors import Changed, Conflict, Forbidden, Invalid
from models.message import Draft, Message
from models.planning import Planning
from models.posting import post
from queues.sweeper import Sweeper
from tests import factories
from tests.queues.crew import Crew
from tests.queues.tasks import Start, read, session_of, task_of, wait
from tests.support.processes import wait_until

PLAN = "The disk gets room.\n\n## Look\n\n`df -h`\n\n## Clear\n\nRemove old logs."


@pytest.fixture
def task_id(crew: Crew) -> UUID:
    message = post(crew.project.room, Draft.of(crew.mara.id, "The disk is **full**", "m1"))
    task = Task.promote(message, crew.mara)
    db.session.commit()
    return task.id


def ask(crew: Crew, task_id: UUID, agent_key: str | None = None, remark: str = "") -> UUID:
    run_id = task_of(task_id).request_plan(crew.mara, agent_key, remark).id
    db.session.commit()
    return run_id


def runs_of(task_id: UUID) -> list[str]:
    query = select(Run.status).where(Run.task_id == task_id, Run.kind == "plan").order_by(Run.created_at)
    found: list[str] = read(lambda s: list(s.scalars(query)))
    return found


def wait_runs(task_id: UUID, *statuses: str) -> None:
    db.session.rollback()
    wait_until(lambda: runs_of(task_id) == [*statuses], 15, f"runs that are {statuses}")


def events_of(task_id: UUID) -> list[tuple[str, str, str]]:
    return [(event.event_type, event.author, event.words) for event in task_of(task_id).events(100)]


def test_an_agent_that_only_reads_makes_a_plan_which_waits_for_a_person(
    crew: Crew, task_id: UUID, worker: Start
) -> None:
    def script(body: dict[str, Any]) -> Say:
        if len(body["messages"]) == 1:
            return Say(calls=(Call("search_messages", {"query": "disk"}),))
        return Say(PLAN)

    transport = worker(script)
    ask(crew, task_id, "bulma", "Not before ten.")

    task = wait(task_id, "review")
    assert (task.approval_status, task.plan_version, task.assignee_agent_key) == (
        "pending_approval",
        1,
        "bulma",
    )
    plan = task.plan
    assert plan is not None
    assert plan.whole
    assert (plan.text, plan.agent_key, plan.digest) == (PLAN, "bulma", task.plan_digest)
    [run] = db.session.scalars(select(Run).where(Run.task_id == task_id))
    assert (run.status, run.report, plan.run_id) == ("success", PLAN, run.id)
    assert run.usage is not None
    assert run.usage["turns"] == 2
    assert events_of(task_id)[1:] == [
        ("status_change", "ui", "asked for a plan"),
        ("approval_request", "bulma", "made a plan: version 1"),
    ]
    first = transport.requests[0]
    assert "You make the plan of one task." in str(first["system"])
    told = str(first["messages"][0]["content"])
    assert "The disk is **full**" in told
    assert "Not before ten." in told
    assert not any(tool["name"].startswith("propose_") for tool in first["tools"])


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("said", "why"),
    [
        (Say("I will just do it."), "The answer is no plan"),
        (Say("x", fault=Fault("error", after=1, error_type="invalid_request_error")), "invalid_request"),
    ],
    ids=["no plan", "an error"],
)
def test_a_planning_that_fails_leaves_the_task_pending_with_the_reason(
    crew: Crew, task_id: UUID, worker: Start, said: Say, why: str
) -> None:
    worker(lambda body: said)
    run_id = ask(crew, task_id)

    wait_runs(task_id, "error")
    task = task_of(task_id)
    assert (task.status, task.approval_status, task.plan) == ("pending", None, None)
    last = task.events(1)[0]
    assert last.event_type == "status_change"
    assert last.author == "trunks"
    assert why in last.content or why in str(db.session.get_one(Run, run_id).error)


def test_a_new_plan_discards_the_one_before_and_stops_who_makes_it(
    crew: Crew, task_id: UUID, worker: Start
) -> None:
    """The first worker's late answer changes nothing (I5)."""
    texts = iter(["slow", PLAN, f"{PLAN}\n\n## Watch"])

    def script(body: dict[str, Any]) -> Say:
        text = next(texts)
        return Say(PLAN, first_delay=600) if text == "slow" else Say(text)

    transport = worker(script)
    first = ask(crew, task_id)
    wait_until(lambda: transport.requests, what="the slow answer")
    ask(crew, task_id)
    db.session.rollback()

    assert wait(task_id, "review").plan_version == 1
    assert runs_of(task_id) == ["cancelled", "success"]
    ask(crew, task_id)
    task = wait(task_id, "review")
    assert task.plan_version == 2
    assert task.plan is not None
    assert "## Watch" in task.plan.text
    assert [plan.version for plan in Plan.versions(task_id, 10)] == [1, 2]
    assert db.session.get_one(Run, first).report is None


@pytest.mark.databases("sqlite")
def test_stopped_it_is_pending_again_and_the_worker_lets_go(crew: Crew, task_id: UUID, worker: Start) -> None:
    worker(lambda body: Say(PLAN, first_delay=600))
    ask(crew, task_id)
    wait_runs(task_id, "running")

    task_of(task_id).stop_planning(crew.mara)
    db.session.commit()

    task = task_of(task_id)
    assert (task.status, task.approval_status) == ("pending", None)
    assert runs_of(task_id) == ["cancelled"]


class TestWithoutWorker:
    """What people and the sweeper do, with the run held by hand."""

    def plan(self, crew: Crew, task_id: UUID) -> Plan:
        plan = factories.plan(task_of(task_id), crew.mara, PLAN)
        db.session.commit()
        return plan

    def test_a_lost_planning_begins_again_and_at_last_fails(self, crew: Crew, task_id: UUID) -> None:
        run_id = ask(crew, task_id)
        for _ in range(3):
            token = Planning.hold(run_id).claim("host:1")
            assert token is not None
            changed_rows(update(Run).where(Run.id == run_id).values(lease_until=db_now(-1)))
            db.session.commit()
            Sweeper().sweep()
        task = task_of(task_id)
        assert (task.status, runs_of(task_id)) == ("pending", ["error"])
        assert "lost 3 times" in task.events(1)[0].content
        assert not Planning.hold(run_id).done(token, PLAN, {}), "a lease that was lost writes nothing"
        db.session.rollback()

    def test_an_edit_is_a_further_version_and_the_same_text_none(self, crew: Crew, task_id: UUID) -> None:
        plan = self.plan(crew, task_id)
        session_id = session_of(crew)

        same = task_of(task_id).edit_plan(session_id, plan.digest, f"{PLAN}\n")
        assert same.version == 1
        new = task_of(task_id).edit_plan(session_id, plan.digest, f"{PLAN}\n\n## Watch")
        db.session.commit()

        task = task_of(task_id)
        assert (task.status, task.plan_version, task.plan_digest) == ("review", 2, new.digest)
        assert new.digest != plan.digest
        assert new.user_id == crew.mara.id
        generated = Plan.generated(task_id, 2)
        assert generated is not None
        assert generated.version == 1
        assert events_of(task_id)[-1] == ("approval_request", "ui", "changed the plan: version 2")
        with pytest.raises(Changed):
            task.edit_plan(session_id, plan.digest, PLAN)

    def test_rejected_with_a_reason_it_is_pending_and_can_be_planned_anew(
        self, crew: Crew, task_id: UUID
    ) -> None:
        plan = self.plan(crew, task_id)
        asked = task_of(task_id).events(1)[0]

        task_of(task_id).reject(session_of(crew), plan.digest, "Not during the sale.")
        db.session.commit()

        task = task_of(task_id)
        assert (task.status, task.approval_status) == ("pending", "rejected")
        [decision] = db.session.scalars(select(Approval))
        assert (decision.subject_type, decision.subject_id, decision.digest) == ("plan", task_id, plan.digest)
        assert (decision.decision, decision.canonical) == ("rejected", plan.canonical)
        event = task.events(1)[0]
        assert (event.event_type, event.content, event.user_id) == (
            "approval_resolved",
            "Not during the sale.",
            crew.mara.id,
        )
        assert event.meta["status"] == "rejected"
        assert event.meta["original_event_id"] == str(asked.id)
        assert set(event.meta) == {"status", "resolved_by", "resolved_at", "original_event_id"}
        with pytest.raises(Conflict):
            task.reject(session_of(crew), plan.digest)
        db.session.rollback()
        ask(crew, task_id)
        assert task_of(task_id).approval_status == "pending_plan"

    def test_what_says_the_same_again_is_decided_on_again(self, crew: Crew, task_id: UUID) -> None:
        session_id = session_of(crew)
        for version in (1, 2):
            plan = self.plan(crew, task_id)
            task_of(task_id).reject(session_id, plan.digest)
            db.session.commit()
            assert (plan.version, task_of(task_id).status) == (version, "pending")
        for version in (3, 4):
            plan = self.plan(crew, task_id)
            held, token = factories.begun(task_of(task_id), crew.mara)
            assert held.failed(token, "it broke")
            db.session.commit()
            assert (plan.version, task_of(task_id).status) == (version, "failed")

    @pytest.mark.parametrize("verb", ["edit_plan", "reject"])
    def test_only_who_decides_decides_and_only_on_what_was_shown(
        self, crew: Crew, task_id: UUID, verb: str
    ) -> None:
        plan = self.plan(crew, task_id)
        text = (f"{PLAN}\n\n## More",) if verb == "edit_plan" else ()
        for session_id, digest, refusal in (
            (session_of(crew, "jonas"), plan.digest, Forbidden),
            (None, plan.digest, Forbidden),
            (session_of(crew), "0" * 64, Changed),
        ):
            with pytest.raises(refusal):
                getattr(task_of(task_id), verb)(session_id, digest, *text)
            db.session.rollback()
        assert (task_of(task_id).status, db.session.scalar(select(Approval))) == ("review", None)

    @pytest.mark.databases("sqlite")
    def test_one_byte_changed_in_the_database_and_nobody_decides_on_it(
        self, crew: Crew, task_id: UUID
    ) -> None:
        plan = self.plan(crew, task_id)
        digest, session_id = plan.digest, session_of(crew)
        changed = {"canonical": plan.canonical.replace(b"old logs", b"all logs")}
        with pytest.raises(IntegrityError, match="only grows"):
            changed_rows(update(Plan).values(**changed))
        db.session.rollback()
        db.session.execute(text("DROP TRIGGER plans_no_update"))
        changed_rows(update(Plan).values(**changed))
        db.session.commit()
        with pytest.raises(Changed, match="what is stored"):
            task_of(task_id).reject(session_id, digest)

    def test_every_step_is_in_the_log(self, crew: Crew, task_id: UUID) -> None:
        plan = self.plan(crew, task_id)
        task_of(task_id).edit_plan(session_of(crew), plan.digest, f"{PLAN}\n\n## More")
        db.session.commit()
        task_of(task_id).cancel(crew.mara)
        db.session.commit()
        entries = db.session.scalars(select(AuditEntry).order_by(AuditEntry.seq))
        said = [entry.action for entry in entries if entry.action.startswith("task.")]
        assert said == ["task.plan_requested", "task.planned", "task.plan_edited", "task.cancelled"]
        assert task_of(task_id).status == "cancelled"


@pytest.mark.databases("sqlite")
def test_who_cannot_plan_is_named(crew: Crew, task_id: UUID) -> None:
    Agent.provision(crew.project.id, "scout", "Scout", runtime="external")
    db.session.commit()
    for key in ("nobody", "scout"):
        with pytest.raises(Invalid) as refused:
            task_of(task_id).request_plan(crew.mara, key)
        assert "agent_key" in refused.value.fields
    with pytest.raises(Invalid):
        task_of(task_id).request_plan(crew.mara, None, "x" * 2001)


@pytest.mark.databases("sqlite")
def test_nothing_is_planned_where_tasks_are_switched_off(crew: Crew, task_id: UUID, worker: Start) -> None:
    ask(crew, task_id)
    labs.write(crew.project.id, {"task_threads": False})
    db.session.commit()
    transport = worker(lambda body: Say(PLAN))

    wait_runs(task_id, "error")
    assert transport.requests == []
    assert task_of(task_id).status == "pending"


def test_of_two_tasks_with_one_plan_each_has_its_own_digest(crew: Crew) -> None:
    """What was approved for one is nothing for another."""
    digests = set()
    for number in range(2):
        message: Message = post(crew.project.room, Draft.of(crew.mara.id, "The same", f"m{number}"))
        digests.add(factories.plan(Task.promote(message, crew.mara), crew.mara, PLAN).digest)
    assert len(digests) == 2
