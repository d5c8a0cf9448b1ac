"""Approved actions are carried out: once, as they were approved, and everybody reads what came of it."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import create_engine, select, text, update

from models import (
    Approval,
    AuditEntry,
    Message,
    Proposal,
    Run,
    Schedule,
    Task,
    TaskEvent,
    Thread,
    User,
    db,
    labs,
)
from models.actions import ACTIONS as DECLARED
from models.base import changed_rows, utcnow
from models.errors import Changed, Conflict, Decided, Forbidden
from models.run import MAX_ATTEMPTS
from queues import actions
from queues.actions import InDatabase, InWorld, create_task, send_message, steps
from queues.actions.job import CannotBeDone, Job, OutcomeUnknown
from tests.queues import acting, worlds
from tests.queues.acting import Office
from tests.queues.test_doorbell import Counting
from tests.queues.worlds import STAND_IN
from tests.support.databases import Database
from tests.support.processes import wait_until

Act = Callable[..., acting.Running]
JOB = {
    "name": "Disk",
    "schedule_expr": "0 9 * * mon-fri",
    "instructions": "Look at the disk.",
    "target_agent_key": "bulma",
}


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(actions.ACTIONS, "api_call", STAND_IN)


@pytest.fixture
def world_says(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Flask, Job], str]], None]:
    """`world_says(perform)`: what an api_call does from now on."""

    def say(perform: Callable[[Flask, Job], str]) -> None:
        monkeypatch.setattr(worlds, "perform", perform)

    return say


def messages(office: Office) -> list[Message]:
    query = select(Message).where(Message.message_type == "text").order_by(Message.seq)
    found: list[Message] = office.read(lambda s: list(s.scalars(query)))
    return found


def count(office: Office, model: Any) -> int:
    return len(office.read(lambda s: list(s.scalars(select(model)))))


def claimed(run_id: UUID) -> steps.Claimed:
    found = steps.claim(run_id)
    db.session.commit()
    assert found
    return found


def step(call: Callable[..., Any], *args: Any) -> Any:
    """As the worker does: a transaction of its own."""
    result = call(*args)
    db.session.commit()
    return result


# Each of those that stay in the database.


def test_a_task_is_made_and_linked_both_ways(office: Office, act: Act) -> None:
    proposal_id, run_id = office.approved()
    act()
    proposal = office.wait(proposal_id)

    task: Task = office.read(lambda s: s.scalars(select(Task)).one())
    event: TaskEvent = office.read(lambda s: s.scalars(select(TaskEvent)).one())
    assert (task.number, task.title, task.description, task.status, task.source, task.assignee_agent_key) == (
        1, "Look at the disk", "It is **full**.", "pending", "proposal", "bulma",
    )  # fmt: skip
    assert (task.proposal_id, task.message_id) == (proposal_id, proposal.message_id)
    assert office.read(lambda s: s.get_one(Proposal, proposal_id).task.number) == 1
    assert (event.seq, event.event_type, event.author, event.user_id) == (
        1, "created", "trunks", office.crew.mara.id,
    )  # fmt: skip
    assert proposal.execution_result == "Task 1 was made. It is pending."
    assert proposal.executed_at
    run = office.run(run_id)
    assert (run.status, run.attempt, run.report, run.error) == ("success", 1, proposal.execution_result, None)


def test_the_message_says_what_became_of_it(office: Office, act: Act) -> None:
    proposal_id, _ = office.approved()
    act()
    proposal = office.wait(proposal_id)

    meta = office.read(lambda s: s.get_one(Message, proposal.message_id)).meta
    assert (meta["status"], meta["execution_result"]) == ("executed", proposal.execution_result)
    assert meta["executed_at"]


def test_numbers_are_counted_in_the_project(office: Office, act: Act) -> None:
    made = [office.approved()[0] for _ in range(3)]
    act()
    for proposal_id in made:
        office.wait(proposal_id)

    assert office.read(lambda s: sorted(s.scalars(select(Task.number)))) == [1, 2, 3]


def test_a_schedule_is_made(office: Office, act: Act) -> None:
    proposal_id, _ = office.approved("schedule_job", **JOB)
    act()
    office.wait(proposal_id)

    row: Schedule = office.read(lambda s: s.scalars(select(Schedule)).one())
    assert {name: getattr(row, name) for name in JOB} == JOB
    assert (row.schedule_kind, row.time_zone, row.output) == ("cron", "UTC", "activity")
    assert (row.enabled, row.next_fire_at, row.proposal_id) == (True, None, proposal_id)


def test_a_message_is_posted_in_the_room_as_the_agents_own(office: Office, act: Act) -> None:
    params = {"channel": "room", "recipient": "Team Room", "content": "The disk is **full**."}
    proposal_id, run_id = office.approved("send_message", **params)
    act()
    office.wait(proposal_id)

    [said] = messages(office)
    assert (said.author_key, said.content) == ("trunks", "The disk is **full**.")
    assert said.client_id == f"approval-{office.approval_of(run_id).id}"


def test_a_message_to_a_person_begins_their_conversation(office: Office, act: Act) -> None:
    for text_ in ("one", "two"):
        params = {"channel": "dm", "recipient": "jonas", "content": text_}
        proposal_id, _ = office.approved("send_message", **params)
        act()
        office.wait(proposal_id)

    thread: Thread = office.read(lambda s: s.scalars(select(Thread).where(Thread.kind == "dm")).one())
    assert (thread.title, thread.owner_user_id) == ("DM:trunks", office.crew.jonas.id)
    assert [(said.thread_id, said.content) for said in messages(office)] == [
        (thread.id, "one"), (thread.id, "two"),
    ]  # fmt: skip


def test_a_message_to_another_server_is_of_the_world(office: Office) -> None:
    def of(channel: str, recipient: str) -> object:
        given = {"channel": channel, "recipient": recipient, "content": "x"}
        return actions.action_of(DECLARED["send_message"].model_validate(given))

    assert isinstance(of("webhook", "https://example.org/hook"), InWorld)
    assert isinstance(of("room", "Team Room"), InDatabase)
    assert isinstance(of("dm", "jonas"), InDatabase)


def test_every_declared_action_can_be_carried_out() -> None:
    assert set(actions.ACTIONS) == {*DECLARED, "webhook"}


# Of those that are called the same (T-AP11).


def taken_by_another(office: Office) -> tuple[Thread, User]:
    """Room and person are called otherwise, and new ones as they were."""
    office.crew.project.room.title, office.crew.jonas.handle = "Old room", "jonas-weber"
    db.session.flush()
    room = Thread(project_id=office.crew.project.id, title="Team Room", kind="room")
    person = User.create("jonas2@example.org", "Jonas Zwei", None)
    person.join(office.crew.project, "member")
    db.session.add(room)
    db.session.commit()
    assert person.handle == "jonas"
    return room, person


def test_after_a_rename_it_goes_to_the_room_and_the_person_that_were_shown(office: Office, act: Act) -> None:
    shown = office.crew.project.room.id
    made = [
        office.approved("send_message", channel=channel, recipient=name, content="hello")[0]
        for channel, name in (("room", "Team Room"), ("dm", "jonas"))
    ]
    taken_by_another(office)
    act()
    for proposal_id in made:
        office.wait(proposal_id)

    threads = [
        office.read(lambda s, said=said: s.get_one(Thread, said.thread_id)) for said in messages(office)
    ]
    assert {(each.id if each.kind == "room" else each.owner_user_id) for each in threads} == {
        shown, office.crew.jonas.id,
    }  # fmt: skip


def test_a_build_that_goes_by_the_name_is_caught(
    office: Office, act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test before."""

    def by_name(job: Job, thread_id: UUID) -> Thread:
        return db.session.scalars(select(Thread).where(Thread.title == "Team Room")).one()

    monkeypatch.setattr(send_message, "_room", by_name)
    proposal_id, _ = office.approved("send_message", channel="room", recipient="Team Room", content="hello")
    room, _ = taken_by_another(office)
    act()
    office.wait(proposal_id)

    assert [said.thread_id for said in messages(office)] == [room.id]


def test_two_tasks_of_one_title_are_two_and_each_card_names_its_own(office: Office, act: Act) -> None:
    made = [office.approved()[0] for _ in range(2)]
    act()
    results = {office.wait(proposal_id).execution_result for proposal_id in made}
    numbers = [office.read(lambda s, id=id: s.get_one(Proposal, id).task.number) for id in made]

    assert results == {"Task 1 was made. It is pending.", "Task 2 was made. It is pending."}
    assert sorted(numbers) == [1, 2]


# What cannot be done.


@pytest.mark.parametrize(
    ("action_type", "params", "flag", "why"),
    [
        ("schedule_job", JOB, "schedule", "Schedule is switched off in Labs"),
        ("create_task", {}, "task_threads", "tasks are switched off in Labs"),
    ],
)
def test_what_is_switched_off_is_not_made(
    office: Office, act: Act, action_type: str, params: dict[str, Any], flag: str, why: str
) -> None:
    labs.write(office.crew.project.id, {flag: False})
    proposal_id, _ = office.approved(action_type, **params)
    act()

    assert office.wait(proposal_id, "failed").execution_result == why
    assert office.read(lambda s: (s.scalars(select(Task)).all(), s.scalars(select(Schedule)).all())) == (
        [],
        [],
    )
    labs.write(office.crew.project.id, {flag: True})
    db.session.commit()
    office.decide("retry", proposal_id)
    office.wait(proposal_id)


def test_what_is_closed_meanwhile_fails_and_can_be_tried_again(office: Office, act: Act) -> None:
    params = {"channel": "room", "recipient": "Team Room", "content": "hello"}
    proposal_id, _ = office.approved("send_message", **params)
    labs.write(office.crew.project.id, {"team_room": False})
    db.session.commit()
    act()

    assert office.wait(proposal_id, "failed").execution_result == (
        "Team Room is not open here any more. Nothing was sent."
    )
    assert messages(office) == []
    labs.write(office.crew.project.id, {"team_room": True})
    db.session.commit()
    office.decide("retry", proposal_id)
    office.wait(proposal_id)

    assert len(messages(office)) == 1
    assert office.states(proposal_id) == ("executed", ["error", "success"])


def test_who_left_is_not_written_to(office: Office, act: Act) -> None:
    params = {"channel": "dm", "recipient": "jonas", "content": "hello"}
    proposal_id, _ = office.approved("send_message", **params)
    office.crew.jonas.deactivate()
    db.session.commit()
    act()

    assert "Nothing was sent" in (office.wait(proposal_id, "failed").execution_result or "")
    assert messages(office) == []


def test_an_error_of_ours_leaves_nothing_half_done(
    office: Office, act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = create_task.apply

    def halfway(job: Job) -> str:
        real(job)
        raise ZeroDivisionError

    monkeypatch.setattr(create_task, "apply", halfway)
    proposal_id, _ = office.approved()
    act()

    assert office.wait(proposal_id, "failed").execution_result == steps.BROKEN
    assert count(office, Task) == 0


def test_what_the_world_refuses_fails_with_its_words(
    office: Office, act: Act, world_says: Callable[..., None]
) -> None:
    def refuse(app: Flask, job: Job) -> str:
        raise CannotBeDone("The address is not allowed.\0 Nothing was sent.")

    world_says(refuse)
    proposal_id, run_id = office.approved("api_call")
    act()

    failed = office.wait(proposal_id, "failed")
    assert failed.execution_result == "The address is not allowed. Nothing was sent."
    assert office.run(run_id).error == failed.execution_result


@pytest.mark.parametrize("error", [OutcomeUnknown("cut off"), ZeroDivisionError()])
def test_what_may_have_happened_waits_for_a_person(
    office: Office, act: Act, world_says: Callable[..., None], error: Exception
) -> None:
    def cut_off(app: Flask, job: Job) -> str:
        raise error

    world_says(cut_off)
    proposal_id, run_id = office.approved("api_call")
    act()
    office.wait_run(run_id, "interrupted")

    assert office.proposal(proposal_id).status == "approved"
    assert office.read(lambda s: s.get_one(Proposal, proposal_id).execution) == "interrupted"


def of_another_version(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Since it was approved, the action takes something else."""
    monkeypatch.setitem(DECLARED, "create_task", DECLARED["schedule_job"])


def garbled(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    changed_rows(update(Proposal).values(canonical=b"{"))
    db.session.commit()


UNREAD = {of_another_version: "params.name: Field required", garbled: "these are not canonical bytes: "}


@pytest.mark.parametrize("spoil", UNREAD)
def test_what_can_be_read_no_more_fails_once_and_its_card_says_so(
    office: Office, act: Act, monkeypatch: pytest.MonkeyPatch, spoil: Callable[..., None]
) -> None:
    proposal_id, run_id = office.approved()
    spoil(office, monkeypatch)
    act()
    failed = office.wait(proposal_id, "failed")

    assert (failed.execution_result or "").startswith(
        f"Not carried out: it could not be read: {UNREAD[spoil]}"
    )
    assert (office.run(run_id).status, office.run(run_id).attempt) == ("error", 1)
    meta = office.read(lambda s: s.get_one(Message, failed.message_id)).meta
    assert (meta["status"], meta["params"]) == ("failed", {})
    assert failed.action.headline == "This could not be read"
    with pytest.raises(Changed, match=r"could not be read|not what was proposed"):
        office.decide("retry", proposal_id)
    db.session.rollback()
    entries = office.read(lambda s: s.scalars(select(AuditEntry.action)).all())
    assert entries.count("proposal.failed") == 1


# Once.


def test_what_cannot_be_loaded_has_not_begun(
    office: Office, act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(actions.ACTIONS, "api_call", InWorld("queues.actions.no_such_thing"))
    proposal_id, _ = office.approved("api_call")
    act()

    assert office.wait(proposal_id, "failed").execution_result == steps.BROKEN


def test_the_world_is_asked_once_with_the_key_of_its_bytes(office: Office, act: Act) -> None:
    proposal_id, run_id = office.approved("api_call")
    act()
    act()
    proposal = office.wait(proposal_id)

    approval = office.approval_of(run_id)
    assert office.world.keys == [f"teamroom-{approval.subject_id}-{approval.digest[:16]}"]
    assert proposal.execution_result == "The server answered 200."


def test_two_workers_take_each_run_once(office: Office, act: Act) -> None:
    made = [office.approved("api_call")[0] for _ in range(10)]
    act()
    act()
    for proposal_id in made:
        office.wait(proposal_id)

    assert office.world.effects == len(set(office.world.keys)) == 10


def test_a_stale_token_changes_nothing(office: Office) -> None:
    proposal_id, run_id = office.approved()
    old = claimed(run_id)
    office.lose(run_id)
    new = claimed(run_id)
    before = office.run(run_id)

    def apply() -> str:
        raise AssertionError("it is not this worker's any more")

    assert not step(steps.carry_out, old, apply)
    assert not step(steps.begin, old)
    for late in (steps.done, steps.failed, steps.unknown):
        assert not step(late, old, "late")
    assert not step(steps.give_back, old)
    assert not step(steps.broken, old)
    after = office.run(run_id)
    assert (after.status, after.lease_token, after.attempt, after.late_report) == (
        "running", new.token, before.attempt, None,
    )  # fmt: skip
    assert (after.attempt, after.losses) == (2, 1)
    assert office.proposal(proposal_id).status == "approved"


def test_what_did_not_begin_is_handed_out_again_but_not_for_ever(office: Office) -> None:
    proposal_id, run_id = office.approved("api_call")
    for number in range(1, MAX_ATTEMPTS + 1):
        assert office.run(run_id).status == "queued", number
        claimed(run_id)
        office.lose(run_id)

    assert office.states(proposal_id) == ("failed", ["error"])
    assert "Nothing was done" in (office.proposal(proposal_id).execution_result or "")
    assert office.world.effects == 0


def test_what_may_have_begun_is_never_handed_out_again(office: Office, act: Act) -> None:
    proposal_id, run_id = office.approved("api_call")
    held = claimed(run_id)
    assert step(steps.begin, held)
    office.lose(run_id)
    act()
    wait_until(lambda: office.run(run_id).status == "interrupted", what="an interrupted run")

    assert not step(steps.give_back, held)
    assert office.states(proposal_id) == ("approved", ["interrupted"])
    assert office.world.effects == 0


def test_who_slept_past_its_lease_must_not_begin(office: Office) -> None:
    _, run_id = office.approved("api_call")
    held = claimed(run_id)
    office.lose(run_id)

    assert not step(steps.begin, held)


def test_a_late_report_decides_while_nobody_else_did(office: Office) -> None:
    proposal_id, run_id = office.approved("api_call")
    held = claimed(run_id)
    step(steps.begin, held)
    office.lose(run_id)

    assert step(steps.done, held, "It was sent.")
    assert office.states(proposal_id) == ("executed", ["success"])
    with pytest.raises(Conflict, match="known"):
        office.decide("settle", proposal_id, "failed")


@pytest.mark.parametrize(("outcome", "run_status"), [("executed", "success"), ("failed", "error")])
def test_what_a_person_settled_stays_and_the_late_report_is_kept(
    office: Office, outcome: str, run_status: str
) -> None:
    proposal_id, run_id = office.approved("api_call")
    held = claimed(run_id)
    step(steps.begin, held)
    office.lose(run_id)
    office.decide("settle", proposal_id, outcome, "I asked them.")
    said = office.proposal(proposal_id).execution_result

    assert not step(steps.done, held, "It was sent.")
    assert not step(steps.done, held, "It was sent twice.")
    assert office.states(proposal_id) == (outcome, [run_status])
    assert (
        said == f"Mara Lindqvist looked: it was {'' if outcome == 'executed' else 'not '}done. I asked them."
    )
    run = office.run(run_id)
    assert (run.report, run.late_report) == (said, "It was sent.")


def test_a_report_that_is_repeated_is_not_late(office: Office) -> None:
    """The commit stood, and its answer was lost."""
    _, run_id = office.approved("api_call")
    held = claimed(run_id)
    step(steps.begin, held)

    assert step(steps.done, held, "It was sent.")
    assert not step(steps.done, held, "It was sent.")
    assert office.run(run_id).late_report is None


# As it was approved.


def rewrite(database: Database, approval: Approval, **values: Any) -> None:
    """Somebody with the owner's rights takes the trigger away and changes the decision itself."""
    engine = create_engine(database.owner_url)
    with engine.begin() as connection:
        on = "" if database.kind == "sqlite" else " ON approvals"
        connection.execute(text(f"DROP TRIGGER approvals_no_update{on}"))
        connection.execute(update(Approval).where(Approval.id == approval.id).values(**values))
    engine.dispose()


def tampered_approval(office: Office, database: Database, run_id: UUID) -> None:
    approval = office.approval_of(run_id)
    rewrite(database, approval, canonical=approval.canonical.replace(b"Look at", b"Wipe"))


def tampered_proposal(office: Office, database: Database, run_id: UUID) -> None:
    approval = office.approval_of(run_id)
    other = approval.canonical.replace(b"Look at", b"Wipe")
    changed_rows(update(Proposal).where(Proposal.id == approval.subject_id).values(canonical=other))
    db.session.commit()


def voided(office: Office, database: Database, run_id: UUID) -> None:
    """By hand, past the verb that would have cancelled the run."""
    db.session.get_one(Approval, office.approval_of(run_id).id).void("somebody found a mistake")
    db.session.commit()


def expired(office: Office, database: Database, run_id: UUID) -> None:
    rewrite(database, office.approval_of(run_id), valid_until=utcnow())


DRIFTS = {
    tampered_approval: "what is stored is not what was approved",
    tampered_proposal: "what is proposed here is not what was approved",
    voided: "the approval is void: somebody found a mistake",
    expired: "the approval is no longer valid",
}


@pytest.mark.parametrize("when", ["before the claim", "before the launch"])
@pytest.mark.parametrize("drift", DRIFTS)
def test_what_drifted_is_refused_at_claim_and_at_launch(
    office: Office, database: Database, drift: Callable[..., None], when: str
) -> None:
    proposal_id, run_id = office.approved()
    if when == "before the claim":
        drift(office, database, run_id)
        db.session.expire_all()
        assert step(steps.claim, run_id) is None
    else:
        held = claimed(run_id)
        drift(office, database, run_id)
        db.session.expire_all()
        assert not step(steps.carry_out, held, lambda: "done")

    assert office.states(proposal_id) == ("failed", ["error"])
    assert office.proposal(proposal_id).execution_result == f"Not carried out: {DRIFTS[drift]}."


def test_a_drift_in_the_world_is_refused_before_it_begins(office: Office, database: Database) -> None:
    proposal_id, run_id = office.approved("api_call")
    held = claimed(run_id)
    voided(office, database, run_id)
    db.session.expire_all()

    assert not step(steps.begin, held)
    assert office.states(proposal_id) == ("failed", ["error"])


def test_a_build_that_does_not_compare_is_caught(
    office: Office, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the two tests before: without the check, the changed bytes are carried out."""
    monkeypatch.setattr(Proposal, "why_not", lambda proposal, approval: None)
    _, run_id = office.approved()
    tampered_approval(office, database, run_id)
    db.session.expire_all()
    held = claimed(run_id)
    action = actions.ACTIONS["create_task"]
    assert isinstance(action, InDatabase)

    assert step(steps.carry_out, held, action.ready(held.job))
    assert office.read(lambda s: s.scalars(select(Task.title)).one()) == "Wipe the disk"


def test_only_the_approvals_bytes_are_read(office: Office) -> None:
    """The message's metadata, which pages show, says something else: nobody looks at it."""
    proposal_id, run_id = office.approved()
    proposal = db.session.get_one(Proposal, proposal_id)
    proposal.message.meta = proposal.message.meta | {"params": {"title": "Wipe the disk"}}
    db.session.commit()

    assert claimed(run_id).job.params.as_json()["title"] == "Look at the disk"


def test_what_was_edited_between_is_not_carried_out(office: Office, act: Act) -> None:
    proposal_id, _ = office.approved()
    office.decide("edit", proposal_id, acting.TASK | {"title": "Another"})
    act()
    second = office.approve(proposal_id)
    office.wait_run(second, "success")

    assert office.states(proposal_id) == ("executed", ["cancelled", "success"])
    assert office.read(lambda s: list(s.scalars(select(Task.title)))) == ["Another"]


def test_what_is_being_carried_out_cannot_be_voided(office: Office) -> None:
    proposal_id, run_id = office.approved()
    claimed(run_id)

    with pytest.raises(Conflict, match="being carried out"):
        office.decide("edit", proposal_id, acting.TASK | {"title": "Another"})
    db.session.rollback()


def test_a_project_that_is_put_away_has_its_runs_wait(office: Office, act: Act) -> None:
    proposal_id, _ = office.approved()
    office.crew.project.archived_at = utcnow()
    db.session.commit()
    assert Run.waiting(5) == []
    db.session.rollback()
    act()

    office.crew.project.archived_at = None
    db.session.commit()
    office.wait(proposal_id)


# Again.


def test_retry_is_a_decision_of_its_own(office: Office) -> None:
    proposal_id, first = office.approved("api_call")
    step(steps.failed, claimed(first), "refused")
    office.decide("retry", proposal_id, "127.0.0.1:" + office.world.url.split(":")[2].split("/")[0])

    approvals = db.session.get_one(Proposal, proposal_id, populate_existing=True).approvals
    db.session.refresh(approvals[0])
    assert [approval.attempt for approval in approvals] == [1, 2]
    assert approvals[0].void_reason == "it failed, and Mara Lindqvist had it tried again"
    second = office.run_of(approvals[1].id)
    assert (office.run(second).retry_of, office.run(second).status) == (first, "queued")
    proposal = office.proposal(proposal_id)
    assert (proposal.status, proposal.execution_result, proposal.executed_at) == ("approved", None, None)


@pytest.mark.parametrize("state", ["proposed", "approved", "running", "interrupted", "executed", "rejected"])
def test_only_what_failed_can_be_tried_again_and_only_the_interrupted_settled(
    office: Office, state: str
) -> None:
    proposal_id = office.propose()
    if state == "rejected":
        office.decide("reject", proposal_id)
    elif state != "proposed":
        run_id = office.approve(proposal_id)
        if state != "approved":
            held = claimed(run_id)
        if state == "interrupted":
            step(steps.begin, held)
            step(steps.unknown, held, "cut off")
        if state == "executed":
            step(steps.carry_out, held, lambda: "done")

    with pytest.raises((Decided, Conflict)):
        office.decide("retry", proposal_id)
    db.session.rollback()
    if state != "interrupted":
        with pytest.raises(Conflict):
            office.decide("settle", proposal_id, "executed")
        db.session.rollback()
    else:
        office.decide("settle", proposal_id, "executed")


@pytest.mark.parametrize("verb", ["retry", "settle"])
def test_they_name_the_digest_and_need_the_role(office: Office, verb: str) -> None:
    proposal_id, run_id = office.approved()
    step(steps.failed, claimed(run_id), "refused")
    proposal = db.session.get_one(Proposal, proposal_id, populate_existing=True)
    more = ("executed",) if verb == "settle" else ()

    with pytest.raises(Changed):
        getattr(proposal, verb)(office.sign_in(), "0" * 64, *more)
    db.session.rollback()
    for session in (None, office.sign_in(office.crew.jonas)):
        with pytest.raises(Forbidden):
            getattr(proposal, verb)(session, proposal.digest, *more)
        db.session.rollback()


def test_each_step_is_in_the_audit_log(office: Office) -> None:
    proposal_id, run_id = office.approved("api_call")
    held = claimed(run_id)
    step(steps.begin, held)
    office.lose(run_id)
    office.decide("settle", proposal_id, "executed")
    step(steps.done, held, "It was sent.")

    entries = office.read(lambda s: s.scalars(select(AuditEntry).order_by(AuditEntry.seq)).all())
    told = [
        (one.action, one.actor.partition(":")[0]) for one in entries if one.action.startswith("proposal.")
    ]
    assert told == [
        ("proposal.approved", "person"), ("proposal.interrupted", "system"),
        ("proposal.settled", "person"), ("proposal.late_report", "system"),
    ]  # fmt: skip


# The worker.


def test_approving_rings_the_workers_of_runs_alone(
    office: Office, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposal_id = office.propose()
    bells = {"chat": Counting(), "runs": Counting()}
    monkeypatch.setitem(app.extensions, "bells", bells)
    office.approve(proposal_id)

    assert (bells["chat"].rung, bells["runs"].rung) == (0, 1)


@pytest.mark.databases("sqlite")
def test_without_redis_it_looks_by_itself(office: Office, act: Act) -> None:
    """I12."""
    act(REDIS_URL="")
    proposal_id, _ = office.approved()

    office.wait(proposal_id, timeout=15)


def test_without_a_worker_it_stays_approved_and_waits(office: Office, act: Act) -> None:
    proposal_id, _ = office.approved()
    assert office.read(lambda s: s.get_one(Proposal, proposal_id).execution) == "waiting"
    act()

    office.wait(proposal_id)


def test_one_that_breaks_the_claim_does_not_hold_up_the_others(
    office: Office, act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, bad_run = office.approved()
    good, _ = office.approved()
    real = steps.claim

    def claim(run_id: UUID) -> Any:
        if run_id == bad_run:
            raise ZeroDivisionError
        return real(run_id)

    monkeypatch.setattr(steps, "claim", claim)
    act()
    office.wait(good)

    assert office.proposal(bad).status == "approved"


def test_a_worker_that_stops_gives_back_what_it_did_not_begin(
    office: Office, act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(job: Job) -> None:
        began.append(job)
        wait_until(lambda: over, 5)

    began: list[Job] = []
    over: list[int] = []
    monkeypatch.setattr(create_task, "prepare", slow, raising=False)
    _, run_id = office.approved()
    running = act()
    wait_until(lambda: began, what="work in hand")
    running.stop()
    over.append(1)

    run = office.run(run_id)
    assert (run.status, run.attempt, run.losses) == ("queued", 0, 0)


def test_of_what_it_had_begun_a_person_finds_out(
    office: Office, act: Act, world_says: Callable[..., None]
) -> None:
    began: list[Job] = []
    over: list[int] = []

    def slow(app: Flask, job: Job) -> str:
        began.append(job)
        wait_until(lambda: over, 10)
        return "sent"

    world_says(slow)
    proposal_id, run_id = office.approved("api_call")
    running = act()
    wait_until(lambda: began, what="work in hand")
    running.stop()
    over.append(1)

    assert office.run(run_id).status == "interrupted"
    assert office.proposal(proposal_id).status == "approved"
