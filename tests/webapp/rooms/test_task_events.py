"""A task's timeline over HTTP: agents report and ask with a token, people add outputs, executors poll."""

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select

from models import Proposal, Run, Task, TaskEvent, UserSession, labs
from models.execution import Execution
from models.message import Draft
from models.order import Order
from models.posting import post
from tests import factories
from tests.support import legacy
from tests.support.databases import Database
from tests.webapp.rooms.conftest import House

WANTED = {
    "action_type": "file_write",
    "params": {"path": "notes/a.txt", "content": "one"},
    "risk_level": "med",
}
CLAIMED = {"requires_approval": True, "status": "proposed", "proposed_by": "trunks",
           "proposed_at": "2026-01-01T00:00:00Z"}  # fmt: skip
RESOLVED = {"status", "resolved_by", "resolved_at", "original_event_id"}
LINK = {"output_type": "link", "storage_path": None, "link_url": "https://example.org/a#b"}
TEXT = {"output_type": "text", "storage_path": None, "link_url": None}
FILE = {"output_type": "file", "storage_path": "reports/disk.txt", "link_url": None}


@pytest.fixture
def task(house: House, db: SQLAlchemy) -> Task:
    made = Task.promote(post(house.thread, Draft.of(house.mara.id, "The disk is full", "m1")), house.mara)
    db.session.commit()
    return made


@pytest.fixture
def trunks(house: House, app: Flask, db: SQLAlchemy) -> FlaskClient:
    """A program with Trunks' token."""
    _, text = factories.token(house.project, "agent", agent_key="trunks")
    db.session.commit()
    return factories.bearer(app, text)


@pytest.fixture
def workspace(app: Flask, house: House) -> Path:
    folder = Path(app.config["WORKSPACES_FOLDER"]) / house.project.key
    (folder / "reports").mkdir(parents=True)
    (folder / "reports/disk.txt").write_bytes(b"<script>alert(1)</script>")
    (folder / ".env").write_text("SECRET=1")
    return folder


def say(client: FlaskClient, task: Task, event_type: str, content: str = "so far", **more: Any) -> Any:
    return client.post(
        f"/api/tasks/{task.id}/events", json={"event_type": event_type, "content": content, **more}
    )


def read(client: FlaskClient, task: Task, **asked: Any) -> Any:
    return client.get(f"/api/tasks/{task.id}/events", query_string=asked).get_json()


def page(client: FlaskClient, house: House) -> str:
    return str(client.get(f"/{house.project.key}/tasks/1").text)


@pytest.mark.parametrize("event_type", ["comment", "agent_update"])
def test_what_an_agent_says_stands_in_the_thread_once_as_its_own(
    house: House, jonas: FlaskClient, trunks: FlaskClient, task: Task, event_type: str
) -> None:
    first, again = (say(trunks, task, event_type, "so **far** <b>x", client_id="c1") for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 201)
    said = first.get_json()
    assert (said["event_type"], said["author"], said["user_id"]) == (event_type, "trunks", None)
    assert again.get_json() == said
    other = say(trunks, task, event_type, "something else", client_id="c1")
    assert (other.status_code, list(other.get_json()["error"]["fields"])) == (409, ["client_id"])
    shown = page(jonas, house)
    assert shown.count("so <strong>far</strong> &lt;b&gt;x") == 1
    assert read(trunks, task, event_type=event_type)["events"] == [said]


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"event_type": "status_change", "metadata": {"after": "completed"}}, 403, None),
        ({"event_type": "approval_resolved", "metadata": {"status": "approved"}}, 403, None),
        ({"event_type": "created"}, 422, "event_type"),
        ({"event_type": "noted"}, 422, "event_type"),
        ({"content": None}, 422, "content"),
        ({"content": " "}, 422, "content"),
        ({"content": "x" * 16_385}, 422, "content"),
        ({"author": "bulma"}, 422, "author"),
        ({"user_id": None}, 422, "user_id"),
        ({"metadata": {"x": 1}}, 422, "metadata.x"),
        ({"metadata": []}, 422, "metadata"),
        ({"text": "x"}, 422, "text"),
        ({"client_id": ""}, 422, "client_id"),
        ({"event_type": "output_added"}, 422, "metadata.output_type"),
        ({"event_type": "output_added", "metadata": LINK | {"size": 1}}, 422, "metadata.size"),
        ({"event_type": "output_added", "metadata": TEXT}, 422, "text"),
        ({"event_type": "output_added", "metadata": LINK, "text": "x"}, 422, "text"),
        ({"event_type": "output_added", "metadata": LINK | {"storage_path": "a"}}, 422,
         "metadata.storage_path"),
        ({"event_type": "output_added", "metadata": LINK | {"link_url": None}}, 422, "metadata.link_url"),
        ({"event_type": "output_added", "metadata": LINK | {"link_url": "javascript:alert(1)"}}, 422,
         "metadata.link_url"),
        ({"event_type": "output_added", "metadata": LINK | {"link_url": "https://a@b.example/"}}, 422,
         "metadata.link_url"),
        ({"event_type": "output_added", "metadata": FILE | {"storage_path": "../x"}}, 422,
         "metadata.storage_path"),
        ({"event_type": "output_added", "metadata": FILE | {"storage_path": "reports/none"}}, 422,
         "metadata.storage_path"),
        ({"event_type": "output_added", "metadata": FILE | {"storage_path": ".env"}}, 422,
         "metadata.storage_path"),
        ({"event_type": "approval_request"}, 422, "metadata.action_type"),
        ({"event_type": "approval_request", "metadata": WANTED | {"requires_approval": False}}, 422,
         "metadata.requires_approval"),
        ({"event_type": "approval_request", "metadata": WANTED | {"requires_approval": 1}}, 422,
         "metadata.requires_approval"),
        ({"event_type": "approval_request", "metadata": WANTED | {"status": "approved"}}, 422,
         "metadata.status"),
        ({"event_type": "approval_request", "metadata": WANTED | {"proposed_by": "bulma"}}, 422,
         "metadata.proposed_by"),
        ({"event_type": "approval_request", "metadata": WANTED | {"approved_by": "mara"}}, 422,
         "metadata.approved_by"),
        ({"event_type": "approval_request", "metadata": WANTED | {"action_type": "send_email"}}, 422,
         "metadata.action_type"),
        ({"event_type": "approval_request", "metadata": WANTED | {"params": {"path": "a"}}}, 422,
         "params.content"),
    ],
)  # fmt: skip
def test_what_an_agent_may_not_report_is_refused(
    trunks: FlaskClient, task: Task, workspace: Path, body: dict[str, Any], status: int, field: str | None
) -> None:
    answer = trunks.post(
        f"/api/tasks/{task.id}/events", json={"event_type": "comment", "content": "x"} | body
    )

    assert answer.status_code == status, answer.get_json()
    assert field is None or field in answer.get_json()["error"]["fields"]
    assert len(read(trunks, task)["events"]) == 1


@pytest.mark.databases("sqlite")
def test_without_the_list_of_what_is_refused_an_agent_could_write_a_decision(
    trunks: FlaskClient, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: it is that list which holds."""
    monkeypatch.setattr("webapp.api.task_events.REFUSED_EVENTS", ())

    assert say(trunks, task, "approval_resolved", "approved").status_code == 201


def test_who_may_report(
    house: House, app: Flask, task: Task, trunks: FlaskClient, mara: FlaskClient, jonas: FlaskClient,
    db: SQLAlchemy,
) -> None:  # fmt: skip
    _, other = factories.token(factories.project(), "agent", agent_key="trunks")
    _, user, _, worker = (*factories.token(house.project, "user", house.jonas),
                          *factories.token(house.project, "worker"))  # fmt: skip
    db.session.commit()
    told = {"agent_update": {}, "approval_request": {"metadata": WANTED}}

    assert say(factories.bearer(app, other), task, "comment").status_code == 404
    for text in (user, worker):
        assert say(factories.bearer(app, text), task, "comment").status_code == 403
    assert say(house.newcomer("viewer"), task, "comment").status_code == 403
    assert say(jonas, task, "comment").get_json()["user_id"] == str(house.jonas.id)
    assert [say(mara, task, kind, **more).status_code for kind, more in told.items()] == [403, 403]
    labs.write(house.project.id, {"task_threads": False})
    db.session.commit()
    assert say(trunks, task, "comment").status_code == 404
    assert trunks.get(f"/api/tasks/{task.id}/events").status_code == 404


def test_outputs_are_shown_so_that_nobody_is_led_astray(
    house: House, app: Flask, task: Task, trunks: FlaskClient, mara: FlaskClient, jonas: FlaskClient,
    workspace: Path,
) -> None:  # fmt: skip
    link = say(jonas, task, "output_added", "The graph", metadata=LINK, text="")
    text = say(trunks, task, "output_added", "Notes", metadata=TEXT, text="It is **full** <img src=x>")
    refused = say(jonas, task, "output_added", "Report", metadata=FILE)
    file = say(mara, task, "output_added", "Report", metadata=FILE)

    assert [answer.status_code for answer in (link, text, refused, file)] == [201, 201, 403, 201]
    assert [answer.get_json()["metadata"] for answer in (link, text, file)] == [LINK, TEXT, FILE]
    assert (text.get_json()["content"], text.get_json()["text"]) == ("Notes", "It is **full** <img src=x>")
    shown = page(jonas, house)
    assert '<a class="link" href="https://example.org/a#b" rel="noopener noreferrer nofollow"' in shown
    assert ">example.org<" in shown
    assert "It is <strong>full</strong>" in shown
    assert "<img src=x" not in shown

    address = f"/api/tasks/{task.id}/outputs/{file.get_json()['id']}"
    assert f'href="{address}" download' in shown
    answer = house.newcomer("viewer").get(address)
    assert (answer.status_code, answer.data) == (200, b"<script>alert(1)</script>")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''disk.txt"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert trunks.get(address).status_code == 403
    stranger = factories.signed_in(app, factories.member(factories.project(), "owner"))
    assert stranger.get(address).status_code == 404
    assert mara.get(f"/api/tasks/{task.id}/outputs/{link.get_json()['id']}").status_code == 404


def test_a_file_is_saved_whatever_letters_its_name_has(
    house: House, task: Task, mara: FlaskClient, workspace: Path
) -> None:
    (workspace / "reports/報告.txt").write_text("full")
    said = say(mara, task, "output_added", "Report", metadata=FILE | {"storage_path": "reports/報告.txt"})

    answer = mara.get(f"/api/tasks/{task.id}/outputs/{said.get_json()['id']}")

    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''%E5%A0%B1%E5%91%8A.txt"


def test_a_file_that_became_a_link_out_of_the_workspace_is_not_served(
    house: House, task: Task, mara: FlaskClient, workspace: Path, tmp_path: Path
) -> None:
    said = say(mara, task, "output_added", "Report", metadata=FILE).get_json()
    address = f"/api/tasks/{task.id}/outputs/{said['id']}"
    (tmp_path / "secret").write_text("outside")
    file = workspace / "reports/disk.txt"
    file.unlink()
    assert mara.get(address).status_code == 404

    file.symlink_to(tmp_path / "secret")
    assert file.read_text() == "outside"
    assert mara.get(address).status_code == 422


def test_what_an_agent_asks_for_in_a_task_is_a_proposal_in_its_thread(
    house: House, mara: FlaskClient, trunks: FlaskClient, task: Task, db: SQLAlchemy
) -> None:
    asked = say(trunks, task, "approval_request", "it is **full**", metadata=WANTED | CLAIMED, client_id="c1")

    assert asked.status_code == 201, asked.get_json()
    said = asked.get_json()
    assert said["metadata"].keys() >= {*WANTED, *CLAIMED}
    assert (said["metadata"]["status"], said["metadata"]["proposed_by"]) == ("proposed", "trunks")
    again = say(trunks, task, "approval_request", "it is **full**", metadata=WANTED, client_id="c1")
    assert again.get_json() == said
    other = WANTED | {"params": {"path": "notes/a.txt", "content": "two"}}
    assert (
        say(trunks, task, "approval_request", "it is **full**", metadata=other, client_id="c1").status_code
        == 409
    )
    proposal = db.session.scalars(select(Proposal)).one()
    card = f'id="proposal_{proposal.id}"'
    shown, waiting = page(mara, house), mara.get(f"/{house.project.key}/needs-you").text
    assert (shown.count(card), waiting.count(card)) == (1, 1)
    assert "it is <strong>full</strong>" in shown
    assert f"/tasks/1#event_{said['id']}" in waiting
    assert mara.get(f"/api/proposals/{proposal.id}").get_json()["task_event_id"] == said["id"]
    decision = {"digest": proposal.digest, "reason": "Not now."}
    assert (
        trunks.post(f"/api/proposals/{proposal.id}/approve", json={"digest": proposal.digest}).status_code
        == 403
    )

    assert mara.post(f"/api/proposals/{proposal.id}/reject", json=decision).status_code == 200

    [resolved] = read(trunks, task, event_type="approval_resolved", since=said["seq"])["events"]
    assert set(resolved["metadata"]) == RESOLVED
    assert resolved["metadata"] | {"resolved_at": ""} == {
        "status": "rejected", "resolved_by": "ui", "resolved_at": "", "original_event_id": said["id"],
    }  # fmt: skip
    assert (resolved["author"], resolved["user_id"]) == ("ui", str(house.mara.id))
    [request] = read(trunks, task, event_type="approval_request")["events"]
    assert request["metadata"]["status"] == "rejected"
    assert "rejected the proposal" in page(mara, house)


def test_what_was_approved_in_a_task_is_carried_out_once_and_says_so(
    house: House, mara: FlaskClient, trunks: FlaskClient, task: Task, db: SQLAlchemy
) -> None:
    wanted = {"action_type": "create_task",
              "params": {"title": "Buy a disk", "description": "", "assignee_agent_key": None}}  # fmt: skip
    event = say(trunks, task, "approval_request", "it is full", metadata=wanted).get_json()
    proposal = db.session.scalars(select(Proposal)).one()

    answer = mara.post(f"/api/proposals/{proposal.id}/approve", json={"digest": proposal.digest})

    assert answer.status_code == 200, answer.get_json()
    run = db.session.scalars(select(Run)).one()
    held = Execution.hold(run.id)
    token = held.claim("host:1")
    assert token
    assert held.done(token, "Task 2 was made.")
    db.session.commit()
    [resolved] = read(trunks, task, event_type="approval_resolved")["events"]
    assert (resolved["metadata"]["status"], resolved["metadata"]["original_event_id"]) == (
        "approved",
        event["id"],
    )
    [request] = read(trunks, task, event_type="approval_request")["events"]
    assert (request["metadata"]["status"], request["metadata"]["execution_result"]) == (
        "executed", "Task 2 was made.",
    )  # fmt: skip
    stored = db.session.scalars(select(TaskEvent).where(TaskEvent.event_type == "approval_request")).one()
    assert stored.meta["status"] == "proposed"


def test_a_decision_that_is_given_up_leaves_no_line(house: House, task: Task, db: SQLAlchemy) -> None:
    """Decision and line are one transaction."""
    proposal = factories.proposal(task, house.trunks)
    session, _ = UserSession.start(house.mara, "127.0.0.1", "pytest")
    db.session.commit()

    proposal.approve(session.id, proposal.digest)
    assert task.events(1)[0].event_type == "approval_resolved"
    db.session.rollback()

    assert [event.event_type for event in task.events(9)] == ["created", "approval_request"]
    assert db.session.get_one(Proposal, proposal.id).status == "proposed"


def test_while_tasks_are_off_nothing_is_decided_in_them(
    house: House, mara: FlaskClient, task: Task, db: SQLAlchemy
) -> None:
    proposal = factories.proposal(task, house.trunks)
    labs.write(house.project.id, {"task_threads": False})
    db.session.commit()

    body = {"digest": proposal.digest}
    assert mara.post(f"/api/proposals/{proposal.id}/approve", json=body).status_code == 404
    assert (
        mara.get("/api/proposals", query_string={"project_id": house.project.id}).get_json()["proposals"]
        == []
    )
    labs.write(house.project.id, {"task_threads": True, "team_room": False})
    db.session.commit()
    assert mara.post(f"/api/proposals/{proposal.id}/approve", json=body).status_code == 200


def test_a_rejected_plan_is_not_mistaken_for_a_proposal(house: House, task: Task, db: SQLAlchemy) -> None:
    """Both are approval_request and approval_resolved events: a plan's decision names the plan's."""
    factories.plan(task, house.mara, "## Look\n\n`ls`")
    asked = task.events(1)[0]
    proposal = factories.proposal(task, house.trunks)
    session, _ = UserSession.start(house.mara, "127.0.0.1", "pytest")
    db.session.flush()

    task.reject(session.id, task.plan_digest or "", "Not now.")
    proposal.reject(session.id, proposal.digest, "Never.")

    plans, proposals = task.events(2)
    assert (plans.meta["original_event_id"], plans.words) == (str(asked.id), "rejected the plan")
    assert proposals.words == "rejected the proposal"
    why = TaskEvent.last_of(task.id, "approval_resolved")
    assert why is not None
    assert why.content == "Not now."


def test_an_executor_polls_page_by_page_from_a_seq_or_a_time(task: Task, trunks: FlaskClient) -> None:
    made = [say(trunks, task, "agent_update", str(number)).get_json() for number in range(5)]

    first = read(trunks, task, event_type="agent_update", limit=2)
    rest = read(trunks, task, event_type="agent_update", since=first["since"])
    assert (first["events"], first["more"]) == (made[:2], True)
    assert (rest["events"], rest["more"]) == (made[2:], False)
    assert read(trunks, task, since=rest["since"]) == {"events": [], "since": rest["since"], "more": False}
    assert read(trunks, task, since=made[2]["created_at"])["events"] == made[3:]
    for wrong in ({"since": "yesterday"}, {"since": "2026-01-01"}, {"since": -1}, {"limit": 101},
                  {"limit": 0}, {"event_type": "x"}, {"since": "0001-01-01T00:00:00+14:00"}):  # fmt: skip
        assert trunks.get(f"/api/tasks/{task.id}/events", query_string=wrong).status_code == 422, wrong
    assert read(trunks, task, since="9" * 40)["events"] == []
    assert read(trunks, task, since="2999-01-01T00:00:00Z")["since"] == made[-1]["seq"]


def test_what_older_tables_say_is_shown_and_leads_nowhere(
    house: House, database: Database, mara: FlaskClient, task: Task, workspace: Path
) -> None:
    at = task.created_at
    legacy.comment(database, task, "an **old** word", at)
    legacy.output(database, task, "Bad", at, link_url="javascript:alert(1)")
    legacy.output(database, task, "Odd", at, output_type="summary")
    good = legacy.output(database, task, "Report", at, output_type="file", storage_path="reports/disk.txt")
    out = legacy.output(database, task, "Out", at, output_type="file", storage_path="../../etc/passwd")

    shown = page(mara, house)

    assert "an <strong>old</strong> word" in shown
    assert 'href="javascript' not in shown
    assert all(f">{title}<" in shown for title in ("Bad", "Odd", "Report", "Out"))
    assert mara.get(f"/api/tasks/{task.id}/outputs/{good}").status_code == 200
    hidden = legacy.output(database, task, "Env", at, output_type="file", storage_path=".env")
    for nobody in (out, hidden):
        assert mara.get(f"/api/tasks/{task.id}/outputs/{nobody}").status_code == 404


@pytest.mark.databases("sqlite")
def test_a_file_that_an_agent_names_is_for_operators(
    mara: FlaskClient, jonas: FlaskClient, trunks: FlaskClient, task: Task, workspace: Path
) -> None:
    """An agent lets nobody read what he could not read before."""
    output = say(trunks, task, "output_added", "Disk", metadata=FILE).get_json()
    address = f"/api/tasks/{task.id}/outputs/{output['id']}"
    assert (mara.get(address).status_code, jonas.get(address).status_code) == (200, 403)


@pytest.mark.databases("sqlite")
def test_a_repeated_key_adds_nothing_twice(trunks: FlaskClient, task: Task) -> None:
    body = {"event_type": "agent_update", "content": "so far"}
    once = {"Idempotency-Key": "k" * 100}
    said = [trunks.post(f"/api/tasks/{task.id}/events", json=body, headers=once).get_json() for _ in "ab"]
    assert said[0]["id"] == said[1]["id"]


def test_the_reports_of_all_attempts_are_exported_apart(
    house: House, mara: FlaskClient, task: Task, db: SQLAlchemy, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"/api/tasks/{task.id}/reports"
    assert mara.get(address + "?format=json").get_json()["attempts"] == []
    assert address not in page(mara, house)
    plan = factories.plan(task, house.mara, "## Look\n\n`ls`")
    with monkeypatch.context() as older:  # it was approved before an order said when, and what follows
        older.setattr(Order, "of", factories.first_order)
        held, token = factories.begun(task, house.mara)
    held.failed(token, "It is broken.\n\n## Attempt 2\n\nAll is well.", None)
    assert not held.done(token, "It went well after all.", None)
    session, _ = UserSession.start(house.mara, "127.0.0.1", "pytest")
    db.session.commit()
    assert "It is broken." in page(mara, house)
    task.retry(session.id, plan.digest)
    assert task.run
    look = Run.of_post_op(task.run)
    look.report = "**As planned.**"
    db.session.commit()

    said = mara.get(address + "?format=json")
    text = mara.get(address)

    assert said.headers["Content-Disposition"] == "attachment; filename=task-1-reports.json"
    assert text.headers["Content-Disposition"] == "attachment; filename=task-1-reports.md"
    first, second = said.get_json()["attempts"]
    assert (first["status"], first["late_report"]) == ("error", "It went well after all.")
    assert (second["status"], second["report"], second["retry_of"]) == ("queued", None, first["run_id"])
    assert first["approved"]["plan_digest"] == second["approved"]["plan_digest"] == plan.digest
    assert [first["approved"][name] for name in ("scheduled_time", "post_op")] == [None, None]
    assert (first["approved"]["by"], first["approved"]["plan"]) == ("Mara Lindqvist", "## Look\n\n`ls`")
    assert "had it tried again" in first["approved"]["void_reason"]
    headings = [line for line in text.text.splitlines() if line.startswith("## ")]
    assert headings == ["## Attempt 1", "## Attempt 2"]
    assert "> ## Attempt 2\n>\n> All is well." in text.text
    assert (first["post_op"], second["post_op"]["report"]) == (None, "**As planned.**")
    assert "### /oasis-op afterwards: queued\n\n> **As planned.**" in text.text
    assert f"{address}?format=md" in page(mara, house)
