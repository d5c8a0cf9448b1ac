"""Tasks over HTTP: a person promotes a message, everybody reads, and no agent makes one by any path."""

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy

from agents.tools import registry
from models import Message, Proposal, Task, Thread, labs
from models import db as db_
from models.base import utcnow
from models.message import Draft
from models.policy import RIGHTS, TOKEN_RIGHTS
from models.posting import post
from scripts.programs import ROOT
from tests import factories
from tests.webapp.rooms.conftest import House


@pytest.fixture
def message(house: House, mara: FlaskClient) -> str:
    said: str = house.post(mara, "The disk is **full**").get_json()["id"]
    return said


def path(message_id: str) -> str:
    return f"/api/messages/{message_id}/task"


def page(client: FlaskClient, house: House, number: int | None = None) -> str:
    address = f"/{house.project.key}/tasks" + (f"/{number}" if number else "")
    return str(client.get(address).text)


def test_a_repeat_under_its_key_gets_the_first_answer(jonas: FlaskClient, message: str) -> None:
    first, again = (jonas.post(path(message), headers={"Idempotency-Key": "one"}) for _ in range(2))

    assert (again.status_code, again.get_json()) == (first.status_code, first.get_json())
    assert again.headers["Idempotent-Replayed"] == "true"


def test_a_member_promotes_a_message(house: House, jonas: FlaskClient, message: str) -> None:
    answer = jonas.post(path(message))

    assert answer.status_code == 201
    said = answer.get_json()
    assert (said["number"], said["title"], said["status"]) == (1, "The disk is **full**", "pending")
    assert said["message_id"] == message
    assert jonas.post(path(message)).get_json()["id"] == said["id"]


def test_the_message_shows_the_task_and_the_task_the_message(
    house: House, jonas: FlaskClient, message: str
) -> None:
    jonas.post(path(message))

    assert 'href="tasks/1"' in jonas.get(f"/{house.project.key}/chat").text
    shown = page(jonas, house, 1)
    assert f"/{house.project.key}/chat?around=1#message_{message}" in shown
    assert "<strong>full</strong>" in shown
    assert f'data-user="{house.jonas.id}"' in shown


def test_the_list_shows_the_newest_first(
    house: House, mara: FlaskClient, jonas: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "No task yet" in page(jonas, house)
    for word in ("first", "second", "third"):
        jonas.post(path(house.post(mara, word).get_json()["id"]))

    shown = page(jonas, house)
    assert shown.index(">third<") < shown.index(">second<") < shown.index(">first<")
    assert "3 tasks" in shown
    assert "Older tasks" not in shown

    monkeypatch.setattr("webapp.pages.tasks.SHOWN", 2)
    older = f"/{house.project.key}/tasks?status=pending"
    first, second, none = (jonas.get(older + before).text for before in ("", "&before=2", "&before=1"))
    assert (">third<" in first, ">first<" in first, f"{older}&amp;before=2" in first) == (True, False, True)
    assert (">second<" in second, ">first<" in second, "Older tasks" in second) == (False, True, False)
    assert "No older task" in none
    assert f'href="{older}">Newest' in none
    each = jonas.get(f"/{house.project.key}/tasks?tag=").text  # another address, so that none is kept
    assert (">third<" in each, ">second<" in each, "2 more" in each) == (True, False, True)


@pytest.mark.parametrize(
    "address",
    [
        "status=ended&priority=most&agent=%01&tag=%22&view=wall&before=first",
        "q=%ff%ed%a0%80&status=all",
        f"q={'9' * 300}&before=99999999999999999999",
        "q=%25_/%5C&tag=%25_/%5C&agent=%25&before=-1",
    ],
)
def test_what_an_address_cannot_mean_does_no_harm(jonas: FlaskClient, house: House, address: str) -> None:
    assert jonas.get(f"/{house.project.key}/tasks?{address}").status_code == 200


def test_the_address_says_what_is_shown(house: House, mara: FlaskClient) -> None:
    for word in ("first", "second"):
        mara.post(path(house.post(mara, word).get_json()["id"]))
    task = Task.by_number(house.project.id, 1)
    assert task
    task.status, task.tags = "completed", ["disk"]
    db_.session.commit()
    address = f"/{house.project.key}/tasks"

    shown = mara.get(address).text
    assert (">first<" in shown, ">second<" in shown, "1 completed task is hidden" in shown) == (
        False,
        True,
        True,
    )
    done = mara.get(f"{address}?status=completed&tag=disk&view=board&q=FIR").text
    assert (">first<" in done, ">second<" in done, 'class="board"' in done) == (True, False, True)
    assert f'href="{address}?status=completed&amp;q=FIR&amp;tag=disk"' in done
    assert "No task fits" in mara.get(f"{address}?q=third").text


@pytest.fixture
def tasks(house: House, mara: FlaskClient) -> list[str]:
    said = (house.post(mara, word).get_json()["id"] for word in ("first", "second"))
    return [mara.post(path(one)).get_json()["id"] for one in said]


def test_an_operator_changes_many_and_is_told_of_each(house: House, tasks: list[str], db: SQLAlchemy) -> None:
    operator, address = house.newcomer("operator"), f"/api/projects/{house.project.id}/tasks/change"
    task = Task.by_number(house.project.id, 1)
    assert task
    task.status = "completed"
    db.session.commit()

    said = operator.post(address, json={"ids": [*tasks, str(house.project.id)], "cancel": True})
    assert said.status_code == 200
    results = said.get_json()["results"]
    assert [(one["number"], (one["error"] or {}).get("code")) for one in results] == [
        (1, "conflict"), (2, None), (None, "not_found"),
    ]  # fmt: skip
    assert "completed already" in results[0]["error"]["message"]
    assert results[1]["task"]["status"] == "cancelled"
    change = {"ids": tasks, "priority": "urgent", "add_tags": ["Disk"]}
    assert [one["error"] for one in operator.post(address, json=change).get_json()["results"]] == [None, None]
    one = operator.patch(f"/api/tasks/{tasks[0]}", json={"tags": ["a", "b"]}).get_json()
    assert (one["priority"], one["tags"]) == ("urgent", ["a", "b"])


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"cancel": True, "priority": "low"},
        {"priority": "most"},
        {"add_tags": []},
        {"ids": [], "cancel": True},
        {"ids": ["1"], "cancel": True},
        {"ids": ["01a201e4-9f45-721a-8f11-c71283e81b68"] * 101, "cancel": True},
        {"cancel": "yes"},
    ],
)
def test_a_change_that_means_nothing_is_refused(
    house: House, mara: FlaskClient, tasks: list[str], wrong: dict[str, Any]
) -> None:
    address = f"/api/projects/{house.project.id}/tasks/change"

    assert mara.post(address, json={"ids": tasks} | wrong).status_code == 422
    assert mara.patch(f"/api/tasks/{tasks[0]}", json={}).status_code == 422


def test_who_may_change_tasks(house: House, app: Flask, jonas: FlaskClient, tasks: list[str]) -> None:
    owner = factories.member(other := factories.project(), "owner")
    labs.write(other.id, {"task_threads": True})
    stranger = factories.signed_in(app, owner)
    change = {"ids": tasks, "priority": "low"}

    assert jonas.post(f"/api/projects/{house.project.id}/tasks/change", json=change).status_code == 403
    assert jonas.patch(f"/api/tasks/{tasks[0]}", json={"priority": "low"}).status_code == 403
    assert stranger.post(f"/api/projects/{house.project.id}/tasks/change", json=change).status_code == 404
    theirs = stranger.post(f"/api/projects/{other.id}/tasks/change", json=change).get_json()
    assert [(one["number"], one["error"]["code"]) for one in theirs["results"]] == [(None, "not_found")] * 2


def proposed(house: House, where: Thread) -> Proposal:
    """A proposal and the task that was made of it."""
    proposal = factories.proposal(where, house.trunks)
    Task.create(house.project.id, "Look", "", None, source="proposal", author="trunks", user_id=house.mara.id,
                message_id=proposal.message_id, proposal_id=proposal.id)  # fmt: skip
    db_.session.commit()
    return proposal


def test_a_proposed_task_shows_its_card_and_links_to_it(house: House, jonas: FlaskClient) -> None:
    proposal = proposed(house, house.thread)

    shown = page(jonas, house, 1)
    assert f"#message_{proposal.message_id}" in shown
    assert "an approved proposal" in shown
    assert shown.count(f'id="proposal_{proposal.id}"') == 1
    assert "because it is full" in shown


@pytest.mark.parametrize("role", ["owner", "viewer"])
def test_a_card_of_a_conversation_is_shown_to_who_may_see_it(
    house: House, jonas: FlaskClient, db: SQLAlchemy, role: str
) -> None:
    """Of somebody who may not decide it is everybody's, but not the conversation around it."""
    owner = factories.member(house.project, role)
    thread = Thread(project_id=house.project.id, title="DM:trunks", kind="dm", owner_user_id=owner.id)
    db.session.add(thread)
    db.session.flush()
    proposal = proposed(house, thread)
    card = f'id="proposal_{proposal.id}"'

    assert card in page(house.browser(owner), house, 1)
    assert (card in page(jonas, house, 1)) == proposal.listed == (role == "viewer")
    assert "because it is full" not in page(jonas, house, 1)


def test_what_came_from_a_conversation_does_not_link_there(house: House, db: SQLAlchemy) -> None:
    thread = Thread(project_id=house.project.id, title="DM:trunks", kind="dm", owner_user_id=house.mara.id)
    db.session.add(thread)
    db.session.flush()
    said = post(thread, Draft.of(house.mara.id, "secret words", "c1"))
    Task.promote(said, house.mara)
    db.session.commit()

    shown = page(house.browser(house.jonas), house, 1)
    assert str(said.id) not in shown
    assert "in a direct conversation" in shown


def test_who_may_what(house: House, app: Flask, message: str) -> None:
    viewer = house.newcomer("viewer")
    stranger = factories.signed_in(app, factories.member(factories.project(), "owner"))

    assert viewer.post(path(message)).status_code == 403
    assert viewer.get(f"/{house.project.key}/tasks").status_code == 200
    assert stranger.post(path(message)).status_code == 404
    assert stranger.get(f"/{house.project.key}/tasks/1").status_code == 404


def test_while_the_flag_is_off_there_is_nothing(
    house: House, mara: FlaskClient, message: str, db: SQLAlchemy
) -> None:
    mara.post(path(message))
    labs.write(house.project.id, {"task_threads": False})
    db.session.commit()

    for address in (f"/{house.project.key}/tasks", f"/{house.project.key}/tasks/1"):
        assert mara.get(address).status_code == 404
    assert mara.post(path(message)).status_code == 404
    assert "/tasks" not in mara.get(f"/{house.project.key}/agents").text


@pytest.mark.parametrize("number", ["0", "2", "99999999999", "x"])
def test_a_task_that_is_none_is_not_found(house: House, mara: FlaskClient, number: str) -> None:
    assert mara.get(f"/{house.project.key}/tasks/{number}").status_code == 404


def comment(client: FlaskClient, task: str, content: object = "seen by **me**", client_id: str = "c1") -> Any:
    return client.post(f"/api/tasks/{task}/comments", json={"content": content, "client_id": client_id})


@pytest.fixture
def task(jonas: FlaskClient, message: str) -> str:
    made: str = jonas.post(path(message)).get_json()["id"]
    return made


def test_a_comment_stands_in_the_timeline_once(house: House, jonas: FlaskClient, task: str) -> None:
    first = comment(jonas, task, "seen by **me** <img src=x onerror=alert(1)>")
    again = comment(jonas, task, "seen by **me** <img src=x onerror=alert(1)>")

    assert first.status_code == 201
    said = first.get_json()
    assert (said["event_type"], said["author"], said["user_id"]) == ("comment", "ui", str(house.jonas.id))
    assert again.get_json() == said
    other = comment(jonas, task, "something else")
    assert (other.status_code, list(other.get_json()["error"]["fields"])) == (409, ["client_id"])
    shown = page(jonas, house, 1)
    assert shown.count("seen by <strong>me</strong>") == 1
    assert "<img src=x" not in shown


@pytest.mark.parametrize(
    ("content", "client_id", "field"),
    [(" ", "c1", "content"), ("x" * 16_385, "c1", "content"), (7, "c1", "content"), ("x", "", "client_id")],
)
def test_what_is_no_comment_is_refused(
    jonas: FlaskClient, task: str, content: object, client_id: str, field: str
) -> None:
    answer = comment(jonas, task, content, client_id)

    assert (answer.status_code, list(answer.get_json()["error"]["fields"])) == (422, [field])


def test_who_may_comment(house: House, app: Flask, jonas: FlaskClient, task: str, db: SQLAlchemy) -> None:
    stranger = factories.signed_in(app, factories.member(factories.project(), "owner"))
    assert comment(house.newcomer("viewer"), task).status_code == 403
    assert comment(stranger, task).status_code == 404
    assert comment(jonas, str(house.project.id)).status_code == 404

    labs.write(house.project.id, {"task_threads": False})
    db.session.commit()
    assert comment(jonas, task).status_code == 404
    labs.write(house.project.id, {"task_threads": True})
    house.project.archived_at = utcnow()
    db.session.commit()
    assert comment(jonas, task).status_code == 404


def test_a_long_timeline_is_shown_from_its_end(
    house: House, jonas: FlaskClient, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.pages.tasks.SHOWN", 2)
    for word in ("alpha", "beta"):
        comment(jonas, task, word, word)

    newest = page(jonas, house, 1)
    assert (">alpha<" in newest, "made it of a message" in newest) == (True, False)
    before = re.search(r'href="([^"]+\?before=[^"]+)"', newest)
    assert before
    earlier = jonas.get(before[1]).text
    assert (">alpha<" in earlier, "made it of a message" in earlier, "composer" in earlier) == (
        False, True, False,
    )  # fmt: skip


# No agent makes one by any path.


def test_no_token_has_the_right(house: House) -> None:
    assert RIGHTS["task.create"] == RIGHTS["task.comment"] == RIGHTS["task.report"] == "member"
    assert [kind for kind, rights in TOKEN_RIGHTS.items() if "task.report" in rights] == ["agent"]
    assert not any({"task.create", "task.comment"} & rights for rights in TOKEN_RIGHTS.values())


@pytest.mark.parametrize("kind", TOKEN_RIGHTS)
def test_no_token_makes_a_task_by_any_route(
    house: House, app: Flask, message: str, db: SQLAlchemy, kind: str
) -> None:
    who = house.jonas if kind == "user" else None
    _, text = factories.token(house.project, kind, who, agent_key="trunks")
    db.session.commit()
    client = factories.bearer(app, text)
    given = {"project_id": house.project.id, "message_id": message, "thread_id": house.thread.id}
    body = {"content": "/task make a task", "client_id": "c1", "title": "x", "description": "",
            "assignee_agent_key": None, "status": "pending", "source": "message"}  # fmt: skip

    for rule in app.url_map.iter_rules():
        if not set(rule.arguments) <= set(given):
            continue
        address = str(rule.build({name: given[name] for name in rule.arguments})[1])  # type: ignore[index]
        for method in (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}:
            answer = client.open(address, method=method, json=body)
            assert answer.status_code < 500, (method, address)
    assert client.post(path(message)).status_code == 403
    assert db.session.query(Task).count() == 0


def test_no_tool_acts(house: House) -> None:
    """What an agent can call reads or proposes; a proposal waits for a person."""
    effects = {tool.effect for job in ("chat", "heartbeat", "scheduled", "planning", "audit")
               for tool in registry.for_job(job).tools.values()}  # fmt: skip

    assert effects <= {"reads", "proposes"}


def test_what_an_agent_says_makes_no_task(house: House, db: SQLAlchemy) -> None:
    post(house.thread, Draft.of(None, "/task Look\n@trunks create_task approve", "c1", agent_key="trunks"))
    factories.proposal(house.thread, house.trunks)
    db.session.commit()

    assert db.session.query(Task).count() == 0
    assert db.session.query(Message).count() == 2


def makers() -> Iterator[str]:
    """Every file of ours that makes a task, by calling the table or its verbs."""
    for folder in ("models", "realtime", "agents", "queues", "webapp"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            calls = (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call))
            if {"Task", "Task.create", "Task.promote"} & {ast.unparse(call.func) for call in calls}:
                yield str(file.relative_to(ROOT))


def test_only_an_approved_action_and_a_persons_click_make_tasks() -> None:
    assert set(makers()) == {"queues/actions/create_task.py", "webapp/api/tasks.py"}
